//! Commands that are almost certainly mistakes.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Edit};
use crate::plan::{Action, Step, Work};
use crate::source::{Sources, Span};
use crate::table;
use crate::template::Template;

/// Commands of `systemctl`.
const VERBS: &str = "start stop restart reload try-restart reload-or-restart status is-active \
                     is-enabled enable disable mask unmask kill";

fn is_verb(word: &str) -> bool {
    table::has(VERBS, word)
}

pub(super) fn check(step: &Step, sources: &Sources, found: &mut Diagnostics) {
    let Action::Effect(effect) = &step.action else {
        return;
    };
    match &effect.command.work {
        Work::Run(words) => {
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            let first = words.first().map_or(step.span, |word| word.span);
            let last = words.last().map_or(first, |word| word.span);
            let places: Vec<Span> = words.iter().map(|word| word.span).collect();
            command(&texts, &places, first.to(last), found);
        }
        Work::Shell(script) => {
            for line in script.text.lines() {
                let texts: Vec<&str> = words_of(line);
                // The location of a line is only searched for if there is something to report.
                let mut heard = Diagnostics::default();
                command(&texts, &[], script.span, &mut heard);
                if heard.is_empty() {
                    continue;
                }
                let span = line_span(script, line, sources);
                command(&texts, &places_of(&texts, span, sources), span, found);
            }
        }
        Work::Upload(_) => {}
    }
}

/// Returns the location of a line of a script, or of the script if the line is escaped or folded.
pub(super) fn line_span(script: &Template, line: &str, sources: &Sources) -> Span {
    let whole = script.span;
    match sources.slice(whole).find(line.trim()) {
        Some(at) => {
            let start = whole.range().start + at;
            Span::new(whole.source, start, start + line.trim().len())
        }
        None => whole,
    }
}

/// Returns the locations of the words of a line; none if one of them is escaped.
fn places_of(words: &[&str], line: Span, sources: &Sources) -> Vec<Span> {
    let written = sources.slice(line);
    let mut at = 0;
    let mut places = Vec::new();
    for word in words {
        let Some(begin) = written.get(at..).and_then(|rest| rest.find(word)) else {
            return Vec::new();
        };
        let start = line.range().start + at + begin;
        places.push(Span::new(line.source, start, start + word.len()));
        at += begin + word.len();
    }
    places
}

/// Splits a line of a script at spaces, `{{ }}` kept whole.
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

fn command(words: &[&str], places: &[Span], span: Span, found: &mut Diagnostics) {
    match words {
        ["systemctl", rest @ ..] => systemctl(words, places, rest, span, found),
        ["service", verb, unit, ..] if is_verb(verb) && !is_verb(unit) => {
            let fault = Diagnostic::error(
                Code::ReversedSystemctl,
                format!("`service` reads `{verb}` as the name of a service"),
            );
            let mut edits = Vec::new();
            if let [_, first, second, ..] = places {
                edits = vec![Edit::new(*first, *unit), Edit::new(*second, *verb)];
            }
            found.push(
                fault
                    .at(span, format!("`{unit}` must come before `{verb}`"))
                    .fix_all(format!("write `service {unit} {verb}`"), edits),
            );
        }
        ["rm", rest @ ..] => remove(rest, span, found),
        ["find", rest @ ..] if rest.contains(&"-delete") => {
            let starts = rest.iter().take_while(|word| !word.starts_with(['-', '(', '!']));
            everything("find ... -delete", starts.copied(), span, found);
        }
        [program, rest @ ..] if program.starts_with("mkfs") => {
            let device = rest.iter().filter(|word| word.contains("{{"));
            everything("mkfs", device.copied(), span, found);
        }
        ["dd", rest @ ..] => {
            let target = rest.iter().filter_map(|word| word.strip_prefix("of="));
            everything("dd", target.filter(|word| word.contains("{{")), span, found);
        }
        _ => {}
    }
}

fn systemctl(words: &[&str], places: &[Span], rest: &[&str], span: Span, found: &mut Diagnostics) {
    let plain: Vec<&str> = rest.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let [unit, verb] = plain[..] else { return };
    if is_verb(unit) || !is_verb(verb) {
        return;
    }
    let fixed: Vec<&str> = words
        .iter()
        .map(|word| match *word {
            word if word == unit => verb,
            word if word == verb => unit,
            word => word,
        })
        .collect();
    Diagnostic::error(Code::ReversedSystemctl, format!("`systemctl` reads `{unit}` as a command"))
        .at(span, format!("`{verb}` must come before the unit"))
        .fix_all(
            format!("write `{}`", fixed.join(" ")),
            words
                .iter()
                .zip(places)
                .zip(&fixed)
                .filter(|((word, _), fixed)| word != fixed)
                .map(|((_, place), fixed)| Edit::new(*place, *fixed))
                .collect(),
        )
        .emit(found);
}

/// Reports `rm -r` on a path that may be `/` or empty.
fn remove(rest: &[&str], span: Span, found: &mut Diagnostics) {
    let recursive = rest.iter().any(|word| {
        *word == "--recursive"
            || word.starts_with('-') && !word.starts_with("--") && word.contains(['r', 'R'])
    });
    if !recursive {
        return;
    }
    let paths = rest.iter().filter(|word| !word.starts_with('-'));
    everything("rm -r", paths.copied(), span, found);
}

/// Reports paths that may be `/`, or that depend on a value alone.
fn everything<'a>(
    program: &str,
    paths: impl Iterator<Item = &'a str>,
    span: Span,
    found: &mut Diagnostics,
) {
    for word in paths {
        let around = without_templates(word);
        let bare = around.chars().all(|c| matches!(c, '/' | '*' | '.' | '"' | '\''));
        let templated = word.contains("{{");
        if bare && (templated || around.contains('/')) || templated && word.contains("allow_empty")
        {
            let message = match program {
                "mkfs" | "dd" => format!("`{program}` overwrites whatever device `{word}` names"),
                _ if !templated => format!("`{program} {word}` deletes the whole file system"),
                _ if bare => {
                    let value = templates_of(word);
                    format!("`{program}` deletes the whole file system if `{value}` is `/`")
                }
                _ => format!("`{program}` deletes all of `{around}` if the value in it is empty"),
            };
            Diagnostic::warning(Code::DangerousRm, message)
                .at(span, "lost data cannot be restored")
                .help(match program {
                    "mkfs" | "dd" => {
                        "use a path that only names disks: `/dev/disk/by-id/{{ disk }}`"
                    }
                    _ => "name a directory below it: `{{ path }}/.aside`",
                })
                .emit(found);
        }
    }
}

/// Returns the part of a word from its first template to its last.
fn templates_of(word: &str) -> &str {
    let start = word.find("{{").unwrap_or(0);
    let end = word.rfind("}}").map_or(word.len(), |end| end + 2);
    word.get(start..end).unwrap_or(word)
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
