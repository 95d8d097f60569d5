//! Steps that run once per item of a list, on model hosts with three services.

use planrun::event::{Answer, Event, RunStatus, StepPath, TaskEvent, TaskStatus};
use planrun::history::{RunState, TaskState};
use planrun::inventory::HostName;
use serde_json::{Value, json};

use crate::scene::{Always, Memory, Scene, at, fault, sent, start, trace};

/// The plan of most tests. Each `STEPS` is a list of steps.
const HEAD: &str = r#"
version: 1
name: services
hosts: m1
inputs:
  units: {type: list, default: [imap, lmtp, auth]}
probes:
  wanted: {run: svc wanted, parse: lines}
  states: {run: svc states, parse: {format: tsv, key: name}}
  state: {run: "svc state {{ item }}", parse: text}
let:
  up: state == "up"
steps:
"#;

const STOP: &str = r#"
  - id: stop
    name: Stop it
    for_each: wanted
    run: svc stop {{ item }}
    done_when: state == "down"
    rollback: {run: "svc start {{ item }}", done_when: up}
"#;

#[track_caller]
pub(crate) fn scene(steps: &str) -> Scene {
    let inventory = "tests/cases/engine/inventory.yaml";
    Scene::of(&format!("{HEAD}{steps}"), inventory, &[], None)
}

pub(crate) fn task<'a>(state: &'a RunState, step: &str) -> Option<&'a TaskState> {
    state.hosts[&HostName::new("m1")].tasks.get(&StepPath::from(step))
}

pub(crate) fn status_of(state: &RunState, step: &str) -> Option<TaskStatus> {
    task(state, step)?.status
}

/// What became of a run: its state, what was sent, the lists of what was stopped and started.
pub(crate) struct Ended {
    pub(crate) state: RunState,
    pub(crate) journal: Memory,
    pub(crate) stops: Value,
    pub(crate) starts: Value,
}

/// Runs steps once, with faults: a step, a fault, how often.
#[track_caller]
pub(crate) fn run(steps: &str, faults: &[(&str, &str, Option<u32>)]) -> Ended {
    let scene = scene(steps);
    let clock = start();
    let faults = faults.iter().map(|(step, kind, times)| fault("m1", step, kind, *times));
    let world = scene.world(&clock, faults.collect());
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    Ended { state, stops: at(&world, "m1", "stops"), starts: at(&world, "m1", "starts"), journal }
}

#[test]
fn a_step_is_done_for_each_item_in_order_and_the_list_is_looked_at_once() {
    let ended = run(STOP, &[]);
    assert_eq!(ended.state.status, RunStatus::Succeeded, "{}", trace(&ended.journal));
    // Once `imap` is down, the probe says that `auth` alone is wanted.
    assert_eq!(ended.stops, json!(["imap", "lmtp", "auth"]));
    for item in ["stop", "stop.1", "stop.2", "stop.3"] {
        assert_eq!(status_of(&ended.state, item), Some(TaskStatus::Changed));
    }
    let result = task(&ended.state, "stop").unwrap().value().unwrap();
    assert_eq!(result.as_array().map(Vec::len), Some(3));
    assert_eq!(result[2]["exit"], 0);
}

#[test]
fn a_crash_at_any_event_goes_on_with_the_recorded_items_and_doubles_nothing() {
    let events = scene(STOP).dies_after_each(
        &[],
        |_| {},
        |it| {
            let story = it.story();
            assert_eq!(it.state.status, RunStatus::Succeeded, "{story}");
            let stops = at(&it.world, "m1", "stops");
            assert_eq!(stops, json!(["imap", "lmtp", "auth"]), "{story}");
            assert_eq!(sent(&it.journal).len(), 3, "{story}");
        },
    );
    assert!(events > 15, "{events}");
}

#[test]
fn an_item_that_fails_ends_the_step_and_those_begun_are_undone_the_last_first() {
    let ended = run(STOP, &[("stop.2", "refused", None)]);
    let story = trace(&ended.journal);
    assert_eq!(ended.state.status, RunStatus::RolledBack, "{story}");
    assert_eq!(status_of(&ended.state, "stop.3"), None);
    assert_eq!(status_of(&ended.state, "stop"), Some(TaskStatus::Failed));
    // What failed is seen up already; what was done is put back, with its own item.
    assert_eq!(status_of(&ended.state, "stop.2.rollback"), Some(TaskStatus::Unchanged));
    assert_eq!(status_of(&ended.state, "stop.1.rollback"), Some(TaskStatus::Changed));
    assert_eq!(ended.starts, json!(["imap"]));

    let then_fail = format!("{STOP}\n  - fail: on purpose\n");
    let ended = run(&then_fail, &[]);
    assert_eq!(ended.state.status, RunStatus::RolledBack);
    assert_eq!(ended.starts, json!(["auth", "lmtp", "imap"]));
}

#[test]
fn a_crash_at_any_event_of_a_way_back_undoes_each_item_once() {
    let scene = scene(&format!(
        "{STOP}
  - fail: on purpose
"
    ));
    let events = scene.dies_after_each(
        &[],
        |_| {},
        |it| {
            let story = it.story();
            assert_eq!(it.state.status, RunStatus::RolledBack, "{story}");
            let starts = at(&it.world, "m1", "starts");
            assert_eq!(starts, json!(["auth", "lmtp", "imap"]), "{story}");
        },
    );
    assert!(events > 25, "{events}");
}

#[test]
fn a_handler_that_fails_at_an_item_leaves_the_earlier_items_and_is_begun_anew_there() {
    let scene = scene(&format!("{STOP}\n  - fail: on purpose\n"));
    let clock = start();
    let faults = vec![fault("m1", "stop.2.rollback", "refused", Some(1))];
    let world = scene.world(&clock, faults);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Stuck, "{}", trace(&journal));
    assert_eq!(at(&world, "m1", "starts"), json!(["auth"]));
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(at(&world, "m1", "starts"), json!(["auth", "lmtp", "imap"]));
}

#[test]
fn a_person_is_asked_about_one_item_and_the_rest_goes_on() {
    let scene = scene(&STOP.replace("    rollback", "    on_failure: hold\n    rollback"));
    let clock = start();
    let world = scene.world(&clock, vec![fault("m1", "stop.2", "refused", None)]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    let (asked, question) = &state.open_questions()[0];
    assert_eq!(asked.to_string(), "m1/stop.2");
    assert!(question.text.starts_with("Stop it [lmtp]: "), "{}", question.text);
    let asker = Always(Answer::Skip);
    let state = scene.drive(&clock, &world, &journal, Some(&asker)).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(status_of(&state, "stop.2"), Some(TaskStatus::Skipped));
    assert_eq!(at(&world, "m1", "stops"), json!(["imap", "auth"]));
}

#[test]
fn a_failure_that_does_no_harm_lets_the_next_item_begin() {
    let continues =
        STOP.replace("    rollback", "    on_failure: {continue: one is enough}\n    rollback");
    let ended = run(&continues, &[("stop.2", "refused", None)]);
    assert_eq!(ended.state.status, RunStatus::Succeeded, "{}", trace(&ended.journal));
    assert_eq!(ended.stops, json!(["imap", "auth"]));
}

#[test]
fn a_block_has_its_parts_at_each_item_and_their_results_are_those_of_the_item() {
    let steps = r#"
  - id: restart
    for_each: ["{{ units[1] }}", imap]
    rollback: {run: "svc note {{ item }}", idempotent: true}
    block:
      - id: count
        run: svc count
        parse: int
        on_unknown: ask
        rollback: {run: "svc note {{ count }}-{{ item }}", idempotent: true}
      - run: svc stop {{ item }}
        when: count > 0
        done_when: state == "down"
        rollback: {run: "svc start {{ item }}", done_when: up}
  - fail: on purpose
"#;
    let ended = run(steps, &[]);
    let story = trace(&ended.journal);
    assert_eq!(ended.state.status, RunStatus::RolledBack, "{story}");
    assert_eq!(status_of(&ended.state, "count.2"), Some(TaskStatus::Changed));
    let sent = sent(&ended.journal);
    let sent: Vec<&str> = sent.iter().map(|one| &one["m1: svc ".len()..]).collect();
    let expected = [
        "count",
        "stop lmtp",
        "count",
        "stop imap", // forward
        "start imap",
        "note 2-imap",
        "note imap",
        "start lmtp",
        "note 1-lmtp",
        "note lmtp",
    ];
    assert_eq!(sent, expected, "{story}");
}

#[test]
fn the_name_of_a_step_is_the_result_of_the_item_inside_and_the_list_outside() {
    let steps = r#"
  - id: count
    for_each: units
    run: svc count
    parse: int
    on_unknown: ask
    rollback: {run: "svc note {{ count }}", idempotent: true}
  - assert: {all are counted: "count == [1, 2, 3] and count | sum == 6"}
  - fail: "{{ count | join('-') }}"
"#;
    let ended = run(steps, &[]);
    let story = trace(&ended.journal);
    assert_eq!(status_of(&ended.state, "2"), Some(TaskStatus::Unchanged), "{story}");
    let why = &task(&ended.state, "3").unwrap().why;
    assert_eq!(why.as_ref().unwrap().text, "1-2-3");
    let sent = sent(&ended.journal);
    let back = ["m1: svc note 3", "m1: svc note 2", "m1: svc note 1"];
    assert_eq!(sent[3..], back, "{story}");
}

#[test]
fn a_point_of_no_return_is_passed_when_all_items_ended_well() {
    let steps = STOP.replace(
        "    rollback: {run: \"svc start {{ item }}\", done_when: up}",
        "    point_of_no_return: all are down\n    rollback: {run: \"svc start {{ item }}\", done_when: up}",
    );
    let ended = run(&steps, &[("stop.3", "refused", None)]);
    assert_eq!(ended.state.status, RunStatus::RolledBack, "{}", trace(&ended.journal));
    assert_eq!(ended.starts, json!(["lmtp", "imap"]));
    let ended = run(&steps, &[]);
    assert_eq!(ended.state.status, RunStatus::Succeeded);
    let records = ended.journal.records.borrow();
    let passed: Vec<String> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Task { task, event: TaskEvent::PointOfNoReturn { .. } } => {
                Some(task.step.to_string())
            }
            _ => None,
        })
        .collect();
    assert_eq!(passed, ["stop"]);
}

#[test]
fn an_empty_list_is_left_out_and_a_list_without_end_is_refused() {
    let empty = r#"
  - for_each: "[]"
    run: svc stop {{ item }}
    done_when: state == "down"
    rollback: {none: nothing to undo}
  - {run: svc count, read_only: true}
"#;
    let ended = run(empty, &[]);
    assert_eq!(ended.state.status, RunStatus::Succeeded, "{}", trace(&ended.journal));
    let task = task(&ended.state, "1").unwrap();
    assert_eq!(task.status, Some(TaskStatus::Skipped));
    assert_eq!(task.why.as_ref().unwrap().text, "its list of items is empty");

    let many = vec!["1"; 1_001].join(", ");
    let many = empty.replace("\"[]\"", &format!("[{many}]"));
    let ended = run(&many, &[]);
    let task = self::task(&ended.state, "1").unwrap();
    assert_eq!(task.status, Some(TaskStatus::Failed));
    let why = &task.why.as_ref().unwrap().text;
    assert!(why.contains("has 1001 items; the maximum is 1000"), "{why}");
}

#[test]
fn a_handler_may_be_done_for_each_item_of_what_was_recorded() {
    let steps = r#"
  - id: before
    set: {all: wanted}
  - run: svc stop imap
    done_when: states["imap"].state == "down"
    rollback:
      for_each: before.all
      run: svc start {{ item }}
      idempotent: true
  - fail: on purpose
"#;
    let scene = scene(steps);
    let clock = start();
    let world = scene.world(&clock, vec![fault("m1", "2.rollback.2", "refused", Some(1))]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Stuck, "{}", trace(&journal));
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(at(&world, "m1", "starts"), json!(["imap", "lmtp", "auth"]));
}

#[test]
fn a_thousand_items_are_gone_through_and_back() {
    let all: Vec<String> = (0..1_000).map(|at| at.to_string()).collect();
    let steps = format!(
        "
  - id: note
    for_each: [{}]
    run: svc note {{{{ item }}}}
    idempotent: true
    rollback: {{run: \"svc note back-{{{{ item }}}}\", idempotent: true}}
  - fail: on purpose
",
        all.join(", ")
    );
    let ended = run(&steps, &[]);
    assert_eq!(ended.state.status, RunStatus::RolledBack);
    let sent = sent(&ended.journal);
    assert_eq!(sent.len(), 2_000);
    assert_eq!(sent[999], "m1: svc note 999");
    assert_eq!(sent[1_000], "m1: svc note back-999");
    assert_eq!(sent[1_999], "m1: svc note back-0");
}
