//! Runs whose plan an earlier planrun accepted and this one rejects.
//!
//! An upgrade during a run must not lock the operator out: the run can be resumed and rolled back, and the
//! reason why a new run would be refused is a note. The tests change the plan in the first event of a real
//! store.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use planrun::diagnostic::{Diagnostics, Severity};
use planrun::event::{Event, HostStatus, Record, RunEvent, RunId};
use planrun::plan;
use planrun::source::Sources;
use planrun::store::Store;
use sha2::{Digest as _, Sha256};

use crate::files;
use crate::harness::Planrun;

const PLAN: &str = r#"
version: 1
name: earlier
hosts: backends
inputs: {word: {type: string, default: plain}}
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: stop
    run: systemctl stop dovecot
    done_when: dovecot == "inactive"
    rollback: {run: systemctl start dovecot, done_when: dovecot == "active"}
  - id: person
    approve: Go on?
  - id: last
    run: systemctl start dovecot
    done_when: dovecot == "active"
    rollback: {none: it is an example}
  - id: never
    when: word == "never"
    shell: echo {{ word }}
    idempotent: true
    rollback: {none: it is an example}
"#;

/// What is changed, and the code that says why it is refused now.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "    done_when: dovecot == \"active\"\n    rollback: {none: it is an example}\n",
        "    done_when: dovecot == \"active\"\n",
        "no-way-back",
    ),
    ("    idempotent: true\n", "", "unsure-effect"),
    ("word == \"never\"", "word == \"never\" and word == \"always\"", "never-true"),
    ("echo {{ word }}", "echo \"`echo {{ word }}`\"", "value-in-quotes"),
    ("shell: echo {{ word }}", "run: [sh, -c, \"echo {{ word }}\"]", "value-in-code"),
    ("approve: Go on?", "approve: \"Go on, {{ word | uper }}?\"", "unknown-filter"),
    ("shell: echo", "shell: echo {{ nowhere }}", "unknown-name"),
];

/// Copies what is next to the database of runs: how the models are.
fn copy_other(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            copy_other(&path, &to.join(name));
        } else if !name.starts_with("runs.db") {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// Begins a run that waits for the operator, and changes the plan that is kept with it.
fn begun_with(from: &str, to: &str) -> (Planrun, String) {
    let first = Planrun::new();
    let plan = first.file("plan.yaml", PLAN);
    let demo = ["-i", "plans/inventories/demo.yaml", "--limit", "backend1"];
    first.run(&[["apply", &plan].as_slice(), &demo].concat()).exits(6);
    let run = first.newest();

    let planrun = Planrun::new();
    let (old, new) = (first.path("state"), planrun.path("state"));
    drop(Store::open(&new).unwrap());
    copy_other(&old, &new);
    let store = Store::open(&new).unwrap();
    let journal = store.begin(RunId(run.clone()), "ada@ops").unwrap();
    let mut records: Vec<Record> = first.kept(&run).0;
    for record in &mut records {
        record.epoch = journal.epoch();
    }
    let Event::Run(RunEvent::Planned(planned)) = &mut records[0].event else {
        panic!("{records:?}")
    };
    assert_eq!(planned.plan_text.matches(from).count(), 1, "{from}");
    planned.plan_text = planned.plan_text.replace(from, to);
    planned.plan_digest = hex::encode(Sha256::digest(planned.plan_text.as_bytes()));
    "0.0.9".clone_into(&mut planned.tool);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(journal.keep(&records)).unwrap();
    (planrun, run)
}

#[test]
fn a_run_goes_on_with_a_plan_that_is_refused_now() {
    for (from, to, code) in REFUSED {
        let (planrun, run) = begun_with(from, to);
        planrun.run(&["resolve", &run, "--as", "approve"]).exits(0);
        let ended = planrun.run(&["resume", &run]);
        ended.exits(0).says(&format!("note[{code}]")).says("this run continues with it");
        assert!(!ended.all().contains("error["), "{}", ended.all());
        assert_eq!(planrun.kept(&run).host("backend1"), Some(HostStatus::Succeeded));
    }
}

#[test]
fn a_run_is_rolled_back_with_a_plan_that_is_refused_now() {
    for (from, to, code) in REFUSED {
        let (planrun, run) = begun_with(from, to);
        let ended = planrun.run(&["rollback", &run]);
        ended.exits(0).says(&format!("note[{code}]"));
        let kept = planrun.kept(&run);
        assert_eq!(kept.host("backend1"), Some(HostStatus::RolledBack));
        assert_eq!(kept.sent_for("backend1/stop.rollback").len(), 1);
    }
}

#[test]
fn a_plan_that_cannot_be_understood_stays_an_error() {
    for (from, to, code) in [
        ("word == \"never\"", "word == \"never\" && word", "expression-syntax"),
        ("    approve:", "    aprove:", "unknown-key"),
    ] {
        let (planrun, run) = begun_with(from, to);
        let ended = planrun.run(&["rollback", &run]);
        ended
            .exits(74)
            .says(&format!("error[{code}]"))
            .says("use the planrun version that started the run");
        assert!(planrun.kept(&run).sent_for("backend1/stop.rollback").is_empty());
    }
}

#[test]
fn what_is_refused_is_either_a_note_or_an_error() {
    let mut notes = BTreeSet::new();
    for path in files("tests/cases/rejected", "yaml") {
        let mut sources = Sources::default();
        let id = sources.add("plan.yaml", fs::read_to_string(&path).unwrap());
        let (mut new, mut begun) = (Diagnostics::default(), Diagnostics::default());
        let is_refused = plan::read(&sources, id, &mut new).is_none();
        let plan = plan::read_started(&sources, id, &mut begun);
        assert_eq!(plan.is_none(), begun.has_errors(), "{}", path.display());
        assert!(is_refused || begun.is_empty(), "{}: {begun:?}", path.display());
        let all = begun.sorted().into_iter();
        notes.extend(all.filter(|one| one.severity == Severity::Note).map(|one| one.code.name()));
    }
    for code in ["no-item", "question-in-uninterruptible", "misplaced-key", "other-interpreter"] {
        assert!(notes.contains(code), "{code} is not among {notes:?}");
    }
}
