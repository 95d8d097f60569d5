//! A part of an inventory of the wrong type: its error, and what was probably meant.

use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Node, Value};
use crate::source::Span;

/// Maximum number of hosts in a help.
const MAX_SHOWN: usize = 6;

/// Whether a string needs no quotes as a key or in `{ }`.
fn is_plain(text: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-');
    !text.is_empty() && text.len() < 64 && text.chars().all(is_sign)
}

/// Returns the line of a host with its variables as a mapping.
pub(super) fn host(name: &str, node: &Node) -> String {
    let name = if is_plain(name) { name } else { "web1" };
    let address = node.as_text().filter(|text| is_plain(text));
    format!("{name}: {{ansible_host: {}}}", address.unwrap_or("192.0.2.1"))
}

/// Returns `hosts` with each host of a list as a key.
pub(super) fn hosts(node: &Node) -> String {
    let listed = match &node.value {
        Value::List(items) if (1..=MAX_SHOWN).contains(&items.len()) => items.as_slice(),
        _ => &[],
    };
    let names: Option<Vec<&str>> =
        listed.iter().map(|item| item.as_text().filter(|text| is_plain(text))).collect();
    let names = names.filter(|names| !names.is_empty());
    let keys: Vec<String> = names
        .unwrap_or_else(|| vec!["web1", "web2"])
        .iter()
        .map(|name| format!("{name}: {{}}"))
        .collect();
    format!("hosts: {{{}}}", keys.join(", "))
}

/// Returns the error of a node of the wrong type.
pub(super) fn shape_fault(what: &str, node: &Node, expected: &str) -> Diagnostic {
    let message = format!("{what} must be {expected}, not {}", node.kind());
    Diagnostic::error(Code::InventoryShape, message).at(place(node), "")
}

/// Returns the location of a node; for an alias, where it is used.
pub(super) fn place(node: &Node) -> Span {
    node.alias.unwrap_or(node.span)
}
