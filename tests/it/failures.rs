//! Reports of failures and waits: each is printed in full once, and what matters comes first.

use crate::harness::{Ended, Planrun};

const INVENTORY: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

/// Applies a plan with these steps on this machine.
fn apply(steps: &str) -> Ended {
    let planrun = Planrun::new();
    let plan = format!(
        "version: 1\nname: failures\nhosts: all\nprobes:\n  one: {{run: echo right, parse: text}}\n  \
         two: {{run: echo right, parse: text}}\n  three: {{run: echo right, parse: text}}\n  \
         last: {{run: echo wrong, parse: text}}\nsteps:\n{steps}"
    );
    let plan = planrun.file("plan.yaml", plan);
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    planrun.run(&["apply", &plan, "-i", &inventory])
}

#[test]
fn a_failure_is_printed_in_full_once() {
    let ended = apply(
        "  - id: work\n    shell: echo boom >&2; exit 3\n    done_when: last == \"right\"\n    within: 1s\n    \
         rollback: {none: it is an example}\n",
    );
    ended.exits(1).says("here| boom").says("work failed").says("failed at work");
    for text in ["expected  last == \"right\"\n", "observed  last = \"wrong\"\n"] {
        assert_eq!(ended.all().matches(text).count(), 1, "{text}: {}", ended.all());
    }
}

#[test]
fn what_a_wait_waits_for_comes_first_and_its_timeout_has_its_own_word() {
    let condition =
        "one == \"right\" and two == \"right\" and three == \"right\" and last == \"right\"";
    let wait = format!(
        "  - id: wait\n    wait: {{until: '{condition}', timeout: 1s, every: 500ms, on_timeout: continue}}\n"
    );
    let ended = apply(&wait);
    ended.exits(0).says("last = \"wrong\", one = \"right\"").says("here  wait       timed out");
}

#[test]
fn after_more_failures_than_permitted_no_other_host_starts() {
    let planrun = Planrun::new();
    let plan = planrun.file(
        "plan.yaml",
        "version: 1\nname: failures\nhosts: all\nserial: 1\nmax_failures: 1\nsteps:\n  - id: work\n    \
         shell: exit 3\n    idempotent: true\n    rollback: {none: it is an example}\n",
    );
    let host = "{planrun_connection: local}";
    let inventory = format!("all: {{hosts: {{a: {host}, b: {host}, c: {host}, d: {host}}}}}\n");
    let inventory = planrun.file("inventory.yaml", inventory);
    planrun.run(&["apply", &plan, "-i", &inventory]);
    let story = planrun.kept("last");
    let began = |name: &str| story.sent_for(&format!("{name}/work")).len();
    // One failure is permitted, and the second one ends the run.
    assert_eq!(["a", "b", "c", "d"].map(began), [1, 1, 0, 0]);
}
