//! Blocks with `retry`: every effect in them must be repeatable.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::check::{ADD_DONE_WHEN, OR_IDEMPOTENT};
use crate::plan::{Action, Plan, Step};

/// Reports effects that cannot be repeated, in blocks with `retry`.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    plan.visit_sound(&mut |block| {
        if block.retry.is_some()
            && let Action::Block { steps, .. } = &block.action
        {
            for part in steps {
                inside(block, part, found);
            }
        }
    });
}

/// Checks a part and its own parts, except rollbacks: they are never retried.
fn inside(block: &Step, part: &Step, found: &mut Diagnostics) {
    if part.is_poisoned {
        return;
    }
    match &part.action {
        // An inner block with `retry` is checked on its own.
        Action::Block { .. } if part.retry.is_some() => {}
        Action::Block { steps, rescue } => {
            let parts = steps.iter().chain(rescue);
            parts.for_each(|part| inside(block, part, found));
        }
        Action::Effect(effect) if effect.done_when.is_none() && !effect.idempotent => {
            let message = format!(
                "retrying this block would repeat `{}`, which is not marked as repeatable",
                part.title
            );
            Diagnostic::error(Code::UnrepeatablePart, message)
                .at(part.span, "no `done_when` or `idempotent`")
                .also(block.span, "retried if one of its steps fails")
                .help(ADD_DONE_WHEN)
                .help(OR_IDEMPOTENT)
                .emit(found);
        }
        _ => {}
    }
}
