//! Literal values, and templates that are evaluated later.

use std::time::Duration;

use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Node, Value};
use crate::duration;
use crate::plan::lower::Lowering;
use crate::plan::{Become, Deferred, OnTimeout};

impl Lowering<'_> {
    /// Returns the time under a key of a node, or else this one.
    pub(super) fn duration_or(
        &mut self,
        node: &Node,
        key: &str,
        default: Deferred<Duration>,
    ) -> Deferred<Duration> {
        node.get(key).map_or(default, |node| self.duration(node))
    }

    pub(super) fn duration(&mut self, node: &Node) -> Deferred<Duration> {
        let Some(text) = node.as_text() else { return Deferred::Now(Duration::ZERO) };
        if text.contains("{{") {
            return Deferred::Template(self.template(node));
        }
        let parsed = duration::parse(text);
        if parsed.is_none() {
            Diagnostic::error(Code::OutOfRange, format!("duration `{text}` is too long"))
                .at(node.span, "more than 100 years")
                .help("use a shorter one: `90s`, `15m`, `1h 30m`")
                .emit(&mut self.unreadable);
        }
        Deferred::Now(parsed.unwrap_or_default())
    }

    pub(super) fn on_timeout(&mut self, node: &Node) -> Deferred<OnTimeout> {
        match node.as_text().unwrap_or_default() {
            "ask" => Deferred::Now(OnTimeout::Ask),
            "continue" => Deferred::Now(OnTimeout::Continue),
            text if text.contains("{{") => Deferred::Template(self.template(node)),
            _ => Deferred::Now(OnTimeout::Fail),
        }
    }

    /// Returns a word that may be a template.
    pub(super) fn late_text(&mut self, node: &Node) -> Deferred<String> {
        let text = node.as_text().unwrap_or_default();
        if text.contains("{{") {
            return Deferred::Template(self.template(node));
        }
        Deferred::Now(text.to_owned())
    }

    pub(super) fn r#become(&mut self, node: &Node) -> Become {
        match &node.value {
            Value::Bool(false) => Become::No,
            Value::Text(_) => Become::Yes(Some(self.late_text(node))),
            _ => Become::Yes(None),
        }
    }
}
