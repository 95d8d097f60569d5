//! Times that contradict each other: those of a wait, and those of a block and the waits in it.

use std::time::Duration;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::Node;
use crate::duration;
use crate::plan::check::Placed;
use crate::plan::{Action, Deferred, OnFailure, Step, Wait};

pub(super) fn check(placed: &Placed<'_>, found: &mut Diagnostics) {
    wait(placed, found);
    block(placed, found);
}

/// Reports waits that can never succeed, and those that check only once.
fn wait(placed: &Placed<'_>, found: &mut Diagnostics) {
    let Some(wait) = placed.node.get("wait") else { return };
    let Some((limit, timeout)) = time(wait, "timeout") else { return };
    let shown = duration::show(timeout);
    if let Some((node, stable)) = time(wait, "stable_for")
        && stable >= timeout
    {
        Diagnostic::error(Code::WaitNeverHolds, "`stable_for` must be shorter than `timeout`")
            .at(node.span, "the condition must stay true for this long")
            .also(limit.span, "the wait ends after this time")
            .help(format!("raise `timeout` well above {}", duration::show(stable)))
            .emit(found);
    }
    if let Some((node, least)) = time(wait, "at_least")
        && least > timeout
    {
        Diagnostic::error(Code::WaitNeverHolds, "`at_least` must not exceed `timeout`")
            .at(node.span, "the wait takes at least this long")
            .also(limit.span, "the wait ends after this time")
            .help(format!("raise `timeout` to {} or more", duration::show(least)))
            .emit(found);
    }
    if let Some((node, every)) = time(wait, "every")
        && every > timeout
    {
        Diagnostic::warning(Code::WaitLooksOnce, "this wait checks its condition only once")
            .at(node.span, "the second check would be after this time")
            .also(limit.span, "the wait ends after this time")
            .help(format!("lower `every` below {shown}"))
            .emit(found);
    }
}

/// Returns a time that is written out.
fn time<'a>(wait: &'a Node, key: &str) -> Option<(&'a Node, Duration)> {
    let node = wait.get(key)?;
    Some((node, duration::parse(node.as_text()?)?))
}

/// Reports a block whose waits take longer than it may.
fn block(placed: &Placed<'_>, found: &mut Diagnostics) {
    let (Some(Deferred::Now(timeout)), Action::Block { steps, .. }) =
        (&placed.step.timeout, &placed.step.action)
    else {
        return;
    };
    let least: Duration = steps.iter().map(least).sum();
    let Some(node) = placed.node.get("timeout").filter(|_| least >= *timeout) else { return };
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
