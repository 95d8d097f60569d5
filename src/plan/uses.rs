//! What a plan evaluates: its expressions and templates, and what each of them is for.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::plan::{
    Action, Become, Check, CommandSpec, Deferred, ItemList, Plan, Step, UploadSource, Wait, Work,
};
use crate::template::expression::{Expr, Expression};
use crate::template::{Name, Template, Written};

#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    Expression(&'a Expression),
    Template(&'a Template),
}

/// What an expression or a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// The default of this input.
    Default(&'a str),
    /// The value of a named expression.
    Named,
    /// The condition by which this named expression selects rows.
    Rows(&'a str),
    /// A check in `preflight`, `requires`, `assert` or `invariants`, or the condition of `order`.
    Check,
    When,
    DoneWhen,
    Until,
    /// A value that is recorded.
    Set,
    /// The list of a `for_each`, or an item of it.
    Item,
    /// A word of a command, which other users of the host can see.
    Argument,
    /// Another part of a command that they can see.
    Setting,
    /// An environment variable, which only the user that runs the command, and root, can see.
    Environment,
    /// A script, which they can see, too.
    Script,
    /// The path of a file on this machine, which is rendered or sent unchanged.
    Path {
        rendered: bool,
    },
    /// What a command reads: its standard input, or the content of an upload.
    Content,
    Duration,
    OnTimeout,
    /// What the operator is shown.
    Message,
}

/// A text and what it is for; `step` is the step it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    pub text: Text<'a>,
    pub purpose: Purpose<'a>,
    pub step: Option<&'a Step>,
}

impl<'a> Text<'a> {
    /// Returns the free names in it.
    pub fn names(self) -> &'a [Name] {
        match self {
            Self::Expression(expression) => &expression.names,
            Self::Template(template) => &template.names,
        }
    }

    /// Returns it as a text with locations.
    pub fn written(self) -> &'a dyn Written {
        match self {
            Self::Expression(expression) => expression,
            Self::Template(template) => template,
        }
    }

    /// Returns the expressions in it.
    pub fn roots(self) -> Vec<&'a Expr> {
        match self {
            Self::Expression(expression) => vec![&expression.root],
            Self::Template(template) => {
                template.expressions().iter().map(|one| &one.expr).collect()
            }
        }
    }
}

impl Plan {
    /// Calls a function on everything that is evaluated.
    pub fn each_use<'a>(&'a self, see: &mut dyn FnMut(Use<'a>)) {
        self.uses().into_iter().for_each(&mut *see);
        self.visit(&mut |step| step.uses().into_iter().for_each(&mut *see));
    }

    /// Calls a function on everything that is evaluated, except in steps that could not be read.
    pub(super) fn each_sound_use<'a>(&'a self, see: &mut dyn FnMut(Use<'a>)) {
        self.uses().into_iter().for_each(&mut *see);
        self.visit_sound(&mut |step| step.uses().into_iter().for_each(&mut *see));
    }

    /// Returns the secrets with `ask` that the standard input or the environment of a command uses.
    pub fn asked<'a>(&'a self, command: &'a CommandSpec) -> impl Iterator<Item = &'a str> {
        let templates = command.env.values().chain(&command.stdin);
        let names = templates.flat_map(|template| &template.names).map(|name| name.name.as_str());
        let names: BTreeSet<&str> = names.collect();
        names.into_iter().filter(|name| self.inputs.get(*name).is_some_and(|input| input.ask))
    }

    /// Returns what is evaluated outside of steps.
    fn uses(&self) -> Vec<Use<'_>> {
        let mut uses = Uses { all: Vec::new(), step: None };
        for (name, input) in &self.inputs {
            input.default.iter().for_each(|value| uses.deferred(Purpose::Default(name), value));
        }
        for probe in self.probes.values() {
            uses.command(&probe.command);
        }
        for (name, named) in &self.named {
            let purpose = match &named.from {
                Some(from) => {
                    uses.expression(Purpose::Named, from);
                    Purpose::Rows(name)
                }
                None => Purpose::Named,
            };
            uses.expression(purpose, &named.expression);
        }
        if let Some(order) = &self.order {
            uses.expression(Purpose::Check, &order.condition);
        }
        let invariants = &self.invariants;
        let preflight = [&self.preflight, &self.preflight_start, &self.preflight_turn];
        let all = [&invariants.always, &invariants.at_rest, &invariants.at_end];
        for checks in preflight.into_iter().chain(all) {
            uses.checks(checks);
        }
        uses.all
    }
}

impl CommandSpec {
    /// Returns the templates of a command.
    pub fn uses(&self) -> Vec<Use<'_>> {
        let mut uses = Uses { all: Vec::new(), step: None };
        uses.command(self);
        uses.all
    }
}

impl Step {
    /// Returns what is evaluated in a step, its parts and its handler left out.
    pub fn uses(&self) -> Vec<Use<'_>> {
        let mut uses = Uses { all: Vec::new(), step: Some(self) };
        if let Some(list) = self.for_each.as_ref().map(|each| &each.list) {
            list.templates().for_each(|item| uses.template(Purpose::Item, item));
            if let ItemList::Expression(list) = list {
                uses.expression(Purpose::Item, list);
            }
        }
        if let Some(when) = &self.when {
            uses.expression(Purpose::When, when);
        }
        uses.checks(&self.requires);
        let times = [self.retry.as_ref().map(|retry| &retry.delay), self.timeout.as_ref()];
        uses.durations(times.into_iter().flatten());
        match &self.action {
            Action::Effect(effect) => {
                uses.command(&effect.command);
                if let Some(condition) = &effect.done_when {
                    uses.expression(Purpose::DoneWhen, condition);
                }
                uses.durations([&effect.within, &effect.retry.delay]);
            }
            Action::Wait(wait) => match wait.as_ref() {
                Wait::For(time) => uses.durations([time]),
                Wait::Until { until, at_least, timeout, every, stable_for, on_timeout } => {
                    uses.expression(Purpose::Until, until);
                    uses.durations([at_least, timeout, every, stable_for]);
                    uses.deferred(Purpose::OnTimeout, on_timeout);
                }
            },
            Action::Assert { checks, within } => {
                uses.checks(checks);
                uses.durations([within]);
            }
            Action::Approve(approve) => {
                uses.template(Purpose::Message, &approve.text);
                uses.durations(&approve.timeout);
            }
            Action::Fail(text) => uses.template(Purpose::Message, text),
            Action::Set(values) => {
                for (_, value) in values {
                    uses.expression(Purpose::Set, value);
                }
            }
            Action::Block { .. } => {}
        }
        uses.all
    }
}

/// The uses of a part of a plan.
struct Uses<'a> {
    all: Vec<Use<'a>>,
    step: Option<&'a Step>,
}

impl<'a> Uses<'a> {
    fn template(&mut self, purpose: Purpose<'a>, template: &'a Template) {
        self.all.push(Use { text: Text::Template(template), purpose, step: self.step });
    }

    fn expression(&mut self, purpose: Purpose<'a>, expression: &'a Expression) {
        self.all.push(Use { text: Text::Expression(expression), purpose, step: self.step });
    }

    fn checks(&mut self, checks: &'a [Check]) {
        for check in checks {
            self.expression(Purpose::Check, &check.condition);
        }
    }

    fn deferred<T>(&mut self, purpose: Purpose<'a>, value: &'a Deferred<T>) {
        value.template().into_iter().for_each(|template| self.template(purpose, template));
    }

    fn durations(&mut self, times: impl IntoIterator<Item = &'a Deferred<Duration>>) {
        times.into_iter().for_each(|time| self.deferred(Purpose::Duration, time));
    }

    fn command(&mut self, command: &'a CommandSpec) {
        match &command.work {
            Work::Run(words) => {
                for word in words {
                    self.template(Purpose::Argument, word);
                }
            }
            Work::Shell(script) => self.template(Purpose::Script, script),
            Work::Upload(upload) => {
                let purpose = match &upload.source {
                    UploadSource::Content(_) => Purpose::Content,
                    UploadSource::File(_) => Purpose::Path { rendered: false },
                    UploadSource::Rendered(_) => Purpose::Path { rendered: true },
                };
                self.template(purpose, upload.source.template());
                self.template(Purpose::Setting, &upload.to);
                let options = [&upload.mode, &upload.owner].into_iter().flatten();
                options.for_each(|option| self.deferred(Purpose::Setting, option));
            }
        }
        command.env.values().for_each(|value| self.template(Purpose::Environment, value));
        command.dir.iter().for_each(|dir| self.template(Purpose::Setting, dir));
        command.stdin.iter().for_each(|stdin| self.template(Purpose::Content, stdin));
        if let Some(Become::Yes(Some(user))) = &command.r#become {
            self.deferred(Purpose::Setting, user);
        }
        self.durations([&command.timeout]);
    }
}
