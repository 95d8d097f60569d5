//! Checks a document against a shape and reports every problem.

pub(super) mod wrong_type;

use std::sync::{LazyLock, Mutex};

use indexmap::IndexMap;
use regex::Regex;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, MAX_FAULTS, nearest};
use crate::document::{Entry, Node, Value};
use crate::schema::check::wrong_type::{
    default_of, only_key, sample, sample_of, with_reason, wrong_kind,
};
use crate::schema::foreign::carry::Carry;
use crate::schema::foreign::{carry, values};
use crate::schema::{Form, Record, Select, Shape, fix, foreign, one_of, selects};
use crate::source::Span;

/// Checks a node against a shape. It reports every problem and continues after each.
pub fn check(node: &Node, shape: &Shape, found: &mut Diagnostics) {
    if found.is_full() {
        found.stop();
    } else {
        check_value(node, shape, found);
    }
}

fn check_value(node: &Node, shape: &Shape, found: &mut Diagnostics) {
    match (shape, &node.value) {
        (Shape::Scalar, Value::List(_) | Value::Map(_) | Value::Null) => {
            wrong_kind(node, shape, found);
        }
        (Shape::Any | Shape::Scalar, _)
        | (Shape::Bool, Value::Bool(_))
        | (Shape::Null, Value::Null) => {}
        (Shape::Late(inner), _) => {
            if !is_template(node) {
                check(node, inner, found);
            }
        }
        (Shape::Text(form), Value::Text(text)) => check_form(&text.text, form, node, found),
        (Shape::Choice(words), Value::Text(text)) => {
            if !words.contains(&text.text.as_str()) {
                unknown_word(&text.text, words, std::iter::empty(), node, found);
            }
        }
        (Shape::Int(min), Value::Int(value)) => {
            if value < min {
                Diagnostic::error(Code::OutOfRange, format!("{value} is less than {min}"))
                    .at(node.span, format!("must be at least {min}"))
                    .help(format!("write {min} or more"))
                    .emit(found);
            }
        }
        (Shape::List(inner, min), Value::List(items)) => {
            for item in items {
                check(item, inner, found);
            }
            if items.len() < *min {
                too_few(node, *min, "list", found);
            }
        }
        (Shape::Map(keys, inner, min), Value::Map(entries)) => {
            if fix::prose(node, false, found) {
                return;
            }
            for entry in entries {
                let key = Node { value: Value::Null, span: entry.key_span, alias: None };
                check_form(&entry.key, keys, &key, found);
                check(&entry.value, inner, found);
            }
            if entries.len() < *min {
                too_few(node, *min, "mapping", found);
            }
        }
        (Shape::Record(id), _) => check_record(node, id.get(), found),
        (Shape::OneOf(alternatives), _) => match select(node, alternatives) {
            Some(Shape::Choice(words)) => choice(node, words, alternatives, found),
            Some(Shape::Text(_) | Shape::Late(_))
                if let Some(meant) = bool_word(node, alternatives) =>
            {
                not_a_bool(node, meant, found);
            }
            Some(inner) => check(node, inner, found),
            None => wrong_kind(node, shape, found),
        },
        _ => wrong_kind(node, shape, found),
    }
}

/// Returns the alternative that a node's kind or keys select.
fn select<'a>(node: &Node, alternatives: &'a [Shape]) -> Option<&'a Shape> {
    let fits = |select: Select| match (select, &node.value) {
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
    selects(alternatives).find(|(select, _)| fits(*select)).map(|(_, shape)| shape)
}

/// Checks a keyword that has mappings as alternatives. `continue` alone is an error: it needs
/// `{continue: REASON}`.
fn choice(node: &Node, words: &[&str], all: &[Shape], found: &mut Diagnostics) {
    let text = node.as_text().unwrap_or_default();
    if words.contains(&text) {
        return;
    }
    match only_key(text, all) {
        Some(line) => found.push(
            Diagnostic::error(Code::UnknownWord, format!("`{text}` requires a reason"))
                .at(place(node), "missing reason")
                .help(format!("write `{line}`")),
        ),
        None => unknown_word(text, words, with_reason(all), node, found),
    }
}

/// Returns the bool that a string such as `yes` means, if a bool is allowed: YAML 1.2 reads a string.
fn bool_word(node: &Node, alternatives: &[Shape]) -> Option<&'static str> {
    let takes_bool = alternatives.iter().any(|one| matches!(one, Shape::Bool));
    values::bool(node.as_text().filter(|_| takes_bool)?)
}

fn not_a_bool(node: &Node, meant: &str, found: &mut Diagnostics) {
    let text = node.as_text().unwrap_or_default();
    Diagnostic::error(Code::WrongType, format!("`{text}` is a string, not a bool"))
        .at(place(node), "in YAML 1.2 only `true` and `false` are booleans")
        .fix(format!("write `{meant}`"), node.span, meant)
        .emit(found);
}

fn is_template(node: &Node) -> bool {
    node.as_text().is_some_and(|text| text.contains("{{"))
}

fn check_record(node: &Node, record: &Record, found: &mut Diagnostics) {
    let Value::Map(entries) = &node.value else {
        not_a_record(node, record, found);
        return;
    };
    if fix::prose(node, true, found) {
        return;
    }
    for entry in entries {
        if found.is_full() {
            found.stop();
            return;
        }
        match (record.field(&entry.key), &record.rest) {
            (Some(field), _) => check(&entry.value, &field.shape, found),
            (None, Some(rest)) => check(&entry.value, rest, found),
            (None, None) => unknown_key(node, entry, record, found),
        }
    }
    let names: Vec<&str> = record.fields.iter().map(|field| field.name).collect();
    for field in record.fields.iter().filter(|field| field.required) {
        let is_meant = || record.rest.is_none() && meant(node, record, &[field.name], &names);
        if node.get(field.name).is_none() && !is_meant() {
            let message = format!("missing key `{}` in {}", field.name, record.name);
            let fault = Diagnostic::error(Code::MissingKey, message)
                .missing_at(head(node), format!("`{}` is required", field.name));
            let order = format!("add `{}: {}`", field.name, sample(&field.shape));
            let top = node.span.range().start == head(node).range().start;
            // Only the value of `version` is certain.
            found.push(if field.name == "version" && top && node.alias.is_none() {
                let at = head(node).range().start;
                let before = Span::new(node.span.source, at, at);
                fault.fix(order, before, "version: 1\n")
            } else {
                fault.help(order)
            });
        }
    }
    if !record.one_of.is_empty() {
        check_one_of(node, record, found);
    }
}

/// Whether an unknown key was meant to be one of the missing ones, among these names. Its fix names that, so
/// only the unknown key is reported.
fn meant(node: &Node, record: &Record, missing: &[&str], names: &[&str]) -> bool {
    let entries = node.entries().iter();
    let unknown = entries.filter(|entry| record.field(&entry.key).is_none());
    unknown.take(MAX_FAULTS).any(|entry| match foreign::find(record, &entry.key) {
        Some(word) => word.replaces(missing),
        None => nearest(&entry.key, names.iter().copied()).is_some_and(|it| missing.contains(&it)),
    })
}

fn check_one_of(node: &Node, record: &Record, found: &mut Diagnostics) {
    let mut present = node.entries().iter().filter(|e| record.one_of.contains(&e.key.as_str()));
    let Some(first) = present.next() else {
        if meant(node, record, &record.one_of, &record.one_of) {
            return;
        }
        let (message, label) = if record.one_of.contains(&"run") {
            (format!("missing action in {}", record.name), "no action")
        } else {
            (format!("missing key in {}", record.name), "incomplete")
        };
        Diagnostic::error(Code::MissingAction, message)
            .missing_at(head(node), label)
            .help(format!("add exactly one of {}", one_of(&record.one_of)))
            .emit(found);
        return;
    };
    for other in present {
        let message = format!("`{}` and `{}` cannot be combined", first.key, other.key);
        Diagnostic::error(Code::SeveralActions, message)
            .at(other.key_span, "second key")
            .also(first.key_span, "first key")
            .help(format!("remove one: {} takes only one of them", record.name))
            .emit(found);
    }
}

fn not_a_record(node: &Node, record: &Record, found: &mut Diagnostics) {
    let keys: Vec<&str> = if record.one_of.is_empty() {
        record.fields.iter().map(|field| field.name).take(6).collect()
    } else {
        record.one_of.clone()
    };
    let line = first_field(node, record).or_else(|| default_of(node, record));
    Diagnostic::error(Code::WrongType, format!("expected {}, found {}", record.name, node.kind()))
        .at(place(node), format!("this is {}", node.kind()))
        .help(match (list_of(node, record), line) {
            (Some(key), _) => format!("put the list under `{key}:`"),
            (None, Some(line)) => format!("write `{line}`"),
            (None, None) if record.fields.iter().all(|field| field.required) => {
                format!("write `{}`", sample_of(record))
            }
            (None, None) => format!("write a mapping with {}", one_of(&keys)),
        })
        .emit(found);
}

/// Returns the key for a list that was written instead of a whole record.
fn list_of(node: &Node, record: &Record) -> Option<&'static str> {
    let lists = |shape: &Shape| matches!(shape, Shape::List(item, _) if item.record().is_some());
    let field = record.fields.iter().find(|field| lists(&field.shape));
    let whole = record.one_of.is_empty() && matches!(node.value, Value::List(_));
    field.filter(|_| whole).map(|field| field.name)
}

/// Returns the mapping that a plain value is short for: the value of the only required key.
fn first_field(node: &Node, record: &Record) -> Option<String> {
    let mut required = record.fields.iter().filter(|field| field.required);
    let (field, None) = (required.next()?, required.next()) else { return None };
    let value = carry::written(node).filter(|_| fix::fits(node, &field.shape))?;
    Some(format!("{{{}: {value}}}", field.name))
}

fn unknown_key(node: &Node, entry: &Entry, record: &Record, found: &mut Diagnostics) {
    let key = &entry.key;
    let fault =
        Diagnostic::error(Code::UnknownKey, format!("unknown key `{key}` in {}", record.name));
    if let Some(word) = foreign::find(record, key) {
        let fault = fault.at(entry.key_span, word.label());
        let help = word.help(entry).into_iter();
        let name = match word.carry {
            Carry::Value(name) => fix::renamed(node, &entry.value, record, name),
            _ => None,
        };
        found.push(match name {
            Some(name) => fault.fix(format!("write `{name}` instead"), entry.key_span, name),
            None => help.fold(fault, Diagnostic::help),
        });
        return;
    }
    let fault = fault.at(entry.key_span, "not a valid key here");
    if found.is_full() {
        // It is not shown, so its help is not needed.
        found.push(fault);
        return;
    }
    let names: Vec<&str> = record.fields.iter().map(|field| field.name).collect();
    found.push(match nearest(key, names.iter().copied()) {
        Some(near) if node.get(near).is_none() => {
            fault.fix(format!("did you mean `{near}`?"), entry.key_span, near)
        }
        Some(near) => fault.help(format!("did you mean `{near}`, which is already set?")),
        None => fault.help(format!("{} takes {}", record.name, one_of(&names))),
    });
}

/// Reports a string that is not one of the keywords; `others` are mappings that are allowed too.
fn unknown_word(
    text: &str,
    words: &[&str],
    others: impl Iterator<Item = String>,
    node: &Node,
    found: &mut Diagnostics,
) {
    if is_template(node) {
        found.push(no_template(node, &words.join(", ")));
        return;
    }
    let fault = Diagnostic::error(Code::UnknownWord, format!("`{text}` is not {}", one_of(words)));
    let fault = pointed(fault, node, "unknown value");
    let order = |near: &str| format!("did you mean `{near}`?");
    let fixed = match values::find(text, words) {
        Some(meant) => Some((format!("write `{meant}` instead"), meant)),
        None => nearest(&text.to_ascii_lowercase(), words.iter().copied())
            .map(|near| (order(near), near)),
    };
    found.push(match fixed {
        Some((order, word)) => fault.fix(order, node.span, word),
        None => others.fold(fault.help(format!("write {}", one_of(words))), |fault, other| {
            fault.help(format!("or `{other}`"))
        }),
    });
}

fn too_few(node: &Node, min: usize, what: &str, found: &mut Diagnostics) {
    Diagnostic::error(
        Code::TooFew,
        match min {
            1 => "must not be empty".to_owned(),
            _ => format!("must have at least {min} {what}"),
        },
    )
    .at(place(node), "too few entries")
    .help("add an entry, or remove the key")
    .emit(found);
}

fn check_form(text: &str, form: &Form, node: &Node, found: &mut Diagnostics) {
    let Some(pattern) = form.pattern else { return };
    if matches(pattern, text) {
        return;
    }
    if is_template(node) {
        found.push(no_template(node, &form.example.replace('"', "")));
        return;
    }
    let fault = if text.trim().is_empty() {
        Diagnostic::error(Code::EmptyText, format!("expected {}, found an empty string", form.name))
    } else {
        Diagnostic::error(Code::WrongForm, format!("`{}` is not {}", short(text), form.name))
    };
    let fault = pointed(fault, node, format!("not {}", form.name));
    found.push(if let Some(fix) = fix::of_form(text, form) {
        fault.fix(fix.text, node.span, fix.yaml)
    } else {
        let examples: Vec<&str> = form.example.split(", ").collect();
        fault.help(format!("write something like {}", one_of(&examples)))
    });
}

/// Whether a text matches a pattern of a [`Form`].
pub(super) fn matches(pattern: &'static str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<IndexMap<&'static str, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    compiled
        .entry(pattern)
        .or_insert_with(|| Regex::new(pattern).expect("patterns of forms are constants"))
        .is_match(text)
}

/// Returns the error of a template that is not allowed; `examples` are separated by commas.
pub(super) fn no_template(node: &Node, examples: &str) -> Diagnostic {
    let examples: Vec<&str> = examples.split(", ").collect();
    let fault = Diagnostic::error(Code::NoTemplateHere, "templates are not allowed here");
    pointed(fault, node, "evaluated before inputs are known")
        .help(format!("write the value itself: {}", one_of(&examples)))
}

/// Points at a value; if an alias refers to it, at the alias first.
pub(super) fn pointed(fault: Diagnostic, node: &Node, label: impl Into<String>) -> Diagnostic {
    let fault = fault.at(place(node), label);
    match node.alias {
        Some(_) => fault.also(node.span, "defined here"),
        None => fault,
    }
}

/// Returns what to point at: the alias of a node if it has one, else the node.
fn place(node: &Node) -> Span {
    node.alias.unwrap_or(node.span)
}

/// Returns the first key of a mapping: where to report what is missing in it.
fn head(node: &Node) -> Span {
    node.entries().first().map_or(place(node), |entry| entry.key_span)
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 40 && line == text {
        return text.to_owned();
    }
    format!("{}...", line.chars().take(37).collect::<String>())
}
