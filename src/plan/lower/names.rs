//! Names: one flat namespace that must contain every name that is used.
//!
//! Expressions may use all of them. Templates only use what is known without a probe: inputs, results
//! of steps, `host` and `run`.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Suggestions};
use crate::plan::lower::Lowering;
use crate::plan::{Input, InputKind, Plan, Purpose, Step, Target, Text, Use};
use crate::schema::{foreign, one_of};
use crate::source::Span;
use crate::template::{Name, Template, expression};

/// Names that mean something already.
const RESERVED: [&str; 7] = ["host", "run", "groups", "there", "item", "row", "this"];
/// Those of them that every text and expression may use.
const ALWAYS: [&str; 3] = ["host", "run", "groups"];

/// The name of what a step with a `for_each` is done for.
pub(in crate::plan) const ITEM: &str = "item";

/// The name of the host that a command runs on.
const THERE: &str = "there";

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
            Diagnostic::error(Code::ReservedName, format!("`{name}` is a reserved name"))
                .at(span, "has a fixed meaning")
                .help("choose another name")
                .emit(&mut self.unreadable);
            return false;
        }
        let first = self.declared.get(name);
        let Some((first, at)) = first.and_then(|first| Some((first.kind, first.span?))) else {
            self.declared.insert(name.to_owned(), Declared { kind, span: Some(span) });
            return true;
        };
        // What a use of it means is not known.
        self.poisoned.insert(name.to_owned());
        Diagnostic::error(Code::DuplicateName, format!("duplicate name `{name}`"))
            .at(span, kind.about())
            .also(at, format!("already used for {}", first.about()))
            .help("rename one: inputs, probes, named expressions and step ids share one namespace")
            .emit(&mut self.unreadable);
        false
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
    let mut lookup = Lookup { plan, declared, found, used, near };
    plan.each_use(&mut |one| lookup.look_up(&one));
}

/// Looks up the names of a template in a separate file.
pub(in crate::plan) fn of_text(plan: &Plan, text: &Template, found: &mut Diagnostics) {
    let of = |kind: NameKind| move |name: &str| (name.to_owned(), Declared { kind, span: None });
    let inputs = plan.inputs.keys().map(String::as_str).map(of(NameKind::Input));
    let probes = plan.probes.keys().map(String::as_str).map(of(NameKind::Probe));
    let named = plan.named.keys().map(String::as_str).map(of(NameKind::NamedExpression));
    let ids = plan.ids().into_keys().map(of(NameKind::Step));
    let declared = inputs.chain(probes).chain(named).chain(ids).collect();
    let (near, used) = (Suggestions::default(), &mut HashSet::new());
    Lookup { plan, declared: &declared, found, used, near }.template(text, None);
}

struct Lookup<'a> {
    plan: &'a Plan,
    declared: &'a IndexMap<String, Declared>,
    found: &'a mut Diagnostics,
    used: &'a mut HashSet<String>,
    near: Suggestions,
}

impl Lookup<'_> {
    fn look_up(&mut self, one: &Use<'_>) {
        self.there(one);
        match (one.text, one.purpose) {
            (Text::Template(template), Purpose::Default(input)) => self.default(input, template),
            (Text::Template(template), purpose) => {
                self.template(template, one.step);
                match purpose {
                    Purpose::Duration => self.duration(template),
                    Purpose::OnTimeout => self.on_timeout(template),
                    _ => {}
                }
            }
            (Text::Expression(expression), purpose) => {
                for name in &expression.names {
                    self.used.insert(name.name.clone());
                    if !self.declared.contains_key(&name.name) {
                        self.unknown(name, matches!(purpose, Purpose::Rows(_)), false, one.step);
                    }
                }
            }
        }
    }

    /// Reports `there` if no command runs, or if its host is not known yet.
    fn there(&mut self, one: &Use<'_>) {
        let Some(name) = one.text.names().iter().find(|name| name.name == THERE) else { return };
        let of_command = matches!(
            one.purpose,
            Purpose::Argument
                | Purpose::Setting
                | Purpose::Environment
                | Purpose::Script
                | Purpose::Path { .. }
                | Purpose::Content
                | Purpose::Duration
        );
        let effect = one.step.map(Step::effect);
        let label = match effect {
            None | Some(Some(_)) if of_command => return,
            Some(Some(effect)) if !matches!(effect.target, Target::OneOf(..)) => return,
            Some(Some(_)) => "which member runs the command is not known yet",
            _ => "only known to the command of a step or a probe",
        };
        Diagnostic::error(Code::UnknownName, "`there` is not known here")
            .at(name.span, label)
            .help("use `host`, the host that is worked on")
            .emit(self.found);
    }

    /// The whole template is an input: its type is known before the run.
    fn whole_input(&self, template: &Template) -> Option<(&String, &Input)> {
        self.plan.inputs.get_key_value(&template.whole_variable()?)
    }

    fn duration(&mut self, template: &Template) {
        if let Some((name, input)) = self.whole_input(template)
            && !matches!(input.kind, InputKind::Duration { .. })
        {
            Diagnostic::error(Code::WrongInputType, format!("`{name}` is not a duration"))
                .at(template.span, "expected a duration")
                .also(input.span, "declared with another type")
                .help(format!("declare `{name}` with `type: duration`"))
                .emit(self.found);
        }
    }

    fn on_timeout(&mut self, template: &Template) {
        let words = ["fail", "ask", "continue"];
        let fits = |kind: &InputKind| match kind {
            InputKind::Enum(of) => of.iter().all(|word| words.contains(&word.as_str())),
            _ => false,
        };
        if let Some((name, input)) = self.whole_input(template)
            && !fits(&input.kind)
        {
            let message = format!("`{name}` can have a value other than {}", one_of(&words));
            Diagnostic::error(Code::WrongInputType, message)
                .at(template.span, format!("expected {}", one_of(&words)))
                .also(input.span, "declared with other values")
                .help(format!("declare `{name}` with `type: enum` and `of: [ask, continue, fail]`"))
                .emit(self.found);
        }
    }

    fn default(&mut self, input: &str, template: &Template) {
        for name in template.names.iter().filter(|name| name.name != "host") {
            self.used.extend([input.to_owned(), name.name.clone()]);
            let message = format!("`{}` cannot be used in a default", name.name);
            Diagnostic::error(Code::UnknownName, message)
                .at(name.span, "not known when defaults are evaluated")
                .help("use only `host`: `{{ host.address }}`, `{{ host.vars.NAME }}`")
                .emit(self.found);
        }
    }

    fn template(&mut self, template: &Template, step: Option<&Step>) {
        for name in &template.names {
            self.used.insert(name.name.clone());
            let why = match self.declared.get(&name.name).map(|declared| declared.kind) {
                Some(NameKind::Probe) => "it is a probe",
                Some(NameKind::NamedExpression) => "it depends on a probe",
                Some(NameKind::Input | NameKind::Step | NameKind::Poisoned) => continue,
                None => {
                    self.unknown(name, false, true, step);
                    continue;
                }
            };
            let Name { name, span } = name;
            let message = format!("templates cannot use `{name}`: {why}");
            Diagnostic::error(Code::LookInTemplate, message)
                .at(*span, "requires a probe")
                .help(format!(
                    "record it first: `- {{id: noted, set: {{{name}: {name}}}}}`, then write \
                     `{{{{ noted.{name} }}}}`"
                ))
                .emit(self.found);
        }
    }

    /// Returns the name of the list that a step is repeated for, if it has one.
    fn listed(&self, step: Option<&Step>) -> Option<&str> {
        let (_, of) = self.plan.find(&step?.path)?;
        match &of?.for_each.as_ref()?.list.expression()?.root.kind {
            expression::ExprKind::Var(name) => Some(name),
            _ => None,
        }
    }

    fn unknown(&mut self, name: &Name, row: bool, text: bool, step: Option<&Step>) {
        let word = name.name.as_str();
        // A missing item is reported with the values that are not known yet.
        if ALWAYS.contains(&word) || [ITEM, THERE].contains(&word) || row && word == "row" {
            return;
        }
        let fault = Diagnostic::error(Code::UnknownName, format!("undefined name `{word}`"));
        if word == "row" {
            self.found.push(
                fault
                    .at(name.span, "`row` is only defined in `where`")
                    .help("select rows with `let: {some: {from: TABLE, where: ...}}`"),
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
        let list = self.listed(step);
        if list.is_some_and(|list| list.strip_suffix('s') == Some(word)) {
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
