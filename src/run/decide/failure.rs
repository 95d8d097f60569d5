//! What a failure leads to: a question, or not.
//!
//! A step says it with `on_failure`; where it does not, the blocks around it do, the innermost
//! first. A block speaks of the failures that are left over: not of one that its `retry` or its
//! rescue takes up. Where nobody says, a person is asked past a point of no return.
//!
//! Inside of an `uninterruptible` block nobody is asked; about what failed there a person is asked
//! at the end of the block. So it is with a failure that `retry` would take up, had the block time
//! for another round.

use crate::event::{Answer, Question, Reason};
use crate::history::HostState;
use crate::plan::{Action, OnFailure, Role};
use crate::resolve::ResolvedPlan;
use crate::run::decide::rounds::{another_round, is_without_time};
use crate::run::step_ref::StepRef;

/// Whether a person is asked about the failure of a step.
pub fn asks_on_failure(plan: &ResolvedPlan, host: &HostState, at: StepRef<'_>) -> bool {
    let asks = |step: Option<&OnFailure>| step.map(|said| matches!(said, OnFailure::Hold));
    if let Some(asks) = asks(at.step.on_failure.as_ref()) {
        return asks;
    }
    for (outer, role) in at.around(&plan.plan).into_iter().rev() {
        match (role, &outer.step.action) {
            (Role::Handler, _) => return false,
            (Role::Part(_), Action::Block { rescue, .. })
                if !rescue.is_empty() || another_round(outer, host) =>
            {
                return false;
            }
            (Role::Part(_) | Role::Rescue(_), _) => {}
        }
        if let Some(asks) = asks(outer.step.on_failure.as_ref()) {
            return asks;
        }
    }
    host.no_return.is_some()
}

/// Returns what a person is asked where a block fails of which no part could ask.
pub(super) fn question_behind(
    plan: &ResolvedPlan,
    host: &HostState,
    block: StepRef<'_>,
    why: &Reason,
) -> Option<Question> {
    let (_, rescue) = block.parts()?;
    let is_cut_short = rescue.is_empty() && is_without_time(block, host);
    if block.step.uninterruptible.is_none() && !is_cut_short {
        return None;
    }
    let mut around = block.around(&plan.plan).into_iter();
    let is_inside = around.any(|(outer, _)| outer.step.uninterruptible.is_some());
    if is_inside || !asks_on_failure(plan, host, block) {
        return None;
    }
    Some(Question {
        text: format!("{}: {}. What now?", block.step.title, why.text),
        why: why.clone(),
        answers: vec![Answer::Skip, Answer::Fail],
    })
}
