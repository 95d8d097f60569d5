//! The engine on the model: the flagship plan through every end, and through a crash at every
//! event.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use planrun::clock::Clock;
use planrun::diagnostic::Diagnostics;
use planrun::diagnostic::render;
use planrun::event::Answer;
use planrun::event::Event;
use planrun::event::HostStatus;
use planrun::event::Journal;
use planrun::event::JournalError;
use planrun::event::Question;
use planrun::event::Record;
use planrun::event::Reporter;
use planrun::event::RunId;
use planrun::event::RunStatus;
use planrun::event::StepPath;
use planrun::event::TaskStatus;
use planrun::inventory;
use planrun::inventory::HostName;
use planrun::model::Model;
use planrun::plan;
use planrun::resolve;
use planrun::resolve::Given;
use planrun::resolve::ResolvedPlan;
use planrun::run::Asker;
use planrun::run::Run;
use planrun::run::Stop;
use planrun::run::exit_status;
use planrun::run::planned;
use planrun::run::state::RunState;
use planrun::source::Sources;
use planrun::task::TaskId;
use planrun::transport::model::FaultKind;
use planrun::transport::model::FaultSpec;
use planrun::transport::model::ModelTransport;
use planrun::transport::model::Trigger;
use planrun::transport::model::block_on_virtual;

/// A journal in memory that can die: after so many records every append fails.
#[derive(Default)]
struct Memory {
    records: RefCell<Vec<Record>>,
    dies_after: Option<usize>,
}

#[async_trait(?Send)]
impl Journal for Memory {
    async fn append(&self, records: &[Record]) -> Result<(), JournalError> {
        let mut kept = self.records.borrow_mut();
        if self.dies_after.is_some_and(|limit| kept.len() >= limit) {
            return Err(JournalError("the controller died".into()));
        }
        kept.extend_from_slice(records);
        Ok(())
    }
}

struct Nobody;

impl Reporter for Nobody {
    fn event(&mut self, _: &Record) {}
}

/// Answers every question alike.
struct Always(Answer);

#[async_trait(?Send)]
impl Asker for Always {
    async fn ask(&self, _: &TaskId, question: &Question) -> Option<(Answer, Option<String>)> {
        assert!(question.answers.contains(&self.0), "{question:?}");
        Some((self.0, Some("the test says so".into())))
    }
}

/// Gives answers from the last to the first.
struct InTurn(RefCell<Vec<Answer>>);

#[async_trait(?Send)]
impl Asker for InTurn {
    async fn ask(&self, _: &TaskId, question: &Question) -> Option<(Answer, Option<String>)> {
        let answer = self.0.borrow_mut().pop()?;
        assert!(question.answers.contains(&answer), "{question:?}");
        Some((answer, None))
    }
}

/// A plan, its inventory, and a model world that outlives controllers.
struct Scene {
    plan: ResolvedPlan,
    model: Arc<Model>,
    planned: planrun::event::RunPlanned,
}

impl Scene {
    #[track_caller]
    fn new(plan_text: &str, set: &[(&str, &str)]) -> Self {
        Self::limited(plan_text, set, None)
    }

    #[track_caller]
    fn limited(plan_text: &str, set: &[(&str, &str)], limit: Option<&str>) -> Self {
        let mut sources = Sources::default();
        let mut found = Diagnostics::default();
        let id = sources.add("plan.yaml", plan_text);
        let plan = plan::read(&sources, id, &mut found);
        let path = Path::new("plans/inventories/demo.yaml");
        let inventory = inventory::read::read(path, "demo.yaml", &mut sources, &mut found);
        let (Some(plan), Some(inventory)) = (plan, inventory) else {
            panic!("{}", render::human(&found, &sources, false));
        };
        let given = Given {
            set: set
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            limit: limit.map(str::to_owned),
            plan_dir: "plans".into(),
            ..Given::default()
        };
        let Some(plan) = resolve::resolve(plan, inventory, &given, &mut sources, &mut found) else {
            panic!("{}", render::human(&found, &sources, false));
        };
        let text = std::fs::read_to_string("plans/models/dovecot.yaml").unwrap();
        let id = sources.add("dovecot.yaml", text);
        let node = planrun::document::parse(&sources, id, &mut found).unwrap();
        let model = Model::lower(&node, &sources, &mut found).unwrap();
        let planned = planned::planned(&plan, "plan.yaml", plan_text, "test@here", BTreeMap::new());
        Self {
            plan,
            model: Arc::new(model),
            planned,
        }
    }

    fn world(&self, clock: &Clock, faults: Vec<FaultSpec>) -> ModelTransport {
        let hosts: Vec<_> = self.plan.inventory.hosts.values().collect();
        ModelTransport::new(Arc::clone(&self.model), hosts, clock.clone(), None)
            .unwrap()
            .with_faults(faults)
            .unwrap()
    }

    /// Drives a run on a world until it comes to rest or its journal dies.
    fn drive(
        &self,
        clock: &Clock,
        world: &ModelTransport,
        journal: &Memory,
        asker: Option<&dyn Asker>,
    ) -> Option<RunState> {
        let reporter: Rc<RefCell<dyn Reporter>> = Rc::new(RefCell::new(Nobody));
        let stop = Stop::new();
        let run = Run {
            id: RunId("test".into()),
            plan: &self.plan,
            clock: clock.clone(),
            transport: world,
            journal,
            reporter: &reporter,
            asker,
            stop: &stop,
            epoch: 1,
            by: "test@here".into(),
        };
        let before = RunState::of(&journal.records.borrow()).unwrap();
        let first = if before.seq == 0 {
            Event::RunPlanned(Box::new(self.planned.clone()))
        } else {
            Event::RunResumed {
                by: "test@here".into(),
            }
        };
        block_on_virtual(clock, async {
            let mut state = before;
            run.note(&mut state, first).await.ok()?;
            run.drive(state).await.ok()
        })
        .expect("the run comes to rest")
    }
}

fn start() -> Clock {
    Clock::virtual_from("2026-01-01T00:00:00Z".parse().unwrap())
}

fn flagship() -> String {
    std::fs::read_to_string("plans/obox-restart.yaml").unwrap()
}

/// A value of a host of the model, now.
fn at(world: &ModelTransport, host: &str, name: &str) -> serde_json::Value {
    world
        .world()
        .unwrap()
        .get(&HostName::new(host), name)
        .unwrap()
}

fn status(state: &RunState, host: &str) -> HostStatus {
    state.hosts[&HostName::new(host)].status
}

/// All commands that were sent to change something, with the host they ran on.
fn sent(journal: &Memory) -> Vec<String> {
    let records = journal.records.borrow();
    let commands = records.iter().filter_map(|record| match &record.event {
        Event::AttemptIntended { on, command, .. } => Some(format!("{on}: {command}")),
        _ => None,
    });
    commands.collect()
}

#[track_caller]
fn trace(journal: &Memory) -> String {
    journal
        .records
        .borrow()
        .iter()
        .map(|record| match &record.event {
            Event::RunPlanned(_) => "planned".to_owned(),
            event => format!("{} {event:?}", record.seq),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_flagship_restarts_every_backend_and_gives_back_its_share() {
    let scene = Scene::new(&flagship(), &[("still_mapped", "continue")]);
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
fn a_crash_at_any_event_changes_nothing_of_the_end_and_doubles_nothing() {
    let scene = Scene::limited(
        &flagship(),
        &[("still_mapped", "continue")],
        Some("backend3"),
    );
    let clock = start();
    let journal = Memory::default();
    scene
        .drive(&clock, &scene.world(&clock, vec![]), &journal, None)
        .unwrap();
    let whole = sent(&journal);
    let events = journal.records.borrow().len();
    // What a wait has counted decides nothing but how long it goes on: some of these are enough.
    let decides = |at: usize| match &journal.records.borrow()[at].event {
        Event::WaitTicked { waited, .. } => waited.as_secs() % 300 == 0,
        _ => true,
    };
    for dies_after in (1..events).filter(|at| decides(*at)) {
        let clock = start();
        let world = scene.world(&clock, vec![]);
        let dying = Memory {
            dies_after: Some(dies_after),
            ..Memory::default()
        };
        assert!(scene.drive(&clock, &world, &dying, None).is_none());
        let journal = Memory {
            records: dying.records,
            dies_after: None,
        };
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(
            state.status,
            RunStatus::Succeeded,
            "{dies_after}\n{}",
            trace(&journal)
        );
        assert_eq!(at(&world, "backend3", "vhosts"), 50);
        // A step that is idempotent may be sent again; nothing else may.
        let mut sent = sent(&journal);
        sent.retain(|one| !one.contains("metacache"));
        let mut expected = whole.clone();
        expected.retain(|one| !one.contains("metacache"));
        assert_eq!(sent, expected, "died after {dies_after}");
    }
}

#[test]
fn a_question_without_anybody_to_ask_pauses_the_run() {
    let scene = Scene::new(&flagship(), &[("still_mapped", "ask")]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused);
    assert_eq!(exit_status(&state), 6);
    assert_eq!(state.open_questions()[0].0.to_string(), "backend1/expire");
    let state = scene
        .drive(&clock, &world, &journal, Some(&Always(Answer::Fail)))
        .unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(status(&state, "backend2"), HostStatus::NotStarted);
    assert_eq!(at(&world, "backend1", "vhosts"), 100);
    assert_eq!(exit_status(&state), 1);
}

fn fault(host: &str, step: &str, kind: &str, times: Option<u32>) -> FaultSpec {
    FaultSpec {
        host: Some(HostName::new(host)),
        on: Trigger::Step(step.into()),
        fault: FaultKind::from_word(kind),
        times,
    }
}

#[test]
fn down_refused_for_ever_puts_the_backend_back() {
    let scene = Scene::new(&flagship(), &[("still_mapped", "continue")]);
    let clock = start();
    let world = scene.world(&clock, vec![fault("backend1", "down", "refused", None)]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(at(&world, "backend1", "dovecot"), "active");
    assert_eq!(at(&world, "backend1", "vhosts"), 100);
    assert_eq!(at(&world, "backend1", "state"), "up");
    assert_eq!(status(&state, "backend2"), HostStatus::NotStarted);
}

#[test]
fn when_dovecot_does_not_come_back_its_users_are_moved_and_the_host_is_stuck() {
    let scene = Scene::new(&flagship(), &[("still_mapped", "continue")]);
    let clock = start();
    let faults = vec![
        fault("backend1", "down", "refused", None),
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
    let scene = Scene::new(&flagship(), &[("still_mapped", "continue")]);
    let clock = start();
    let world = scene.world(
        &clock,
        vec![fault("backend1", "start", "does_not_start", None)],
    );
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    assert_eq!(exit_status(&state), 6);
    assert_eq!(at(&world, "backend1", "users"), 0);
    assert_eq!(at(&world, "backend1", "state"), "down");
}

#[test]
fn a_director_that_times_out_has_done_its_work_all_the_same() {
    let scene = Scene::new(&flagship(), &[("still_mapped", "continue")]);
    let clock = start();
    let world = scene.world(
        &clock,
        vec![fault("backend1", "drain", "ring_timeout", None)],
    );
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    let drains = sent(&journal)
        .into_iter()
        .filter(|one| one.ends_with("198.51.100.1 0"))
        .count();
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
    for dies_after in 1..20 {
        let clock = start();
        let world = scene.world(&clock, vec![]);
        let journal = Memory {
            dies_after: Some(dies_after),
            ..Memory::default()
        };
        if scene.drive(&clock, &world, &journal, None).is_some() {
            assert!(dies_after > 6, "the run has more events than {dies_after}");
            return;
        }
        let journal = Memory {
            records: journal.records,
            dies_after: None,
        };
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
        assert_eq!(sent(&journal), Vec::<String>::new());
    }
    panic!("the run does not end");
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
    let state = scene
        .drive(&clock, &world, &journal, Some(&answers))
        .unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(sent(&journal), Vec::<String>::new());
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
    let path = StepPath("config".into());
    for faults in [
        vec![],
        vec![fault("backend1", "config", "cut_after", Some(1))],
    ] {
        let clock = start();
        let world = scene.world(&clock, faults);
        let journal = Memory::default();
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
        let task = &state.hosts[&HostName::new("backend1")].tasks[&path];
        assert_eq!(task.status, Some(TaskStatus::Unchanged));
    }
    for dies_after in 1..20 {
        let clock = start();
        let world = scene.world(&clock, vec![]);
        let journal = Memory {
            dies_after: Some(dies_after),
            ..Memory::default()
        };
        if scene.drive(&clock, &world, &journal, None).is_some() {
            assert!(dies_after > 8, "{}", trace(&journal));
            return;
        }
        let journal = Memory {
            records: journal.records,
            dies_after: None,
        };
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    }
    panic!("the run has more events than the test expects");
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
