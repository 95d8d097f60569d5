//! Tables: rows under a header, and rows of any format by one of their fields.

use serde_json::{Map, Value};

use crate::output::{MAX_COLUMNS, Type, Types, bounded, convert, is_blank, quoted};

/// A row: its fields by their names.
pub(super) type Row = Map<String, Value>;

/// Reads lines of cells separated by tabs; the first line names the columns.
pub(super) fn tsv(text: &str, key: Option<&str>, types: &Types) -> Result<Value, String> {
    let mut lines = text.lines();
    let Some(header) = lines.next() else {
        return Err("expected a header, found no output".into());
    };
    bounded(text.lines().skip(1).filter(|line| !line.is_empty()).count())?;
    let columns: Vec<&str> = header.split('\t').take(MAX_COLUMNS + 1).collect();
    if columns.len() > MAX_COLUMNS {
        return Err(format!("the header has more than {MAX_COLUMNS} columns"));
    }
    for (number, column) in columns.iter().enumerate() {
        if columns[..number].contains(column) {
            return Err(format!("duplicate column in the header: {}", named(column)));
        }
    }
    for wanted in key.into_iter().chain(types.keys().map(String::as_str)) {
        if !columns.contains(&wanted) {
            return Err(format!("missing column `{wanted}` in the header {}", quoted(header)));
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

/// Returns rows as a list, or as a map by one of their fields; then each row has a `key`.
pub(super) fn keyed(rows: Vec<Row>, key: Option<&str>) -> Result<Value, String> {
    let Some(key) = key else { return Ok(rows.into()) };
    let mut map = Map::new();
    for (number, mut row) in rows.into_iter().enumerate() {
        let number = number + 1;
        let name = match row.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(found)) => found.to_string(),
            Some(found) => {
                return Err(format!(
                    "`{key}` in row {number}: expected a string or a number, found {}",
                    kind(found)
                ));
            }
            None => return Err(format!("missing `{key}` in row {number}")),
        };
        if key != "key" && row.contains_key("key") {
            return Err(format!(
                "the rows have a column `key` and are also mapped by `{key}`: rename that column, or \
                 remove `key` from `parse`"
            ));
        }
        row.insert("key".into(), name.clone().into());
        if map.insert(name.clone(), row.into()).is_some() {
            return Err(format!("duplicate `{key}` in two rows: {}", quoted(&name)));
        }
    }
    Ok(map.into())
}

/// Returns the type of a value, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing (null)",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
