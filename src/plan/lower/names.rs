//! Names: one flat namespace that must contain every name that is used.
//!
//! Expressions may use all of them. Templates only use what is known without a probe: inputs, results
//! of steps, `host` and `run`.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Suggestions, nearest};
use crate::plan::lower::Lowering;
use crate::plan::{
    Action, CommandSpec, Default, Deferred, InputKind, NamedExpression, Plan, Step, Wait, Work,
};
use crate::schema::{foreign, one_of};
use crate::source::Span;
use crate::template::expression::Expression;
use crate::template::{Name, Template, expression};

/// Names that mean something already.
const RESERVED: [&str; 5] = ["host", "run", "item", "row", "this"];
/// Those of them that every text and expression may use.
const ALWAYS: [&str; 2] = ["host", "run"];

/// The name of what a step with a `for_each` is done for.
pub(in crate::plan) const ITEM: &str = "item";

/// What a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    Input,
    Probe,
    NamedExpression,
    Step,
    /// Of what could not be read.
    Poisoned,
}

impl NameKind {
    fn about(self) -> &'static str {
        match self {
            Self::Input => "an input",
            Self::Probe => "a probe",
            Self::NamedExpression => "a named expression",
            Self::Step => "a step id",
            Self::Poisoned => "a name",
        }
    }
}

/// A name and its location.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared {
    kind: NameKind,
    /// `None` if it may be declared in what could not be read.
    span: Option<Span>,
}

impl Declared {
    pub(super) const POISONED: Self = Self { kind: NameKind::Poisoned, span: None };
}

impl Lowering<'_> {
    /// Takes a name into the namespace; returns false for one that cannot be taken, which is
    /// reported.
    pub(super) fn declare(&mut self, name: &str, span: Span, kind: NameKind) -> bool {
        if RESERVED.contains(&name) {
            self.unreadable.push(
                Diagnostic::error(Code::ReservedName, format!("`{name}` is a reserved name"))
                    .at(span, "has a fixed meaning")
                    .help("choose another name"),
            );
            return false;
        }
        let first = self.declared.get(name);
        let Some((first, at)) = first.and_then(|first| Some((first.kind, first.span?))) else {
            self.declared.insert(name.to_owned(), Declared { kind, span: Some(span) });
            return true;
        };
        // What a use of it means is not known.
        self.poisoned.insert(name.to_owned());
        let message = format!("duplicate name `{name}`");
        self.unreadable.push(
            Diagnostic::error(Code::DuplicateName, message)
                .at(span, kind.about())
                .also(at, format!("already used for {}", first.about()))
                .help("rename one: inputs, probes, named expressions and step ids share one namespace"),
        );
        false
    }

    /// Whether a name is that of a probe.
    pub(super) fn is_probe(&self, name: &str) -> bool {
        let declared = self.declared.get(name);
        declared.is_some_and(|one| matches!(one.kind, NameKind::Probe | NameKind::Poisoned))
    }

    pub(super) fn names_of(&self, kind: NameKind) -> Vec<&str> {
        self.declared
            .iter()
            .filter(|(_, declared)| declared.kind == kind)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Adds a help for an unknown name: the nearest one, all of them if they are few, or `otherwise`.
pub(super) fn suggest(
    fault: Diagnostic,
    name: &str,
    names: &[&str],
    otherwise: &str,
) -> Diagnostic {
    match nearest(name, names.iter().copied()) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None if (1..=6).contains(&names.len()) => {
            fault.help(format!("use {}, or {otherwise}", one_of(names)))
        }
        None => fault.help(otherwise),
    }
}

/// Offers to replace a name by another one; only in words if the location is not exact.
fn replaced(fault: Diagnostic, name: &Name, order: String, by: &str) -> Diagnostic {
    if name.span.range().len() == name.name.len() {
        fault.fix(order, name.span, by)
    } else {
        fault.help(order)
    }
}

/// Looks up every name that a plan uses.
pub(super) fn resolve(plan: &Plan, lowering: &mut Lowering<'_>) {
    let Lowering { declared, found, used, .. } = lowering;
    let near = Suggestions::default();
    let mut lookup = Lookup { plan, declared, found, used, near, listed: None };
    for (name, input) in &plan.inputs {
        if let Some(Default::Template(template)) = &input.default {
            lookup.default(name, template);
        }
    }
    for probe in plan.probes.values() {
        lookup.command(&probe.command);
    }
    for word in plan.words.values() {
        match word {
            NamedExpression::Expression(expression, _) => lookup.expression(expression, false),
            NamedExpression::Rows { from, filter, .. } => {
                lookup.used.insert(from.clone());
                lookup.expression(filter, true);
            }
        }
    }
    let invariants = &plan.invariants;
    let claims = [&invariants.always, &invariants.at_rest, &invariants.at_end];
    for claim in claims.into_iter().flatten().chain(&plan.preflight) {
        lookup.expression(&claim.condition, false);
    }
    for step in &plan.steps {
        step.visit(&mut |step| lookup.step(step));
    }
}

/// Looks up the names of a template in a separate file.
pub(in crate::plan) fn of_text(plan: &Plan, text: &Template, found: &mut Diagnostics) {
    let mut declared = IndexMap::new();
    let mut declare = |name: &str, kind, span| {
        declared.insert(name.to_owned(), Declared { kind, span: Some(span) });
    };
    for (name, input) in &plan.inputs {
        declare(name, NameKind::Input, input.span);
    }
    for (name, probe) in &plan.probes {
        declare(name, NameKind::Probe, probe.span);
    }
    for (name, word) in &plan.words {
        let (NamedExpression::Expression(_, span) | NamedExpression::Rows { span, .. }) = word;
        declare(name, NameKind::NamedExpression, *span);
    }
    for step in &plan.steps {
        step.visit(&mut |step| {
            if let Some(id) = &step.id {
                declare(id, NameKind::Step, step.span);
            }
        });
    }
    let (near, used) = (Suggestions::default(), &mut HashSet::new());
    let declared = &declared;
    Lookup { plan, declared, found, used, near, listed: None }.template(text);
}

struct Lookup<'a> {
    plan: &'a Plan,
    declared: &'a IndexMap<String, Declared>,
    found: &'a mut Diagnostics,
    used: &'a mut HashSet<String>,
    near: Suggestions,
    /// The list of the `for_each` here, if it is a name.
    listed: Option<&'a str>,
}

impl<'a> Lookup<'a> {
    fn step(&mut self, step: &'a Step) {
        let of = self.plan.find(&step.path).and_then(|(_, of)| of);
        let list = of.and_then(|of| of.for_each.as_ref()?.list.expression());
        self.listed = list.and_then(|list| match &list.root.kind {
            expression::Kind::Var(name) => Some(name.as_str()),
            _ => None,
        });
        if let Some(each) = &step.for_each {
            if let Some(list) = each.list.expression() {
                self.expression(list, false);
            }
            for template in each.list.templates() {
                self.template(template);
            }
        }
        for expression in step.when.iter().chain(step.requires.iter().map(|c| &c.condition)) {
            self.expression(expression, false);
        }
        if let Some(rounds) = &step.rounds {
            self.late_duration(&rounds.delay);
        }
        if let Some(timeout) = &step.timeout {
            self.late_duration(timeout);
        }
        match &step.action {
            Action::Effect(effect) => {
                self.command(&effect.command);
                if let Some(condition) = &effect.done_when {
                    self.expression(condition, false);
                }
                self.late_duration(&effect.within);
                self.late_duration(&effect.retry.delay);
            }
            Action::Wait(wait) => self.wait(wait),
            Action::Assert { claims, within } => {
                for claim in claims {
                    self.expression(&claim.condition, false);
                }
                self.late_duration(within);
            }
            Action::Approve(text) | Action::Fail(text) => self.template(text),
            Action::Set(values) => {
                for (_, expression) in values {
                    self.expression(expression, false);
                }
            }
            Action::Block { .. } => {}
        }
    }

    fn wait(&mut self, wait: &Wait) {
        let Wait::Until { until, at_least, timeout, every, stable_for, on_timeout } = wait else {
            if let Wait::For(time) = wait {
                self.late_duration(time);
            }
            return;
        };
        self.expression(until, false);
        for late in [at_least, timeout, every, stable_for] {
            self.late_duration(late);
        }
        if let Deferred::Template(template) = on_timeout {
            self.template(template);
            self.on_timeout(template);
        }
    }

    fn command(&mut self, command: &CommandSpec) {
        match &command.work {
            Work::Run(words) => words.iter().for_each(|word| self.template(word)),
            Work::Shell(script) => self.template(script),
            Work::Upload(upload) => {
                self.template(upload.source.template());
                self.template(&upload.to);
            }
        }
        for template in command.env.values().chain(&command.dir).chain(&command.stdin) {
            self.template(template);
        }
        for template in command.circumstances() {
            self.template(template);
        }
        self.late_duration(&command.timeout);
    }

    /// The whole template is an input: its type is known before the run.
    fn whole_input(&self, template: &Template) -> Option<(&str, &InputKind)> {
        let whole = template.whole()?;
        let expression::Kind::Var(name) = &whole.root.kind else {
            return None;
        };
        let (name, input) = self.plan.inputs.get_key_value(name.as_str())?;
        Some((name, &input.kind))
    }

    fn late_duration(&mut self, late: &Deferred<std::time::Duration>) {
        let Deferred::Template(template) = late else {
            return;
        };
        self.template(template);
        let Some((name, kind)) = self.whole_input(template) else {
            return;
        };
        if !matches!(kind, InputKind::Duration { .. }) {
            let fault =
                Diagnostic::error(Code::WrongInputType, format!("`{name}` is not a duration"))
                    .at(template.span, "expected a duration")
                    .also(self.plan.inputs[name].span, "declared with another type")
                    .help(format!("declare `{name}` with `type: duration`"));
            self.found.push(fault);
        }
    }

    fn on_timeout(&mut self, template: &Template) {
        let words = ["fail", "ask", "continue"];
        let Some((name, kind)) = self.whole_input(template) else {
            return;
        };
        let fits = match kind {
            InputKind::Enum(of) => of.iter().all(|word| words.contains(&word.as_str())),
            _ => false,
        };
        if !fits {
            let message = format!("`{name}` can have a value other than {}", one_of(&words));
            let fault = Diagnostic::error(Code::WrongInputType, message)
                .at(template.span, format!("expected {}", one_of(&words)))
                .also(self.plan.inputs[name].span, "declared with other values")
                .help(format!(
                    "declare `{name}` with `type: enum` and `of: [ask, continue, fail]`"
                ));
            self.found.push(fault);
        }
    }

    fn default(&mut self, input: &str, template: &Template) {
        for name in template.names.iter().filter(|name| name.name != "host") {
            self.used.extend([input.to_owned(), name.name.clone()]);
            let message = format!("`{}` cannot be used in a default", name.name);
            self.found.push(
                Diagnostic::error(Code::UnknownName, message)
                    .at(name.span, "not known when defaults are evaluated")
                    .help("use only `host`: `{{ host.address }}`, `{{ host.vars.NAME }}`"),
            );
        }
    }

    fn template(&mut self, template: &Template) {
        for name in &template.names {
            self.used.insert(name.name.clone());
            match self.declared.get(&name.name) {
                Some(declared)
                    if matches!(declared.kind, NameKind::Probe | NameKind::NamedExpression) =>
                {
                    let why = match declared.kind {
                        NameKind::Probe => "it is a probe",
                        _ => "it depends on a probe",
                    };
                    let message = format!("templates cannot use `{}`: {why}", name.name);
                    let word = &name.name;
                    self.found.push(
                        Diagnostic::error(Code::LookInTemplate, message)
                            .at(name.span, "requires a probe")
                            .help(format!(
                                "record it first: `- {{id: noted, set: {{{word}: {word}}}}}`, then write \
                                 `{{{{ noted.{word} }}}}`"
                            )),
                    );
                }
                Some(_) => {}
                None => self.unknown(name, false, true),
            }
        }
    }

    fn expression(&mut self, expression: &Expression, row: bool) {
        for name in &expression.names {
            self.used.insert(name.name.clone());
            if !self.declared.contains_key(&name.name) {
                self.unknown(name, row, false);
            }
        }
    }

    fn unknown(&mut self, name: &Name, row: bool, text: bool) {
        let word = name.name.as_str();
        // A missing item is reported with the values that are not known yet.
        if ALWAYS.contains(&word) || word == ITEM || row && word == "row" {
            return;
        }
        let fault = Diagnostic::error(Code::UnknownName, format!("undefined name `{word}`"));
        if word == "row" {
            self.found.push(
                fault
                    .at(name.span, "`row` is only defined in `where`")
                    .help("select rows with `let: {some: {from: PROBE, where: ...}}`"),
            );
            return;
        }
        if self.found.is_full() {
            // It will not be shown, so its help need not be found.
            self.found.push(fault);
            return;
        }
        if let Some(known) = foreign::names::find(word) {
            let label = format!("a name from {}", known.tool.name());
            self.found.push(fault.at(name.span, label).help(known.say));
            return;
        }
        let fault = fault.at(name.span, "not an input, probe, `let` name or step id");
        let one_of_many = self.listed.filter(|list| list.strip_suffix('s') == Some(word));
        if one_of_many.is_some() {
            let order = "use `item` for the item of a `for_each`".to_owned();
            self.found.push(replaced(fault, name, order, ITEM));
            return;
        }
        let fits = |kind: NameKind| match kind {
            NameKind::Poisoned => false,
            NameKind::Input | NameKind::Step => true,
            NameKind::Probe | NameKind::NamedExpression => !text,
        };
        let declared = self.declared.iter();
        let names = declared
            .filter(|(_, declared)| fits(declared.kind))
            .map(|(name, _)| name.as_str())
            .chain(ALWAYS);
        self.found.push(match self.near.find(word, names) {
            Some(near) => {
                self.used.insert(near.to_owned());
                replaced(fault, name, format!("did you mean `{near}`?"), near)
            }
            None if text => {
                fault.help(format!("declare it under `inputs`, or write `host.vars.{word}`"))
            }
            None => fault.help(format!(
                "declare it under `inputs`, `probes` or `let`, or quote it: `\"{word}\"`"
            )),
        });
    }
}
