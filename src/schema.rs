//! Shapes: the keys and values that planrun's files may have.
//!
//! A [`Shape`] is data, read from [`table`]s. Three things are made from it, so they always agree: the check of a document
//! with its diagnostics ([`check()`]), the published JSON Schemas ([`json`]), and the key tables of
//! the manual. Lowering checks what a shape cannot express, such as undefined names and missing
//! rollbacks. It expects a document that has passed the check here.
//!
//! Shapes are deterministic: the type of a node, or one of its keys, selects the alternative. So an
//! error is reported for the alternative that the author meant, not for all of them.

mod check;
mod editor;
mod fix;
pub mod foreign;
pub mod json;
pub mod kind;
pub mod table;

pub use check::check;
pub use table::{RecordId, form, record};

#[derive(Clone, Debug)]
pub enum Shape {
    Any,
    Text(&'static Form),
    /// One of these keywords.
    Choice(Vec<&'static str>),
    Bool,
    /// An integer of at least this.
    Int(i64),
    /// A string, a number or a bool; which of them YAML reads does not matter.
    Scalar,
    Null,
    /// A value, or a template that is rendered to it later.
    Late(Box<Self>),
    /// A list of at least this many values.
    List(Box<Self>, usize),
    /// A mapping of keys that the author chooses, with at least this many entries.
    Map(&'static Form, Box<Self>, usize),
    /// A mapping with fixed keys.
    Record(RecordId),
    /// The first alternative that the type or the keys of a value select: see [`selects`].
    OneOf(Vec<Self>),
}

/// What selects an alternative of [`Shape::OneOf`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    Text,
    Bool,
    Int,
    /// A string, a number or a bool.
    Scalar,
    List,
    /// A mapping that has this key.
    Key(&'static str),
    Map,
    Null,
}

/// Returns alternatives, each with what selects it: of several mappings, the first required key selects
/// each but the last.
pub fn selects(alternatives: &[Shape]) -> impl DoubleEndedIterator<Item = (Select, &Shape)> {
    alternatives.iter().enumerate().map(|(at, shape)| {
        let rest = &alternatives[at + 1..];
        let key = match shape {
            Shape::Record(id) if rest.iter().any(|other| other.select() == Select::Map) => {
                id.get().fields.iter().find(|field| field.required)
            }
            _ => None,
        };
        (key.map_or(shape.select(), |field| Select::Key(field.name)), shape)
    })
}

#[derive(Debug)]
pub struct Form {
    /// The name with its article: `a duration`.
    pub name: &'static str,
    /// Examples, for messages, separated by commas.
    pub example: &'static str,
    /// The whole string must match this; `None` allows every string, also an empty one.
    pub pattern: Option<&'static str>,
    kind: FormKind,
}

/// The forms that have their own fixes or samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
enum FormKind {
    Duration,
    Expression,
    Hosts,
    Mode,
    Id,
    PlanName,
    Other,
}

/// A mapping with fixed keys.
#[derive(Debug)]
pub struct Record {
    /// The name with its article: `a step`. Its last word is its name in the JSON Schema.
    pub name: &'static str,
    /// The sentence that describes it, for manual and editors.
    pub about: &'static str,
    pub fields: Vec<Field>,
    /// Exactly one of these keys is required; empty if there is no such rule.
    pub one_of: Vec<&'static str>,
    /// The shape of all other keys; `None` allows none.
    pub rest: Option<Shape>,
    /// The mappings of [`foreign`] tables whose keys people write here; the first with the key is used.
    pub foreign: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: &'static str,
    /// The sentence that describes it, for manual and editors.
    pub about: &'static str,
    pub shape: Shape,
    pub required: bool,
}

impl Form {
    pub fn fits(&self, text: &str) -> bool {
        self.pattern.is_none_or(|pattern| check::matches(pattern, text))
    }
}

impl Record {
    /// Returns the name without its article, in one word.
    pub fn word(&self) -> String {
        table::word(self.name)
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Shape {
    /// Returns what is expected, for a message: `an integer`.
    pub fn expected(&self) -> String {
        match self {
            Self::Any => "any value".into(),
            Self::Text(form) => form.name.into(),
            Self::Choice(words) => one_of(words),
            Self::Bool => "true or false".into(),
            Self::Int(i64::MIN) => "an integer".into(),
            Self::Int(0) => "a non-negative integer".into(),
            Self::Int(1) => "a positive integer".into(),
            Self::Int(min) => format!("an integer of at least {min}"),
            Self::Scalar => "a string, a number or a bool".into(),
            Self::Null => "nothing".into(),
            Self::Late(shape) => format!("{} (or a template)", shape.expected()),
            Self::List(shape, _) => list_of(&shape.expected()),
            Self::Map(_, _, _) => "a mapping".into(),
            Self::Record(id) => id.get().name.into(),
            Self::OneOf(all) => {
                let all: Vec<String> = all.iter().map(Self::expected).collect();
                all.join(", or ")
            }
        }
    }

    pub fn record(&self) -> Option<&'static Record> {
        if let Self::Record(id) = self { Some(id.get()) } else { None }
    }

    /// Whether it, or one of its alternatives, is as asked.
    fn any(&self, is_so: impl Fn(&Self) -> bool) -> bool {
        match self {
            Self::OneOf(all) => all.iter().any(is_so),
            one => is_so(one),
        }
    }

    /// Returns the type of values that select it.
    fn select(&self) -> Select {
        match self {
            Self::Text(_) | Self::Choice(_) => Select::Text,
            Self::Bool => Select::Bool,
            Self::Int(_) => Select::Int,
            Self::Any | Self::Scalar => Select::Scalar,
            Self::Null => Select::Null,
            Self::Late(shape) => shape.select(),
            Self::List(..) => Select::List,
            Self::Map(..) | Self::Record(_) => Select::Map,
            Self::OneOf(all) => all.first().map_or(Select::Scalar, Self::select),
        }
    }
}

/// Returns what a list of some items is called: `a list of steps`.
fn list_of(item: &str) -> String {
    let one = item.strip_prefix("a ").or_else(|| item.strip_prefix("an "));
    match one.filter(|one| !one.contains(',') && !one.contains(" o") && !one.contains('(')) {
        Some(one) => format!("a list of {one}s"),
        None => format!("a list in which each item is {item}"),
    }
}

/// Joins keywords: `` `a`, `b` or `c` ``.
pub fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".into(),
        [word] => format!("`{word}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}
