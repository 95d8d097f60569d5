//! Templates and expressions: texts with `{{ }}`, and conditions.
//!
//! Both are minijinja's language. Templates are rendered by minijinja itself ([`Template`]);
//! expressions are parsed by it and evaluated by [`condition`], because a condition has a third
//! value and must stop at the first name that needs a probe. Templates never run probes: they see
//! inputs, the host and results.
//!
//! What a value may do in a text depends on the text ([`Mode`]): it can never become two arguments,
//! a pipe or an empty word unless the plan says so by `| raw` or `| allow_empty`.

mod ast;
pub mod bounds;
pub mod condition;
pub mod engine;
pub mod error;
pub mod expression;
mod fix;
pub mod helpers;
mod names;
pub mod operators;
pub mod parser;
pub mod posix;
pub mod script;
pub mod values;
pub mod words;

use std::ops::Range;
use std::rc::Rc;

use minijinja::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Edit};
use crate::document::{Node, Places};
use crate::source::{SourceId, Sources, Span};
use crate::template::expression::{Expr, Expression};
use crate::template::parser::Used;
use crate::template::words::Word;

pub use engine::{RenderError, environment};
pub use names::Names;

/// What the rendered text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For people, files and standard input: values are inserted unchanged.
    Text,
    /// One argument of a command: an empty value is refused.
    Word,
    /// A script: every value is quoted for `sh`, an empty one is refused.
    Script,
}

/// Returns the value of `host` or `run`: its parts, such as `name` and `address`.
pub fn parts_value(parts: Vec<(&'static str, Value)>) -> Value {
    Value::from_object(engine::Parts(parts))
}

/// A text with `{{ }}` in it.
#[derive(Clone, Debug)]
pub struct Template {
    /// The text as decoded from YAML.
    pub text: String,
    pub span: Span,
    /// The free names in it and where they are.
    pub names: Box<[Name]>,
    /// The expressions in it, and the offsets of its bytes; `None` for plain text, or what is invalid.
    parsed: Option<Rc<(Vec<Used>, Bytes)>>,
}

/// Where the bytes of a template are.
#[derive(Clone, Debug)]
pub enum Bytes {
    /// They are a scalar.
    Scalar(Rc<Places>),
    /// They are a source.
    Source(SourceId),
    /// They are a word of a command line.
    Word(Rc<Places>, Rc<Word>),
}

impl Bytes {
    /// Returns the place of a range of the template.
    pub fn span(&self, range: Range<usize>) -> Span {
        match self {
            Self::Scalar(places) => places.span(range),
            Self::Source(id) => Span::new(*id, range.start, range.end),
            Self::Word(places, word) => places.span(word.place(range)),
        }
    }

    fn edit(&self, range: Range<usize>, with: &str) -> Option<Edit> {
        match self {
            Self::Scalar(places) => places.edit(range, with),
            Self::Source(_) => Some(Edit::new(self.span(range), with)),
            Self::Word(places, word) => places.edit(word.place(range), with),
        }
    }
}

/// A text with expressions in it: an expression itself, or a template.
pub trait Written {
    /// Returns the text of a part.
    fn part(&self, part: &Expr) -> &str;
    /// Returns the location of a part; `None` if it is unknown.
    fn place(&self, part: &Expr) -> Option<Span>;
    /// Returns the edit that puts other words in the place of a part, if that can be done.
    fn edit(&self, part: &Expr, with: &str) -> Option<Edit>;
}

impl Written for Template {
    fn part(&self, part: &Expr) -> &str {
        self.text.get(part.range.clone()).unwrap_or(&self.text).trim()
    }

    fn place(&self, part: &Expr) -> Option<Span> {
        Some(self.parsed.as_ref()?.1.span(part.trimmed(&self.text)))
    }

    fn edit(&self, part: &Expr, with: &str) -> Option<Edit> {
        self.parsed.as_ref()?.1.edit(part.trimmed(&self.text), with)
    }
}

/// A name that an expression or template uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub name: String,
    pub span: Span,
}

impl Template {
    /// Parses the string of a node; errors are reported and give a template without names.
    pub fn parse(node: &Node, sources: &Sources, found: &mut Diagnostics) -> Self {
        let template = Self::plain(node.lexeme(sources).unwrap_or_default(), node.span);
        if template.is_plain() {
            return template;
        }
        let places = Bytes::Scalar(Rc::new(node.places(sources)));
        Self::placed(template.text, node.span, places, found)
    }

    /// Parses a whole source; errors are reported and give a template without names.
    pub fn of_source(id: SourceId, sources: &Sources, found: &mut Diagnostics) -> Self {
        let text = sources.get(id).text();
        Self::placed(text, Span::new(id, 0, text.len()), Bytes::Source(id), found)
    }

    /// Parses a text whose places are known; errors are reported and give a template without names.
    pub fn placed(
        text: impl Into<String>,
        span: Span,
        bytes: Bytes,
        found: &mut Diagnostics,
    ) -> Self {
        let mut template = Self::plain(text, span);
        let place = |range| bytes.span(range);
        match parser::template_and_faults(&template.text) {
            Ok((all, faults)) => {
                let names = all.iter().flat_map(parser::Used::names);
                let names = names.map(|(name, range)| Name { name, span: place(range) });
                template.names = names.collect();
                for one in faults.iter().filter_map(|fault| fault.diagnostic(place)) {
                    found.push(one);
                }
                if !template.is_plain() {
                    template.parsed = Some(Rc::new((all, bytes)));
                }
            }
            Err(fault) => {
                found.push(fault.diagnostic(place).unwrap_or_else(|| {
                    Diagnostic::error(Code::TemplateSyntax, "invalid template")
                        .at(place(fault.range), fault.text)
                        .help("write `{{ name }}`, `{{ name | filter }}`, or plain text")
                }));
            }
        }
        template
    }

    /// Returns the expressions in it.
    pub fn expressions(&self) -> &[Used] {
        self.parsed.as_ref().map_or(&[], |parsed| &parsed.0)
    }

    /// Makes a template of a plain text.
    pub fn plain(text: impl Into<String>, span: Span) -> Self {
        Self { text: text.into(), span, names: Box::default(), parsed: None }
    }

    /// Returns the names whose values are inserted as a whole: `{{ name }}`, and `{{ name |
    /// filter }}` if the filter returns a list for a list.
    pub fn whole_names(&self) -> Vec<&Name> {
        let shown = parser::shown_by_template(&self.text);
        if shown.is_empty() {
            return Vec::new();
        }
        let ranges = parser::names_of_template(&self.text).unwrap_or_default();
        let whole: Vec<_> = shown.iter().filter_map(whole_name).collect();
        let names = self.names.iter().zip(&ranges);
        names.filter(|(_, (_, range))| whole.contains(range)).map(|(name, _)| name).collect()
    }

    /// Whether there is anything to render.
    pub fn is_plain(&self) -> bool {
        !["{{", "{%", "{#"].iter().any(|sign| self.text.contains(sign))
    }

    /// Whether it could not be read, which was reported.
    pub fn is_poisoned(&self) -> bool {
        !self.is_plain() && self.parsed.is_none()
    }

    pub fn render(&self, mode: Mode, names: &Names) -> Result<String, RenderError> {
        engine::render(&self.text, mode, names)
    }

    /// Returns the expression, if the text is exactly one `{{ }}`: then its value keeps its type.
    pub fn whole(&self) -> Option<Expression> {
        let inner = self.text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
        if inner.contains("{{") || inner.contains("}}") {
            return None;
        }
        // `{{-` takes the spaces before it away; it is not a minus.
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
        Expression::parse_text(inner.trim()).ok()
    }
}

/// Filters that make a list of a list.
const LIST_FILTERS: [&str; 6] = ["list", "map", "reject", "select", "sort", "unique"];

/// Returns the place of the name that an expression is, filters of lists looked through.
fn whole_name(expr: &expression::Expr) -> Option<std::ops::Range<usize>> {
    match &expr.kind {
        expression::ExprKind::Var(_) => Some(expr.range.clone()),
        expression::ExprKind::Filter(name, inner, _) if LIST_FILTERS.contains(&name.as_str()) => {
            whole_name(inner)
        }
        _ => None,
    }
}
