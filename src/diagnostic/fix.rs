//! Fixes: edits of a text that cure a fault of it.
//!
//! A fix is given only where the cure is mechanical. Carried out, the fault it belongs to is gone
//! from its place and the text has no new fault of syntax; `tests/it/rejected.rs` holds that. It is
//! still a proposal: what was meant is the author's to say.

use crate::source::{SourceId, Span};

/// A replacement of a piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty where something is put in between.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

impl Edit {
    /// Makes an edit.
    pub fn new(span: Span, text: impl Into<String>) -> Self {
        Self { span, text: text.into() }
    }
}

/// A cure that can be carried out by a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an order or a question.
    pub text: String,
    /// The edits, all of one file, in the order of their places, none over another; never empty.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// Makes a fix; `None` where the edits are none, or do not fit together.
    pub fn new(text: impl Into<String>, mut edits: Vec<Edit>) -> Option<Self> {
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let source = edits.first()?.span.source;
        let apart = edits
            .windows(2)
            .all(|two| two[0].span.end <= two[1].span.start && two[0].span != two[1].span);
        let one_file = edits.iter().all(|edit| edit.span.source == source);
        (apart && one_file).then(|| Self { text: text.into(), edits })
    }

    /// Returns the file it changes.
    pub fn source(&self) -> SourceId {
        self.edits[0].span.source
    }

    /// Carries it out on the text of its file.
    pub fn apply(&self, text: &str) -> String {
        let mut cured = text.to_owned();
        for edit in self.edits.iter().rev() {
            let range = edit.span.range();
            if text.get(range.clone()).is_some() {
                cured.replace_range(range, &edit.text);
            }
        }
        cured
    }
}
