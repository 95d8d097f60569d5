//! YAML 1.1 as Ansible's parser (`PyYAML`) reads it: for inventories, and for nothing else.
//!
//! There `yes` is a bool, `0644` is octal, `1:30` counts in sixties, `<<` merges mappings, and a few
//! tags have a meaning. An inventory is read as it was written for Ansible, so its values must be
//! the same here. Kept as text, though `PyYAML` makes something else of them: dates, numbers beyond
//! 64 bits, infinities; there is nothing for them in a plan.

use std::collections::HashSet;
use std::sync::LazyLock;

use granit_parser::Tag;
use regex::Regex;

use crate::document::{Entry, Node, Text, Value};
use crate::source::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing: the node has no tag, or one that says what it is anyway.
    Nothing,
    /// That the value be text, whatever it looks like.
    Text,
    /// That the value be read as if it were not quoted.
    Plain,
    /// That it be a number with a fraction.
    Float,
    /// That it be decrypted, which planrun does not do.
    Vault,
    /// Something that is not known.
    Unknown,
}

pub(super) fn asked(tag: &Tag) -> Asked {
    match (tag.handle(), tag.suffix()) {
        ("!", "vault" | "vault-encrypted") => Asked::Vault,
        ("!", "unsafe") | ("tag:yaml.org,2002:", "str") => Asked::Text,
        ("tag:yaml.org,2002:", "int" | "bool" | "null") => Asked::Plain,
        ("tag:yaml.org,2002:", "float") => Asked::Float,
        ("tag:yaml.org,2002:", "map" | "seq") => Asked::Nothing,
        _ => Asked::Unknown,
    }
}

/// The places of values that a vault has encrypted.
#[derive(Clone, Debug, Default)]
pub struct Sealed(HashSet<Span>);

impl Sealed {
    pub(super) fn add(&mut self, place: Span) {
        self.0.insert(place);
    }

    /// Whether a node is encrypted, or something in it.
    pub fn is_in(&self, node: &Node) -> bool {
        if self.0.is_empty() {
            return false;
        }
        match &node.value {
            Value::List(items) => items.iter().any(|item| self.is_in(item)),
            Value::Map(entries) => entries.iter().any(|entry| self.is_in(&entry.value)),
            _ => self.0.contains(&node.span),
        }
    }
}

static WHOLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)$",
    )
    .expect("the expression is constant")
});
static FRACTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)$",
    )
    .expect("the expression is constant")
});

/// Gives a plain scalar its type.
pub(super) fn scalar(text: Text) -> Value {
    match text.text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let numeric = text.text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let number = numeric.then(|| whole(&text.text).or_else(|| fraction(&text.text)));
    number.flatten().unwrap_or(Value::Text(text))
}

/// Gives a scalar that is asked to be a number with a fraction its type.
pub(super) fn float(text: Text) -> Value {
    match scalar(text) {
        #[expect(clippy::cast_precision_loss, reason = "that is what was asked for")]
        Value::Int(value) => Value::Float(value as f64),
        other => other,
    }
}

fn sign(text: &str) -> (&str, bool) {
    match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    }
}

fn whole(text: &str) -> Option<Value> {
    WHOLE.is_match(text).then_some(())?;
    let text = text.replace('_', "");
    let (digits, minus) = sign(&text);
    let value = if let Some(digits) = digits.strip_prefix("0b") {
        i128::from_str_radix(digits, 2).ok()?
    } else if let Some(digits) = digits.strip_prefix("0x") {
        i128::from_str_radix(digits, 16).ok()?
    } else if digits.contains(':') {
        digits
            .split(':')
            .try_fold(0_i128, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i128::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    let value = i64::try_from(if minus { -value } else { value }).ok()?;
    Some(Value::Int(value))
}

fn fraction(text: &str) -> Option<Value> {
    FRACTION.is_match(text).then_some(())?;
    let text = text.replace('_', "");
    let (digits, minus) = sign(&text);
    let value = digits.split(':').try_fold(0.0, |sum, part| {
        let part: f64 = part.parse().ok()?;
        Some(sum * 60.0 + part)
    })?;
    let value = if minus { -value } else { value };
    value.is_finite().then_some(Value::Float(value))
}

/// Puts what `<<` names in front of a mapping's own entries, which win. `Err` is a node that
/// cannot be merged.
pub(super) fn merged(merges: Vec<Node>, own: Vec<Entry>) -> Result<Vec<Entry>, Box<Node>> {
    if merges.is_empty() {
        return Ok(own);
    }
    let mut seen: HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
    let mut all = Vec::new();
    let mut add = |entries: Vec<Entry>| {
        all.extend(entries.into_iter().filter(|entry| seen.insert(entry.key.clone())));
    };
    for node in merges {
        match node.value {
            Value::Map(entries) => add(entries),
            Value::List(items) => {
                for item in items {
                    match item.value {
                        Value::Map(entries) => add(entries),
                        _ => return Err(Box::new(item)),
                    }
                }
            }
            _ => return Err(Box::new(node)),
        }
    }
    all.extend(own);
    Ok(all)
}
