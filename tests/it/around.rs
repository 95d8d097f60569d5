//! `setup`, `finish` and teardown as users see them: what is printed, and what the commands do with them.

use planrun::event::{Event, RunEvent, RunStatus};
use planrun::history::RunState;
use planrun::task::Stage;

use crate::harness::{Ended, Planrun, edited};
use crate::stages::PLAN;

/// Applies a plan to the storage hosts.
fn apply(planrun: &Planrun, plan: &str) -> Ended {
    let plan = planrun.file("plan.yaml", plan);
    planrun.file("model.yaml", edited("tests/cases/stages/model.yaml", &[]));
    let path = "../tests/cases/stages/model.yaml";
    let text = edited("tests/cases/stages/inventory.yaml", &[(path, "model.yaml")]);
    let inventory = planrun.file("inventory.yaml", text);
    planrun.run(&["apply", &plan, "-i", &inventory])
}

/// The plan, with a question on each host.
fn asking() -> String {
    PLAN.replace("  - {id: note,", "  - {id: ask, approve: Continue?}\n  - {id: note,")
}

fn state(planrun: &Planrun) -> RunState {
    RunState::of(&planrun.kept(&planrun.newest()).0).unwrap()
}

fn teardowns(planrun: &Planrun) -> usize {
    planrun.kept(&planrun.newest()).sent_for("setup/hold.teardown").len()
}

#[test]
fn the_lines_of_a_run_show_its_setup_first_and_its_teardown_last_and_count_hosts_only() {
    let planrun = Planrun::new();
    let ended = apply(&planrun, PLAN);
    ended.exits(0);
    for line in [
        "planned       storage-upgrade on 3 hosts, 1 at a time: s1, s2, s3",
        "setup                     started       before the first host",
        "s2                        started       host 1 of 3",
        "finish                    started       every host has succeeded",
        "setup                     tearing down  before the run ends: succeeded",
        "setup   hold.teardown     changed       run: ceph unset noout (1s, on mon1)",
        "succeeded: 3 hosts, 9 steps changed",
        "setup   succeeded     2 steps changed, 1 unchanged, took 2s, torn down",
    ] {
        ended.says(line);
    }
    let rows: Vec<&str> = ended.stdout.lines().filter(|row| row.contains(", took ")).collect();
    let names: Vec<&str> =
        rows[1..].iter().filter_map(|row| row.split_whitespace().next()).collect();
    assert_eq!(names, ["setup", "s1", "s2", "s3", "finish"]);
    let shown = planrun.run(&["show", "last"]);
    let at =
        |text: &str| shown.stdout.find(text).unwrap_or_else(|| panic!("{text}\n{}", shown.stdout));
    assert!(at("\nsetup: succeeded") < at("\ns1: succeeded"));
    assert!(at("\ns3: succeeded") < at("\nfinish: succeeded"));
    assert_eq!(planrun.runs()[0]["hosts"], 3);
    let json = planrun.run(&["show", "last", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["hosts"].as_array().unwrap().len(), 3);
    assert_eq!(json["stages"][0]["name"], "setup");
    assert_eq!(json["stages"][1]["name"], "finish");
    assert_eq!(json["still_set"], serde_json::json!([]));
}

#[test]
fn a_paused_run_tells_what_is_still_set() {
    let planrun = Planrun::new();
    let ended = apply(&planrun, &asking());
    ended.exits(6).says("Still set: setup/hold (run: ceph set noout).");
    planrun.run(&["show", "last"]).exits(0).says("still set   setup/hold (run: ceph set noout)");
    let json = planrun.run(&["show", "last", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["still_set"], serde_json::json!(["setup/hold"]));
    assert_eq!(json["next"][2].as_str().unwrap().split(' ').nth(1), Some("resume"));
}

#[test]
fn abort_tears_down_and_then_ends_the_run() {
    let planrun = Planrun::new();
    apply(&planrun, &asking()).exits(6);
    let ended = planrun.run(&["abort", "last", "--acknowledge", "--reason", "enough"]);
    ended.exits(0).says("tearing down  before the run ends: aborted").says("enough");
    assert!(!ended.all().contains("Still set"), "{}", ended.all());
    let state = state(&planrun);
    assert_eq!(state.status, RunStatus::Aborted);
    assert_eq!(teardowns(&planrun), 1);
    assert_eq!(state.still_set(), []);
    // It has ended: there is nothing to abort or resume.
    planrun.run(&["abort", "last", "--acknowledge"]).exits(2);
    planrun.run(&["resume", "last"]).exits(2);
}

#[test]
fn abort_without_teardown_leaves_everything_and_says_so() {
    let planrun = Planrun::new();
    apply(&planrun, &asking()).exits(6);
    let ended = planrun.run(&["abort", "last", "--acknowledge", "--without-teardown"]);
    ended.exits(0).says("Still set: setup/hold");
    assert_eq!(teardowns(&planrun), 0);
    assert_eq!(state(&planrun).status, RunStatus::Aborted);
}

#[test]
fn a_rollback_lists_the_finish_first_and_the_setup_last() {
    let planrun = Planrun::new();
    apply(&planrun, PLAN).exits(0);
    let ended = planrun.run(&["rollback", "last"]);
    ended.exits(0).says("rolling back 3 hosts, the last one started first");
    ended.says("the setup is torn down, and is not set up again for the rollback");
    for line in ["1. finish (", "2. s1 (", "3. s3 (", "4. s2 (", "5. setup ("] {
        ended.says(line);
    }
    let state = state(&planrun);
    assert_eq!(state.status, RunStatus::RolledBack);
    assert_eq!(state.stage(Stage::Setup).unwrap().1.status.word(), "rolled back");
    planrun.run(&["rollback", "last"]).exits(0).says("is already rolled back");
}

#[test]
fn a_rollback_of_a_host_that_has_not_started_undoes_the_setup_and_names_only_that() {
    let planrun = Planrun::new();
    let plan = PLAN.replace("  - {id: hold,", "  - {id: ask, approve: Continue?}\n  - {id: hold,");
    apply(&planrun, &plan).exits(6);

    let ended = planrun.run(&["rollback", "last", "--limit", "s1"]);

    ended.exits(0).says("rolling back setup:\n  1. setup (active)\n");
    ended.says("of s1, setup requested by");
    assert!(!ended.all().contains("finish, ") && !ended.all().contains("0 hosts"));
}

#[test]
fn hosts_to_which_no_rollback_was_sent_are_counted() {
    let planrun = Planrun::new();
    let rollback = "rollback: {run: downgrade, done_when: release == \"old\"}";
    let plan = PLAN.replace(rollback, "rollback: {none: it cannot be undone}");
    apply(&planrun, &plan).exits(0);
    planrun
        .run(&["rollback", "last"])
        .exits(0)
        .says("rolled back: 3 hosts rolled back (no rollback was sent), took");
}

#[test]
fn a_rollback_of_some_hosts_keeps_the_setup_and_the_finish() {
    let planrun = Planrun::new();
    apply(&planrun, PLAN).exits(0);
    let ended = planrun.run(&["rollback", "last", "--limit", "s1"]);
    ended.exits(0);
    assert!(!ended.all().contains("setup (") && !ended.all().contains("finish ("));
    let kept = planrun.kept(&planrun.newest());
    assert_eq!(kept.sent_for("finish/raise.rollback").len(), 0);
    assert_eq!(kept.sent_for("setup/quiet.rollback").len(), 0);
    assert_eq!(kept.sent_for("s1/upgrade.rollback").len(), 1);
}

#[test]
fn a_run_past_its_point_of_no_return_is_refused_as_a_whole_and_nothing_is_recorded() {
    let planrun = Planrun::new();
    let point = "point_of_no_return: {all_hosts: all clients use the new format}";
    let plan = PLAN.replace("rollback: {run: ceph format 1, done_when: format == 1}", point);
    let ended = apply(&planrun, &plan);
    ended.exits(0).says("point of no return: of all hosts: all clients use the new format");
    let before = planrun.kept(&planrun.newest()).0.len();

    let ended = planrun.run(&["rollback", "last"]);

    ended.exits(2).says("nothing can be undone on any host");
    ended.says(
        "s1 cannot be rolled back: it is past the point of no return of step finish/raise: all clients \
         use the new format",
    );
    assert_eq!(planrun.kept(&planrun.newest()).0.len(), before);
    let limited = planrun.run(&["rollback", "last", "--limit", "s2"]);
    limited.exits(2).says("s2 cannot be rolled back");
    // Without the point the last event would be the end of a rollback.
    let last = planrun.kept(&planrun.newest()).0.pop().unwrap();
    assert!(matches!(last.event, Event::Run(RunEvent::Ended { status: RunStatus::Succeeded, .. })));
}

#[test]
fn a_teardown_that_cannot_work_makes_the_run_stuck_and_names_the_ways_on() {
    let planrun = Planrun::new();
    let plan =
        PLAN.replace("teardown: {run: ceph unset noout,", "teardown: {run: ceph flag noout,");
    let plan =
        plan.replace("done_when: noout == \"unset\"", "within: 1s, done_when: noout == \"unset\"");
    let ended = apply(&planrun, &plan);
    ended.exits(5).says("teardown failed on setup");
    ended.says("Teardown failed: the teardowns of earlier steps did not run.");
    ended.says("Still set: setup/hold");
    // The hosts have succeeded, and are not offered to be rolled back.
    assert!(!ended.all().contains("planrun rollback"), "{}", ended.all());

    let again = planrun.run(&["resume", "last"]);
    again.exits(5).says("teardown failed on setup");
    assert_eq!(teardowns(&planrun), 2);
    let run = planrun.newest();
    let command = again.command("planrun abort", "--without-teardown");
    assert!(command.contains(&run), "{command}");
    planrun.type_line(&command).exits(0).says("Still set: setup/hold");
    assert_eq!(state(&planrun).status, RunStatus::Aborted);
}

/// The plan, with a teardown that fails while the flag has another name, which the operator repairs.
fn failing() -> String {
    let plan =
        PLAN.replace("teardown: {run: ceph unset noout,", "teardown: {run: ceph flag noout,");
    plan.replace("done_when: noout == \"unset\"", "within: 1s, done_when: noout == \"unset\"")
}

#[test]
fn after_a_failed_teardown_a_rollback_lists_the_setup_last_and_a_resume_is_offered() {
    let planrun = Planrun::new();
    apply(&planrun, &failing()).exits(5);
    let limited = planrun.run(&["rollback", "last", "--limit", "s1"]);
    limited.exits(5).says("1. s1 (succeeded)").says("teardown failed on setup");
    limited.says("finish and setup are not rolled back: changes stay on s2, s3");
    limited.says("teardown failed at hold.teardown");
    assert!(!limited.all().contains("rollback failed"), "{}", limited.all());
    planrun.type_line(&limited.command("planrun resume", "resume")).exits(5);

    let all = planrun.run(&["rollback", "last"]);

    for line in ["1. finish (", "2. s3 (", "3. s2 (", "4. setup (stuck)"] {
        all.says(line);
    }
    all.exits(5).says("teardown failed on setup");
    all.says("setup   stuck         teardown failed at hold.teardown");
    let state = state(&planrun);
    assert!(state.real_hosts().all(|(_, host)| host.status.word() == "rolled back"));
}

#[test]
fn a_limit_that_names_every_host_is_the_same_as_none() {
    let planrun = Planrun::new();
    apply(&planrun, PLAN).exits(0);
    let ended = planrun.run(&["rollback", "last", "--limit", "s1,s2,s3"]);
    ended.exits(0).says("1. finish (").says("5. setup (");
    assert!(!ended.all().contains("not rolled back"), "{}", ended.all());
    let kept = planrun.kept(&planrun.newest());
    assert_eq!(kept.sent_for("finish/raise.rollback").len(), 1);
    assert_eq!(kept.sent_for("setup/quiet.rollback").len(), 1);
}

#[test]
fn a_teardown_that_was_left_out_is_not_called_torn_down() {
    let planrun = Planrun::new();
    let plan = PLAN.replace("teardown: {", "teardown: {when: run.status == \"aborted\", ");
    let ended = apply(&planrun, &plan);
    ended.exits(0).says("took 2s, teardown skipped (its `when` is");
    ended.says("Still set: setup/hold");
    assert!(!ended.all().contains("torn down"), "{}", ended.all());
    planrun.run(&["show", "last"]).exits(0).says("teardown skipped (its `when` is false)");
    let back = planrun.run(&["rollback", "last", "--limit", "s1"]);
    assert!(!back.all().contains("the setup is torn down"), "{}", back.all());
}

#[test]
fn an_abort_that_was_stopped_asks_nothing_of_before_and_is_completed_by_a_resume() {
    let planrun = Planrun::new();
    let plan =
        failing().replace("  - {id: note,", "  - {id: ask, approve: Continue?}\n  - {id: note,");
    apply(&planrun, &plan).exits(6);
    let ended = planrun.run(&["abort", "last", "--acknowledge"]);
    ended.exits(5).says("teardown failed on setup; aborted by");
    assert!(!ended.all().contains("question at"), "{}", ended.all());
    let resumed = planrun.run(&["resume", "last"]);
    resumed.exits(5).says("completes the abort, nothing is rolled back");
    assert!(!resumed.all().contains("question at"), "{}", resumed.all());
}
