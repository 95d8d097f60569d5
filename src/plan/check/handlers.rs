//! Ways back that look at nothing, and locks that hold nothing.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::Action;
use crate::plan::Plan;
use crate::plan::Rollback;
use crate::plan::Step;
use crate::plan::Wait;
use crate::plan::Work;

/// Tells of handlers that could put a host back into service without having seen anything.
///
/// One look in it is enough: before (`requires`), after (`done_when`), or as a step of its own. A
/// file that is put in place is looked at by planrun, and a person looks for herself.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    for step in &plan.steps {
        step.visit(&mut |step| {
            if let Rollback::Handler(handler) = &step.rollback {
                looks(step, handler, found);
            }
        });
    }
    for (lock, span) in &plan.locks {
        if *lock == plan.hosts.0 {
            found.push(
                Diagnostic::warning("pointless-lock", format!("`{lock}` is claimed anyway"))
                    .at(*span, "the hosts of the plan")
                    .help("name here only what is claimed beside them"),
            );
        }
    }
}

/// Whether a command only takes something away or stops it: that puts nothing back into service.
fn removes(work: &Work) -> bool {
    let Work::Run(words) = work else { return false };
    let mut words = words.iter().map(|word| word.text.as_str());
    match words.next() {
        Some("rm" | "rmdir" | "unlink") => true,
        Some("systemctl" | "service") => words.any(|word| word == "stop"),
        _ => false,
    }
}

fn looks(step: &Step, handler: &Step, found: &mut Diagnostics) {
    let (mut sends, mut looks) = (false, false);
    handler.visit(&mut |part| {
        looks |= !part.requires.is_empty() || part.when.is_some();
        match &part.action {
            Action::Effect(effect) => {
                sends |= !removes(&effect.command.work);
                looks |=
                    effect.done_when.is_some() || matches!(effect.command.work, Work::Upload(_));
            }
            Action::Wait(wait) => looks |= matches!(wait.as_ref(), Wait::Until { .. }),
            Action::Assert { .. } | Action::Approve(_) | Action::Fail(_) => looks = true,
            Action::Set(_) | Action::Block { .. } => {}
        }
    });
    if sends && !looks {
        found.push(
            Diagnostic::warning(
                "unchecked-handler",
                format!("nothing is looked at when `{}` is undone", step.title),
            )
            .at(handler.span, "its exit status alone decides")
            .help("say what must then be seen: `done_when: ...`")
            .help("or what must hold before it is sent: `requires: {...}`"),
        );
    }
}
