//! Blocks with `retry`: the whole block runs again.

use std::time::Duration;

use planrun::event::{Answer, Event, Record, RunStatus, StepPath, TaskEvent, TaskId, TaskStatus};
use planrun::inventory::HostName;
use planrun::run::exit_status;
use serde_json::json;

use crate::items::{run, scene, status_of, task};
use crate::scene::{Always, Memory, at, fault, sent, start, trace};

/// A block of all kinds of parts, and what is behind it.
const BLOCK: &str = r#"
  - id: swap
    retry: {attempts: 3, delay: 1m}
    block:
      - id: stop
        run: svc stop imap
        done_when: states["imap"].state == "down"
        rollback: {run: svc start imap, done_when: 'states["imap"].state == "up"'}
      - id: note
        run: svc note a
        idempotent: true
        rollback: {run: svc note back, idempotent: true}
      - id: before
        set: {all: wanted}
      - id: each
        for_each: [lmtp, auth]
        run: svc stop {{ item }}
        done_when: state == "down"
        rollback: {run: "svc start {{ item }}", done_when: up}
"#;

fn short(sent: &[String]) -> Vec<&str> {
    sent.iter().map(|one| &one["m1: svc ".len()..]).collect()
}

/// The rounds that were begun: the number of each, and how long it was until it was gone through.
fn rounds(records: &[Record]) -> Vec<(u32, Duration)> {
    let mut rounds = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if let Event::Task { event: TaskEvent::BlockRetried { round, .. }, .. } = &record.event {
            let first = records[index..].iter().find(|later| {
                matches!(&later.event, Event::Task { task, event: TaskEvent::Started { .. } } if task.step == *"stop")
            });
            let until = first.unwrap().at.duration_since(record.at);
            rounds.push((*round, until.try_into().unwrap()));
        }
    }
    rounds
}

#[test]
fn what_is_seen_done_is_not_sent_again_and_counts_as_changed() {
    let ended = run(BLOCK, &[("each.2", "refused", Some(1))]);
    let story = trace(&ended.journal);
    assert_eq!(ended.state.status, RunStatus::Succeeded, "{story}");
    let expected = [
        "stop imap",
        "note a",
        "stop lmtp",
        "stop auth", // the first round
        "note a",
        "stop auth",
    ];
    assert_eq!(short(&sent(&ended.journal)), expected, "{story}");
    for step in ["stop", "note", "each", "each.1", "each.2", "swap"] {
        assert_eq!(status_of(&ended.state, step), Some(TaskStatus::Changed), "{step}");
    }
    // What was recorded in the first round stays: by now `auth` alone is wanted.
    let before = task(&ended.state, "before").unwrap();
    assert_eq!(before.value(), Some(json!({"all": ["auth"]})));
    let result = task(&ended.state, "each").unwrap().value().unwrap();
    assert_eq!(result[0]["exit"], 0, "{story}");
    let rounds = rounds(&ended.journal.records.borrow());
    assert_eq!(rounds, [(2, Duration::from_mins(1))], "{story}");
}

#[test]
fn when_no_round_is_left_each_step_is_undone_once_in_the_order_of_the_first_intents() {
    let ended = run(BLOCK, &[("each.2", "refused", None)]);
    let story = trace(&ended.journal);
    assert_eq!(ended.state.status, RunStatus::RolledBack, "{story}");
    let sent = sent(&ended.journal);
    let forward = ["stop imap", "note a", "stop lmtp", "stop auth"];
    let again = ["note a", "stop auth"];
    // `auth` was never stopped: its way back has nothing to do.
    let back = ["start lmtp", "note back", "start imap"];
    let expected = [&forward[..], &again, &again, &back].concat();
    assert_eq!(short(&sent), expected, "{story}");
    assert_eq!(rounds(&ended.journal.records.borrow()).len(), 2, "{story}");
}

#[test]
fn the_rescue_comes_after_the_last_round_alone() {
    let steps =
        format!("{BLOCK}    rescue:\n      - {{id: out, run: svc count, read_only: true}}\n");
    let once = run(&steps, &[("each.2", "refused", Some(1))]);
    assert_eq!(once.state.status, RunStatus::Succeeded);
    assert_eq!(status_of(&once.state, "out"), None);
    let always = run(&steps, &[("each.2", "refused", None)]);
    let story = trace(&always.journal);
    assert_eq!(always.state.status, RunStatus::Succeeded, "{story}");
    assert_eq!(rounds(&always.journal.records.borrow()).len(), 2, "{story}");
    assert_eq!(status_of(&always.state, "out"), Some(TaskStatus::Unchanged));
}

#[test]
fn a_crash_at_any_event_goes_on_in_the_same_round_and_doubles_nothing() {
    let rescued =
        format!("{BLOCK}    rescue:\n      - {{id: out, run: svc count, read_only: true}}\n");
    for (steps, times, end) in [
        (BLOCK, Some(1), RunStatus::Succeeded),
        (BLOCK, None, RunStatus::RolledBack),
        (&rescued, None, RunStatus::Succeeded),
    ] {
        let faults = [fault("m1", "each.2", "refused", times)];
        let events = scene(steps).dies_after_each(
            &faults,
            |_| {},
            |it| {
                let story = it.story();
                assert_eq!(it.state.status, end, "{story}");
                let (stops, starts) = match times {
                    Some(_) => (json!(["imap", "lmtp", "auth"]), json!([])),
                    None if end == RunStatus::RolledBack => {
                        (json!(["imap", "lmtp"]), json!(["lmtp", "imap"]))
                    }
                    None => (json!(["imap", "lmtp"]), json!([])),
                };
                assert_eq!(at(&it.world, "m1", "stops"), stops, "{story}");
                assert_eq!(at(&it.world, "m1", "starts"), starts, "{story}");
                // A refusal of which the controller died before it was known is none: the step is
                // sent again in the same round.
                let most = if times.is_some() { it.refusals("each.2") } else { 2 };
                let rounds = rounds(&it.journal.records.borrow());
                assert_eq!(rounds.len(), most, "{story}");
                for (_, waited) in rounds {
                    assert!(waited >= Duration::from_mins(1), "{story}");
                }
            },
        );
        assert!(events > 30, "{events}");
    }
}

#[test]
fn what_a_person_fails_is_not_gone_through_again() {
    let steps = BLOCK.replace(
        "      - id: note\n",
        "      - {id: look, approve: is it well?}\n      - id: note\n",
    );
    let scene = scene(&steps);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let asker = Always(Answer::Reject);
    let state = scene.drive(&clock, &world, &journal, Some(&asker)).unwrap();
    let story = trace(&journal);
    assert_eq!(state.status, RunStatus::RolledBack, "{story}");
    assert_eq!(rounds(&journal.records.borrow()), [], "{story}");
}

#[test]
fn a_block_in_a_list_has_rounds_at_each_item() {
    let steps = r#"
  - id: swap
    for_each: [lmtp, auth]
    retry: {attempts: 2, delay: 10s}
    block:
      - id: stop
        run: svc stop {{ item }}
        done_when: state == "down"
        rollback: {run: "svc start {{ item }}", done_when: up}
      - id: note
        run: svc note {{ stop.exit }}-{{ item }}
        idempotent: true
        rollback: {none: nothing to undo}
"#;
    let ended = run(steps, &[("note.1", "refused", Some(1)), ("note.2", "refused", Some(1))]);
    let story = trace(&ended.journal);
    assert_eq!(ended.state.status, RunStatus::Succeeded, "{story}");
    assert_eq!(task(&ended.state, "swap.1").unwrap().round, 2);
    assert_eq!(task(&ended.state, "swap.2").unwrap().round, 2);
    assert_eq!(ended.stops, json!(["lmtp", "auth"]));
    let sent = sent(&ended.journal);
    let notes: Vec<&str> = short(&sent).into_iter().filter(|one| one.starts_with("note")).collect();
    assert_eq!(notes, ["note 0-lmtp", "note 0-lmtp", "note 0-auth", "note 0-auth"]);
}

#[test]
fn a_stop_in_the_time_before_a_round_pauses_and_the_round_comes_after_the_rest_of_it() {
    let scene = scene(BLOCK);
    let clock = start();
    let world = scene.world(&clock, vec![fault("m1", "each.2", "refused", Some(1))]);
    let journal = Memory::default();
    let swap = TaskId { host: HostName::new("m1"), step: StepPath::from("swap") };
    let state = scene.drive_until(&clock, &world, &journal, None, Some(&swap)).unwrap();
    let story = trace(&journal);
    assert_eq!(state.status, RunStatus::Paused, "{story}");
    assert_eq!(exit_status(&state), 6, "{story}");
    assert_eq!(sent(&journal).len(), 4, "{story}");
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    let story = trace(&journal);
    assert_eq!(state.status, RunStatus::Succeeded, "{story}");
    assert_eq!(at(&world, "m1", "stops"), json!(["imap", "lmtp", "auth"]));
    let rounds = rounds(&journal.records.borrow());
    assert_eq!(rounds, [(2, Duration::from_mins(1))], "{story}");
}
