//! What commands print: far too much, lines that do not end, bytes that are not text. planrun's memory stays
//! small, and nothing reaches a terminal as it was printed.
//!
//! `PLANRUN_FLOOD=full` prints 10 GiB, and a line of 1 GiB.

use std::fs;

use crate::harness::Planrun;

const INVENTORY: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

/// The most memory that printing may take, in KiB, over that of a run that prints nothing.
const MOST: u64 = 64 * 1024;

/// Returns the words that apply a plan with these steps.
fn plan(planrun: &Planrun, steps: &str) -> String {
    let text =
        format!("version: 1\nname: flood\nhosts: all\ndefaults: {{timeout: 20m}}\nsteps:\n{steps}");
    let plan = planrun.file("plan.yaml", text);
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    format!("apply {plan} -i {inventory} --yes")
}

/// An effect and a command that reads only, both with this script.
fn both(script: &str) -> String {
    format!(
        "  - shell: {script}\n    on_unknown: ask\n    rollback: {{none: it prints}}\n  \
         - shell: {script}\n    read_only: true\n"
    )
}

/// Runs a plan to its end, and returns how much memory the process of the run took at most, in KiB.
#[track_caller]
fn peak(steps: &str) -> u64 {
    let planrun = Planrun::new();
    let words = plan(&planrun, steps);
    let ended = planrun.type_line(&format!(
        "planrun {words} --output plain >/dev/null & pid=$!
         while kill -0 $pid 2>/dev/null; do
             grep VmHWM /proc/$pid/status 2>/dev/null
             sleep 0.05
         done
         wait $pid"
    ));
    ended.exits(0);
    let sizes = ended.stdout.lines().filter_map(|line| line.split_whitespace().nth(1));
    sizes.map(|size| size.parse().unwrap()).max().unwrap()
}

#[test]
fn output_without_end_takes_little_memory() {
    let is_full = std::env::var("PLANRUN_FLOOD").is_ok_and(|how| how == "full");
    let (much, long) = if is_full { ("10G", "1G") } else { ("256M", "64M") };
    let rest = peak(&both("echo nothing"));
    for script in [
        format!("yes the same line again and again | head -c {much}"),
        format!("head -c {long} /dev/zero | tr '\\0' x"),
        format!("head -c {long} /dev/zero"),
    ] {
        let took = peak(&both(&script));
        assert!(took < rest + MOST, "{script}: {took} KiB, {rest} KiB without");
    }
}

/// A title for the terminal, a bell, a sequence of no meaning, the same in one byte and as a character of
/// two; a change of direction, a return, a NUL, bytes that are not UTF-8.
const HOSTILE: &str =
    r"\033]0;owned\007\033[7777z\2337777z\302\2337777z\342\200\256evil\b\r\000\377\376\177";

/// Returns what of a text would not only be shown by a terminal.
fn raw(text: &str) -> Vec<char> {
    let is_bidi = |char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|char| *char != '\n' && (char.is_control() || is_bidi(*char))).collect()
}

#[test]
fn nothing_that_a_host_prints_reaches_the_terminal_raw() {
    let planrun = Planrun::new();
    let script = format!("'printf \"{HOSTILE}\"; printf \"{HOSTILE}\" >&2; exit 1'");
    let words = plan(&planrun, &both(&script));
    let out = planrun.path("out");
    let to = out.display();
    planrun.type_line(&format!(
        "{{ planrun {words} --output plain; planrun show last; planrun runs; }} >{to} 2>&1"
    ));
    let shown = String::from_utf8(fs::read(&out).unwrap()).expect("only text is printed");
    assert_eq!(raw(&shown), [], "{shown}");
    assert!(shown.contains("[7777z"), "{shown}");

    planrun.type_line(&format!(
        "{{ planrun show last --output json; planrun {words} --output json; }} >{to} 2>&1"
    ));
    let shown = String::from_utf8(fs::read(&out).unwrap()).expect("only text is printed");
    assert_eq!(raw(&shown), [], "{shown}");

    planrun.type_line(&format!("script -qec 'planrun {words}' /dev/null >{to} 2>&1 </dev/null"));
    let shown = String::from_utf8(fs::read(&out).unwrap()).expect("only text is printed");
    for sequence in
        ["\u{1b}]", "\u{7}", "\u{1b}[7777z", "\u{9b}", "\u{202e}", "\u{8}", "\0", "\u{7f}"]
    {
        assert!(!shown.contains(sequence), "{sequence:?} in {shown:?}");
    }
    assert!(shown.contains("[7777z"), "{shown}");
}
