//! Operators of expressions: from the engine's to ours.

use minijinja::machinery::ast;

use crate::table;
use crate::template::ast::{Comparison, Expr, ExprKind};

/// Returns the operators of the language as the manual shows them, from the weakest to the strongest: how
/// they are written, and what they give.
pub fn operators() -> impl Iterator<Item = (Vec<&'static str>, &'static str)> {
    let rows = table::rows::<7>(include_str!("operators.tsv"));
    rows.map(|[about, written @ ..]| {
        (written.into_iter().filter(|one| !one.is_empty()).collect(), about)
    })
}

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
