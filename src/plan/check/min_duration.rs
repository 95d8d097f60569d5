//! Blocks whose waits take longer than the block may.

use std::time::Duration;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::duration;
use crate::plan::check::Placed;
use crate::plan::{Action, Deferred, OnFailure, Step, Wait};

pub(super) fn check(placed: &Placed<'_>, found: &mut Diagnostics) {
    let (Some(Deferred::Now(timeout)), Action::Block { steps, .. }) =
        (&placed.step.timeout, &placed.step.action)
    else {
        return;
    };
    let least: Duration = steps.iter().map(least).sum();
    let Some(node) = placed.node.get("timeout").filter(|_| least >= *timeout) else {
        return;
    };
    let mut diagnostic =
        Diagnostic::error(Code::BlockTooShort, "`timeout` is shorter than the waits in the block")
            .at(node.span, "ends before the steps can finish")
            .help(format!("raise `timeout` well above {}", duration::show(least)));
    if let Some(longest) = steps.iter().max_by_key(|step| self::least(step)) {
        let shown = duration::show(self::least(longest));
        diagnostic = diagnostic.also(longest.span, format!("takes at least {shown}"));
    }
    found.push(diagnostic);
}

/// Returns the minimum time that a step takes if it succeeds: a step that may be skipped, or may
/// fail without consequences, takes none.
fn least(step: &Step) -> Duration {
    let tolerated = matches!(step.on_failure, Some(OnFailure::Continue(_)));
    if step.when.is_some() || step.for_each.is_some() || tolerated {
        return Duration::ZERO;
    }
    let now = |time: &Deferred<Duration>| match time {
        Deferred::Now(time) => *time,
        Deferred::Template(_) => Duration::ZERO,
    };
    match &step.action {
        Action::Wait(wait) => match wait.as_ref() {
            Wait::For(time) => now(time),
            Wait::Until { at_least, stable_for, .. } => now(at_least).max(now(stable_for)),
        },
        Action::Block { steps, rescue } if rescue.is_empty() => steps.iter().map(least).sum(),
        _ => Duration::ZERO,
    }
}
