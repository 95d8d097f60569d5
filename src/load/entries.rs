//! Commands of a plan that the model of its hosts has no entry for.
//!
//! On model hosts such a command fails. Words that contain values may be anything: what is reported is
//! surely missing.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::HostName;
use crate::model::{Act, Asked, Model};
use crate::plan::{Action, CommandSpec, Work};
use crate::resolve::ResolvedPlan;
use crate::source::Span;
use crate::template::Template;

/// Reports the commands of steps and probes without an entry.
pub(super) fn check(resolved: &ResolvedPlan, model: &Model, found: &mut Diagnostics) {
    let plan = &resolved.plan;
    let mut report = |command: &CommandSpec, hosts: Vec<HostName>, path: &str, span: Span| {
        let path = format!("{}/{path}", plan.name);
        let act = act_of(&command.work, &path);
        let stdin = match &command.stdin {
            Some(input) => input.is_plain().then_some(input.text.as_str()),
            None => Some(""),
        };
        let asked = Asked { act: act.clone(), stdin, host: None };
        let hosts = hosts.iter().filter_map(|name| resolved.inventory.host(name));
        let groups = hosts.filter_map(|host| model.lacks(host, &asked));
        for group in groups.collect::<BTreeSet<_>>() {
            let entry = entry(&act);
            let message = format!("the model has no entry `{entry}` in its group `{group}`");
            Diagnostic::warning(Code::NoEntry, message)
                .at(span, "fails on model hosts")
                .help(format!("add it to the `commands` of `{group}`"))
                .emit(found);
        }
    };
    for probe in plan.probes.values() {
        let hosts = resolved.places(&probe.target, None);
        report(&probe.command, hosts, &probe.name, span_of(&probe.command.work, probe.span));
    }
    plan.visit(&mut |step| {
        if let Action::Effect(effect) = &step.action {
            let hosts = resolved.places(&effect.target, Some(step));
            let span = span_of(&effect.command.work, step.span);
            report(&effect.command, hosts, &step.path.to_string(), span);
        }
    });
}

fn act_of<'a>(work: &'a Work, path: &'a str) -> Act<'a> {
    let known = |word: &'a Template| word.is_plain().then_some(word.text.as_str());
    match work {
        Work::Run(words) => Act::Run(words.iter().map(known).collect()),
        Work::Shell(_) => Act::Step(path),
        Work::Upload(upload) => Act::Upload(known(&upload.to)),
    }
}

/// Writes the start of an entry.
fn entry(act: &Act<'_>) -> String {
    match act {
        Act::Run(words) => {
            let words: Vec<&str> = words.iter().map(|word| word.unwrap_or("<word>")).collect();
            format!("run: {}", words.join(" "))
        }
        Act::Step(path) => format!("step: {path}"),
        Act::Upload(path) => format!("upload: {}", path.unwrap_or("<path>")),
    }
}

fn span_of(work: &Work, whole: Span) -> Span {
    match work {
        Work::Run(words) => match (words.first(), words.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => whole,
        },
        Work::Shell(script) => script.span,
        Work::Upload(upload) => upload.to.span,
    }
}
