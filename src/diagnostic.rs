//! Diagnostics: what is wrong with a text that a person wrote.
//!
//! The first of the three kinds of wrong (the others: errors of the world, outcomes of tasks).
//! A stage that reads text never stops at the first fault: it pushes a [`Diagnostic`] and goes
//! on. A headline is lower case, without a full stop, with the user's words in backticks; a label
//! says what is at its place; a help is an order. Where the cure is mechanical a [`Fix`] stands in
//! the place of a help, and the cured line is shown. Codes last: each has a section in
//! `docs/diagnostics.md`, held by a test.

pub mod allow;
mod code;
mod fix;
pub mod manual;
mod near;
pub mod render;

use std::fmt::Write as _;

use crate::file::ReadError;
use crate::source::Span;

pub use code::Code;
pub use fix::{Edit, Fix};
pub use near::{Near, nearest};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The text cannot be used.
    Error,
    /// The text can be used, and is probably not what was meant.
    Warning,
    /// Nothing is wrong: this is worth knowing. Never a failure.
    Note,
}

/// A remark at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is there; may be empty.
    pub text: String,
}

/// One fault of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind of problem it is.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The headline.
    pub message: String,
    /// Where it is; `None` for a fault of a whole file that has no text (a missing file).
    pub primary: Option<Label>,
    /// The names it is about, and those that its helps offer instead: what follows from it is found by these.
    pub names: Vec<String>,
    /// Other places that matter.
    pub secondary: Vec<Label>,
    /// What to do about it, in words.
    pub help: Vec<String>,
    /// What to do about it, as edits of the text; if there are several, one of them.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// Starts an error.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message.into())
    }

    /// Starts a warning.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

    /// Starts a note.
    pub fn note(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, message.into())
    }

    /// Makes the error about a file that cannot be read.
    pub fn unreadable(shown: &str, error: &ReadError) -> Self {
        let (code, help) = match error {
            ReadError::Missing => (Code::NoSuchFile, "check the path".to_owned()),
            ReadError::Directory => {
                let folder = shown.trim_end_matches('/');
                (Code::UnreadableFile, format!("name the files in it: `{folder}/*.yaml`"))
            }
            ReadError::NotRegular => (Code::UnreadableFile, "copy it to a regular file".to_owned()),
            ReadError::TooLarge(_) => {
                (Code::FileTooLarge, "split it, or move large data to other files".to_owned())
            }
            ReadError::NotUtf8(_) => (Code::NotUtf8, "save the file as UTF-8".to_owned()),
            ReadError::Refused(_) => {
                (Code::UnreadableFile, "check the path and its permissions".to_owned())
            }
        };
        Self::error(code, format!("cannot read `{shown}`: {error}")).help(help)
    }

    fn new(code: Code, severity: Severity, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            primary: None,
            names: Vec::new(),
            secondary: Vec::new(),
            help: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Says where it is and what is there.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }

    /// Adds a name it is about, or one that a help offers instead.
    #[must_use]
    pub fn naming(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds what to do, and the one edit that does it.
    #[must_use]
    pub fn fix(self, text: impl Into<String>, span: Span, cured: impl Into<String>) -> Self {
        self.fix_all(text, vec![Edit::new(span, cured)])
    }

    /// Adds what to do, and the edits that do it; edits that do not fit together leave the words.
    #[must_use]
    pub fn fix_all(mut self, text: impl Into<String>, edits: Vec<Edit>) -> Self {
        let text = text.into();
        match Fix::new(text.clone(), edits) {
            Some(fix) => self.fixes.push(fix),
            None => self.help.push(text),
        }
        self
    }

    /// Returns all that can be done about it in words: those of the fixes, then the helps.
    pub fn orders(&self) -> impl Iterator<Item = &str> {
        let fixes = self.fixes.iter().map(|fix| fix.text.as_str());
        fixes.chain(self.help.iter().map(String::as_str))
    }
}

/// Most faults of one invocation that are kept: who has more begins with these, and telling all
/// would take time that grows with their number and with the text.
pub const MAX_FAULTS: usize = 200;

/// The faults found so far.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    /// How many more were found.
    left_out: usize,
    /// Whether no more were looked for.
    stopped: bool,
    /// Stands for those, behind all others.
    rest: Option<Box<Diagnostic>>,
}

impl Diagnostics {
    /// Adds a fault; beyond [`MAX_FAULTS`] it is only counted.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.is_full() {
            self.found.push(diagnostic);
            return;
        }
        let error = |one: &Diagnostic| one.severity == Severity::Error;
        let errors = error(&diagnostic) || self.rest.as_deref().is_some_and(error);
        self.leave_out(1, errors);
    }

    /// Adds all of another collection.
    pub fn extend(&mut self, other: Self) {
        for one in other.found {
            self.push(one);
        }
        self.stopped |= other.stopped;
        if let Some(rest) = other.rest {
            let errors = self.has_errors() || rest.severity == Severity::Error;
            self.leave_out(other.left_out, errors);
        }
    }

    /// Tells that the rest was not looked at, because no more faults are kept: an error, for what
    /// was not looked at is not known to be sound.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.leave_out(0, true);
    }

    /// Whether nothing comes of a text and no more faults of it are kept. Then it tells that the rest
    /// was not looked at, and whoever asks looks no further.
    pub fn gives_up(&mut self) -> bool {
        let gives_up = self.is_full() && self.has_errors();
        if gives_up {
            self.stop();
        }
        gives_up
    }

    /// Whether it was told that the rest was not looked at.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    fn leave_out(&mut self, more: usize, errors: bool) {
        self.left_out += more;
        let rest = self.rest.get_or_insert_with(|| {
            let rest = Diagnostic::error(Code::TooManyFaults, String::new());
            Box::new(rest.help("fix the problems above first, then check again"))
        });
        rest.severity = if errors { Severity::Error } else { Severity::Warning };
        rest.message.clear();
        // Writing to a string cannot fail.
        let _written = if self.stopped {
            let words = "too many errors; stopped checking";
            rest.message.write_str(words)
        } else {
            write!(rest.message, "{} more problems are not shown", self.left_out)
        };
    }

    /// Leaves out what is not to be told; those that are not kept stay counted.
    pub fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.found.retain(keep);
    }

    /// Changes what is kept: whoever sees more than the stage that found it may know what was meant.
    pub fn amend(&mut self, change: impl FnMut(&mut Diagnostic)) {
        self.found.iter_mut().for_each(change);
    }

    /// Whether no more faults are kept: what takes long to tell need not be found out then.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_FAULTS
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        let mut all = self.found.iter().chain(self.rest.as_deref());
        all.any(|one| one.severity == Severity::Error)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns them in the order of their places, without repetitions; last what stands for those
    /// that were too many.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<&Diagnostic> = self.found.iter().collect();
        all.sort_by_key(|one| one.primary.as_ref().map(|label| label.span));
        all.dedup();
        all.extend(self.rest.as_deref());
        all
    }
}
