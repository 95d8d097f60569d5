//! A checked document becomes a [`Plan`].
//!
//! Defaults are filled in, blocks hand down what their parts inherit, durations and expressions are
//! parsed, every step gets its path, every name is looked up. Every problem is reported, none stops
//! the lowering. Rules about several steps (rollbacks, names that are not known yet) are in
//! [`super::check`].
//!
//! What could not be read is *poisoned*, so that no later check reports what only follows from it: an
//! invalid value of the document has no parts, an expression is [`ExprKind::Poisoned`], a step says so
//! itself, and an input, probe or named expression is left out of the plan once all names are looked
//! up. Names in what is poisoned count as declared, and as used.
//!
//! [`ExprKind::Poisoned`]: crate::template::expression::ExprKind::Poisoned

mod action;
mod circles;
mod command;
mod deferred;
mod input;
mod line;
mod lookalikes;
pub(super) mod names;
mod script;
mod step;

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::{Entry, Node, Value};
use crate::plan::{
    Become, Check, DEFAULT_RETRY_DELAY, DEFAULT_TIMEOUT, DEFAULT_WITHIN, Deferred, ExitCodes,
    Invariants, NamedExpression, Order, Plan, Probe, Retry, Routes, Section, Target,
};
use crate::regexes::Compiler;
use crate::source::{Sources, Span};
use crate::template::Template;
use crate::template::expression::Expression;

pub(super) use names::ITEM;
use names::{Declared, NameKind};

/// What a document means, as far as it could be read.
pub(super) struct Lowered {
    pub(super) plan: Plan,
    /// Problems of values whose meaning is clear anyway: they are lowered as written.
    pub(super) found: Diagnostics,
    /// Problems of values that could not be read.
    pub(super) unreadable: Diagnostics,
    /// The names that are used, or may be: in what could not be read, or by what a fix offers.
    pub(super) used: HashSet<String>,
}

pub(super) fn lower(node: &Node, sources: &Sources) -> Lowered {
    let mut lowering = Lowering {
        sources,
        found: Diagnostics::default(),
        unreadable: Diagnostics::default(),
        used: HashSet::new(),
        poisoned: HashSet::new(),
        defaults: Defaults::new(),
        declared: IndexMap::new(),
        patterns: Compiler::default(),
        blocks: 0,
    };
    for text in node.poisoned_texts() {
        lowering.poison_names(text);
    }
    let mut plan = lowering.plan(node);
    plan.inputs.retain(|name, _| !lowering.poisoned.contains(name));
    if !lowering.gives_up() {
        names::resolve(&plan, &mut lowering);
        lowering.poisoned.extend(circles::check(&plan, &mut lowering.unreadable));
    }
    let Lowering { found, unreadable, used, poisoned, .. } = lowering;
    plan.probes.retain(|name, _| !poisoned.contains(name));
    plan.named.retain(|name, _| !poisoned.contains(name));
    Lowered { plan, found, unreadable, used }
}

/// What is known while a document is lowered.
struct Lowering<'a> {
    sources: &'a Sources,
    found: Diagnostics,
    unreadable: Diagnostics,
    /// See [`Lowered::used`].
    used: HashSet<String>,
    /// The inputs, probes and named expressions that could not be read.
    poisoned: HashSet<String>,
    defaults: Defaults,
    /// All names and their locations.
    declared: IndexMap<String, Declared>,
    patterns: Compiler,
    /// How many blocks the present step is in.
    blocks: usize,
}

/// The options of steps and probes that set none.
#[derive(Clone)]
struct Defaults {
    timeout: Deferred<Duration>,
    within: Deferred<Duration>,
    retry: Retry,
    /// What the outermost steps inherit.
    inherited: Inherited,
}

/// What a block hands down to its parts.
#[derive(Clone, Default)]
struct Inherited {
    target: Target,
    r#become: Option<Become>,
    env: IndexMap<String, Template>,
    dir: Option<Template>,
}

impl Defaults {
    fn new() -> Self {
        Self {
            timeout: Deferred::Now(DEFAULT_TIMEOUT),
            within: Deferred::Now(DEFAULT_WITHIN),
            retry: Retry { attempts: 1, delay: Deferred::Now(DEFAULT_RETRY_DELAY) },
            inherited: Inherited::default(),
        }
    }
}

impl Lowering<'_> {
    fn gives_up(&mut self) -> bool {
        self.found.gives_up() || self.unreadable.gives_up()
    }

    /// Counts names in a poisoned text as used; if it could declare names, as declared, too.
    fn poison_names(&mut self, text: &str) {
        self.used.extend(words_of(text).map(str::to_owned));
        if !text.contains(char::is_whitespace) {
            for name in words_of(text).chain([text.replace('-', "_").as_str()]) {
                self.declared.insert(name.to_owned(), Declared::POISONED);
            }
        }
    }

    fn plan(&mut self, node: &Node) -> Plan {
        if let Some(defaults) = node.get("defaults") {
            self.read_defaults(defaults);
        }
        let text = |key: &str| node.text(key).map(str::to_owned);
        let inputs = self.units(node.get("inputs"), NameKind::Input, Self::input);
        let probes = self.units(node.get("probes"), NameKind::Probe, Self::probe);
        let named = self.units(node.get("let"), NameKind::NamedExpression, Self::named_expression);
        let setup = self.steps(node.get("setup"), "setup-");
        let steps = self.steps(node.get("steps"), "");
        let finish = self.steps(node.get("finish"), "finish-");
        let routes = Routes::of(&setup, &steps, &finish);
        Plan {
            name: text("name").unwrap_or_default(),
            summary: text("summary"),
            description: text("description"),
            inputs,
            hosts: self.fixed(node.get("hosts"), node.span),
            serial: sections(node.get("serial")),
            order: node.get("order").and_then(|order| self.order(order)),
            max_failures: node.get("max_failures").map_or(0, whole),
            locks: node
                .get("locks")
                .map_or(&[][..], Node::items)
                .iter()
                .map(|lock| self.fixed(Some(lock), lock.span))
                .collect(),
            probes,
            named,
            preflight: self.checks(node.get("preflight")),
            preflight_start: self.checks(node.get("preflight_start")),
            preflight_turn: self.checks(node.get("preflight_turn")),
            setup,
            steps,
            finish,
            invariants: self.invariants(node.get("invariants")),
            routes,
        }
    }

    fn read_defaults(&mut self, node: &Node) {
        let Defaults { timeout, within, retry, inherited } = self.defaults.clone();
        self.defaults = Defaults {
            timeout: self.duration_or(node, "timeout", timeout),
            within: self.duration_or(node, "within", within),
            retry: node.get("retry").map_or(retry, |retry| self.retry(retry)),
            inherited: self.inherit(node, &inherited),
        };
    }

    /// Returns what the parts of a node inherit that itself inherits from an outer one.
    fn inherit(&mut self, node: &Node, outer: &Inherited) -> Inherited {
        let mut env = outer.env.clone();
        for entry in node.entries_of("env") {
            let value = self.template(&entry.value);
            env.insert(entry.key.clone(), value);
        }
        Inherited {
            target: node
                .get("delegate_to")
                .map_or_else(|| outer.target.clone(), |target| self.target(target)),
            r#become: node
                .get("become")
                .map(|node| self.r#become(node))
                .or_else(|| outer.r#become.clone()),
            env,
            dir: match node.get("dir") {
                Some(dir) => {
                    self.no_home(dir);
                    Some(self.template(dir))
                }
                None => outer.dir.clone(),
            },
        }
    }

    fn target(&mut self, node: &Node) -> Target {
        if node.as_text().is_some_and(is_item) {
            return Target::Item(node.span);
        }
        let keys = ["one_of", "each_of", "rows_of"];
        let group = keys.into_iter().find_map(|key| Some((key, node.get(key)?)));
        let (key, name) = group.unwrap_or(("", node));
        let (name, span) = self.fixed(Some(name), node.span);
        match key {
            "one_of" => Target::OneOf(name, span),
            "each_of" => Target::EachOf(name, span),
            "rows_of" => Target::RowsOf(name, span),
            _ => Target::Host(name, span),
        }
    }

    fn retry(&mut self, node: &Node) -> Retry {
        Retry {
            attempts: node
                .get("attempts")
                .map_or(1, |node| u32::try_from(whole(node)).unwrap_or(u32::MAX)),
            delay: self.duration_or(node, "delay", Deferred::Now(DEFAULT_RETRY_DELAY)),
        }
    }

    /// Lowers inputs, probes or named expressions. The names of those that could not be read are
    /// poisoned.
    fn units<T>(
        &mut self,
        node: Option<&Node>,
        kind: NameKind,
        lower: impl Fn(&mut Self, &Entry) -> T,
    ) -> IndexMap<String, T> {
        let mut units = IndexMap::new();
        for entry in node.map(Node::entries).unwrap_or_default() {
            if self.gives_up() {
                break;
            }
            let (before, own) = (self.unreadable.errors(), self.found.errors());
            self.declare(&entry.key, entry.key_span, kind);
            units.insert(entry.key.clone(), lower(self, entry));
            if self.unreadable.errors() > before || !is_sound(&entry.value) {
                self.poisoned.insert(entry.key.clone());
            }
            if self.found.errors() > own || entry.value.has_poison() {
                self.used.insert(entry.key.clone());
            }
        }
        units
    }

    fn probe(&mut self, entry: &Entry) -> Probe {
        let outer = self.defaults.inherited.clone();
        let node = &entry.value;
        Probe {
            name: entry.key.clone(),
            command: self.command(node, &outer),
            target: node.get("delegate_to").map_or(Target::Here, |target| self.target(target)),
            reading: self.reading(node),
            exit_codes: self.exit_codes(node).unwrap_or_else(|| ExitCodes::These(vec![0])),
            span: entry.key_span,
        }
    }

    fn named_expression(&mut self, entry: &Entry) -> NamedExpression {
        let (node, span) = (&entry.value, entry.key_span);
        let Some((from, filter)) = node.get("from").zip(node.get("where")) else {
            return NamedExpression { expression: self.expression(node), from: None, span };
        };
        NamedExpression {
            expression: self.expression(filter),
            from: Some(self.expression(from)),
            span,
        }
    }

    fn checks(&mut self, node: Option<&Node>) -> Vec<Check> {
        let Some(node) = node else { return Vec::new() };
        if node.get("check").is_some() {
            return vec![self.assertion(node)];
        }
        let written_out: Vec<Check> =
            node.items().iter().map(|item| self.assertion(item)).collect();
        let pairs = node.entries().iter();
        let pairs = pairs.map(|entry| self.check(&entry.key, entry.key_span, &entry.value));
        written_out.into_iter().chain(pairs).collect()
    }

    /// Lowers `{check: CONDITION, message: TEXT}`.
    fn assertion(&mut self, node: &Node) -> Check {
        let (message, check) = (node.get("message"), node.get("check"));
        let text = message.and_then(Node::as_text).unwrap_or_default();
        self.check(text, message.unwrap_or(node).span, check.unwrap_or(node))
    }

    fn check(&mut self, text: &str, span: Span, condition: &Node) -> Check {
        self.shown(text, span);
        Check { text: text.to_owned(), condition: self.expression(condition), span }
    }

    /// Reports a template in a text that is shown literally.
    fn shown(&mut self, text: &str, span: Span) {
        if text.contains("{{") {
            Diagnostic::warning(Code::NoTemplateHere, "templates are not rendered in this text")
                .at(span, "shown literally")
                .help(
                    "remove the template: the host and the observed values are shown with \
                         this text",
                )
                .emit(&mut self.found);
        }
    }

    fn order(&mut self, node: &Node) -> Option<Order> {
        let last = node.get("last");
        let condition = self.expression(last.or(node.get("first"))?);
        Some(Order { is_last: last.is_some(), condition })
    }

    fn invariants(&mut self, node: Option<&Node>) -> Invariants {
        let mut checks = |key| self.checks(node.and_then(|node| node.get(key)));
        Invariants {
            always: checks("always"),
            at_rest: checks("at_rest"),
            at_end: checks("at_end"),
        }
    }

    /// Returns a string that must not be a template, and its location.
    fn fixed(&mut self, node: Option<&Node>, whole: Span) -> (String, Span) {
        let Some(node) = node else { return (String::new(), whole) };
        let text = node.as_text().unwrap_or_default();
        if text.contains("{{") {
            self.used.extend(words_of(text).map(str::to_owned));
            Diagnostic::error(Code::NoTemplateHere, "templates are not allowed here")
                .at(node.span, "evaluated before inputs are known")
                .help("write the name of a host or group of the inventory")
                .emit(&mut self.found);
        }
        (text.to_owned(), node.span)
    }

    fn template(&mut self, node: &Node) -> Template {
        let mut own = Diagnostics::default();
        let template = Template::parse(node, self.sources, &mut own);
        self.keep(&template.text, template.is_poisoned(), own);
        template
    }

    /// Returns an expression; for an invalid one, which is reported, a poisoned one.
    fn expression(&mut self, node: &Node) -> Rc<Expression> {
        let mut own = Diagnostics::default();
        let parsed = Expression::parse(node, self.sources, &mut own);
        let text = node.lexeme(self.sources).unwrap_or_default();
        self.keep(text, parsed.is_none(), own);
        Rc::new(parsed.unwrap_or_else(|| Expression::poisoned(node.span)))
    }

    /// Keeps what was found in a template or an expression.
    fn keep(&mut self, text: &str, is_poisoned: bool, found: Diagnostics) {
        if is_poisoned {
            self.used.extend(words_of(text).map(str::to_owned));
            self.unreadable.extend(found);
        } else {
            self.found.extend(found);
        }
    }
}

/// Whether a text is `{{ item }}`.
fn is_item(text: &str) -> bool {
    let inner = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    inner.is_some_and(|inner| inner.trim() == ITEM)
}

/// Keys on which nothing else depends.
const PLAIN: [&str; 7] = ["become", "delegate_to", "dir", "env", "name", "stdin", "timeout"];

/// Whether a step, a probe or an input could be read, with all of its keys.
fn is_sound(node: &Node) -> bool {
    let is_sound = |entry: &Entry| match entry.key.as_str() {
        key if PLAIN.contains(&key) => entry.value.is_poisoned() || !entry.value.has_poison(),
        // Their parts are steps of their own.
        "block" | "rescue" | "rollback" | "teardown" => !entry.value.is_poisoned(),
        _ => !entry.value.has_poison(),
    };
    !node.is_poisoned() && node.entries().iter().all(is_sound)
}

/// The words of a text that could be names.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.filter(|word| !word.is_empty())
}

fn sections(node: Option<&Node>) -> Vec<Section> {
    let sizes = |node: &Node| match node.items() {
        [] => vec![whole(node)],
        items => items.iter().map(whole).collect(),
    };
    let all = |sizes| vec![Section { group: None, sizes }];
    match node {
        None => all(vec![1]),
        Some(node) if node.entries().is_empty() => all(sizes(node)),
        Some(node) => {
            let groups = node.entries().iter();
            let of = |entry: &Entry| Some((entry.key.clone(), entry.key_span));
            groups.map(|entry| Section { group: of(entry), sizes: sizes(&entry.value) }).collect()
        }
    }
}

/// Returns an integer that the shape check has found to be at least 0.
fn whole(node: &Node) -> usize {
    match node.value {
        Value::Int(value) => usize::try_from(value).unwrap_or(0),
        _ => 0,
    }
}
