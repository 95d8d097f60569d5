//! Text of a page: spans in a line, and listings.

use serde::Serialize;

use crate::page::Tone;
use crate::printable::printable;

/// Text in a line. Everything in it is printable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<Span>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Span {
    Plain {
        text: String,
    },
    Code {
        text: String,
    },
    Strong {
        text: String,
    },
    /// A state, in its tone.
    Word {
        text: String,
        tone: Tone,
    },
    /// A link to an anchor of this page.
    Link {
        text: String,
        to: String,
    },
}

impl Text {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a span, unless it is empty.
    fn with(mut self, text: &str, span: impl FnOnce(String) -> Span) -> Self {
        if !text.is_empty() {
            self.0.push(span(printable(text)));
        }
        self
    }

    #[must_use]
    pub fn plain(self, text: &str) -> Self {
        self.with(text, |text| Span::Plain { text })
    }

    /// Adds a sentence, in which what is between backticks is code.
    #[must_use]
    pub fn prose(self, text: &str) -> Self {
        let parts: Vec<&str> = text.split('`').collect();
        if parts.len().is_multiple_of(2) {
            return self.plain(text);
        }
        let add = |out: Self, (at, part): (usize, &&str)| match at % 2 {
            0 => out.plain(part),
            _ => out.code(part),
        };
        parts.iter().enumerate().fold(self, add)
    }

    #[must_use]
    pub fn code(self, text: &str) -> Self {
        self.with(text, |text| Span::Code { text })
    }

    #[must_use]
    pub fn strong(self, text: &str) -> Self {
        self.with(text, |text| Span::Strong { text })
    }

    #[must_use]
    pub fn word(self, tone: Tone, text: &str) -> Self {
        self.with(text, |text| Span::Word { text, tone })
    }

    /// Adds a link to a step or a section of the page, by its [`anchor`].
    #[must_use]
    pub fn link(self, text: &str, to: &str) -> Self {
        self.with(text, |text| Span::Link { text, to: anchor(to) })
    }

    /// Adds other text.
    #[must_use]
    pub fn then(mut self, other: impl Into<Self>) -> Self {
        self.0.extend(other.into().0);
        self
    }

    /// Adds other text, after a separator if there is text on both sides.
    #[must_use]
    pub fn and(self, separator: &str, other: impl Into<Self>) -> Self {
        let other = other.into();
        if self.is_empty() || other.is_empty() {
            return self.then(other);
        }
        self.plain(separator).then(other)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// Returns it without its form.
    pub fn bare(&self) -> String {
        let text = |span: &Span| match span {
            Span::Plain { text }
            | Span::Code { text }
            | Span::Strong { text }
            | Span::Word { text, .. }
            | Span::Link { text, .. } => text.clone(),
        };
        self.0.iter().map(text).collect()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::default().prose(text)
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

/// Lines that keep their form: a command, a script, an output. Each line is printable; tabs stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What it is, above it; may be empty.
    pub about: Text,
    pub text: String,
    /// Whether it was printed by a command, and is not one.
    pub is_output: bool,
}

impl Listing {
    pub fn command(about: impl Into<Text>, text: &str) -> Self {
        Self { about: about.into(), text: lines(text), is_output: false }
    }

    pub fn output(about: impl Into<Text>, text: &str) -> Self {
        Self { about: about.into(), text: lines(text), is_output: true }
    }
}

fn lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(printable).collect::<Vec<_>>().join("\t");
    text.trim_end().lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns what links to something lead to: lower case, with `-` for what an anchor cannot contain.
pub fn anchor(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let out: String = text.chars().map(keep).collect();
    out.to_ascii_lowercase()
}
