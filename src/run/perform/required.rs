//! The `requires` of the blocks around a step, after a resume.
//!
//! The `requires` of a block is checked when the block starts. Until a resume the world may have
//! changed, so the first attempt in it afterwards checks again, once per resume, and records that
//! it passed. If it does not pass, the block fails and the step is not sent.
//!
//! Exception: an `uninterruptible` block of which something may have run is continued, because
//! stopping halfway is worse.

use crate::event::{JournalError, TaskEvent, TaskStatus};
use crate::run::decide;
use crate::run::perform::{Conclusion, Task, TaskEnd};
use crate::run::step_ref::StepRef;

impl<'r> Task<'_, 'r, '_> {
    /// Checks the `requires` of the blocks around; if one no longer passes, the block has failed,
    /// or the operator is asked about it.
    pub(super) async fn blocks_lack(&self) -> Result<Option<Conclusion>, JournalError> {
        let blocks = self.blocks_to_look_at();
        for at in blocks {
            let block = Task::at(self.live, self.host, at, self.guard);
            let seen = block.observer().checks(&at.step.requires).await;
            if self.is_blocked() {
                return Ok(Some(Conclusion::Stopped));
            }
            if seen.holds() {
                block.note(TaskEvent::RequirementsPassed).await?;
                continue;
            }
            let text = "a check in `requires` no longer passes; nothing more was sent";
            let conclusion = block.failed(TaskStatus::Failed, seen.reason(text));
            let is_asked = matches!(conclusion, Conclusion::Asked(_));
            // The block first: after a crash between the two no rescue of it is entered.
            block.conclude(conclusion).await?;
            if is_asked {
                return Ok(Some(Conclusion::Stopped));
            }
            let text = format!(
                "a check in `requires` of `{}` no longer passes; nothing was sent",
                block.title()
            );
            return Ok(Some(TaskEnd::with(TaskStatus::Failed, seen.reason(text))));
        }
        Ok(None)
    }

    /// Returns the blocks around, the outermost first, whose `requires` was not checked since the
    /// resume.
    fn blocks_to_look_at(&self) -> Vec<StepRef<'r>> {
        let plan = &self.live.run.plan.plan;
        let state = self.live.state.borrow();
        let Some(host) = state.hosts.get(self.host) else { return Vec::new() };
        let around = self.at.blocks_around(plan);
        let is_under_way = |block: &StepRef<'_>| {
            block.step.uninterruptible.is_some() && decide::may_have_run(*block, host)
        };
        if around.iter().any(is_under_way) {
            return Vec::new();
        }
        let is_open = |block: &StepRef<'_>| {
            let required_at = host.task(&block.path()).map(|task| task.required_at);
            !block.step.requires.is_empty() && required_at.is_some_and(|at| at < state.resumed_at)
        };
        around.into_iter().filter(is_open).collect()
    }
}
