//! Variables of hosts that a plan reads by `host.vars.NAME` or `there.vars.NAME`: defined for every host
//! that will need them.
//!
//! Checked is what every host evaluates: templates and conditions of the preflight and of steps
//! without `when`, lists of `for_each`, and the probes and named expressions that these use. A step
//! with a `when` may be meant for some hosts only, so it is not checked. A name that is tested (`is defined`) or has a
//! `default` may be missing.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::inventory::HostName;
use crate::plan::{Action, Purpose, Rollback, Step, Target, Text};
use crate::resolve::{ResolvedPlan, hosts};
use crate::source::Span;
use crate::template::expression::{Expr, ExprKind};

pub(super) fn check(resolved: &ResolvedPlan, found: &mut Diagnostics) {
    let mut needed = Needed { resolved, seen: HashSet::new(), places: IndexMap::new() };
    let plan = &resolved.plan;
    for check in plan.preflight.iter().chain(&plan.preflight_start).chain(&plan.preflight_turn) {
        needed.text(Text::Expression(&check.condition), None, None);
    }
    needed.steps(&resolved.plan.steps);
    for ((of, name), (span, hosts)) in needed.places {
        let count = hosts.len();
        let hosts = hosts.iter().filter_map(|host| resolved.inventory.host(host));
        let lack = hosts.filter(|host| !host.vars.contains_key(&name));
        let lack: Vec<HostName> = lack.map(|host| host.name.clone()).collect();
        if lack.is_empty() {
            continue;
        }
        let message = format!("`{of}.vars.{name}` is not defined for {}", hosts::names(&lack));
        let mut fault = Diagnostic::error(Code::MissingVariable, message).at(span, "used here");
        if let Some((host, place)) = having(resolved, &name) {
            fault = fault.also(place, format!("defined here for `{host}`"));
        }
        let near = lack.iter().find_map(|host| {
            let host = resolved.inventory.host(host)?;
            let near = nearest(&name, host.vars.keys().map(String::as_str))?;
            Some((&host.name, near))
        });
        let fault = match near {
            Some((_, near)) if lack.len() == count => {
                fault.help(format!("did you mean `{of}.vars.{near}`?"))
            }
            Some((host, near)) => {
                fault.help(format!("`{host}` defines `{near}`: did you mean `{name}`?"))
            }
            None => fault.help(format!("define it in the inventory: `{name}: VALUE`")),
        };
        found.push(
            fault.help(format!("or provide a default: `{of}.vars.{name} | default(\"VALUE\")`")),
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
    resolved: &'a ResolvedPlan,
    /// Probes and named expressions that were visited.
    seen: HashSet<&'a str>,
    /// The variables of `host` or `there`, each with the first place that needs it, and the hosts that it is
    /// needed for.
    places: IndexMap<(&'static str, String), (Span, Vec<HostName>)>,
}

impl<'a> Needed<'a> {
    fn steps(&mut self, steps: &'a [Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &'a Step) {
        let uses = step.uses();
        let there = step.effect().map(|effect| &effect.target);
        // The list is read before the `when`.
        let (list, others): (Vec<_>, Vec<_>) =
            uses.into_iter().partition(|one| one.purpose == Purpose::Item);
        for one in list {
            self.text(one.text, None, None);
        }
        if let Some(when) = &step.when {
            self.text(Text::Expression(when), there, Some(step));
            return;
        }
        for one in others {
            self.text(one.text, there, Some(step));
        }
        if let Action::Block { steps, .. } = &step.action {
            self.steps(steps);
        }
        // Every host needs its rollback, in case it is rolled back.
        if let Rollback::Handler(handler) = &step.rollback {
            self.step(handler);
        }
    }

    /// Adds the variables of a text, and of the probes and named expressions that it uses.
    /// `there` is where its command runs, and `step` uses it.
    fn text(&mut self, text: Text<'a>, there: Option<&Target>, step: Option<&Step>) {
        for name in text.names() {
            if !self.seen.insert(&name.name) {
                continue;
            }
            let plan = &self.resolved.plan;
            if let Some(probe) = plan.probes.get(&name.name) {
                let uses = probe.command.uses().into_iter();
                uses.for_each(|one| self.text(one.text, Some(&probe.target), step));
            }
            if let Some(named) = plan.named.get(&name.name) {
                self.text(Text::Expression(&named.expression), None, step);
            }
        }
        // What an `{% if %}` guards is not known here.
        if text.written().text().contains("{%") {
            return;
        }
        for of in ["host", "there"] {
            let (mut read, mut tested) = (Vec::new(), HashSet::new());
            let roots = text.roots().into_iter();
            roots.for_each(|root| variables(root, of, &mut read, &mut tested));
            for (name, part) in read.into_iter().filter(|(name, _)| !tested.contains(name)) {
                let hosts = match (of, there) {
                    ("host", _) => self.resolved.hosts.clone(),
                    (_, Some(target)) => self.resolved.places(target, step),
                    _ => continue,
                };
                if let Some(span) = text.written().place(part) {
                    self.places.entry((of, name.to_owned())).or_insert((span, hosts));
                }
            }
        }
    }
}

/// Collects the variables of an expression, and those of them that are tested or have a default.
fn variables<'e>(
    expr: &'e Expr,
    of_name: &str,
    read: &mut Vec<(&'e str, &'e Expr)>,
    tested: &mut HashSet<&'e str>,
) {
    match &expr.kind {
        ExprKind::Filter(_, of, _) | ExprKind::Test(_, of, _) if expr.allows_missing() => {
            tested.extend(of.all().into_iter().filter_map(|part| part.variable_of(of_name)));
        }
        _ => {}
    }
    if let Some(name) = expr.variable_of(of_name) {
        read.push((name, expr));
        return;
    }
    for part in expr.parts() {
        variables(part, of_name, read, tested);
    }
}
