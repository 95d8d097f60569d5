//! Shapes: which keys and values the words of planrun's files may have.
//!
//! A [`Shape`] is data. From the same data come three things, so that they cannot differ: the check
//! of a document with its diagnostics ([`check()`]), the published JSON Schemas ([`json`]), and the
//! key tables of the manual. What a shape cannot say (names that exist, ways back that are missing)
//! is the business of lowering; it relies on a document that has passed here.
//!
//! Shapes are deterministic: the kind of a node, or one key of it, tells which alternative is
//! meant, so a fault is told for what the author meant and not for every alternative.

mod check;
mod cure;
mod editor;
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
    /// Any value.
    Any,
    /// Text of a form.
    Text(&'static Form),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number of at least so much.
    Int(i64),
    /// Text, a number or a bool: what YAML makes of a word does not matter.
    Scalar,
    /// Nothing (an empty value).
    Null,
    /// A value, or a text with `{{ }}` that will give it.
    Late(&'static Self),
    /// A list of at least so many values of a shape.
    List(&'static Self, usize),
    /// A mapping of free keys to values of a shape, of at least so many.
    Map(&'static Form, &'static Self, usize),
    /// A mapping with known keys.
    Record(&'static Record),
    /// The first alternative that a value's kind or keys select.
    OneOf(&'static [(Select, Self)]),
}

/// When an alternative of [`Shape::OneOf`] is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The value is text.
    Text,
    /// The value is `true` or `false`.
    Bool,
    /// The value is a whole number.
    Int,
    /// The value is text, a number or a bool.
    Scalar,
    /// The value is a list.
    List,
    /// The value is a mapping that has this key.
    Key(&'static str),
    /// The value is a mapping.
    Map,
    /// The value is empty.
    Null,
}

/// A form of text.
#[derive(Debug)]
pub struct Form {
    /// What it is, with its article: `a duration`.
    pub name: &'static str,
    /// An example, for messages.
    pub example: &'static str,
    /// A regular expression that it matches as a whole, in the dialect that JSON Schema and the
    /// `regex` crate share; `None` allows every text, the empty one too.
    pub pattern: Option<&'static str>,
    /// What else is known of it.
    kind: FormKind,
}

/// The kinds of [`Form`] that have fixes or samples of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormKind {
    /// A duration.
    Duration,
    /// A condition or another expression.
    Expression,
    /// A host pattern.
    Hosts,
    /// An octal mode.
    Mode,
    /// A name, in which this character joins the words.
    Name(char),
    /// Any other.
    Other,
}

/// A mapping with known keys.
#[derive(Debug)]
pub struct Record {
    /// What it is, with its article: `a step`. In the JSON Schema its last word is its name.
    pub name: &'static str,
    /// The sentence that describes it.
    pub about: &'static str,
    /// The keys.
    pub fields: &'static [Field],
    /// Exactly one of these keys must be there; no rule where it is empty.
    pub one_of: &'static [&'static str],
    /// The shape of all other keys; `None` allows none.
    pub rest: Option<&'static Shape>,
    /// Places of words of other tools that people write here ([`foreign`]); the first that has a word
    /// counts.
    pub foreign: &'static [&'static str],
}

/// A key of a [`Record`].
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// The sentence that describes it.
    pub about: &'static str,
    /// Its value.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
}

/// Makes an optional field.
const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, about, shape, required: false }
}

/// Makes a field that must be there.
const fn required(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, about, shape, required: true }
}

/// Makes a form of text.
const fn form(name: &'static str, example: &'static str, pattern: Option<&'static str>) -> Form {
    Form { name, example, pattern, kind: FormKind::Other }
}

/// Makes a record with a key for each field and no others.
const fn record(name: &'static str, about: &'static str, fields: &'static [Field]) -> Record {
    Record { name, about, fields, one_of: &[], rest: None, foreign: &[] }
}

impl Form {
    const fn kind(self, kind: FormKind) -> Self {
        Self { kind, ..self }
    }

    /// Whether a text is of this form.
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

    /// Returns a field.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Shape {
    /// Says what is expected, for a message: `a whole number`.
    pub fn expected(&self) -> String {
        match self {
            Self::Any => "any value".into(),
            Self::Text(form) => form.name.into(),
            Self::Choice(words) => one_of(words),
            Self::Bool => "true or false".into(),
            Self::Int(i64::MIN) => "a whole number".into(),
            Self::Int(min) => format!("a whole number of at least {min}"),
            Self::Scalar => "text, a number or a bool".into(),
            Self::Null => "nothing".into(),
            Self::Late(shape) => format!("{} (or a template for it)", shape.expected()),
            Self::List(shape, _) => match shape {
                Self::Record(record) => format!("a list ({})", record.name),
                _ => format!("a list, each {}", shape.expected()),
            },
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

/// Lists words: `` `a`, `b` or `c` ``.
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

/// Any text.
pub static ANY_TEXT: Form = form("text", "some words", None);
/// Text with at least one character.
pub static WORDS: Form = form("text", "some words", Some(r"^(?:.|\n)*\S(?:.|\n)*$"));
/// A host pattern, as Ansible has them.
pub static HOSTS: Form =
    form("a host pattern", "backends:!backend3", WORDS.pattern).kind(FormKind::Hosts);
/// A name that expressions can use.
pub static ID: Form =
    form("a name of lower-case letters, digits and `_`", "stop_mail", Some("^[a-z][a-z0-9_]*$"))
        .kind(FormKind::Name('_'));
/// The name of a plan, a model.
pub static PLAN_NAME: Form =
    form("a name of lower-case letters, digits and `-`", "obox-restart", Some("^[a-z][a-z0-9-]*$"))
        .kind(FormKind::Name('-'));
/// A length of time.
pub static DURATION: Form = form(
    "a duration",
    "90s, 15m, 1h 30m",
    Some(r"^[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d)(?: ?[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))*$"),
)
.kind(FormKind::Duration);
/// A condition or another expression.
pub static EXPRESSION: Form =
    form("an expression", "ring[ip].users == 0", Some(r"^(?:.|\n)*\S(?:.|\n)*$"))
        .kind(FormKind::Expression);
