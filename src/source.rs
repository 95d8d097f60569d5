//! Source texts, and spans in them.
//!
//! Every text that a user wrote (a plan, an inventory, a model) is stored here once, with the path as
//! they named it. A [`Span`] is a range of bytes in one of them, so that a message can point at its
//! subject, whatever stage reports it.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::file::{Disk, FileSystem, ReadError};

/// Identifies a text in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub source: SourceId,
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// Makes a span; if `end` is before `start`, it is empty.
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { source, start: clamp(start), end: clamp(end.max(start)) }
    }

    /// Returns the span as a range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Returns the smallest span that covers both; they must be in one text.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            source: self.source,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Source {
    path: String,
    text: String,
    /// The offsets of its lines, computed when they are needed.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// Returns the path as the user named it.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the line and column of a byte, both from 1; the column counts characters.
    pub fn line_column(&self, at: usize) -> (usize, usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.line_of(at);
        let start = self.lines()[line];
        (line + 1, self.text[start..at].chars().count() + 1)
    }

    /// Returns the number of the line of a byte, from 0.
    pub fn line_of(&self, at: usize) -> usize {
        self.lines().partition_point(|&start| start <= at) - 1
    }

    /// Returns the offset of each line; there is always a first one.
    pub fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let breaks = self.text.match_indices('\n');
            std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
        })
    }
}

#[derive(Clone, Debug)]
pub struct Sources {
    texts: Vec<Source>,
    files: Arc<dyn FileSystem>,
}

impl Default for Sources {
    fn default() -> Self {
        Self::of(Disk)
    }
}

impl Sources {
    /// Starts without texts; files are read from this file system.
    pub fn of(files: impl FileSystem + 'static) -> Self {
        Self { texts: Vec::new(), files: Arc::new(files) }
    }

    pub fn files(&self) -> Arc<dyn FileSystem> {
        Arc::clone(&self.files)
    }

    /// Reads a text file, and adds it with its path for messages.
    pub fn read(&mut self, path: &Path, shown: &str) -> Result<SourceId, ReadError> {
        let text = self.files.text(path)?;
        Ok(self.add(shown, text))
    }

    /// Adds a text and returns its id.
    ///
    /// # Panics
    /// Never in practice: there are fewer than 2^32 texts.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> SourceId {
        let id = u32::try_from(self.texts.len()).expect("fewer than 2^32 source texts");
        self.texts.push(Source { path: path.into(), text: text.into(), lines: OnceLock::new() });
        SourceId(id)
    }

    /// Returns all texts, in the order they were added.
    pub fn ids(&self) -> impl Iterator<Item = SourceId> + use<> {
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        (0..number).map(SourceId)
    }

    pub fn get(&self, id: SourceId) -> &Source {
        &self.texts[id.0 as usize]
    }

    /// Overwrites a span with asterisks; line breaks stay, so all locations stay valid.
    pub fn blot(&mut self, span: Span) {
        let Some(source) = self.texts.get_mut(span.source.0 as usize) else { return };
        let Some(part) = source.text.get(span.range()) else { return };
        let hidden: String =
            part.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
        source.text.replace_range(span.range(), &hidden);
    }

    /// Returns the text of a span; an empty string if the span does not fit.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).text().get(span.range()).unwrap_or_default()
    }
}
