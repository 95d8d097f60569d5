//! Operators of expressions: from the engine's to ours.

use minijinja::machinery::ast;

use crate::template::ast::{Comparison, Expr, ExprKind};

/// The operators of the language as the manual shows them, from the weakest to the strongest: how
/// they are written, and what they give.
pub const OPERATORS: &[(&[&str], &str)] = &[
    (&["a if c else b"], "`a` if `c` is true, else `b`"),
    (&["a or b"], "true if one of them is true"),
    (&["a and b"], "true if both are true"),
    (&["not a"], "true if `a` is false"),
    (&["a == b", "a != b"], "equal, not equal; both sides have one type"),
    (&["a < b", "a <= b", "a > b", "a >= b"], "comparison of two numbers or two strings"),
    (&["a in b", "a not in b"], "an item of a list, a key of a mapping, a part of a string"),
    (&["a + b", "a - b"], "sum, difference"),
    (&["a ~ b"], "both as strings, joined"),
    (&["a * b", "a / b", "a // b", "a % b"], "product, quotient, quotient rounded down, remainder"),
    (&["a ** b"], "power"),
    (&["-a"], "the negative number"),
    (&["a | filter", "a is test"], "a filter, a test"),
    (
        &["a.part", "a[\"part\"]", "a[0]"],
        "a part of a mapping, a row of a table, an item of a list",
    ),
    (&["\"x\"", "'x'", "5", "1.5", "true", "none"], "a constant"),
    (&["[a, b]", "{\"k\": a}"], "a list, a mapping"),
];

pub(super) fn comparison(op: ast::CompareOpKind) -> Comparison {
    match op {
        ast::CompareOpKind::Eq => Comparison::Eq,
        ast::CompareOpKind::Ne => Comparison::Ne,
        ast::CompareOpKind::Lt => Comparison::Lt,
        ast::CompareOpKind::Lte => Comparison::Le,
        ast::CompareOpKind::Gt => Comparison::Gt,
        ast::CompareOpKind::Gte => Comparison::Ge,
        ast::CompareOpKind::In => Comparison::In,
        ast::CompareOpKind::NotIn => Comparison::NotIn,
    }
}

/// Returns what two parts are that an operator joins.
pub(super) fn binary_kind(op: ast::BinOpKind, left: Box<Expr>, right: Box<Expr>) -> ExprKind {
    let compare = |how, left, right: Box<Expr>| ExprKind::Compare(left, vec![(how, *right)]);
    match op {
        ast::BinOpKind::ScAnd => ExprKind::And(left, right),
        ast::BinOpKind::ScOr => ExprKind::Or(left, right),
        ast::BinOpKind::Eq => compare(Comparison::Eq, left, right),
        ast::BinOpKind::Ne => compare(Comparison::Ne, left, right),
        ast::BinOpKind::Lt => compare(Comparison::Lt, left, right),
        ast::BinOpKind::Lte => compare(Comparison::Le, left, right),
        ast::BinOpKind::Gt => compare(Comparison::Gt, left, right),
        ast::BinOpKind::Gte => compare(Comparison::Ge, left, right),
        ast::BinOpKind::In => compare(Comparison::In, left, right),
        ast::BinOpKind::Add => ExprKind::Arithmetic("+", left, right),
        ast::BinOpKind::Sub => ExprKind::Arithmetic("-", left, right),
        ast::BinOpKind::Mul => ExprKind::Arithmetic("*", left, right),
        ast::BinOpKind::Div => ExprKind::Arithmetic("/", left, right),
        ast::BinOpKind::FloorDiv => ExprKind::Arithmetic("//", left, right),
        ast::BinOpKind::Rem => ExprKind::Arithmetic("%", left, right),
        ast::BinOpKind::Pow => ExprKind::Arithmetic("**", left, right),
        ast::BinOpKind::Concat => ExprKind::Arithmetic("~", left, right),
    }
}
