//! Warnings about rollbacks that cannot work where they are, and none about those that do.

use planrun::diagnostic::{Code, Diagnostics};
use planrun::plan;
use planrun::source::Sources;

/// Returns the warnings about rollbacks of a plan with these steps.
fn warnings(steps: &str) -> Vec<Code> {
    let head = "version: 1\nname: p\nhosts: web\nprobes:\n  state: {run: web state, parse: text}\n  states: \
                {run: web state, parse: text, delegate_to: {each_of: web}}\n  others: {run: web state, parse: text, \
                delegate_to: {each_of: lb}}\n  code: {run: web state, exit_codes: any}\nlet:\n  all_up: states == \
                \"up\"\nsteps:\n";
    let mut sources = Sources::default();
    let id = sources.add("plan.yaml", format!("{head}{steps}"));
    let mut found = Diagnostics::default();
    plan::read(&sources, id, &mut found);
    let of_rollbacks = [Code::RollbackOrder, Code::RollbackOfAll, Code::UnknownWhen];
    let found = found.sorted().into_iter().map(|one| one.code);
    found.filter(|code| of_rollbacks.contains(code)).collect()
}

const FILE: &str = "  - {upload: {content: new, to: /etc/f}, rollback: {run: put back, done_when: state == \"old\"}}\n";

#[test]
fn a_restart_that_is_undone_before_its_file_is_reported() {
    for restart in [
        "  - {run: web up, idempotent: true, rollback: {run: web up, done_when: state == \"up\"}}\n",
        "  - {shell: web up, idempotent: true, rollback: {shell: web up, idempotent: true}}\n",
        "  - {run: web stop, idempotent: true, rollback: {run: svc restart web, idempotent: true}}\n",
        "  - {run: web x, idempotent: true, rollback: {block: [{wait: 1s}, {shell: kill -HUP 1, idempotent: true}]}}\n",
        "  - {block: [{run: web up, idempotent: true, rollback: {run: web up, idempotent: true}}]}\n",
    ] {
        assert_eq!(warnings(&format!("{FILE}{restart}")), [Code::RollbackOrder], "{restart}");
        // Before the file, and on another host, it is right.
        assert_eq!(warnings(&format!("{restart}{FILE}")), [], "{restart}");
        let elsewhere = FILE.replace("rollback:", "delegate_to: lb, rollback:");
        assert_eq!(warnings(&format!("{elsewhere}{restart}")), [], "{restart}");
    }
}

#[test]
fn a_restart_in_the_rollback_of_the_file_or_of_a_block_is_right() {
    let up = "{run: web up, idempotent: true, rollback: {run: web up, idempotent: true}}";
    let with_restart =
        "{block: [{run: put back, idempotent: true}, {run: web restart, idempotent: true}]}";
    let file = format!("  - {{upload: {{content: new, to: /etc/f}}, rollback: {with_restart}}}\n");
    assert_eq!(warnings(&format!("{file}  - {up}\n")), []);
    let none = "  - {upload: {content: new, to: /etc/f}, rollback: {none: unused}}\n";
    assert_eq!(warnings(&format!("{none}  - {up}\n")), []);
    let upload = "{upload: {content: new, to: /etc/f}, rollback: {run: put back, done_when: state == \"old\"}}";
    let block = format!(
        "  - {{block: [{upload}, {up}], rollback: {{run: web restart, idempotent: true}}}}\n"
    );
    assert_eq!(warnings(&block), []);
    let both = format!("  - {{run: web reload, idempotent: true, rollback: {with_restart}}}\n");
    assert_eq!(warnings(&format!("{FILE}{both}")), []);
    // A start undoes a stop: it has nothing to do with the file.
    let stop = "  - {run: web stop, idempotent: true, rollback: {run: web start, done_when: state == \"up\"}}\n";
    assert_eq!(warnings(&format!("{FILE}{stop}")), []);
}

#[test]
fn a_rollback_that_checks_all_hosts_of_the_run_is_reported() {
    let step =
        |rollback: &str| format!("  - {{run: web stop, idempotent: true, rollback: {rollback}}}\n");
    for rollback in [
        "{run: web start, done_when: states == \"up\"}",
        "{run: web start, done_when: all_up}",
        "{run: web start, idempotent: true, requires: {all are up: all_up}}",
        "{block: [{run: web start, idempotent: true}, {wait: {until: all_up, timeout: 1m}}]}",
        "{block: [{run: web start, idempotent: true}, {assert: {all are up: all_up}}]}",
    ] {
        assert_eq!(warnings(&step(rollback)), [Code::RollbackOfAll], "{rollback}");
    }
    for rollback in [
        "{run: web start, done_when: state == \"up\"}",
        "{run: web start, done_when: others == \"in\"}",
    ] {
        assert_eq!(warnings(&step(rollback)), [], "{rollback}");
    }
    let forward =
        "  - {run: web stop, done_when: states == \"up\", rollback: {none: it is an example}}\n";
    assert_eq!(warnings(forward), []);
}

#[test]
fn a_when_of_a_rollback_that_may_be_unknown_is_reported() {
    let step = |rollback: &str| {
        format!(
            "  - {{id: before, set: {{state: state}}}}\n  - {{run: web stop, idempotent: true, rollback: {rollback}}}\n"
        )
    };
    for rollback in [
        "{when: state == \"up\", run: web start, idempotent: true}",
        "{block: [{when: state == \"up\", run: web start, idempotent: true}]}",
    ] {
        assert_eq!(warnings(&step(rollback)), [Code::UnknownWhen], "{rollback}");
    }
    for rollback in [
        "{when: state is unknown or state == \"up\", run: web start, idempotent: true}",
        "{when: before.state == \"up\", run: web start, idempotent: true}",
        "{when: code.exit == 0, run: web start, idempotent: true}",
    ] {
        assert_eq!(warnings(&step(rollback)), [], "{rollback}");
    }
}
