//! Waits whose times contradict each other.

use std::time::Duration;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::Node;
use crate::duration;
use crate::plan::check::Placed;

/// Reports waits that can never succeed, and those that check only once.
pub(super) fn check(placed: &Placed<'_>, found: &mut Diagnostics) {
    let Some(wait) = placed.node.get("wait") else {
        return;
    };
    let Some((limit, timeout)) = time(wait, "timeout") else {
        return;
    };
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
