//! Conditions that do not depend on a probe.
//!
//! A check that only uses inputs is valid: it compares them. A condition that must be true after a
//! step, or that a wait waits for, must use a probe, or it never changes.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{Action, NamedExpression, Plan, Step, Wait};
use crate::template::expression::Expression;

/// Reports conditions whose value never changes.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let looking = looking(plan);
    let invariants = &plan.invariants;
    let claims = [&invariants.always, &invariants.at_rest, &invariants.at_end];
    for claim in claims.into_iter().flatten().chain(&plan.preflight) {
        constant(&claim.condition, found);
    }
    for step in &plan.steps {
        step.visit(&mut |step| of_step(step, &looking, found));
    }
}

fn of_step(step: &Step, looking: &HashSet<&str>, found: &mut Diagnostics) {
    for claim in &step.requires {
        constant(&claim.condition, found);
    }
    match &step.action {
        Action::Assert { claims, .. } => {
            for claim in claims {
                constant(&claim.condition, found);
            }
        }
        Action::Effect(effect) => {
            if let Some(condition) = &effect.done_when {
                unchanging(condition, "done_when", looking, found);
            }
        }
        Action::Wait(wait) => {
            if let Wait::Until { until, .. } = wait.as_ref() {
                unchanging(until, "until", looking, found);
            }
        }
        _ => {}
    }
}

/// Returns the names whose value needs a probe: probes, and named expressions that use one.
fn looking(plan: &Plan) -> HashSet<&str> {
    let mut looking: HashSet<&str> = plan.probes.keys().map(String::as_str).collect();
    // Repeated if a named expression is declared before those it uses; mostly once.
    loop {
        let before = looking.len();
        for (name, word) in &plan.words {
            let leads = match word {
                NamedExpression::Rows { .. } => true,
                NamedExpression::Expression(expression, _) => leads(expression, &looking),
            };
            if leads {
                looking.insert(name);
            }
        }
        if looking.len() == before {
            return looking;
        }
    }
}

fn leads(expression: &Expression, looking: &HashSet<&str>) -> bool {
    let mut names = expression.names.iter();
    names.any(|name| looking.contains(name.name.as_str()))
}

fn constant(condition: &Expression, found: &mut Diagnostics) {
    if condition.names.is_empty() {
        report(condition, "this condition", found);
    }
}

fn unchanging(condition: &Expression, key: &str, looking: &HashSet<&str>, found: &mut Diagnostics) {
    if !leads(condition, looking) {
        report(condition, &format!("`{key}`"), found);
    }
}

fn report(condition: &Expression, what: &str, found: &mut Diagnostics) {
    let Some(span) = condition.span else { return };
    found.push(
        Diagnostic::warning(Code::ClaimWithoutLook, format!("{what} does not depend on a probe"))
            .at(span, "uses no probe, so its value never changes")
            .help("use a probe, or a named expression that uses one: `state == \"active\"`"),
    );
}
