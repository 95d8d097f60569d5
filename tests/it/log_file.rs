//! The log in a file (`--log`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::Planrun;

const HOSTS: &str = "all: {vars: {planrun_connection: local}, hosts: {web1: {}}}\n";

const PLAN: &str = r#"version: 1
name: secrets
hosts: all
inputs: {token: {type: string, sensitive: true}}
steps:
  - {id: say, run: cat, stdin: "{{ token }}", read_only: true}
"#;

const TOKEN: &str = "Tok3n-that-nobody-sees";

/// Runs the plan with more options.
fn apply(planrun: &Planrun, options: &[&str]) -> crate::harness::Ended {
    let (plan, hosts) = (planrun.file("plan.yaml", PLAN), planrun.file("hosts.yaml", HOSTS));
    planrun.run(&[&["apply", &plan, "-i", &hosts], options].concat())
}

#[test]
fn a_log_file_is_appended_to_without_secrets_and_only_its_owner_reads_it() {
    let mut planrun = Planrun::new();
    planrun.environment("PLANRUN_INPUT_TOKEN", Some(TOKEN));
    let log = planrun.path("run.log");
    let file = log.display().to_string();
    let ended = apply(&planrun, &["--log", &file, "--color", "always"]);
    assert!(!ended.exits(0).all().contains("INFO"), "{}", ended.all());
    let first = fs::read_to_string(&log).unwrap();
    for part in ["planrun started", "run_planned", "web1/say", "run_ended", "code=0"] {
        assert!(first.contains(part), "no {part:?} in\n{first}");
    }
    let is_timed = |line: &str| line.starts_with("20") && line.get(10..11) == Some("T");
    assert!(first.lines().all(is_timed) && !first.contains('\u{1b}'), "{first}");
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);

    planrun.environment("PLANRUN_LOG", Some("trace"));
    apply(&planrun, &["--log", &file]).exits(0);
    let both = fs::read_to_string(&log).unwrap();
    let second = both.strip_prefix(&first).unwrap();
    assert!(second.contains("TRACE") && second.contains("DEBUG"), "{second}");
    assert!(!both.contains(TOKEN), "{both}");
}

#[test]
fn a_log_that_cannot_be_written_is_an_error_before_anything_starts() {
    let mut planrun = Planrun::new();
    planrun.environment("PLANRUN_INPUT_TOKEN", Some(TOKEN));
    let open = planrun.file("open.log", "");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let link = planrun.path("link.log").display().to_string();
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
    let missing = planrun.path("no/such/folder").display().to_string();
    for (file, why) in [
        (missing.as_str(), "No such file"),
        (&link, "symbolic link"),
        ("/dev/null", "not a regular file"),
        (&open, "chmod 600"),
    ] {
        apply(&planrun, &["--log", file]).exits(2).says("cannot write the log").says(why);
    }
    assert!(planrun.runs().is_empty());
    assert!(!planrun.path("elsewhere").exists());
    assert_eq!(fs::read_to_string(&open).unwrap(), "");
}

#[test]
fn a_log_file_leaves_the_live_view_alone() {
    let mut planrun = Planrun::new();
    planrun.environment("PLANRUN_INPUT_TOKEN", Some(TOKEN));
    let (plan, hosts) = (planrun.file("plan.yaml", PLAN), planrun.file("hosts.yaml", HOSTS));
    let log = planrun.path("run.log").display().to_string();
    let shown = |options: &str| {
        let apply = format!("planrun apply {plan} -i {hosts} --yes {options}");
        let line = format!("TERM=xterm script -qec 'stty cols 100; {apply}' /dev/null </dev/null");
        planrun.type_line(&line).exits(0).stdout.clone()
    };
    // A live view has marks, plain lines have columns.
    let moves = |shown: &str| console::strip_ansi_codes(shown).contains("· planned: ");
    assert!(moves(&shown("")));
    let with_log = shown(&format!("--log {log}"));
    assert!(moves(&with_log), "{with_log}");
    assert!(!moves(&shown("-vv")));
}
