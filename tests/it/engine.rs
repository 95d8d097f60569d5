//! The engine on the model: every outcome of the main plan, and a crash at every event.

use std::cell::RefCell;

use planrun::event::{
    Answer, Event, HostStatus, Record, RunStatus, StepPath, TaskEvent, TaskId, TaskStatus,
};
use planrun::inventory::HostName;
use planrun::run::exit_status;
use planrun::transport::model::ModelTransport;

use crate::scene::{
    Always, InTurn, Memory, Resumed, Scene, at, fault, flagship, sent, start, status, trace,
};

#[test]
fn the_flagship_restarts_every_backend_and_gives_back_its_share() {
    let scene = Scene::new(&flagship(), &[("remaining_users", "continue")]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(exit_status(&state), 0);
    for (host, vhosts) in [("backend1", 100), ("backend2", 100), ("backend3", 50)] {
        assert_eq!(at(&world, host, "vhosts"), vhosts);
        assert_eq!(at(&world, host, "state"), "up");
        assert_eq!(at(&world, host, "dovecot"), "active");
    }
    let sent = sent(&journal);
    assert!(sent.contains(&"director1: doveadm director update 198.51.100.3 50".to_owned()));
}

#[test]
fn a_when_that_cannot_be_evaluated_fails_its_step_and_sends_nothing() {
    let plan = "version: 1\nname: when\nhosts: backend1\n\
        probes: {state: {run: systemctl is-active dovecot, parse: int}}\nsteps:\n  \
        - {id: stop, when: state == 1, run: systemctl stop dovecot, idempotent: true, \
        rollback: {none: it is an example}}\n";
    let scene = Scene::new(plan, &[]);
    let clock = start();
    let journal = Memory::default();
    let state = scene.drive(&clock, &scene.world(&clock, vec![]), &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(sent(&journal), Vec::<String>::new());
    let manual = std::fs::read_to_string("docs/language.md").unwrap();
    assert!(manual.contains("| `when` | the step fails"));
}

#[test]
fn a_crash_at_any_event_changes_nothing_of_the_end_and_doubles_nothing() {
    let scene = Scene::limited(&flagship(), &[("remaining_users", "continue")], Some("backend3"));
    let clock = start();
    let journal = Memory::default();
    scene.drive(&clock, &scene.world(&clock, vec![]), &journal, None).unwrap();
    let whole = sent(&journal);
    let events = journal.records.borrow().len();
    // What a wait has counted decides nothing but how long it goes on: some of these are enough.
    let decides = |at: usize| match &journal.records.borrow()[at].event {
        Event::Task { event: TaskEvent::WaitTicked { waited, .. }, .. } => {
            waited.as_secs() % 300 == 0
        }
        _ => true,
    };
    for dies_after in (1..events).filter(|at| decides(*at)) {
        let clock = start();
        let world = scene.world(&clock, vec![]);
        let dying = Memory { dies_after: Some(dies_after), ..Memory::default() };
        assert!(scene.drive(&clock, &world, &dying, None).is_none());
        let journal = Memory { records: dying.records, ..Memory::default() };
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(state.status, RunStatus::Succeeded, "{dies_after}\n{}", trace(&journal));
        assert_eq!(at(&world, "backend3", "vhosts"), 50);
        // What was under way is sent again, once, right after, where its step is idempotent. What is
        // sent to one of the directors may then go to the other.
        let (at, step) = last_sent(&journal.records.borrow()[..dies_after]);
        let mut sent = sent(&journal);
        if sent.len() > whole.len() && ["upload", "down", "rescan"].contains(&step.as_str()) {
            assert_eq!(
                sent[at].replace("director2", "director1"),
                sent[at + 1].replace("director2", "director1")
            );
            sent.remove(at + 1);
        }
        assert_eq!(sent, whole, "died after {dies_after}");
    }
}

/// Returns the place among all commands, and the step, of the last one that was sent.
fn last_sent(records: &[Record]) -> (usize, String) {
    let intents = records.iter().filter_map(|record| match &record.event {
        Event::Task { task, event: TaskEvent::AttemptIntended { .. } } => {
            Some(task.step.to_string())
        }
        _ => None,
    });
    let (at, step) = intents.enumerate().last().unwrap_or_default();
    (at, step.rsplit('.').next().unwrap_or_default().to_owned())
}

#[test]
fn a_question_without_anybody_to_ask_pauses_the_run() {
    let scene = Scene::new(&flagship(), &[("remaining_users", "ask")]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused);
    assert_eq!(exit_status(&state), 6);
    assert_eq!(state.open_questions()[0].0.to_string(), "backend1/expire");
    let state = scene.drive(&clock, &world, &journal, Some(&Always(Answer::Fail))).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(status(&state, "backend2"), HostStatus::NotStarted);
    assert_eq!(at(&world, "backend1", "vhosts"), 100);
    assert_eq!(exit_status(&state), 1);
}

#[test]
fn users_do_not_wait_for_down_when_it_is_refused_for_ever() {
    let scene = Scene::limited(&flagship(), &[("remaining_users", "continue")], Some("backend1"));
    let clock = start();
    let faults = ["down", "ensure_down"].map(|step| fault("backend1", step, "refused", None));
    let world = scene.world(&clock, faults.into());
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(at(&world, "backend1", "vhosts"), 100);
    // The stop takes 8 s on the model.
    assert_eq!(between(&journal, "stop", "flush"), 8, "{}", trace(&journal));
}

#[test]
fn users_do_not_wait_for_a_backend_that_is_gone_in_the_middle_of_its_stop() {
    let scene = Scene::new(&flagship(), &[("remaining_users", "continue")]);
    let clock = start();
    let world = scene.world(&clock, vec![fault("backend1", "stop", "host_gone", None)]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    assert_eq!(state.open_questions()[0].0.to_string(), "backend1/ensure_stopped");
    assert_eq!(at(&world, "backend1", "users"), 0);
    let waited = between(&journal, "stop", "rescue_flush");
    assert!(waited <= 4, "{waited} s\n{}", trace(&journal));
}

/// How many seconds lie between the first intents of two steps.
fn between(journal: &Memory, first: &str, second: &str) -> i64 {
    let records = journal.records.borrow();
    let at = |step: &str| {
        let mut sent = records.iter().filter(|record| {
            matches!(&record.event, Event::Task { task, event: TaskEvent::AttemptIntended { .. } } if task.step == *step)
        });
        sent.next().unwrap_or_else(|| panic!("{step} was not sent")).at
    };
    at(second).duration_since(at(first)).as_secs()
}

#[test]
fn when_dovecot_does_not_come_back_its_users_are_moved_and_the_host_is_stuck() {
    let scene = Scene::new(&flagship(), &[("remaining_users", "continue")]);
    let clock = start();
    let faults = vec![
        fault("backend1", "flush", "refused", None),
        fault("backend1", "rescue_flush", "refused", None),
        fault("backend1", "stop.rollback/1", "does_not_start", None),
    ];
    let world = scene.world(&clock, faults);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Stuck, "{}", trace(&journal));
    assert_eq!(exit_status(&state), 5);
    assert_eq!(at(&world, "backend1", "users"), 0);
    assert_eq!(at(&world, "backend1", "vhosts"), 0);
}

#[test]
fn when_dovecot_does_not_start_after_the_work_a_person_is_asked() {
    let scene = Scene::new(&flagship(), &[("remaining_users", "continue")]);
    let clock = start();
    let world = scene.world(&clock, vec![fault("backend1", "start", "does_not_start", None)]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    assert_eq!(exit_status(&state), 6);
    assert_eq!(at(&world, "backend1", "users"), 0);
    assert_eq!(at(&world, "backend1", "state"), "down");
}

#[test]
fn a_director_that_times_out_has_done_its_work_all_the_same() {
    let scene = Scene::new(&flagship(), &[("remaining_users", "continue")]);
    let clock = start();
    let world = scene.world(&clock, vec![fault("backend1", "drain", "ring_timeout", None)]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    let drains = sent(&journal).into_iter().filter(|one| one.ends_with("198.51.100.1 0")).count();
    assert_eq!(drains, 1);
}

/// A block that is never entered: what it requires does not hold.
const GUARDED: &str = r#"
version: 1
name: guarded
hosts: backend1
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: guarded
    requires: {Dovecot is stopped: dovecot == "inactive"}
    rollback: {none: nothing is done}
    on_failure: ON_FAILURE
    block:
      - run: doveadm reload
        idempotent: true
        rollback: {none: nothing to undo}
"#;

#[test]
fn a_block_is_not_entered_where_what_it_requires_does_not_hold_whenever_the_controller_dies() {
    let scene = Scene::new(&GUARDED.replace("ON_FAILURE", "rollback"), &[]);
    let events = scene.dies_after_each(
        &[],
        |_| {},
        |it| {
            assert_eq!(it.state.status, RunStatus::RolledBack, "{}", it.story());
            assert_eq!(sent(&it.journal), Vec::<String>::new());
        },
    );
    assert!(events > 6, "{events}");
}

#[test]
fn a_block_that_a_person_tries_again_is_held_against_its_requirement_again() {
    let scene = Scene::new(&GUARDED.replace("ON_FAILURE", "hold"), &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    // The first answer tries again in vain, the second gives up.
    let answers = InTurn(RefCell::new(vec![Answer::Fail, Answer::Retry]));
    let state = scene.drive(&clock, &world, &journal, Some(&answers)).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(sent(&journal), Vec::<String>::new());
}

/// A step whose own effect ends what it requires, and one that is done when its turn comes.
const ENDS_ITS_REQUIREMENT: &str = r#"
version: 1
name: ends-its-requirement
hosts: backend1
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: stop
    requires: {Dovecot runs: dovecot == "active"}
    run: systemctl stop dovecot
    done_when: dovecot == "inactive"
    rollback: {none: it is an example}
  - id: stop_again
    requires: {Dovecot runs: dovecot == "active"}
    run: systemctl stop dovecot
    done_when: dovecot == "inactive"
    rollback: {none: it is an example}
"#;

#[test]
fn what_is_seen_done_requires_nothing_any_more_whenever_the_controller_dies() {
    let scene = Scene::new(ENDS_ITS_REQUIREMENT, &[]);
    let events = scene.dies_after_each(
        &[],
        |_| {},
        |it| {
            assert_eq!(it.state.status, RunStatus::Succeeded, "{}", it.story());
            assert_eq!(sent(&it.journal).len(), 1, "{}", it.story());
        },
    );
    assert!(events > 8, "{events}");
}

#[test]
fn what_is_required_no_more_at_a_resume_is_not_sent_again() {
    let plan = ENDS_ITS_REQUIREMENT
        .replace(r#"done_when: dovecot == "inactive""#, "idempotent: true")
        .replace(
            "run: systemctl stop dovecot",
            "run: systemctl stop dovecot\n    on_failure: hold",
        );
    let scene = Scene::new(&plan, &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    assert_eq!(sent(&journal).len(), 1);
    // What was answered does not replace what is required.
    let answers = InTurn(RefCell::new(vec![Answer::Fail, Answer::Retry]));
    let state = scene.drive(&clock, &world, &journal, Some(&answers)).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(sent(&journal).len(), 1);
}

/// A step that only reads, and one whose command uses what was read.
const READING: &str = r"
version: 1
name: reading
hosts: backend1
steps:
  - id: config
    run: doveconf -n
    read_only: true
  - run: doveadm reload
    idempotent: true
    when: config.exit == 0
    rollback: {none: nothing to undo}
";

#[test]
fn what_only_reads_changes_nothing_and_is_read_again_where_its_end_was_not_seen() {
    let scene = Scene::new(READING, &[]);
    let path = StepPath::from("config");
    for faults in [vec![], vec![fault("backend1", "config", "cut_after", Some(1))]] {
        let clock = start();
        let world = scene.world(&clock, faults);
        let journal = Memory::default();
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
        let task = &state.hosts[&HostName::new("backend1")].tasks[&path];
        assert_eq!(task.status, Some(TaskStatus::Unchanged));
    }
    let events = scene.dies_after_each(
        &[],
        |_| {},
        |it| assert_eq!(it.state.status, RunStatus::Succeeded, "{}", it.story()),
    );
    assert!(events > 8, "{events}");
}

#[test]
fn what_cannot_be_read_fails_and_asks_nobody() {
    let scene = Scene::new(READING, &[]);
    let clock = start();
    let world = scene.world(&clock, vec![fault("backend1", "config", "cut_after", None)]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(sent(&journal).len(), 2);
}

/// A block that requires what a colleague may end while nobody works on the run.
const REQUIRING: &str = r#"
version: 1
name: requiring
hosts: backend1
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: both
    requires: {Dovecot runs: dovecot == "active"}
    on_failure: ON_FAILURE
    block:
      - id: first
        run: doveadm reload
        idempotent: true
        rollback: {none: nothing to undo}
      - id: second
        run: doveadm reload
        idempotent: true
        rollback: {none: nothing to undo}
    rescue:
      - id: rescue
        run: doveadm reload
        idempotent: true
        rollback: {none: nothing to undo}
"#;

/// Lets the controller die after each event, sets the state of Dovecot, and goes on.
#[track_caller]
fn resumed_with(plan: &str, dovecot: &str, see: impl FnMut(&Resumed)) {
    let host = HostName::new("backend1");
    let between = |world: &ModelTransport| world.set(&host, "dovecot", dovecot.into()).unwrap();
    let events = Scene::new(plan, &[]).dies_after_each(&[], between, see);
    assert!(events > 10, "{events}");
}

#[test]
fn what_a_begun_block_requires_is_looked_at_again_at_a_resume() {
    let plan = REQUIRING.replace("ON_FAILURE", "rollback");
    let mut stopped = 0;
    resumed_with(&plan, "inactive", |it| {
        let told = it.story();
        assert_eq!(it.sent_before, sent(&it.journal).len(), "{told}");
        if it.sent_before < 2 {
            assert_eq!(it.state.status, RunStatus::RolledBack, "{told}");
            stopped += usize::from(it.sent_before == 1);
        }
    });
    assert!(stopped > 2, "{stopped}");
    let mut looked = 0;
    resumed_with(&plan, "active", |it| {
        let told = it.story();
        assert_eq!(it.state.status, RunStatus::Succeeded, "{told}");
        let records = it.journal.records.borrow();
        let held = records.iter().filter(|record| {
            matches!(record.event, Event::Task { event: TaskEvent::RequirementsPassed, .. })
        });
        let held = held.count();
        assert!(held <= 1, "{told}");
        looked += held;
    });
    assert!(looked > 2, "{looked}");
}

/// In a list, and in a way back, where the claim is about what stands there.
#[test]
fn what_a_block_of_an_item_or_of_a_way_back_requires_is_looked_at_again_too() {
    let each = REQUIRING.replace("on_failure: ON_FAILURE", "for_each: [one, two]");
    let back = r#"
version: 1
name: requiring
hosts: backend1
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: step
    run: doveadm reload
    idempotent: true
    rollback:
      requires: {Dovecot runs: dovecot == "active"}
      block:
        - {run: doveadm reload, idempotent: true}
        - {run: doveadm reload, idempotent: true}
  - fail: on purpose
"#;
    for (plan, task) in [(each.as_str(), "both.2"), (back, "step.rollback")] {
        let (mut stopped, mut looked) = (0, 0);
        resumed_with(plan, "inactive", |it| {
            let requires = |record: &Record| matches!(&record.event, Event::Task { task: it, event: TaskEvent::Started { .. } } if it.step == *task);
            let records = it.journal.records.borrow();
            let begun = records[..it.dies_after].iter().any(requires);
            stopped += usize::from(begun && sent(&it.journal).len() == it.sent_before);
        });
        resumed_with(plan, "active", |it| {
            let records = it.journal.records.borrow();
            looked += records
                .iter()
                .filter(|record| {
                    matches!(&record.event, Event::Task { task: it, event: TaskEvent::RequirementsPassed } if it.step == *task)
                })
                .count();
        });
        assert!(stopped > 1 && looked > 1, "{task}: {stopped}, {looked}");
    }
}

#[test]
fn an_uninterruptible_block_of_which_something_ran_is_gone_on_with() {
    let plan = REQUIRING.replace("on_failure: ON_FAILURE", "uninterruptible: it is an example");
    let mut went_on = 0;
    resumed_with(&plan, "inactive", |it| {
        let (told, before) = (it.story(), it.sent_before);
        let after = sent(&it.journal).len();
        if before == 0 {
            let status = it.state.status;
            assert_eq!((after, status), (0, RunStatus::RolledBack), "{told}");
        } else {
            // The model reloads no server that is stopped, but it was asked to.
            assert!(after > before || before == 2, "{told}");
            went_on += usize::from(after > before);
        }
    });
    assert!(went_on > 0, "{went_on}");
}

#[test]
fn a_person_may_be_asked_where_a_begun_block_requires_what_holds_no_more() {
    let plan = REQUIRING.replace("ON_FAILURE", "hold");
    let scene = Scene::new(&plan, &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let dying = Memory {
        dies_at: Some(TaskId { host: HostName::new("backend1"), step: StepPath::from("first") }),
        ..Memory::default()
    };
    assert!(scene.drive(&clock, &world, &dying, None).is_none());
    let host = HostName::new("backend1");
    world.set(&host, "dovecot", "inactive".into()).unwrap();
    let journal = Memory { records: dying.records, ..Memory::default() };
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    assert_eq!(state.open_questions()[0].0.step, *"both");
    let count = sent(&journal).len();
    let answers = InTurn(RefCell::new(vec![Answer::Fail, Answer::Retry]));
    let state = scene.drive(&clock, &world, &journal, Some(&answers)).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(sent(&journal).len(), count);
}

#[test]
fn what_came_about_otherwise_than_planned_says_what_was_to_be_seen_and_what_was() {
    let plan = r#"
version: 1
name: sentences
hosts: backend1
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: vain
    wait: {until: dovecot == "failed", timeout: 10s, on_timeout: continue}
  - id: exit
    run: systemctl stop dovecot
    exit_codes: [3]
    done_when: dovecot == "inactive"
    on_failure: {continue: it is an example}
    rollback: {none: it is an example}
  - id: unseen
    run: systemctl stop dovecot
    within: 1s
    done_when: dovecot == "active"
    rollback: {none: it is an example}
"#;
    let scene = Scene::new(plan, &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    let tasks = &state.hosts[&HostName::new("backend1")].tasks;
    for (step, text) in [
        ("vain", "condition still false after 10s; the plan continues"),
        ("exit", "unexpected exit code 0, although `done_when` is true"),
        ("unseen", r#"exit code 0; `dovecot == "active"` is false: dovecot = "inactive""#),
    ] {
        let why = tasks[&StepPath::from(step)].why.clone().unwrap();
        assert_eq!(why.text, text, "{}", trace(&journal));
    }
}
