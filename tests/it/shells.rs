//! Completion in real shells: what bash, zsh and fish make of a line when the tab key is pressed. And manual pages, checked
//! by programs that render them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Ended, Planrun, root};
use crate::man::are_checked_by;

/// A name that every shell must quote.
const NAME: &str = r#"my plan's "best": $1.yaml"#;

const PLAN: &str = "version: 1
name: asking
summary: 'Ask: a question'
hosts: all
inputs: {size: {type: int, default: 1}, mode: {type: enum, of: [fast, careful], default: fast}}
probes: {state: {run: 'true'}}
steps: [{id: go, approve: Go on?}]
";

const HOSTS: &str = "all: {hosts: {web1: {planrun_connection: local}, db1: {}}}\n";

/// What is typed, and the words that the command gets.
const TYPED: [(&str, &[&str]); 14] = [
    ("ap", &["apply"]),
    ("apply my", &["apply", NAME]),
    ("apply other/pl", &["apply", "other/plan.yaml"]),
    ("apply plan.yaml -i pr", &["apply", "plan.yaml", "-i", "prod"]),
    ("apply plan.yaml --inventory=pr", &["apply", "plan.yaml", "--inventory=prod"]),
    ("apply plan.yaml -i prod -l web1:d", &["apply", "plan.yaml", "-i", "prod", "-l", "web1:db1"]),
    ("apply plan.yaml -s siz", &["apply", "plan.yaml", "-s", "size="]),
    ("apply plan.yaml -s mode=c", &["apply", "plan.yaml", "-s", "mode=careful"]),
    ("look plan.yaml st", &["look", "plan.yaml", "state"]),
    ("resume 2", &["resume", "RUN"]),
    ("resolve last we", &["resolve", "last", "web1/go"]),
    ("resolve last web1/go --as app", &["resolve", "last", "web1/go", "--as", "approve"]),
    ("explain no-way-b", &["explain", "no-way-back"]),
    ("validate ~/other/pl", &["validate", "~/other/plan.yaml"]),
];

/// A folder with plans, an inventory, and a run that waits for an answer.
struct Desk {
    planrun: Planrun,
    folder: PathBuf,
    run: String,
}

impl Desk {
    fn new() -> Self {
        let planrun = Planrun::new();
        let folder = planrun.path("desk");
        for name in ["inventories", "other"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        for name in [NAME, "plan.yaml", "other/plan.yaml"] {
            fs::write(folder.join(name), PLAN).unwrap();
        }
        fs::write(folder.join("inventories/prod.yaml"), HOSTS).unwrap();
        fs::write(folder.join("notes.txt"), "not a plan").unwrap();
        let desk = Self { planrun, folder, run: String::new() };
        let asking = desk.types("planrun apply plan.yaml -i prod -l web1 --yes");
        asking.exits(6);
        Self { run: desk.planrun.newest(), ..desk }
    }

    /// Runs a line of a shell there.
    #[track_caller]
    fn types(&self, line: &str) -> Ended {
        let folder = self.folder.display();
        self.planrun.type_line(&format!("cd {folder} && HOME={folder} && export HOME && {line}"))
    }

    fn expected(&self, words: &[&str]) -> Vec<String> {
        let home = self.folder.display().to_string();
        let word = |word: &&str| match *word {
            "RUN" => self.run.clone(),
            word => word.replacen('~', &home, 1),
        };
        words.iter().map(word).collect()
    }
}

/// Returns the words between brackets that the command `seen` has printed before `END`.
fn seen(shown: &str) -> Option<Vec<String>> {
    let printed = shown.split("END").next()?.rsplit("<<").next()?.strip_suffix(">>")?;
    Some(printed.split("><").map(str::to_owned).collect())
}

/// Types lines at a terminal, each with a tab, and compares the words that the command gets.
fn at_a_terminal(shell: &str, setup: &str, lines: &[(&str, &[&str])]) {
    let desk = Desk::new();
    let typed: Vec<String> = lines.iter().map(|(line, _)| format!("seen {line}\n")).collect();
    fs::write(desk.folder.join("lines"), typed.concat()).unwrap();
    fs::write(desk.folder.join("setup"), setup).unwrap();
    let driver = root().join("tests/shells/type");
    let shown = desk.types(&format!("timeout 100 {} {shell} ./setup lines", driver.display()));
    let shown = &shown.exits(0).stdout;
    let mut parts = shown.split_inclusive("END");
    for (line, words) in lines {
        let part = parts.next().unwrap_or_default();
        assert_eq!(seen(part), Some(desk.expected(words)), "{shell}: {line}\n{shown}");
    }
}

/// What is typed within quotes.
const QUOTED: [(&str, &[&str]); 3] = [
    ("apply 'my", &["apply", NAME]),
    ("apply \"my", &["apply", NAME]),
    (r"apply my\ pl", &["apply", NAME]),
];

#[test]
#[ignore = "needs shells"]
fn bash_completes_what_is_typed_as_the_command_must_get_it() {
    let setup = "source <(planrun completions bash)
seen() { printf '<'; printf '<%s>' \"$@\"; printf '>END\\n'; }
complete -o nospace -F _planrun seen
bind 'set enable-bracketed-paste off'
set +H
";
    // An open quote is closed by readline, except around what it must escape.
    at_a_terminal("bash", setup, &[&TYPED[..], &QUOTED[1..]].concat());
}

#[test]
#[ignore = "needs shells"]
fn zsh_completes_what_is_typed_as_the_command_must_get_it() {
    let setup = "autoload -U compinit; compinit -u -D
source <(planrun completions zsh)
seen() { printf '<'; printf '<%s>' \"$@\"; printf '>END\\n'; }
compdef _planrun seen
";
    at_a_terminal("zsh", setup, &[&TYPED[..], &QUOTED[..]].concat());
}

#[test]
#[ignore = "needs shells"]
fn fish_completes_what_is_typed_as_the_command_must_get_it() {
    let desk = Desk::new();
    let fish = |line: &str| {
        fs::write(desk.folder.join("line"), line).unwrap();
        let ask = "planrun completions fish | source; complete --escape -C (cat line)";
        let ended = desk.types(&format!("fish --no-config -c '{ask}'"));
        ended.exits(0).stdout.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    for (line, words) in TYPED.iter().chain(&QUOTED[..1]) {
        let found = fish(&format!("planrun {line}"));
        let values: Vec<&str> = found.iter().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(values.len(), 1, "{line}: {found:?}");
        // Typed again as fish has escaped it.
        fs::write(desk.folder.join("again.fish"), format!("printf '<%s>' {}", values[0])).unwrap();
        let again = desk.types("fish --no-config again.fish");
        let last = desk.expected(words).pop().unwrap();
        assert_eq!(again.stdout, format!("<{last}>\n"), "{line}: {found:?}");
    }
    let runs = fish("planrun show ");
    assert_eq!(runs, [format!("{}\tpaused, asking", desk.run)]);
    let plans = fish("planrun apply plan");
    assert_eq!(plans, ["plan.yaml\tAsk: a question"]);
}

/// Asks for candidates as the script of a shell does.
fn candidates(desk: &Desk, prefix: &str, word: &str, before: &str) -> Vec<String> {
    let ended = desk.types(&format!("PLANRUN_COMPLETE=fish {prefix} planrun '{word}' {before}"));
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{before} {word}");
    ended.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn only_what_fits_is_offered() {
    let desk = Desk::new();
    let ask = |word: &str, before: &str| candidates(&desk, "", word, before);
    let plans = ask("", "planrun apply");
    assert_eq!(plans, [NAME, "plan.yaml", "inventories/", "other/"]);
    assert!(ask("n", "planrun apply").is_empty());
    assert_eq!(ask("n", "planrun validate"), ["notes.txt"]);
    assert_eq!(ask("", "planrun resolve last"), ["web1/go"]);
    assert_eq!(ask("", "planrun resolve last web1/go --as"), ["approve", "reject"]);
    assert_eq!(ask("", "planrun rollback last --limit"), ["web1"]);
    assert!(ask("", "planrun stop").iter().all(|word| !word.starts_with('2')));
    // A run may be named by its end, and by `last`.
    let end = desk.run.rsplit('-').next().unwrap();
    assert_eq!(ask(&end[..3], "planrun show"), [end]);
    assert_eq!(ask("la", "planrun resume"), ["last"]);
    let options = ask("-", "planrun apply");
    assert!(options.contains(&"--limit".to_owned()), "{options:?}");
    let levels = ask("", "planrun watch --output");
    assert_eq!(levels, ["human", "plain", "json"]);
    desk.types("planrun abort last --acknowledge").exits(0);
    assert!(ask("2", "planrun resume").is_empty());
    assert_eq!(ask("2", "planrun show"), [desk.run.as_str()]);
}

/// Returns the files below a folder, with their contents.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn a_completion_never_fails_and_writes_nothing() {
    let desk = Desk::new();
    fs::write(desk.folder.join("broken.yaml"), "steps: [{\n\0").unwrap();
    fs::write(desk.folder.join("inventories/run.py"), "#!/bin/sh\ntouch ran\n").unwrap();
    let program = desk.folder.join("inventories/run.py");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, executable).unwrap();
    let all = |prefix: &str| {
        for (word, before) in [
            ("", "planrun"),
            ("", "planrun nonsense"),
            ("", "planrun apply broken.yaml -i prod --set"),
            ("", "planrun look broken.yaml"),
            ("", "planrun apply missing.yaml -i missing --limit"),
            ("", "planrun apply plan.yaml -i inventories/run.py --limit"),
            ("", "planrun show"),
            ("", "planrun resolve last"),
            ("", "planrun resolve last web9/none --as"),
            ("", "planrun apply --limit --set -i"),
            ("~/", "planrun apply"),
            ("/nowhere/", "planrun apply"),
        ] {
            candidates(&desk, prefix, word, before);
        }
    };
    let before = tree(&desk.planrun.path(""));
    all("");
    all("env -u HOME");
    assert_eq!(tree(&desk.planrun.path("")), before);
    all("env PLANRUN_STATE_DIR=missing");
    assert_eq!(tree(&desk.planrun.path("")), before);
    fs::write(desk.planrun.path("state/runs.db"), "no database").unwrap();
    let before = tree(&desk.planrun.path(""));
    all("");
    assert_eq!(tree(&desk.planrun.path("")), before);
    let unknown = desk.types("PLANRUN_COMPLETE=tcsh planrun apply");
    assert_eq!((unknown.status, unknown.all()), (Some(0), String::new()));
}

#[test]
fn bash_lists_descriptions_and_keeps_the_place_of_the_word() {
    let desk = Desk::new();
    let ask = |line: &str, reason: &str| {
        let breaks = r#""\n\"'@><=;|&(:""#;
        let asked = format!("PLANRUN_COMPLETE=bash planrun \"{line}\" {reason} {breaks} 80");
        desk.types(&asked).exits(0).stdout.clone()
    };
    assert_eq!(ask("planrun res", "9"), "resume \nresolve \n");
    let listed = ask("planrun res", "63");
    assert!(listed.starts_with("resume   (Resume a paused"), "{listed}");
    // One candidate is inserted, so nothing is added to it.
    assert_eq!(ask("planrun resu", "63"), "resume \n");
    assert_eq!(ask("planrun apply plan.yaml --inventory=pr", "9"), "prod \n");
}

#[test]
#[ignore = "needs groff"]
fn manual_pages_are_rendered_by_groff_at_80_columns() {
    are_checked_by(&["groff", "-man", "-ww", "-Tutf8", "-rLL=80n"]);
}

#[test]
#[ignore = "needs mandoc"]
fn manual_pages_are_valid_for_mandoc() {
    are_checked_by(&["mandoc", "-Tlint", "-Wwarning"]);
}
