//! The state of a run: the one fold over its events.
//!
//! [`RunState::apply`] serves the live run, a resume, a replay and every report. It refuses an
//! event that does not fit what came before: the journal is damaged, or planrun has a bug, and in
//! both cases nothing may be sent because of it. A report must show such a run anyway:
//! [`RunState::for_report`] leaves out the events that do not fit.

mod host;
mod planned;
mod rollback;
mod setup;
mod task;

use std::sync::Arc;
use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;

use crate::event::{
    Event, HostEvent, HostStatus, Progress, Question, Record, RunEvent, RunStatus, TaskEvent,
};
use crate::inventory::HostName;
use crate::task::{Stage, TaskId};

pub use host::{HostState, Passed};
pub use planned::{Planned, between};
pub use rollback::{Refusal, Requested};
pub use task::{AttemptState, Last, TaskState};

/// All that is known of a run.
#[derive(Clone, Debug, Default)]
pub struct RunState {
    pub status: RunStatus,
    /// Why, if a reason was given.
    pub why: Option<String>,
    /// What it was started with.
    pub planned: Arc<Planned>,
    /// When its first event was.
    pub begun: Option<Timestamp>,
    /// When its last event was.
    pub last: Option<Timestamp>,
    /// How long it took up to then, from event to event: a clock that is set back takes nothing away.
    pub took: Duration,
    /// Its hosts, in its order, and after them its stages, which have the state of a host without being one.
    pub hosts: IndexMap<HostName, HostState>,
    /// The host keys that hosts have shown, of the run or not.
    pub host_keys: IndexMap<HostName, String>,
    /// The boots in which hosts were locked, of the run or of its `locks`.
    pub locks: IndexMap<HostName, Option<String>>,
    /// The number of its last event; 0 before the first.
    pub seq: u64,
    /// The number of the event by which a process took it up last.
    pub resumed_at: u64,
    /// Whether every preflight passed and changes may be made.
    pub started: bool,
    /// Whether an operator or a signal wants it to pause.
    pub stop_requested: bool,
    /// The hosts that `order` puts first or last in the next batch, if that is known.
    pub ordered: Option<IndexSet<HostName>>,
    /// The rollback that the operator asked for.
    pub rollback: Option<Requested>,
    /// The abort that the operator asked for: the run ends as it is.
    pub abort: Option<Abort>,
}

/// See [`RunState::abort`].
#[derive(Clone, Debug)]
pub struct Abort {
    /// Who wants it, and why.
    pub why: String,
    /// The number of the event: questions that were asked before it no longer matter.
    pub at: u64,
}

/// Receives events, after they are stored and in the state of the run, and progress. A failure is harmless.
pub trait Reporter {
    fn event(&mut self, record: &Record, state: &RunState);

    /// Takes progress. `now` is the time of the run's clock.
    fn progress(&mut self, progress: &Progress, now: Timestamp, state: &RunState) {
        let _ = (progress, now, state);
    }
}

impl RunState {
    /// Folds the records of a run.
    pub fn of(records: &[Record]) -> Result<Self, String> {
        let mut state = Self::default();
        for record in records {
            if record.seq != state.seq + 1 {
                return Err(format!("event {} follows event {}", record.seq, state.seq));
            }
            state.apply(record)?;
        }
        Ok(state)
    }

    /// Folds the records of a run for a report: events that do not fit are left out.
    pub fn for_report(records: &[Record]) -> Self {
        let mut state = Self::default();
        for record in records {
            state.apply_for_report(record);
        }
        state
    }

    /// Takes an event in for a report, which shows what it can: one that does not fit is left out.
    pub fn apply_for_report(&mut self, record: &Record) {
        let _does_not_fit = self.apply(record);
    }

    /// Returns its hosts, without its stages.
    pub fn real_hosts(&self) -> impl DoubleEndedIterator<Item = (&HostName, &HostState)> {
        self.hosts.iter().filter(|(_, host)| host.stage.is_none())
    }

    /// Returns its hosts in the order in which people read them: what runs before all hosts comes first.
    pub fn in_order(&self) -> impl Iterator<Item = (&HostName, &HostState)> {
        let of = |is: fn(Option<Stage>) -> bool| {
            self.hosts.iter().filter(move |(_, host)| is(host.stage))
        };
        of(|stage| stage == Some(Stage::Setup)).chain(of(|stage| stage != Some(Stage::Setup)))
    }

    /// Returns the state of a stage, if the plan has it.
    pub fn stage(&self, stage: Stage) -> Option<(&HostName, &HostState)> {
        self.hosts.iter().rev().find(|(_, host)| host.stage == Some(stage))
    }

    pub fn task(&self, id: &TaskId) -> Option<&TaskState> {
        self.hosts.get(&id.host)?.task(&id.step)
    }

    /// Returns the questions without an answer; none if the run has ended, since no answer changes
    /// it.
    pub fn open_questions(&self) -> Vec<(TaskId, Question)> {
        let mut open = Vec::new();
        if self.status.has_ended() {
            return open;
        }
        for (host, state) in &self.hosts {
            for step in &state.asked {
                if let Some(question) = state.task(step).and_then(|task| self.open_question(task)) {
                    let task = TaskId { host: host.clone(), step: step.clone() };
                    open.push((task, question.clone()));
                }
            }
        }
        open
    }

    /// Returns what is asked about a task, if that was not answered.
    pub fn question(&self, id: &TaskId) -> Option<Question> {
        self.open_question(self.task(id)?).cloned()
    }

    fn open_question<'t>(&self, task: &'t TaskState) -> Option<&'t Question> {
        let is_open = match &self.abort {
            _ if self.status.has_ended() => false,
            Some(abort) => task.asked_at > abort.at,
            None => true,
        };
        task.question.as_deref().filter(|_| is_open)
    }

    /// Takes an event in.
    pub fn apply(&mut self, record: &Record) -> Result<(), String> {
        self.begun.get_or_insert(record.at);
        // Another process may have a clock that was set back.
        self.took += between(self.last, Some(record.at));
        self.last = Some(record.at);
        let is_first = matches!(record.event, Event::Run(RunEvent::Planned(_)));
        match (self.hosts.is_empty(), is_first) {
            (true, false) => return Err("a run must start with its plan".into()),
            (false, true) => return Err("a run is planned once".into()),
            (true, true) | (false, false) => {}
        }
        match &record.event {
            Event::Run(event) => self.apply_to_run(event, record),
            Event::Host { host, event: HostEvent::KeySeen { key } } => {
                self.host_keys.entry(host.clone()).or_insert_with(|| key.clone());
            }
            Event::Host { host, event: HostEvent::Locked { boot, .. } } => {
                self.locks.insert(host.clone(), boot.clone());
            }
            Event::Host { event: HostEvent::LockLeft { .. }, .. } => {}
            Event::Host { host, event } => {
                if matches!(event, HostEvent::Started) {
                    self.ordered = None;
                }
                let planned = Arc::clone(&self.planned);
                let state = self.host_mut(host)?;
                state
                    .apply(host, event, record, &planned)
                    .map_err(|why| format!("{host} {why}"))?;
            }
            Event::Task { task, event } => {
                let planned = Arc::clone(&self.planned);
                let host = self.host_mut(&task.host)?;
                host.apply_to_task(&task.step, event, record, &planned)
                    .map_err(|why| format!("{task} {why}"))?;
                if let TaskEvent::PointOfNoReturn { why, all_hosts } = event {
                    self.pass_no_return(task, why, *all_hosts);
                }
            }
        }
        self.seq = self.seq.max(record.seq);
        Ok(())
    }

    fn apply_to_run(&mut self, event: &RunEvent, record: &Record) {
        match event {
            RunEvent::Planned(planned) => {
                let hosts = planned.hosts.iter();
                self.hosts = hosts.map(|host| (host.clone(), HostState::default())).collect();
                for stage in &planned.stages {
                    let state = HostState { stage: Some(*stage), ..HostState::default() };
                    self.hosts.insert(stage.host(), state);
                }
                self.planned = Arc::new(Planned::of(planned));
            }
            RunEvent::Started => {
                self.started = true;
                self.status = RunStatus::Running;
                self.why = None;
            }
            RunEvent::Resumed { .. } => {
                if let Some(rollback) = &mut self.rollback {
                    rollback.resumed = true;
                }
                self.resume(record);
            }
            RunEvent::Ordered { hosts, .. } => {
                self.ordered = Some(hosts.iter().cloned().collect());
            }
            RunEvent::StopRequested { .. } => self.stop_requested = true,
            RunEvent::RollbackRequested { hosts, .. } => {
                let only = hosts.as_ref().map(|hosts| hosts.iter().cloned().collect());
                let request = Requested { only, resumed: false };
                for (name, host) in &mut self.hosts {
                    if request.includes(name) {
                        host.return_from_abort(&self.planned);
                    }
                }
                self.rollback = Some(request);
                self.abort = None;
                self.resume(record);
                self.interrupt_teardown();
                self.hosts.values_mut().for_each(HostState::doubt_again);
            }
            RunEvent::AbortRequested { by, reason } => {
                let reason = reason.as_ref().map(|reason| format!(": {reason}"));
                let why = format!("aborted by {by}{}", reason.unwrap_or_default());
                self.abort = Some(Abort { why, at: record.seq });
                if let Some(rollback) = &mut self.rollback {
                    rollback.resumed = true;
                }
                self.resume(record);
                self.interrupt_teardown();
            }
            RunEvent::Paused { why } => {
                self.status = RunStatus::Paused;
                self.why = Some(why.clone());
            }
            RunEvent::Ended { status, why } => {
                self.status = *status;
                self.why.clone_from(why);
                // Nothing is done any more with the hosts that it leaves as they are.
                if self.abort.is_some() || *status == RunStatus::Aborted {
                    self.hosts.values_mut().for_each(HostState::abort);
                }
            }
        }
    }

    /// Another process continues the run: a stop no longer counts, and stuck hosts are rolled back
    /// further, unless other hosts are to be rolled back.
    fn resume(&mut self, record: &Record) {
        self.resumed_at = record.seq;
        self.ordered = None;
        self.stop_requested = false;
        self.why = None;
        self.status = if self.started { RunStatus::Running } else { RunStatus::Planned };
        let mut is_retried = false;
        for (name, host) in &mut self.hosts {
            host.blocked = None;
            host.is_locked = false;
            if std::mem::take(&mut host.is_quarantined) {
                host.why = None;
            }
            if !self.started {
                host.preflight = None;
            }
            let is_setup = host.stage == Some(Stage::Setup);
            let is_left = self.rollback.as_ref().is_some_and(|rollback| rollback.leaves(name))
                || self.abort.is_some() && !is_setup;
            if host.status == HostStatus::Stuck && !is_left {
                host.retry_rollback(record.at, &self.planned);
                is_retried |= !is_setup;
            }
        }
        // How the run ends is open again.
        if is_retried {
            self.interrupt_teardown();
        }
    }

    /// Another end of the run is wanted: what the setup has left is torn down when that has come.
    fn interrupt_teardown(&mut self) {
        for host in self.hosts.values_mut() {
            host.interrupt_teardown(&self.planned);
        }
    }

    /// A step with a point of no return has succeeded: from now on nothing of its host is undone, or nothing of
    /// the run.
    fn pass_no_return(&mut self, task: &TaskId, why: &str, all_hosts: bool) {
        let hosts = self.hosts.iter_mut();
        for (_, host) in hosts.filter(|(name, _)| all_hosts || **name == task.host) {
            host.no_return.get_or_insert_with(|| (task.clone(), why.to_owned()));
        }
    }

    fn host_mut(&mut self, name: &HostName) -> Result<&mut HostState, String> {
        self.hosts.get_mut(name).ok_or_else(|| format!("{name} is not a host of this run"))
    }
}
