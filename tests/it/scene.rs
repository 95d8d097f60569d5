//! A plan on its model, in one process: helpers for the tests of the engine and of scenarios.
//!
//! The text of a plan, an inventory of model hosts, and injected faults give the final state of the run, the
//! world, and the records of a journal in memory that can fail at any event.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use planrun::clock::Clock;
use planrun::diagnostic::{Diagnostics, render};
use planrun::event::{
    Answer, Event, HostStatus, Journal, JournalError, Outcome, Progress, Question, Record,
    RunEvent, RunId, TaskEvent,
};
use planrun::history::{Reporter, RunState};
use planrun::inventory::HostName;
use planrun::model::Model;
use planrun::resolve::{Inputs, ResolvedPlan};
use planrun::run::answers::Answers;
use planrun::run::{Asker, Run, Stop, planned};
use planrun::source::Sources;
use planrun::task::TaskId;
use planrun::transport::model::{FaultKind, ModelTransport};
use planrun::transport::{Exit, Transport};
use planrun::{inventory, plan, resolve};

use crate::faults_of_models::{FaultSpec, Script, Trigger};
use crate::virtual_time::block_on_virtual;

/// A journal in memory that can die: after so many records every append fails.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) records: RefCell<Vec<Record>>,
    /// How many commits that took.
    pub(crate) commits: Cell<usize>,
    /// So many records are kept at most.
    pub(crate) dies_after: Option<usize>,
    /// Nothing is kept once a command was sent for this task.
    pub(crate) dies_at: Option<TaskId>,
    /// What its reporter received.
    pub(crate) news: RefCell<Vec<News>>,
}

/// What a reporter receives.
#[derive(Clone)]
pub(crate) enum News {
    Event(Record),
    Progress(Progress, Timestamp),
}

/// A run, as a reporter receives it.
pub(crate) struct Recorded(Vec<News>);

impl Recorded {
    pub(crate) fn records(&self) -> Vec<Record> {
        let records = self.0.iter().filter_map(|news| match news {
            News::Event(record) => Some(record.clone()),
            News::Progress(..) => None,
        });
        records.collect()
    }

    pub(crate) fn state(&self) -> RunState {
        RunState::for_report(&self.records())
    }

    /// Returns what a reporter received last.
    pub(crate) fn last(&self) -> &News {
        self.0.last().unwrap()
    }

    pub(crate) fn report(&self, reporter: &mut impl Reporter) {
        let mut state = RunState::default();
        for news in &self.0 {
            match news {
                News::Event(record) => {
                    state.apply_for_report(record);
                    reporter.event(record, &state);
                }
                News::Progress(progress, now) => reporter.progress(progress, *now, &state),
            }
        }
    }

    /// Keeps what a reporter received up to the first of these.
    #[track_caller]
    pub(crate) fn cut(&mut self, is_last: impl FnMut(&News) -> bool) {
        let last = self.0.iter().position(is_last).expect("it is in the run");
        self.0.truncate(last + 1);
    }
}

#[async_trait(?Send)]
impl Journal for Memory {
    async fn append(&self, records: &[Record]) -> Result<(), JournalError> {
        let mut kept = self.records.borrow_mut();
        let is_sent = |task| {
            kept.iter().any(|record| matches!(&record.event, Event::Task { task: it, event: TaskEvent::AttemptIntended { .. } } if it == task))
        };
        if self.dies_after.is_some_and(|limit| kept.len() >= limit)
            || self.dies_at.as_ref().is_some_and(is_sent)
        {
            return Err(JournalError("the controller died".into()));
        }
        kept.extend_from_slice(records);
        self.commits.set(self.commits.get() + 1);
        Ok(())
    }
}

/// Records everything, and asks for a stop once a command was sent for a task, or its block starts
/// again.
struct Watching {
    news: Vec<News>,
    stop: Rc<Stop>,
    stops_at: Option<TaskId>,
}

impl Reporter for Watching {
    fn event(&mut self, record: &Record, _: &RunState) {
        self.news.push(News::Event(record.clone()));
        if let Event::Task {
            task,
            event: TaskEvent::AttemptIntended { .. } | TaskEvent::BlockRetried { .. },
        } = &record.event
            && Some(task) == self.stops_at.as_ref()
        {
            self.stop.request("INT");
        }
    }

    fn progress(&mut self, progress: &Progress, now: Timestamp, _: &RunState) {
        self.news.push(News::Progress(progress.clone(), now));
    }
}

/// Answers every question alike.
pub(crate) struct Always(pub(crate) Answer);

#[async_trait(?Send)]
impl Asker for Always {
    async fn ask(&self, _: &TaskId, question: &Question) -> Option<(Answer, Option<String>)> {
        assert!(question.answers.contains(&self.0), "{question:?}");
        Some((self.0, Some("the test says so".into())))
    }
}

/// Gives answers from the last to the first.
pub(crate) struct InTurn(pub(crate) RefCell<Vec<Answer>>);

#[async_trait(?Send)]
impl Asker for InTurn {
    async fn ask(&self, _: &TaskId, question: &Question) -> Option<(Answer, Option<String>)> {
        let answer = self.0.borrow_mut().pop()?;
        assert!(question.answers.contains(&answer), "{question:?}");
        Some((answer, None))
    }
}

/// A plan, its inventory, and a model world that outlives controllers.
pub(crate) struct Scene {
    pub(crate) plan: ResolvedPlan,
    pub(crate) model: Arc<Model>,
    planned: planrun::event::RunPlanned,
}

impl Scene {
    /// A plan on the demo inventory of the flagship.
    #[track_caller]
    pub(crate) fn new(plan_text: &str, set: &[(&str, &str)]) -> Self {
        Self::limited(plan_text, set, None)
    }

    /// The same on some of its hosts.
    #[track_caller]
    pub(crate) fn limited(plan_text: &str, set: &[(&str, &str)], limit: Option<&str>) -> Self {
        Self::of(plan_text, "plans/inventories/demo.yaml", set, limit)
    }

    /// A plan on an inventory of model hosts.
    #[track_caller]
    pub(crate) fn of(
        plan_text: &str,
        inventory_path: &str,
        set: &[(&str, &str)],
        limit: Option<&str>,
    ) -> Self {
        Self::in_folder(Path::new("plans"), plan_text, inventory_path, set, limit)
    }

    /// The same, as if the plan stood in a folder.
    #[track_caller]
    pub(crate) fn in_folder(
        folder: &Path,
        plan_text: &str,
        inventory_path: &str,
        set: &[(&str, &str)],
        limit: Option<&str>,
    ) -> Self {
        let mut sources = Sources::default();
        let mut found = Diagnostics::default();
        let id = sources.add("plan.yaml", plan_text);
        let plan = plan::read(&sources, id, &mut found);
        let inventory = inventory::read::read(
            Path::new(inventory_path),
            inventory_path,
            &mut sources,
            &mut found,
        );
        let (Some(plan), Some(inventory)) = (plan, inventory) else {
            panic!("{}", render::human(&found, &sources, false));
        };
        let given = Inputs {
            set: set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            limit: limit.map(str::to_owned),
            plan_dir: folder.to_owned(),
            ..Inputs::default()
        };
        let Some(plan) = resolve::resolve(plan, inventory, &given, &mut sources, &mut found) else {
            panic!("{}", render::human(&found, &sources, false));
        };
        let mut hosts = plan.inventory.hosts.values();
        let name = hosts.find_map(|host| host.link.model.clone()).unwrap();
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let id = sources.add(name, text);
        let node = planrun::document::parse(&sources, id, &mut found).unwrap();
        let Some(model) = Model::lower(&node, &sources, &mut found) else {
            panic!("{}", render::human(&found, &sources, false));
        };
        let planned = planned::planned(&plan, "plan.yaml", plan_text, "test@here", BTreeMap::new());
        Self { plan, model: Arc::new(model), planned }
    }

    /// Its hosts as they are at the start.
    pub(crate) fn world(&self, clock: &Clock, faults: Vec<FaultSpec>) -> ModelTransport {
        let hosts: Vec<_> = self.plan.inventory.hosts.values().collect();
        ModelTransport::new(Arc::clone(&self.model), hosts, clock.clone(), None)
            .unwrap()
            .with_faults(Script::new(faults, &self.model))
    }

    /// Drives a run on a world until it comes to rest or its journal dies.
    pub(crate) fn drive(
        &self,
        clock: &Clock,
        world: &dyn Transport,
        journal: &Memory,
        asker: Option<&dyn Asker>,
    ) -> Option<RunState> {
        self.drive_until(clock, world, journal, asker, None)
    }

    /// The same, and somebody asks for a stop once a command was sent for a task.
    pub(crate) fn drive_until(
        &self,
        clock: &Clock,
        world: &dyn Transport,
        journal: &Memory,
        asker: Option<&dyn Asker>,
        stops_at: Option<&TaskId>,
    ) -> Option<RunState> {
        let is_new = journal.records.borrow().is_empty();
        let first = if is_new {
            Event::Run(RunEvent::Planned(Box::new(self.planned.clone())))
        } else {
            Event::Run(RunEvent::Resumed { by: "test@here".into() })
        };
        self.drive_from(clock, world, journal, asker, stops_at, first)
    }

    /// Runs it in a new world until it comes to rest.
    #[track_caller]
    pub(crate) fn record(
        &self,
        faults: Vec<FaultSpec>,
        asker: Option<&dyn Asker>,
        stops_at: Option<&TaskId>,
    ) -> Recorded {
        let clock = start();
        let journal = Memory::default();
        let world = self.world(&clock, faults);
        self.drive_until(&clock, &world, &journal, asker, stops_at).unwrap();
        Recorded(journal.news.take())
    }

    /// Drives a run on from an event.
    pub(crate) fn drive_from(
        &self,
        clock: &Clock,
        world: &dyn Transport,
        journal: &Memory,
        asker: Option<&dyn Asker>,
        stops_at: Option<&TaskId>,
        first: Event,
    ) -> Option<RunState> {
        let stop = Rc::new(Stop::default());
        let (news, stops_at) = (Vec::new(), stops_at.cloned());
        let watching = Rc::new(RefCell::new(Watching { news, stop: Rc::clone(&stop), stops_at }));
        let reporter: Rc<RefCell<dyn Reporter>> = Rc::<RefCell<Watching>>::clone(&watching);
        let run = Run {
            id: RunId("test".into()),
            plan: &self.plan,
            clock: clock.clone(),
            transport: world,
            journal,
            reporter: &reporter,
            asker,
            answers: &Answers::default(),
            stop: &stop,
            epoch: 1,
            by: "test@here".into(),
            lock_timeout: std::time::Duration::ZERO,
        };
        let before = RunState::of(&journal.records.borrow()).unwrap();
        let state = block_on_virtual(clock, async { run.drive(before, first).await.ok() })
            .expect("the run comes to rest");
        journal.news.borrow_mut().append(&mut watching.borrow_mut().news);
        state
    }
}

/// What became of a run whose controller died, and which another one took up.
pub(crate) struct Resumed {
    /// After how many events it died.
    pub(crate) dies_after: usize,
    /// How many commands it had sent by then.
    pub(crate) sent_before: usize,
    pub(crate) state: RunState,
    pub(crate) journal: Memory,
    pub(crate) world: ModelTransport,
}

impl Resumed {
    /// All of it, for a message.
    #[track_caller]
    pub(crate) fn story(&self) -> String {
        format!("died after {}\n{}", self.dies_after, trace(&self.journal))
    }
}

impl Resumed {
    /// How many attempts at a step are known to have failed.
    pub(crate) fn refusals(&self, step: &str) -> usize {
        let records = self.journal.records.borrow();
        let refused = |record: &&Record| matches!(&record.event, Event::Task { task, event: TaskEvent::AttemptEnded { outcome: Outcome::Ended { exit: Exit::Code(1), .. }, .. } } if task.step == *step);
        records.iter().filter(refused).count()
    }
}

impl Scene {
    /// Lets the controller die after each event of the run in turn, each time in a new world;
    /// `between` may change that before another one goes on. Returns how many events the run has
    /// where nobody dies.
    #[track_caller]
    pub(crate) fn dies_after_each(
        &self,
        faults: &[FaultSpec],
        between: impl Fn(&ModelTransport),
        mut see: impl FnMut(&Resumed),
    ) -> usize {
        for dies_after in 1..1_000 {
            let clock = start();
            let world = self.world(&clock, faults.to_vec());
            let dying = Memory { dies_after: Some(dies_after), ..Memory::default() };
            if self.drive(&clock, &world, &dying, None).is_some() {
                return dying.records.borrow().len();
            }
            between(&world);
            let journal = Memory { records: dying.records, ..Memory::default() };
            let sent_before = sent(&journal).len();
            let state = self.drive(&clock, &world, &journal, None).unwrap();
            see(&Resumed { dies_after, sent_before, state, journal, world });
        }
        panic!("the run does not end");
    }
}

/// When every scene begins.
pub(crate) fn start() -> Clock {
    Clock::virtual_from("2026-01-01T00:00:00Z".parse().unwrap())
}

/// The text of the main plan.
pub(crate) fn flagship() -> String {
    std::fs::read_to_string("plans/obox-restart.yaml").unwrap()
}

/// A value of a host of the model, now.
pub(crate) fn at(world: &ModelTransport, host: &str, name: &str) -> serde_json::Value {
    world.world().unwrap().get(&HostName::new(host), name).unwrap()
}

/// How a host ended.
pub(crate) fn status(state: &RunState, host: &str) -> HostStatus {
    state.hosts[&HostName::new(host)].status
}

/// All commands that were sent to change something, with the host they ran on.
pub(crate) fn sent(journal: &Memory) -> Vec<String> {
    let records = journal.records.borrow();
    let commands = records.iter().filter_map(|record| match &record.event {
        Event::Task { event: TaskEvent::AttemptIntended { on, command, .. }, .. } => {
            Some(format!("{on}: {command}"))
        }
        _ => None,
    });
    commands.collect()
}

/// All records, for a message.
#[track_caller]
pub(crate) fn trace(journal: &Memory) -> String {
    journal
        .records
        .borrow()
        .iter()
        .map(|record| match &record.event {
            Event::Run(RunEvent::Planned(_)) => "planned".to_owned(),
            event => format!("{} {event:?}", record.seq),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A fault at a step of a host.
pub(crate) fn fault(host: &str, step: &str, kind: &str, times: Option<u32>) -> FaultSpec {
    FaultSpec {
        host: Some(HostName::new(host)),
        on: Trigger::Step(step.into()),
        fault: FaultKind::from_word(kind),
        times,
    }
}
