//! Conditions that are always or never true, whatever the probes return.

use minijinja::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{Plan, Text};
use crate::template::Written;
use crate::template::expression::{Comparison, Expr, ExprKind, Expression};

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    plan.each_sound_use(&mut |one| {
        if let Text::Expression(expression) = one.text {
            walk(expression, &expression.root, found);
        }
    });
}

fn walk(whole: &Expression, expr: &Expr, found: &mut Diagnostics) {
    let (joined, how) = match &expr.kind {
        ExprKind::And(..) => (expr.joined(true), Comparison::Eq),
        ExprKind::Or(..) => (expr.joined(false), Comparison::Ne),
        _ => (Vec::new(), Comparison::Eq),
    };
    // `a == 1 and a == 2` is never true; `a != 1 or a != 2` always.
    let mut seen: Vec<(&str, &Value, &Expr)> = Vec::new();
    for part in &joined {
        let Some((name, value)) = compared(whole, part, how) else { continue };
        match seen.iter().find(|(other, was, _)| *other == name && *was != value) {
            Some((_, _, first)) => report(whole, how, first, part, found),
            None => seen.push((name, value, part)),
        }
    }
    let parts = if joined.is_empty() { expr.parts() } else { joined };
    for part in parts {
        walk(whole, part, found);
    }
}

/// Returns what is compared in this way with which constant.
fn compared<'a>(
    whole: &'a Expression,
    part: &'a Expr,
    how: Comparison,
) -> Option<(&'a str, &'a Value)> {
    let ExprKind::Compare(left, rest) = &part.kind else { return None };
    match rest.as_slice() {
        [(found, right)] if *found == how => match &right.kind {
            ExprKind::Const(value) => Some((whole.part(left), value)),
            _ => None,
        },
        _ => None,
    }
}

/// In the parser a part starts at the word that joins it; returns it without.
fn bare(whole: &Expression, part: &Expr) -> Expr {
    let mut part = part.clone();
    let text = whole.text.get(part.range.clone()).unwrap_or_default();
    for word in ["and ", "or "] {
        if text.starts_with(word) {
            part.range.start += word.len();
            break;
        }
    }
    part
}

fn report(
    whole: &Expression,
    how: Comparison,
    first: &Expr,
    second: &Expr,
    found: &mut Diagnostics,
) {
    let (first, second) = (bare(whole, first), bare(whole, second));
    let (a, b) = (whole.part(&first), whole.part(&second));
    let (fault, help) = if how == Comparison::Eq {
        let message = format!("`{a}` and `{b}` are never both true");
        (Diagnostic::error(Code::NeverTrue, message), "use `or` if one of them is enough")
    } else {
        let message = format!("one of `{a}` and `{b}` is always true");
        (Diagnostic::warning(Code::AlwaysTrue, message), "use `and` to exclude both")
    };
    fault
        .at(whole.place(&second), "second comparison")
        .also(whole.place(&first), "first comparison")
        .help(help)
        .emit(found);
}
