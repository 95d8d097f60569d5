//! The parts of an expression, as data.

use std::ops::Range;

use minijinja::Value;
#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    /// Where it is in the text of the expression.
    pub range: Range<usize>,
}

/// Two parts are equal if they say the same, wherever they are.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// What could not be read, which was reported.
    Poisoned,
    /// A call or a slice, of these parts: only models have them, and the engine evaluates those.
    OfModel(Vec<Expr>),
    Const(Value),
    Var(String),
    /// `not a`.
    Not(Box<Expr>),
    /// `a and b`.
    And(Box<Expr>, Box<Expr>),
    /// `a or b`.
    Or(Box<Expr>, Box<Expr>),
    /// `a < b`, and chains of them.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// Arithmetic and `~`, by its sign.
    Arithmetic(&'static str, Box<Expr>, Box<Expr>),
    /// `-a`.
    Negative(Box<Expr>),
    /// `a if c else b`.
    If(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
    /// `a | filter(b, name=c)`.
    Filter(String, Box<Expr>, Vec<Argument>),
    /// `a is test(b)`.
    Test(String, Box<Expr>, Vec<Argument>),
    /// `a.name`.
    Attr(Box<Expr>, String),
    /// `a[b]`.
    Item(Box<Expr>, Box<Expr>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `{a: b}`.
    Map(Vec<(Expr, Expr)>),
}

/// An argument of a filter or a test.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Its name, if it has one.
    pub name: Option<String>,
    pub value: Expr,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `in`
    In,
    /// `not in`
    NotIn,
}
