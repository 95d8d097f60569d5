//! Words of a step that mean nothing beside its action.

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::Action;
use crate::plan::check::Placed;

/// What every step takes.
const ALL: &[&str] =
    &["id", "name", "when", "requires", "rollback", "point_of_no_return", "on_failure"];

/// Returns what an action takes beside that, its own key included.
fn takes(action: &str) -> &'static [&'static str] {
    match action {
        "run" | "shell" => &[
            "for_each",
            "run",
            "shell",
            "delegate_to",
            "become",
            "env",
            "dir",
            "stdin",
            "timeout",
            "within",
            "retry",
            "parse",
            "exit_codes",
            "output",
            "idempotent",
            "read_only",
            "done_when",
            "on_unknown",
        ],
        "upload" => &[
            "for_each",
            "upload",
            "delegate_to",
            "become",
            "timeout",
            "within",
            "retry",
            "idempotent",
            "done_when",
            "on_unknown",
        ],
        "wait" => &["for_each", "wait"],
        "assert" => &["for_each", "assert", "within"],
        "approve" => &["approve"],
        "set" => &["set"],
        "fail" => &["fail"],
        _ => &[
            "for_each",
            "block",
            "rescue",
            "retry",
            "timeout",
            "delegate_to",
            "become",
            "env",
            "dir",
            "uninterruptible",
        ],
    }
}

/// Returns what to do about a key beside an action that does not take it.
fn cure(key: &str, action: &str) -> String {
    match (key, action) {
        ("done_when", "wait") => {
            "write the condition in the wait: `wait: {until: ..., timeout: ...}`"
        }
        ("timeout", "wait") => "write it in the wait: `wait: {until: ..., timeout: ...}`",
        ("timeout", "assert") => "write `within`: how long the claims may take to come true",
        ("done_when" | "within" | "idempotent" | "on_unknown", "block") => {
            return format!("write `{key}` in the steps of the block");
        }
        ("retry", "assert" | "wait") => {
            "a look is repeated by itself: write `wait: {until: ..., timeout: ...}`"
        }
        ("for_each", "set") => "remove it: one expression gives a whole list",
        ("for_each", _) => "remove it; for steps of several kinds put them into a `block`",
        ("rescue" | "uninterruptible", _) => {
            return format!("put the step into a block: `block: [...]`, with `{key}` beside it");
        }
        ("delegate_to" | "become" | "env" | "dir", _) => {
            "remove it: looks say for themselves where and how they run, in their probes"
        }
        _ => return format!("remove `{key}`"),
    }
    .to_owned()
}

/// Tells of misplaced words, and of effects whose end may stay unknown.
pub(super) fn check(placed: &Placed<'_>, found: &mut Diagnostics) {
    let action = placed.step.action_word();
    let taken = takes(action);
    for entry in placed.node.entries() {
        let key = entry.key.as_str();
        if !ALL.contains(&key) && !taken.contains(&key) {
            let message = format!("`{key}` means nothing beside `{action}`");
            found.push(
                Diagnostic::error(Code::MisplacedKey, message)
                    .at(entry.key_span, "has no effect here")
                    .help(cure(key, action)),
            );
        }
        if placed.handler && matches!(key, "rollback" | "point_of_no_return" | "uninterruptible") {
            let message = format!("`{key}` means nothing in a way back");
            found.push(
                Diagnostic::error(Code::MisplacedKey, message)
                    .at(entry.key_span, "what undoes is not itself undone")
                    .help(format!("remove `{key}`")),
            );
        }
    }
    effect(placed, found);
}

/// Tells of words that speak of a change, beside a step that makes none.
fn read_only(placed: &Placed<'_>, found: &mut Diagnostics) {
    for (key, why, cure) in [
        ("rollback", "there is nothing to undo", "remove `rollback`"),
        (
            "point_of_no_return",
            "nothing happens that could not be undone",
            "write it beside the step that makes the change",
        ),
        (
            "done_when",
            "nothing is to be seen that was not there before",
            "for a condition that must hold write `assert` or `wait`; or remove `read_only`",
        ),
        ("within", "nothing is looked for", "remove `within`"),
        ("idempotent", "what only reads may be sent again in any case", "remove `idempotent`"),
        (
            "on_unknown",
            "whether it was read does not matter: it is sent again, or fails",
            "remove `on_unknown`",
        ),
    ] {
        let Some(entry) = placed.node.entry(key) else {
            continue;
        };
        let reads = placed.node.entry("read_only").map(|entry| entry.key_span);
        let message = format!("`{key}` means nothing in a step that only reads");
        found.push(
            Diagnostic::error(Code::MisplacedKey, message)
                .at(entry.key_span, why)
                .also(reads.unwrap_or(placed.step.span), "it changes nothing")
                .help(cure),
        );
    }
}

fn effect(placed: &Placed<'_>, found: &mut Diagnostics) {
    let Action::Effect(effect) = &placed.step.action else {
        return;
    };
    let node = placed.node;
    if effect.read_only {
        read_only(placed, found);
        return;
    }
    if effect.done_when.is_none()
        && let Some(entry) = node.entry("within")
    {
        found.push(
            Diagnostic::error(Code::MisplacedKey, "`within` means nothing without `done_when`")
                .at(entry.key_span, "nothing is looked for")
                .help("say what must then be seen: `done_when: ...`"),
        );
    }
    if effect.done_when.is_some() || effect.idempotent {
        return;
    }
    if let Some(entry) = node.entry("retry") {
        found.push(
            Diagnostic::warning(Code::UselessRetry, "this step is never sent again")
                .at(entry.key_span, "has no effect here")
                .help("add `done_when`, or `idempotent: true` if sending it twice does no harm"),
        );
    }
    if node.get("on_unknown").is_none() {
        let message =
            format!("whether `{}` took effect could not be told after a cut", placed.step.title);
        found.push(
            Diagnostic::error(Code::UnsureEffect, message)
                .at(placed.step.span, "nothing says what must then be seen")
                .help("say what must then be seen: `done_when: ...`")
                .help("or `idempotent: true` if sending it twice does no harm")
                .help("or let a person find out: `on_unknown: ask`"),
        );
    }
}
