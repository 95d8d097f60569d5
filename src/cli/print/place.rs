//! Locations in files, as other programs need them.
//!
//! Code hosts name files by their paths from the root of the repository, where planrun is run: paths are
//! made relative to the working directory if they are below it.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::source::{Sources, Span};

/// A range of a text in lines and columns, all from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Region {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    /// The column after the last.
    pub(super) end_column: usize,
}

impl Region {
    pub(super) fn of(span: Span, sources: &Sources) -> Self {
        let source = sources.get(span.source);
        let range = span.range();
        let (line, column) = source.line_column(range.start);
        let (end_line, end_column) = source.line_column(range.end);
        Self { line, column, end_line, end_column }
    }
}

/// The folder that paths are relative to.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn here() -> Self {
        Self(std::env::current_dir().unwrap_or_default())
    }

    /// Returns a path from the root: `plans/a.yaml` for `./plans/a.yaml` and for an absolute path below the
    /// root. Other absolute paths, and paths that leave it with `..`, are not changed.
    pub(super) fn relative(&self, path: &str) -> String {
        let path = Path::new(path);
        let below = path.strip_prefix(&self.0).unwrap_or(path);
        let parts =
            below.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
        parts.to_string_lossy().into_owned()
    }
}
