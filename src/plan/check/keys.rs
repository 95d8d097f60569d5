//! Keys of a step that its action does not take.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::Action;
use crate::plan::check::{ADD_DONE_WHEN, OR_IDEMPOTENT, Placed};
use crate::table;
use crate::task::Stage;

/// The keys of every step.
const ALL: &str = "id name when requires rollback teardown point_of_no_return on_failure";

/// Returns the rows of a sort: three cells each.
fn rows(wanted: &str) -> impl Iterator<Item = [&'static str; 3]> {
    let rows = table::rows::<4>(include_str!("keys.tsv"));
    rows.filter(move |[sort, ..]| *sort == wanted).map(|[_, a, b, c]| [a, b, c])
}

/// Whether an action takes a key that not every step has.
fn takes(action: &str, key: &str) -> bool {
    rows("takes").any(|[actions, keys, _]| table::has(actions, action) && table::has(keys, key))
}

/// Returns the fix for a key that an action does not take.
fn help_for(key: &str, action: &str) -> String {
    let of = |words: &str, word: &str| words == "*" || table::has(words, word);
    let row = rows("help").find(|[keys, actions, _]| of(keys, key) && of(actions, action));
    row.map_or("remove `{key}`", |[_, _, help]| help).replace("{key}", key)
}

/// Reports misplaced keys, and effects whose outcome may stay unknown.
pub(super) fn check(placed: &Placed<'_>, found: &mut Diagnostics) {
    let action = placed.step.action_word();
    for entry in placed.node.entries() {
        let key = entry.key.as_str();
        if entry.value.is_poisoned() {
            continue;
        }
        if !table::has(ALL, key) && !takes(action, key) {
            let message = format!("`{key}` cannot be combined with `{action}`");
            Diagnostic::error(Code::MisplacedKey, message)
                .at(entry.key_span, format!("not a key of `{action}`"))
                .help(help_for(key, action))
                .emit(found);
        }
        if placed.handler
            && matches!(key, "rollback" | "teardown" | "point_of_no_return" | "uninterruptible")
        {
            Diagnostic::error(Code::MisplacedKey, format!("`{key}` is not allowed in a rollback"))
                .at(entry.key_span, "a rollback is not itself rolled back")
                .help(format!("remove `{key}`"))
                .emit(found);
        }
    }
    teardown(placed, found);
    effect(placed, found);
}

/// Reports a teardown that nothing sets up, or that is a rollback, too.
fn teardown(placed: &Placed<'_>, found: &mut Diagnostics) {
    let Some(entry) = placed.node.entry("teardown").filter(|_| !placed.handler) else { return };
    if placed.stage != Some(Stage::Setup) {
        Diagnostic::error(Code::MisplacedKey, "`teardown` is only allowed in `setup`")
            .at(entry.key_span, "not a step of `setup`")
            .help("use `rollback`, which runs if the host is rolled back")
            .help("or move the step to `setup`, which runs once, before the first host")
            .emit(found);
    } else if let Some(rollback) = placed.node.entry("rollback") {
        Diagnostic::error(Code::MisplacedKey, "`rollback` cannot be combined with `teardown`")
            .at(rollback.key_span, "never needed")
            .also(entry.key_span, "runs however the run ends, also if it is rolled back")
            .help("remove `rollback`")
            .emit(found);
    }
}

/// Reports keys that only apply to changes, in a step that makes none.
fn read_only(placed: &Placed<'_>, found: &mut Diagnostics) {
    for [key, why, help] in rows("reads") {
        let Some(entry) = placed.node.entry(key) else { continue };
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
    let Action::Effect(effect) = &placed.step.action else { return };
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
