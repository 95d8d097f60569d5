//! Steps: their paths, what they inherit, their modifiers and rollbacks.

use crate::diagnostic::nearest;
use crate::document::{Entry, Node};
use crate::plan::lower::names::NameKind;
use crate::plan::lower::{Inherited, Lowering, is_sound};
use crate::plan::{
    Action, Deferred, ForEach, ItemList, NoReturn, OnFailure, OnUnknown, Rollback, Step,
};
use crate::task::StepPath;

impl Lowering<'_> {
    /// Lowers the steps of the plan, or of a stage. An `id` has no `-`, so no two steps have the same path.
    pub(super) fn steps(&mut self, node: Option<&Node>, prefix: &str) -> Vec<Step> {
        let inherited = self.defaults.inherited.clone();
        self.numbered(node, prefix, &inherited)
    }

    /// Lowers a list of steps; those without an `id` are numbered after a prefix.
    pub(super) fn numbered(
        &mut self,
        node: Option<&Node>,
        prefix: &str,
        outer: &Inherited,
    ) -> Vec<Step> {
        let nodes = node.map(Node::items).unwrap_or_default();
        let mut steps = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            if self.gives_up() {
                break;
            }
            let path = match node.text("id") {
                Some(id) => id.to_owned(),
                None => format!("{prefix}{}", index + 1),
            };
            steps.push(self.step(node, path, outer));
        }
        steps
    }

    fn step(&mut self, node: &Node, path: String, outer: &Inherited) -> Step {
        let id = node.get("id").and_then(|node| Some((node.as_text()?.to_owned(), node.span)));
        // The name of another one cannot be its own.
        let id = id.filter(|(id, span)| self.declare(id, *span, NameKind::Step)).map(|(id, _)| id);
        let text = |key: &str| node.text(key).map(str::to_owned);
        for key in ["name", "point_of_no_return", "uninterruptible"] {
            if let Some(words) = node.get(key) {
                let words = words.get("all_hosts").unwrap_or(words);
                self.shown(words.as_text().unwrap_or_default(), words.span);
            }
        }
        let action = self.action(node, &path, outer);
        let is_empty = matches!(&action, Action::Effect(effect) if effect.command.work.is_empty());
        let title = text("name").unwrap_or_else(|| super::action::title(&action));
        let inner = self.inherit(node, outer);
        Step {
            title,
            action,
            for_each: node
                .entry("for_each")
                .map(|entry| ForEach { list: self.items(&entry.value), span: entry.key_span }),
            when: node.get("when").map(|when| self.expression(when)),
            requires: self.checks(node.get("requires")),
            retry: node
                .get("retry")
                .filter(|_| node.get("block").is_some())
                .map(|retry| self.retry(retry)),
            timeout: node
                .get("timeout")
                .filter(|timeout| node.get("block").is_some() && !timeout.is_poisoned())
                .map(|timeout| self.duration(timeout)),
            rollback: self.way_back(node, &path, &inner),
            is_teardown: false,
            point_of_no_return: no_return(node),
            on_failure: node.get("on_failure").map(on_failure),
            on_unknown: match text("on_unknown").as_deref() {
                Some("fail") => OnUnknown::Fail,
                _ => OnUnknown::Ask,
            },
            uninterruptible: text("uninterruptible"),
            is_poisoned: !is_sound(node) || is_empty,
            span: node.entries().first().map_or(node.span, |entry| entry.key_span),
            path: StepPath::from(path),
            id,
        }
    }

    fn items(&mut self, node: &Node) -> ItemList {
        if node.as_text().is_some() {
            return ItemList::Expression(self.expression(node));
        }
        if let Some(group) = node.get("hosts_of") {
            let (group, span) = self.fixed(Some(group), node.span);
            return ItemList::HostsOf(group, span);
        }
        let items = node.items().iter().map(|item| {
            if item.as_text().is_some_and(|text| text.contains("{{")) {
                Deferred::Template(self.template(item))
            } else {
                Deferred::Now(item.to_json())
            }
        });
        ItemList::Written(items.collect())
    }

    /// A handler inherits what its step does and says for itself: what was done on another host, or
    /// as another user, is undone there.
    fn way_back(&mut self, step: &Node, path: &str, outer: &Inherited) -> Rollback {
        if let Some(node) = step.get("teardown") {
            if node.is_poisoned() {
                return Rollback::None(String::new());
            }
            let teardown = self.step(node, format!("{path}.teardown"), outer);
            return Rollback::Handler(Box::new(Step { is_teardown: true, ..teardown }));
        }
        let Some(node) = step.get("rollback") else { return Rollback::Unsaid };
        if node.is_poisoned() {
            return Rollback::None(String::new());
        }
        if let Some(none) = node.get("none") {
            let why = none.as_text().unwrap_or_default();
            self.shown(why, none.span);
            return Rollback::None(why.to_owned());
        }
        Rollback::Handler(Box::new(self.step(node, format!("{path}.rollback"), outer)))
    }
}

/// Returns the reason of a point of no return, also of a misspelt one.
fn no_return(node: &Node) -> Option<NoReturn> {
    const KEY: &str = "point_of_no_return";
    let is_it = |entry: &&Entry| {
        let is_misspelt = || nearest(&entry.key, std::iter::once(KEY)).is_some();
        entry.key == KEY || entry.value.is_poisoned() && is_misspelt()
    };
    let entry = node.entries().iter().find(is_it)?;
    let all_hosts = entry.value.get("all_hosts");
    let why = all_hosts.unwrap_or(&entry.value).as_text().unwrap_or_default();
    Some(NoReturn { why: why.to_owned(), all_hosts: all_hosts.is_some() })
}

fn on_failure(node: &Node) -> OnFailure {
    match node.text("continue") {
        Some(why) => OnFailure::Continue(why.to_owned()),
        None if node.as_text() == Some("hold") => OnFailure::Hold,
        None => OnFailure::Rollback,
    }
}
