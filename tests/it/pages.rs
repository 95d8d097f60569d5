//! Pages for a change ticket and for people who work by hand: a run as a page (`planrun show RUN`), a plan as
//! a page (`planrun explain PLAN`), and what the operator says about a run.

use std::path::Path;

use serde_json::json;

use crate::harness::{Planrun, program};

const PLAN: &str = "version: 1
name: touch
hosts: all
inputs: {token: {type: string, sensitive: true, optional: true}}
steps: [{id: note, run: echo noted, idempotent: true, rollback: {none: a test}}]
";

const HERE: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

#[track_caller]
fn git(folder: &Path, words: &[&str]) -> String {
    let mut git = program("git");
    git.current_dir(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
    let ended = git.args(words).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_reason_and_labels_are_shown_with_the_run() {
    let planrun = Planrun::new();
    let (plan, hosts) = (planrun.file("plan.yaml", PLAN), planrun.file("hosts.yaml", HERE));
    let apply = |more: &[&str]| planrun.run(&[&["apply", &plan, "-i", &hosts], more].concat());
    let more = ["--reason", " disk is full ", "--label", "ticket=CHG-1", "--label", "team=mail=eu"];
    apply(&more).exits(0).says("disk is full").says("ticket=CHG-1");
    let shown = planrun.run(&["show", "last"]).exits(0).stdout.clone();
    for line in ["reason      disk is full\n", "label       ticket=CHG-1\n", "team=mail=eu\n"] {
        assert!(shown.contains(line), "{shown}");
    }
    let shown = planrun.run(&["show", "last", "--format", "json"]).exits(0).stdout.clone();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["reason"], "disk is full");
    assert_eq!(shown["labels"], json!({"ticket": "CHG-1", "team": "mail=eu"}));
    for (wrong, said) in [
        (["--reason", " "], "must not be empty"),
        (["--reason", &"long".repeat(300)], "must not exceed"),
        (["--label", "ticket"], "expected KEY=VALUE"),
        (["--label", "ticket="], "must not be empty"),
    ] {
        apply(&wrong).exits(2).says(said);
    }
}

#[test]
fn a_secret_in_a_reason_is_redacted() {
    let planrun = Planrun::new();
    let plan = PLAN.replace("idempotent", "stdin: '{{ token }}', idempotent");
    let (plan, hosts) = (planrun.file("plan.yaml", plan), planrun.file("hosts.yaml", HERE));
    let inputs = planrun.file("inputs.yaml", "token: sesame-7731-open\n");
    let said = "for sesame-7731-open";
    let words = ["apply", &plan, "-i", &hosts, "--inputs", &inputs, "--reason", said, "--label"];
    let ended = planrun.run(&[&words[..], &["token=sesame-7731-open"]].concat());
    let shown = planrun.run(&["show", "last"]).exits(0).stdout.clone();
    for text in [&ended.exits(0).stdout, &ended.stderr, &shown] {
        assert!(!text.contains("sesame"), "{text}");
    }
    assert!(shown.contains("for "), "{shown}");
    let kept = planrun.disk();
    let kept = kept.iter().filter(|(path, _)| !path.ends_with("inputs.yaml"));
    for (path, bytes) in kept {
        assert!(!String::from_utf8_lossy(bytes).contains("sesame"), "{}", path.display());
    }
}

#[test]
fn a_run_names_the_commit_that_has_its_plan() {
    let planrun = Planrun::new();
    let hosts = planrun.file("hosts.yaml", HERE);
    let folder = planrun.path("repository");
    std::fs::create_dir(&folder).unwrap();
    let plan = planrun.file("repository/plan.yaml", PLAN);
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["add", "plan.yaml"]);
    git(&folder, &["commit", "--quiet", "--message", "a plan"]);
    let commit = git(&folder, &["rev-parse", "HEAD"]);
    planrun.file("repository/another", "not committed");
    let shown = || {
        planrun.run(&["apply", &plan, "-i", &hosts]).exits(0);
        planrun.run(&["show", "last"]).exits(0).stdout.clone()
    };
    assert!(shown().contains(&format!(", commit {}", &commit[..12])), "{commit}");
    planrun.file("repository/plan.yaml", format!("{PLAN}# edited\n"));
    assert!(!shown().contains("commit"));
}
