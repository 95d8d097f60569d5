//! A plan on its model, in one process: helpers for the tests of the engine and of scenarios.
//!
//! The text of a plan, an inventory of model hosts, and injected faults give the final state of the run, the
//! world, and the records of a journal in memory that can fail at any event.

use std::cell::RefCell;
use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use planrun::clock::Clock;
use planrun::diagnostic::{Diagnostics, render};
use planrun::event::{
    Answer, Event, HostStatus, Outcome, Progress, Question, Record, RunEvent, TaskEvent,
};
use planrun::history::{Reporter, RunState};
use planrun::inventory::HostName;
use planrun::model::Model;
use planrun::resolve::Inputs;
use planrun::run::Asker;
use planrun::scenario::faults::{FaultSpec, Script, Trigger};
use planrun::scenario::stage::{Process, Stage};
use planrun::source::Sources;
use planrun::task::TaskId;
use planrun::transport::model::{FaultKind, ModelTransport};
use planrun::transport::{Exit, Transport};
use planrun::{inventory, plan, resolve};

pub(crate) use planrun::scenario::journal::MemoryJournal as Memory;
pub(crate) use planrun::scenario::start;

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

/// Records everything.
#[derive(Default)]
struct Newsreel(Vec<News>);

impl Reporter for Newsreel {
    fn event(&mut self, record: &Record, _: &RunState) {
        self.0.push(News::Event(record.clone()));
    }

    fn progress(&mut self, progress: &Progress, now: Timestamp, _: &RunState) {
        self.0.push(News::Progress(progress.clone(), now));
    }
}

/// Shows nothing.
pub(crate) struct Quiet;

impl Quiet {
    pub(crate) fn reporter() -> Rc<RefCell<dyn Reporter>> {
        Rc::new(RefCell::new(Self))
    }
}

impl Reporter for Quiet {
    fn event(&mut self, _: &Record, _: &RunState) {}
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
pub(crate) struct Scene(Stage);

impl Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.0
    }
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
        Self(Stage::new(plan, Arc::new(model), "plan.yaml", plan_text))
    }

    /// Its hosts as they are at the start.
    pub(crate) fn world(&self, clock: &Clock, faults: Vec<FaultSpec>) -> ModelTransport {
        let known = self.model.faults();
        for spec in &faults {
            if let FaultKind::Known(name) = &spec.fault {
                assert!(known.contains(&name.as_str()), "unknown fault `{name}`; known: {known:?}");
            }
        }
        self.0.world(clock, Script::new(faults)).unwrap()
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
        let first = self.first(journal);
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
        let newsreel = Rc::<RefCell<Newsreel>>::default();
        let reporter: Rc<RefCell<dyn Reporter>> = Rc::<RefCell<Newsreel>>::clone(&newsreel);
        let (clock, world, stop) = (&clock, &world, &Rc::default());
        let (journal, reporter) = (&journal, &reporter);
        let process = Process { clock, world, journal, asker, reporter, stop, stops_at };
        self.0.drive(&process, self.first(journal)).unwrap();
        Recorded(std::mem::take(&mut newsreel.borrow_mut().0))
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
        let (reporter, stop) = (&Quiet::reporter(), &Rc::default());
        self.0.drive(&Process { clock, world, journal, asker, reporter, stop, stops_at }, first)
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
    journal.sent().into_iter().map(|(on, command)| format!("{on}: {command}")).collect()
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
