//! Commands that are surely not meant as they stand.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::Action;
use crate::plan::Step;
use crate::plan::Work;
use crate::source::Sources;
use crate::source::Span;
use crate::template::Template;

/// What systemctl can be told.
const VERBS: [&str; 14] = [
    "start",
    "stop",
    "restart",
    "reload",
    "try-restart",
    "reload-or-restart",
    "status",
    "is-active",
    "is-enabled",
    "enable",
    "disable",
    "mask",
    "unmask",
    "kill",
];

/// Looks at the command of a step.
pub(super) fn check(step: &Step, sources: &Sources, found: &mut Diagnostics) {
    let Action::Effect(effect) = &step.action else {
        return;
    };
    match &effect.command.work {
        Work::Run(words) => {
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            let first = words.first().map_or(step.span, |word| word.span);
            let last = words.last().map_or(first, |word| word.span);
            command(&texts, &|| first.to(last), found);
        }
        Work::Shell(script) => {
            for line in script.text.lines() {
                let texts: Vec<&str> = words_of(line);
                command(&texts, &|| line_span(script, line, sources), found);
            }
        }
        Work::Upload(_) => {}
    }
}

/// Returns where a line of a script stands, as far as it stands there as it is.
fn line_span(script: &Template, line: &str, sources: &Sources) -> Span {
    let whole = script.span;
    match sources.slice(whole).find(line.trim()) {
        Some(at) => {
            let start = whole.range().start + at;
            Span::new(whole.source, start, start + line.trim().len())
        }
        None => whole,
    }
}

/// Splits a line of a script at blanks, `{{ }}` kept whole.
fn words_of(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut depth = 0_usize;
    for (at, character) in line.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if character.is_whitespace() && depth == 0 {
            words.extend(start.take().map(|start| &line[start..at]));
        } else {
            start.get_or_insert(at);
        }
    }
    words.extend(start.map(|start| &line[start..]));
    words
}

/// Looks at one command; where it stands is asked only when there is something to tell.
fn command(words: &[&str], place: &dyn Fn() -> Span, found: &mut Diagnostics) {
    match words {
        ["systemctl", rest @ ..] => systemctl(words, rest, place, found),
        ["rm", rest @ ..] => remove(rest, place, found),
        _ => {}
    }
}

fn systemctl(words: &[&str], rest: &[&str], place: &dyn Fn() -> Span, found: &mut Diagnostics) {
    let plain: Vec<&str> = rest
        .iter()
        .copied()
        .filter(|word| !word.starts_with('-'))
        .collect();
    let [unit, verb] = plain[..] else { return };
    if VERBS.contains(&unit) || !VERBS.contains(&verb) {
        return;
    }
    let cured: Vec<&str> = words
        .iter()
        .map(|word| match *word {
            word if word == unit => verb,
            word if word == verb => unit,
            word => word,
        })
        .collect();
    found.push(
        Diagnostic::error(
            "reversed-systemctl",
            format!("systemctl takes `{unit}` for a command"),
        )
        .at(place(), format!("`{verb}` comes before the unit"))
        .help(format!("write `{}`", cured.join(" "))),
    );
}

/// Tells of `rm -r` on a path that may come out as `/`, or as nothing.
fn remove(rest: &[&str], place: &dyn Fn() -> Span, found: &mut Diagnostics) {
    let recursive = rest.iter().any(|word| {
        *word == "--recursive"
            || word.starts_with('-') && !word.starts_with("--") && word.contains(['r', 'R'])
    });
    if !recursive {
        return;
    }
    for word in rest.iter().filter(|word| !word.starts_with('-')) {
        let around = without_templates(word);
        let bare = around
            .chars()
            .all(|c| matches!(c, '/' | '*' | '.' | '"' | '\''));
        let templated = word.contains("{{");
        if bare && (templated || around.contains('/')) || templated && word.contains("allow_empty")
        {
            let message = format!("`rm` removes everything where `{word}` comes out as `/`");
            found.push(
                Diagnostic::warning("dangerous-rm", message)
                    .at(place(), "removes a whole tree")
                    .help("name a directory of its own below it: `{{ path }}/.aside`"),
            );
        }
    }
}

fn without_templates(word: &str) -> String {
    let mut around = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("{{") {
        around.push_str(before);
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    around + rest
}
