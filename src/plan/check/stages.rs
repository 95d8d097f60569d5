//! `setup` and `finish`: they run once, so they have no host.
//!
//! Nothing in them may need one: not where a command runs, not a value, not a probe or a named expression
//! that a text uses.

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{NamedExpression, Plan, Probe, Step, Target, Text};
use crate::source::Span;
use crate::task::Stage;
use crate::template::expression::Expr;

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let mut needs = Needs { plan, known: HashMap::new() };
    plan.visit_sound(&mut |step| {
        if let Some(stage) = plan.stage_of(&step.path) {
            no_host(stage, step, &mut needs, found);
        }
    });
    plan.each_sound_use(&mut |one| {
        let is_teardown = one.step.is_some_and(|step| is_in_teardown(plan, step));
        if !is_teardown && let Some(at) = status(one.text) {
            Diagnostic::error(Code::NotKnownYet, "`run.status` is only known in a `teardown`")
                .at(at, "the run has not ended here")
                .help("use it in the `when` of a `teardown`")
                .emit(found);
        }
    });
}

fn is_in_teardown(plan: &Plan, step: &Step) -> bool {
    let mut around = plan.around(&step.path).into_iter().map(|(step, _)| step).chain([step]);
    around.any(|step| step.is_teardown)
}

/// Returns where a text uses `run.status`.
fn status(text: Text<'_>) -> Option<Span> {
    let mut parts = text.roots().into_iter().flat_map(Expr::all);
    let part = parts.find(|part| part.is_run_status())?;
    text.written().place(part)
}

fn no_host<'a>(stage: Stage, step: &'a Step, needs: &mut Needs<'a>, found: &mut Diagnostics) {
    let word = stage.word();
    if step.effect().is_some_and(|effect| matches!(effect.target, Target::Here)) {
        let message = format!("`{}` does not say where it runs: `{word}` has no host", step.title);
        Diagnostic::error(Code::NoHostHere, message)
            .at(step.span, "no `delegate_to`")
            .help("add `delegate_to: HOST`, the machine that it runs on")
            .emit(found);
    }
    if step.point_of_no_return.as_ref().is_some_and(|point| !point.all_hosts) {
        let message = format!("`{word}` has no host that could be past a point of no return");
        Diagnostic::error(Code::NoHostHere, message)
            .at(step.span, "`point_of_no_return` of this step")
            .help(
                "write `point_of_no_return: {all_hosts: REASON}`: nothing is rolled back after it",
            )
            .emit(found);
    }
    for one in step.uses() {
        for name in one.text.names() {
            let Some(need) = needs.of(&name.name) else { continue };
            let (message, help) = match need {
                Need::Host if name.name == "host" => (
                    format!("`host` is not available in `{word}`, which runs once"),
                    "use `groups.NAME` for the names of hosts, or an input".to_owned(),
                ),
                Need::Host => (
                    format!("`{}` uses `host`, which is not available in `{word}`", name.name),
                    "use a probe, or a named expression, without `host`".to_owned(),
                ),
                Need::Probe(probe) => (
                    format!("probe `{}` runs on the host itself: `{word}` has no host", probe.name),
                    format!("add `delegate_to: HOST` to a probe for `{word}`"),
                ),
            };
            let probe = match need {
                Need::Probe(probe) => Some(probe.span),
                Need::Host => None,
            };
            Diagnostic::error(Code::NoHostHere, message)
                .at(name.span, "used here")
                .also(probe, "no `delegate_to`")
                .help(help)
                .emit(found);
        }
    }
}

/// Why a name needs a host.
#[derive(Clone, Copy)]
enum Need<'a> {
    /// It is `host`, or uses it.
    Host,
    /// It is this probe, or uses it, and that runs on the host itself.
    Probe(&'a Probe),
}

struct Needs<'a> {
    plan: &'a Plan,
    known: HashMap<&'a str, Option<Need<'a>>>,
}

impl<'a> Needs<'a> {
    fn of(&mut self, name: &'a str) -> Option<Need<'a>> {
        if name == "host" {
            return Some(Need::Host);
        }
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        self.known.insert(name, None);
        let need = if let Some(probe) = self.plan.probes.get(name) {
            if let Target::Here = probe.target {
                Some(Need::Probe(probe))
            } else {
                let names = probe.command.uses().into_iter().flat_map(|one| one.text.names());
                self.of_any(names.map(|name| name.name.as_str()))
            }
        } else {
            let named = self.plan.named.get(name).map(NamedExpression::names);
            self.of_any(named.into_iter().flatten())
        };
        self.known.insert(name, need);
        need
    }

    fn of_any(&mut self, names: impl IntoIterator<Item = &'a str>) -> Option<Need<'a>> {
        names.into_iter().find_map(|name| self.of(name))
    }
}
