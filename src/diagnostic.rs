//! Diagnostics: problems in a text that a user wrote.
//!
//! They are the first of three kinds of problems; the others are errors of the system and outcomes of
//! tasks. A stage that reads text never stops at the first problem: it pushes a [`Diagnostic`] and
//! continues. A headline is lower case, without a full stop, with the user's words in backticks; a
//! label says what its token is; a help is an imperative. If a program can make the change, a [`Fix`]
//! replaces the help, and the fixed line is shown. Codes are permanent; each has a section in
//! `docs/diagnostics.md`, as a test requires.

pub mod allow;
mod code;
mod fix;
pub mod manual;
pub mod render;
mod suggestions;

use std::collections::HashSet;

use crate::file::ReadError;
use crate::source::Span;

pub use code::Code;
pub use fix::{Edit, Fix};
pub use suggestions::{Suggestions, nearest};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but is probably not what its author meant.
    Warning,
    /// Nothing is wrong. Never a failure.
    Note,
}

impl Severity {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    /// The message; may be empty.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    /// Where it is; `None` for a problem of a whole file without text (a missing file).
    pub primary: Option<Label>,
    /// Whether something is missing at its location: the value there is valid.
    pub is_absence: bool,
    pub secondary: Vec<Label>,
    /// What to do, in words.
    pub help: Vec<String>,
    /// What to do, as edits of the text; of several, one is enough.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message.into())
    }

    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

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
            is_absence: false,
            secondary: Vec::new(),
            help: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Sets the location and its label, if the location is known.
    #[must_use]
    pub fn at(mut self, span: impl Into<Option<Span>>, text: impl Into<String>) -> Self {
        self.primary = span.into().map(|span| Label { span, text: text.into() }).or(self.primary);
        self
    }

    /// Sets the location at which something is missing, and its label.
    #[must_use]
    pub fn missing_at(self, span: Span, text: impl Into<String>) -> Self {
        Self { is_absence: true, ..self.at(span, text) }
    }

    /// Adds a second location, if it is known.
    #[must_use]
    pub fn also(mut self, span: impl Into<Option<Span>>, text: impl Into<String>) -> Self {
        self.secondary.extend(span.into().map(|span| Label { span, text: text.into() }));
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds the question whether a similar name was meant, or else this help line.
    #[must_use]
    pub fn suggest(self, near: Option<&str>, or: impl Into<String>) -> Self {
        match near {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self.help(or),
        }
    }

    /// Adds a help line and the one edit that it describes.
    #[must_use]
    pub fn fix(self, text: impl Into<String>, span: Span, fixed: impl Into<String>) -> Self {
        self.fix_all(text, vec![Edit::new(span, fixed)])
    }

    /// Adds a help line and its edits. If the edits overlap, only the line is kept.
    #[must_use]
    pub fn fix_all(mut self, text: impl Into<String>, edits: Vec<Edit>) -> Self {
        let text = text.into();
        match Fix::new(text.clone(), edits) {
            Some(fix) => self.fixes.push(fix),
            None => self.help.push(text),
        }
        self
    }

    /// Adds it to the problems found so far.
    pub fn emit(self, found: &mut Diagnostics) {
        found.push(self);
    }

    /// Returns all helps in words: those of the fixes first.
    pub fn orders(&self) -> impl Iterator<Item = &str> {
        let fixes = self.fixes.iter().map(|fix| fix.text.as_str());
        fixes.chain(self.help.iter().map(String::as_str))
    }
}

/// Maximum number of problems that one invocation keeps. Users fix the first ones first, and the time
/// to report all would grow with their number and with the text.
pub const MAX_FAULTS: usize = 200;

#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    left_out: usize,
    /// Whether checking stopped early.
    stopped: bool,
    /// Represents those; it is sorted after all others.
    rest: Option<Box<Diagnostic>>,
}

impl Diagnostics {
    /// Adds a problem; beyond [`MAX_FAULTS`] it is only counted.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.is_full() {
            self.found.push(diagnostic);
            return;
        }
        let error = |one: &Diagnostic| one.severity == Severity::Error;
        let errors = error(&diagnostic) || self.rest.as_deref().is_some_and(error);
        self.leave_out(1, errors);
    }

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

    /// Records that checking stopped because no more problems are kept. This is an error: the rest of the
    /// text is not known to be valid.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.leave_out(0, true);
    }

    /// Whether no more problems of an unusable text are kept. If so, it records that checking stopped.
    pub fn gives_up(&mut self) -> bool {
        let gives_up = self.is_full() && self.has_errors();
        if gives_up {
            self.stop();
        }
        gives_up
    }

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
        rest.message = if self.stopped {
            "too many errors; stopped checking".to_owned()
        } else {
            format!("{} more problems are not shown", self.left_out)
        };
    }

    /// Removes those that should not be shown; those that are not kept stay counted.
    pub fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.found.retain(keep);
    }

    /// Changes those that are kept: a later stage may know better what the author meant.
    pub fn amend(&mut self, change: impl FnMut(&mut Diagnostic)) {
        self.found.iter_mut().for_each(change);
    }

    /// Returns the locations of the values that errors are about, or of those where something is missing.
    pub fn places(&self, of_absence: bool) -> HashSet<Span> {
        let errors = self.found.iter().filter(|one| one.severity == Severity::Error);
        let errors = errors.filter(|one| one.is_absence == of_absence);
        errors.filter_map(|one| Some(one.primary.as_ref()?.span)).collect()
    }

    /// Whether no more problems are kept, so that expensive helps need not be computed.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_FAULTS
    }

    pub fn has_errors(&self) -> bool {
        let mut all = self.found.iter().chain(self.rest.as_deref());
        all.any(|one| one.severity == Severity::Error)
    }

    pub fn errors(&self) -> usize {
        self.found.iter().filter(|one| one.severity == Severity::Error).count()
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns them by location, without repetitions; last the one that represents those not kept.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<&Diagnostic> = self.found.iter().collect();
        all.sort_by_key(|one| one.primary.as_ref().map(|label| label.span));
        all.dedup();
        all.extend(self.rest.as_deref());
        all
    }
}
