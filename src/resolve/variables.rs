//! Variables of hosts that a plan reads by `host.vars.NAME`: there on every host that will need them.
//!
//! Checked is what every host evaluates: templates and conditions of the preflight and of steps
//! without `when`, lists of `for_each`, and the probes and named expressions that these use. A step
//! with a `when` may be meant for some hosts only, so it is not checked. A name that is tested (`is defined`) or has a
//! `default` may be missing.

use std::collections::HashSet;
use std::ops::Range;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::inventory::HostName;
use crate::plan::{Action, Plan, Purpose, Rollback, Step, Text};
use crate::resolve::{ResolvedPlan, hosts};
use crate::source::Span;
use crate::template::expression::{Expr, ExprKind, Expression};
use crate::template::{Name, Template, parser};

pub(super) fn check(resolved: &ResolvedPlan, found: &mut Diagnostics) {
    let mut needed = Needed { plan: &resolved.plan, seen: HashSet::new(), places: IndexMap::new() };
    for claim in &resolved.plan.preflight {
        needed.expression(&claim.condition);
    }
    needed.steps(&resolved.plan.steps);
    for (name, span) in needed.places {
        let hosts = resolved.hosts.iter();
        let hosts = hosts.filter_map(|host| resolved.inventory.host(host));
        let lack = hosts.filter(|host| !host.vars.contains_key(&name));
        let lack: Vec<HostName> = lack.map(|host| host.name.clone()).collect();
        if lack.is_empty() {
            continue;
        }
        let message = format!("`host.vars.{name}` is not defined for {}", hosts::names(&lack));
        let fault = Diagnostic::error(Code::MissingVariable, message).at(span, "used here");
        let fault = match having(resolved, &name) {
            Some((host, place)) => fault.also(place, format!("defined here for `{host}`")),
            None => fault,
        };
        let near = lack.iter().find_map(|host| {
            let host = resolved.inventory.host(host)?;
            let near = nearest(&name, host.vars.keys().map(String::as_str))?;
            Some((&host.name, near))
        });
        let fault = match near {
            Some((_, near)) if lack.len() == resolved.hosts.len() => {
                fault.help(format!("did you mean `host.vars.{near}`?"))
            }
            Some((host, near)) => {
                fault.help(format!("`{host}` defines `{near}`: did you mean `{name}`?"))
            }
            None => fault.help(format!("define it in the inventory: `{name}: VALUE`")),
        };
        found.push(
            fault.help(format!("or provide a default: `host.vars.{name} | default(\"VALUE\")`")),
        );
    }
}

/// Returns a host that has a variable, and the location of its value.
fn having<'a>(resolved: &'a ResolvedPlan, name: &str) -> Option<(&'a HostName, Span)> {
    // Without a place of the host its line is not to be shown.
    let known = |host: &&HostName| resolved.inventory.place(host.as_str()).is_some();
    let hosts = resolved.hosts.iter().filter(known);
    let mut hosts = hosts.filter_map(|host| resolved.inventory.host(host));
    hosts.find_map(|host| Some((&host.name, host.vars.get(name)?.place.0?)))
}

/// What every host comes by.
struct Needed<'a> {
    plan: &'a Plan,
    /// Probes and named expressions that were visited.
    seen: HashSet<&'a str>,
    /// The variables, each with the first place that needs it.
    places: IndexMap<String, Span>,
}

impl<'a> Needed<'a> {
    fn steps(&mut self, steps: &'a [Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &'a Step) {
        let uses = step.uses();
        // The list is read before the `when`.
        let (list, others): (Vec<_>, Vec<_>) =
            uses.into_iter().partition(|one| one.purpose == Purpose::Item);
        for one in list {
            self.text(one.text);
        }
        if let Some(when) = &step.when {
            self.expression(when);
            return;
        }
        for one in others {
            self.text(one.text);
        }
        if let Action::Block { steps, .. } = &step.action {
            self.steps(steps);
        }
        // Every host needs its rollback, in case it is rolled back.
        if let Rollback::Handler(handler) = &step.rollback {
            self.step(handler);
        }
    }

    fn text(&mut self, text: Text<'a>) {
        match text {
            Text::Expression(expression) => self.expression(expression),
            Text::Template(template) => self.template(template),
        }
    }

    fn expression(&mut self, expression: &'a Expression) {
        let mut ranges = Vec::new();
        expression.root.free_names(&mut ranges);
        self.add(std::slice::from_ref(&expression.root), &expression.names, &ranges);
        self.names(&expression.names);
    }

    fn template(&mut self, template: &'a Template) {
        self.names(&template.names);
        // What an `{% if %}` guards is not known here.
        if template.text.contains("{%") {
            return;
        }
        let ranges = parser::names_of_template(&template.text).unwrap_or_default();
        let shown = parser::shown_by_template(&template.text);
        self.add(&shown, &template.names, &ranges);
    }

    /// Goes through the probes and words that are named.
    fn names(&mut self, names: &'a [Name]) {
        for name in names {
            if !self.seen.insert(&name.name) {
                continue;
            }
            if let Some(probe) = self.plan.probes.get(&name.name) {
                probe.command.uses().into_iter().for_each(|one| self.text(one.text));
            }
            if let Some(named) = self.plan.named.get(&name.name) {
                self.expression(named.expression());
            }
        }
    }

    /// Adds the variables of some expressions; `names` are the free names at `ranges`.
    fn add(&mut self, roots: &[Expr], names: &[Name], ranges: &[(String, Range<usize>)]) {
        let mut read = Vec::new();
        let mut tested = HashSet::new();
        for root in roots {
            variables(root, &mut read, &mut tested);
        }
        for (name, host, range) in read.iter().filter(|(name, ..)| !tested.contains(name)) {
            let at = ranges.iter().position(|(_, range)| range.start == host.start);
            let Some(span) = at.and_then(|at| names.get(at)).map(|name| name.span) else {
                continue;
            };
            let end = span.range().start + (range.end - host.start);
            let span = Span::new(span.source, span.range().start, end);
            self.places.entry(name.clone()).or_insert(span);
        }
    }
}

/// A variable that is read: its name, the range of `host`, and the range of the whole.
type Read = (String, Range<usize>, Range<usize>);

/// Collects the variables of an expression, and those of them that are tested or have a default.
fn variables(expr: &Expr, read: &mut Vec<Read>, tested: &mut HashSet<String>) {
    match &expr.kind {
        ExprKind::Filter(_, of, _) | ExprKind::Test(_, of, _) if expr.allows_missing() => {
            let mut inner = Vec::new();
            variables(of, &mut inner, tested);
            tested.extend(inner.into_iter().map(|(name, ..)| name));
        }
        _ => {}
    }
    if let Some((name, host)) = variable(expr) {
        read.push((name, host, expr.range.clone()));
        return;
    }
    for part in expr.parts() {
        variables(part, read, tested);
    }
}

/// Returns the name of `host.vars.NAME`, and the range of `host` in it.
pub(super) fn variable(expr: &Expr) -> Option<(String, Range<usize>)> {
    let (of, name) = part(expr)?;
    let (host, vars) = part(of)?;
    match &host.kind {
        ExprKind::Var(word) if word == "host" && vars == "vars" => Some((name, host.range.clone())),
        _ => None,
    }
}

/// Returns what a part is taken of, and its name.
fn part(expr: &Expr) -> Option<(&Expr, String)> {
    match &expr.kind {
        ExprKind::Attr(of, name) => Some((of, name.clone())),
        ExprKind::Item(of, key) => match &key.kind {
            ExprKind::Const(value) => Some((of, value.as_str()?.to_owned())),
            _ => None,
        },
        _ => None,
    }
}
