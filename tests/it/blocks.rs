//! Options of a block: its timeout, and the effect of a failure.

use std::cell::RefCell;
use std::time::Duration;

use planrun::event::{Answer, Event, RunStatus, StepPath, TaskEvent, TaskId, TaskStatus};
use planrun::history::RunState;
use planrun::inventory::HostName;
use planrun::run::exit_status;
use serde_json::json;

use crate::harness::{Planrun, root};
use crate::items::{run, scene, status_of, task};
use crate::scene::{Always, InTurn, Memory, at, fault, sent, start, trace};

/// A block that stops a service, and waits in vain for another.
const WAITS: &str = r#"
  - id: swap
    name: Swap them
    timeout: 5m
    block:
      - id: stop
        run: svc stop imap
        done_when: states["imap"].state == "down"
        rollback: {run: svc start imap, done_when: 'states["imap"].state == "up"'}
      - id: gone
        wait: {until: 'states["auth"].state == "down"', timeout: 1h}
"#;

const RESCUE: &str = r"    rescue:
      - {id: rest, wait: 10m}
      - {id: out, run: svc count, read_only: true}
";

fn why(state: &RunState, step: &str) -> String {
    task(state, step)
        .and_then(|task| task.why.clone())
        .unwrap_or_else(|| panic!("{step} has no reason"))
        .text
}

/// How long it was from the beginning of a task to its end.
fn took(journal: &Memory, step: &str) -> Duration {
    let records = journal.records.borrow();
    let is = |task: &TaskId| task.step == *step;
    let begun = records
        .iter()
        .find(|record| matches!(&record.event, Event::Task { task, event: TaskEvent::Started { .. } } if is(task)));
    let ended = records
        .iter()
        .rfind(|record| matches!(&record.event, Event::Task { task, event: TaskEvent::Ended { .. } } if is(task)));
    let took = ended.unwrap().at.duration_since(begun.unwrap().at);
    took.try_into().unwrap()
}

#[test]
fn a_wait_ends_with_the_time_of_its_block_and_what_was_done_is_undone() {
    let ended = run(WAITS, &[]);
    let story = trace(&ended.journal);
    assert_eq!(ended.state.status, RunStatus::RolledBack, "{story}");
    for step in ["gone", "swap"] {
        assert_eq!(status_of(&ended.state, step), Some(TaskStatus::TimedOut), "{step}");
    }
    assert_eq!(took(&ended.journal, "swap"), Duration::from_mins(5));
    assert_eq!(
        why(&ended.state, "swap"),
        "condition still false after 4m 58s of 1h; `Swap them` exceeded its 5m timeout"
    );
    assert_eq!((ended.stops, ended.starts), (json!(["imap"]), json!(["imap"])));
}

#[test]
fn the_rescue_has_its_own_time() {
    let ended = run(&format!("{WAITS}{RESCUE}"), &[]);
    let story = trace(&ended.journal);
    assert_eq!(ended.state.status, RunStatus::Succeeded, "{story}");
    assert_eq!(status_of(&ended.state, "out"), Some(TaskStatus::Unchanged));
    assert!(took(&ended.journal, "swap") > Duration::from_mins(15));
}

#[test]
fn a_command_is_given_no_more_than_the_rest_and_nothing_is_begun_after_it() {
    let steps = r"
  - id: swap
    timeout: 3m
    block:
      - {id: rest, wait: 1m}
      - {id: first, run: svc note a, idempotent: true, timeout: 1h, retry: {attempts: 9, delay: 1s}, rollback: {none: a note}}
      - {id: second, run: svc note b, idempotent: true, rollback: {none: a note}}
";
    let ended = run(steps, &[("first", "hangs", None)]);
    let story = trace(&ended.journal);
    assert_eq!(status_of(&ended.state, "first"), Some(TaskStatus::TimedOut), "{story}");
    assert!(why(&ended.state, "first").ends_with("`block` exceeded its 3m timeout"), "{story}");
    assert_eq!(status_of(&ended.state, "second"), None, "{story}");
    assert_eq!(sent(&ended.journal), ["m1: svc note a"], "{story}");
    let records = ended.journal.records.borrow();
    let timeout = records.iter().find_map(|record| match record.event {
        Event::Task { event: TaskEvent::AttemptIntended { timeout, .. }, .. } => Some(timeout),
        _ => None,
    });
    assert_eq!(timeout, Some(Duration::from_mins(2)), "{story}");
    assert_eq!(took(&ended.journal, "swap"), Duration::from_mins(3));
}

#[test]
fn what_comes_after_a_tolerated_failure_is_not_begun_without_time() {
    let steps = r#"
  - id: swap
    timeout: 3m
    block:
      - {id: first, wait: {until: 'states["auth"].state == "down"', timeout: 1h}, on_failure: {continue: it may be late}}
      - {id: second, run: svc note b, idempotent: true, rollback: {none: a note}}
"#;
    let ended = run(steps, &[]);
    let story = trace(&ended.journal);
    assert!(sent(&ended.journal).is_empty(), "{story}");
    assert_eq!(why(&ended.state, "swap"), "`block` exceeded its 3m timeout; not started");
}

#[test]
fn no_round_is_begun_that_cannot_be_gone_through_in_time() {
    let steps = r#"
  - id: swap
    timeout: 5m
    retry: {attempts: 9, delay: 2m}
    block:
      - {id: stop, run: svc stop imap, done_when: 'states["imap"].state == "down"', within: 1s, rollback: {none: a test}}
"#;
    let ended = run(steps, &[("stop", "refused", None)]);
    let story = trace(&ended.journal);
    // At 0, 2 and 4 minutes; then a minute is left, and the next would begin in two.
    assert_eq!(sent(&ended.journal).len(), 3, "{story}");
    assert!(took(&ended.journal, "swap") < Duration::from_mins(5), "{story}");
    assert!(why(&ended.state, "swap").ends_with("no time left for another attempt"), "{story}");
}

#[test]
fn a_block_inside_has_no_more_than_what_is_left_outside_and_its_rescue_counts_there() {
    let steps = r#"
  - id: outer
    name: Both
    timeout: 5m
    block:
      - {id: rest, wait: 1m}
      - id: inner
        block:
          - {id: gone, wait: {until: 'states["auth"].state == "down"', timeout: 2m}}
        rescue:
          - {id: long, wait: 1h}
"#;
    let ended = run(steps, &[]);
    let story = trace(&ended.journal);
    assert_eq!(took(&ended.journal, "gone"), Duration::from_mins(2));
    assert_eq!(took(&ended.journal, "outer"), Duration::from_mins(5));
    assert_eq!(
        why(&ended.state, "outer"),
        "wait not finished after 2m of 1h; `Both` exceeded its 5m timeout",
        "{story}"
    );
}

#[test]
fn a_way_back_has_its_own_time_and_none_of_what_it_undoes() {
    let steps = r#"
  - id: swap
    timeout: 1m
    block:
      - id: stop
        run: svc stop imap
        done_when: states["imap"].state == "down"
        rollback:
          timeout: 5m
          block:
            - {id: rest, wait: 2m}
            - {id: gone, wait: {until: 'states["auth"].state == "down"', timeout: 1h}}
      - {id: long, wait: 2h, on_failure: rollback, when: 'states["imap"].state == "down"'}
"#;
    let ended = run(steps, &[]);
    let story = trace(&ended.journal);
    assert_eq!(ended.state.status, RunStatus::Stuck, "{story}");
    assert_eq!(took(&ended.journal, "swap"), Duration::from_mins(1));
    assert_eq!(took(&ended.journal, "stop.rollback"), Duration::from_mins(5));
    assert_eq!(
        why(&ended.state, "gone"),
        "condition still false after 3m of 1h; `block` exceeded its 5m timeout",
        "{story}"
    );
}

#[test]
fn each_item_has_the_whole_time() {
    let steps = r#"
  - id: all
    timeout: 5m
    for_each: [lmtp, auth]
    block:
      - {id: rest, wait: 4m}
      - {id: note, run: "svc note {{ item }}", idempotent: true, rollback: {none: a note}}
"#;
    let ended = run(steps, &[]);
    let story = trace(&ended.journal);
    assert_eq!(ended.state.status, RunStatus::Succeeded, "{story}");
    assert!(took(&ended.journal, "all") >= Duration::from_mins(8));
}

#[test]
fn the_time_goes_on_after_a_stop_where_it_was() {
    let scene = scene(WAITS);
    let clock = start();
    let world = scene.world(&clock, Vec::new());
    let journal = Memory::default();
    let stop = TaskId { host: HostName::new("m1"), step: StepPath::from("stop") };
    let state = scene.drive_until(&clock, &world, &journal, None, Some(&stop)).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    let before = task(&state, "swap").unwrap().spent;
    assert!(before > Duration::ZERO, "{}", trace(&journal));
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    let story = trace(&journal);
    assert_eq!(status_of(&state, "swap"), Some(TaskStatus::TimedOut), "{story}");
    assert_eq!(took(&journal, "swap"), Duration::from_mins(5), "{story}");
}

#[test]
fn a_crash_at_any_event_leaves_the_same_end_and_no_more_time_than_a_tick() {
    for (steps, end) in [
        (WAITS.to_owned(), RunStatus::RolledBack),
        (format!("{WAITS}{RESCUE}"), RunStatus::Succeeded),
    ] {
        let events = scene(&steps).dies_after_each(
            &[],
            |_| {},
            |it| {
                let story = it.story();
                assert_eq!(it.state.status, end, "{story}");
                let gone = status_of(&it.state, "gone");
                assert_eq!(gone, Some(TaskStatus::TimedOut), "{story}");
                assert_eq!(at(&it.world, "m1", "stops"), json!(["imap"]), "{story}");
                let took = took(&it.journal, "gone");
                let most = Duration::from_mins(5) + Duration::from_secs(31);
                assert!(
                    took <= most,
                    "{took:?}
{story}"
                );
            },
        );
        assert!(events > 20, "{events}");
    }
}

#[test]
fn a_person_who_says_retry_gives_the_whole_time_again() {
    let steps = WAITS.replace("timeout: 1h}", "timeout: 1h}\n        on_failure: hold");
    let scene = scene(&steps);
    let clock = start();
    let world = scene.world(&clock, Vec::new());
    let journal = Memory::default();
    let asker = InTurn(RefCell::new(vec![Answer::Fail, Answer::Retry]));
    let state = scene.drive(&clock, &world, &journal, Some(&asker)).unwrap();
    let story = trace(&journal);
    assert_eq!(state.status, RunStatus::RolledBack, "{story}");
    let took = took(&journal, "swap");
    assert!(took > Duration::from_secs(9 * 60 + 50), "{took:?}\n{story}");
    assert!(took < Duration::from_secs(10 * 60 + 5), "{took:?}\n{story}");
}

/// A block with a part that fails.
const FAILS: &str = r#"
  - id: swap
    on_failure: SAID
    block:
      - id: stop
        run: svc stop imap
        done_when: states["imap"].state == "down"
        rollback: {run: svc start imap, done_when: 'states["imap"].state == "up"'}
      - {id: note, run: svc note a, idempotent: true, rollback: {none: a note}}
"#;

#[test]
fn a_block_that_holds_asks_about_the_part_that_failed() {
    let steps = FAILS.replace("SAID", "hold");
    let scene = scene(&steps);
    let clock = start();
    let world = scene.world(&clock, vec![fault("m1", "note", "refused", Some(1))]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    let story = trace(&journal);
    assert_eq!(exit_status(&state), 6, "{story}");
    let open = state.open_questions();
    assert_eq!(open[0].0.step, *"note", "{story}");
    let state = scene.drive(&clock, &world, &journal, Some(&Always(Answer::Retry))).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
}

#[test]
fn what_the_retry_or_the_rescue_of_a_block_takes_up_is_asked_about_last() {
    let steps = FAILS.replace("SAID", "hold\n    retry: {attempts: 2, delay: 1s}");
    let once = run(&steps, &[("note", "refused", Some(1))]);
    assert_eq!(once.state.status, RunStatus::Succeeded);
    let always = run(&steps, &[("note", "refused", None)]);
    let story = trace(&always.journal);
    assert_eq!(always.state.status, RunStatus::Paused, "{story}");
    assert_eq!(task(&always.state, "swap").unwrap().round, 2, "{story}");
    // In a rescue nothing else takes a failure up.
    let steps = format!(
        "{}    rescue:\n      - {{id: out, run: svc count, idempotent: true, rollback: {{none: a count}}}}\n",
        FAILS.replace("SAID", "hold")
    );
    let faults = [("note", "refused", None), ("out", "refused", None)];
    let rescued = run(&steps, &faults);
    let open = rescued.state.open_questions();
    assert_eq!(open[0].0.step, *"out", "{}", trace(&rescued.journal));
}

#[test]
fn past_a_point_of_no_return_a_block_still_says_what_its_failures_lead_to() {
    let past = "\n  - id: past\n    run: svc note z\n    idempotent: true\n    point_of_no_return: it is done\n";
    let steps = |said: &str| format!("{past}{}", FAILS.replace("SAID", said));
    let tolerated = run(&steps("{continue: it does no harm}"), &[("note", "refused", None)]);
    let story = trace(&tolerated.journal);
    assert_eq!(tolerated.state.status, RunStatus::Succeeded, "{story}");
    let unsaid = steps("SAID").replace("    on_failure: SAID\n", "");
    let asked = run(&unsaid, &[("note", "refused", None)]);
    assert_eq!(exit_status(&asked.state), 6, "{}", trace(&asked.journal));
}

#[test]
fn about_what_failed_where_nobody_may_ask_a_person_is_asked_behind_it() {
    let inner = FAILS
        .replace("on_failure: SAID", "uninterruptible: it is a test")
        .replace("\n  ", "\n      ");
    let held = format!("  - id: outer\n    on_failure: hold\n    block:{inner}");
    let past = "\n  - id: past\n    run: svc note z\n    idempotent: true\n    point_of_no_return: it is done\n";
    let behind = FAILS.replace("on_failure: SAID", "uninterruptible: it is a test");
    for steps in [held, format!("{past}{behind}")] {
        let scene = scene(&steps);
        let clock = start();
        let world = scene.world(&clock, vec![fault("m1", "note", "refused", None)]);
        let journal = Memory::default();
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        let story = trace(&journal);
        assert_eq!(exit_status(&state), 6, "{story}");
        let open = state.open_questions();
        assert_eq!(open[0].0.step, *"swap", "{story}");
        assert_eq!(open[0].1.answers, [Answer::Skip, Answer::Fail], "{story}");
        let state = scene.drive(&clock, &world, &journal, Some(&Always(Answer::Skip))).unwrap();
        assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
        // Each answer is asked for once, wherever the controller dies.
        let events = scene.dies_after_each(
            &[fault("m1", "note", "refused", None)],
            |_| {},
            |it| assert_eq!(it.state.open_questions().len(), 1, "{}", it.story()),
        );
        assert!(events > 8, "{events}");
    }
}

#[test]
fn a_block_that_holds_asks_once_where_its_time_is_too_short_for_another_round() {
    let hold = "timeout: 5m\n    retry: {attempts: 9, delay: DELAY}\n    on_failure: hold";
    // Either the next round would begin too late, or the time ends within one.
    for (steps, faults) in [
        (
            FAILS.replace("on_failure: SAID", &hold.replace("DELAY", "10m")),
            vec![fault("m1", "note", "refused", None)],
        ),
        (WAITS.replace("timeout: 5m", &hold.replace("DELAY", "1s")), Vec::new()),
    ] {
        let scene = scene(&steps);
        let clock = start();
        let world = scene.world(&clock, faults);
        let journal = Memory::default();
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(exit_status(&state), 6, "{}", trace(&journal));
        let asker = InTurn(RefCell::new(vec![Answer::Fail]));
        let state = scene.drive(&clock, &world, &journal, Some(&asker)).unwrap();
        assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    }
}

#[test]
fn a_step_that_only_fails_is_asked_about_where_the_plan_holds() {
    let steps = "  - id: no\n    fail: It cannot be.\n    on_failure: hold\n";
    let ended = run(steps, &[]);
    let open = ended.state.open_questions();
    assert_eq!(open[0].0.step, *"no", "{}", trace(&ended.journal));
    let scene = scene(steps);
    let clock = start();
    let world = scene.world(&clock, Vec::new());
    for (answer, status) in
        [(Answer::Skip, TaskStatus::Skipped), (Answer::Fail, TaskStatus::Failed)]
    {
        let journal = Memory::default();
        let state = scene.drive(&clock, &world, &journal, Some(&Always(answer))).unwrap();
        assert_eq!(status_of(&state, "no"), Some(status), "{}", trace(&journal));
    }
}

/// What is told of a block whose time is up, where it is shown afterwards.
#[test]
fn counting_the_time_of_a_block_is_not_told_and_a_failure_in_words_is_told_once() {
    let planrun = Planrun::new();
    let rescue = "    rescue:\n      - fail: It took too long.\n";
    let head = "version: 1\nname: slow\nhosts: m1\nprobes:\n  \
                states: {run: svc states, parse: {format: tsv, key: name}}\nsteps:";
    let plan = planrun.file("plan.yaml", format!("{head}{WAITS}{rescue}"));
    let tests = root().join("tests");
    let inventory = std::fs::read_to_string(tests.join("cases/engine/inventory.yaml")).unwrap();
    let inventory = inventory.replace("../tests", tests.to_str().unwrap());
    let inventory = planrun.file("inventory.yaml", inventory);
    let ended = planrun.run(&["apply", &plan, "-i", &inventory]);
    ended.exits(1);
    assert!(
        ended.all().contains("fail: It took too long.\n")
            && !ended.all().contains("It took too long.: It"),
        "{}",
        ended.all()
    );
    let shown = planrun.run(&["show", &planrun.newest()]);
    let heading = |line: &&str| line.starts_with("            gone  ");
    let headings = shown.stdout.lines().filter(heading).count();
    assert_eq!(headings, 1, "{}", shown.stdout);
}

#[test]
fn of_a_block_that_was_rescued_the_reason_is_told_and_nothing_is_said_to_be_untouched() {
    let planrun = Planrun::new();
    let plan = planrun.file(
        "plan.yaml",
        r#"
version: 1
name: rescued
hosts: all
steps:
  - id: swap
    name: Swap the services
    timeout: 3s
    retry: {attempts: 5, delay: 10s}
    block:
      - {run: "false", idempotent: true, rollback: {none: a test}}
    rescue:
      - {run: "true", read_only: true}
"#,
    );
    let inventory =
        planrun.file("inventory.yaml", "all: {hosts: {here: {planrun_connection: local}}}\n");
    let ended = planrun.run(&["apply", &plan, "-i", &inventory]);
    ended.exits(0);
    ended.says("rescued: exit code 1; no time left for another attempt");
    ended.says("0 steps changed, 1 step failed but the plan continued");
}
