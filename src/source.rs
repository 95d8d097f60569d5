//! Source texts and places in them.
//!
//! Every text that a user wrote (a plan, an inventory, a model) is kept here, under the path the user
//! knows it by, with the [`FileSystem`] that it was read from. A [`Span`] is a byte range in a text, so
//! that a message can point at what it is about, whatever stage finds the error.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::file::{Disk, FileSystem, ReadError};

/// Names one text in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A byte range in one source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// The first byte.
    pub start: u32,
    /// The byte behind the last.
    pub end: u32,
}

impl Span {
    /// Makes a span; an `end` before `start` gives an empty span at `start`.
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { source, start: clamp(start), end: clamp(end.max(start)) }
    }

    /// Returns the span as a range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Returns the smallest span that covers both; they are of one text.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            source: self.source,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// One text and the name it is shown by.
#[derive(Clone, Debug)]
pub struct Source {
    path: String,
    text: String,
    /// Where its lines begin; made when a line is asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// Returns the path as the user named it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns line and column of a byte, both from 1; the column counts characters.
    pub fn line_column(&self, at: usize) -> (usize, usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.line_of(at);
        let start = self.lines()[line];
        (line + 1, self.text[start..at].chars().count() + 1)
    }

    /// Returns the number of the line, from 0, that a byte is in.
    pub fn line_of(&self, at: usize) -> usize {
        self.lines().partition_point(|&start| start <= at) - 1
    }

    /// Returns where each line begins; there is always a first one.
    pub fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let breaks = self.text.match_indices('\n');
            std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
        })
    }
}

/// All texts of one invocation.
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

    /// Returns the file system.
    pub fn files(&self) -> Arc<dyn FileSystem> {
        Arc::clone(&self.files)
    }

    /// Reads a file that is text, and adds it under the name it is shown by.
    pub fn read(&mut self, path: &Path, shown: &str) -> Result<SourceId, ReadError> {
        let text = self.files.text(path)?;
        Ok(self.add(shown, text))
    }

    /// Adds a text and returns its name.
    ///
    /// # Panics
    /// Never in practice: there would have to be 2^32 texts.
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

    /// Returns a text.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.texts[id.0 as usize]
    }

    /// Blots out what stands under a span: asterisks of the same length, line breaks stay. Places in
    /// the text are the same afterwards.
    pub fn blot(&mut self, span: Span) {
        let Some(source) = self.texts.get_mut(span.source.0 as usize) else {
            return;
        };
        let Some(part) = source.text.get(span.range()) else {
            return;
        };
        let hidden: String =
            part.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
        source.text.replace_range(span.range(), &hidden);
    }

    /// Returns the text under a span; the empty text where the span does not fit.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).text().get(span.range()).unwrap_or_default()
    }
}
