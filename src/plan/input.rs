//! What a plan is given from outside.

use std::time::Duration;

use crate::plan::Deferred;
use crate::source::Span;

/// A value given from outside.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its type and bounds.
    pub kind: InputKind,
    /// Its value if none is given, or a template over the host (`{{ host.address }}`).
    pub default: Option<Deferred<serde_json::Value>>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is a secret: text or a list of texts, without a default, or the content of a file.
    pub sensitive: bool,
    /// Where it is declared.
    pub span: Span,
}

/// The type of an input.
#[derive(Clone, Debug, PartialEq)]
pub enum InputKind {
    /// Text, which matches a pattern as a whole if there is one.
    String {
        pattern: Option<String>,
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
        /// The minimum number of items.
        min: Option<usize>,
        /// The maximum number of items.
        max: Option<usize>,
    },
}
