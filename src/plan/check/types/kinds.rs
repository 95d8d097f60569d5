//! The kinds of values: those of written values, outputs and columns.

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::ValueKind;

use crate::output;
use crate::output::{Data, Format, Reading};
use crate::template::expression::Expression;

#[derive(Clone, Debug)]
pub(super) enum Type<'a> {
    Any,
    Bool,
    Number,
    Text,
    /// Text, one of these.
    Words(&'a [String]),
    List,
    /// The results of a step with a `for_each`, one for each item.
    Results,
    /// `{exit, stdout, stderr}`, or `{exit}` alone.
    Output {
        kept: bool,
    },
    /// The rows of a probe, by their key if there is one.
    Rows(&'a Data),
    /// A row of it.
    Row(&'a Data),
    /// The values of a `set`.
    Set(&'a [(String, std::rc::Rc<Expression>)]),
    /// A value with these parts and no others: `host`, `run`.
    Parts(&'static [(&'static str, Type<'static>)]),
    /// A mapping of which no more is known.
    Mapping,
}

impl Type<'_> {
    pub(super) fn about(&self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Bool => "a bool",
            Self::Number => "a number",
            Self::Text | Self::Words(_) => "a string",
            Self::List | Self::Results => "a list",
            Self::Output { .. }
            | Self::Rows(_)
            | Self::Row(_)
            | Self::Set(_)
            | Self::Parts(_)
            | Self::Mapping => "a mapping",
        }
    }

    /// Whether a value of this and one of the other kind can be equal at all.
    pub(super) fn meets(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Any, _) | (_, Self::Any)) || self.about() == other.about()
    }
}

pub(super) fn constant(value: &Value) -> Type<'static> {
    match value.kind() {
        ValueKind::Bool => Type::Bool,
        ValueKind::Number => Type::Number,
        ValueKind::String => Type::Text,
        ValueKind::Seq => Type::List,
        ValueKind::Map => Type::Mapping,
        _ => Type::Any,
    }
}

pub(super) fn of_reading(reading: &Reading) -> Type<'_> {
    match reading {
        Reading::Whole => Type::Output { kept: true },
        Reading::Discard => Type::Output { kept: false },
        Reading::Text => Type::Text,
        Reading::Int | Reading::Size => Type::Number,
        Reading::Lines => Type::List,
        Reading::Data(data) => match (&data.format, &data.key) {
            (Format::Pairs, _) => Type::Any,
            (_, Some(_)) => Type::Rows(data),
            (Format::Tsv | Format::Csv | Format::JsonLines, None) => Type::List,
            _ => Type::Any,
        },
    }
}

/// Returns the kind of a column; `otherwise` if the plan gives it no type.
pub(super) fn of_column<'a>(
    types: &IndexMap<String, output::Type>,
    name: &str,
    otherwise: Type<'a>,
) -> Type<'a> {
    match types.get(name) {
        Some(output::Type::Int | output::Type::Float) => Type::Number,
        Some(output::Type::Bool) => Type::Bool,
        Some(output::Type::String) => Type::Text,
        None => otherwise,
    }
}

/// Returns a comparison for a value that is not a boolean.
pub(super) fn compared(text: &str, kind: &Type<'_>) -> String {
    match kind {
        Type::Number => format!("`{text} > 0`"),
        Type::List => format!("`{text} | length > 0`"),
        Type::Words([first, ..]) => format!("`{text} == \"{first}\"`"),
        Type::Text | Type::Words(_) => format!("`{text} != \"\"`"),
        _ => "`... == ...`".into(),
    }
}
