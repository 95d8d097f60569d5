//! Expressions as data: what minijinja's parser gives, owned, with byte ranges.
//!
//! The one file that touches the parser's unstable interface. Whatever the parser allows and
//! conditions do not (calls, slices, assignments) is refused here.

use std::ops::Range;

use minijinja::Value;
use minijinja::machinery;
use minijinja::machinery::ast;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Edit;
use crate::document::Node;
use crate::document::Places;
use crate::source::Sources;
use crate::source::Span;
use crate::template::Name;
use crate::template::bounds;
use crate::template::cure;
use crate::template::operators::binary_kind;
use crate::template::operators::comparison;

/// An expression and the text it was read from.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The text.
    pub text: String,
    /// Where it is; `None` for one that was not read from a file.
    pub span: Option<Span>,
    /// Where each of its bytes is.
    places: Option<Places>,
    /// What it says.
    pub root: Expr,
    /// The free names in it and where they are.
    pub names: Vec<Name>,
}

/// A node of an expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Where it is in the text of the expression.
    pub range: Range<usize>,
}

/// The kinds of [`Expr`].
#[derive(Clone, Debug)]
pub enum Kind {
    /// A constant.
    Const(Value),
    /// A name.
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
    /// `a | filter(b)`.
    Filter(String, Box<Expr>, Vec<Expr>),
    /// `a is test(b)`.
    Test(String, Box<Expr>, Vec<Expr>),
    /// `a.name`.
    Attr(Box<Expr>, String),
    /// `a[b]`.
    Item(Box<Expr>, Box<Expr>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `{a: b}`.
    Map(Vec<(Expr, Expr)>),
}

/// How two values are compared.
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

/// A text that is no expression, or no template.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What is wrong.
    pub text: String,
    /// Where in the text.
    pub range: Range<usize>,
    /// Whether it is only too large (see [`bounds`]).
    pub excess: bool,
}

impl Expression {
    /// Parses the expression in a node (text, or a plain bool or number). Faults are told.
    pub fn parse(node: &Node, sources: &Sources, found: &mut Diagnostics) -> Option<Self> {
        let text = node.lexeme(sources)?.to_owned();
        if text.contains("{{") {
            let fault =
                Diagnostic::error("template-in-expression", "an expression takes no `{{ }}`")
                    .at(node.span, "an expression already");
            let words = cure::without_braces(&text);
            found.push(cure::advise(fault, &text, node, sources, &words));
            return None;
        }
        match Self::parse_text(&text) {
            Ok(mut expression) => {
                expression.span = Some(node.span);
                let places = node.places(sources);
                let mut names = Vec::new();
                expression.root.free_names(&mut names);
                expression.names = names
                    .into_iter()
                    .map(|(name, range)| Name { name, span: places.span(range) })
                    .collect();
                expression.places = Some(places);
                Some(expression)
            }
            Err(fault) if fault.excess => {
                let place = node.place(sources, fault.range.clone());
                found.push(bounds::too_large(fault, place));
                None
            }
            Err(fault) => {
                let words = "write something like `ring[ip].users == 0 and serving`";
                let fault =
                    Diagnostic::error("expression-syntax", "this expression cannot be read")
                        .at(node.place(sources, fault.range), fault.text);
                found.push(cure::advise(fault, &text, node, sources, words));
                None
            }
        }
    }

    /// Parses a text that is not in a file; its names have no places.
    pub fn parse_text(text: &str) -> Result<Self, Fault> {
        bounds::expression(text)?;
        let parsed = machinery::parse_expr(text).map_err(|error| fault_of(&error, text))?;
        let root = convert(&parsed, 0)?;
        Ok(Self { text: text.to_owned(), span: None, places: None, root, names: Vec::new() })
    }

    /// Returns where a part is; the whole expression where that cannot be told, `None` for one that
    /// was not read from a file.
    pub fn place(&self, part: &Expr) -> Option<Span> {
        let places = self.places.as_ref()?;
        Some(places.span(self.trimmed(part)))
    }

    /// Returns the edit that puts other words in the place of a part, if that can be done.
    pub fn edit(&self, part: &Expr, with: &str) -> Option<Edit> {
        self.places.as_ref()?.edit(self.trimmed(part), with)
    }

    /// Returns the range of a part without the blanks around it.
    fn trimmed(&self, part: &Expr) -> Range<usize> {
        let Some(text) = self.text.get(part.range.clone()) else {
            return 0..self.text.len();
        };
        let start = part.range.start + text.len() - text.trim_start().len();
        start..start + text.trim().len()
    }

    /// Returns the text of a part.
    pub fn part(&self, part: &Expr) -> &str {
        self.text.get(part.range.clone()).unwrap_or(&self.text).trim()
    }
}

impl Expr {
    /// Returns the expressions that this one is made of.
    pub fn parts(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Const(_) | Kind::Var(_) => Vec::new(),
            Kind::Not(a) | Kind::Negative(a) | Kind::Attr(a, _) => vec![a],
            Kind::And(a, b) | Kind::Or(a, b) | Kind::Arithmetic(_, a, b) | Kind::Item(a, b) => {
                vec![a, b]
            }
            Kind::Compare(first, rest) => {
                std::iter::once(first.as_ref()).chain(rest.iter().map(|(_, expr)| expr)).collect()
            }
            Kind::If(test, yes, no) => {
                [test.as_ref(), yes.as_ref()].into_iter().chain(no.as_deref()).collect()
            }
            Kind::Filter(_, a, args) | Kind::Test(_, a, args) => {
                std::iter::once(a.as_ref()).chain(args).collect()
            }
            Kind::List(items) => items.iter().collect(),
            Kind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        }
    }

    /// Returns how deep it is nested: 1 for a name or a constant.
    pub fn levels(&self) -> usize {
        1 + self.parts().into_iter().map(Self::levels).max().unwrap_or(0)
    }

    /// Collects the free names and their ranges, from left to right.
    pub fn free_names(&self, names: &mut Vec<(String, Range<usize>)>) {
        match &self.kind {
            Kind::Const(_) => {}
            Kind::Var(name) => names.push((name.clone(), self.range.clone())),
            Kind::Not(a) | Kind::Negative(a) | Kind::Attr(a, _) => a.free_names(names),
            Kind::And(a, b) | Kind::Or(a, b) | Kind::Arithmetic(_, a, b) | Kind::Item(a, b) => {
                a.free_names(names);
                b.free_names(names);
            }
            Kind::Compare(first, rest) => {
                first.free_names(names);
                for (_, expr) in rest {
                    expr.free_names(names);
                }
            }
            Kind::If(test, yes, no) => {
                test.free_names(names);
                yes.free_names(names);
                if let Some(expr) = no {
                    expr.free_names(names);
                }
            }
            Kind::Filter(_, a, args) | Kind::Test(_, a, args) => {
                a.free_names(names);
                for expr in args {
                    expr.free_names(names);
                }
            }
            Kind::List(items) => items.iter().for_each(|expr| expr.free_names(names)),
            Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
                key.free_names(names);
                value.free_names(names);
            }),
        }
    }
}

/// Returns the free names of a template's text with their ranges in it.
pub fn names_of_template(text: &str) -> Result<Vec<(String, Range<usize>)>, Fault> {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return Ok(Vec::new());
    }
    bounds::template(text)?;
    let parsed = machinery::parse(text, "text", minijinja::syntax::SyntaxConfig::default())
        .map_err(|error| fault_of(&error, text))?;
    let mut names = Vec::new();
    names_of_statement(&parsed, &mut Vec::new(), &mut names)?;
    Ok(names)
}

/// Returns the expressions that a template's text shows by `{{ }}`; none for a faulty text.
pub fn shown_by_template(text: &str) -> Vec<Expr> {
    let syntax = minijinja::syntax::SyntaxConfig::default();
    let mut all = Vec::new();
    if text.contains("{{")
        && bounds::template(text).is_ok()
        && let Ok(parsed) = machinery::parse(text, "text", syntax)
    {
        shown_by_statement(&parsed, &mut all);
    }
    all
}

fn shown_by_statement(statement: &ast::Stmt<'_>, all: &mut Vec<Expr>) {
    let parts: Vec<&ast::Stmt<'_>> = match statement {
        ast::Stmt::EmitExpr(emit) => {
            all.extend(convert(&emit.expr, 0));
            return;
        }
        ast::Stmt::Template(template) => template.children.iter().collect(),
        ast::Stmt::IfCond(condition) => {
            let bodies = condition.true_body.iter().chain(&condition.false_body);
            bodies.collect()
        }
        ast::Stmt::ForLoop(list) => list.body.iter().chain(&list.else_body).collect(),
        _ => return,
    };
    for part in parts {
        shown_by_statement(part, all);
    }
}

fn names_of_statement(
    statement: &ast::Stmt<'_>,
    locals: &mut Vec<String>,
    names: &mut Vec<(String, Range<usize>)>,
) -> Result<(), Fault> {
    let expression = |expr: &ast::Expr<'_>, locals: &[String], names: &mut Vec<_>| {
        let mut free = Vec::new();
        convert(expr, 0)?.free_names(&mut free);
        names.extend(free.into_iter().filter(|(name, _)| !locals.contains(name)));
        Ok::<(), Fault>(())
    };
    match statement {
        ast::Stmt::Template(template) => {
            for child in &template.children {
                names_of_statement(child, locals, names)?;
            }
        }
        ast::Stmt::EmitExpr(emit) => expression(&emit.expr, locals, names)?,
        ast::Stmt::EmitRaw(_) => {}
        ast::Stmt::IfCond(condition) => {
            expression(&condition.expr, locals, names)?;
            for child in condition.true_body.iter().chain(&condition.false_body) {
                names_of_statement(child, locals, names)?;
            }
        }
        ast::Stmt::ForLoop(list) => {
            expression(&list.iter, locals, names)?;
            let before = locals.len();
            locals.push("loop".into());
            let mut targets = Vec::new();
            convert(&list.target, 0)?.free_names(&mut targets);
            locals.extend(targets.into_iter().map(|(name, _)| name));
            for child in list.body.iter().chain(&list.else_body) {
                names_of_statement(child, locals, names)?;
            }
            locals.truncate(before);
        }
        other => {
            let _ = other;
            return Err(Fault {
                text: "only `{{ }}`, `{% if %}` and `{% for %}` are part of the language".into(),
                range: 0..0,
                excess: false,
            });
        }
    }
    Ok(())
}

fn fault_of(error: &minijinja::Error, text: &str) -> Fault {
    let detail = error.detail().unwrap_or("cannot be read");
    // The engine's own words say `end of block` and the like; they are kept, they are precise.
    let range = error.range().unwrap_or(0..text.len());
    // The engine counts bytes: an end may lie within a character.
    let range = text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end);
    Fault { text: detail.to_owned(), range, excess: false }
}

fn range_of(span: machinery::Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// Takes over a parsed expression; `above` is how deep it is nested in others.
fn convert(expr: &ast::Expr<'_>, above: usize) -> Result<Expr, Fault> {
    let range = range_of(expr.span());
    bounds::level(above, &range)?;
    let convert = |expr: &ast::Expr<'_>| convert(expr, above + 1);
    let arguments = |args: &[ast::CallArg<'_>], range| arguments(args, range, &convert);
    let boxed = |expr: &ast::Expr<'_>| convert(expr).map(Box::new);
    let kind = match expr {
        ast::Expr::Var(var) => Kind::Var(var.id.to_owned()),
        ast::Expr::Const(constant) => Kind::Const(constant.value.clone()),
        ast::Expr::UnaryOp(unary) => match unary.op {
            ast::UnaryOpKind::Not => Kind::Not(boxed(&unary.expr)?),
            ast::UnaryOpKind::Neg => Kind::Negative(boxed(&unary.expr)?),
        },
        ast::Expr::BinOp(binary) => {
            binary_kind(binary.op, boxed(&binary.left)?, boxed(&binary.right)?)
        }
        ast::Expr::Compare(compare) => {
            let mut rest = Vec::new();
            for op in &compare.ops {
                rest.push((comparison(op.op), convert(&op.expr)?));
            }
            Kind::Compare(boxed(&compare.expr)?, rest)
        }
        ast::Expr::IfExpr(choice) => Kind::If(
            boxed(&choice.test_expr)?,
            boxed(&choice.true_expr)?,
            choice.false_expr.as_ref().map(boxed).transpose()?,
        ),
        ast::Expr::Filter(filter) => match &filter.expr {
            Some(inner) => Kind::Filter(
                filter.name.to_owned(),
                boxed(inner)?,
                arguments(&filter.args, &range)?,
            ),
            None => return refuse("a filter without a value", range),
        },
        ast::Expr::Test(test) => {
            Kind::Test(test.name.to_owned(), boxed(&test.expr)?, arguments(&test.args, &range)?)
        }
        ast::Expr::GetAttr(attr) => Kind::Attr(boxed(&attr.expr)?, attr.name.to_owned()),
        ast::Expr::GetItem(item) => Kind::Item(boxed(&item.expr)?, boxed(&item.subscript_expr)?),
        ast::Expr::List(list) => {
            Kind::List(list.items.iter().map(convert).collect::<Result<_, _>>()?)
        }
        ast::Expr::Tuple(tuple) => {
            Kind::List(tuple.items.iter().map(convert).collect::<Result<_, _>>()?)
        }
        ast::Expr::Map(map) => Kind::Map(
            map.keys
                .iter()
                .zip(&map.values)
                .map(|(key, value)| Ok((convert(key)?, convert(value)?)))
                .collect::<Result<_, Fault>>()?,
        ),
        ast::Expr::Slice(_) => return refuse("a slice", range),
        ast::Expr::Call(_) => return refuse("a call", range),
    };
    let mut expr = Expr { kind, range };
    // The parser lets `a[b].c` begin at `[`.
    for part in expr.parts().into_iter().map(|part| part.range.clone()).collect::<Vec<_>>() {
        expr.range.start = expr.range.start.min(part.start);
        expr.range.end = expr.range.end.max(part.end);
    }
    Ok(expr)
}

fn refuse<T>(what: &str, range: Range<usize>) -> Result<T, Fault> {
    Err(Fault {
        text: format!("{what} is not part of the language; use a filter"),
        range,
        excess: false,
    })
}

fn arguments(
    args: &[ast::CallArg<'_>],
    range: &Range<usize>,
    convert: &impl Fn(&ast::Expr<'_>) -> Result<Expr, Fault>,
) -> Result<Vec<Expr>, Fault> {
    args.iter()
        .map(|arg| match arg {
            ast::CallArg::Pos(expr) => convert(expr),
            _ => refuse("a named argument", range.clone()),
        })
        .collect()
}
