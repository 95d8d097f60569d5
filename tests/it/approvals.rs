//! Approvals by several people, and with a time limit.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use planrun::clock::{Clock, block_on_virtual};
use planrun::event::{Answer, Event, Question, Record, RunEvent, RunStatus, TaskEvent, TaskStatus};
use planrun::history::{Reporter, RunState};
use planrun::run::Asker;
use planrun::scenario::stage::{Process, Stage};
use planrun::task::TaskId;

use crate::harness::Planrun;
use crate::items::{scene, status_of};
use crate::scene::{Memory, Scene, at, sent, start, trace};

const HOSTS: &str = "web: {hosts: {web1: {planrun_connection: local}}}\n";

/// A plan that makes a file once two people have approved.
fn plan(approve: &str) -> String {
    format!(
        "version: 1\nname: approved\nhosts: web\nsteps:\n  - {{id: go, approve: {approve}}}\n  - \
         {{run: touch FILE, idempotent: true, rollback: {{none: it is an example}}}}\n"
    )
}

/// Answers as these people, one after the other; then nobody answers.
struct People(RefCell<Vec<(&'static str, Answer)>>);

impl People {
    fn approve(people: &[&'static str]) -> Self {
        let people = people.iter().rev().map(|person| (*person, Answer::Approve));
        Self(RefCell::new(people.collect()))
    }
}

#[async_trait(?Send)]
impl Asker for People {
    async fn ask(&self, _: &TaskId, question: &Question) -> Option<(Answer, Option<String>)> {
        let (_, answer) = self.0.borrow_mut().pop()?;
        question.answers.contains(&answer).then_some((answer, None))
    }

    fn person(&self, _: &Question) -> Option<String> {
        self.0.borrow().last().map(|(person, _)| format!("{person}@here"))
    }
}

fn asked(approve: &str) -> Scene {
    let stop =
        "  - {run: svc stop imap, done_when: 'states.imap.state == \"down\"', rollback: {none: x}}";
    scene(&format!("  - {{id: go, approve: {approve}}}\n{stop}\n"))
}

/// Drives a run that these people answer.
fn drive(scene: &Scene, clock: &Clock, journal: &Memory, people: &People) -> RunStatus {
    let world = scene.world(clock, vec![]);
    scene.drive(clock, &world, journal, Some(people)).unwrap().status
}

#[test]
fn two_people_must_approve_from_any_terminal_and_each_counts_once() {
    let planrun = Planrun::new();
    let file = planrun.path("made");
    let text = plan("{text: Go on?, by: 2}").replace("FILE", &file.display().to_string());
    let (plan, hosts) = (planrun.file("plan.yaml", text), planrun.file("hosts.yaml", HOSTS));
    planrun.run(&["apply", &plan, "-i", &hosts]).exits(6).says("Approvals: 0 of 2");
    let resolve = |words: &[&str]| planrun.run(&[&["resolve", "last"], words].concat());
    resolve(&["--as", "approve", "--by", "ann"]).exits(0).says("1 more must approve");
    planrun.run(&["show", "last"]).exits(0).says("Approvals: 1 of 2, by ann (");
    let again = resolve(&["--as", "approve", "--by", "ann"]);
    again.exits(2).says("`ann` has already approved; 1 more must approve");
    // Without an answer of the second person the run waits on.
    planrun.run(&["resume", "last"]).exits(6);
    assert!(!file.exists());
    resolve(&["--as", "approve", "--by", "bob b"]).exits(2).says("letters, digits");
    resolve(&["--as", "approve"]).exits(0).says("to continue, run");
    planrun.run(&["resume", "last"]).exits(0);
    assert!(file.exists());
    let show = planrun.run(&["show", "last"]).exits(0).stdout.clone();
    assert!(show.contains("approved by ann ("), "{show}");
}

#[test]
fn one_person_who_rejects_is_enough() {
    let planrun = Planrun::new();
    let text = plan("{text: Go on?, by: 3}").replace("FILE", "/nowhere/made");
    let (plan, hosts) = (planrun.file("plan.yaml", text), planrun.file("hosts.yaml", HOSTS));
    planrun.run(&["apply", &plan, "-i", &hosts]).exits(6);
    let resolve = |words: &[&str]| planrun.run(&[&["resolve", "last"], words].concat());
    resolve(&["--as", "approve", "--by", "ann"]).exits(0).says("2 more must approve");
    resolve(&["--as", "reject", "--by", "ann"]).exits(0).says("to continue, run");
    planrun.run(&["resume", "last"]).exits(1).says("rejected by operator");
}

#[test]
fn who_started_the_run_may_not_count() {
    let planrun = Planrun::new();
    let text = plan("{text: Go on?, exclude_starter: true}").replace("FILE", "/nowhere/made");
    let (plan, hosts) = (planrun.file("plan.yaml", text), planrun.file("hosts.yaml", HOSTS));
    planrun.run(&["apply", &plan, "-i", &hosts]).exits(6).says("not by ");
    let resolve = |words: &[&str]| planrun.run(&[&["resolve", "last"], words].concat());
    resolve(&["--as", "approve"]).exits(2).says("has started the run").says("--by NAME");
    let shown = planrun.run(&["show", "last"]).stdout;
    let started = shown.lines().find_map(|line| line.split_once(" by ")).unwrap().1;
    let name = started.split([' ', '@']).next().unwrap();
    for same in [name, &name.to_uppercase(), &format!("{name}@vm")] {
        resolve(&["--as", "approve", "--by", same]).exits(2).says("has started the run");
    }
    resolve(&["--as", "approve", "--by", "ann"]).exits(0).says("to continue, run");
}

#[test]
fn people_at_one_terminal_are_asked_until_enough_have_approved() {
    let scene = asked("{text: Go on?, by: 2}");
    for (people, status) in [
        (&["ann", "bob"][..], RunStatus::Succeeded),
        (&["ann", "ann", "bob"], RunStatus::Paused),
        (&["ann"], RunStatus::Paused),
    ] {
        let journal = Memory::default();
        let ended = drive(&scene, &start(), &journal, &People::approve(people));
        assert_eq!(ended, status, "{people:?}\n{}", trace(&journal));
    }
}

#[test]
fn a_crash_at_any_event_loses_no_approval_and_counts_none_twice() {
    let scene = asked("{text: Go on?, by: 3}");
    let mut events = 0;
    for dies_after in 1.. {
        let (clock, people) = (start(), People::approve(&["ann", "bob", "cid"]));
        let world = scene.world(&clock, vec![]);
        let dying = Memory { dies_after: Some(dies_after), ..Memory::default() };
        if scene.drive(&clock, &world, &dying, Some(&people)).is_some() {
            events = dies_after;
            break;
        }
        let given: Vec<&str> = dying.records.borrow().iter().filter_map(approver).collect();
        let left = ["ann", "bob", "cid"].into_iter().filter(|one| !given.contains(one));
        let people = People::approve(&left.collect::<Vec<_>>());
        let journal = Memory { records: dying.records.clone(), ..Memory::default() };
        let state = scene.drive(&clock, &world, &journal, Some(&people)).unwrap();
        assert_eq!(state.status, RunStatus::Succeeded, "{dies_after}\n{}", trace(&journal));
        assert_eq!(journal.records.borrow().iter().filter_map(approver).count(), 3);
        assert_eq!(at(&world, "m1", "stops"), serde_json::json!(["imap"]));
    }
    assert!(events > 10, "{events}");
}

/// Returns who has approved by an event.
fn approver(record: &planrun::event::Record) -> Option<&'static str> {
    match &record.event {
        Event::Task { event: TaskEvent::QuestionAnswered { by, .. }, .. } => {
            ["ann", "bob", "cid"].into_iter().find(|person| by.starts_with(person))
        }
        _ => None,
    }
}

#[test]
fn the_end_of_the_time_fails_the_step_also_if_no_process_has_run_meanwhile() {
    let scene = asked("{text: Go on?, timeout: 8h, by: 2}");
    for (hours, ends) in [(7, RunStatus::Paused), (9, RunStatus::RolledBack)] {
        let (clock, journal) = (start(), Memory::default());
        let world = scene.world(&clock, vec![]);
        // One of two approves, and the run pauses.
        let ann = People::approve(&["ann"]);
        let state = scene.drive(&clock, &world, &journal, Some(&ann)).unwrap();
        assert_eq!(state.status, RunStatus::Paused);
        block_on_virtual(&clock, clock.sleep(Duration::from_hours(hours))).unwrap();
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(state.status, ends, "{}", trace(&journal));
        if ends == RunStatus::RolledBack {
            assert_eq!(status_of(&state, "go"), Some(TaskStatus::TimedOut));
            let why = state.hosts[0].tasks[0].why.clone().unwrap().text;
            let wanted = "not approved until 2026-01-01T08:00:00Z: 1 of 2 have approved: ann@here";
            assert_eq!(why, wanted);
        }
        assert!(sent(&journal).is_empty());
    }
}

/// Lets nine hours pass right after a run has paused.
struct Sleepy(Clock);

impl Reporter for Sleepy {
    fn event(&mut self, record: &Record, _: &RunState) {
        if matches!(record.event, Event::Run(RunEvent::Paused { .. })) {
            let mut night = pin!(self.0.sleep(Duration::from_hours(9)));
            let mut context = Context::from_waker(Waker::noop());
            while night.as_mut().poll(&mut context).is_pending() {
                self.0.advance();
            }
        }
    }
}

#[test]
fn a_question_whose_time_ends_during_the_pause_is_open_until_the_resume() {
    let scene = asked("{text: Go on?, timeout: 8h}");
    let (clock, journal) = (start(), Memory::default());
    let world = scene.world(&clock, vec![]);
    let reporter: Rc<RefCell<dyn Reporter>> = Rc::new(RefCell::new(Sleepy(clock.clone())));
    let (clock, journal, world) = (&clock, &journal, &world);
    let (reporter, stop, asker, stops_at) = (&reporter, &Rc::default(), None, None);
    let process = Process { clock, world, journal, asker, reporter, stop, stops_at };
    let state = Stage::drive(&scene, &process, scene.first(journal)).unwrap();
    assert_eq!(state.status, RunStatus::Paused);
    assert_eq!(state.open_questions().len(), 1, "{}", trace(journal));
    let state = scene.drive(clock, world, journal, None).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(journal));
}

#[test]
fn a_question_that_is_over_takes_no_answer() {
    let planrun = Planrun::new();
    let text = plan("{text: Go on?, timeout: 1s}").replace("FILE", "/nowhere/made");
    let (plan, hosts) = (planrun.file("plan.yaml", text), planrun.file("hosts.yaml", HOSTS));
    let ended = planrun.run(&["apply", &plan, "-i", &hosts]);
    // A machine that is very busy meets the end of the time while the run still works.
    if ended.status == Some(6) {
        std::thread::sleep(Duration::from_secs(1));
        let late = planrun.run(&["resolve", "last", "--as", "approve"]);
        late.exits(2).says("the time to answer ended at").says("resume");
        planrun.run(&["resume", "last"]).exits(1).says("not approved until");
    } else {
        ended.exits(1).says("not approved until");
    }
}

#[test]
fn a_time_that_ends_may_be_asked_about_and_the_question_asked_again() {
    let steps = "  - {id: go, approve: {text: Go on?, timeout: 1h}, on_failure: hold}\n";
    let scene = scene(steps);
    let (clock, journal) = (start(), Memory::default());
    let world = scene.world(&clock, vec![]);
    scene.drive(&clock, &world, &journal, None).unwrap();
    block_on_virtual(&clock, clock.sleep(Duration::from_hours(2))).unwrap();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    let (_, question) = &state.open_questions()[0];
    assert!(question.answers.contains(&Answer::Retry), "{question:?}");
    let people = People(RefCell::new(vec![("ann", Answer::Approve), ("ann", Answer::Retry)]));
    let state = scene.drive(&clock, &world, &journal, Some(&people)).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
}

#[test]
fn after_its_answer_a_question_is_still_shown_as_it_was_asked() {
    let planrun = Planrun::new();
    let steps = "steps: [{id: go, approve: 'Update {{ host }}?'}]\n";
    let plan = planrun.file("plan.yaml", format!("version: 1\nname: asks\nhosts: all\n{steps}"));
    let hosts = planrun.file("hosts.ini", "h1 planrun_connection=local\n");
    let paused = planrun.run(&["apply", &plan, "--inventory", &hosts, "--yes"]);
    assert!(!paused.exits(6).says("at go: Update h1?").stdout.contains("{{"), "{}", paused.all());
    planrun.run(&["resolve", "last", "--as", "approve"]).exits(0);
    let resumed = planrun.run(&["resume", "last"]);
    resumed.exits(0);
    for text in [resumed.all(), planrun.run(&["show", "last"]).exits(0).all()] {
        assert!(text.contains("Update h1?") && !text.contains("{{"), "{text}");
    }
}

#[test]
fn answers_of_many_people_at_once_are_all_recorded() {
    let planrun = Planrun::new();
    let steps = "steps: [{id: go, approve: {text: Go on?, by: 8}}]\n";
    let plan = planrun.file("plan.yaml", format!("version: 1\nname: asks\nhosts: all\n{steps}"));
    let hosts = planrun.file("hosts.ini", "h1 planrun_connection=local\n");
    planrun.run(&["apply", &plan, "--inventory", &hosts, "--yes"]).exits(6);
    let one = "(planrun resolve last --as approve --by p$i 2>&1 || echo failed) &";
    let ended = planrun.type_line(&format!("for i in 1 2 3 4 5 6 7 8; do {one} done; wait"));
    assert!(!ended.all().contains("failed"), "{}", ended.all());
    ended.says("to continue, run");
    planrun.run(&["resume", "last"]).exits(0).says("p8");
}
