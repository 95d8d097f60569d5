//! Typos in YAML, and their fixes.
//!
//! The parser stops at a syntax error and reports its location. The most common mistakes (a template
//! without quotes, a comma or bracket in `{ }`, `: ` in a string, a tab, an unclosed quote) are tried here:
//! a fix is only suggested if the fixed text can be parsed further than before.

use std::ops::Range;

use granit_parser::{ErrorKind, Parser, ScanError};

use crate::diagnostic::{Code, Diagnostic, Edit};
use crate::document::lookalike::Lookalike;
use crate::document::{lookalike, parse};
use crate::source::{SourceId, Span};

/// Longest text in which fixes are tried, in bytes: each try reads it once.
const MAX_TRIED: usize = 1024 * 1024;
/// Maximum fixes that are tried.
const MAX_TRIES: usize = 16;

/// Maximum number of lines with odd characters that are tried.
const MAX_ODD: usize = 4;

/// Maximum lines that a fix moves.
const MAX_MOVED: usize = 12;

/// A piece of text and what replaces it.
type Change = (Range<usize>, String);

const QUOTE_TEMPLATE: &str = "quote a value that starts with a template";
const QUOTE_FLOW: &str = "quote a string inside `{ }` that contains `,`, `:`, `{`, `}`, `[` or `]`";
const QUOTE_COLON: &str = "quote a string that contains `: `";
const QUOTE_SIGN: &str = "quote a string that starts with a special character of YAML";
const CLOSE_QUOTE: &str = "close the quote";
const UNDER: &str = "align the keys of the item";
const BLANK: &str = "add a space after the `:`";
const TABS: &str = "use spaces";
const IN_FURTHER: &str = "indent the closing bracket by more than the key it belongs to";

/// Reports a syntax error, with its fix if one is known.
pub(super) fn syntax(text: &str, id: SourceId, at: usize, error: &ScanError) -> Diagnostic {
    let width = text[at..].chars().next().map_or(0, char::len_utf8);
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        // The parser has the same bound, and meets it first.
        return parse::too_deep(Span::new(id, at, at + width));
    }
    if let Some(odd) = odd(text, id, at) {
        return odd;
    }
    let fault = Diagnostic::error(Code::YamlSyntax, "invalid YAML")
        .at(Span::new(id, at, at + width), error.info());
    let or = "check the indentation and the quotes of this line and the line before it";
    advise(fault, text, id, at, or)
}

/// Reports a tab in the indentation, or a character that looks like one of YAML's, if the text can be
/// read further without it. The parser finds the fault where it takes effect, which may be later.
fn odd(text: &str, id: SourceId, at: usize) -> Option<Diagnostic> {
    if text.len() > MAX_TRIED {
        return None;
    }
    let line = line_of(text, at);
    let after = line_of(text, (line.end + 1).min(text.len()));
    let mut tries = Vec::new();
    for line in [&after, &line] {
        tabs(text, line, &mut tries);
    }
    let fixed = tries.iter().find(|(_, changes)| works(text, changes, after.end));
    if let Some((order, changes)) = fixed {
        let of_line = |one: &&Change| one.0.start >= line.start;
        let (tab, _) = changes.iter().find(of_line)?;
        let fault = Diagnostic::error(Code::YamlSyntax, "tabs are not allowed in indentation")
            .at(Span::new(id, tab.start, tab.end), "a tab");
        return Some(fault.fix_all(*order, edits(id, changes)));
    }
    // From the nearest line upwards.
    let mut changes: Vec<Change> = Vec::new();
    let mut end = after.end;
    for _ in 0..MAX_ODD {
        let last =
            text[..end].char_indices().rev().find(|(_, c)| Lookalike::space(*c).is_some())?.0;
        let line = line_of(text, last);
        let found = odd_spaces(text, line.clone());
        if let Some((at, one)) = found.first() {
            let more = found
                .iter()
                .map(|(at, one)| (*at..at + one.character.len_utf8(), one.meant.to_owned()));
            changes.splice(0..0, more);
            if works(text, &changes, after.end) {
                let mut fault = lookalike::odd(one, id, *at);
                fault.fixes.clear();
                return Some(fault.fix_all("use plain spaces", edits(id, &changes)));
            }
        }
        end = line.start;
    }
    None
}

/// Returns the odd spaces of a line in places where YAML requires a plain one: in the indentation, or
/// after a character of its syntax.
fn odd_spaces(text: &str, line: Range<usize>) -> Vec<(usize, &'static Lookalike)> {
    let mut found = Vec::new();
    let mut syntax = true;
    for (at, character) in text[line.clone()].char_indices() {
        match Lookalike::space(character) {
            Some(one) if syntax => found.push((line.start + at, one)),
            Some(_) => {}
            None if matches!(character, ' ' | '\t') => {}
            None => syntax = matches!(character, '-' | ':' | '?' | ',' | '[' | '{'),
        }
    }
    found
}

/// Adds the fix of an error at a byte of a text, if a known one works, or else this help.
pub(super) fn advise(
    fault: Diagnostic,
    text: &str,
    id: SourceId,
    at: usize,
    or: &str,
) -> Diagnostic {
    if text.len() > MAX_TRIED {
        return fault.help(or);
    }
    let line = line_of(text, at);
    let mut tries = Vec::new();
    templates(text, &line, at, &mut tries);
    flow(text, &line, at, &mut tries);
    quotes(text, at, &mut tries);
    colons(text, &line, at, &mut tries);
    closing(text, &line, &mut tries);
    columns(text, &line, &mut tries);
    let mut tries = tries.into_iter().take(MAX_TRIES);
    match tries.find(|(_, changes)| works(text, changes, line.end)) {
        Some((order, changes)) => fault.fix_all(order, edits(id, &changes)),
        None => fault.help(or),
    }
}

fn edits(id: SourceId, changes: &[Change]) -> Vec<Edit> {
    let place = |range: &Range<usize>| Span::new(id, range.start, range.end);
    changes.iter().map(|(range, with)| Edit::new(place(range), with.clone())).collect()
}

type Tries = Vec<(&'static str, Vec<Change>)>;

/// Whether a changed text has no fault up to a byte of the old one.
fn works(text: &str, changes: &[Change], reached: usize) -> bool {
    let mut fixed = text.to_owned();
    let mut moved = reached;
    for (range, with) in changes.iter().rev() {
        fixed.replace_range(range.clone(), with);
        if range.start <= reached {
            moved = (moved + with.len()).saturating_sub(range.len());
        }
    }
    first_fault(&fixed).is_none_or(|fault| fault > moved)
}

/// Returns the offset of the first syntax error of a text; a template that is read as a mapping counts.
fn first_fault(text: &str) -> Option<usize> {
    let mut before_key = None;
    for event in Parser::new_from_str_with_options(text, parse::options()) {
        match event {
            Err(error) => return Some(error.marker().byte_offset().unwrap_or(0)),
            Ok((granit_parser::Event::MappingStart(..), span)) => {
                let at = span.byte_range().map_or(0, |range| range.start);
                // `{{`: a mapping that is the key of another.
                if before_key.is_some_and(|before| before + 1 == at) {
                    return Some(at);
                }
                before_key = text[at.min(text.len())..].starts_with('{').then_some(at);
            }
            Ok(_) => before_key = None,
        }
    }
    None
}

/// Spaces before a bracket that closes a long list or mapping.
fn closing(text: &str, line: &Range<usize>, tries: &mut Tries) {
    let content = &text[line.clone()];
    let indent = content.len() - content.trim_start_matches(' ').len();
    if content[indent..].starts_with([']', '}']) {
        let further = |width: usize| vec![(line.start..line.start, " ".repeat(width))];
        tries.extend([2, 4, 6, 8].map(|width| (IN_FURTHER, further(width))));
    }
}

/// Tries to put a key, and what follows at its column, under the first key of the item above.
fn columns(text: &str, line: &Range<usize>, tries: &mut Tries) {
    let column = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let own = column(&text[line.clone()]);
    let above = text[..line.start].lines().rev();
    let item = above.map(|line| (column(line), line.trim_start_matches(' ')));
    let mut item = item.filter(|(_, rest)| rest.starts_with("- "));
    let Some((start, rest)) = item.next() else { return };
    let wanted = start + rest.len() - rest[1..].trim_start_matches(' ').len();
    if own == wanted || own + 1 < start {
        return;
    }
    let mut changes = Vec::new();
    let mut at = line.start;
    for line in text[line.start..].split_inclusive('\n').take(MAX_MOVED) {
        let rest = line.trim_start_matches(' ');
        let right = column(line) == wanted && !changes.is_empty();
        if column(line) < own || right || column(line) == own && rest.starts_with("- ") {
            break;
        }
        // Deeper lines keep their distance from the key they belong to.
        let column = column(line);
        changes.push((at..at + column, " ".repeat(column + wanted - own)));
        at += line.len();
    }
    tries.push((UNDER, changes));
}

/// Returns the line around a byte, without its end.
fn line_of(text: &str, at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    start..end
}

fn line_before(text: &str, line: &Range<usize>) -> Option<Range<usize>> {
    (line.start > 0).then(|| line_of(text, line.start - 1))
}

/// Returns a line and the one before it.
fn lines_near(text: &str, line: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    std::iter::once(line.clone()).chain(line_before(text, line))
}

/// Spaces for every tab that indents a line.
fn tabs(text: &str, line: &Range<usize>, tries: &mut Tries) {
    let indents = |line: &str| line[..line.len() - line.trim_start().len()].contains('\t');
    if !indents(&text[line.clone()]) {
        return;
    }
    for width in [2, 4, 8] {
        let mut changes = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
            for (at, _) in line[..indent].match_indices('\t') {
                changes.push((start + at..start + at + 1, " ".repeat(width)));
            }
            start += line.len();
        }
        tries.push((TABS, changes));
    }
}

/// Quotes for a value that starts with `{{`.
fn templates(text: &str, line: &Range<usize>, at: usize, tries: &mut Tries) {
    for line in lines_near(text, line) {
        let content = &text[line.clone()];
        let opened: Vec<usize> = content
            .match_indices("{{")
            .map(|(begin, _)| begin)
            .filter(|begin| {
                let before = content[..*begin].trim_end();
                before.ends_with([':', '-', ',', '[']) || before.is_empty()
            })
            .collect();
        // The one nearest to the fault first: those before it have been read.
        let near = opened.iter().rev().filter(|begin| line.start + **begin <= at + 1);
        for begin in near.take(2) {
            let start = line.start + begin;
            let Some(closed) = content[*begin..].rfind("}}") else { continue };
            let ends = [end_of_value(content), first_end(content, *begin), begin + closed + 2];
            for end in ends {
                if end > *begin {
                    tries.push((QUOTE_TEMPLATE, quoted(text, start..line.start + end)));
                }
            }
        }
    }
}

/// Returns the end of the content of a line, without its comment.
fn end_of_value(line: &str) -> usize {
    let end = line.find(" #").unwrap_or(line.len());
    line[..end].trim_end().len()
}

/// Returns the end of the template that starts at a byte, with adjoining text.
fn first_end(line: &str, begin: usize) -> usize {
    let closed = line[begin..].find("}}").map_or(line.len(), |at| begin + at + 2);
    let rest = &line[closed..];
    closed + rest.find([',', '}', ']']).unwrap_or(rest.trim_end().len())
}

/// Quotes for a value in `{ }` that contains one of its special characters.
fn flow(text: &str, line: &Range<usize>, at: usize, tries: &mut Tries) {
    for line in lines_near(text, line) {
        let content = &text[line.clone()];
        if !content.contains('{') {
            continue;
        }
        let until = content.floor_char_boundary(at.saturating_sub(line.start));
        let starts: Vec<usize> =
            content[..until].match_indices(": ").map(|(colon, _)| colon + 2).collect();
        for start in starts.into_iter().rev().take(3) {
            let ends = content[until..]
                .char_indices()
                .filter(|(_, c)| matches!(c, ',' | '}'))
                .map(|(end, _)| until + end);
            let values = ends.map(|end| content[start..end].trim_end());
            // What ends amid a template or a quote is tried last.
            let (whole, cut): (Vec<&str>, Vec<&str>) = values.take(8).partition(|v| is_whole(v));
            for value in whole.into_iter().chain(cut).take(4) {
                if !value.is_empty() && !value.starts_with(['"', '\'', '{', '[']) {
                    let range = line.start + start..line.start + start + value.len();
                    tries.push((QUOTE_FLOW, quoted(text, range)));
                }
            }
        }
    }
}

/// Whether all brackets and double quotes of a text are closed.
fn is_whole(text: &str) -> bool {
    let count = |sign| text.matches(sign).count();
    count('{') == count('}') && count('[') == count(']') && count('"') % 2 == 0
}

/// The end of a quote that is not closed.
fn quotes(text: &str, at: usize, tries: &mut Tries) {
    let mut line = line_of(text, at);
    for _ in 0..3 {
        let content = &text[line.clone()];
        for quote in ['"', '\''] {
            let signs = content.replace("\\\"", "").matches(quote).count();
            let begins = content.contains(&format!(": {quote}"))
                || content.trim_start_matches([' ', '-']).starts_with(quote);
            if signs % 2 == 1 && begins {
                let end = line.start + content.trim_end().len();
                tries.push((CLOSE_QUOTE, vec![(end..end, quote.to_string())]));
            }
        }
        match line_before(text, &line) {
            Some(before) => line = before,
            None => return,
        }
    }
}

/// Quotes for a value that contains `: ` or starts with a special character; a space after a colon.
fn colons(text: &str, line: &Range<usize>, at: usize, tries: &mut Tries) {
    let content = &text[line.clone()];
    let end = end_of_value(content);
    if let Some(colon) = content.find(": ") {
        let start = content[colon + 2..].len() - content[colon + 2..].trim_start().len();
        let start = colon + 2 + start;
        if start < end && !content[start..].starts_with(['"', '\'', '{', '[', '|', '>']) {
            let sign = content[start..].starts_with(['@', '`', '%', '*', '&', '!']);
            let order = if sign { QUOTE_SIGN } else { QUOTE_COLON };
            tries.push((order, quoted(text, line.start + start..line.start + end)));
        }
    }
    let item = content.len() - content.trim_start_matches([' ', '-']).len();
    if item < end && item + line.start <= at {
        let sign = content[item..].starts_with(['@', '`', '%', '*', '&', '!']);
        if sign {
            tries.push((QUOTE_SIGN, quoted(text, line.start + item..line.start + end)));
        }
    }
    for line in lines_near(text, line) {
        let content = &text[line.clone()];
        let key = content.trim_start_matches([' ', '-']);
        let Some(colon) = key.find(':') else { continue };
        let word = key[..colon].chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if word && colon > 0 && key[colon + 1..].starts_with(|c: char| !c.is_whitespace()) {
            let behind = line.start + content.len() - key.len() + colon + 1;
            tries.push((BLANK, vec![(behind..behind, " ".into())]));
        }
    }
}

/// Puts quotes around a piece of text, those that need the fewest other changes.
fn quoted(text: &str, range: Range<usize>) -> Vec<Change> {
    let content = &text[range.clone()];
    let quote = if content.contains(['"', '\\']) { "'" } else { "\"" };
    let mut changes = vec![(range.start..range.start, quote.to_owned())];
    if quote == "'" {
        for (at, _) in content.match_indices('\'') {
            let at = range.start + at;
            changes.push((at..at, "'".into()));
        }
    }
    changes.push((range.end..range.end, quote.to_owned()));
    changes
}
