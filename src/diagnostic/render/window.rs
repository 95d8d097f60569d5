//! The lines of a text that a diagnostic shows: never the whole text, which may be large.

use std::ops::Range;

use crate::source::Source;

/// Maximum size of the lines that are shown unchanged. A longer line is generated.
const MAX_BYTES: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Window {
    pub(super) first_line: usize,
    /// The lines, without control characters.
    pub(super) text: String,
    /// Their offset in the text.
    start: usize,
}

impl Window {
    /// Returns the lines in which some ranges start; `None` if they are too long.
    pub(super) fn around(source: &Source, ranges: &[Range<usize>]) -> Option<Self> {
        let starts = ranges.iter().map(|range| range.start.min(source.text().len()));
        let (first, last) = (starts.clone().min()?, starts.max()?);
        let first_line = source.line_of(first);
        let lines = source.lines();
        let start = lines[first_line];
        let next = lines.get(source.line_of(last) + 1);
        let end = next.copied().unwrap_or(source.text().len());
        let text = source.text().get(start..end)?;
        (text.len() <= MAX_BYTES).then(|| Self {
            first_line: first_line + 1,
            text: plain(text),
            start,
        })
    }

    /// Converts a range of the text to one of the window, up to the end of its first line: a mark over
    /// many lines would be a long bracket that shows no more.
    pub(super) fn range(&self, range: &Range<usize>) -> Range<usize> {
        let Range { start, end } = self.whole(range);
        let newline = self.text[start..end].find('\n');
        start..newline.map_or(end, |newline| start + newline)
    }

    /// Converts a range of the text to one of the window.
    pub(super) fn whole(&self, range: &Range<usize>) -> Range<usize> {
        let within = |at: usize| {
            let mut at = at.saturating_sub(self.start).min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        within(range.start)..within(range.end.max(range.start))
    }
}

/// Replaces control characters, byte for byte, so that offsets stay valid.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => out.push(character),
            '\r' => out.push(' '),
            _ if character.is_control() => {
                out.extend(std::iter::repeat_n('?', character.len_utf8()));
            }
            _ => out.push(character),
        }
    }
    out
}
