//! Finds what only other shells than `sh` support in a script, and problems that it hides.
//!
//! Read from the characters of a script that are command text ([`script::command_text`]): what is
//! in quotes, comments and here-documents is none.

use std::ops::Range;

use crate::table;
use crate::template::script;

/// Something that only other shells know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub range: Range<usize>,
    /// What it is, with its article or in backquotes.
    pub what: &'static str,
    pub instead: &'static str,
}

/// Returns the rows of a sort: what is written, what it is, and what to write instead.
fn rows(wanted: &str) -> impl Iterator<Item = [&'static str; 3]> {
    let rows = table::rows::<4>(include_str!("posix.tsv"));
    rows.filter(move |[sort, ..]| *sort == wanted)
        .map(|[_, sign, what, instead]| [sign, what, instead])
}

/// Returns what only other shells support, each kind once.
pub fn foreign(script: &str) -> Vec<Foreign> {
    let text = script::command_text(script);
    let mut all: Vec<Foreign> = Vec::new();
    let mut add = |range: Range<usize>, what: &'static str, instead: &'static str| {
        if !all.iter().any(|one| one.what == what) {
            all.push(Foreign { range, what, instead });
        }
    };
    for words in all_words(&text) {
        let Some(first) = words.first() else { continue };
        let name = &text[first.clone()];
        let name = if name.starts_with("((") { "((" } else { name };
        if let Some([word, what, instead]) = rows("command").find(|[word, ..]| *word == name) {
            add(first.start..first.start + word.len(), what, instead);
        }
        let after: Vec<&str> = words.iter().map(|word| &text[word.clone()]).collect();
        if name == "set"
            && let Some(at) = after.iter().position(|word| *word == "pipefail")
        {
            let instead = "check each command, with a file between them instead of a pipe";
            add(words[at].clone(), "pipefail", instead);
        }
        if ["[", "test"].contains(&name)
            && let Some(at) = after.iter().position(|word| *word == "==")
        {
            add(words[at].clone(), "== in [ ]", "write `=`");
        }
    }
    for [sign, what, instead] in rows("sign") {
        if let Some(at) = text.match_indices(sign).map(|(at, _)| at).find(|at| {
            let before = text[..*at].chars().next_back();
            let name = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
            // `=(` and `+=` come right after a name; `$'` is none after `$$`.
            if ["=(", "+="].contains(&sign) { name } else { before != Some('$') }
        }) {
            add(at..at + sign.len(), what, instead);
        }
    }
    for (at, _) in text.match_indices("${") {
        let rest = &text[at + 2..];
        let name = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let behind = name.filter(|length| *length > 0).map_or("", |length| &rest[length..]);
        for [sign, what, instead] in rows("parameter") {
            if behind.starts_with(sign) {
                add(at..at + 2, what, instead);
            }
        }
    }
    all.sort_by_key(|one| one.range.start);
    all
}

/// Returns the first command of a pipeline whose failure goes unnoticed.
pub fn hidden(script: &str) -> Option<Range<usize>> {
    // Of what is in braces or a loop the last command is not seen here.
    const HARMLESS: [&str; 10] =
        [":", "case", "done", "echo", "esac", "fi", "printf", "true", "yes", "}"];
    const CONDITION: [&str; 5] = ["!", "elif", "if", "until", "while"];
    let text = script::command_text(script);
    let mut depth = 0_usize;
    let mut condition = false;
    let mut start = 0;
    for (at, character) in text.char_indices() {
        if at < start || redirects(&text, at) {
            continue;
        }
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !";&|\n".contains(character) {
            continue;
        }
        let here = words(&text, start..at);
        let first = here.first().map(|word| &text[word.clone()]);
        let introduced = text[start..at].split_whitespace().next();
        condition = condition || introduced.is_some_and(|word| CONDITION.contains(&word));
        let behind = &text[at + 1..];
        let pipe =
            character == '|' && !behind.starts_with('|') && !text[..at].ends_with(['>', '|']);
        if pipe && depth == 0 && !condition && first.is_some_and(|word| !HARMLESS.contains(&word)) {
            let last = here.last().map_or(at, |word| word.end);
            return Some(here[0].start..last);
        }
        let double = behind.starts_with(character) && "&|".contains(character);
        condition = condition && pipe;
        start = at + 1 + usize::from(double);
        if double && character == '|' {
            // What follows `||` handles the failure of what precedes it.
            condition = false;
        }
    }
    None
}

/// Whether a sign belongs to a redirection: `2>&1`, `&>`, `>|`.
fn redirects(text: &str, at: usize) -> bool {
    let (before, behind) = (&text[..at], &text[at..]);
    behind.starts_with("&>") || behind.starts_with(['&', '|']) && before.ends_with(['>', '<'])
}

/// Divides a script into simple commands, each into words: no quoted sign divides them, and no sign of a
/// value.
pub fn commands(script: &str) -> Vec<Vec<Range<usize>>> {
    all_words(&script::command_text(script)).filter(|words| !words.is_empty()).collect()
}

fn all_words(text: &str) -> impl Iterator<Item = Vec<Range<usize>>> + '_ {
    divided(text).map(|command| words(text, command))
}

/// Divides a text into simple commands.
fn divided(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut from = 0;
    let ends: Vec<usize> = text
        .char_indices()
        .filter(|(_, c)| ";&|\n".contains(*c))
        .map(|(at, _)| at)
        .filter(|at| !redirects(text, *at))
        .collect();
    ends.into_iter().chain([text.len()]).map(move |end| {
        let command = from..end;
        from = end + 1;
        command
    })
}

/// Divides a command into words; those that only introduce one are left out.
fn words(text: &str, command: Range<usize>) -> Vec<Range<usize>> {
    const BEFORE: [&str; 11] =
        ["!", "(", "do", "elif", "else", "if", "then", "time", "until", "while", "{"];
    let mut words = Vec::new();
    let mut start = None;
    let piece = &text[command.clone()];
    for (at, character) in piece.char_indices().chain([(piece.len(), ' ')]) {
        if character.is_whitespace() {
            words.extend(start.take().map(|start| command.start + start..command.start + at));
        } else {
            start.get_or_insert(at);
        }
    }
    let introduces = |word: &Range<usize>| BEFORE.contains(&&text[word.clone()]);
    let skipped = words.iter().take_while(|word| introduces(word)).count();
    words.split_off(skipped)
}
