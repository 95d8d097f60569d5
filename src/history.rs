//! The state of a run: the one fold over its events.
//!
//! [`RunState::apply`] serves the live run, a resume, a replay and every report. It refuses an event
//! that does not fit what came before: the journal is damaged, or planrun is wrong, and in both cases
//! nothing may be sent because of it. A report must show such a run anyway: [`RunState::for_report`]
//! leaves out the events that do not fit.

mod host;
mod items;
mod planned;
mod task;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::event::{Event, HostStatus, Question, Reason, Record, RunStatus, TaskStatus};
use crate::inventory::HostName;
use crate::task::TaskId;

pub use host::{HostState, Passed};
pub use planned::{Planned, between};
pub use task::{AttemptState, Last, TaskState};

/// All that is known of a run.
#[derive(Clone, Debug)]
pub struct RunState {
    /// How it is.
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
    /// Its hosts, in its order.
    pub hosts: IndexMap<HostName, HostState>,
    /// The host keys that hosts have shown, of the run or not.
    pub host_keys: IndexMap<HostName, String>,
    /// The number of its last event; 0 before the first.
    pub seq: u64,
    /// The number of the event by which a process took it up last.
    pub resumed_at: u64,
    /// Whether every preflight held and changes may be made.
    pub started: bool,
    /// Whether a person or a signal wants it to pause.
    pub stop_requested: bool,
    /// The rollback that the operator asked for.
    pub rollback: Option<Requested>,
}

/// A rollback that the operator asked for.
#[derive(Clone, Debug, Default)]
pub struct Requested {
    /// The hosts to roll back; `None` for all hosts.
    pub only: Option<BTreeSet<HostName>>,
    /// Whether another process resumed the run since: then the other hosts continue.
    pub resumed: bool,
}

impl Requested {
    /// Whether a host is to be rolled back.
    pub fn includes(&self, host: &HostName) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(host))
    }

    /// Whether a host is to be left as it is for now.
    pub fn leaves(&self, host: &HostName) -> bool {
        !self.resumed && !self.includes(host)
    }
}

impl Default for RunState {
    fn default() -> Self {
        Self {
            status: RunStatus::Planned,
            why: None,
            planned: Arc::default(),
            begun: None,
            last: None,
            took: Duration::ZERO,
            hosts: IndexMap::new(),
            host_keys: IndexMap::new(),
            seq: 0,
            resumed_at: 0,
            started: false,
            stop_requested: false,
            rollback: None,
        }
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

    /// Returns the state of a task.
    pub fn task(&self, id: &TaskId) -> Option<&TaskState> {
        self.hosts.get(&id.host)?.task(&id.step)
    }

    /// Returns the questions that nobody has answered; none where an answer leads to nothing, the
    /// run having ended.
    pub fn open_questions(&self) -> Vec<(TaskId, Question)> {
        let mut open = Vec::new();
        if self.status.has_ended() {
            return open;
        }
        for (host, state) in &self.hosts {
            for step in &state.asked {
                let task = state.task(step);
                if let Some(question) = task.and_then(|task| task.question.clone()) {
                    open.push((TaskId { host: host.clone(), step: step.clone() }, question));
                }
            }
        }
        open
    }

    /// Returns what is asked about a task, if that was not answered.
    pub fn question(&self, id: &TaskId) -> Option<Question> {
        self.task(id)?.question.clone().filter(|_| !self.status.has_ended())
    }

    /// Takes an event in.
    pub fn apply(&mut self, record: &Record) -> Result<(), String> {
        let event = &record.event;
        self.begun.get_or_insert(record.at);
        // Another process may have a clock that was set back.
        self.took += between(self.last, Some(record.at));
        self.last = Some(record.at);
        if self.hosts.is_empty() && !matches!(event, Event::RunPlanned(_)) {
            return Err("a run begins with its plan".into());
        }
        match event {
            Event::RunPlanned(planned) => {
                if !self.hosts.is_empty() {
                    return Err("a run is planned once".into());
                }
                self.hosts =
                    planned.hosts.iter().map(|host| (host.clone(), HostState::default())).collect();
                self.planned = Arc::new(Planned::of(planned));
            }
            Event::RunStarted => {
                self.started = true;
                self.status = RunStatus::Running;
                self.why = None;
            }
            Event::RunResumed { .. } => {
                if let Some(rollback) = &mut self.rollback {
                    rollback.resumed = true;
                }
                self.resume(record.seq);
            }
            Event::StopRequested { .. } => self.stop_requested = true,
            Event::RollbackRequested { hosts, .. } => {
                let only = hosts.as_ref().map(|hosts| hosts.iter().cloned().collect());
                self.rollback = Some(Requested { only, resumed: false });
                self.resume(record.seq);
            }
            Event::HostKeySeen { host, key } => {
                // The first one counts.
                self.host_keys.entry(host.clone()).or_insert_with(|| key.clone());
            }
            Event::RunPaused { why } => {
                self.status = RunStatus::Paused;
                self.why = Some(why.clone());
            }
            Event::RunEnded { status, why } => {
                self.status = *status;
                self.why.clone_from(why);
            }
            Event::PreflightEnded { host, .. }
            | Event::HostBegun { host }
            | Event::HostBlocked { host, .. }
            | Event::HostEnded { host, .. }
            | Event::RollbackBegun { host, .. } => self.apply_host(host, record)?,
            Event::TaskBegun { task, .. }
            | Event::RoundBegun { task, .. }
            | Event::AttemptIntended { task, .. }
            | Event::AttemptEnded { task, .. }
            | Event::WaitTicked { task, .. }
            | Event::TimeSpent { task, .. }
            | Event::RequirementsHeld { task }
            | Event::TaskEnded { task, .. }
            | Event::PointOfNoReturn { task, .. }
            | Event::QuestionAsked { task, .. }
            | Event::QuestionAnswered { task, .. } => self.apply_task(task, record)?,
        }
        self.seq = self.seq.max(record.seq);
        Ok(())
    }

    /// Another process goes on: a stop is forgotten, and what was stuck is tried again, unless
    /// other hosts are to be rolled back.
    fn resume(&mut self, seq: u64) {
        self.resumed_at = seq;
        self.stop_requested = false;
        self.why = None;
        self.status = if self.started { RunStatus::Running } else { RunStatus::Planned };
        let rollback = self.rollback.as_ref();
        for (name, host) in &mut self.hosts {
            host.blocked = None;
            if std::mem::take(&mut host.is_quarantined) {
                host.why = None;
            }
            if !self.started {
                host.preflight = None;
            }
            let is_left = rollback.is_some_and(|rollback| rollback.leaves(name));
            if host.status == HostStatus::Stuck && !is_left {
                host.status = HostStatus::RollingBack;
                // The handlers that failed are begun anew; those that ended well stay as they are.
                for (path, task) in &mut host.tasks {
                    let is_well = task.status.is_none_or(TaskStatus::is_well);
                    if self.planned.is_handler(path) && !is_well {
                        let reached = task.reached;
                        task.begin_anew();
                        // The items of a list that ended well stay so, too.
                        task.reached = reached;
                    }
                }
            }
        }
    }

    fn host_mut(&mut self, name: &HostName) -> Result<&mut HostState, String> {
        self.hosts.get_mut(name).ok_or_else(|| format!("{name} is not a host of this run"))
    }

    fn apply_host(&mut self, name: &HostName, record: &Record) -> Result<(), String> {
        let host = self.host_mut(name)?;
        match &record.event {
            Event::PreflightEnded { verdict, .. } => {
                if let Some((_, why)) = verdict.refusal() {
                    host.why = Some(why);
                }
                match host.status {
                    HostStatus::NotStarted => host.preflight = Some(verdict.clone()),
                    _ => host.turn = Some(verdict.clone()),
                }
            }
            Event::HostBegun { .. } => {
                if host.status != HostStatus::NotStarted {
                    return Err(format!("{name} is begun twice"));
                }
                host.status = HostStatus::Active;
                host.begun_at = record.seq;
                host.begun = Some(record.at);
            }
            Event::HostBlocked { why, quarantined, .. } => {
                host.blocked = Some(why.clone());
                if *quarantined {
                    host.is_quarantined = true;
                    host.why = Some(Reason::of(why.as_str()));
                }
            }
            Event::RollbackBegun { why, .. } => {
                if let Some((_, sentence)) = &host.no_return {
                    return Err(format!("{name} is past its point of no return: {sentence}"));
                }
                host.status = HostStatus::RollingBack;
                host.not_undone = host.tasks.len();
                host.forward.get_or_insert(host.tasks.len());
                host.why = Some(why.clone());
                host.open.clear();
                // What was asked about going forward matters no more.
                for task in host.tasks.values_mut() {
                    task.question = None;
                }
            }
            Event::HostEnded { status, why, .. } => {
                if !matches!(host.status, HostStatus::Active | HostStatus::RollingBack) {
                    return Err(format!("{name} ends and was not being worked on"));
                }
                host.status = *status;
                host.ended = Some(record.at);
                host.open.clear();
                // The start of a rollback gave the reason; its end may not give it again.
                if why.is_some() || *status == HostStatus::Succeeded {
                    host.why.clone_from(why);
                }
            }
            _ => unreachable!("told apart by the caller"),
        }
        Ok(())
    }

    fn apply_task(&mut self, id: &TaskId, record: &Record) -> Result<(), String> {
        let planned = Arc::clone(&self.planned);
        let host = self.host_mut(&id.host)?;
        let event = &record.event;
        if let Event::PointOfNoReturn { why, .. } = event {
            host.no_return = Some((id.step.clone(), why.clone()));
            return Ok(());
        }
        host.reach_item(&id.step);
        if let Event::QuestionAsked { .. } = event {
            host.asked.insert(id.step.clone());
        }
        let results = match event {
            Event::TaskEnded { .. } => host.results_of_items(&id.step),
            _ => None,
        };
        let task = host.tasks.entry(id.step.clone()).or_default();
        // Of a task that has ended something may still be running: that is found out, or the
        // operator is asked about it, before the host is rolled back.
        let is_about_running = matches!(
            event,
            Event::AttemptEnded { .. }
                | Event::QuestionAsked { .. }
                | Event::QuestionAnswered { .. }
        );
        if task.status.is_some() && !(is_about_running && task.is_in_doubt()) {
            return Err(format!("{id} has ended already"));
        }
        match event {
            Event::TaskBegun { .. } if task.begun_at > 0 => {
                return Err(format!("{id} is begun twice"));
            }
            Event::TaskBegun { items, timeout, .. } => {
                task.begin(record, items.as_ref(), *timeout);
                host.open(&id.step);
            }
            Event::RoundBegun { round, delay, again, .. } => {
                task.begin_round(*round, *delay);
                host.begin_anew(again);
            }
            Event::AttemptIntended { .. } | Event::AttemptEnded { .. } => {
                task.apply_attempt(record).map_err(|why| format!("{id}: {why}"))?;
            }
            Event::WaitTicked { waited, .. } => task.waited = *waited,
            Event::TimeSpent { spent, .. } => (task.spent, task.spent_at) = (*spent, record.seq),
            Event::RequirementsHeld { .. } => task.required_at = record.seq,
            Event::TaskEnded { status, why, result, .. } => {
                let result = results.or_else(|| result.clone());
                task.end(record.at, *status, why.clone(), result);
                host.ended(&id.step, *status);
                planned.blame(host, &id.step, *status);
            }
            Event::QuestionAsked { question, .. } => {
                task.question = Some(question.clone());
                task.asked_at = record.seq;
                task.answer = None;
            }
            Event::QuestionAnswered { answer, reason, .. } => {
                if !task.answer(*answer, reason.clone()) {
                    return Err(format!("{id}: `{}` answers no question", answer.word()));
                }
                task.answered_at = record.seq;
            }
            _ => unreachable!("told apart by the caller"),
        }
        if host.task(&id.step).is_some_and(TaskState::is_in_doubt) {
            host.in_doubt.insert(id.step.clone());
        } else {
            host.in_doubt.shift_remove(&id.step);
        }
        Ok(())
    }
}
