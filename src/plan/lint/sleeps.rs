//! Steps that run `sleep`: a `wait` survives a lost connection, and needs no rollback.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::duration;
use crate::plan::check::Placed;
use crate::plan::{Action, Work};

/// Keys that a wait has too.
const KEPT: [&str; 4] = ["run", "id", "name", "when"];
/// The errors of a command that is not a `sleep`.
const OF_EFFECTS: [Code; 2] = [Code::UnsureEffect, Code::NoWayBack];

/// Reports a `sleep`, instead of the errors that it would have as a command.
pub(super) fn check(placed: &Placed<'_>, found: &mut Diagnostics) {
    let Action::Effect(effect) = &placed.step.action else { return };
    let Work::Run(words) = &effect.command.work else { return };
    let [program, time] = words.as_slice() else { return };
    let (true, Some(entry)) = (program.text == "sleep", placed.node.entry("run")) else { return };
    let span = placed.step.span;
    let follows = |one: &Diagnostic| {
        let place = one.primary.as_ref().map(|label| label.span);
        OF_EFFECTS.contains(&one.code) && place == Some(span)
    };
    let mut severity = Severity::Warning;
    found.retain(|one| {
        if follows(one) {
            severity = Severity::Error;
        }
        !follows(one)
    });
    let fault = Diagnostic::warning(Code::SleepInRun, "`sleep` in a step should be a `wait`")
        .at(span, "a lost connection ends it, and a resume starts it over");
    let unit = if time.text.ends_with(|c: char| c.is_ascii_digit()) { "s" } else { "" };
    let time = format!("{}{unit}", time.text);
    let is_template = time.contains("{{");
    let line = format!("wait: {time}");
    let has_others = placed.node.entries().iter().any(|one| !KEPT.contains(&one.key.as_str()));
    let fault = if !is_template && duration::parse(&time).is_none() {
        fault.help("use `wait: 5s`, and remove the keys of a command")
    } else if is_template {
        // Without a unit: that is part of a duration.
        let value = time.rsplit_once("}}").map_or("", |(value, _)| value);
        let line = format!("`wait: \"{value}}}}}\"`");
        fault.help(format!(
            "use {line} with an input of `type: duration`, and remove the keys of a command"
        ))
    } else if has_others {
        fault.help(format!("use `{line}`, and remove the keys of a command"))
    } else {
        fault.fix("use `wait`", entry.key_span.to(entry.value.span), line)
    };
    Diagnostic { severity, ..fault }.emit(found);
}
