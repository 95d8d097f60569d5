//! Lowers the texts of a model: expressions, templates, values, durations.

use std::ops::Range;

use minijinja::Value;
use minijinja::machinery::{self, Token};
use minijinja::syntax::SyntaxConfig;

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::document::{Node, Value as Written};
use crate::model::expression::{Expression, Part, Template};
use crate::model::lower::Lowering;
use crate::model::names::Names;
use crate::source::Span;
use crate::template::values::{Piece, pieces};

impl Lowering<'_> {
    /// Lowers an expression; `None` if it is invalid, which is reported.
    pub(super) fn expression(&mut self, node: &Node, names: &Names<'_>) -> Option<Expression> {
        let text = node.lexeme(self.sources)?;
        self.compile(node, 0..text.len(), text, names)
    }

    pub(super) fn template(&mut self, node: &Node, names: &Names<'_>) -> Option<Template> {
        match &node.value {
            Written::Text(text) => self.text(node, &text.text, names),
            Written::List(items) => {
                all(items.iter().map(|item| self.template(item, names))).map(Template::List)
            }
            Written::Map(entries) => all(entries
                .iter()
                .map(|entry| Some((entry.key.clone(), self.template(&entry.value, names)?))))
            .map(Template::Map),
            // A number is printed as it is written, and set as a number.
            _ => Some(Template::Constant(plain(node))),
        }
    }

    fn text(&mut self, node: &Node, text: &str, names: &Names<'_>) -> Option<Template> {
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(fault) => {
                let place = node.place(self.sources, fault.range);
                self.refuse(
                    Code::TemplateSyntax,
                    "invalid template",
                    (place, fault.text),
                    "write `{{ expression }}`, with text before and after it if needed",
                );
                return None;
            }
        };
        match pieces.as_slice() {
            [] => Some(Template::Constant(Value::from(""))),
            [Piece::Literal(_)] => Some(Template::Constant(Value::from(text))),
            [Piece::Value(at)] => {
                self.compile(node, at.clone(), &text[at.clone()], names).map(Template::One)
            }
            pieces => all(pieces.iter().map(|piece| match piece {
                Piece::Literal(at) => Some(Part::Literal(text[at.clone()].to_owned())),
                Piece::Value(at) => {
                    self.compile(node, at.clone(), &text[at.clone()], names).map(Part::Value)
                }
            }))
            .map(Template::Text),
        }
    }

    /// Compiles a part of a node's text and resolves its names.
    fn compile(
        &mut self,
        node: &Node,
        at: Range<usize>,
        text: &str,
        names: &Names<'_>,
    ) -> Option<Expression> {
        let place = |inner: Range<usize>| {
            node.place(self.sources, at.start + inner.start..at.start + inner.end)
        };
        let expression = match Expression::compile(text, self.line(node.span)) {
            Ok(expression) => expression,
            Err(fault) => {
                let one = fault.diagnostic(place).unwrap_or_else(|| {
                    let shown = text.trim();
                    Diagnostic::error(
                        Code::ExpressionSyntax,
                        format!("invalid expression `{shown}`"),
                    )
                    .at(place(fault.range), fault.text)
                    .help("write an expression such as `users == 0 and not running`")
                });
                self.fault(one);
                return None;
            }
        };
        let reads_hosts = expression.names.iter().any(|(name, _)| name == "hosts")
            && !names.captures.iter().any(|capture| capture == "hosts");
        if reads_hosts {
            self.is_connected = true;
            self.check_groups(text, place);
        }
        let unknown = expression.names.iter().filter(|(name, _)| !names.knows(name));
        let unknown: Vec<_> = unknown.map(|(name, at)| (place(at.clone()), name)).collect();
        let known = names.all();
        let faulty = !unknown.is_empty();
        for (span, name) in unknown {
            let fault = Diagnostic::error(Code::UnknownName, format!("undefined name `{name}`"))
                .at(span, "not defined here");
            let quoted = format!("if it is a string, put quotes around it: `'{name}'`");
            self.fault(match nearest(name, known.iter().copied()) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => fault.help(quoted),
                None => fault.help(format!("use one of {}", known.join(", "))).help(quoted),
            });
        }
        (!faulty).then_some(expression)
    }
}

impl Lowering<'_> {
    /// Checks the groups of `hosts.GROUP` in an expression.
    fn check_groups(&mut self, text: &str, place: impl Fn(Range<usize>) -> Span) {
        let declared = self.declared;
        for (group, at) in groups(text) {
            let name = group.as_deref().unwrap_or_default();
            if declared.contains_key(name) {
                continue;
            }
            let (message, label) = match &group {
                Some(name) => (format!("undefined group `{name}`"), "not a group of this model"),
                None => ("`hosts` needs a group".to_owned(), "no group follows"),
            };
            let all = declared.keys().map(String::as_str);
            let near = nearest(name, all.clone());
            let some = all.take(8).map(|name| format!("`hosts.{name}`")).collect::<Vec<_>>();
            let fault = Diagnostic::error(Code::UnknownGroup, message).at(place(at), label);
            self.fault(fault.suggest(near, format!("use {}", some.join(" or "))));
        }
    }
}

/// Returns the groups that follow `hosts` in an expression, and where they are; `None` if none follows.
fn groups(text: &str) -> Vec<(Option<String>, Range<usize>)> {
    let whole = format!("{{{{{text}}}}}");
    let tokens = machinery::tokenize(&whole, false, SyntaxConfig::default());
    let tokens: Vec<(Token<'_>, _)> = tokens.filter_map(Result::ok).collect();
    let mut found = Vec::new();
    for (at, (token, span)) in tokens.iter().enumerate() {
        let after_dot = at > 0 && matches!(tokens[at - 1].0, Token::Dot);
        if !matches!(token, Token::Ident("hosts")) || after_dot {
            continue;
        }
        let next = |by: usize| tokens.get(at + by).map(|(token, span)| (token, span));
        let (group, span) = match (next(1), next(2)) {
            (Some((Token::Dot, _)), Some((Token::Ident(name), span)))
            | (Some((Token::BracketOpen, _)), Some((Token::Str(name), span))) => {
                (Some((*name).to_owned()), span)
            }
            (Some((Token::BracketOpen, _)), Some((Token::String(name), span))) => {
                (Some(name.to_string()), span)
            }
            _ => (None, span),
        };
        let inner = |at: u32| (at as usize).saturating_sub(2).min(text.len());
        found.push((group, inner(span.start_offset)..inner(span.end_offset)));
    }
    found
}

/// Lowers all parts, so that each fault is reported; `None` if there was one.
pub(super) fn all<T>(parts: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    parts.collect::<Vec<_>>().into_iter().collect()
}

/// Returns a node as a value; templates are not rendered.
pub(super) fn plain(node: &Node) -> Value {
    match &node.value {
        Written::Null | Written::Poisoned(_) => Value::from(()),
        Written::Bool(value) => Value::from(*value),
        Written::Int(value) => Value::from(*value),
        Written::Float(value) => Value::from(*value),
        Written::Text(text) => Value::from(text.text.as_str()),
        Written::List(items) => items.iter().map(plain).collect(),
        Written::Map(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), plain(&entry.value))).collect()
        }
    }
}
