//! Templates and expressions: texts with `{{ }}`, and conditions.
//!
//! Both are minijinja's language. Templates are rendered by minijinja itself ([`Template`]);
//! expressions are parsed by it and evaluated by [`condition`], because a condition has a third
//! value and must stop at the first name that has to be looked at. Templates never look: they see
//! inputs, the host and results.
//!
//! What a value may do in a text depends on the text ([`Mode`]): it can never become two arguments,
//! a pipe or an empty word unless the plan says so by `| raw` or `| allow_empty`.

pub mod bounds;
pub mod condition;
mod cure;
mod engine;
pub mod expression;
mod operators;
pub mod script;
pub mod words;

use std::collections::BTreeMap;
use std::ops::Range;

use minijinja::Value;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::document::Node;
use crate::source::SourceId;
use crate::source::Sources;
use crate::source::Span;
use crate::template::expression::Expression;

pub use engine::RenderError;
pub use engine::environment;

/// What the rendered text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For people, files, standard input: values stand as they are.
    Text,
    /// One argument of a command: an empty value is refused.
    Word,
    /// A script: every value is quoted for `sh`, an empty one is refused.
    Script,
}

/// The names a text can see, and their values.
pub type Names = BTreeMap<String, Value>;

/// Returns what `host` names: its name as text, with parts like `address`.
pub fn host_value(name: &str, parts: Vec<(&'static str, Value)>) -> Value {
    Value::from_object(engine::HostValue { name: name.to_owned(), parts })
}

/// A text with `{{ }}` in it.
#[derive(Clone, Debug)]
pub struct Template {
    /// The text as decoded from YAML.
    pub text: String,
    /// Where it is.
    pub span: Span,
    /// The free names in it and where they are.
    pub names: Vec<Name>,
}

/// A name that an expression or template uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub name: String,
    /// Where it is.
    pub span: Span,
}

impl Template {
    /// Parses the text of a node; faults are told and give a template without names.
    pub fn parse(node: &Node, sources: &Sources, found: &mut Diagnostics) -> Self {
        let template = Self::plain(node.lexeme(sources).unwrap_or_default(), node.span);
        if template.is_plain() {
            return template;
        }
        let places = node.places(sources);
        Self::placed(template.text, node.span, |range| places.span(range), found)
    }

    /// Parses a whole source text; faults are told and give a template without names.
    pub fn of_source(id: SourceId, sources: &Sources, found: &mut Diagnostics) -> Self {
        let text = sources.get(id).text();
        let place = |range: Range<usize>| Span::new(id, range.start, range.end);
        Self::placed(text, place(0..text.len()), place, found)
    }

    /// Parses a text whose bytes stand where the function says; faults are told and give a template
    /// without names.
    pub fn placed(
        text: impl Into<String>,
        span: Span,
        place: impl Fn(Range<usize>) -> Span,
        found: &mut Diagnostics,
    ) -> Self {
        let mut template = Self::plain(text, span);
        match expression::names_of_template(&template.text) {
            Ok(names) => {
                let names =
                    names.into_iter().map(|(name, range)| Name { name, span: place(range) });
                template.names = names.collect();
            }
            Err(fault) if fault.excess => {
                let place = place(fault.range.clone());
                found.push(bounds::too_large(fault, place));
            }
            Err(fault) => found.push(
                Diagnostic::error("template-syntax", "this template cannot be read")
                    .at(place(fault.range), fault.text)
                    .help("write `{{ name }}`, `{{ name | filter }}`, or plain text"),
            ),
        }
        template
    }

    /// Makes a template of a plain text.
    pub fn plain(text: impl Into<String>, span: Span) -> Self {
        Self { text: text.into(), span, names: Vec::new() }
    }

    /// Returns the names whose values stand in the text as a whole: `{{ name }}`, and `{{ name |
    /// filter }}` where the filter gives again a list for a list.
    pub fn whole_names(&self) -> Vec<&Name> {
        let shown = expression::shown_by_template(&self.text);
        if shown.is_empty() {
            return Vec::new();
        }
        let ranges = expression::names_of_template(&self.text).unwrap_or_default();
        let whole: Vec<_> = shown.iter().filter_map(whole_name).collect();
        let names = self.names.iter().zip(&ranges);
        names.filter(|(_, (_, range))| whole.contains(range)).map(|(name, _)| name).collect()
    }

    /// Whether there is anything to render.
    pub fn is_plain(&self) -> bool {
        !["{{", "{%", "{#"].iter().any(|sign| self.text.contains(sign))
    }

    /// Renders the text.
    pub fn render(&self, mode: Mode, names: &Names) -> Result<String, RenderError> {
        engine::render(&self.text, mode, names)
    }

    /// Returns the expression whose value the text is; `{{ host }}` is the name of the host.
    pub fn whole_value(&self) -> Option<Expression> {
        let is_host =
            |kind: &expression::Kind| matches!(kind, expression::Kind::Var(name) if name == "host");
        self.whole().filter(|whole| !is_host(&whole.root.kind))
    }

    /// Returns the expression, if the text is exactly one `{{ }}`: then its value keeps its type.
    pub fn whole(&self) -> Option<Expression> {
        let inner = self.text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
        if inner.contains("{{") || inner.contains("}}") {
            return None;
        }
        Expression::parse_text(inner.trim()).ok()
    }
}

/// Filters that make a list of a list.
const LIST_FILTERS: [&str; 6] = ["list", "map", "reject", "select", "sort", "unique"];

/// Returns the place of the name that an expression is, filters of lists looked through.
fn whole_name(expr: &expression::Expr) -> Option<std::ops::Range<usize>> {
    match &expr.kind {
        expression::Kind::Var(_) => Some(expr.range.clone()),
        expression::Kind::Filter(name, inner, _) if LIST_FILTERS.contains(&name.as_str()) => {
            whole_name(inner)
        }
        _ => None,
    }
}
