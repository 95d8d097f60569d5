//! A value of the wrong type: what was expected, and what its author probably meant.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::{Entry, Node, Value};
use crate::schema::check::{is_template, no_template, pointed};
use crate::schema::foreign::carry;
use crate::schema::{FormKind, Record, Select, Shape, fix};

pub(super) fn wrong_kind(node: &Node, shape: &Shape, found: &mut Diagnostics) {
    if is_template(node) {
        found.push(no_template(node, &sample(shape)));
        return;
    }
    let message = format!("expected {}, found {}", shape.expected(), node.kind());
    let fault = Diagnostic::error(Code::WrongType, message);
    let mut fault = pointed(fault, node, format!("this is {}", node.kind()));
    if let Some(fix) = fix::of_kind(node, shape) {
        found.push(fault.fix(fix.text, node.span, fix.yaml));
        return;
    }
    // Quotes do not turn a value into a keyword.
    let text_wanted = match shape {
        Shape::OneOf(all) => {
            all.iter().any(|one| one.select() == Select::Text && !matches!(one, Shape::Choice(_)))
        }
        one => matches!(one, Shape::Text(_) | Shape::Choice(_)),
    };
    fault = match &node.value {
        Value::Null => fault.help(format!("write a value: `{}`", sample(shape))),
        Value::Int(number) if is_duration(shape) => {
            fault.help(format!("add a unit: `{number}s`, `{number}m`, `{number}h`"))
        }
        Value::Int(_) | Value::Float(_) | Value::Bool(_) if text_wanted => {
            fault.help("put quotes around it")
        }
        Value::Map(entries) if text_wanted && entries.iter().all(|e| e.key.starts_with('{')) => {
            fault.help("put quotes around a value that starts with a template: `\"{{ name }}\"`")
        }
        Value::Text(_) if matches!(shape, Shape::Bool) => fault.help("write `true` or `false`"),
        Value::List(items) if matches!(shape, Shape::Text(form) if form.kind == FormKind::Hosts) => {
            let names: Vec<&str> = items.iter().filter_map(Node::as_text).collect();
            fault.help(format!("write one host pattern: `{}`", names.join(":")))
        }
        Value::List(_) if is_condition(shape) => {
            fault.help("join the conditions with `and`: `serving and users == 0`")
        }
        Value::Map(entries) if matches!(shape, Shape::Text(_)) => {
            let alone = <&[Entry; 1]>::try_from(entries.as_slice()).ok();
            match alone.and_then(|[entry]| carry::written(&entry.value)) {
                Some(text) => {
                    fault.help(format!("write the string itself after the key: `{text}`"))
                }
                None => fault.help("write the string itself after the key"),
            }
        }
        Value::List(_) | Value::Text(_) if is_assertions(shape) => {
            fault.help("write a name and a condition for each check: `{it serves mail: serving}`")
        }
        Value::Text(text) if shape.any(|one| matches!(one, Shape::Int(_))) => {
            number_help(&text.text, shape, fault)
        }
        Value::Text(text) if let Some(line) = meant(&text.text, shape) => {
            fault.help(format!("write `{line}`"))
        }
        Value::Map(entries) if let Some(list) = list_inside(entries, shape) => {
            fault.help(format!("write the list of `{list}` here, and the other keys next to it"))
        }
        Value::Map(entries) if matches!(shape, Shape::List(..)) => match entries.first() {
            Some(first) => fault.help(format!("start each item with `- `: `- {}: ...`", first.key)),
            None => fault.help(format!("write `{}`", sample(shape))),
        },
        Value::Text(_) if matches!(shape, Shape::List(..)) => {
            fault.help("write a list: `[one, two]`, or `- item` on a line for each item")
        }
        _ => fault.help(format!("write `{}`", sample(shape))),
    };
    found.push(fault);
}

/// Whether a shape takes messages with their conditions.
fn is_assertions(shape: &Shape) -> bool {
    shape.any(|one| matches!(one, Shape::Map(_, inner, _) if is_condition(inner)))
}

/// Returns the key of a list that is one level too deep.
fn list_inside<'a>(entries: &'a [Entry], shape: &Shape) -> Option<&'a str> {
    let Shape::List(item, _) = shape else { return None };
    let record = item.record()?;
    let is_list = |entry: &&Entry| {
        matches!(entry.value.value, Value::List(_)) && record.field(&entry.key).is_none()
    };
    entries.iter().find(is_list).map(|entry| entry.key.as_str())
}

/// Returns the mapping that a string is short for: its only key, or a command.
fn meant(text: &str, shape: &Shape) -> Option<String> {
    let Shape::OneOf(all) = shape else { return None };
    only_key(text, all).or_else(|| command(text, all))
}

fn command(text: &str, all: &[Shape]) -> Option<String> {
    let mut records = all.iter().filter_map(Shape::record);
    let record = records.find(|record| record.field("run").is_some())?;
    let text = written(text)?;
    let done = record.field("done_when").map_or("", |_| ", done_when: ...");
    Some(format!("{{run: {text}{done}}}"))
}

/// Returns the mapping that a value is short for: the default of an input.
pub(super) fn default_of(node: &Node, record: &Record) -> Option<String> {
    record.field("type")?;
    record.field("default")?;
    let (kind, value) = match &node.value {
        Value::Text(text) => ("string", written(&text.text)?),
        Value::Int(number) => ("int", number.to_string()),
        Value::Bool(value) => ("bool", value.to_string()),
        _ => return None,
    };
    Some(format!("{{type: {kind}, default: {value}}}"))
}

/// Returns a string as it is written in `{ }`.
fn written(text: &str) -> Option<String> {
    if text.contains(['\n', '`', '\\']) {
        return None;
    }
    let signs = [':', ',', '{', '}', '[', ']', '#', '"', '\''];
    Some(if text.contains(signs) { format!("{text:?}") } else { text.to_owned() })
}

/// Adds what to write instead of a string if a number is expected.
fn number_help(text: &str, shape: &Shape, fault: Diagnostic) -> Diagnostic {
    if text.trim().ends_with('%') {
        return fault.help("write a number: percentages are not supported");
    }
    match text.trim().parse::<i64>() {
        Ok(number) => fault.help(format!("write it without quotes: `{number}`")),
        Err(_) => fault.help(format!("write `{}`", sample(shape))),
    }
}

fn is_condition(shape: &Shape) -> bool {
    matches!(shape, Shape::OneOf(_))
        && shape.any(|one| matches!(one, Shape::Text(form) if form.kind == FormKind::Expression))
}

pub(in crate::schema) fn is_duration(shape: &Shape) -> bool {
    shape.any(|one| match one {
        Shape::Text(form) => form.kind == FormKind::Duration,
        Shape::Late(inner) => is_duration(inner),
        _ => false,
    })
}

/// Returns the mapping with a single key that a string names: `{continue: REASON}`.
pub(super) fn only_key(text: &str, all: &[Shape]) -> Option<String> {
    let meant = format!("{{{}: REASON}}", text.to_ascii_lowercase());
    with_reason(all).find(|line| *line == meant)
}

/// Returns the mappings with a single key that are allowed instead of a keyword.
pub(super) fn with_reason(all: &[Shape]) -> impl Iterator<Item = String> {
    all.iter().filter_map(Shape::record).filter_map(|record| match record.fields.as_slice() {
        [field] => Some(format!("{{{}: REASON}}", field.name)),
        _ => None,
    })
}

/// Returns an example of a shape, for a help line.
pub(super) fn sample(shape: &Shape) -> String {
    match shape {
        Shape::Any | Shape::Scalar => "value".into(),
        Shape::Text(form) => form.example.split(',').next().unwrap_or_default().into(),
        Shape::Choice(words) => words.join(" | "),
        Shape::Bool => "true".into(),
        Shape::Int(min) => min.to_string(),
        Shape::Null => "nothing".into(),
        Shape::Late(inner) => sample(inner),
        Shape::List(inner, _) => format!("[{}]", sample(inner)),
        Shape::Map(_, inner, _) => format!("{{key: {}}}", sample(inner)),
        Shape::Record(id) => sample_of(id.get()),
        Shape::OneOf(all) => all.first().map_or_else(String::new, sample),
    }
}

pub(super) fn sample_of(record: &Record) -> String {
    let first = record.one_of.first();
    let fields = record.fields.iter();
    let fields = fields.filter(|field| field.required || first == Some(&field.name));
    let keys = fields.map(|field| format!("{}: {}", field.name, sample(&field.shape)));
    format!("{{{}}}", keys.collect::<Vec<_>>().join(", "))
}
