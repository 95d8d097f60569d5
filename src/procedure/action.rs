//! What a step does, in words and as commands, and what must be observed after it.

use std::time::Duration;

use crate::inventory::HostName;
use crate::page::{Block, Listing, Text};
use crate::plan::{
    Action, CommandSpec, Deferred, Effect, ExitCodes, OnTimeout, Step, Upload, UploadSource, Wait,
    Work,
};
use crate::procedure::values::{Values, Variant, shown};
use crate::procedure::{Source, check};
use crate::template::{Mode, Names, Template};

/// Hosts whose commands are shown before the rest is counted.
const MOST_VARIANTS: usize = 30;

/// Returns what to do.
pub(super) fn blocks(source: &Source<'_>, step: &Step, hosts: &[HostName]) -> Vec<Block> {
    let values = &source.values;
    match &step.action {
        Action::Effect(effect) => commands(values, &effect.command, hosts),
        Action::Wait(wait) => vec![Block::paragraph(waits(values, wait, hosts))],
        Action::Assert { checks, within } => {
            let time = values.deferred_on(within, hosts, shown);
            let text = Text::new().plain("Check that all of this is true");
            let text = match within {
                Deferred::Now(Duration::ZERO) => text.plain(":"),
                _ => text.plain(", or becomes true within ").then(time).plain(":"),
            };
            let list = Block::list(checks.iter().map(check).collect());
            std::iter::once(Block::paragraph(text)).chain(list).collect()
        }
        Action::Approve(approve) => {
            let mut out = question(values, &approve.text, hosts);
            let mut text = Text::new();
            if approve.people > 1 {
                text = text.plain(&format!("{} different people must approve", approve.people));
            }
            if approve.exclude_starter {
                text = text.and(", ", "not by the person who started the run");
            }
            if let Some(timeout) = &approve.timeout {
                let time = values.deferred_on(timeout, hosts, shown);
                text = text.and(", ", Text::new().plain("within ").then(time));
            }
            if !text.is_empty() {
                out.push(Block::paragraph(text));
            }
            out
        }
        Action::Set(set) => {
            let item = |(name, value): &(String, _)| {
                let value: &std::rc::Rc<crate::template::expression::Expression> = value;
                Text::new().code(name).plain(": ").code(&value.text)
            };
            let list = Block::list(set.iter().map(item).collect());
            std::iter::once(Block::paragraph("Write down:")).chain(list).collect()
        }
        Action::Block { .. } => Vec::new(),
        Action::Fail(text) => {
            let text = values.text(text, Mode::Text, None);
            vec![Block::paragraph(
                Text::new().strong("Stop").plain(", this has failed: ").plain(&text),
            )]
        }
    }
}

/// Returns what must be observed, and how often it is tried.
pub(super) fn observe(source: &Source<'_>, step: &Step, hosts: &[HostName]) -> Vec<Text> {
    let Action::Effect(effect) = &step.action else { return Vec::new() };
    let values = &source.values;
    let mut out = Vec::new();
    let time = |late| values.deferred_on(late, hosts, shown);
    if let Some(done) = &effect.done_when {
        let text = Text::new().strong("Done when").plain(" ").code(&done.text);
        out.push(text.plain(", within ").then(time(&effect.within)));
    }
    out.extend(exit_codes(effect));
    let limit = Text::new().strong("Time limit").plain(" ").then(time(&effect.command.timeout));
    out.push(match effect.retry.attempts {
        0 | 1 => limit.plain(", one attempt"),
        attempts => {
            let text = limit.plain(&format!(" for each of up to {attempts} attempts, "));
            text.then(time(&effect.retry.delay)).plain(" apart")
        }
    });
    out
}

fn exit_codes(effect: &Effect) -> Option<Text> {
    let codes = match &effect.exit_codes {
        None if effect.done_when.is_some() => return None,
        None => "0".to_owned(),
        Some(ExitCodes::Any) => return None,
        Some(ExitCodes::These(codes)) => {
            codes.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")
        }
    };
    Some(Text::new().strong("Exit code").plain(" must be ").code(&codes))
}

fn waits(values: &Values<'_>, wait: &Wait, hosts: &[HostName]) -> Text {
    let time = |late| values.deferred_on(late, hosts, shown);
    match wait {
        Wait::For(length) => Text::new().plain("Wait ").then(time(length)).plain("."),
        Wait::Until { until, at_least, timeout, every, stable_for, on_timeout } => {
            let mut out = Text::new().plain("Wait until ").code(&until.text);
            if !is_zero(stable_for) {
                out = out.plain(" without a break for ").then(time(stable_for));
            }
            if !is_zero(at_least) {
                out = out.plain(", at least ").then(time(at_least));
            }
            out = out.plain(", at most ").then(time(timeout));
            out = out.plain("; check it every ").then(time(every));
            let word = |what: &OnTimeout| match what {
                OnTimeout::Fail => "the step has failed",
                OnTimeout::Ask => "stop and decide",
                OnTimeout::Continue => "continue anyway",
            };
            let then = match on_timeout {
                Deferred::Now(what) => Text::new().plain(word(what)),
                late @ Deferred::Template(_) => {
                    let value = values.deferred_on(late, hosts, |what| word(what).to_owned());
                    value.plain(" (ask: stop and decide; continue; fail)")
                }
            };
            out.plain(". When the time has passed: ").then(then).plain(".")
        }
    }
}

fn is_zero(late: &Deferred<Duration>) -> bool {
    matches!(late, Deferred::Now(time) if time.is_zero())
}

fn question(values: &Values<'_>, text: &Template, hosts: &[HostName]) -> Vec<Block> {
    let variants = values.on(hosts, |names| values.text(text, Mode::Text, names));
    let note = |one: &Variant| {
        let text = Text::new().strong("Ask for approval").plain(": ").plain(&one.text);
        Block::paragraph(text)
    };
    variants.iter().take(MOST_VARIANTS).map(note).collect()
}

/// Returns the commands, once for the hosts that have the same.
pub(super) fn commands(values: &Values<'_>, spec: &CommandSpec, hosts: &[HostName]) -> Vec<Block> {
    let variants = values.on(hosts, |names| command(values, spec, names));
    let listing = |one: &Variant| {
        let hosts: Vec<&str> = one.hosts.iter().map(HostName::as_str).collect();
        Block::Listing(Listing::command(hosts.join(", "), &one.text))
    };
    let mut out: Vec<Block> = variants.iter().take(MOST_VARIANTS).map(listing).collect();
    if let Some(rest @ 1..) = variants.len().checked_sub(MOST_VARIANTS) {
        out.push(Block::paragraph(format!("{rest} more hosts have other values.")));
    }
    out
}

/// Returns a command as an operator would type it.
fn command(values: &Values<'_>, spec: &CommandSpec, names: Option<&Names>) -> String {
    let mut lines = Vec::new();
    if let Some(dir) = &spec.dir {
        lines.push(format!("cd {}", values.text(dir, Mode::Word, names)));
    }
    for (name, value) in &spec.env {
        lines.push(format!("export {name}={}", values.text(value, Mode::Word, names)));
    }
    match &spec.work {
        Work::Run(words) => {
            let words: Vec<String> =
                words.iter().map(|word| values.text(word, Mode::Word, names)).collect();
            lines.push(words.join(" "));
        }
        Work::Shell(script) => lines.push(values.text(script, Mode::Script, names)),
        Work::Upload(upload) => lines.extend(put(values, upload, names)),
    }
    if let Some(stdin) = &spec.stdin {
        let text = values.text(stdin, Mode::Text, names);
        lines.push(format!("# its standard input:\n{text}"));
    }
    lines.join("\n")
}

fn put(values: &Values<'_>, upload: &Upload, names: Option<&Names>) -> Vec<String> {
    let word = |text: &Template| values.text(text, Mode::Word, names);
    let to = word(&upload.to);
    let mut about = Vec::new();
    let attribute = |late: &Deferred<String>| values.deferred(late, names, Clone::clone);
    about.extend(upload.mode.as_ref().map(|mode| format!("mode {}", attribute(mode))));
    about.extend(upload.owner.as_ref().map(|owner| format!("owner {}", attribute(owner))));
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    match &upload.source {
        UploadSource::File(path) => {
            vec![format!("# copy the local file {} to {to}{about}", word(path))]
        }
        UploadSource::Rendered(path) => {
            vec![format!("# render the local file {} and write it to {to}{about}", word(path))]
        }
        UploadSource::Content(content) => {
            let text = values.text(content, Mode::Text, names);
            vec![format!("# write this to {to}{about}:"), text]
        }
    }
}
