//! What is gone through once more must be fit to be sent once more.

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::Action;
use crate::plan::Plan;
use crate::plan::Step;

/// Tells of effects that cannot be repeated, in blocks with `retry`.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    for step in &plan.steps {
        step.visit(&mut |block| {
            if block.rounds.is_some()
                && let Action::Block { steps, .. } = &block.action
            {
                for part in steps {
                    inside(block, part, found);
                }
            }
        });
    }
}

/// Goes through a part and what it is made of, ways back left out: these are gone through once.
fn inside(block: &Step, part: &Step, found: &mut Diagnostics) {
    match &part.action {
        // One inside of another block with `retry` is told there.
        Action::Block { .. } if part.rounds.is_some() => {}
        Action::Block { steps, rescue } => {
            let parts = steps.iter().chain(rescue);
            parts.for_each(|part| inside(block, part, found));
        }
        Action::Effect(effect) if effect.done_when.is_none() && !effect.idempotent => {
            let message = format!("`{}` would be sent again, and says not what then", part.title);
            found.push(
                Diagnostic::error(Code::UnrepeatablePart, message)
                    .at(part.span, "neither `done_when` nor `idempotent`")
                    .also(block.span, "this block is gone through again where a part fails")
                    .help("say what must then be seen: `done_when: ...`; what is seen is not sent again")
                    .help("or `idempotent: true` if sending it twice does no harm"),
            );
        }
        _ => {}
    }
}
