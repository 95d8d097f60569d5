//! Rollbacks that are not verified or have no effect, and locks that add nothing.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{Action, Plan, Rollback, Step, Wait, Work};
use crate::template::expression::{Comparison, Expr, ExprKind, Expression};

/// Reports handlers that could put a host back into service without a check.
///
/// One check is enough: before (`requires`), after (`done_when`), or in a separate step. planrun
/// itself checks an uploaded file, and an operator who is asked checks on their own.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    plan.visit_sound(&mut |step| {
        if let Rollback::Handler(handler) = &step.rollback {
            looks(step, handler, found);
            already(step, handler, found);
        }
    });
    for (lock, span) in &plan.locks {
        if *lock == plan.hosts.0 {
            Diagnostic::warning(Code::PointlessLock, format!("`{lock}` is locked anyway"))
                .at(*span, "the hosts of the plan are always locked")
                .help("list only additional hosts and groups")
                .emit(found);
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
        looks |= part.is_poisoned;
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
        let what = word(handler);
        Diagnostic::warning(
            Code::UncheckedHandler,
            format!("{what} of `{}` is not verified", step.title),
        )
        .at(handler.span, "only its exit code is checked")
        .help(format!(
            "add `done_when: CONDITION`, the condition that is true once the {what} has worked"
        ))
        .help("or check a condition before it runs: `requires: {MESSAGE: CONDITION}`")
        .emit(found);
    }
}

/// Reports a handler whose `done_when` is true as soon as that of its step is: it never runs.
fn already(step: &Step, handler: &Step, found: &mut Diagnostics) {
    let (Some(done), Some(undone)) = (done_when(step), done_when(handler)) else { return };
    if !implied(&done.root.joined(true), &undone.root) {
        return;
    }
    let what = word(handler);
    let message =
        format!("{what} of `{}` has no effect: its `done_when` is already true", step.title);
    Diagnostic::warning(Code::IneffectiveRollback, message)
        .at(undone.span, "already true once the step has worked")
        .help(format!("use a condition that is true only after the {what}"))
        .emit(found);
}

/// Returns what a handler is.
fn word(handler: &Step) -> &'static str {
    if handler.is_teardown { "teardown" } else { "rollback" }
}

fn done_when(step: &Step) -> Option<&Expression> {
    step.effect()?.done_when.as_deref().filter(|one| !one.is_poisoned())
}

/// Whether a condition is true if others are.
fn implied(known: &[&Expr], part: &Expr) -> bool {
    if known.iter().any(|known| implies(known, part)) {
        return true;
    }
    match &part.kind {
        ExprKind::And(left, right) => implied(known, left) && implied(known, right),
        ExprKind::Or(left, right) => implied(known, left) || implied(known, right),
        _ => false,
    }
}

/// Whether a condition is true if another one is: they are the same, or the one says which
/// constant something equals, and the other one that it does not equal another.
fn implies(known: &Expr, part: &Expr) -> bool {
    if known == part {
        return true;
    }
    let (ExprKind::Compare(left, is), ExprKind::Compare(other, is_not)) = (&known.kind, &part.kind)
    else {
        return false;
    };
    match (is.as_slice(), is_not.as_slice()) {
        ([(Comparison::Eq, value)], [(Comparison::Ne, excluded)]) => {
            let constants = (&value.kind, &excluded.kind);
            matches!(constants, (ExprKind::Const(value), ExprKind::Const(excluded)) if value != excluded)
                && left == other
        }
        _ => false,
    }
}
