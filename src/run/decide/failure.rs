//! Whether a failure leads to a question.
//!
//! The step decides with `on_failure`, else the blocks around it do, the innermost first. The
//! `on_failure` of a block applies to failures that its `retry` or its rescue does not handle. If
//! no one decides, the operator is asked past a point of no return.
//!
//! Inside an `uninterruptible` block no question is asked; the operator is asked at the end of the
//! block. The same applies to a failure that `retry` would handle if the block had time for another
//! attempt.

use crate::event::{Answer, Question, Reason};
use crate::history::HostState;
use crate::plan::{Action, OnFailure, Role};
use crate::resolve::ResolvedPlan;
use crate::run::decide::rounds::{lacks_time_to_retry, may_retry};
use crate::run::step_ref::StepRef;

/// Whether the operator is asked about the failure of a step.
pub fn asks_on_failure(plan: &ResolvedPlan, host: &HostState, at: StepRef<'_>) -> bool {
    let asks = |step: Option<&OnFailure>| step.map(|said| matches!(said, OnFailure::Hold));
    if let Some(asks) = asks(at.step.on_failure.as_ref()) {
        return asks;
    }
    for (outer, role) in at.around(&plan.plan).into_iter().rev() {
        match (role, &outer.step.action) {
            (Role::Handler, _) => return false,
            (Role::Part(_), Action::Block { rescue, .. })
                if !rescue.is_empty() || may_retry(outer, host) =>
            {
                return false;
            }
            (Role::Part(_) | Role::Stage(..) | Role::Rescue(_), _) => {}
        }
        if let Some(asks) = asks(outer.step.on_failure.as_ref()) {
            return asks;
        }
    }
    host.no_return.is_some()
}

/// Returns the question about a block that failed and whose parts could not ask.
pub(super) fn question_behind(
    plan: &ResolvedPlan,
    host: &HostState,
    block: StepRef<'_>,
    why: &Reason,
) -> Option<Question> {
    let (_, rescue) = block.parts()?;
    let is_cut_short = rescue.is_empty() && lacks_time_to_retry(block, host);
    if block.step.uninterruptible.is_none() && !is_cut_short {
        return None;
    }
    let mut around = block.around(&plan.plan).into_iter();
    let is_inside = around.any(|(outer, _)| outer.step.uninterruptible.is_some());
    if is_inside || !asks_on_failure(plan, host, block) {
        return None;
    }
    let text = format!("{}: {}. What now?", block.step.title, why.text);
    Some(Question::new(text, why.clone(), vec![Answer::Skip, Answer::Fail]))
}
