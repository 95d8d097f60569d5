//! The timeouts of the blocks around a step.
//!
//! A block with a `timeout` gets its time when it starts; a block inside it gets at most the rest
//! of the outer one. Each task in it may take at most the rest, and records at its end how much
//! time it took. Only time in which something was worked on counts, not that in which a run was
//! paused or a question was open. When the time is up nothing new starts in the block: commands
//! that were sent are finished, a wait ends, and the part has timed out. Then the rescue runs,
//! without a limit.
//!
//! An operator who answers `retry` or `wait` gives the blocks around the step their whole time
//! again.

use std::cell::Cell;
use std::time::Duration;

use crate::duration;
use crate::event::{Answer, JournalError, Reason, TaskEvent, TaskStatus};
use crate::inventory::HostName;
use crate::run::Live;
use crate::run::perform::Task;
use crate::run::step_ref::StepRef;
use crate::task::TaskId;

/// The limits of a task, as they were when it was resumed.
pub(super) struct Limits {
    begin: Cell<Duration>,
    /// The blocks that have one, the outermost first.
    blocks: Vec<Limit>,
}

/// A block that may take so long.
struct Limit {
    block: TaskId,
    title: String,
    timeout: Duration,
    spent: Cell<Duration>,
}

impl Limits {
    /// Reads the limits of a task from the state of its host.
    pub(super) fn at<'r>(live: &Live<'r, '_>, host: &HostName, at: StepRef<'r>) -> Self {
        let plan = &live.run.plan.plan;
        let state = live.state.borrow();
        let answered_at = state
            .task(&at.on(host))
            .filter(|task| matches!(task.answer, Some((Answer::Retry | Answer::Wait, _))))
            .map_or(0, |task| task.answered_at);
        let around = at.blocks_around(plan);
        let limit = |block: StepRef<'_>| {
            let id = block.on(host);
            let task = state.task(&id)?;
            let is_given_anew = answered_at > task.spent_at;
            Some(Limit {
                title: block.step.title.clone(),
                timeout: task.timeout?,
                spent: Cell::new(if is_given_anew { Duration::ZERO } else { task.spent }),
                block: id,
            })
        };
        Self {
            begin: Cell::new(live.run.clock.monotonic()),
            blocks: around.into_iter().chain([at]).filter_map(limit).collect(),
        }
    }
}

impl Task<'_, '_, '_> {
    fn passed(&self) -> Duration {
        let now = self.live.run.clock.monotonic();
        now.saturating_sub(self.limits.begin.get())
    }

    /// Takes out time in which the operator was asked.
    pub(super) fn not_counted(&self, time: Duration) {
        self.limits.begin.set(self.limits.begin.get().saturating_add(time));
    }

    /// Returns how much time is left for the task; `None` for no limit.
    pub(super) fn rest(&self) -> Option<Duration> {
        let blocks = self.limits.blocks.iter();
        let rest = blocks.map(|block| block.timeout.saturating_sub(block.spent.get()));
        let rest = rest.min()?;
        Some(rest.saturating_sub(self.passed()))
    }

    /// Returns a time, or the rest if that is less.
    pub(super) fn capped(&self, time: Duration) -> Duration {
        self.rest().map_or(time, |rest| rest.min(time))
    }

    /// Returns the block whose time is up, as a reason; `None` if there is none.
    pub(super) fn time_is_up(&self) -> Option<String> {
        let passed = self.passed();
        let mut blocks = self.limits.blocks.iter();
        let over = blocks.find(|block| block.spent.get() + passed >= block.timeout)?;
        let timeout = duration::show(over.timeout);
        Some(format!("`{}` exceeded its {timeout} timeout", over.title))
    }

    /// The reason of a task that did not start because the time was up.
    pub(super) fn not_begun(over: &str) -> Reason {
        Reason::of(format!("{over}; not started"))
    }

    /// Returns how a task ends that was not done: if the time is up, it has timed out, and the
    /// reason says so.
    pub(super) fn or_out_of_time(
        &self,
        status: TaskStatus,
        mut why: Reason,
    ) -> (TaskStatus, Reason) {
        let Some(over) = self.time_is_up() else { return (status, why) };
        why.text = format!("{}; {over}", why.text);
        (TaskStatus::TimedOut, why)
    }

    /// Records how much of their time the blocks around, and this one, have spent.
    pub(super) async fn note_spent(&self) -> Result<(), JournalError> {
        let passed = self.passed();
        for limit in &self.limits.blocks {
            let spent = limit.spent.get().saturating_add(passed);
            self.note_spent_of(&limit.block, spent).await?;
        }
        Ok(())
    }

    /// Gives up the rest of the time of this block: it is too short for another attempt.
    pub(super) fn give_up_rest(&self) {
        let own = self.limits.blocks.last();
        if let Some(own) = own.filter(|limit| limit.block == self.id) {
            own.spent.set(own.timeout);
        }
    }

    /// Records it in whole milliseconds, rounded up, unless it is known.
    async fn note_spent_of(&self, block: &TaskId, spent: Duration) -> Result<(), JournalError> {
        let whole = spent.as_nanos().div_ceil(1_000_000);
        let spent = Duration::from_millis(u64::try_from(whole).unwrap_or(u64::MAX));
        let is_known = {
            let state = self.live.state.borrow();
            state.task(block).is_none_or(|task| task.status.is_some() || task.spent == spent)
        };
        if is_known {
            return Ok(());
        }
        self.live.note(TaskEvent::TimeSpent { spent }.of(block)).await
    }
}
