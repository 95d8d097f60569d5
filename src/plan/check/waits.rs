//! Waits whose times contradict each other.

use std::time::Duration;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::document::Node;
use crate::duration;
use crate::plan::check::Placed;

/// Tells of waits that can never hold, and of those that look only once.
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
        found.push(
            Diagnostic::error(Code::WaitNeverHolds, "this wait can never end well")
                .at(node.span, "it must hold so long")
                .also(limit.span, "and the time is up by then")
                .help(format!("write a `timeout` well above {}", duration::show(stable))),
        );
    }
    if let Some((node, least)) = time(wait, "at_least")
        && least > timeout
    {
        found.push(
            Diagnostic::error(Code::WaitNeverHolds, "this wait can never end well")
                .at(node.span, "it waits so long in any case")
                .also(limit.span, "and the time is up before")
                .help(format!("write a `timeout` of {} or more", duration::show(least))),
        );
    }
    if let Some((node, every)) = time(wait, "every")
        && every > timeout
    {
        found.push(
            Diagnostic::warning(Code::WaitLooksOnce, "this wait looks only once")
                .at(node.span, "the second look would come now")
                .also(limit.span, "and the time is up before")
                .help(format!("look more often than every {shown}")),
        );
    }
}

/// Returns a time that is written out.
fn time<'a>(wait: &'a Node, key: &str) -> Option<(&'a Node, Duration)> {
    let node = wait.get(key)?;
    Some((node, duration::parse(node.as_text()?)?))
}
