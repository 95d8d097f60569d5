//! A rollback by the operator processes hosts as carefully as the run did, and prints their order first. A
//! question stops only its own host.

use std::cell::Cell;
use std::time::Duration;

use async_trait::async_trait;
use planrun::clock::Clock;
use planrun::event::{
    Answer, Event, HostEvent, HostStatus, Question, Record, RunEvent, RunStatus, StepPath,
    TaskEvent,
};
use planrun::history::RunState;
use planrun::inventory::HostName;
use planrun::run::{Asker, exit_status};
use planrun::task::TaskId;
use planrun::transport::model::ModelTransport;

use crate::harness::{Ended, Planrun};
use crate::scene::{Always, Memory, Scene, at, fault, start, status, trace};

/// Dovecot is stopped in a block that nothing may interrupt; its way back starts it again.
const PLAN: &str = r#"
version: 1
name: way-back-in-order
hosts: backends
serial: SERIAL
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: person
    when: ASKS
    approve: Go on?
    rollback: {none: it is an example}
  - id: outage
    uninterruptible: its users wait
    timeout: 5m
    rollback: {none: its parts bring their own}
    block:
      - id: stop
        run: systemctl stop dovecot
        done_when: dovecot == "inactive"
        rollback: {run: systemctl start dovecot, done_when: dovecot == "active"}
      - id: settle
        wait: 10s
"#;

fn plan(serial: &str, asks: &str) -> String {
    PLAN.replace("SERIAL", serial).replace("ASKS", asks)
}

/// Notes that the operator asks for a rollback, of some hosts or of all.
fn asks_back(journal: &Memory, clock: &Clock, hosts: Option<&[&str]>) {
    let seq = journal.records.borrow().len() as u64 + 1;
    let hosts = hosts.map(|hosts| hosts.iter().copied().map(HostName::new).collect());
    let event =
        Event::Run(RunEvent::RollbackRequested { by: "test@here".into(), reason: None, hosts });
    journal.records.borrow_mut().push(Record { seq, epoch: 1, at: clock.now(), event });
}

/// The hosts in the order in which they began to go back and had gone back: `-NAME`, `+NAME`.
fn way_back(journal: &Memory) -> Vec<String> {
    let records = journal.records.borrow();
    let turns = records.iter().filter_map(|record| match &record.event {
        Event::Host { host, event: HostEvent::RollbackStarted { .. } } => Some(format!("-{host}")),
        Event::Host { host, event: HostEvent::Ended { status: HostStatus::RolledBack, .. } } => {
            Some(format!("+{host}"))
        }
        Event::Host { host, event: HostEvent::Ended { status: HostStatus::Stuck, .. } } => {
            Some(format!("!{host}"))
        }
        _ => None,
    });
    turns.collect()
}

/// A run of three hosts that succeeded, and its rollback.
fn there_and_back(serial: &str) -> (Memory, RunState) {
    let scene = Scene::new(&plan(serial, "false"), &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    asks_back(&journal, &clock, None);
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    (journal, state)
}

#[test]
fn hosts_go_back_one_after_the_other_the_last_one_started_first() {
    let (journal, state) = there_and_back("1");
    let expected = ["-backend3", "+backend3", "-backend2", "+backend2", "-backend1", "+backend1"];
    assert_eq!(way_back(&journal), expected);
    assert_eq!(state.status, RunStatus::RolledBack);
    assert_eq!(exit_status(&state), 0);
}

#[test]
fn hosts_go_back_in_batches_of_serial() {
    let (journal, _) = there_and_back("2");
    let turns = way_back(&journal);
    assert_eq!(turns[..2], ["-backend3", "-backend2"], "{turns:?}");
    assert_eq!(turns[4..], ["-backend1", "+backend1"], "{turns:?}");
    // A list begins anew: one alone, then the rest.
    let (journal, _) = there_and_back("[1, 5]");
    let turns = way_back(&journal);
    assert_eq!(turns[..4], ["-backend3", "+backend3", "-backend2", "-backend1"], "{turns:?}");
}

#[test]
fn after_a_stuck_host_no_other_one_goes_back_until_it_has() {
    let scene = Scene::new(&plan("1", "false"), &[]);
    let clock = start();
    let faults = vec![fault("backend2", "stop.rollback", "refused", Some(1))];
    let world = scene.world(&clock, faults);
    let journal = Memory::default();
    scene.drive(&clock, &world, &journal, None).unwrap();
    asks_back(&journal, &clock, None);
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(way_back(&journal), ["-backend3", "+backend3", "-backend2", "!backend2"]);
    assert_eq!((state.status, exit_status(&state)), (RunStatus::Stuck, 5));
    assert_eq!(status(&state, "backend1"), HostStatus::Succeeded);
    assert_eq!(at(&world, "backend1", "dovecot"), "inactive");
    let said = trace(&journal);
    assert!(said.contains("rollback was not started on backend1"), "{said}");

    asks_back(&journal, &clock, None);
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    let turns = way_back(&journal);
    assert_eq!(turns[4..], ["+backend2", "-backend1", "+backend1"]);
    assert_eq!(state.status, RunStatus::RolledBack);
}

#[test]
fn a_host_that_is_half_done_goes_back_before_those_that_were_started_later() {
    let scene = Scene::new(&plan("[1, 2]", r#"host.name != "backend1""#), &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    // The first host of the second batch is in the midst of it when the controller dies.
    let dies_at = TaskId { host: HostName::new("backend2"), step: StepPath::from("stop") };
    let journal = Memory { dies_at: Some(dies_at), ..Memory::default() };
    let asker = OnlyAbout("backend2");
    assert!(scene.drive(&clock, &world, &journal, Some(&asker)).is_none());
    let journal = Memory { records: journal.records, ..Memory::default() };
    asks_back(&journal, &clock, None);
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    let turns = way_back(&journal);
    assert_eq!(turns[..3], ["-backend2", "+backend2", "-backend3"], "{}", trace(&journal));
    assert_eq!(state.status, RunStatus::RolledBack);
}

#[test]
fn a_controller_that_dies_anywhere_on_the_way_back_changes_no_order() {
    let scene = Scene::new(&plan("1", "false"), &[]);
    let mut deaths = 0;
    for more in 1.. {
        let clock = start();
        let world = scene.world(&clock, vec![]);
        let journal = Memory::default();
        scene.drive(&clock, &world, &journal, None).unwrap();
        asks_back(&journal, &clock, None);
        let dies_after = journal.records.borrow().len() + more;
        let dying = Memory { dies_after: Some(dies_after), ..journal };
        if scene.drive(&clock, &world, &dying, None).is_some() {
            break;
        }
        deaths += 1;
        let journal = Memory { records: dying.records, ..Memory::default() };
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        let expected =
            ["-backend3", "+backend3", "-backend2", "+backend2", "-backend1", "+backend1"];
        assert_eq!(way_back(&journal), expected, "died after {more}\n{}", trace(&journal));
        assert_eq!(state.status, RunStatus::RolledBack);
    }
    assert!(deaths > 10, "{deaths}");
}

#[test]
fn a_rollback_of_some_hosts_leaves_the_others_until_a_resume() {
    // The second and the third host wait for the operator.
    let scene = Scene::new(&plan("3", r#"host.name != "backend1""#), &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(status(&state, "backend1"), HostStatus::Succeeded);
    asks_back(&journal, &clock, Some(&["backend1", "backend2"]));

    let state = scene.only_first(&clock, &world, &journal);

    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    assert_eq!(status(&state, "backend1"), HostStatus::RolledBack);
    assert_eq!(status(&state, "backend2"), HostStatus::RolledBack);
    assert_eq!(status(&state, "backend3"), HostStatus::Active);

    let answer = Always(Answer::Approve);
    let state = scene.drive(&clock, &world, &journal, Some(&answer)).unwrap();
    assert_eq!(status(&state, "backend3"), HostStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(status(&state, "backend1"), HostStatus::RolledBack);
}

#[test]
fn the_rollback_of_postgresql_never_stops_two_servers_at_once() {
    let text = std::fs::read_to_string("plans/postgresql-minor-upgrade.yaml").unwrap();
    let inventory = "plans/inventories/postgresql-demo.yaml";
    let set = [("target", "15.18-0+deb12u1"), ("ask", "false")];
    let scene = Scene::of(&text, inventory, &set, None);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    asks_back(&journal, &clock, None);

    let state = scene.drive(&clock, &world, &journal, None).unwrap();

    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    let turns = way_back(&journal);
    let started: Vec<String> = {
        let records = journal.records.borrow();
        let begun = records.iter().filter_map(|record| match &record.event {
            Event::Host { host, event: HostEvent::Started } => Some(host.to_string()),
            _ => None,
        });
        begun.collect()
    };
    let expected: Vec<String> =
        started.iter().rev().flat_map(|host| [format!("-{host}"), format!("+{host}")]).collect();
    assert_eq!(turns, expected);
    for host in ["db1", "db2", "db3"] {
        assert_eq!(at(&world, host, "running"), "15.17-0+deb12u1", "{host}");
        assert_eq!(at(&world, host, "unit"), "active", "{host}");
    }
}

/// Answers about one host, and about no other.
struct OnlyAbout(&'static str);

#[async_trait(?Send)]
impl Asker for OnlyAbout {
    async fn ask(&self, task: &TaskId, _: &Question) -> Option<(Answer, Option<String>)> {
        (task.host.as_str() == self.0).then_some((Answer::Approve, None))
    }
}

/// Answers after an hour of the run.
struct Slow {
    clock: Clock,
    asked: Cell<u32>,
}

#[async_trait(?Send)]
impl Asker for Slow {
    async fn ask(&self, _: &TaskId, _: &Question) -> Option<(Answer, Option<String>)> {
        self.asked.set(self.asked.get() + 1);
        self.clock.sleep(Duration::from_hours(1)).await;
        Some((Answer::Approve, None))
    }
}

/// The plan with steps that come after the block: nothing but the run itself lets them begin.
fn with_more_steps() -> String {
    plan("2", r#"host.name == "backend1""#)
        + "  - {id: rest, wait: 1m}\n  - {id: look, assert: {it is stopped: dovecot == \"inactive\"}}\n"
}

#[test]
fn a_question_keeps_only_its_own_host_waiting_and_hosts_that_are_not_started() {
    let scene = Scene::new(&with_more_steps(), &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();

    let state = scene.drive(&clock, &world, &journal, None).unwrap();

    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    assert_eq!(status(&state, "backend1"), HostStatus::Active);
    assert_eq!(status(&state, "backend2"), HostStatus::Succeeded);
    assert_eq!(status(&state, "backend3"), HostStatus::NotStarted);
    assert_eq!(exit_status(&state), 6);
}

#[test]
fn the_operator_is_asked_at_once_and_the_other_host_goes_on_meanwhile() {
    let scene = Scene::new(&with_more_steps(), &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let slow = Slow { clock: clock.clone(), asked: Cell::new(0) };

    let state = scene.drive(&clock, &world, &journal, Some(&slow)).unwrap();

    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(slow.asked.get(), 1);
    let position = |is_it: &dyn Fn(&Event) -> bool| {
        journal.records.borrow().iter().position(|record| is_it(&record.event)).unwrap()
    };
    let answered = position(&|event| {
        matches!(event, Event::Task { event: TaskEvent::QuestionAnswered { .. }, .. })
    });
    let ended = position(
        &|event| matches!(event, Event::Host { host, event: HostEvent::Ended { .. } } if host.as_str() == "backend2"),
    );
    let third = position(
        &|event| matches!(event, Event::Host { host, event: HostEvent::Started } if host.as_str() == "backend3"),
    );
    assert!(ended < answered && answered < third, "{}", trace(&journal));
}

impl Scene {
    /// Drives a run on in the process that asked for its rollback: it is not resumed.
    fn only_first(&self, clock: &Clock, world: &ModelTransport, journal: &Memory) -> RunState {
        let request = journal.records.borrow_mut().pop().unwrap();
        self.drive_from(clock, world, journal, None, None, request.event).unwrap()
    }
}

/// Applies the plan to the demo inventory.
fn apply(planrun: &Planrun, serial: &str, asks: &str) -> Ended {
    let plan = planrun.file("plan.yaml", plan(serial, asks));
    planrun.run(&["apply", &plan, "-i", "plans/inventories/demo.yaml"])
}

#[test]
fn the_hosts_and_their_order_are_printed_before_the_rollback_begins() {
    let planrun = Planrun::new();
    apply(&planrun, "1", r#"host.name == "backend3""#).exits(6);

    let ended = planrun.type_line("planrun rollback last 2>&1");

    ended.exits(0);
    let listed = "rolling back 3 hosts, the last one started first; each batch is rolled back \
                  before the next one starts:\n  1. backend3 (active)\n  2. backend2 (succeeded)\n  \
                  3. backend1 (succeeded)\n";
    let listed = ended.stdout.find(listed).unwrap_or_else(|| panic!("{}", ended.all()));
    let begins = ended.stdout.find("requested by").unwrap();
    assert!(listed < begins, "{}", ended.all());
    // Nothing has failed, so there is no cause to fix.
    ended.says("To run it again, run:");
}

#[test]
fn a_rollback_with_a_limit_undoes_these_hosts_alone() {
    let planrun = Planrun::new();
    apply(&planrun, "1", "false").exits(0);

    planrun.run(&["rollback", "last", "--limit", "nosuch"]).exits(2).says("nosuch");
    planrun.run(&["rollback", "last", "--limit", "director1"]).exits(2).says("choose from");
    let ended = planrun.run(&["rollback", "last", "--limit", "backend2"]);

    ended.exits(0).says("rolling back 1 host:\n  1. backend2 (succeeded)\n");
    ended.says("backend1, backend3 succeeded and keep their changes");
    let kept = planrun.kept(&planrun.newest());
    assert_eq!(kept.sent_for("backend2/stop.rollback").len(), 1);
    for other in ["backend1/stop.rollback", "backend3/stop.rollback"] {
        assert_eq!(kept.sent_for(other), Vec::<String>::new());
    }
    // What is left can still be rolled back.
    planrun.run(&["rollback", "last"]).exits(0).says("1. backend3 (succeeded)");
}

/// The condition of the way back is true whether or not Dovecot runs.
const ALREADY_SO: &str = r#"
version: 1
name: already-so
hosts: backend1
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: stop
    run: systemctl stop dovecot
    done_when: dovecot == "inactive"
    rollback: {run: systemctl start dovecot, done_when: 'dovecot in ["active", "inactive"]'}
  - fail: it is an example
"#;

#[test]
fn a_way_back_that_sent_nothing_is_not_called_an_undo() {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", ALREADY_SO);

    let ended = planrun.run(&["apply", &plan, "-i", "plans/inventories/demo.yaml"]);

    ended.exits(1).says("already done; nothing was sent");
    ended.says("stop.rollback sent nothing: its `done_when` was already true");
    // Lines are wrapped.
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    let told = words.join(" ");
    assert!(told.contains("except those whose rollback sent nothing."), "{told}");
}
