//! Tables: rows under a header, and rows of any origin by one of their fields.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::output::{MAX_COLUMNS, Type, bounded, convert, is_blank, quoted};

/// A row: its fields by their names.
pub(super) type Row = Map<String, Value>;

/// Reads lines of cells with tabs between them, the first of which names the columns.
pub(super) fn tsv(
    text: &str,
    key: Option<&str>,
    types: &IndexMap<String, Type>,
) -> Result<Value, String> {
    let mut lines = text.lines();
    let Some(header) = lines.next() else {
        return Err("it printed nothing, not even a header".into());
    };
    bounded(text.lines().skip(1).filter(|line| !line.is_empty()).count())?;
    let columns: Vec<&str> = header.split('\t').take(MAX_COLUMNS + 1).collect();
    if columns.len() > MAX_COLUMNS {
        return Err(format!("the header has more than {MAX_COLUMNS} columns"));
    }
    for (number, column) in columns.iter().enumerate() {
        if columns[..number].contains(column) {
            return Err(format!("the header has {} twice", named(column)));
        }
    }
    for wanted in key.into_iter().chain(types.keys().map(String::as_str)) {
        if !columns.contains(&wanted) {
            return Err(format!("there is no column `{wanted}` in the header {}", quoted(header)));
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let number = rows.len() + 1;
        let cells: Vec<&str> = line.split('\t').collect();
        if cells.len() != columns.len() {
            return Err(format!(
                "row {number} has {} columns, the header has {}: {}",
                cells.len(),
                columns.len(),
                quoted(line)
            ));
        }
        let mut row = Row::new();
        for (column, cell) in columns.iter().zip(cells) {
            let kind = types.get(*column).copied().unwrap_or(Type::String);
            let value = convert(cell, kind)
                .map_err(|why| format!("{} in row {number}: {why}", named(column)))?;
            row.insert((*column).to_owned(), value);
        }
        rows.push(row);
    }
    keyed(rows, key)
}

fn named(column: &str) -> String {
    if is_blank(column) {
        return "a column without a name".into();
    }
    format!("`{column}`")
}

/// Turns rows into a list, or into a map by one of their fields; then each row has a `key`.
pub(super) fn keyed(rows: Vec<Row>, key: Option<&str>) -> Result<Value, String> {
    let Some(key) = key else {
        return Ok(rows.into());
    };
    let mut map = Map::new();
    for (number, mut row) in rows.into_iter().enumerate() {
        let number = number + 1;
        let name = match row.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(found)) => found.to_string(),
            Some(found) => {
                return Err(format!(
                    "`{key}` in row {number}: expected text or a number, found {}",
                    kind(found)
                ));
            }
            None => return Err(format!("row {number} has no `{key}`")),
        };
        if key != "key" && row.contains_key("key") {
            return Err(format!(
                "the rows have a `key` of their own beside `{key}`: leave out the one or read the \
                 table without `key`"
            ));
        }
        row.insert("key".into(), name.clone().into());
        if map.insert(name.clone(), row.into()).is_some() {
            return Err(format!("two rows have the `{key}` {}", quoted(&name)));
        }
    }
    Ok(map.into())
}

/// Names the kind of a value as a person would.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing (null)",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
