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
use crate::template::expression::{Expr, ExprKind, Expression};
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
    /// Returns the whole text.
    fn text(&self) -> &str;

    /// Returns where its bytes are; `None` if that is unknown.
    fn bytes(&self) -> Option<&Bytes>;

    /// Returns the text of a part.
    fn part(&self, part: &Expr) -> &str {
        self.text().get(part.range.clone()).unwrap_or(self.text()).trim()
    }

    /// Returns the location of a part; `None` if it is unknown.
    fn place(&self, part: &Expr) -> Option<Span> {
        Some(self.bytes()?.span(part.trimmed(self.text())))
    }

    /// Returns the edit that puts other words in the place of a part, if that can be done.
    fn edit(&self, part: &Expr, with: &str) -> Option<Edit> {
        self.bytes()?.edit(part.trimmed(self.text()), with)
    }
}

impl Written for Template {
    fn text(&self) -> &str {
        &self.text
    }

    fn bytes(&self) -> Option<&Bytes> {
        self.parsed.as_ref().map(|parsed| &parsed.1)
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
                faults
                    .iter()
                    .filter_map(|one| one.diagnostic(place))
                    .for_each(|one| one.emit(found));
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

    /// Returns the expressions that it shows with `{{ }}`.
    pub fn shown(&self) -> impl Iterator<Item = &Used> {
        self.expressions().iter().filter(|used| used.shown)
    }

    /// Returns the names whose values are inserted as a whole: `{{ name }}`, and `{{ name |
    /// filter }}` if the filter returns a list for a list.
    pub fn whole_names(&self) -> impl Iterator<Item = Name> {
        self.shown().filter_map(|used| {
            let (name, part) = whole_name(&used.expr)?;
            let span = self.place(part).filter(|_| !used.locals.contains(name))?;
            Some(Name { name: name.clone(), span })
        })
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
        if self.is_plain() {
            return Ok(self.text.clone());
        }
        engine::render(&self.text, mode, names)
    }

    /// Whether it is exactly one `{{ LIST | each }}`: several arguments of a command.
    pub fn is_several(&self) -> bool {
        matches!(self.expressions(), [only] if only.shown && only.expr.is_each())
            && self.inner().is_some()
    }

    /// Returns the name, if the text is exactly one `{{ NAME }}`.
    pub fn whole_variable(&self) -> Option<String> {
        match self.whole()?.root.kind {
            ExprKind::Var(name) => Some(name),
            _ => None,
        }
    }

    /// Returns the expression, if the text is exactly one `{{ }}`: then its value keeps its type.
    pub fn whole(&self) -> Option<Expression> {
        let inner = self.inner()?;
        // `{{-` takes the spaces before it away; it is not a minus.
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
        Expression::parse_text(inner.trim()).ok()
    }

    /// Returns what is between the braces, if the text is exactly one `{{ }}`.
    fn inner(&self) -> Option<&str> {
        let inner = self.text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
        (!inner.contains("{{") && !inner.contains("}}")).then_some(inner)
    }
}

/// Filters that make a list of a list.
const LIST_FILTERS: [&str; 6] = ["list", "map", "reject", "select", "sort", "unique"];

/// Returns the name that an expression is, filters of lists looked through, and the part.
fn whole_name(expr: &Expr) -> Option<(&String, &Expr)> {
    match &expr.kind {
        ExprKind::Var(name) => Some((name, expr)),
        ExprKind::Filter(name, inner, _) if LIST_FILTERS.contains(&name.as_str()) => {
            whole_name(inner)
        }
        _ => None,
    }
}
