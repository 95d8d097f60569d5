//! Ways back: every change has one, or says why not.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::Action;
use crate::plan::Plan;
use crate::plan::Rollback;
use crate::plan::Step;

/// Tells of effects that nothing undoes.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    walk(&plan.steps, false, true, found);
}

/// Goes through steps in their order; returns whether a point of no return is passed for certain.
///
/// `covered` says that a block around them has a way back. A step that may be left out is no
/// certain point: neither is one in a block that may be.
fn walk(steps: &[Step], covered: bool, certain: bool, found: &mut Diagnostics) -> bool {
    let mut passed = false;
    for step in steps {
        let certain = certain && step.when.is_none();
        let unsaid = matches!(step.rollback, Rollback::Unsaid);
        match &step.action {
            Action::Block { steps, .. } => {
                passed |= walk(steps, covered || !unsaid, certain, found);
            }
            Action::Effect(_) if unsaid && !covered && step.point_of_no_return.is_none() => {
                tell(step, found);
            }
            _ => {}
        }
        passed |= certain && step.point_of_no_return.is_some();
        if passed {
            return true;
        }
    }
    passed
}

fn tell(step: &Step, found: &mut Diagnostics) {
    let message = format!("nothing undoes `{}`", step.title);
    found.push(
        Diagnostic::error("no-way-back", message)
            .at(
                step.span,
                "no way back here, and no point of no return before it",
            )
            .help("add what undoes it: `rollback: {run: ..., done_when: ...}`")
            .help("or why there is nothing to undo: `rollback: {none: why}`")
            .help("or why nothing is undone from here on: `point_of_no_return: why`"),
    );
}
