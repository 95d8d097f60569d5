//! Expressions as data: what [`crate::template::parser`] makes of a text, with byte ranges.

use std::ops::Range;
use std::rc::Rc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::Node;
use crate::source::{Sources, Span};
use crate::template::error::TextError;
use crate::template::{Bytes, Name, Written, fix, parser};

pub use crate::template::ast::{Argument, Comparison, Expr, ExprKind};

/// An expression and the text it was read from.
#[derive(Clone, Debug)]
pub struct Expression {
    pub text: String,
    /// Where it is; `None` for one that was not read from a file.
    pub span: Option<Span>,
    bytes: Option<Bytes>,
    pub root: Expr,
    /// The free names in it and where they are.
    pub names: Vec<Name>,
}

impl Expression {
    /// Parses the expression in a node (a string, or a plain bool or number). Errors are reported.
    pub fn parse(node: &Node, sources: &Sources, found: &mut Diagnostics) -> Option<Self> {
        let text = node.lexeme(sources)?.to_owned();
        if text.contains("{{") {
            let fault = Diagnostic::error(
                Code::TemplateInExpression,
                "`{{ }}` is not allowed in an expression",
            )
            .at(node.span, "already an expression");
            let words = fix::without_braces(&text);
            found.push(fix::advise(fault, &text, node, sources, &words));
            return None;
        }
        match Self::parsed(&text) {
            Ok((mut expression, faults)) => {
                let bytes = Bytes::Scalar(Rc::new(node.places(sources)));
                let place = |range| bytes.span(range);
                faults
                    .iter()
                    .filter_map(|one| one.diagnostic(place))
                    .for_each(|one| one.emit(found));
                let names = expression.root.free_names().into_iter();
                expression.names =
                    names.map(|(name, range)| Name { name, span: place(range) }).collect();
                expression.span = Some(node.span);
                expression.bytes = Some(bytes);
                Some(expression)
            }
            Err(fault) => {
                let one = fault.diagnostic(|range| node.place(sources, range));
                found.push(one.unwrap_or_else(|| {
                    let words = "write a condition such as `ring[ip].users == 0 and serving`";
                    let one = Diagnostic::error(Code::ExpressionSyntax, "invalid expression")
                        .at(node.place(sources, fault.range), fault.text);
                    fix::advise(one, &text, node, sources, words)
                }));
                None
            }
        }
    }

    /// Parses a text that is not in a file; its names have no places.
    pub fn parse_text(text: &str) -> Result<Self, TextError> {
        let (expression, faults) = Self::parsed(text)?;
        faults.into_iter().next().map_or(Ok(expression), Err)
    }

    /// Makes the expression of a text that could not be read, which was reported.
    pub fn poisoned(span: Span) -> Self {
        let root = Expr { kind: ExprKind::Poisoned, range: 0..0 };
        Self { text: String::new(), span: Some(span), bytes: None, root, names: Vec::new() }
    }

    pub fn is_poisoned(&self) -> bool {
        self.root.kind == ExprKind::Poisoned
    }

    fn parsed(text: &str) -> Result<(Self, Vec<TextError>), TextError> {
        let (root, faults) = parser::expression(text)?;
        let text = text.to_owned();
        Ok((Self { text, span: None, bytes: None, root, names: Vec::new() }, faults))
    }
}

impl Written for Expression {
    fn text(&self) -> &str {
        &self.text
    }

    fn bytes(&self) -> Option<&Bytes> {
        self.bytes.as_ref()
    }
}

impl Expr {
    /// Returns its range in a text without the spaces around it; the whole text if it has none.
    pub(super) fn trimmed(&self, text: &str) -> Range<usize> {
        let Some(part) = text.get(self.range.clone()) else { return 0..text.len() };
        let start = self.range.start + part.len() - part.trim_start().len();
        start..start + part.trim().len()
    }

    /// Returns the expressions that this one is made of.
    pub fn parts(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Poisoned | ExprKind::Const(_) | ExprKind::Var(_) => Vec::new(),
            ExprKind::Not(a) | ExprKind::Negative(a) | ExprKind::Attr(a, _) => vec![a],
            ExprKind::And(a, b)
            | ExprKind::Or(a, b)
            | ExprKind::Arithmetic(_, a, b)
            | ExprKind::Item(a, b) => {
                vec![a, b]
            }
            ExprKind::Compare(first, rest) => {
                std::iter::once(first.as_ref()).chain(rest.iter().map(|(_, expr)| expr)).collect()
            }
            ExprKind::If(test, yes, no) => {
                [test.as_ref(), yes.as_ref()].into_iter().chain(no.as_deref()).collect()
            }
            ExprKind::Filter(_, a, args) | ExprKind::Test(_, a, args) => {
                let args = args.iter().map(|argument| &argument.value);
                std::iter::once(a.as_ref()).chain(args).collect()
            }
            ExprKind::List(items) | ExprKind::OfModel(items) => items.iter().collect(),
            ExprKind::Map(entries) => {
                entries.iter().flat_map(|(key, value)| [key, value]).collect()
            }
        }
    }

    /// Whether it is `a | each`, or that with `| allow_empty`.
    pub fn is_each(&self) -> bool {
        match &self.kind {
            ExprKind::Filter(name, inner, _) if name == "allow_empty" => inner.is_each(),
            ExprKind::Filter(name, ..) => name == "each",
            _ => false,
        }
    }

    /// Whether it is `a | default(b)`, `a is defined` or the like: `a` may be missing.
    pub fn allows_missing(&self) -> bool {
        const ALLOWING: [&str; 4] = ["default", "d", "defined", "undefined"];
        matches!(&self.kind, ExprKind::Filter(name, ..) | ExprKind::Test(name, ..)
            if ALLOWING.contains(&name.as_str()))
    }

    /// Whether a name is used in a part that allows it to be missing.
    pub fn allows_missing_name(&self, name: &str) -> bool {
        let used = |part: &&Self| part.free_names().iter().any(|(used, _)| used == name);
        let parts = self.parts();
        self.allows_missing() && parts.first().is_some_and(used)
            || parts.iter().any(|part| part.allows_missing_name(name))
    }

    /// Returns how deep it is nested: 1 for a name or a constant.
    pub fn levels(&self) -> usize {
        1 + self.parts().into_iter().map(Self::levels).max().unwrap_or(0)
    }

    /// Returns it and all in it, as they follow each other.
    pub fn all(&self) -> Vec<&Self> {
        let mut all = Vec::new();
        let mut open = vec![self];
        while let Some(part) = open.pop() {
            all.push(part);
            open.extend(part.parts().into_iter().rev());
        }
        all
    }

    /// Returns the free names and their ranges, as they follow each other.
    pub fn free_names(&self) -> Vec<(String, Range<usize>)> {
        let names = self.all().into_iter().filter_map(|part| match &part.kind {
            ExprKind::Var(name) => Some((name.clone(), part.range.clone())),
            _ => None,
        });
        names.collect()
    }

    /// Returns the parts that are joined by `and` (or else by `or`); itself if there are none.
    pub fn joined(&self, by_and: bool) -> Vec<&Self> {
        match &self.kind {
            ExprKind::And(a, b) if by_and => [a.joined(by_and), b.joined(by_and)].concat(),
            ExprKind::Or(a, b) if !by_and => [a.joined(by_and), b.joined(by_and)].concat(),
            _ => vec![self],
        }
    }

    /// Returns what a named part is taken of, and its name: `a.name`, `a["name"]`.
    fn named_part(&self) -> Option<(&Self, &str)> {
        match &self.kind {
            ExprKind::Attr(of, name) => Some((of, name)),
            ExprKind::Item(of, key) => match &key.kind {
                ExprKind::Const(value) => Some((of, value.as_str()?)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the name of the variable, if it is `host.vars.NAME`.
    pub fn host_variable(&self) -> Option<&str> {
        self.variable_of("host")
    }

    /// Returns the name of the variable, if it is `OF.vars.NAME`.
    pub fn variable_of(&self, of: &str) -> Option<&str> {
        let (vars, name) = self.named_part()?;
        let (host, vars) = vars.named_part()?;
        (host.is_name(of) && vars == "vars").then_some(name)
    }

    /// Returns the name of the group, if it is `groups.NAME`.
    pub fn group(&self) -> Option<&str> {
        let (of, name) = self.named_part()?;
        of.is_name("groups").then_some(name)
    }

    /// Whether it is this name.
    pub fn is_name(&self, name: &str) -> bool {
        matches!(&self.kind, ExprKind::Var(word) if word == name)
    }

    /// Whether it is `run.status`.
    pub fn is_run_status(&self) -> bool {
        self.named_part().is_some_and(|(of, name)| {
            name == "status" && matches!(&of.kind, ExprKind::Var(word) if word == "run")
        })
    }

    /// Whether it is a name that means one field of its value: `host` for `host.name`.
    pub fn is_short(&self) -> bool {
        matches!(&self.kind, ExprKind::Attr(inner, _) if inner.range == self.range)
    }
}
