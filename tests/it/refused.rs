//! Runs in which a host is refused or unreachable when it should start: earlier hosts have succeeded or
//! failed, and the end of the run reports the state of each.

use planrun::event::{Event, HostStatus, RunEvent, RunStatus};
use planrun::history::RunState;
use planrun::run::exit_status;

use crate::harness::Planrun;
use crate::scene::{Memory, Scene, fault, start, status, trace};
use planrun::scenario::faults::FaultSpec;

/// Each backend is stopped and started; before that something happens to the last one.
const PLAN: &str = r#"
version: 1
name: turns
hosts: backends
serial: 1
max_failures: MOST
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
preflight: {Dovecot runs: dovecot == "active"}
steps:
  - id: meddle
    when: MEDDLES
    delegate_to: backend3
    run: systemctl stop dovecot
    idempotent: true
    on_failure: {continue: it is an example}
    rollback: {none: it is an example}
  - id: stop
    run: systemctl stop dovecot
    done_when: dovecot == "inactive"
    rollback: {run: systemctl start dovecot, done_when: dovecot == "active"}
  - id: start
    run: systemctl start dovecot
    done_when: dovecot == "active"
    rollback: {none: the first step brings its own way back}
"#;

/// The plan: how many failures it bears, and where it meddles with `backend3`.
fn plan(most: &str, meddles: &str) -> String {
    PLAN.replace("MOST", most).replace("MEDDLES", meddles)
}

const FIRST: &str = r#"host.name == "backend1""#;

/// Runs a plan and returns its state and why it ended so.
#[track_caller]
fn run(plan: &str, limit: Option<&str>, faults: Vec<FaultSpec>) -> (RunState, String) {
    let scene = Scene::limited(plan, &[], limit);
    let clock = start();
    let world = scene.world(&clock, faults);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    let records = journal.records.borrow();
    let Event::Run(RunEvent::Ended { why, .. }) = &records.last().unwrap().event else {
        panic!("{}", trace(&journal));
    };
    (state, why.clone().unwrap_or_default())
}

#[test]
fn a_host_that_is_refused_at_its_turn_is_not_rolled_back_and_earlier_ones_keep_their_changes() {
    let (state, why) = run(&plan("0", FIRST), None, vec![]);
    assert_eq!(status(&state, "backend2"), HostStatus::Succeeded);
    assert_eq!(status(&state, "backend3"), HostStatus::Refused);
    assert_eq!(state.status, RunStatus::Failed, "{why}");
    assert_eq!(exit_status(&state), 3);
    assert_eq!(
        why,
        "backend3 was refused: nothing was sent to it; backend1, backend2 succeeded and keep \
         their changes"
    );
}

#[test]
fn a_host_that_is_out_of_reach_at_its_turn_is_the_same_case() {
    let gone = vec![fault("backend3", "meddle", "host_gone", Some(1))];
    let (state, why) = run(&plan("0", FIRST), None, gone);
    assert_eq!(status(&state, "backend3"), HostStatus::Unreachable);
    assert_eq!(state.status, RunStatus::Failed, "{why}");
    assert_eq!(exit_status(&state), 3);
    assert_eq!(
        why,
        "backend3 was unreachable: nothing was sent to it; backend1, backend2 succeeded and \
         keep their changes"
    );
}

#[test]
fn where_a_failure_is_borne_the_hosts_behind_one_that_was_never_touched_are_begun() {
    for (kind, fate) in [("host_gone", HostStatus::Unreachable), ("refused", HostStatus::Refused)] {
        // The second is looked at in vain when its turn comes, and the third is begun.
        let plan = plan("MOST", FIRST).replace("delegate_to: backend3", "delegate_to: backend2");
        let faults = match kind {
            "host_gone" => vec![fault("backend2", "meddle", kind, Some(1))],
            _ => vec![],
        };
        for (most, third) in [("0", HostStatus::NotStarted), ("1", HostStatus::Succeeded)] {
            let (state, why) = run(&plan.replace("MOST", most), None, faults.clone());
            assert_eq!(status(&state, "backend2"), fate, "{why}");
            assert_eq!(status(&state, "backend3"), third, "{most}: {why}");
            assert_eq!(exit_status(&state), 3, "{why}");
        }
    }
}

#[test]
fn a_host_that_went_back_and_one_that_was_refused_are_named_apart() {
    let broken = vec![fault("backend2", "start", "does_not_start", None)];
    let (state, why) = run(&plan("2", FIRST), None, broken);
    assert_eq!(status(&state, "backend1"), HostStatus::Succeeded);
    assert_eq!(status(&state, "backend2"), HostStatus::RolledBack);
    assert_eq!(status(&state, "backend3"), HostStatus::Refused);
    assert_eq!(state.status, RunStatus::RolledBack, "{why}");
    assert_eq!(exit_status(&state), 1);
    assert_eq!(
        why,
        "failed on backend2, which is rolled back; backend3 was refused: nothing was sent \
         to it"
    );
}

#[test]
fn where_nothing_was_sent_to_any_host_the_run_is_refused() {
    // Looked at before the first change it runs; it is stopped from outside before its turn.
    let scene = Scene::limited(&plan("0", "false"), &[], Some("backend3"));
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let dying = Memory {
        // Planned, looked at, started.
        dies_after: Some(3),
        ..Memory::default()
    };
    assert!(scene.drive(&clock, &world, &dying, None).is_none());
    let host = planrun::inventory::HostName::new("backend3");
    world.set(&host, "dovecot", "inactive".into()).unwrap();
    let journal = Memory { records: dying.records, ..Memory::default() };
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    let told = trace(&journal);
    assert_eq!(status(&state, "backend3"), HostStatus::Refused, "{told}");
    assert_eq!(state.status, RunStatus::Refused, "{told}");
    assert_eq!(exit_status(&state), 2);
}

#[test]
fn what_was_refused_at_its_turn_is_told_with_its_exit_status_and_can_be_undone_elsewhere() {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", plan("0", FIRST));
    let words = ["apply", &plan, "-i", "plans/inventories/demo.yaml"];

    let ended = planrun.run(&words);

    ended.exits(3);
    ended.says("failed: 1 of 3 hosts refused, 2 succeeded");
    ended.says("backend3 was refused: nothing was sent to it; backend1, backend2 succeeded and");
    ended.says("Not every change was undone; see each host below.");
    assert!(!ended.all().contains("rolled back"), "{}", ended.all());
    assert_eq!(planrun.runs()[0]["state"], "failed");

    // An operator may want that undone, too; only what is undone is said to be.
    let ended = planrun.run(&["rollback", "last"]);
    ended.exits(0);
    ended.says("requested by an operator; no rollback was sent to backend1, backend2; backend3");
    assert_eq!(planrun.runs()[0]["state"], "rolled_back");
}

/// Assertions in each place, the last of which fails.
const ASSERTIONS: &str = r#"
version: 1
name: assertions
hosts: backend1
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
preflight: RUNS
invariants: {at_end: RUNS}
steps:
  - requires: RUNS
    run: systemctl stop dovecot
    done_when: dovecot == "inactive"
    rollback: {requires: STOPPED, run: systemctl start dovecot, done_when: dovecot == "active"}
  - assert: RUNS
"#;

#[test]
fn an_assertion_may_be_written_with_its_message_after_its_condition() {
    let reasons = [
        |text: &str, condition: &str| format!("{{{text}: {condition}}}"),
        |text: &str, condition: &str| format!("{{check: {condition}, message: {text}}}"),
        |text: &str, condition: &str| format!("[{{message: {text}, check: {condition}}}]"),
    ]
    .map(|form| {
        let plan = ASSERTIONS
            .replace("RUNS", &form("Dovecot runs", r#"dovecot == "active""#))
            .replace("STOPPED", &form("it is stopped", r#"dovecot == "inactive""#));
        let (state, _) = run(&plan, None, vec![]);
        let why = state.hosts[0].tasks[1].why.clone().unwrap();
        assert_eq!(why.seen[0].claim, "Dovecot runs", "{why:?}");
        assert_eq!(state.status, RunStatus::RolledBack);
        why.seen
    });
    assert!(reasons.iter().all(|seen| *seen == reasons[0]), "{reasons:?}");
}
