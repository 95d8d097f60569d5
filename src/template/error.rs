//! What is wrong with the text of an expression or a template, and how it is reported.

use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// A text that is not an expression, or not a template.
#[derive(Clone, Debug)]
pub struct TextError {
    /// What is wrong, as the label of its place.
    pub text: String,
    /// Where in the text.
    pub range: Range<usize>,
    /// What kind of error it is.
    pub kind: TextErrorKind,
    /// What to do, unless a similar name was probably meant.
    pub help: String,
    pub near: Option<&'static str>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextErrorKind {
    /// It cannot be parsed.
    Syntax,
    /// It is too large (see [`crate::template::bounds`]).
    Excess,
    /// It uses a filter that does not exist.
    UnknownFilter,
    /// It uses a test that does not exist.
    UnknownTest,
    /// A filter or test has arguments that it does not take.
    Arguments,
}

impl TextError {
    /// Makes the error of a text that cannot be parsed.
    pub(super) fn syntax(text: impl Into<String>, range: Range<usize>) -> Self {
        Self {
            text: text.into(),
            range,
            kind: TextErrorKind::Syntax,
            help: String::new(),
            near: None,
        }
    }

    /// Returns the diagnostic of an error that is reported in the same way wherever it is; `None`
    /// for one of syntax.
    pub fn diagnostic(&self, place: impl Fn(Range<usize>) -> Span) -> Option<Diagnostic> {
        let text = &self.text;
        let (code, message, label) = match self.kind {
            TextErrorKind::Syntax => return None,
            TextErrorKind::Excess => (
                Code::TemplateTooLarge,
                "template or expression too large".to_owned(),
                text.as_str(),
            ),
            TextErrorKind::UnknownFilter => {
                (Code::UnknownFilter, format!("unknown filter `{text}`"), "not a filter")
            }
            TextErrorKind::UnknownTest => {
                (Code::UnknownTest, format!("unknown test `{text}`"), "not a test")
            }
            TextErrorKind::Arguments => (Code::WrongArguments, text.clone(), "invalid arguments"),
        };
        let span = place(self.range.clone());
        let fault = Diagnostic::error(code, message).at(span, label);
        Some(match self.near {
            // The location may not be exact.
            Some(near) if span.range().len() == self.range.len() => {
                fault.fix(format!("did you mean `{near}`?"), span, near)
            }
            near => fault.suggest(near, &self.help),
        })
    }
}
