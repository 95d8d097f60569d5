//! Keys of a step that its action does not take.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::Action;
use crate::plan::check::{ADD_DONE_WHEN, OR_IDEMPOTENT, Placed};
use crate::table;

/// The keys of every step.
const ALL: &str = "id name when requires rollback point_of_no_return on_failure";

/// Returns the further keys that an action takes, its own included.
fn takes(action: &str) -> &'static str {
    match action {
        "run" | "shell" => {
            "for_each run shell delegate_to become env dir stdin timeout within retry parse \
             exit_codes output idempotent read_only done_when on_unknown"
        }
        "upload" => {
            "for_each upload delegate_to become timeout within retry idempotent done_when \
             on_unknown"
        }
        "wait" => "for_each wait",
        "assert" => "for_each assert within",
        "approve" => "approve",
        "set" => "set",
        "fail" => "fail",
        _ => "for_each block rescue retry timeout delegate_to become env dir uninterruptible",
    }
}

/// Returns the fix for a key that an action does not take.
fn help_for(key: &str, action: &str) -> String {
    match (key, action) {
        ("done_when", "wait") => {
            "move the condition into the wait: `wait: {until: ..., timeout: ...}`"
        }
        ("timeout", "wait") => "move it into the wait: `wait: {until: ..., timeout: ...}`",
        ("timeout", "assert") => "use `within`, the time that the assertions have to become true",
        ("done_when" | "within" | "idempotent" | "on_unknown", "block") => {
            return format!("move `{key}` to the steps of the block");
        }
        ("retry", "assert" | "wait") => {
            "use `wait: {until: ..., timeout: ...}`, which repeats the check by itself"
        }
        ("for_each", "set") => "remove it: one expression can return a whole list",
        ("for_each", _) => "remove it; to repeat several steps, put them into a `block`",
        ("rescue" | "uninterruptible", _) => {
            return format!("put the step into a block: `block: [...]`, with `{key}` next to it");
        }
        ("delegate_to" | "become" | "env" | "dir", _) => {
            return format!("remove `{key}`, or set it on the probes that this step uses");
        }
        _ => return format!("remove `{key}`"),
    }
    .to_owned()
}

/// Reports misplaced keys, and effects whose outcome may stay unknown.
pub(super) fn check(placed: &Placed<'_>, found: &mut Diagnostics) {
    let action = placed.step.action_word();
    for entry in placed.node.entries() {
        let key = entry.key.as_str();
        if entry.value.is_poisoned() {
            continue;
        }
        if !table::has(ALL, key) && !table::has(takes(action), key) {
            let message = format!("`{key}` cannot be combined with `{action}`");
            Diagnostic::error(Code::MisplacedKey, message)
                .at(entry.key_span, format!("not a key of `{action}`"))
                .help(help_for(key, action))
                .emit(found);
        }
        if placed.handler && matches!(key, "rollback" | "point_of_no_return" | "uninterruptible") {
            Diagnostic::error(Code::MisplacedKey, format!("`{key}` is not allowed in a rollback"))
                .at(entry.key_span, "a rollback is not itself rolled back")
                .help(format!("remove `{key}`"))
                .emit(found);
        }
    }
    effect(placed, found);
}

/// Reports keys that only apply to changes, in a step that makes none.
fn read_only(placed: &Placed<'_>, found: &mut Diagnostics) {
    for (key, why, help) in [
        ("rollback", "there is nothing to undo", "remove `rollback`"),
        (
            "point_of_no_return",
            "nothing here needs to be undone",
            "move it to the step that makes the change",
        ),
        (
            "done_when",
            "a read-only step has no effect to check",
            "to check a condition, use `assert` or `wait`; or remove `read_only`",
        ),
        ("within", "there is no `done_when` to wait for", "remove `within`"),
        ("idempotent", "a read-only step can always be repeated", "remove `idempotent`"),
        (
            "on_unknown",
            "a read-only step is repeated or fails, without a question",
            "remove `on_unknown`",
        ),
    ] {
        let Some(entry) = placed.node.entry(key) else {
            continue;
        };
        let reads = placed.node.entry("read_only").map(|entry| entry.key_span);
        let message = format!("`{key}` cannot be combined with `read_only`");
        Diagnostic::error(Code::MisplacedKey, message)
            .at(entry.key_span, why)
            .also(reads.unwrap_or(placed.step.span), "this step changes nothing")
            .help(help)
            .emit(found);
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
        Diagnostic::error(Code::MisplacedKey, "`within` requires `done_when`")
            .at(entry.key_span, "there is no condition to wait for")
            .help(ADD_DONE_WHEN)
            .emit(found);
    }
    if effect.done_when.is_some() || effect.idempotent {
        return;
    }
    if let Some(entry) = node.entry("retry") {
        Diagnostic::warning(
            Code::UselessRetry,
            "`retry` has no effect: this step is never repeated",
        )
        .at(entry.key_span, "requires `done_when` or `idempotent`")
        .help("add `done_when`, or `idempotent: true` if running it twice is harmless")
        .emit(found);
    }
    if node.get("on_unknown").is_none() {
        let message = format!(
            "if the connection drops, planrun cannot tell whether `{}` took effect",
            placed.step.title
        );
        Diagnostic::error(Code::UnsureEffect, message)
            .at(placed.step.span, "no `done_when`, `idempotent` or `on_unknown`")
            .help(ADD_DONE_WHEN)
            .help(OR_IDEMPOTENT)
            .help("or add `on_unknown: ask` to let the operator decide")
            .emit(found);
    }
}
