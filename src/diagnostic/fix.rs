//! Fixes: edits of a text that remove a problem.
//!
//! A fix is only given if a program can make the change. Afterwards the problem is gone from its
//! location, and the text has no new syntax error, as `tests/it/rejected.rs` requires. It is still a
//! suggestion: only the author knows what they meant.

use crate::source::{SourceId, Span};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub span: Span,
    pub text: String,
}

impl Edit {
    pub fn new(span: Span, text: impl Into<String>) -> Self {
        Self { span, text: text.into() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an imperative or a question.
    pub text: String,
    /// The edits of one file, by location, without overlaps; never empty.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// Makes a fix; `None` if there are no edits, or they overlap.
    pub fn new(text: impl Into<String>, mut edits: Vec<Edit>) -> Option<Self> {
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let source = edits.first()?.span.source;
        let apart = edits
            .windows(2)
            .all(|two| two[0].span.end <= two[1].span.start && two[0].span != two[1].span);
        let one_file = edits.iter().all(|edit| edit.span.source == source);
        (apart && one_file).then(|| Self { text: text.into(), edits })
    }

    pub fn source(&self) -> SourceId {
        self.edits[0].span.source
    }

    pub fn apply(&self, text: &str) -> String {
        let mut fixed = text.to_owned();
        for edit in self.edits.iter().rev() {
            let range = edit.span.range();
            if text.get(range.clone()).is_some() {
                fixed.replace_range(range, &edit.text);
            }
        }
        fixed
    }
}
