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
}

/// The kinds of [`TextError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextErrorKind {
    /// It cannot be parsed.
    Syntax,
    /// It is too large (see [`crate::template::bounds`]).
    Excess,
    /// It uses a filter that does not exist.
    UnknownFilter(Option<Advice>),
    /// It uses a test that does not exist.
    UnknownTest(Option<Advice>),
    /// A filter or test has arguments that it does not take.
    Arguments(String),
}

/// What to write instead of an unknown name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    Near(&'static str),
    /// Something else, in words.
    Words(&'static str),
}

impl TextError {
    /// Makes a fault of a text that cannot be parsed.
    pub(super) fn syntax(text: impl Into<String>, range: Range<usize>) -> Self {
        Self { text: text.into(), range, kind: TextErrorKind::Syntax }
    }

    /// Returns the diagnostic of a fault that is reported in the same way wherever it is; `None`
    /// for one of syntax.
    pub fn diagnostic(&self, place: impl Fn(Range<usize>) -> Span) -> Option<Diagnostic> {
        let span = place(self.range.clone());
        match &self.kind {
            TextErrorKind::Syntax => None,
            TextErrorKind::Excess => Some(
                Diagnostic::error(Code::TemplateTooLarge, "template or expression too large")
                    .at(span, self.text.clone())
                    .help("split it into named expressions (`let`) or recorded values (`set`), or shorten it"),
            ),
            TextErrorKind::UnknownFilter(advice) => {
                let fault = Diagnostic::error(
                    Code::UnknownFilter,
                    format!("unknown filter `{}`", self.text),
                );
                Some(advise(
                    fault.at(span, "not a filter"),
                    advice.as_ref(),
                    span,
                    self,
                    "filters",
                ))
            }
            TextErrorKind::UnknownTest(advice) => {
                let fault = Diagnostic::error(
                    Code::UnknownTest,
                    format!("unknown test `{}`", self.text),
                );
                Some(advise(fault.at(span, "not a test"), advice.as_ref(), span, self, "tests"))
            }
            TextErrorKind::Arguments(help) => Some(
                Diagnostic::error(Code::WrongArguments, self.text.clone())
                    .at(span, "invalid arguments")
                    .help(help.clone()),
            ),
        }
    }
}

/// Says what to write instead; as an edit if the location is exact.
fn advise(
    one: Diagnostic,
    advice: Option<&Advice>,
    span: Span,
    fault: &TextError,
    all: &str,
) -> Diagnostic {
    match advice {
        Some(Advice::Near(name)) => {
            let order = format!("did you mean `{name}`?");
            if span.range().len() == fault.range.len() {
                one.fix(order, span, *name)
            } else {
                one.help(order)
            }
        }
        Some(Advice::Words(words)) => one.help(*words),
        None => one.help(format!("use one of the {all} listed in docs/language.md")),
    }
}
