//! The state of a host in a run.

use std::cell::Cell;

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;

use crate::event::{
    HostEvent, HostStatus, PreflightVerdict, Reason, Record, RunStatus, TaskEvent, TaskStatus,
};
use crate::history::{AttemptState, Planned, TaskState};
use crate::inventory::HostName;
use crate::task::{Stage, StepPath, TaskId};

/// What is known of a host.
#[derive(Clone, Debug, Default)]
pub struct HostState {
    pub status: HostStatus,
    /// The stage of the run, if it is not a host.
    pub stage: Option<Stage>,
    /// The end of the run for which its teardowns have started, and its status before.
    pub teardown: Option<(RunStatus, HostStatus)>,
    /// Its status when the operator ended the run, if planrun was working on it.
    pub before_abort: Option<HostStatus>,
    /// The number of the event that started it; 0 before.
    pub begun_at: u64,
    pub begun: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// When its rollback started, or was continued after it was stuck.
    pub undoing: Option<Timestamp>,
    /// What the preflight before the first change found.
    pub preflight: Option<PreflightVerdict>,
    /// The result of the preflight when the host started.
    pub last_preflight: Option<PreflightVerdict>,
    /// Its tasks, in the order in which they started.
    pub tasks: IndexMap<StepPath, TaskState>,
    /// The tasks of which something may still be running ([`TaskState::is_in_doubt`]).
    pub in_doubt: IndexSet<StepPath>,
    /// The tasks that have ended with a result, in that order.
    pub results: Vec<StepPath>,
    /// The tasks that have ever asked the operator, in the order in which they did.
    pub asked: IndexSet<StepPath>,
    /// How many of the first tasks are still to be undone, once it is rolled back.
    pub not_undone: Option<usize>,
    /// How many tasks there were when its rollback first started: those after them are rollbacks.
    pub forward: Option<usize>,
    /// How far earlier walks through its steps came.
    pub passed: Passed,
    /// The step from which on nothing is undone any more, and why, once that is so.
    pub no_return: Option<(TaskId, String)>,
    /// Why the run cannot work on it until a resume.
    pub blocked: Option<String>,
    /// Whether that is a host key that it must not have.
    pub is_quarantined: bool,
    /// Whether that is another run, which has locked it.
    pub is_locked: bool,
    /// The tasks that have started and not ended, the innermost last.
    pub open: Vec<StepPath>,
    /// The step that failed on the way forward.
    pub failed: Option<StepPath>,
    /// The step that failed in the rollback.
    pub undo_failed: Option<StepPath>,
    /// Why it is as it is.
    pub why: Option<Reason>,
}

/// How many steps of a list, counted from the first, are known to be done: the next walk skips
/// them. It decides nothing: a walk from the first step has the same result.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// The steps of the host or the block.
    pub steps: Cell<usize>,
    /// The steps of the block's rescue.
    pub rescue: Cell<usize>,
    /// In a rollback: how many of the first tasks may still have something to undo.
    pub left: Cell<Option<usize>>,
}

impl HostState {
    pub(super) fn apply(
        &mut self,
        name: &HostName,
        event: &HostEvent,
        record: &Record,
        planned: &Planned,
    ) -> Result<(), String> {
        match event {
            // Kept for the run: it may be about a host that is not of the run.
            HostEvent::KeySeen { .. } | HostEvent::Locked { .. } | HostEvent::LockLeft { .. } => {}
            HostEvent::PreflightEnded { verdict } => {
                self.why = verdict.why(name).or(self.why.take());
                match self.status {
                    HostStatus::NotStarted => self.preflight = Some(verdict.clone()),
                    _ => self.last_preflight = Some(verdict.clone()),
                }
            }
            HostEvent::Started => {
                if self.status != HostStatus::NotStarted {
                    return Err("has started already".into());
                }
                self.status = HostStatus::Active;
                self.begun_at = record.seq;
                self.begun = Some(record.at);
            }
            HostEvent::Blocked { why, quarantined, locked } => {
                self.blocked = Some(why.clone());
                self.is_locked = *locked;
                if *quarantined {
                    self.is_quarantined = true;
                    self.why = Some(Reason::of(why.as_str()));
                }
            }
            HostEvent::RollbackStarted { why } => {
                if let Some((_, sentence)) = &self.no_return {
                    return Err(format!("is past its point of no return: {sentence}"));
                }
                self.status = HostStatus::RollingBack;
                self.undoing = Some(record.at);
                self.start_undoing(planned);
                self.why = Some(why.clone());
            }
            HostEvent::TeardownStarted { run } => {
                let before = self.status;
                if !matches!(
                    before,
                    HostStatus::Active
                        | HostStatus::Succeeded
                        | HostStatus::Failed
                        | HostStatus::RollingBack
                        | HostStatus::Aborted
                ) {
                    return Err("has nothing to tear down".into());
                }
                self.status = HostStatus::TearingDown;
                self.teardown = Some((*run, before));
                self.start_undoing(planned);
            }
            HostEvent::Ended { status, why } => {
                if !self.is_at_work() {
                    return Err("has ended already, or never started".into());
                }
                if *status == HostStatus::Aborted {
                    self.before_abort = Some(self.without_teardown());
                }
                self.status = *status;
                if self.teardown.is_none() || self.ended.is_none() {
                    self.ended = Some(record.at);
                }
                self.open.clear();
                // The start of a rollback gave the reason; its end may not give it again.
                if why.is_some() || *status == HostStatus::Succeeded {
                    self.why.clone_from(why);
                }
            }
        }
        Ok(())
    }

    pub(super) fn apply_to_task(
        &mut self,
        step: &StepPath,
        event: &TaskEvent,
        record: &Record,
        planned: &Planned,
    ) -> Result<(), String> {
        self.reach_item(step);
        let task = self.tasks.entry(step.clone()).or_default();
        // Something of a task that has ended may still be running: planrun finds out, or asks the
        // operator, before the host is rolled back.
        let is_about_running = matches!(
            event,
            TaskEvent::AttemptEnded { .. }
                | TaskEvent::QuestionAsked { .. }
                | TaskEvent::QuestionAnswered { .. }
                | TaskEvent::QuestionExpired
        );
        if task.status.is_some() && !(is_about_running && task.is_in_doubt()) {
            return Err("has ended already".into());
        }
        match event {
            TaskEvent::Started { items, timeout } => {
                task.start(record, items.as_ref(), *timeout)?;
                self.open.retain(|open| open != step);
                self.open.push(step.clone());
            }
            TaskEvent::BlockRetried { round, delay, again, .. } => {
                task.start_round(*round, *delay);
                self.start_again(again);
            }
            TaskEvent::AttemptIntended { attempt, on, command, timeout, .. } => {
                task.intend(AttemptState {
                    id: attempt.clone(),
                    on: on.clone(),
                    command: command.clone(),
                    timeout: *timeout,
                    intended: record.at,
                    at: (record.seq, 0),
                    outcome: None,
                    is_refuted: false,
                    is_released: false,
                })?;
            }
            TaskEvent::AttemptEnded { attempt, outcome } => {
                task.end_attempt(attempt, outcome, record.seq)?;
            }
            TaskEvent::WaitTicked { waited } => task.waited = *waited,
            TaskEvent::TimeSpent { spent } => (task.spent, task.spent_at) = (*spent, record.seq),
            TaskEvent::RequirementsPassed => task.required_at = record.seq,
            TaskEvent::Ended { status, why, result } => {
                let own = || Some(result.as_ref()?.to_string().into());
                let result = self.results_of_items(step).or_else(own);
                self.end_task(step, record.at, *status, why.clone(), result, planned);
            }
            // Kept by the run: it may be one of all hosts.
            TaskEvent::PointOfNoReturn { .. } => {}
            TaskEvent::QuestionAsked { question } => {
                task.asked = Some(question.text.as_str().into());
                task.question = Some(Box::new(question.clone()));
                task.asked_at = record.seq;
                task.answer = None;
                task.is_expired = false;
                self.asked.insert(step.clone());
            }
            TaskEvent::QuestionAnswered { answer, reason, by } => {
                task.answer(*answer, reason.clone(), by)?;
                task.answered_at = record.seq;
            }
            TaskEvent::QuestionExpired => task.expire()?,
        }
        if self.task(step).is_some_and(TaskState::is_in_doubt) {
            self.in_doubt.insert(step.clone());
        } else {
            self.in_doubt.shift_remove(step);
        }
        Ok(())
    }

    fn start_again(&mut self, parts: &[StepPath]) {
        for path in parts {
            if let Some(part) = self.tasks.get_mut(path) {
                part.start_again();
            }
        }
        for blamed in [&mut self.failed, &mut self.undo_failed] {
            blamed.take_if(|step| parts.contains(step));
        }
    }

    /// Returns the status that people see: a host is refused, unreachable or quarantined as soon as
    /// that is known.
    pub fn shown_status(&self) -> HostStatus {
        if !self.is_at_work() && self.status != HostStatus::NotStarted {
            return self.status;
        }
        if self.is_quarantined {
            return HostStatus::Quarantined;
        }
        self.verdict().and_then(PreflightVerdict::refusal).unwrap_or(self.status)
    }

    /// Returns what its last preflight found.
    pub fn verdict(&self) -> Option<&PreflightVerdict> {
        self.last_preflight.as_ref().or(self.preflight.as_ref())
    }

    pub fn task(&self, path: &StepPath) -> Option<&TaskState> {
        self.tasks.get(path)
    }

    fn end_task(
        &mut self,
        step: &StepPath,
        at: Timestamp,
        status: TaskStatus,
        why: Option<Reason>,
        result: Option<Box<str>>,
        planned: &Planned,
    ) {
        let Some(task) = self.tasks.get_mut(step) else { return };
        task.end(at, status, why, result);
        if task.result.is_some() {
            self.results.push(step.clone());
        }
        self.open.retain(|open| open != step);
        let undone = planned.undone_by(step).filter(|_| status.is_well());
        if let Some(position) = undone.and_then(|step| self.tasks.get_index_of(&step)) {
            self.not_undone = Some(self.not_undone.unwrap_or(position).min(position));
        }
        planned.blame(self, step, status);
    }

    /// Notes the last item of a `for_each` that was started.
    fn reach_item(&mut self, path: &StepPath) {
        let Some(number) = path.item() else { return };
        if let Some(task) = self.tasks.get_mut(&path.in_plan()) {
            task.reached = task.reached.max(number);
        }
    }

    /// Returns the results of the items of a task, in their order; `None` if it has no items.
    fn results_of_items(&self, path: &StepPath) -> Option<Box<str>> {
        let items = self.tasks.get(path)?.items.as_ref()?;
        let result = |number| {
            let item = self.tasks.get(&path.at_item(path, number));
            item.and_then(|item| item.result.as_deref()).unwrap_or("null")
        };
        let results: Vec<&str> = (1..=items.len()).map(result).collect();
        Some(format!("[{}]", results.join(",")).into())
    }

    /// Whether its steps or its handlers are running.
    pub fn is_at_work(&self) -> bool {
        self.status == HostStatus::Active || self.is_undoing()
    }

    /// Whether its handlers are running.
    pub fn is_undoing(&self) -> bool {
        matches!(self.status, HostStatus::RollingBack | HostStatus::TearingDown)
    }

    /// Handlers run from now on, the one of the last step first. A teardown that a condition left out may not
    /// be left out at this end of the run.
    fn start_undoing(&mut self, planned: &Planned) {
        self.not_undone = Some(self.tasks.len());
        self.forward.get_or_insert(self.tasks.len());
        self.passed.left = Cell::new(None);
        self.open.clear();
        for (path, task) in &mut self.tasks {
            // Questions about steps that are undone need no answer.
            task.question = None;
            if self.stage.is_some()
                && planned.is_handler(path)
                && task.status == Some(TaskStatus::Skipped)
            {
                task.start_again();
            }
        }
    }

    /// The run ends in another way than the one for which its teardowns have started, or have failed.
    pub(super) fn interrupt_teardown(&mut self, planned: &Planned) {
        let status = self.without_teardown();
        if self.teardown.is_none() {
            return;
        }
        if self.status == HostStatus::Stuck {
            self.restart_failed(planned);
        }
        if self.status != status {
            self.open.clear();
        }
        self.return_to(status, planned);
        self.teardown = None;
    }

    /// The operator has ended the run: what planrun was doing with it ends there.
    pub(super) fn abort(&mut self) {
        if self.is_at_work() {
            self.before_abort = Some(self.without_teardown());
            self.teardown = None;
            self.status = HostStatus::Aborted;
        }
    }

    /// A run that the operator had ended is rolled back. After a point of no return a host stays as it is.
    pub(super) fn return_from_abort(&mut self, planned: &Planned) {
        let is_open = |before: &mut HostStatus| {
            self.no_return.is_none() || *before == HostStatus::RollingBack
        };
        if let Some(before) = self.before_abort.take_if(is_open) {
            self.return_to(before, planned);
        }
    }

    /// Takes up what it was doing before. A teardown has only undone a part of what a rollback undoes.
    fn return_to(&mut self, before: HostStatus, planned: &Planned) {
        if before == HostStatus::RollingBack && self.status != before {
            self.start_undoing(planned);
        }
        self.status = before;
    }

    /// Something else is to be done: what the operator has decided about commands that may be running was about
    /// something before.
    pub(super) fn doubt_again(&mut self) {
        for (path, task) in &mut self.tasks {
            let running = task.attempts.iter_mut().filter(|attempt| attempt.may_be_running());
            running.for_each(|attempt| attempt.is_released = false);
            if task.is_in_doubt() {
                self.in_doubt.insert(path.clone());
            }
        }
    }

    /// Continues the handlers of a stuck host.
    pub(super) fn retry_rollback(&mut self, at: Timestamp, planned: &Planned) {
        self.undoing = Some(at);
        let is_teardown = self.teardown.is_some();
        self.status = if is_teardown { HostStatus::TearingDown } else { HostStatus::RollingBack };
        self.restart_failed(planned);
    }

    /// Starts the handlers that failed again; those that succeeded are not changed.
    fn restart_failed(&mut self, planned: &Planned) {
        // Why it was stuck no longer matters.
        self.why = self.failed.as_ref().and_then(|step| self.tasks.get(step)?.why.clone());
        for (path, task) in &mut self.tasks {
            let is_well = task.status.is_none_or(TaskStatus::is_well);
            if planned.is_handler(path) && !is_well {
                let reached = task.reached;
                task.start_again();
                // The items of a list that succeeded are not changed either.
                task.reached = reached;
            }
        }
    }
}
