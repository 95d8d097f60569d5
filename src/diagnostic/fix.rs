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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    #[test]
    fn edits_are_carried_out_from_behind() {
        let mut sources = Sources::default();
        let id = sources.add("p.yaml", "one two three");
        let edit = |start, end, text: &str| Edit::new(Span::new(id, start, end), text);
        let fix = Fix::new("swap", vec![edit(4, 7, "1"), edit(0, 3, "twice")]).unwrap();
        assert_eq!(fix.apply(sources.get(id).text()), "twice 1 three");
        let put_in = Fix::new("put in", vec![edit(3, 3, ",")]).unwrap();
        assert_eq!(put_in.apply(sources.get(id).text()), "one, two three");
    }

    #[test]
    fn edits_over_each_other_and_in_two_files_are_no_fix() {
        let mut sources = Sources::default();
        let (id, other) = (sources.add("a", "text"), sources.add("b", "text"));
        let edit = |id, start, end| Edit::new(Span::new(id, start, end), "x");
        assert_eq!(Fix::new("", vec![]), None);
        assert_eq!(Fix::new("", vec![edit(id, 0, 3), edit(id, 2, 4)]), None);
        assert_eq!(Fix::new("", vec![edit(id, 1, 1), edit(id, 1, 1)]), None);
        assert_eq!(Fix::new("", vec![edit(id, 0, 1), edit(other, 2, 3)]), None);
    }
}
