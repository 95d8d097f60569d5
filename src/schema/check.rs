//! Holds a document against a shape and tells every fault.

use std::sync::LazyLock;
use std::sync::Mutex;

use indexmap::IndexMap;
use regex::Regex;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::nearest;
use crate::document::Node;
use crate::document::Value;
use crate::schema::Form;
use crate::schema::Record;
use crate::schema::Select;
use crate::schema::Shape;
use crate::schema::one_of;

/// Checks a node against a shape; every fault is told, and the check goes on behind it.
pub fn check(node: &Node, shape: &Shape, found: &mut Diagnostics) {
    match shape {
        Shape::Any => {}
        Shape::Late(inner) => {
            if !is_template(node) {
                check(node, inner, found);
            }
        }
        Shape::Text(form) => match node.as_text() {
            Some(text) => check_form(text, form, node, found),
            None => wrong_kind(node, shape, found),
        },
        Shape::Choice(words) => match node.as_text() {
            Some(text) if words.contains(&text) => {}
            Some(text) => unknown_word(text, words, node, found),
            None => wrong_kind(node, shape, found),
        },
        Shape::Int(min) => match node.value {
            Value::Int(value) if value >= *min => {}
            Value::Int(value) => found.push(
                Diagnostic::error("out-of-range", format!("{value} is less than {min}"))
                    .at(node.span, format!("must be at least {min}"))
                    .help(format!("write {min} or more")),
            ),
            _ => wrong_kind(node, shape, found),
        },
        Shape::Bool => kind(node, shape, matches!(node.value, Value::Bool(_)), found),
        Shape::Null => kind(node, shape, matches!(node.value, Value::Null), found),
        Shape::Scalar => {
            let scalar = !matches!(node.value, Value::List(_) | Value::Map(_) | Value::Null);
            kind(node, shape, scalar, found);
        }
        Shape::List(inner, min) => match &node.value {
            Value::List(items) => {
                for item in items {
                    check(item, inner, found);
                }
                if items.len() < *min {
                    too_few(node, *min, "items", found);
                }
            }
            _ => wrong_kind(node, shape, found),
        },
        Shape::Map(keys, inner, min) => match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let key = Node {
                        value: Value::Null,
                        span: entry.key_span,
                        alias: None,
                    };
                    check_form(&entry.key, keys, &key, found);
                    check(&entry.value, inner, found);
                }
                if entries.len() < *min {
                    too_few(node, *min, "entries", found);
                }
            }
            _ => wrong_kind(node, shape, found),
        },
        Shape::Record(record) => check_record(node, record, found),
        Shape::OneOf(alternatives) => match select(node, alternatives) {
            Some(inner) => check(node, inner, found),
            None => wrong_kind(node, shape, found),
        },
    }
}

/// Returns the alternative that a node's kind or keys select.
pub(super) fn select<'a>(node: &Node, alternatives: &'a [(Select, Shape)]) -> Option<&'a Shape> {
    let fits = |select: &Select| match (select, &node.value) {
        (Select::Text, Value::Text(_))
        | (Select::Bool, Value::Bool(_))
        | (Select::Int, Value::Int(_))
        | (Select::Scalar, Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_))
        | (Select::List, Value::List(_))
        | (Select::Map, Value::Map(_))
        | (Select::Null, Value::Null) => true,
        (Select::Key(key), Value::Map(_)) => node.get(key).is_some(),
        _ => false,
    };
    alternatives
        .iter()
        .find(|(select, _)| fits(select))
        .map(|(_, shape)| shape)
}

/// Whether a node is a text with a template in it.
fn is_template(node: &Node) -> bool {
    node.as_text().is_some_and(|text| text.contains("{{"))
}

fn check_record(node: &Node, record: &Record, found: &mut Diagnostics) {
    let Value::Map(entries) = &node.value else {
        not_a_record(node, record, found);
        return;
    };
    for entry in entries {
        match (record.field(&entry.key), record.rest) {
            (Some(field), _) => check(&entry.value, &field.shape, found),
            (None, Some(rest)) => check(&entry.value, rest, found),
            (None, None) => unknown_key(&entry.key, entry.key_span, record, found),
        }
    }
    for field in record.fields.iter().filter(|field| field.required) {
        if node.get(field.name).is_none() && !meant(node, field.name, record) {
            let message = format!("{} lacks `{}`", record.name, field.name);
            found.push(
                Diagnostic::error("missing-key", message)
                    .at(head(node), format!("`{}` is not here", field.name))
                    .help(format!("add `{}: {}`", field.name, sample(&field.shape))),
            );
        }
    }
    if !record.one_of.is_empty() {
        check_one_of(node, record, found);
    }
}

/// Whether an unknown key stands for a missing one: its cure names it, so nothing else is told.
fn meant(node: &Node, name: &str, record: &Record) -> bool {
    let unknown = node
        .entries()
        .iter()
        .filter(|entry| record.field(&entry.key).is_none() && record.rest.is_none());
    let quoted = format!("`{name}`");
    let names: Vec<&str> = record.fields.iter().map(|field| field.name).collect();
    unknown.into_iter().any(|entry| {
        let foreign = record.foreign.iter().find(|(word, _)| *word == entry.key);
        match foreign {
            Some((_, cure)) => cure.contains(&quoted),
            None => nearest(&entry.key, names.iter().copied()) == Some(name),
        }
    })
}

fn check_one_of(node: &Node, record: &Record, found: &mut Diagnostics) {
    let mut present = node
        .entries()
        .iter()
        .filter(|e| record.one_of.contains(&e.key.as_str()));
    let Some(first) = present.next() else {
        let (message, label) = if record.one_of.contains(&"run") {
            (
                format!("{} says nothing to do", record.name),
                "no action here",
            )
        } else {
            (
                format!("{} says too little", record.name),
                "something is missing here",
            )
        };
        found.push(
            Diagnostic::error("missing-action", message)
                .at(head(node), label)
                .help(format!("add exactly one of {}", one_of(record.one_of))),
        );
        return;
    };
    for other in present {
        let message = format!("`{}` and `{}` exclude each other", first.key, other.key);
        found.push(
            Diagnostic::error("several-actions", message)
                .at(other.key_span, "the second one")
                .also(first.key_span, "the first one")
                .help(format!("keep one: {} has only one of them", record.name)),
        );
    }
}

/// Tells that a mapping was expected, in the record's own name.
fn not_a_record(node: &Node, record: &Record, found: &mut Diagnostics) {
    let keys: Vec<&str> = if record.one_of.is_empty() {
        record
            .fields
            .iter()
            .map(|field| field.name)
            .take(6)
            .collect()
    } else {
        record.one_of.to_vec()
    };
    found.push(
        Diagnostic::error(
            "wrong-type",
            format!("found {}, expected {}", node.kind(), record.name),
        )
        .at(place(node), format!("this is {}", node.kind()))
        .help(format!("write a mapping with {}", one_of(&keys))),
    );
}

fn unknown_key(key: &str, span: crate::source::Span, record: &Record, found: &mut Diagnostics) {
    let fault = Diagnostic::error("unknown-key", format!("{} has no `{key}`", record.name))
        .at(span, "not a word of planrun here");
    if let Some((_, cure)) = record.foreign.iter().find(|(word, _)| *word == key) {
        found.push(fault.help(*cure));
        return;
    }
    let names: Vec<&str> = record.fields.iter().map(|field| field.name).collect();
    found.push(match nearest(key, names.iter().copied()) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help(format!("{} takes {}", record.name, one_of(&names))),
    });
}

fn unknown_word(text: &str, words: &[&str], node: &Node, found: &mut Diagnostics) {
    let fault = Diagnostic::error("unknown-word", format!("`{text}` is not {}", one_of(words)))
        .at(place(node), "not one of them");
    found.push(match nearest(text, words.iter().copied()) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help(format!("write {}", one_of(words))),
    });
}

fn kind(node: &Node, shape: &Shape, right: bool, found: &mut Diagnostics) {
    if !right {
        wrong_kind(node, shape, found);
    }
}

fn wrong_kind(node: &Node, shape: &Shape, found: &mut Diagnostics) {
    let message = format!("found {}, expected {}", node.kind(), shape.expected());
    let mut fault = Diagnostic::error("wrong-type", message)
        .at(place(node), format!("this is {}", node.kind()));
    let text_wanted = matches!(shape, Shape::Text(_) | Shape::Choice(_))
        || matches!(shape, Shape::OneOf(all) if all.iter().any(|(s, _)| *s == Select::Text));
    fault = match &node.value {
        Value::Null => fault.help(format!("write a value: {}", sample(shape))),
        Value::Int(_) if is_duration(shape) => fault.help("add a unit: `90s`, `15m`, `1h`"),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) if text_wanted => {
            fault.help("put quotes around it")
        }
        Value::Map(entries) if text_wanted && entries.iter().all(|e| e.key.starts_with('{')) => {
            fault.help("put quotes around a value that begins with a template: `\"{{ name }}\"`")
        }
        Value::Text(text) if matches!(shape, Shape::Bool) => match text.text.as_str() {
            "yes" | "on" => fault.help("write `true`"),
            "no" | "off" => fault.help("write `false`"),
            _ => fault.help("write `true` or `false`"),
        },
        Value::Text(_) if matches!(shape, Shape::List(..)) => {
            fault.help("write a list: `[one, two]`, or a line `- item` each")
        }
        _ => fault.help(format!("write {}", sample(shape))),
    };
    found.push(fault);
}

fn is_duration(shape: &Shape) -> bool {
    match shape {
        Shape::Text(form) => form.name == crate::schema::DURATION.name,
        Shape::Late(inner) => is_duration(inner),
        Shape::OneOf(all) => all.iter().any(|(_, shape)| is_duration(shape)),
        _ => false,
    }
}

fn too_few(node: &Node, min: usize, what: &str, found: &mut Diagnostics) {
    found.push(
        Diagnostic::error("too-few", format!("there must be at least {min} {what}"))
            .at(place(node), "too few")
            .help("fill it, or remove the key"),
    );
}

fn check_form(text: &str, form: &Form, node: &Node, found: &mut Diagnostics) {
    let Some(pattern) = form.pattern else { return };
    if matches(pattern, text) {
        return;
    }
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let fault = if text.trim().is_empty() {
        Diagnostic::error(
            "empty-text",
            format!("found empty text, expected {}", form.name),
        )
    } else {
        Diagnostic::error(
            "wrong-form",
            format!("`{}` is not {}", short(text), form.name),
        )
    };
    let help = if digits && form.name == crate::schema::DURATION.name {
        format!("add a unit: `{text}s`, `{text}m`, `{text}h`")
    } else {
        format!("write something like `{}`", form.example)
    };
    found.push(
        fault
            .at(place(node), format!("not {}", form.name))
            .help(help),
    );
}

/// Whether a text matches a pattern of a [`Form`].
pub(super) fn matches(pattern: &'static str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<IndexMap<&'static str, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    compiled
        .entry(pattern)
        .or_insert_with(|| Regex::new(pattern).expect("patterns of forms are constants"))
        .is_match(text)
}

/// Where to point: at the alias that brought a node here, else at the node.
fn place(node: &Node) -> crate::source::Span {
    node.alias.unwrap_or(node.span)
}

/// The first key of a mapping, the place for what is missing in it.
fn head(node: &Node) -> crate::source::Span {
    node.entries()
        .first()
        .map_or(place(node), |entry| entry.key_span)
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 40 && line == text {
        return text.to_owned();
    }
    format!("{}...", line.chars().take(37).collect::<String>())
}

/// An example of a shape, for a help.
fn sample(shape: &Shape) -> String {
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
        Shape::Record(record) => {
            let keys: Vec<String> = record
                .fields
                .iter()
                .filter(|field| field.required || record.one_of.first() == Some(&field.name))
                .map(|field| format!("{}: {}", field.name, sample(&field.shape)))
                .collect();
            format!("{{{}}}", keys.join(", "))
        }
        Shape::OneOf(all) => all
            .first()
            .map_or_else(String::new, |(_, shape)| sample(shape)),
    }
}
