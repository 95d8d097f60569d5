//! From the output of a command to a value (`parse`).
//!
//! What does not convert is a failure and never a default: an empty number is no 0, a missing
//! column no empty text. Errors say what was found, short and printable.

use indexmap::IndexMap;
use serde_json::Map;
use serde_json::Value;

use crate::regexes;

/// Most rows of a table, lines of a list or pairs of a map.
pub const MAX_ROWS: usize = 100_000;

/// How an output becomes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// `{exit, stdout, stderr}`.
    Whole,
    /// Only `{exit}`; the output is not kept.
    Discard,
    /// The trimmed text.
    Text,
    /// A whole number.
    Int,
    /// How many bytes there are.
    Size,
    /// A list of lines; empty ones left out.
    Lines,
    /// `key: value` or `key=value` lines as a map.
    KeyValue {
        /// Types of values that are no text.
        types: IndexMap<String, Type>,
    },
    /// A JSON value.
    Json {
        /// The field that becomes the key of a map of rows.
        key: Option<String>,
        /// Types of fields that are no text.
        types: IndexMap<String, Type>,
    },
    /// A YAML value.
    Yaml,
    /// Tab-separated rows under a header.
    Tsv {
        /// The column that becomes the key of a map of rows.
        key: Option<String>,
        /// Types of columns that are no text.
        types: IndexMap<String, Type>,
    },
    /// The named groups of a regular expression.
    Regex {
        /// The expression.
        pattern: String,
    },
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true`, `false`, `yes`, `no`, `y`, `n`, `1`, `0`.
    Bool,
}

/// Makes a value of an output that ended with `exit`; `complete` says that all of it is there.
pub fn read(
    reading: &Reading,
    exit: i32,
    stdout: &[u8],
    stdout_len: u64,
    stderr: &[u8],
) -> Result<Value, String> {
    match reading {
        Reading::Discard => return Ok(serde_json::json!({ "exit": exit })),
        Reading::Size => return Ok(stdout_len.into()),
        _ => {}
    }
    if stdout_len > stdout.len() as u64 {
        return Err(format!(
            "it printed {stdout_len} bytes, more than can be read"
        ));
    }
    let text = std::str::from_utf8(stdout)
        .map_err(|error| format!("its output is no UTF-8 (byte {})", error.valid_up_to()))?;
    match reading {
        Reading::Whole => Ok(serde_json::json!({
            "exit": exit,
            "stdout": text,
            "stderr": String::from_utf8_lossy(stderr),
        })),
        Reading::Text => Ok(text.trim().into()),
        Reading::Int => {
            let trimmed = text.trim();
            trimmed
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| format!("expected a whole number, found {}", quoted(trimmed)))
        }
        Reading::Lines => {
            let lines: Vec<&str> = text
                .lines()
                .map(str::trim_end)
                .filter(|line| !line.is_empty())
                .collect();
            bounded(lines.len())?;
            Ok(lines.into())
        }
        Reading::KeyValue { types } => key_value(text, types),
        Reading::Json { key, types } => json(text, key.as_deref(), types),
        Reading::Yaml => yaml(text),
        Reading::Tsv { key, types } => tsv(text, key.as_deref(), types),
        Reading::Regex { pattern } => regex(text, pattern),
        Reading::Discard | Reading::Size => unreachable!("handled above"),
    }
}

fn bounded(rows: usize) -> Result<(), String> {
    if rows > MAX_ROWS {
        return Err(format!("it printed {rows} rows, more than {MAX_ROWS}"));
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "nothing".into();
    }
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(60).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{more}")
}

fn convert(text: &str, kind: Type, what: &str) -> Result<Value, String> {
    let fail = |expected: &str| {
        Err(format!(
            "{what}: expected {expected}, found {}",
            quoted(text)
        ))
    };
    match kind {
        Type::String => Ok(text.into()),
        Type::Int => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| fail("a whole number")),
        Type::Float => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value.into()),
            _ => fail("a number"),
        },
        Type::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "1" => Ok(true.into()),
            "false" | "no" | "n" | "0" => Ok(false.into()),
            _ => fail("true or false"),
        },
    }
}

/// Turns rows into a list, or into a map by one of their fields; then each row has a `key`.
fn keyed(rows: Vec<Map<String, Value>>, key: Option<&str>) -> Result<Value, String> {
    let Some(key) = key else {
        return Ok(rows.into());
    };
    let mut map = Map::new();
    for mut row in rows {
        let name = match row.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Err(format!("`{key}` is neither text nor a number in some row")),
            None => return Err(format!("there is no column `{key}`")),
        };
        row.insert("key".into(), name.clone().into());
        if map.insert(name.clone(), row.into()).is_some() {
            return Err(format!("two rows have the `{key}` {}", quoted(&name)));
        }
    }
    Ok(map.into())
}

fn tsv(text: &str, key: Option<&str>, types: &IndexMap<String, Type>) -> Result<Value, String> {
    let mut lines = text
        .lines()
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    let Some(header) = lines.next() else {
        return Err("it printed nothing, not even a header".into());
    };
    let columns: Vec<&str> = header.split('\t').collect();
    for wanted in key.into_iter().chain(types.keys().map(String::as_str)) {
        if !columns.contains(&wanted) {
            return Err(format!(
                "there is no column `{wanted}` in {}",
                quoted(header)
            ));
        }
    }
    let mut rows = Vec::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
        bounded(rows.len() + 1)?;
        let cells: Vec<&str> = line.split('\t').collect();
        if cells.len() != columns.len() {
            return Err(format!(
                "row {} has {} columns, the header {}",
                number + 1,
                cells.len(),
                columns.len()
            ));
        }
        let mut row = Map::new();
        for (column, cell) in columns.iter().zip(cells) {
            let kind = types.get(*column).copied().unwrap_or(Type::String);
            let what = format!("`{column}` in row {}", number + 1);
            row.insert((*column).to_owned(), convert(cell, kind, &what)?);
        }
        rows.push(row);
    }
    keyed(rows, key)
}

fn json(text: &str, key: Option<&str>, types: &IndexMap<String, Type>) -> Result<Value, String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("its output is no JSON: {error}"))?;
    if key.is_none() && types.is_empty() {
        return Ok(value);
    }
    let Value::Array(items) = value else {
        return Err("expected a JSON list of objects".into());
    };
    bounded(items.len())?;
    let mut rows = Vec::new();
    for (number, item) in items.into_iter().enumerate() {
        let Value::Object(mut row) = item else {
            return Err(format!("item {} of the JSON list is no object", number + 1));
        };
        for (name, kind) in types {
            if let Some(Value::String(cell)) = row.get(name) {
                let what = format!("`{name}` in item {}", number + 1);
                let value = convert(cell, *kind, &what)?;
                row.insert(name.clone(), value);
            }
        }
        rows.push(row);
    }
    keyed(rows, key)
}

fn yaml(text: &str) -> Result<Value, String> {
    let mut sources = crate::source::Sources::default();
    let id = sources.add("output", text);
    let mut found = crate::diagnostic::Diagnostics::default();
    match crate::document::parse(&sources, id, &mut found) {
        Some(node) => Ok(node.to_json()),
        None => Err(format!(
            "its output is no YAML: {}",
            found
                .sorted()
                .first()
                .map_or("", |first| first.message.as_str())
        )),
    }
}

fn key_value(text: &str, types: &IndexMap<String, Type>) -> Result<Value, String> {
    let mut map = Map::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        bounded(map.len() + 1)?;
        let split = line
            .find(['=', ':'])
            .map(|at| (line[..at].trim(), line[at + 1..].trim()));
        let Some((key, value)) = split else {
            return Err(format!(
                "expected `key: value` or `key=value`, found {}",
                quoted(line)
            ));
        };
        let kind = types.get(key).copied().unwrap_or(Type::String);
        map.insert(key.to_owned(), convert(value, kind, &format!("`{key}`"))?);
    }
    Ok(map.into())
}

fn regex(text: &str, pattern: &str) -> Result<Value, String> {
    let regex = regexes::compile(pattern).map_err(|why| format!("its pattern is faulty: {why}"))?;
    let Some(captures) = regex.captures(text) else {
        return Err(format!(
            "its output does not match, found {}",
            quoted(text.trim())
        ));
    };
    let mut map = Map::new();
    for name in regex.capture_names().flatten() {
        let value = captures
            .name(name)
            .map_or(Value::Null, |found| found.as_str().into());
        map.insert(name.to_owned(), value);
    }
    Ok(map.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(reading: &Reading, text: &str) -> Result<Value, String> {
        read(reading, 0, text.as_bytes(), text.len() as u64, b"")
    }

    fn vhosts() -> Reading {
        Reading::Tsv {
            key: Some("mail server ip".into()),
            types: IndexMap::from([("vhosts".to_owned(), Type::Int)]),
        }
    }

    #[test]
    fn a_table_becomes_rows_by_its_key() {
        let text = "mail server ip\ttag\tvhosts\n127.0.2.1\t\t100\n127.0.2.2\tx\t0\n";
        let value = parse(&vhosts(), text).unwrap();
        assert_eq!(value["127.0.2.1"]["vhosts"], 100);
        assert_eq!(value["127.0.2.1"]["tag"], "");
        assert_eq!(value["127.0.2.2"]["key"], "127.0.2.2");
    }

    #[test]
    fn a_header_alone_is_an_empty_table() {
        assert_eq!(
            parse(&vhosts(), "mail server ip\tvhosts\n").unwrap(),
            serde_json::json!({})
        );
    }

    #[test]
    fn what_does_not_convert_is_a_failure() {
        for text in [
            "",
            "mail server ip\tusers\n",
            "mail server ip\tvhosts\na\tmany\n",
            "mail server ip\tvhosts\na\t\n",
            "mail server ip\tvhosts\na\n",
            "mail server ip\tvhosts\na\t1\na\t2\n",
        ] {
            assert!(parse(&vhosts(), text).is_err(), "{text:?}");
        }
        assert!(parse(&Reading::Int, "").is_err());
        assert!(parse(&Reading::Int, "5 users").is_err());
    }

    #[test]
    fn the_other_formats_give_what_they_say() {
        let types = IndexMap::from([("n".to_owned(), Type::Int)]);
        let json = Reading::Json {
            key: Some("a".into()),
            types: types.clone(),
        };
        assert_eq!(parse(&json, r#"[{"a":"x","n":"5"}]"#).unwrap()["x"]["n"], 5);
        assert_eq!(parse(&Reading::Text, " active\n").unwrap(), "active");
        assert_eq!(parse(&Reading::Int, "12\n").unwrap(), 12);
        assert_eq!(parse(&Reading::Size, "abc").unwrap(), 3);
        assert_eq!(
            parse(&Reading::Lines, "a\n\nb\n").unwrap(),
            serde_json::json!(["a", "b"])
        );
        assert_eq!(
            parse(&Reading::KeyValue { types }, "n: 3\nb=c d\n").unwrap()["n"],
            3
        );
        assert_eq!(parse(&Reading::Yaml, "a: [1]\n").unwrap()["a"][0], 1);
        let regex = Reading::Regex {
            pattern: r"(?P<v>\d+\.\d+)".into(),
        };
        assert_eq!(parse(&regex, "version 2.3\n").unwrap()["v"], "2.3");
    }
}
