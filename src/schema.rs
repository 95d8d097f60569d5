//! Shapes: the keys and values that planrun's files may have.
//!
//! A [`Shape`] is data. Three things are made from it, so they always agree: the check of a document
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
pub mod inventory;
pub mod json;
pub mod kind;
pub mod model;
pub mod plan;
pub mod test;

pub use check::check;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Any,
    /// A string of this form.
    Text(&'static Form),
    /// One of these keywords.
    Choice(&'static [&'static str]),
    Bool,
    /// An integer of at least this.
    Int(i64),
    /// A string, a number or a bool; which of them YAML reads does not matter.
    Scalar,
    Null,
    /// A value, or a template that is rendered to it later.
    Late(&'static Self),
    /// A list of at least this many values.
    List(&'static Self, usize),
    /// A mapping of keys that the author chooses, with at least this many entries.
    Map(&'static Form, &'static Self, usize),
    /// A mapping with fixed keys.
    Record(&'static Record),
    /// The first alternative that the type or the keys of a value select.
    OneOf(&'static [(Select, Self)]),
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

/// A form of strings.
#[derive(Debug)]
pub struct Form {
    /// The name with its article: `a duration`.
    pub name: &'static str,
    /// An example, for messages.
    pub example: &'static str,
    /// The whole string must match this, in the dialect that JSON Schema and the `regex` crate share;
    /// `None` allows every string, also an empty one.
    pub pattern: Option<&'static str>,
    kind: FormKind,
}

/// The forms that have their own fixes or samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormKind {
    Duration,
    Expression,
    Hosts,
    Mode,
    /// A name; this character joins its words.
    Name(char),
    Other,
}

/// A mapping with fixed keys.
#[derive(Debug)]
pub struct Record {
    /// The name with its article: `a step`. Its last word is its name in the JSON Schema.
    pub name: &'static str,
    /// The sentence that describes it, for manual and editors.
    pub about: &'static str,
    pub fields: &'static [Field],
    /// Exactly one of these keys is required; empty if there is no such rule.
    pub one_of: &'static [&'static str],
    /// The shape of all other keys; `None` allows none.
    pub rest: Option<&'static Shape>,
    /// The mappings of [`foreign`] tables whose keys people write here; the first with the key is used.
    pub foreign: &'static [&'static str],
}

/// A key of a [`Record`].
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    /// The sentence that describes it, for manual and editors.
    pub about: &'static str,
    pub shape: Shape,
    pub required: bool,
}

const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, about, shape, required: false }
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, about, shape, required: true }
}

const fn form(name: &'static str, example: &'static str, pattern: Option<&'static str>) -> Form {
    Form { name, example, pattern, kind: FormKind::Other }
}

/// Makes a record with these keys and no others.
const fn record(name: &'static str, about: &'static str, fields: &'static [Field]) -> Record {
    Record { name, about, fields, one_of: &[], rest: None, foreign: &[] }
}

impl Form {
    const fn kind(self, kind: FormKind) -> Self {
        Self { kind, ..self }
    }

    /// Whether a string is of this form.
    pub fn fits(&self, text: &str) -> bool {
        self.pattern.is_none_or(|pattern| check::matches(pattern, text))
    }
}

impl Record {
    const fn one_of(self, one_of: &'static [&'static str]) -> Self {
        Self { one_of, ..self }
    }

    const fn rest(self, rest: &'static Shape) -> Self {
        Self { rest: Some(rest), ..self }
    }

    const fn foreign(self, places: &'static [&'static str]) -> Self {
        Self { foreign: places, ..self }
    }

    /// Returns the name without its article, in one word.
    pub fn word(&self) -> String {
        let name = self.name.split_once(' ').map_or(self.name, |(_, name)| name);
        name.replace(' ', "_").replace('`', "")
    }

    pub fn field(&self, name: &str) -> Option<&'static Field> {
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
            Self::Record(record) => record.name.into(),
            Self::OneOf(alternatives) => {
                let all: Vec<String> =
                    alternatives.iter().map(|(_, shape)| shape.expected()).collect();
                all.join(", or ")
            }
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

pub static ANY_TEXT: Form = form("a string", "some words", None);
/// A string with at least one character.
pub static WORDS: Form = form("a string", "some words", Some(r"^(?:.|\n)*\S(?:.|\n)*$"));
/// A host pattern, as in Ansible.
pub static HOSTS: Form =
    form("a host pattern", "backends:!backend3", WORDS.pattern).kind(FormKind::Hosts);
/// A name that expressions can use.
pub static ID: Form =
    form("a name of lower-case letters, digits and `_`", "stop_mail", Some("^[a-z][a-z0-9_]*$"))
        .kind(FormKind::Name('_'));
/// The name of a plan or a model.
pub static PLAN_NAME: Form =
    form("a name of lower-case letters, digits and `-`", "obox-restart", Some("^[a-z][a-z0-9-]*$"))
        .kind(FormKind::Name('-'));
pub static DURATION: Form = form(
    "a duration",
    "90s, 15m, 1h 30m",
    Some(r"^[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d)(?: ?[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))*$"),
)
.kind(FormKind::Duration);
pub static EXPRESSION: Form =
    form("an expression", "ring[ip].users == 0", Some(r"^(?:.|\n)*\S(?:.|\n)*$"))
        .kind(FormKind::Expression);
