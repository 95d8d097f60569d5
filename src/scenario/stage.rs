//! A plan on its model, and the processes that work on a run of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Clock, block_on_virtual};
use crate::event::{Event, Progress, Record, RunEvent, RunId, RunPlanned, TaskEvent};
use crate::history::{Reporter, RunState};
use crate::model::{Model, ModelError};
use crate::resolve::ResolvedPlan;
use crate::run::answers::Answers;
use crate::run::{Asker, Run, Stop, planned};
use crate::scenario::faults::Script;
use crate::scenario::journal::MemoryJournal;
use crate::task::TaskId;
use crate::transport::Transport;
use crate::transport::model::ModelTransport;
use crate::transport::redacting::Redacting;

/// Who runs scenarios.
const BY: &str = "test@here";

/// A plan on its model.
#[derive(Debug)]
pub struct Stage {
    pub plan: ResolvedPlan,
    pub model: Arc<Model>,
    planned: RunPlanned,
}

/// A process that works on a run, and what it has to do with.
pub struct Process<'a> {
    pub clock: &'a Clock,
    pub world: &'a dyn Transport,
    pub journal: &'a MemoryJournal,
    pub asker: Option<&'a dyn Asker>,
    pub reporter: &'a Rc<RefCell<dyn Reporter>>,
    pub stop: &'a Rc<Stop>,
    /// A stop is requested when a command was sent for this task, or its block starts again.
    pub stops_at: Option<&'a TaskId>,
}

impl Stage {
    /// Puts a plan on its model; its path and its text are kept with its runs.
    pub fn new(plan: ResolvedPlan, model: Arc<Model>, path: &str, text: &str) -> Self {
        let planned = planned::planned(&plan, path, text, BY, BTreeMap::new());
        Self { plan, model, planned }
    }

    /// Returns the hosts as they are at the start.
    pub fn world(&self, clock: &Clock, faults: Rc<Script>) -> Result<ModelTransport, ModelError> {
        let hosts = self.plan.inventory.hosts.values();
        let world = ModelTransport::new(Arc::clone(&self.model), hosts, clock.clone(), None)?;
        Ok(world.with_faults(faults))
    }

    /// Returns the first event of a process: it plans the run, or resumes it.
    pub fn first(&self, journal: &MemoryJournal) -> Event {
        if journal.records.borrow().is_empty() {
            Event::Run(RunEvent::Planned(Box::new(self.planned.clone())))
        } else {
            Event::Run(RunEvent::Resumed { by: BY.into() })
        }
    }

    /// Works on a run, from an event on, until it comes to rest; `None` if its controller dies.
    ///
    /// # Panics
    /// The run waits for something other than time, or its records do not fit each other.
    pub fn drive(&self, process: &Process<'_>, first: Event) -> Option<RunState> {
        let Process { clock, journal, stop, .. } = process;
        let watching = RefCell::new(Watching {
            reporter: Rc::clone(process.reporter),
            stop: Rc::clone(stop),
            stops_at: process.stops_at.cloned(),
        });
        let redactor = &self.plan.secrets.redactor;
        let transport = Redacting { transport: process.world, redactor };
        let run = Run {
            id: RunId("test".into()),
            plan: &self.plan,
            clock: (*clock).clone(),
            transport: &transport,
            journal: *journal,
            reporter: &watching,
            asker: process.asker,
            answers: &Answers::default(),
            stop,
            epoch: 1,
            by: BY.into(),
            lock_timeout: Duration::ZERO,
            follow: false,
        };
        let before = RunState::of(&journal.records.borrow()).expect("records fit each other");
        let work = async { run.drive(before, first).await.ok() };
        block_on_virtual(clock, work).expect("a run waits for nothing but time")
    }
}

/// Passes everything to another reporter, and requests a stop in time.
struct Watching {
    reporter: Rc<RefCell<dyn Reporter>>,
    stop: Rc<Stop>,
    stops_at: Option<TaskId>,
}

impl Reporter for Watching {
    fn event(&mut self, record: &Record, state: &RunState) {
        self.reporter.borrow_mut().event(record, state);
        if let Event::Task {
            task,
            event: TaskEvent::AttemptIntended { .. } | TaskEvent::BlockRetried { .. },
        } = &record.event
            && Some(task) == self.stops_at.as_ref()
        {
            self.stop.request("INT");
        }
    }

    fn progress(&mut self, progress: &Progress, now: Timestamp, state: &RunState) {
        self.reporter.borrow_mut().progress(progress, now, state);
    }
}
