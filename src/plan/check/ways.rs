//! Ways back: every change has one, or says why not.

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::Action;
use crate::plan::Plan;
use crate::plan::Rollback;
use crate::plan::Step;
use crate::source::Span;

/// Tells of effects that nothing undoes.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let mut maybe = None;
    walk(&plan.steps, false, true, &mut maybe, found);
}

/// Goes through steps in their order; returns whether a point of no return is passed for certain.
///
/// `covered` says that a block around them has a way back. A step that may be left out is no
/// certain point: neither is one in a block that may be. The last of these is kept for a remark.
fn walk(
    steps: &[Step],
    covered: bool,
    certain: bool,
    maybe: &mut Option<Span>,
    found: &mut Diagnostics,
) -> bool {
    let mut passed = false;
    for step in steps {
        let certain = certain && step.when.is_none();
        let unsaid = matches!(step.rollback, Rollback::Unsaid);
        match &step.action {
            Action::Block { steps, .. } => {
                passed |= walk(steps, covered || !unsaid, certain, maybe, found);
            }
            Action::Effect(effect)
                if !effect.read_only && unsaid && !covered && step.point_of_no_return.is_none() =>
            {
                tell(step, *maybe, found);
            }
            _ => {}
        }
        if step.point_of_no_return.is_some() {
            passed |= certain;
            *maybe = Some(step.span);
        }
        if passed {
            return true;
        }
    }
    passed
}

fn tell(step: &Step, maybe: Option<Span>, found: &mut Diagnostics) {
    let fault = Diagnostic::error(Code::NoWayBack, format!("nothing undoes `{}`", step.title));
    let fault = match maybe {
        Some(point) => fault
            .at(step.span, "no way back here")
            .also(point, "this point of no return may be left out"),
        None => fault.at(step.span, "no way back here, and no point of no return before it"),
    };
    found.push(
        fault
            .help("add what undoes it: `rollback: {run: ..., done_when: ...}`")
            .help("or why there is nothing to undo: `rollback: {none: why}`")
            .help("or why nothing is undone from here on: `point_of_no_return: why`"),
    );
}
