//! The location in the file of each byte of a scalar.
//!
//! Errors of templates and expressions have offsets in the *decoded* text; the author needs the caret in
//! the file. So the text is laid next to what is written: characters are written as they are or as an
//! escape, and spaces and line breaks around a break for what YAML has folded them to. If that does not
//! fit, the whole scalar is the location.

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
                let each = align(source, start, text.style, &text.text);
                (text.style, each.map_or(Table::Unknown, Table::Each))
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

/// Returns for each byte of a text the range in the file that gives it, and one for the end; `None` if
/// the text does not fit to what is written, which starts at a byte of the file.
fn align(source: &str, start: usize, style: Style, text: &str) -> Option<Vec<Range<u32>>> {
    let is_block = matches!(style, Style::Literal | Style::Folded);
    let (mut at, end) = match style {
        Style::Single | Style::Double => (1, source.len().checked_sub(1)?),
        Style::Plain | Style::Literal | Style::Folded => (0, source.len()),
    };
    let place = |at: usize| u32::try_from(start + at).unwrap_or(u32::MAX);
    let mut each = Vec::with_capacity(text.len() + 1);
    // A block starts with its first line that is not empty.
    let empty = if is_block { text.len() - text.trim_start_matches('\n').len() } else { 0 };
    each.resize(empty, place(0)..place(0));
    let mut rest = &text[empty..];
    // The end of the spaces that were read, and have no break among them.
    let mut blank = 0;
    while let Some(character) = rest.chars().next() {
        let left = source.get(at..end)?;
        // An escaped break is folded to nothing.
        let escaped =
            style == Style::Double && (left.starts_with("\\\n") || left.starts_with("\\\r"));
        let (count, gap) = if at < blank { (0, 0) } else { breaks(&left[usize::from(escaped)..]) };
        blank = blank.max(at + gap);
        if count > 0 || is_block && left.is_empty() {
            let made = match count {
                _ if is_block => rest.len() - rest.trim_start_matches([' ', '\t', '\n']).len(),
                1 => usize::from(!escaped),
                _ => count - 1,
            };
            let next = at + gap + usize::from(escaped);
            (made > 0 || next > at).then_some(())?;
            each.resize(each.len() + made, place(at)..place(next));
            rest = rest.get(made..)?;
            at = next;
            continue;
        }
        let (found, width) = match left.as_bytes() {
            [b'\\', ..] if style == Style::Double => escape(left)?,
            [b'\'', b'\'', ..] if style == Style::Single => ('\'', 2),
            _ => left.chars().next().map(|found| (found, found.len_utf8()))?,
        };
        (found == character).then_some(())?;
        each.resize(each.len() + character.len_utf8(), place(at)..place(at + width));
        rest = &rest[character.len_utf8()..];
        at += width;
    }
    let last = each.last().map_or(place(source.len()), |last| last.end);
    each.push(last..last);
    Some(each)
}

/// Counts the line breaks among the spaces that a text starts with; also returns their length.
fn breaks(text: &str) -> (usize, usize) {
    let gap = &text[..text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len()];
    (gap.replace("\r\n", "\n").matches(['\r', '\n']).count(), gap.len())
}

/// Decodes the escape that a text starts with; also returns its length.
fn escape(text: &str) -> Option<(char, usize)> {
    let kind = text[1..].chars().next()?;
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    let end = 1 + kind.len_utf8() + digits;
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
        'x' | 'u' | 'U' => char::from_u32(u32::from_str_radix(text.get(2..end)?, 16).ok()?)?,
        other => other,
    };
    Some((character, end))
}
