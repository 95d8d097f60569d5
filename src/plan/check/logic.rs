//! Conditions that are always or never true, whatever the probes return.

use minijinja::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{Plan, Text};
use crate::template::Written;
use crate::template::expression::{Comparison, Expr, ExprKind, Expression};

/// Deepest nesting of a condition that is followed.
const MAX_DEPTH: usize = 64;

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    plan.each_sound_use(&mut |one| {
        if let Text::Expression(expression) = one.text {
            walk(expression, &expression.root, 0, found);
        }
    });
}

fn walk(whole: &Expression, expr: &Expr, depth: usize, found: &mut Diagnostics) {
    if depth > MAX_DEPTH {
        return;
    }
    let (joined, how) = match &expr.kind {
        ExprKind::And(..) => (chain(expr, true), Comparison::Eq),
        ExprKind::Or(..) => (chain(expr, false), Comparison::Ne),
        _ => (Vec::new(), Comparison::Eq),
    };
    // `a == 1 and a == 2` is never true; `a != 1 or a != 2` always.
    let mut seen: Vec<(&str, &Value, &Expr)> = Vec::new();
    for part in &joined {
        let Some((name, value)) = compared(whole, part, how) else {
            continue;
        };
        match seen.iter().find(|(other, was, _)| *other == name && *was != value) {
            Some((_, _, first)) => report(whole, how, first, part, found),
            None => seen.push((name, value, part)),
        }
    }
    let parts = if joined.is_empty() { expr.parts() } else { joined };
    for part in parts {
        walk(whole, part, depth + 1, found);
    }
}

/// Returns the parts that are joined by the same word.
fn chain(expr: &Expr, and: bool) -> Vec<&Expr> {
    let mut parts = Vec::new();
    let mut open = vec![expr];
    while let Some(next) = open.pop() {
        match &next.kind {
            ExprKind::And(a, b) if and => open.extend([b.as_ref(), a.as_ref()]),
            ExprKind::Or(a, b) if !and => open.extend([b.as_ref(), a.as_ref()]),
            _ => parts.push(next),
        }
    }
    parts
}

/// Returns what is compared in this way with which constant.
fn compared<'a>(
    whole: &'a Expression,
    part: &'a Expr,
    how: Comparison,
) -> Option<(&'a str, &'a Value)> {
    let ExprKind::Compare(left, rest) = &part.kind else {
        return None;
    };
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
    let (Some(at), Some(before)) = (whole.place(&second), whole.place(&first)) else {
        return;
    };
    let (a, b) = (whole.part(&first), whole.part(&second));
    let (code, message, help) = if how == Comparison::Eq {
        let message = format!("`{a}` and `{b}` are never both true");
        (Code::NeverTrue, message, "use `or` if one of them is enough")
    } else {
        let message = format!("one of `{a}` and `{b}` is always true");
        (Code::AlwaysTrue, message, "use `and` to exclude both")
    };
    let fault = match code {
        Code::NeverTrue => Diagnostic::error(Code::NeverTrue, message),
        _ => Diagnostic::warning(Code::AlwaysTrue, message),
    };
    found.push(fault.at(at, "second comparison").also(before, "first comparison").help(help));
}
