//! The state of a host in a run.

use std::cell::Cell;

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;

use crate::event::{HostStatus, PreflightVerdict, Reason, TaskStatus};
use crate::history::TaskState;
use crate::task::StepPath;

/// What is known of a host.
#[derive(Clone, Debug)]
pub struct HostState {
    /// How it is.
    pub status: HostStatus,
    /// The number of the event that started it; 0 before.
    pub begun_at: u64,
    /// When its turn came.
    pub begun: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What the preflight before the first change found.
    pub preflight: Option<PreflightVerdict>,
    /// What the preflight at its turn found.
    pub turn: Option<PreflightVerdict>,
    /// Its tasks, in the order in which they were begun.
    pub tasks: IndexMap<StepPath, TaskState>,
    /// The tasks of which something may still be running ([`TaskState::is_in_doubt`]).
    pub in_doubt: IndexSet<StepPath>,
    /// The tasks that have ended with a result, in that order.
    pub results: Vec<StepPath>,
    /// The tasks that have ever asked a person, in the order in which they did.
    pub asked: IndexSet<StepPath>,
    /// How many of the first tasks are still to be undone, once it has turned round.
    pub not_undone: usize,
    /// How many tasks there were when its rollback first started: those after them are rollbacks.
    pub forward: Option<usize>,
    /// How far walks through its steps have come.
    pub passed: Passed,
    /// The step from which on nothing is undone any more, and why, once that is so.
    pub no_return: Option<(StepPath, String)>,
    /// What keeps the run from it until a resume, if anything does.
    pub blocked: Option<String>,
    /// Whether that is a host key that it must not have.
    pub is_quarantined: bool,
    /// The tasks that have started and not ended, the innermost last.
    pub open: Vec<StepPath>,
    /// The step that failed on the way forward.
    pub failed: Option<StepPath>,
    /// The step that failed in the rollback.
    pub undo_failed: Option<StepPath>,
    /// Why it is as it is.
    pub why: Option<Reason>,
}

/// How many steps of a list, counted from the first, are known to be done: the next walk need not
/// look at them again. It decides nothing: a walk from the first step comes to the same place.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// The steps of the host or the block.
    pub steps: Cell<usize>,
    /// The steps of the block's rescue.
    pub rescue: Cell<usize>,
    /// On the way back: how many of the first tasks are left to be looked at.
    pub left: Cell<Option<usize>>,
}

impl Default for HostState {
    fn default() -> Self {
        Self {
            status: HostStatus::NotStarted,
            begun_at: 0,
            begun: None,
            ended: None,
            preflight: None,
            turn: None,
            tasks: IndexMap::new(),
            in_doubt: IndexSet::new(),
            results: Vec::new(),
            asked: IndexSet::new(),
            not_undone: usize::MAX,
            forward: None,
            passed: Passed::default(),
            no_return: None,
            blocked: None,
            is_quarantined: false,
            open: Vec::new(),
            failed: None,
            undo_failed: None,
            why: None,
        }
    }
}

impl HostState {
    /// Opens the parts of a block again for its next round.
    pub(super) fn begin_anew(&mut self, parts: &[StepPath]) {
        for path in parts {
            if let Some(part) = self.tasks.get_mut(path) {
                part.begin_anew();
            }
        }
        for blamed in [&mut self.failed, &mut self.undo_failed] {
            blamed.take_if(|step| parts.contains(step));
        }
    }

    /// Returns the status that people see: a host is refused, unreachable or quarantined as soon as
    /// that is known.
    pub fn shown_status(&self) -> HostStatus {
        if !matches!(
            self.status,
            HostStatus::NotStarted | HostStatus::Active | HostStatus::RollingBack
        ) {
            return self.status;
        }
        if self.is_quarantined {
            return HostStatus::Quarantined;
        }
        let refusal = self.verdict().and_then(PreflightVerdict::refusal);
        refusal.map_or(self.status, |(status, _)| status)
    }

    /// Whether it was started and is going forward, or has ended so.
    pub fn is_forward(&self) -> bool {
        matches!(self.status, HostStatus::Active | HostStatus::Succeeded | HostStatus::Failed)
    }

    /// Whether a rollback has something to do on it.
    pub fn can_be_rolled_back(&self) -> bool {
        matches!(self.status, HostStatus::RollingBack | HostStatus::Stuck)
            || self.is_forward() && self.no_return.is_none()
    }

    /// Returns what its last preflight found.
    pub fn verdict(&self) -> Option<&PreflightVerdict> {
        self.turn.as_ref().or(self.preflight.as_ref())
    }

    /// Returns the state of a task.
    pub fn task(&self, path: &StepPath) -> Option<&TaskState> {
        self.tasks.get(path)
    }

    /// Notes that a task has started.
    pub(super) fn open(&mut self, step: &StepPath) {
        self.open.retain(|open| open != step);
        self.open.push(step.clone());
    }

    /// Notes that a task has ended.
    pub(super) fn ended(&mut self, step: &StepPath, status: TaskStatus) {
        if self.task(step).is_some_and(|task| task.result.is_some()) {
            self.results.push(step.clone());
        }
        self.open.retain(|open| open != step);
        if status.is_well() {
            self.undone(step);
        }
    }

    /// Notes that a handler ended well: its step is undone, and so is all that was begun after it.
    fn undone(&mut self, handler: &StepPath) {
        let step = handler.0.strip_suffix(".rollback");
        let position = step.and_then(|step| self.tasks.get_index_of(&StepPath(step.to_owned())));
        if let Some(position) = position {
            self.not_undone = self.not_undone.min(position);
        }
    }
}
