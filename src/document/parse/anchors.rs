//! Anchors and aliases: a node is copied to each of its aliases, within limits.
//!
//! Nodes *and* bytes are counted: a text of a megabyte is one node. A node is also copied once when
//! it is anchored; anchors can be nested, so those copies are counted too, and a node that could not be
//! used within the limits is not stored at all.

use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Node, Value};
use crate::source::Span;

/// Maximum number of nodes that aliases may add to a document.
pub const MAX_ALIASED_NODES: usize = 20_000;
/// Maximum size of texts and keys that aliases may add to a document, in bytes.
pub const MAX_ALIASED_BYTES: usize = 1024 * 1024;

/// How large a node is with all in it.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

/// What is known of an anchor.
enum Kept {
    /// Its node has not ended yet.
    Open,
    /// Its node is too large to be used.
    TooLarge,
    Node(Box<(Node, Size)>),
}

/// The nodes that aliases may name, by the parser's numbers.
#[derive(Default)]
pub(super) struct Anchors {
    kept: Vec<Kept>,
    /// How much was copied when it was anchored.
    anchored: Size,
    /// How much was copied by aliases.
    aliased: Size,
}

impl Size {
    /// Returns the size of a node, or what was counted until it was beyond the bounds.
    fn of(node: &Node) -> Self {
        let mut size = Self::default();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            size.nodes += 1;
            match &node.value {
                Value::Text(text) => size.bytes += text.text.len(),
                Value::List(items) => open.extend(items),
                Value::Map(entries) => {
                    size.bytes += entries.iter().map(|entry| entry.key.len()).sum::<usize>();
                    open.extend(entries.iter().map(|entry| &entry.value));
                }
                _ => {}
            }
            if size.is_excess() {
                break;
            }
        }
        size
    }

    fn is_excess(self) -> bool {
        self.nodes > MAX_ALIASED_NODES || self.bytes > MAX_ALIASED_BYTES
    }

    fn plus(self, other: Self) -> Self {
        Self { nodes: self.nodes + other.nodes, bytes: self.bytes + other.bytes }
    }
}

impl Anchors {
    pub(super) fn keep(&mut self, anchor: usize, node: &Node) {
        let size = Size::of(node);
        let anchored = self.anchored.plus(size);
        let kept = if anchored.is_excess() {
            Kept::TooLarge
        } else {
            self.anchored = anchored;
            Kept::Node(Box::new((node.clone(), size)))
        };
        // The numbers come one by one; of nested nodes the inner ones come first.
        if self.kept.len() <= anchor {
            self.kept.resize_with(anchor + 1, || Kept::Open);
        }
        self.kept[anchor] = kept;
    }

    /// Returns what an alias names, and how many nodes that are.
    pub(super) fn copy(
        &mut self,
        anchor: usize,
        alias: Span,
    ) -> Result<(Node, usize), Box<Diagnostic>> {
        let Some(kept @ (Kept::TooLarge | Kept::Node(_))) = self.kept.get(anchor) else {
            let fault = Diagnostic::error(
                Code::AliasInItself,
                "an alias cannot refer to an anchor that contains it",
            );
            return Err(Box::new(fault.at(alias, "").help("write the value itself")));
        };
        if let Kept::Node(kept) = kept {
            let (node, size) = kept.as_ref();
            self.aliased = self.aliased.plus(*size);
            if !self.aliased.is_excess() {
                let mut node = node.clone();
                node.alias = Some(alias);
                return Ok((node, size.nodes));
            }
        }
        let message = format!(
            "aliases add more than {MAX_ALIASED_NODES} values or {MAX_ALIASED_BYTES} bytes"
        );
        Err(Box::new(
            Diagnostic::error(Code::TooManyAliases, message)
                .at(alias, "exceeds the limit")
                .help("write the values themselves, or use fewer aliases"),
        ))
    }
}
