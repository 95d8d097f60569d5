//! What a plan is given from outside.

use std::time::Duration;

use regex::Regex;

use crate::plan::Deferred;
use crate::regexes;
use crate::source::Span;

/// A value given from outside.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its type and bounds.
    pub kind: InputKind,
    /// Its value if none is given, or a template over the host (`{{ host.address }}`).
    pub default: Option<Deferred<serde_json::Value>>,
    pub description: Option<String>,
    /// Whether it is a secret: text or a list of texts, without a default, or the content of a file.
    pub sensitive: bool,
    /// Whether it may be missing (secrets only).
    pub optional: bool,
    /// Whether it is typed when a step needs it, if it has no other source (secrets only).
    pub ask: bool,
    pub span: Span,
}
#[derive(Clone, Debug, PartialEq)]
pub enum InputKind {
    /// Text, which matches a pattern as a whole if there is one.
    String {
        pattern: Option<Pattern>,
    },
    Int {
        min: Option<i64>,
        max: Option<i64>,
    },
    Bool,
    /// A duration; its value is the text as written.
    Duration {
        min: Option<Duration>,
        max: Option<Duration>,
    },
    /// One of these words.
    Enum(Vec<String>),
    /// A path on a host: absolute, without `..`.
    Path,
    /// A file on this machine, relative to the plan; read once when a run starts.
    File,
    List {
        /// The type of each item; no list and no file.
        item: Box<Self>,
        min: Option<usize>,
        max: Option<usize>,
    },
}

/// A regular expression that a text matches as a whole.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it is written.
    pub text: String,
    whole: Regex,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Option<Self> {
        let whole = regexes::compile(&format!("^(?:{text})$")).ok()?;
        Some(Self { text: text.to_owned(), whole })
    }

    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
