//! Commands that are almost certainly mistakes.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Edit};
use crate::plan::Step;
use crate::plan::lint::words;
use crate::plan::lint::words::Words;
use crate::source::Sources;
use crate::table;

/// Commands of `systemctl`.
const VERBS: &str = "start stop restart reload try-restart reload-or-restart status is-active \
                     is-enabled enable disable mask unmask kill";

fn is_verb(word: &str) -> bool {
    table::has(VERBS, word)
}

pub(super) fn check(step: &Step, sources: &Sources, found: &mut Diagnostics) {
    let work = step.effect().map(|effect| &effect.command.work);
    for one in work.into_iter().flat_map(words::commands) {
        command(&one, sources, found);
    }
}

fn command(one: &Words<'_>, sources: &Sources, found: &mut Diagnostics) {
    let mut everything = |program: &str, paths: Vec<&str>| {
        paths.into_iter().filter_map(|path| loss(program, path)).for_each(|fault| {
            fault.at(one.span(sources), "lost data cannot be restored").emit(found);
        });
    };
    match one.words.as_slice() {
        ["systemctl", rest @ ..] => systemctl(one, rest, sources, found),
        ["service", verb, unit, ..] if is_verb(verb) && !is_verb(unit) => {
            let places = one.places(sources);
            let edits = match places.as_slice() {
                [_, first, second, ..] => vec![Edit::new(*first, *unit), Edit::new(*second, *verb)],
                _ => Vec::new(),
            };
            let message = format!("`service` reads `{verb}` as the name of a service");
            Diagnostic::error(Code::ReversedSystemctl, message)
                .at(one.span(sources), format!("`{unit}` must come before `{verb}`"))
                .fix_all(format!("write `service {unit} {verb}`"), edits)
                .emit(found);
        }
        ["rm", rest @ ..] if rest.iter().any(|word| is_recursive(word)) => {
            let paths = rest.iter().copied().filter(|word| !word.starts_with('-'));
            everything("rm -r", paths.collect());
        }
        ["find", rest @ ..] if rest.contains(&"-delete") => {
            let starts = rest.iter().copied().take_while(|word| !word.starts_with(['-', '(', '!']));
            everything("find ... -delete", starts.collect());
        }
        [program, rest @ ..] if program.starts_with("mkfs") => {
            everything("mkfs", rest.iter().copied().filter(|word| word.contains("{{")).collect());
        }
        ["dd", rest @ ..] => {
            let target = rest.iter().filter_map(|word| word.strip_prefix("of="));
            everything("dd", target.filter(|word| word.contains("{{")).collect());
        }
        _ => {}
    }
}

fn systemctl(one: &Words<'_>, rest: &[&str], sources: &Sources, found: &mut Diagnostics) {
    let plain: Vec<&str> = rest.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let [unit, verb] = plain[..] else { return };
    if is_verb(unit) || !is_verb(verb) {
        return;
    }
    let words = one.words.iter().copied();
    let fixed: Vec<&str> = words
        .map(|word| match word {
            word if word == unit => verb,
            word if word == verb => unit,
            word => word,
        })
        .collect();
    let places = one.places(sources);
    let changed =
        one.words.iter().zip(places).zip(&fixed).filter(|((word, _), fixed)| word != fixed);
    let edits = changed.map(|((_, place), fixed)| Edit::new(place, *fixed)).collect();
    Diagnostic::error(Code::ReversedSystemctl, format!("`systemctl` reads `{unit}` as a command"))
        .at(one.span(sources), format!("`{verb}` must come before the unit"))
        .fix_all(format!("write `{}`", fixed.join(" ")), edits)
        .emit(found);
}

fn is_recursive(word: &str) -> bool {
    let is_short = word.starts_with('-') && !word.starts_with("--");
    word == "--recursive" || is_short && word.contains(['r', 'R'])
}

/// Returns the problem of a path that may be `/`, or that depends on a value alone.
fn loss(program: &str, word: &str) -> Option<Diagnostic> {
    let around = without_templates(word);
    let bare = around.chars().all(|c| matches!(c, '/' | '*' | '.' | '"' | '\''));
    let templated = word.contains("{{");
    let is_empty = templated && word.contains("allow_empty");
    if !(bare && (templated || around.contains('/')) || is_empty) {
        return None;
    }
    let message = match program {
        "mkfs" | "dd" => format!("`{program}` overwrites whatever device `{word}` names"),
        _ if !templated => format!("`{program} {word}` deletes the whole file system"),
        _ if bare => {
            let value = templates_of(word);
            format!("`{program}` deletes the whole file system if `{value}` is `/`")
        }
        _ => format!("`{program}` deletes all of `{around}` if the value in it is empty"),
    };
    Some(Diagnostic::warning(Code::DangerousRm, message).help(match program {
        "mkfs" | "dd" => "use a path that only names disks: `/dev/disk/by-id/{{ disk }}`",
        _ => "name a directory below it: `{{ path }}/.aside`",
    }))
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
