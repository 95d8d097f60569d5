//! Values of inputs: strings and data checked against an [`InputKind`].
//!
//! Used for the defaults in a plan and for the values that are given from outside.

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::document;
use crate::document::Node;
use crate::duration;
use crate::plan::{Input, InputKind};
use crate::schema::one_of;
use crate::source::{Sources, Span};

/// Maximum items of a list without a maximum of its own.
const MAX_ITEMS: usize = 10_000;

impl Input {
    /// Whether its value is a secret. The value of a file input is a path; only its content is a secret.
    pub fn is_hidden(&self) -> bool {
        self.sensitive && self.kind != InputKind::File
    }

    /// Whether it is a file whose content is a secret.
    pub fn is_secret_file(&self) -> bool {
        self.sensitive && self.kind == InputKind::File
    }
}

/// Why a value does not fit an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue {
    /// What is wrong with the value, after a colon: `not a duration`.
    pub why: String,
    pub help: String,
    /// The value that was probably meant, as it is written in YAML.
    pub fixed: Option<String>,
    /// Whether the value is empty and must not be.
    pub is_empty: bool,
}

impl InvalidValue {
    /// Adds the value that was probably meant.
    fn fixed(mut self, value: impl Into<String>) -> Self {
        self.fixed = Some(value.into());
        self
    }

    /// Adds the help, and the fix at the location of the value.
    #[must_use]
    pub fn advise(self, fault: Diagnostic, value: Span) -> Diagnostic {
        match self.fixed {
            Some(fixed) => fault.fix(self.help, value, fixed),
            None => fault.help(self.help),
        }
    }
}

/// Makes one without a proposed value.
pub fn unfit(why: impl Into<String>, help: impl Into<String>) -> InvalidValue {
    InvalidValue { why: why.into(), help: help.into(), fixed: None, is_empty: false }
}

/// Makes a value of a text, as it comes from a command line or a template.
pub fn of_text(kind: &InputKind, text: &str) -> Result<Value, InvalidValue> {
    let value = match kind {
        InputKind::Int { .. } => match text.trim().parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => text.into(),
        },
        InputKind::Bool => match text {
            "true" => true.into(),
            "false" => false.into(),
            _ => text.into(),
        },
        InputKind::List { item, .. } => return list_of_text(kind, item, text),
        _ => text.into(),
    };
    of_data(kind, &value)
}

/// Makes a value of a node of a plan or a file of inputs. Text is text, whatever YAML makes of it:
/// a string's `1.20` stays as written.
pub fn of_node(kind: &InputKind, node: &Node, sources: &Sources) -> Result<Value, InvalidValue> {
    if let (InputKind::List { item, .. }, document::Value::List(nodes)) = (kind, &node.value) {
        let nodes = nodes.iter().enumerate();
        let items = nodes.map(|(index, node)| {
            of_node(item, node, sources)
                .map_err(|unfit| of_item(index, node.lexeme(sources).unwrap_or_default(), unfit))
        });
        return counted(kind, items.collect::<Result<_, _>>()?);
    }
    match (kind, node.lexeme(sources)) {
        (InputKind::String { .. } | InputKind::Enum(_), Some(text)) => of_text(kind, text),
        _ => of_data(kind, &node.to_json()),
    }
}

/// Makes a list of a text: `imap,lmtp`, or `[imap, lmtp]` as in YAML.
fn list_of_text(kind: &InputKind, item: &InputKind, text: &str) -> Result<Value, InvalidValue> {
    let text = text.trim();
    if text.starts_with('[') {
        let mut sources = Sources::default();
        let id = sources.add("a list", text);
        return match document::parse(&sources, id, &mut Diagnostics::default()) {
            Some(node) => of_node(kind, &node, &sources),
            None => Err(no_list()),
        };
    }
    let words = text.split(',').map(str::trim).enumerate();
    let items = words
        .filter(|_| !text.is_empty())
        .map(|(index, word)| of_text(item, word).map_err(|unfit| of_item(index, word, unfit)));
    counted(kind, items.collect::<Result<_, _>>()?)
}

fn no_list() -> InvalidValue {
    unfit("not a list", "write a list: `[one, other]`")
}

/// Adds which item a problem is about.
fn of_item(index: usize, text: &str, unfit: InvalidValue) -> InvalidValue {
    let number = index + 1;
    InvalidValue {
        why: match text {
            "" => format!("item {number}: {}", unfit.why),
            text => format!("item {number}, `{text}`: {}", unfit.why),
        },
        help: unfit.help,
        fixed: None,
        is_empty: unfit.is_empty,
    }
}

/// Compares the number of items of a list with its limits.
fn counted(kind: &InputKind, items: Vec<Value>) -> Result<Value, InvalidValue> {
    let InputKind::List { min, max, .. } = kind else { return Ok(items.into()) };
    let number = items.len();
    // Bounds that leave no number are reported on their own.
    let excluded = min.zip(*max).is_some_and(|(min, max)| min > max);
    if within(number, *min, max.or(Some(MAX_ITEMS))) || excluded {
        return Ok(items.into());
    }
    let (expected, help) = match (min, max) {
        (Some(min), Some(max)) => {
            (format!("{min} to {max}"), format!("write {min} to {max} items"))
        }
        (Some(min), None) if number < *min => {
            (format!("at least {min}"), format!("write {min} items or more"))
        }
        _ => {
            let max = max.unwrap_or(MAX_ITEMS);
            (format!("at most {max}"), format!("write at most {max} items"))
        }
    };
    Err(unfit(format!("{number} items, expected {expected}"), help))
}

/// Makes a value of data, as it comes from a file or an inventory.
pub fn of_data(kind: &InputKind, value: &Value) -> Result<Value, InvalidValue> {
    let value = typed(kind, value).map_err(|mut unfit| {
        // What is proposed must keep the bounds, too.
        let proposed = unfit.fixed.as_deref().map(|text| of_text(kind, text));
        if matches!(proposed, Some(Err(_))) {
            unfit.fixed = None;
        }
        unfit
    })?;
    if fits(kind, &value) {
        return Ok(value);
    }
    Err(match kind {
        InputKind::String { pattern } => {
            let pattern = pattern.as_ref().map_or("", |pattern| pattern.text.as_str());
            unfit(
                format!("does not match `{pattern}`"),
                "use a value that matches the whole pattern",
            )
        }
        InputKind::Int { min, max } => out_of_bounds(*min, *max, |bound| bound.to_string()),
        InputKind::Duration { min, max } => out_of_bounds(*min, *max, duration::show),
        _ => unfit("not allowed", "use another value"),
    })
}

/// Compares a value with the type alone.
fn typed(kind: &InputKind, value: &Value) -> Result<Value, InvalidValue> {
    let text = match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match kind {
        InputKind::Int { .. } => match value {
            Value::Number(number) => number.as_i64(),
            // Ansible's INI files and its YAML both give numbers as text if they are quoted.
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
        .map(Value::from)
        .ok_or_else(|| unfit("not an integer", "write an integer")),
        InputKind::Bool if value.is_boolean() => Ok(value.clone()),
        InputKind::Bool => Err(match value.as_str() {
            Some("yes" | "on" | "True" | "Yes") => {
                unfit("not a bool", "write `true`").fixed("true")
            }
            Some("no" | "off" | "False" | "No") => {
                unfit("not a bool", "write `false`").fixed("false")
            }
            _ => unfit("not a bool", "write `true` or `false`"),
        }),
        InputKind::Duration { .. } => duration_text(value),
        InputKind::List { item, .. } => match value {
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(index, one)| {
                    of_data(item, one)
                        .map_err(|unfit| of_item(index, one.as_str().unwrap_or_default(), unfit))
                });
                counted(kind, items.collect::<Result<_, _>>()?)
            }
            Value::String(text) if text.contains(',') => {
                Err(unfit("a string, not a list", format!("write a list: `[{text}]`")))
            }
            _ => Err(no_list()),
        },
        InputKind::Enum(_) if value.is_boolean() => {
            Err(unfit("a bool, not a string", "put quotes around it"))
        }
        InputKind::Enum(words) => choice(words, text.as_deref()),
        InputKind::Path => path(value),
        InputKind::String { .. } | InputKind::File => match text {
            Some(text) if text.contains('\0') => {
                Err(unfit("contains a NUL byte", "remove the NUL byte"))
            }
            Some(text) if text.is_empty() && *kind == InputKind::File => {
                Err(unfit("empty", "write the path of a file"))
            }
            Some(text) => Ok(text.into()),
            None => Err(unfit("not a string", "write a string, in quotes if necessary")),
        },
    }
}

fn duration_text(value: &Value) -> Result<Value, InvalidValue> {
    let number = match value {
        Value::String(text) if duration::parse(text).is_some() => return Ok(value.clone()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
        return Err(unfit("not a duration", "write a duration such as `90s`, `15m` or `1h 30m`"));
    }
    let help = format!("add a unit: `{number}s` for seconds");
    Err(unfit("not a duration", help).fixed(format!("{number}s")))
}

fn choice(words: &[String], text: Option<&str>) -> Result<Value, InvalidValue> {
    let text = text.unwrap_or_default();
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    if all.contains(&text) {
        return Ok(text.into());
    }
    let why = format!("expected {}", one_of(&all));
    Err(match nearest(text, all.iter().copied()) {
        Some(near) => unfit(why, format!("did you mean `{near}`?")).fixed(near),
        None => unfit(why, format!("use {}", one_of(&all))),
    })
}

fn path(value: &Value) -> Result<Value, InvalidValue> {
    let Value::String(text) = value else {
        return Err(unfit("not a path", "write a path that starts with `/`"));
    };
    if text.contains('\0') {
        return Err(unfit("contains a NUL byte", "remove the NUL byte"));
    }
    if !text.starts_with('/') {
        return Err(unfit("not an absolute path", "write a path that starts with `/`"));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(unfit("contains `..`", "write the path without `..`"));
    }
    Ok(value.clone())
}

/// Whether a value of the right type keeps the pattern and bounds of the input.
fn fits(kind: &InputKind, value: &Value) -> bool {
    match kind {
        InputKind::String { pattern: Some(pattern) } => {
            value.as_str().is_some_and(|text| pattern.matches(text))
        }
        InputKind::Int { min, max } => value.as_i64().is_some_and(|one| within(one, *min, *max)),
        InputKind::Duration { min, max } => {
            let time = value.as_str().and_then(duration::parse);
            time.is_some_and(|time| within(time, *min, *max))
        }
        _ => true,
    }
}

fn within<T: PartialOrd + Copy>(value: T, min: Option<T>, max: Option<T>) -> bool {
    min.is_none_or(|min| min <= value) && max.is_none_or(|max| value <= max)
}

fn out_of_bounds<T: Copy>(
    min: Option<T>,
    max: Option<T>,
    show: impl Fn(T) -> String,
) -> InvalidValue {
    match (min.map(&show), max.map(&show)) {
        (Some(min), Some(max)) => unfit(
            format!("not between {min} and {max}"),
            format!("use a value from {min} to {max}"),
        ),
        (Some(min), None) => unfit(format!("less than {min}"), format!("use {min} or more")),
        (None, Some(max)) => unfit(format!("more than {max}"), format!("use {max} or less")),
        (None, None) => unfit("not allowed", "use another value"),
    }
}
