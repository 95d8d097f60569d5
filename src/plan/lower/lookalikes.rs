//! Typographic quotes, dashes and spaces in commands: neither a program nor a shell knows them.
//!
//! Only characters where a word starts or ends, outside quotes, are reported: inside quotes and
//! in the middle of a word (`it’s`) it is text.

use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, Edit};
use crate::document::lookalike::Lookalike;
use crate::document::{Node, Style, Value};
use crate::plan::lower::Lowering;
use crate::template::script;

/// Most places of one command that are reported.
const MAX_PLACES: usize = 16;

/// A character that is not what it looks like, and what was meant.
struct Odd {
    range: Range<usize>,
    one: &'static Lookalike,
    meant: &'static str,
}

impl Lowering<'_> {
    /// Warns of typographic characters in a command line or a script.
    pub(super) fn report_lookalikes(&mut self, node: &Node) {
        for item in node.items() {
            let text = item.as_text().unwrap_or_default();
            self.report_odd(item, &in_argument(text));
        }
        let text = node.as_text().unwrap_or_default();
        self.report_odd(node, &in_script(text));
    }

    fn report_odd(&mut self, node: &Node, found: &[Odd]) {
        let Some((first, others)) = found.split_first() else { return };
        let places = node.places(self.sources);
        let label = |odd: &Odd| {
            let what = match odd.one.meant {
                "\"" | "'" => "not a quote",
                "-" | "--" => "does not start an option",
                _ => "part of a word, not a space",
            };
            format!("{}: {what}", odd.one.title())
        };
        let fault =
            Diagnostic::warning(Code::TypographicCharacter, "typographic characters in a command")
                .at(places.span(first.range.clone()), label(first));
        let fault = others
            .iter()
            .fold(fault, |fault, odd| fault.also(places.span(odd.range.clone()), label(odd)));
        let edit = |odd: &Odd| places.edit(odd.range.clone(), odd.meant);
        let edits: Vec<Edit> = requoted(node, found).map_or_else(
            || found.iter().filter_map(edit).collect(),
            |whole| vec![Edit::new(node.span, whole)],
        );
        self.found.push(fault.fix_all("use plain characters", edits));
    }
}

/// Returns a plain scalar in YAML quotes, if its text would start with a quote that YAML would read as
/// its own. If the whole text is in quotes, they may well be meant for YAML.
fn requoted(node: &Node, found: &[Odd]) -> Option<String> {
    let Value::Text(text) = &node.value else { return None };
    let first = found.first().filter(|odd| odd.range.start == 0 && quotes(odd.one))?;
    let whole = found.len() == 2 && found[1].range.end == text.text.len();
    if text.style != Style::Plain || whole && found[1].meant == first.meant {
        return None;
    }
    let fixed = found.iter().rev().fold(text.text.clone(), |mut fixed, odd| {
        fixed.replace_range(odd.range.clone(), odd.meant);
        fixed
    });
    Some(format!("'{}'", fixed.replace('\'', "''")))
}

/// Finds those at the start and at the end of an argument, which is a word whatever is in it.
fn in_argument(text: &str) -> Vec<Odd> {
    let mut signs = text.char_indices();
    let first = signs.next().and_then(|(_, sign)| Lookalike::of(sign));
    let last = signs.next_back().and_then(|(at, sign)| Some((at, Lookalike::of(sign)?)));
    let odd = |at: usize, one: &'static Lookalike, meant| {
        let range = at..at + one.character.len_utf8();
        Odd { range, one, meant }
    };
    match (first, last) {
        (Some(first), Some((at, last))) if quotes(first) && quotes(last) => {
            vec![odd(0, first, ""), odd(at, last, "")]
        }
        (Some(first), _) if dashes(first) => {
            dash(text, 0, first).map(|meant| odd(0, first, meant)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Finds those of a command line or a script.
fn in_script(text: &str) -> Vec<Odd> {
    let odd = |at: usize| {
        let rest = &text[at..];
        let one = Lookalike::of(rest.chars().next()?)?;
        let end = at + one.character.len_utf8();
        let before = text[..at].chars().next_back();
        let begins = before.is_none_or(|c| c.is_whitespace() || "=;&|()".contains(c));
        let ends =
            text[end..].chars().next().is_none_or(|c| c.is_whitespace() || ";&|)".contains(c));
        let meant = match one.meant {
            // A single one in a word is an apostrophe.
            "'" if !begins && !ends => None,
            "-" | "--" if begins => dash(text, at, one),
            "-" | "--" => None,
            meant => Some(meant),
        };
        Some(Odd { range: at..end, one, meant: meant? })
    };
    script::plain(text).into_iter().filter_map(odd).take(MAX_PLACES).collect()
}

fn quotes(one: &Lookalike) -> bool {
    matches!(one.meant, "\"" | "'")
}

fn dashes(one: &Lookalike) -> bool {
    one.meant.starts_with('-')
}

/// Returns the dashes of an option: one for a single letter, else two; none if it is not an option.
fn dash(text: &str, at: usize, one: &Lookalike) -> Option<&'static str> {
    let rest = &text[at + one.character.len_utf8()..];
    let word = rest.split(|c: char| c.is_whitespace() || c == '=').next()?;
    word.starts_with(|c: char| c.is_ascii_alphanumeric()).then_some(())?;
    Some(if word.len() == 1 { "-" } else { one.meant })
}
