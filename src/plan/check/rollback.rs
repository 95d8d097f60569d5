//! Rollback: every change has one, or a reason for having none.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{Action, Plan, Rollback, Step};
use crate::source::Span;

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let mut maybe = None;
    if walk(&plan.setup, false, true, &mut maybe, found) {
        return;
    }
    walk(&plan.steps, false, true, &mut maybe, found);
    // The point of a single host is not one of what follows all of them.
    let mut certain = plan.steps.iter().filter(|step| step.when.is_none());
    if !certain.any(Step::ends_all_returns) {
        walk(&plan.finish, false, true, &mut None, found);
    }
}

/// Goes through steps in their order; returns whether a point of no return is passed for certain.
///
/// `covered` says that an enclosing block has a rollback. A step that may be skipped, or is in a block
/// that may be skipped, is not certain. The last such point of no return is kept for a label.
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
        let unsaid = matches!(step.rollback, Rollback::Unsaid) && !step.is_poisoned;
        match &step.action {
            Action::Block { steps, .. } => {
                passed |= walk(steps, covered || !unsaid, certain, maybe, found);
            }
            Action::Effect(effect)
                if !effect.read_only && unsaid && !covered && step.point_of_no_return.is_none() =>
            {
                report(step, *maybe, found);
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

fn report(step: &Step, maybe: Option<Span>, found: &mut Diagnostics) {
    let label = match maybe {
        Some(_) => "no `rollback`",
        None => "add `rollback`, or a `point_of_no_return` before it",
    };
    Diagnostic::error(Code::NoWayBack, format!("`{}` has no rollback", step.title))
        .at(step.span, label)
        .also(maybe, "this point of no return may be skipped")
        .help("add the command that undoes it: `rollback: {run: ..., done_when: ...}`")
        .help("or state why there is nothing to undo: `rollback: {none: REASON}`")
        .help("or state why nothing is undone from here on: `point_of_no_return: REASON`")
        .emit(found);
}
