//! Where a byte of a scalar's text stands in the file.
//!
//! A template or an expression is found at fault by offsets in the *decoded* text; the author
//! wants the caret in her file. The two are walked along each other by the rules of the scalar's
//! style. Where they cannot be brought together the whole scalar is the place.

use std::ops::Range;

use crate::document::Node;
use crate::document::Style;
use crate::document::Value;
use crate::source::Sources;
use crate::source::Span;

/// Where the bytes of a scalar's text stand; see [`Node::places`].
#[derive(Debug)]
pub struct Places<'a> {
    /// The scalar as it is written.
    source: &'a str,
    /// For each byte of the text its offset in `source`, and one for the end; `None` where the two
    /// cannot be brought together.
    offsets: Option<Vec<usize>>,
    span: Span,
}

impl<'a> Places<'a> {
    pub(super) fn new(node: &Node, sources: &'a Sources) -> Self {
        let source = sources.slice(node.span);
        let offsets = match &node.value {
            Value::Text(text) => offsets(&text.text, source, text.style),
            _ => None,
        };
        Self {
            source,
            offsets,
            span: node.span,
        }
    }

    /// Returns the place of a byte range of the text; of the whole scalar where it is not known.
    pub fn of(&self, range: Range<usize>) -> Span {
        let Some(offsets) = &self.offsets else {
            return self.span;
        };
        let base = self.span.range().start;
        let at = |index: usize| offsets[index.min(offsets.len() - 1)];
        let start = at(range.start);
        let end = if range.end > range.start {
            at(range.end - 1) + 1
        } else {
            start
        };
        // A place ends behind the last byte of its last character.
        let end = (end..=self.source.len())
            .find(|&end| self.source.is_char_boundary(end))
            .unwrap_or(end);
        Span::new(self.span.source, base + start, base + end)
    }
}

/// Returns for each byte of `decoded` its offset in `source`, and one for the end.
fn offsets(decoded: &str, source: &str, style: Style) -> Option<Vec<usize>> {
    let mut offsets = Vec::with_capacity(decoded.len() + 1);
    let mut at = usize::from(matches!(style, Style::Single | Style::Double));
    for character in decoded.chars() {
        let rest = source.get(at..)?;
        let (begin, next) = match style {
            Style::Double if rest.starts_with('\\') => escape(source, at, character)?,
            Style::Single if character == '\'' => rest.starts_with("''").then_some((at, at + 2))?,
            _ if rest.starts_with(character) && character != '\n' && character != ' ' => {
                (at, at + character.len_utf8())
            }
            _ => blank(decoded, source, style, at, character, offsets.len())?,
        };
        offsets.extend(std::iter::repeat_n(begin, character.len_utf8()));
        at = next;
    }
    offsets.push(at.min(source.len()));
    Some(offsets)
}

/// Steps over blanks and line breaks, which fold, and over the indentation of the next line.
fn blank(
    decoded: &str,
    source: &str,
    style: Style,
    at: usize,
    character: char,
    decoded_at: usize,
) -> Option<(usize, usize)> {
    let rest = &source[at..];
    if character == ' ' && rest.starts_with(' ') {
        // Trailing blanks before a fold are dropped by YAML: look whether this is such a run.
        let run = rest.len() - rest.trim_start_matches(' ').len();
        let folds = !matches!(style, Style::Literal)
            && (rest[run..].starts_with('\n') || rest[run..].starts_with("\r\n"));
        if !folds {
            return Some((at, at + 1));
        }
    }
    if !matches!(character, ' ' | '\n') {
        // Indentation in front of a line's first character.
        let skipped = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        return source[at + skipped..]
            .starts_with(character)
            .then(|| (at + skipped, at + skipped + character.len_utf8()));
    }
    let line = rest.find('\n')?;
    rest[..line].trim().is_empty().then_some(())?;
    let mut next = at + line + 1;
    // The next decoded character, if it is no blank, is found behind the indentation.
    let following = decoded[decoded_at..].chars().nth(1);
    if let Some(following) = following.filter(|c| !c.is_whitespace()) {
        let skipped = source[next..].find(|c: char| !c.is_whitespace())?;
        if source[next + skipped..].starts_with(following)
            || (style == Style::Double && source[next + skipped..].starts_with('\\'))
        {
            next += skipped;
        }
    } else if following == Some(' ') && style == Style::Literal {
        let lead = decoded[decoded_at + 1..].len()
            - decoded[decoded_at + 1..].trim_start_matches(' ').len();
        let indent = source[next..].len() - source[next..].trim_start_matches(' ').len();
        next += indent.saturating_sub(lead);
    }
    Some((at, next))
}

/// Steps over one escape of a double-quoted scalar.
fn escape(source: &str, at: usize, character: char) -> Option<(usize, usize)> {
    let kind = source.get(at + 1..)?.chars().next()?;
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        '\n' => {
            let rest = &source[at + 2..];
            let skipped = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            let begin = at + 2 + skipped;
            return source[begin..]
                .starts_with(character)
                .then(|| (begin, begin + character.len_utf8()));
        }
        _ => 0,
    };
    Some((at, at + 1 + kind.len_utf8() + digits))
}
