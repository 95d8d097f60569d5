//! Expressions and templates of models: compiled once, evaluated often.
//!
//! [`crate::template::values`] compiles them. A template is a string with `{{ expression }}` in it and no
//! other syntax; a string that is exactly one expression keeps its type. Lowering decides which names an
//! expression may use.

use std::fmt::Write as _;
use std::ops::Range;

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::model::ModelError;
use crate::template::error::TextError;
use crate::template::values;

pub(super) struct Expression {
    code: minijinja::Expression<'static, 'static>,
    /// The names it reads, each with the location of its first use.
    pub(super) names: Vec<(String, Range<usize>)>,
    text: String,
    place: String,
}

/// A value with templates.
#[derive(Debug)]
pub(super) enum Template {
    Constant(Value),
    /// Exactly one expression; its type is kept.
    One(Expression),
    /// A string with expressions.
    Text(Vec<Part>),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// A part of a string.
#[derive(Debug)]
pub(super) enum Part {
    Literal(String),
    Value(Expression),
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Expression({:?})", self.text)
    }
}

impl Expression {
    /// Compiles an expression; `place` is its location, for messages.
    pub(super) fn compile(text: &str, place: String) -> Result<Self, TextError> {
        let (code, names) = values::compile(text)?;
        Ok(Self { code, names, text: text.to_owned(), place })
    }

    /// Evaluates it; an undefined result is an error.
    pub(super) fn eval(&self, scope: &Value) -> Result<Value, ModelError> {
        let value = self.code.eval(scope.clone()).map_err(|error| self.fails(&words_of(&error)))?;
        match value.kind() {
            ValueKind::Undefined => Err(self.fails("undefined value")),
            ValueKind::Invalid => Err(self.fails(&value.to_string())),
            _ => Ok(value),
        }
    }

    pub(super) fn holds(&self, scope: &Value) -> Result<bool, ModelError> {
        let value = self.eval(scope)?;
        bool::try_from(value.clone())
            .ok()
            .filter(|_| value.kind() == ValueKind::Bool)
            .ok_or_else(|| self.fails(&format!("expected a bool, found {value}")))
    }

    /// Evaluates it, and writes the value as a program would print it.
    pub(super) fn write(&self, scope: &Value, out: &mut String) -> Result<(), ModelError> {
        write_value(&self.eval(scope)?, out).map_err(|why| self.fails(&why))
    }

    pub(super) fn fails(&self, why: &str) -> ModelError {
        let (expression, place) = (self.text.trim(), &self.place);
        ModelError::Impossible(format!("the model cannot evaluate `{expression}` ({place}): {why}"))
    }
}

impl Template {
    /// Returns the value; a template of one expression keeps its type.
    pub(super) fn value(&self, scope: &Value) -> Result<Value, ModelError> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::One(expression) => expression.eval(scope)?,
            Self::Text(_) => Value::from(self.text(scope)?),
            Self::List(items) => {
                items.iter().map(|item| item.value(scope)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), value.value(scope)?)))
                .collect::<Result<Vec<(String, Value)>, ModelError>>()?
                .into_iter()
                .collect(),
        })
    }

    pub(super) fn text(&self, scope: &Value) -> Result<String, ModelError> {
        let mut out = String::new();
        match self {
            Self::One(expression) => expression.write(scope, &mut out)?,
            Self::Text(parts) => {
                for part in parts {
                    match part {
                        Part::Literal(text) => out.push_str(text),
                        Part::Value(expression) => expression.write(scope, &mut out)?,
                    }
                }
            }
            Self::Constant(value) => drop(write_value(value, &mut out)),
            // The shape allows only scalars instead of strings.
            Self::List(_) | Self::Map(_) => {}
        }
        Ok(out)
    }
}

/// Writes a scalar as a program would print it.
fn write_value(value: &Value, out: &mut String) -> Result<(), String> {
    match value.kind() {
        ValueKind::String => out.push_str(value.as_str().unwrap_or_default()),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => drop(write!(out, "{value}")),
        kind => return Err(format!("cannot print {kind}: convert it to a string")),
    }
    Ok(())
}

/// Returns the message of an error, without the source text and the variables.
fn words_of(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}
