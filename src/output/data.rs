//! Values with their own types: JSON and YAML.

use serde_json::Value;

use crate::diagnostic::Diagnostics;
use crate::document::{self, Node};
use crate::output::table::{Row, keyed, kind};
use crate::output::{
    Data, MAX_VALUES, TOO_LARGE, Type, bounded, convert, is_blank, is_whole, quoted,
};
use crate::source::Sources;

pub(super) fn json(text: &str, data: &Data) -> Result<Value, String> {
    if is_blank(text) {
        return Err("expected JSON, found no output".into());
    }
    rows(json_value(text)?, data)
}

/// Reads a list: a value in each line, without empty lines.
pub(super) fn json_lines(text: &str, data: &Data) -> Result<Value, String> {
    let lines = || text.lines().enumerate().filter(|(_, line)| !is_blank(line));
    bounded(lines().count())?;
    let value = |(number, line): (usize, &str)| {
        json_value(line).map_err(|why| format!("line {}: {why}", number + 1))
    };
    rows(lines().map(value).collect::<Result<_, _>>()?, data)
}

fn json_value(text: &str) -> Result<Value, String> {
    if values(text) > MAX_VALUES {
        return Err(format!("it printed more than {MAX_VALUES} values"));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let found = quoted(text.lines().nth(error.line().saturating_sub(1)).unwrap_or(""));
        format!("the output is not valid JSON: {error}, found {found}")
    })?;
    // It would be rounded.
    let fits = |number: &str| number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
    match numbers(text).find(|number| is_whole(number) && !fits(number)) {
        Some(number) => Err(format!("expected {TOO_LARGE}, found {}", quoted(number))),
        None => Ok(value),
    }
}

pub(super) fn yaml(text: &str, data: &Data) -> Result<Value, String> {
    if is_blank(text) {
        return Err("expected YAML, found no output".into());
    }
    let mut sources = Sources::default();
    let id = sources.add("output", text);
    let mut found = Diagnostics::default();
    let Some(node) = document::parse_data(&sources, id, &mut found) else {
        let sorted = found.sorted();
        let Some(first) = sorted.first() else { return Err("the output is not valid YAML".into()) };
        let place = first.primary.as_ref().map_or_else(String::new, |label| {
            let (line, _) = sources.get(id).line_column(label.span.range().start);
            format!(", in line {line}")
        });
        return Err(format!("the output is not valid YAML: {}{place}", first.message));
    };
    if let Some(number) = too_large(&node, &sources) {
        return Err(format!("expected {TOO_LARGE}, found {}", quoted(&number)));
    }
    rows(node.to_json(), data)
}

/// Returns the part of a value to which keys lead.
fn part(mut value: Value, at: &str) -> Result<Value, String> {
    for key in at.split('.') {
        let found = match &mut value {
            Value::Object(map) => map.remove(key),
            Value::Array(items) => {
                let index = key.parse().ok().filter(|index| *index < items.len());
                index.map(|index: usize| items.swap_remove(index))
            }
            _ => None,
        };
        value = found.ok_or_else(|| {
            let keys: Vec<&str> = match &value {
                Value::Object(map) => map.keys().take(6).map(String::as_str).collect(),
                _ => Vec::new(),
            };
            let with = if keys.is_empty() { "" } else { " with " };
            let found = format!("{}{with}{}", kind(&value), keys.join(", "));
            format!("no `{key}` on the way to `{at}`, found {found}")
        })?;
    }
    Ok(value)
}

/// Reads a list of mappings as rows, if a key or types are set; with a key, also a mapping of mappings.
fn rows(value: Value, data: &Data) -> Result<Value, String> {
    let Data { at, key, types, .. } = data;
    let value = match at {
        Some(at) => part(value, at)?,
        None => value,
    };
    if key.is_none() && types.is_empty() {
        return Ok(value);
    }
    let items = match value {
        Value::Array(items) => items,
        Value::Object(map) if key.is_some() && map.values().all(Value::is_object) => {
            map.into_iter().map(|(_, row)| row).collect()
        }
        Value::Object(map) => {
            let lists = map.iter().find(|(_, value)| value.is_array());
            let help = match lists {
                Some((name, _)) => format!(" with a list `{name}`: add `at: {name}`"),
                None => ": remove `key` and `types`".to_owned(),
            };
            return Err(format!("expected a list of mappings, found a mapping{help}"));
        }
        other => {
            return Err(format!("expected a list of mappings, found {}", kind(&other)));
        }
    };
    bounded(items.len())?;
    let mut rows: Vec<Row> = Vec::new();
    for (number, item) in items.into_iter().enumerate() {
        let number = number + 1;
        let Value::Object(mut row) = item else {
            return Err(format!("row {number}: expected a mapping, found {}", kind(&item)));
        };
        for (name, wanted) in types {
            if let Some(field) = row.get_mut(name) {
                let value = typed(field, *wanted)
                    .map_err(|why| format!("`{name}` in row {number}: {why}"))?;
                *field = value;
            }
        }
        rows.push(row);
    }
    if let Some(name) = types
        .keys()
        .find(|name| !rows.is_empty() && !rows.iter().any(|row| row.contains_key(name.as_str())))
    {
        return Err(format!("no row has a column `{name}`"));
    }
    keyed(rows, key.as_deref())
}

/// Converts a field. Null stays null: the command printed it.
fn typed(value: &Value, wanted: Type) -> Result<Value, String> {
    match (value, wanted) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::String(text), _) => convert(text, wanted),
        (Value::Number(_), _) | (Value::Bool(_), Type::String | Type::Bool) => {
            convert(&value.to_string(), wanted)
        }
        _ => Err(format!("expected {}, found {}", wanted.word(), kind(value))),
    }
}

/// Counts the values of a JSON text by the characters before each: a bracket, a brace or a comma.
fn values(text: &str) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
        } else {
            in_string = byte == b'"';
            count += usize::from(matches!(byte, b'[' | b'{' | b','));
        }
    }
    count
}

/// Returns the numbers of a JSON text as they are written, outside of its strings.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut in_string = false;
    let mut escaped = false;
    text.split(move |char: char| {
        if in_string {
            in_string = escaped || char != '"';
            escaped = char == '\\' && !escaped;
            return true;
        }
        in_string = char == '"';
        !matches!(char, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')
    })
    .filter(|part| !part.is_empty())
}

/// Returns an integer of a document that was rounded.
fn too_large(node: &Node, sources: &Sources) -> Option<String> {
    match &node.value {
        document::Value::Float(_) => {
            node.lexeme(sources).filter(|text| is_whole(text)).map(str::to_owned)
        }
        document::Value::List(items) => items.iter().find_map(|item| too_large(item, sources)),
        document::Value::Map(entries) => {
            entries.iter().find_map(|entry| too_large(&entry.value, sources))
        }
        _ => None,
    }
}
