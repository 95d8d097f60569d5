//! Conditions that do not depend on a probe.
//!
//! A check that only uses inputs is valid: it compares them. A condition that must be true after a
//! step, or that a wait waits for, must use a probe, or it never changes.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::lower::ITEM;
use crate::plan::{Action, NamedExpression, Plan, Step, Wait};
use crate::template::expression::Expression;

/// Reports conditions whose value never changes.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let fixed = fixed(plan);
    let invariants = &plan.invariants;
    let claims = [&invariants.always, &invariants.at_rest, &invariants.at_end];
    for claim in claims.into_iter().flatten().chain(&plan.preflight) {
        constant(&claim.condition, found);
    }
    plan.visit_sound(&mut |step| of_step(step, &fixed, found));
}

fn of_step(step: &Step, fixed: &HashSet<&str>, found: &mut Diagnostics) {
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
                unchanging(condition, "done_when", fixed, found);
            }
        }
        Action::Wait(wait) => {
            if let Wait::Until { until, .. } = wait.as_ref() {
                unchanging(until, "until", fixed, found);
            }
        }
        _ => {}
    }
}

/// Returns the names whose values never change while a step runs: of inputs, of steps, and of named
/// expressions that use no others. Of a name that could not be read that is not known.
fn fixed(plan: &Plan) -> HashSet<&str> {
    let mut fixed: HashSet<&str> = plan.inputs.keys().map(String::as_str).collect();
    fixed.extend(["host", "run", ITEM]);
    plan.visit_sound(&mut |step| fixed.extend(step.id.as_deref()));
    // Repeated if a named expression is declared before those it uses; mostly once.
    loop {
        let before = fixed.len();
        for (name, word) in &plan.words {
            if let NamedExpression::Expression(expression, _) = word
                && is_fixed(expression, &fixed)
            {
                fixed.insert(name);
            }
        }
        if fixed.len() == before {
            return fixed;
        }
    }
}

fn is_fixed(expression: &Expression, fixed: &HashSet<&str>) -> bool {
    let mut names = expression.names.iter();
    !expression.is_poisoned() && names.all(|name| fixed.contains(name.name.as_str()))
}

fn constant(condition: &Expression, found: &mut Diagnostics) {
    if condition.names.is_empty() && !condition.is_poisoned() {
        report(condition, "this condition", found);
    }
}

fn unchanging(condition: &Expression, key: &str, fixed: &HashSet<&str>, found: &mut Diagnostics) {
    if is_fixed(condition, fixed) {
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
