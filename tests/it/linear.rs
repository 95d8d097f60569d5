//! The time of a run grows with its steps and hosts, not with their square: finished steps and unaffected
//! hosts are not processed again. `benches/run.rs` measures the time.

use planrun::event::{Event, HostEvent, HostStatus, TaskEvent};
use planrun::history::RunState;
use planrun::inventory::HostName;
use planrun::run::decide::{Agenda, Decision, decide};
use planrun::task::StepPath;

use crate::scene::{Memory, Scene, start};

const PLAN: &str = "
version: 1
name: linear
hosts: backends
serial: 1
steps:
  - {id: one, wait: 1s}
  - {id: two, wait: 1s}
  - {id: three, wait: 1s}
  - {id: four, wait: 1s}
";

/// A run whose first host has just ended a step.
fn after(scene: &Scene, step: &str) -> RunState {
    let clock = start();
    let journal = Memory::default();
    scene.drive(&clock, &scene.world(&clock, vec![]), &journal, None).unwrap();
    let records = journal.records.into_inner();
    let ends = |event: &Event| matches!(event, Event::Task { task, event: TaskEvent::Ended { .. } } if task.step == *step);
    let last = records.iter().position(|record| ends(&record.event)).unwrap();
    RunState::of(&records[..=last]).unwrap()
}

/// What is begun, in words: `HOST/STEP`.
fn begun(scene: &Scene, state: &RunState, agenda: &mut Agenda) -> Vec<String> {
    let decisions = decide(&scene.plan, state, agenda, false);
    let words = decisions.into_iter().map(|decision| match decision {
        Decision::Perform(host, spot) => format!("{host}/{}", spot.path()),
        other => format!("{other:?}"),
    });
    words.collect()
}

#[test]
fn steps_that_were_found_done_are_not_looked_at_again() {
    let scene = Scene::new(PLAN, &[]);
    let mut state = after(&scene, "three");
    let begin = |state: &RunState| begun(&scene, state, &mut Agenda::new(state));
    assert_eq!(begin(&state), ["backend1/four"]);
    // Nobody notices that these are gone.
    let host = state.hosts.get_mut(&HostName::new("backend1")).unwrap();
    for step in ["one", "two"] {
        host.tasks.shift_remove(&StepPath::from(step)).unwrap();
    }
    assert_eq!(begin(&state), ["backend1/four"]);
}

#[test]
fn hosts_to_which_nothing_happened_are_not_looked_at_again() {
    let scene = Scene::new(PLAN, &[]);
    let mut state = after(&scene, "three");
    let mut agenda = Agenda::new(&state);
    assert_eq!(begun(&scene, &state, &mut agenda), ["backend1/four"]);
    // Nobody notices that this one could continue, until it is said.
    let other = HostName::new("backend3");
    let host = state.hosts[&HostName::new("backend1")].clone();
    assert_eq!(state.hosts[&other].status, HostStatus::NotStarted);
    state.hosts.insert(other.clone(), host);
    assert_eq!(begun(&scene, &state, &mut agenda), Vec::<String>::new());
    agenda.happened(&state, &Event::Host { host: other, event: HostEvent::Started });
    assert_eq!(begun(&scene, &state, &mut agenda), ["backend3/four"]);
}

#[test]
fn hosts_side_by_side_wait_for_the_same_commits() {
    let commits = |limit: &str| {
        let scene = Scene::limited(&PLAN.replace("serial: 1", "serial: 3"), &[], Some(limit));
        let clock = start();
        let journal = Memory::default();
        scene.drive(&clock, &scene.world(&clock, vec![]), &journal, None).unwrap();
        journal.commits.get()
    };
    assert_eq!(commits("backends"), commits("backend1"));
}
