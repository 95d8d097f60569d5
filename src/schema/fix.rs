//! Fixes of invalid values, if a program can apply them. A proposed value has passed the check.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Edit};
use crate::document::{Node, Style, Text, Value};
use crate::schema::check::check;
use crate::schema::check::wrong_type::is_duration;
use crate::schema::foreign::values;
use crate::schema::{Form, FormKind, Record, Select, Shape};
use crate::source::{Sources, Span};

pub(super) struct ValueFix {
    /// What to do, as an imperative.
    pub(super) text: String,
    /// The YAML that replaces the value.
    pub(super) yaml: String,
}

/// Returns the fix of a value of the wrong type.
pub(super) fn of_kind(node: &Node, shape: &Shape) -> Option<ValueFix> {
    let fix = |text: String, yaml: String| Some(ValueFix { text, yaml });
    match &node.value {
        Value::Int(number) if is_duration(shape) && *number >= 0 => {
            fix(format!("add a unit, such as seconds: `{number}s`"), format!("{number}s"))
        }
        Value::Int(number) if item_fits(node, shape) && !text_fits(shape, &number.to_string()) => {
            let list = format!("[{number}]");
            fix(format!("write a list: `{list}`"), list)
        }
        Value::Int(_) | Value::Bool(_) if takes(shape, Select::Text) => {
            let word = match node.value {
                Value::Int(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                _ => return None,
            };
            // YAML reads a mode as an octal number: 644 means 0644.
            let octal = matches!(shape, Shape::Text(form) if form.kind == FormKind::Mode);
            let word = if octal && word.len() == 3 { format!("0{word}") } else { word };
            text_fits(shape, &word).then_some(())?;
            fix(format!("put quotes around it: `\"{word}\"`"), format!("\"{word}\""))
        }
        Value::Text(text) if takes(shape, Select::Bool) => {
            let value = values::bool(&text.text)?;
            fix(format!("write `{value}`"), value.to_owned())
        }
        Value::Text(text) if takes(shape, Select::List) && text.style == Style::Plain => {
            let plain = !text.text.contains([',', '[', ']', '{', '}', ':', '#', '\n']);
            let list = format!("[{}]", text.text);
            plain.then_some(())?;
            let Shape::List(item, 0 | 1) = shape else { return None };
            fits(node, item).then_some(())?;
            fix(format!("write a list: `{list}`"), list)
        }
        _ => None,
    }
}

/// Whether a value passes the check.
pub(super) fn fits(node: &Node, shape: &Shape) -> bool {
    let mut found = Diagnostics::default();
    check(node, shape, &mut found);
    found.is_empty()
}

fn item_fits(node: &Node, shape: &Shape) -> bool {
    shape.any(|one| matches!(one, Shape::List(item, 0 | 1) if fits(node, item)))
}

/// Returns the fix of a string of the wrong form.
pub(super) fn of_form(text: &str, form: &Form) -> Option<ValueFix> {
    let word = match form.kind {
        FormKind::Duration => duration(text)?,
        FormKind::Id => name(text, '_'),
        FormKind::PlanName => name(text, '-'),
        _ => return None,
    };
    form.fits(&word).then(|| ValueFix { text: format!("write `{word}`"), yaml: word })
}

/// Returns planrun's name of a foreign key, if its value fits there.
pub(super) fn renamed<'a>(
    node: &Node,
    value: &Node,
    record: &Record,
    name: &'a str,
) -> Option<&'a str> {
    let field = record.field(name).filter(|_| node.get(name).is_none())?;
    fits(value, &field.shape).then_some(name)
}

/// Reports a string in `{ }` that ended at its comma, and returns whether there is one.
///
/// The rest became a key without a value. In a record it belongs to the value before it; among the
/// names of checks it belongs to the key after it.
pub(super) fn prose(node: &Node, record: bool, found: &mut Diagnostics) -> bool {
    let entries = node.entries();
    let Some(at) = entries.iter().position(|entry| entry.bare) else { return false };
    let last = entries[at..].iter().take_while(|entry| entry.bare).count() + at;
    let before = at.checked_sub(1).map(|before| &entries[before]);
    let before = before.filter(|entry| plain(&entry.value.value));
    let (start, end) = match (before, entries.get(last)) {
        (_, Some(behind)) if !record => (entries[at].key_span, behind.key_span),
        (Some(before), _) => (before.value.span, entries[last - 1].key_span),
        _ => return false,
    };
    let edge = |at: usize| Span::new(start.source, at, at);
    let edits =
        vec![Edit::new(edge(start.range().start), "\""), Edit::new(edge(end.range().end), "\"")];
    let key = entries[at].key_span;
    Diagnostic::error(Code::CommaInBraces, "unquoted comma in a `{ }` value")
        .at(key, "parsed as a separate key")
        .fix_all("put quotes around the value", edits)
        .emit(found);
    true
}

/// Whether a value is a plain string without quotes in it.
fn plain(value: &Value) -> bool {
    let Value::Text(text) = value else { return false };
    text.style == Style::Plain && !text.text.contains(['"', '\\', '\n'])
}

/// Returns a string in lower case; the joint replaces all but letters and digits.
fn name(text: &str, joint: char) -> String {
    let mut name = String::new();
    for character in text.trim().chars() {
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_lowercase());
        } else if !name.ends_with(joint) {
            name.push(joint);
        }
    }
    name.trim_matches(joint).to_owned()
}

/// Returns a duration in planrun's form; plain numbers are seconds.
fn duration(text: &str) -> Option<String> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if digits {
        return Some(format!("{text}s"));
    }
    values::duration(text)
}

fn takes(shape: &Shape, select: Select) -> bool {
    shape.any(|one| one.select() == select)
}

fn text_fits(shape: &Shape, word: &str) -> bool {
    let mut sources = Sources::default();
    let id = sources.add("", word);
    let node = Node {
        value: Value::Text(Text { text: word.to_owned(), style: Style::Double }),
        span: Span::new(id, 0, word.len()),
        alias: None,
    };
    fits(&node, shape)
}
