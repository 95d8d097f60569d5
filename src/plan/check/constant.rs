//! Conditions that do not depend on a probe.
//!
//! A check that only uses inputs is valid: it compares them. A condition that must be true after a
//! step, or that a wait waits for, must use a probe, or it never changes.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::lower::ITEM;
use crate::plan::{Plan, Purpose, Text};
use crate::template::expression::Expression;

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let fixed = fixed(plan);
    plan.each_sound_use(&mut |one| {
        let Text::Expression(condition) = one.text else { return };
        let what = match one.purpose {
            Purpose::Check if condition.names.is_empty() => "this condition",
            Purpose::DoneWhen if is_fixed(condition, &fixed) => "`done_when`",
            Purpose::Until if is_fixed(condition, &fixed) => "`until`",
            _ => return,
        };
        if !condition.is_poisoned() {
            report(condition, what, found);
        }
    });
}

/// Returns the names whose values never change while a step runs: of inputs, of steps, and of named
/// expressions that use no others. Of a name that could not be read that is not known.
fn fixed(plan: &Plan) -> HashSet<&str> {
    let mut fixed: HashSet<&str> = plan.inputs.keys().map(String::as_str).collect();
    fixed.extend(["host", "there", "run", ITEM]);
    fixed.extend(plan.ids().keys());
    // Repeated if a named expression is declared before those it uses; mostly once.
    loop {
        let before = fixed.len();
        for (name, named) in &plan.named {
            if named.from.is_none() && is_fixed(&named.expression, &fixed) {
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
    names.all(|name| fixed.contains(name.name.as_str()))
}

fn report(condition: &Expression, what: &str, found: &mut Diagnostics) {
    Diagnostic::warning(Code::ClaimWithoutLook, format!("{what} does not depend on a probe"))
        .at(condition.span, "uses no probe, so its value never changes")
        .help("use a probe, or a named expression that uses one: `state == \"active\"`")
        .emit(found);
}
