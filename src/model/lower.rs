//! Converts a checked document to a [`Model`].
//!
//! There are two passes: first the groups and the names of their state, because a command of one group may
//! use another; then everything else, with each name resolved. The shape of the document was checked. If
//! it has errors, the result is incomplete but harmless: they were reported.

mod change;
mod command;
mod printed;
mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use minijinja::Value;
use sha2::{Digest, Sha256};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::document::{Entry as DocumentEntry, Node};
use crate::duration;
use crate::model::expression::Expression;
use crate::model::names::{Names, OWN};
use crate::model::{Group, Model, Rule, Slot};
use crate::source::{Sources, Span};

/// The minimum interval of a rule: a shorter one would make a jump of an hour more work than the whole
/// plan.
const LEAST_EVERY: Duration = Duration::from_secs(1);
/// The maximum duration: a longer one is a mistake, and sums of times must not overflow.
const LONGEST: Duration = Duration::from_hours(366 * 24);
/// Maximum nesting of derived values: each level is a nested call.
const MAX_DERIVED_DEPTH: usize = 16;

/// The keys of a model that are not groups.
const HEAD: [&str; 2] = ["version", "model"];

pub(super) fn model(node: &Node, sources: &Sources, found: &mut Diagnostics) -> Option<Model> {
    let source = sources.get(node.span.source);
    let declared: IndexMap<String, Declared<'_>> =
        groups_of(node).map(|entry| (entry.key.clone(), Declared::read(&entry.value))).collect();
    let mut lowering = Lowering {
        sources,
        path: source.path(),
        newlines: source.text().match_indices('\n').map(|(at, _)| at).collect(),
        declared: &declared,
        is_connected: false,
        found: Diagnostics::default(),
    };
    let groups: IndexMap<String, Arc<Group>> = groups_of(node)
        .enumerate()
        .map(|(number, entry)| (entry.key.clone(), Arc::new(lowering.group(number, entry))))
        .collect();
    let Lowering { is_connected, found: own, .. } = lowering;
    let faulty = own.has_errors();
    found.extend(own);
    let name = node.get("model").and_then(Node::as_text).unwrap_or_default();
    let digest = Sha256::digest(source.text().as_bytes());
    (!faulty).then(|| Model {
        name: name.to_owned(),
        digest: hex::encode(digest),
        groups,
        is_connected,
    })
}

fn groups_of(node: &Node) -> impl Iterator<Item = &DocumentEntry> {
    node.entries().iter().filter(|entry| !HEAD.contains(&entry.key.as_str()))
}

struct Declared<'a> {
    slots: HashMap<String, Slot>,
    /// Duplicate names of state and derived values.
    twice: Vec<&'a DocumentEntry>,
}

impl<'a> Declared<'a> {
    fn read(group: &'a Node) -> Self {
        let mut slots = HashMap::new();
        let mut twice = Vec::new();
        let state = group.get("state").map_or(&[][..], Node::entries);
        let derived = group.get("derived").map_or(&[][..], Node::entries);
        for (number, entry) in state.iter().enumerate() {
            slots.insert(entry.key.clone(), Slot::State(number));
        }
        for (number, entry) in derived.iter().enumerate() {
            if slots.contains_key(&entry.key) {
                twice.push(entry);
            } else {
                slots.insert(entry.key.clone(), Slot::Derived(number));
            }
        }
        Self { slots, twice }
    }
}

struct Lowering<'a> {
    sources: &'a Sources,
    path: &'a str,
    newlines: Vec<usize>,
    declared: &'a IndexMap<String, Declared<'a>>,
    /// Whether hosts read or change each other.
    is_connected: bool,
    found: Diagnostics,
}

impl<'a> Lowering<'a> {
    fn fault(&mut self, fault: Diagnostic) {
        self.found.push(fault);
    }

    /// Reports a problem with its location and a help line.
    fn refuse(
        &mut self,
        code: Code,
        headline: impl Into<String>,
        (span, label): (Span, impl Into<String>),
        help: impl Into<String>,
    ) {
        self.fault(Diagnostic::error(code, headline).at(span, label).help(help));
    }

    /// Returns a location as messages of a run show it: `plans/models/dovecot.yaml:61`.
    fn line(&self, span: Span) -> String {
        let line = self.newlines.partition_point(|newline| *newline < span.range().start);
        format!("{}:{}", self.path, line + 1)
    }

    fn slots(&self, group: usize) -> &'a HashMap<String, Slot> {
        &self.declared[group].slots
    }

    fn expect_group(&mut self, node: &Node) -> Option<usize> {
        let name = node.as_text()?;
        let number = self.declared.get_index_of(name);
        if number.is_none() {
            let fault = Diagnostic::error(Code::UnknownGroup, format!("undefined group `{name}`"))
                .at(written(node), "not a group of this model");
            let near = nearest(name, self.declared.keys().map(String::as_str));
            self.fault(fault.suggest(near, "use a group of this model"));
        }
        number
    }

    fn group(&mut self, number: usize, entry: &DocumentEntry) -> Group {
        let node = &entry.value;
        let slots = self.slots(number);
        for twice in &self.declared[number].twice {
            let message = format!("`{}` is both state and derived", twice.key);
            self.refuse(
                Code::NameTaken,
                message,
                (twice.key_span, "second definition"),
                "rename one of them",
            );
        }
        let state = self.state(node);
        let derived = self.derived(node, slots);
        let reachable = node.get("reachable");
        let reachable = reachable.and_then(|it| self.expression(it, &Names::of_host(slots)));
        let commands = node.get("commands").map_or(&[][..], Node::items);
        let entries = self.commands(number, commands);
        let rules = node.get("time").map_or(&[][..], Node::items);
        let rules = rules.iter().map(|rule| self.rule(rule, slots)).collect();
        let (name, slots) = (entry.key.clone(), slots.clone());
        Group { name, slots, state, derived, reachable, entries, rules }
    }

    fn state(&mut self, group: &Node) -> IndexMap<String, Value> {
        let entries = group.get("state").map_or(&[][..], Node::entries);
        for entry in entries {
            self.refuse_own_name(&entry.key, entry.key_span);
            if entry.value.as_text().is_some_and(|text| text.contains("{{")) {
                self.refuse(
                    Code::TemplateInState,
                    "templates are not allowed in `state`",
                    (written(&entry.value), "template"),
                    "write a value, or move the expression to `derived`",
                );
            }
        }
        entries.iter().map(|entry| (entry.key.clone(), text::plain(&entry.value))).collect()
    }

    fn refuse_own_name(&mut self, name: &str, span: Span) {
        if OWN.contains(&name) {
            self.refuse(
                Code::NameTaken,
                format!("`{name}` is a reserved name"),
                (span, "reserved"),
                "choose another name",
            );
        }
    }

    fn derived(&mut self, group: &Node, slots: &HashMap<String, Slot>) -> Vec<Expression> {
        let entries = group.get("derived").map_or(&[][..], Node::entries);
        let mut derived = Vec::new();
        // The other derived values that each one reads.
        let mut reads: Vec<Vec<usize>> = Vec::new();
        for entry in entries {
            self.refuse_own_name(&entry.key, entry.key_span);
            let expression = self.expression(&entry.value, &Names::of_host(slots));
            let names = expression.iter().flat_map(|expression| &expression.names);
            reads.push(
                names
                    .filter_map(|(name, _)| match slots.get(name) {
                        Some(Slot::Derived(number)) => Some(*number),
                        _ => None,
                    })
                    .collect(),
            );
            derived.extend(expression);
        }
        self.check_depth(entries, &reads);
        derived
    }

    /// Reports derived values that depend on themselves, or on too long a chain of others.
    fn check_depth(&mut self, entries: &[DocumentEntry], reads: &[Vec<usize>]) {
        // In each pass, values whose dependencies are known become known; the rest is in a cycle.
        let mut settled = vec![false; entries.len()];
        for _ in 0..MAX_DERIVED_DEPTH {
            let before = settled.clone();
            for (number, parts) in reads.iter().enumerate() {
                settled[number] = parts.iter().all(|part| before[*part]);
            }
        }
        let open = |number: &usize| !settled[*number];
        for (number, entry) in entries.iter().enumerate().filter(|(n, _)| open(n)) {
            let through = reads[number].iter().find(|part| open(part));
            let message = format!("`{}` depends on itself, or on too many other values", entry.key);
            let fault = Diagnostic::error(Code::DerivedCycle, message)
                .at(written(&entry.value), "cannot be evaluated")
                .help(format!("use the state directly: the maximum depth is {MAX_DERIVED_DEPTH}"));
            self.fault(match through.filter(|part| **part != number) {
                Some(part) => fault.also(entries[*part].key_span, "depends on this"),
                None => fault,
            });
        }
    }

    fn rule(&mut self, rule: &Node, slots: &HashMap<String, Slot>) -> Rule {
        let names = Names::of_host(slots);
        let every = rule.get("every");
        let span = self.duration(every);
        if let Some(node) = every.filter(|_| span < LEAST_EVERY) {
            self.refuse(
                Code::RuleTooOften,
                "the interval of a time rule must be at least 1s",
                (written(node), "too short"),
                "write `1s` or more",
            );
        }
        self.need_change(rule, "this time rule");
        Rule {
            every: span.max(LEAST_EVERY),
            when: rule.get("when").and_then(|when| self.expression(when, &names)),
            becomes: self.change(rule, Some(slots), &names),
        }
    }

    fn duration(&mut self, node: Option<&Node>) -> Duration {
        let Some((node, text)) = node.and_then(|node| Some((node, node.as_text()?))) else {
            return Duration::ZERO;
        };
        duration::parse(text).filter(|length| *length <= LONGEST).unwrap_or_else(|| {
            self.refuse(
                Code::BadDuration,
                format!("invalid duration `{text}`"),
                (written(node), "not a duration, or too long"),
                "write a duration of at most a year: `90s`, `15m`, `1h 30m`",
            );
            Duration::ZERO
        })
    }
}

/// Returns the location of a node; for an alias, where it is used.
fn written(node: &Node) -> Span {
    node.alias.unwrap_or(node.span)
}
