//! The location in the file of each byte of a scalar.
//!
//! Errors of templates and expressions have offsets in the *decoded* text; the author needs the caret in
//! the file. So the scalar is decoded again here, by YAML's rules for its style, and every character has
//! its origin. The result must be the text of the parser; if it is not, the whole scalar is the location.

use std::ops::Range;

use crate::diagnostic::Edit;
use crate::document::{Node, Style, Value};
use crate::source::{Sources, Span};

/// The places of the bytes of a scalar's text.
#[derive(Clone, Debug)]
pub struct Places {
    whole: Span,
    style: Style,
    table: Table,
}

#[derive(Clone, Debug)]
enum Table {
    /// The file contains the text unchanged, from this byte on.
    Same(usize),
    /// For each byte of the text the range in the file that gives it, and one for the end.
    Each(Vec<Range<u32>>),
    /// They are not known.
    Unknown,
}

impl Places {
    /// Makes the places of a node's text.
    pub(super) fn of(node: &Node, sources: &Sources) -> Self {
        let whole = node.span;
        let start = whole.range().start;
        let source = sources.slice(whole);
        let (style, table) = match &node.value {
            Value::Text(text) if text.text == source => (text.style, Table::Same(start)),
            Value::Text(text) => {
                let before = sources.get(whole.source).text().get(..start);
                let line = before.and_then(|before| before.rfind(['\n', '\r']));
                let column = start - line.map_or(0, |line| line + 1);
                let each = decode(source, column, text.style, &text.text);
                let table = each.map_or(Table::Unknown, |each| shifted(&each, start));
                (text.style, table)
            }
            // Numbers and bools are used as they are written.
            _ => (Style::Plain, Table::Same(start)),
        };
        Self { whole, style, table }
    }

    /// Returns the location of a byte range of the text, or of the whole scalar if it is not known.
    pub fn span(&self, range: Range<usize>) -> Span {
        self.exact(range).unwrap_or(self.whole)
    }

    /// Returns the location of a byte range of the text, if it is known.
    pub fn exact(&self, range: Range<usize>) -> Option<Span> {
        let (start, end) = match &self.table {
            Table::Unknown => return None,
            Table::Same(base) => (base + range.start, base + range.end.max(range.start)),
            Table::Each(each) => {
                let at = |index: usize| each[index.min(each.len() - 1)].clone();
                let start = at(range.start).start as usize;
                if range.end > range.start {
                    (start, at(range.end - 1).end as usize)
                } else {
                    (start, start)
                }
            }
        };
        Some(Span::new(self.whole.source, start, end))
    }

    /// Returns the edit that puts other text in the place of a byte range, written as the style of
    /// the scalar needs it; `None` if the location is not known or the style does not allow it.
    pub fn edit(&self, range: Range<usize>, with: &str) -> Option<Edit> {
        let with = match self.style {
            Style::Single => with.replace('\'', "''"),
            Style::Double => with.replace('\\', "\\\\").replace('"', "\\\""),
            Style::Plain if with.contains(": ") || with.contains(" #") => return None,
            _ if with.contains('\n') => return None,
            _ => with.to_owned(),
        };
        Some(Edit::new(self.exact(range)?, with))
    }
}

fn shifted(each: &[Range<usize>], by: usize) -> Table {
    let at = |at: usize| u32::try_from(at + by).unwrap_or(u32::MAX);
    let moved = each.iter().map(|range| at(range.start)..at(range.end));
    Table::Each(moved.collect())
}

/// A text that is made again, each byte with the range it came from.
#[derive(Default)]
struct Made {
    text: String,
    each: Vec<Range<usize>>,
}

impl Made {
    fn push(&mut self, character: char, from: Range<usize>) {
        self.text.push(character);
        let bytes = std::iter::repeat_n(from, character.len_utf8());
        self.each.extend(bytes);
    }

    /// Takes characters as they stand.
    fn take(&mut self, source: &str, range: Range<usize>) {
        for (at, character) in source[range.clone()].char_indices() {
            let start = range.start + at;
            self.push(character, start..start + character.len_utf8());
        }
    }

    /// Folds line breaks: one becomes a space, several become one fewer.
    fn fold(&mut self, breaks: usize, at: Range<usize>) {
        if breaks == 1 {
            self.push(' ', at);
        } else {
            for _ in 1..breaks {
                self.push('\n', at.clone());
            }
        }
    }
}

/// Decodes a scalar that starts in a column; `None` if the result is not the text.
fn decode(source: &str, column: usize, style: Style, text: &str) -> Option<Vec<Range<usize>>> {
    let mut made = Made::default();
    match style {
        Style::Plain => flow(source, 0..source.len(), Style::Plain, &mut made)?,
        Style::Single | Style::Double => {
            let quote = if style == Style::Single { '\'' } else { '"' };
            let end = source.rfind(quote).filter(|end| *end > 0)?;
            source.starts_with(quote).then_some(())?;
            flow(source, 1..end, style, &mut made)?;
        }
        Style::Literal | Style::Folded => {
            block(source, column, style == Style::Folded, text, &mut made);
        }
    }
    // How many breaks a block ends with is said in its head: those that are too many go.
    if made.text.len() > text.len() && made.text[text.len()..].trim_matches('\n').is_empty() {
        made.text.truncate(text.len());
        made.each.truncate(text.len());
    }
    (made.text == text).then_some(())?;
    let end = made.each.last().map_or(source.len(), |last| last.end);
    made.each.push(end..end);
    Some(made.each)
}

/// Decodes a plain or quoted scalar.
fn flow(source: &str, range: Range<usize>, style: Style, made: &mut Made) -> Option<()> {
    let mut at = range.start;
    while at < range.end {
        let rest = &source[at..range.end];
        let character = rest.chars().next()?;
        let width = character.len_utf8();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if style == Style::Double && character == '\\' {
            at = escape(source, at, range.end, made)?;
        } else if style == Style::Single && rest.starts_with("''") {
            made.push('\'', at..at + 2);
            at += 2;
        } else if break_at(&rest[blanks..]).is_some() {
            // Spaces before a break are dropped, and so is the indentation after it.
            let (breaks, next) = breaks(source, at + blanks, range.end);
            let end = at + blanks + break_at(&rest[blanks..]).unwrap_or_default();
            made.fold(breaks, at..end);
            at = next;
        } else if blanks > 0 {
            made.take(source, at..at + blanks);
            at += blanks;
        } else {
            made.push(character, at..at + width);
            at += width;
        }
    }
    Some(())
}

/// Returns the width of the line break that a text starts with.
fn break_at(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [b'\r', b'\n', ..] => Some(2),
        [b'\r' | b'\n', ..] => Some(1),
        _ => None,
    }
}

/// Counts the breaks from a byte on, over empty lines; also returns the start of the next line's text.
fn breaks(source: &str, mut at: usize, end: usize) -> (usize, usize) {
    let mut count = 0;
    while let Some(width) = break_at(&source[at..end]) {
        count += 1;
        at += width;
        let rest = &source[at..end];
        at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }
    (count, at)
}

/// Decodes one escape of a double-quoted scalar; returns the byte after it.
fn escape(source: &str, at: usize, end: usize, made: &mut Made) -> Option<usize> {
    let rest = source.get(at + 1..end)?;
    if break_at(rest).is_some() {
        // An escaped break is nothing at all; further ones are breaks.
        let (count, next) = breaks(source, at + 1, end);
        for _ in 1..count {
            made.push('\n', at..next);
        }
        return Some(next);
    }
    let kind = rest.chars().next()?;
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    let next = at + 1 + kind.len_utf8() + digits;
    let character = match kind {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'x' | 'u' | 'U' => {
            char::from_u32(u32::from_str_radix(source.get(at + 2..next)?, 16).ok()?)?
        }
        other => other,
    };
    made.push(character, at..next);
    Some(next)
}

/// A line of a block scalar: its text without the break, and the start of the next one.
struct Line {
    text: Range<usize>,
    next: usize,
}

fn lines(source: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let end = source[at..].find(['\r', '\n']).map_or(source.len(), |end| at + end);
        let next = end + break_at(&source[end..]).unwrap_or(0);
        lines.push(Line { text: at..end, next });
        at = next;
    }
    lines
}

/// Decodes a literal or folded scalar.
///
/// Its place starts with its first line that is not empty, after the indentation.
fn block(source: &str, indent: usize, folded: bool, text: &str, made: &mut Made) {
    for _ in 0..text.len() - text.trim_start_matches('\n').len() {
        made.push('\n', 0..0);
    }
    let lines = lines(source);
    let mut empty = 0;
    // Of the last line with text: whether it is indented further, and its break.
    let mut before: Option<(bool, Range<usize>)> = None;
    for (number, line) in lines.iter().enumerate() {
        let written = &source[line.text.clone()];
        let blanks = written.len() - written.trim_start_matches(' ').len();
        let cut = if number == 0 { 0 } else { indent.min(blanks) };
        let range = line.text.start + cut..line.text.end;
        let at = line.text.end..line.next;
        if range.is_empty() {
            if folded && before.is_some() {
                empty += 1;
            } else {
                made.push('\n', at);
            }
            continue;
        }
        let further = source[range.clone()].starts_with([' ', '\t']);
        if let (true, Some((was_further, end))) = (folded, before.take()) {
            if was_further || further {
                for _ in 0..=empty {
                    made.push('\n', end.clone());
                }
            } else {
                made.fold(empty + 1, end);
            }
        }
        empty = 0;
        made.take(source, range);
        if folded {
            before = Some((further, at));
        } else {
            made.push('\n', at);
        }
    }
    if let Some((_, end)) = before {
        for _ in 0..=empty {
            made.push('\n', end.clone());
        }
    }
}
