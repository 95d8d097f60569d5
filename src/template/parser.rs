//! From the text of an expression or a template to [`Expr`].
//!
//! The one file that touches the unstable interface of the engine's parser. Whatever the parser
//! allows and the language does not (calls, slices, assignments) is refused here, and so is every
//! filter, test and argument that does not exist. A text is read to its end: [`bounds`] has read
//! all its tokens before.

use std::cell::RefCell;
use std::ops::Range;

use indexmap::IndexMap;
use minijinja::machinery;
use minijinja::machinery::ast;
use minijinja::syntax::SyntaxConfig;

use crate::template::ast::{Argument, Expr, ExprKind};
use crate::template::bounds::engine_fault;
use crate::template::error::TextError;
use crate::template::helpers::{Language, Sort, Use};
use crate::template::operators::{binary_kind, comparison};
use crate::template::{bounds, helpers};

/// Names that are words of the language, and no values.
const KEYWORDS: [&str; 7] = ["and", "else", "if", "in", "is", "not", "or"];

/// Names that mean one field of their value if they are used alone.
pub(super) const SHORT: [(&str, &str); 3] = [("host", "name"), ("there", "name"), ("run", "id")];

/// Parses an expression; the second are the filters, tests and arguments in it that do not exist.
pub(super) fn expression(text: &str) -> Result<(Expr, Vec<TextError>), TextError> {
    expression_of(Language::Condition, text)
}

fn expression_of(of: Language, text: &str) -> Result<(Expr, Vec<TextError>), TextError> {
    bounds::expression(text)?;
    let parsed = machinery::parse_expr(text).map_err(|error| engine_fault(&error, text))?;
    let reader = Reader { of, found: RefCell::default() };
    let expr = reader.convert(&parsed, 0)?;
    Ok((expr, reader.found.into_inner()))
}

/// Checks an expression of a model. Returns the names it reads, each with the place of its first use.
pub(super) fn check(text: &str) -> Result<IndexMap<String, Range<usize>>, TextError> {
    let (expr, faults) = expression_of(Language::Model, text)?;
    faults.into_iter().next().map_or(Ok(()), Err)?;
    let mut names = IndexMap::new();
    for (name, range) in expr.free_names() {
        names.entry(name).or_insert(range);
    }
    Ok(names)
}

/// Refuses a keyword in the place of a value.
fn keyword(expr: &ast::Expr<'_>) -> Result<(), TextError> {
    match expr {
        ast::Expr::Var(var) if KEYWORDS.contains(&var.id) => {
            Err(TextError::syntax(format!("`{}` is not a value", var.id), range_of(expr.span())))
        }
        _ => Ok(()),
    }
}

/// Checks the filter or test that a part is.
fn helper(expr: &ast::Expr<'_>, of: Language) -> Result<(), TextError> {
    let range = range_of(expr.span());
    let (sort, name, args) = match expr {
        ast::Expr::Filter(filter) => (Sort::Filter, filter.name, &filter.args),
        ast::Expr::Test(test) => (Sort::Test, test.name, &test.args),
        _ => return Ok(()),
    };
    let mut helper = Use {
        name,
        at: range.start..range.start + name.len(),
        whole: range,
        positional: Vec::new(),
        named: Vec::new(),
    };
    for argument in args {
        match argument {
            ast::CallArg::Pos(expr) => helper.positional.push(match expr {
                ast::Expr::Const(constant) => Some((constant.value.clone(), range_of(expr.span()))),
                _ => None,
            }),
            ast::CallArg::Kwarg(name, _) => helper.named.push(name),
            ast::CallArg::PosSplat(_) | ast::CallArg::KwargSplat(_) => {
                return refuse("an argument with `*`", helper.whole);
            }
        }
    }
    helpers::elsewhere(of, name, helper.at.clone()).map_or(Ok(()), Err)?;
    helpers::check(sort, &helper)
}

/// An expression in a template.
#[derive(Clone, Debug)]
pub struct Used {
    pub expr: Expr,
    /// Whether its value is shown: `{{ }}`, not the condition of an `{% if %}`.
    pub shown: bool,
    /// The names that a `{% for %}` around it gives.
    pub locals: Vec<String>,
}

impl Used {
    /// Returns its free names and their ranges.
    pub fn names(&self) -> Vec<(String, Range<usize>)> {
        let mut names = self.expr.free_names();
        names.retain(|(name, _)| !self.locals.contains(name));
        names
    }

    /// Collects the ends of names that mean one field of their value, and that field.
    fn short(&self, all: &mut Vec<(usize, String)>) {
        for expr in self.expr.all() {
            if let ExprKind::Attr(inner, part) = &expr.kind
                && let ExprKind::Var(name) = &inner.kind
                && expr.is_short()
                && !self.locals.contains(name)
            {
                all.push((expr.range.end, part.clone()));
            }
        }
    }
}

/// Parses a template and returns the expressions in it, in their order.
pub fn template(text: &str) -> Result<Vec<Used>, TextError> {
    let (all, found) = template_and_faults(text)?;
    found.into_iter().next().map_or(Ok(all), Err)
}

/// Parses a template; the second are the filters, tests and arguments in it that do not exist.
pub(super) fn template_and_faults(text: &str) -> Result<(Vec<Used>, Vec<TextError>), TextError> {
    let mut all = Vec::new();
    let reader = Reader { of: Language::Template, found: RefCell::default() };
    if ["{{", "{%", "{#"].iter().any(|sign| text.contains(sign)) {
        bounds::template(text)?;
        let parsed = machinery::parse(text, "text", SyntaxConfig::default())
            .map_err(|error| engine_fault(&error, text))?;
        let mut statements = Statements { locals: Vec::new(), all: &mut all, reader: &reader };
        statements.statement(&parsed)?;
    }
    Ok((all, reader.found.into_inner()))
}

/// Returns the free names of a template's text with their ranges in it.
pub fn names_of_template(text: &str) -> Result<Vec<(String, Range<usize>)>, TextError> {
    Ok(template(text)?.iter().flat_map(Used::names).collect())
}

/// Returns a template with such names written in full, and the offsets at which it became longer, with
/// the number of bytes.
pub(super) fn written_out(text: &str) -> (String, Vec<(usize, usize)>) {
    let mut all = Vec::new();
    if SHORT.iter().any(|(name, _)| text.contains(name)) {
        for used in template(text).unwrap_or_default() {
            used.short(&mut all);
        }
    }
    all.sort_unstable();
    let mut out = text.to_owned();
    for (at, part) in all.iter().rev() {
        out.insert_str(*at, &format!(".{part}"));
    }
    (out, all.into_iter().map(|(at, part)| (at, part.len() + 1)).collect())
}

/// A walk through the statements of a template.
struct Statements<'a> {
    locals: Vec<String>,
    all: &'a mut Vec<Used>,
    reader: &'a Reader,
}

impl Statements<'_> {
    fn add(&mut self, expr: &ast::Expr<'_>, shown: bool) -> Result<(), TextError> {
        let expr = self.reader.convert(expr, 0)?;
        self.all.push(Used { expr, shown, locals: self.locals.clone() });
        Ok(())
    }

    fn statements(&mut self, all: &[ast::Stmt<'_>]) -> Result<(), TextError> {
        all.iter().try_for_each(|one| self.statement(one))
    }

    fn statement(&mut self, one: &ast::Stmt<'_>) -> Result<(), TextError> {
        let range = match one {
            ast::Stmt::Template(template) => return self.statements(&template.children),
            ast::Stmt::EmitExpr(emit) => return self.add(&emit.expr, true),
            ast::Stmt::EmitRaw(_) => return Ok(()),
            ast::Stmt::IfCond(condition) => {
                self.add(&condition.expr, false)?;
                self.statements(&condition.true_body)?;
                return self.statements(&condition.false_body);
            }
            ast::Stmt::ForLoop(list) => return self.for_loop(list),
            ast::Stmt::WithBlock(one) => range_of(one.span()),
            ast::Stmt::Set(one) => range_of(one.span()),
            ast::Stmt::SetBlock(one) => range_of(one.span()),
            ast::Stmt::AutoEscape(one) => range_of(one.span()),
            ast::Stmt::FilterBlock(one) => range_of(one.span()),
            ast::Stmt::Do(one) => range_of(one.span()),
        };
        let why = "only `{{ }}`, `{% if %}` and `{% for %}` are part of the language";
        Err(TextError::syntax(why, range))
    }

    fn for_loop(&mut self, list: &ast::ForLoop<'_>) -> Result<(), TextError> {
        self.add(&list.iter, false)?;
        let before = self.locals.len();
        let targets = self.reader.convert(&list.target, 0)?.free_names();
        self.locals.extend(targets.into_iter().map(|(name, _)| name));
        if let Some(filter) = &list.filter_expr {
            self.add(filter, false)?;
        }
        self.locals.push("loop".into());
        self.statements(&list.body)?;
        self.locals.truncate(before);
        self.statements(&list.else_body)
    }
}

fn range_of(span: machinery::Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// Takes over parsed expressions.
struct Reader {
    of: Language,
    /// The filters, tests and arguments that do not exist.
    found: RefCell<Vec<TextError>>,
}

impl Reader {
    /// Takes over an expression; `above` is how deep it is nested in others.
    fn convert(&self, expr: &ast::Expr<'_>, above: usize) -> Result<Expr, TextError> {
        let range = range_of(expr.span());
        bounds::level(above, &range)?;
        keyword(expr)?;
        self.found.borrow_mut().extend(helper(expr, self.of).err());
        let whole = |expr: &ast::Expr<'_>| match expr {
            // A name with a part after it is not short for another one.
            ast::Expr::Var(var) => {
                keyword(expr)?;
                Ok(Box::new(name(var.id, range_of(expr.span()))))
            }
            _ => self.convert(expr, above + 1).map(Box::new),
        };
        let convert = |expr: &ast::Expr<'_>| self.convert(expr, above + 1);
        let arguments = |args: &[ast::CallArg<'_>]| {
            args.iter().map(|one| argument(one, &convert)).collect::<Result<Vec<_>, _>>()
        };
        let items = |all: &[ast::Expr<'_>]| all.iter().map(convert).collect::<Result<_, _>>();
        let boxed = |expr: &ast::Expr<'_>| convert(expr).map(Box::new);
        let kind = match expr {
            ast::Expr::Var(var) => kind_of_name(var.id, &range),
            ast::Expr::Const(constant) => ExprKind::Const(constant.value.clone()),
            ast::Expr::UnaryOp(unary) => match unary.op {
                ast::UnaryOpKind::Not => ExprKind::Not(boxed(&unary.expr)?),
                ast::UnaryOpKind::Neg => ExprKind::Negative(boxed(&unary.expr)?),
            },
            ast::Expr::BinOp(binary) => {
                binary_kind(binary.op, boxed(&binary.left)?, boxed(&binary.right)?)
            }
            ast::Expr::Compare(compare) => {
                let mut rest = Vec::new();
                for op in &compare.ops {
                    rest.push((comparison(op.op), convert(&op.expr)?));
                }
                ExprKind::Compare(boxed(&compare.expr)?, rest)
            }
            ast::Expr::IfExpr(choice) => ExprKind::If(
                boxed(&choice.test_expr)?,
                boxed(&choice.true_expr)?,
                choice.false_expr.as_ref().map(boxed).transpose()?,
            ),
            ast::Expr::Filter(filter) => match &filter.expr {
                Some(of) => {
                    ExprKind::Filter(filter.name.to_owned(), boxed(of)?, arguments(&filter.args)?)
                }
                None => return refuse("a filter without a value", range),
            },
            ast::Expr::Test(test) => {
                ExprKind::Test(test.name.to_owned(), boxed(&test.expr)?, arguments(&test.args)?)
            }
            ast::Expr::GetAttr(attr) => ExprKind::Attr(whole(&attr.expr)?, attr.name.to_owned()),
            ast::Expr::GetItem(item) => {
                ExprKind::Item(whole(&item.expr)?, boxed(&item.subscript_expr)?)
            }
            ast::Expr::List(list) => ExprKind::List(items(&list.items)?),
            ast::Expr::Tuple(tuple) => ExprKind::List(items(&tuple.items)?),
            ast::Expr::Map(map) => {
                let entries = map.keys.iter().zip(&map.values);
                let entries = entries.map(|(key, value)| Ok((convert(key)?, convert(value)?)));
                ExprKind::Map(entries.collect::<Result<_, TextError>>()?)
            }
            ast::Expr::Slice(_) | ast::Expr::Call(_) => {
                self.of_model(expr, range.clone(), above)?
            }
        };
        let mut expr = Expr { kind, range };
        // The parser lets `a[b].c` start at `[`.
        for part in expr.parts().into_iter().map(|part| part.range.clone()).collect::<Vec<_>>() {
            expr.range.start = expr.range.start.min(part.start);
            expr.range.end = expr.range.end.max(part.end);
        }
        Ok(expr)
    }

    /// Takes over what only models have.
    fn of_model(
        &self,
        expr: &ast::Expr<'_>,
        range: Range<usize>,
        above: usize,
    ) -> Result<ExprKind, TextError> {
        let convert = |expr: &ast::Expr<'_>| self.convert(expr, above + 1);
        let parts: Result<_, _> = match expr {
            ast::Expr::Slice(slice) if self.of == Language::Model => {
                let bounds = [&slice.start, &slice.stop, &slice.step].into_iter().flatten();
                std::iter::once(&slice.expr).chain(bounds).map(convert).collect()
            }
            ast::Expr::Call(call) if self.of == Language::Model => {
                let arguments = call.args.iter().map(|one| Ok(argument(one, &convert)?.value));
                std::iter::once(convert(&call.expr)).chain(arguments).collect()
            }
            ast::Expr::Call(_) => return refuse("a call", range),
            _ => return refuse("a slice", range),
        };
        parts.map(ExprKind::OfModel)
    }
}

/// Returns what a name alone is: one field of its value if it is short for that.
fn kind_of_name(id: &str, range: &Range<usize>) -> ExprKind {
    match SHORT.iter().find(|(name, _)| *name == id) {
        Some((id, part)) => ExprKind::Attr(Box::new(name(id, range.clone())), (*part).to_owned()),
        None => ExprKind::Var(id.to_owned()),
    }
}

fn name(name: &str, range: Range<usize>) -> Expr {
    Expr { kind: ExprKind::Var(name.to_owned()), range }
}

fn refuse<T>(what: &str, range: Range<usize>) -> Result<T, TextError> {
    Err(TextError::syntax(format!("{what} is not part of the language; use a filter"), range))
}

fn argument(
    argument: &ast::CallArg<'_>,
    convert: &impl Fn(&ast::Expr<'_>) -> Result<Expr, TextError>,
) -> Result<Argument, TextError> {
    let (name, expr) = match argument {
        ast::CallArg::Pos(expr) => (None, expr),
        ast::CallArg::Kwarg(name, expr) => (Some((*name).to_owned()), expr),
        ast::CallArg::PosSplat(expr) | ast::CallArg::KwargSplat(expr) => {
            return refuse("an argument with `*`", range_of(expr.span()));
        }
    };
    Ok(Argument { name, value: convert(expr)? })
}
