//! Collections that are being read: what is in them so far.

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Entry, Node, Value};
use crate::source::Span;

/// A collection that is being read.
pub(super) enum Open {
    List {
        items: Vec<Node>,
        start: Span,
        anchor: usize,
    },
    Map {
        entries: Vec<Entry>,
        /// The keys of a mapping with more than a few, and the last location of each.
        seen: HashMap<String, Span>,
        key: Option<Key>,
        merges: Vec<Node>,
        start: Span,
        anchor: usize,
    },
}

/// A key whose value has not come yet.
pub(super) struct Key {
    pub(super) text: String,
    pub(super) span: Span,
    /// Whether it is `<<`: its value is put into the mapping.
    pub(super) merges: bool,
}

/// Up to so many keys are compared one by one, which takes less than hashing one.
const FEW: usize = 8;

/// Returns the last location of a key among these entries, before it is added to them.
pub(super) fn earlier(
    key: &Key,
    entries: &[Entry],
    seen: &mut HashMap<String, Span>,
) -> Option<Span> {
    if entries.len() < FEW {
        return entries.iter().rfind(|entry| entry.key == key.text).map(|entry| entry.key_span);
    }
    if seen.is_empty() {
        seen.extend(entries.iter().map(|entry| (entry.key.clone(), entry.key_span)));
    }
    seen.insert(key.text.clone(), key.span)
}

/// Makes an entry; a key that is alone in `{ }` is marked.
pub(super) fn entry(text: &str, key: String, key_span: Span, value: Node) -> Entry {
    let behind = text.get(key_span.range().end..).unwrap_or_default();
    let bare = matches!(value.value, Value::Null)
        && value.span.range().is_empty()
        && behind.trim_start().starts_with([',', '}']);
    Entry { key, key_span, bare, value }
}

/// Reports a list or mapping with too many entries.
pub(super) fn too_many(start: Span, place: Span, what: &str, most: usize) -> Diagnostic {
    let start = Span { end: start.start, ..start };
    Diagnostic::error(Code::TooManyEntries, format!("{what} has more than {most} entries"))
        .at(place, "exceeds the limit")
        .also(start, "starts here")
        .help("split it, or move large data to other files")
}
