//! Tables: rows under a header, and rows of any format by one of their fields.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::output::{Data, Format, MAX_COLUMNS, Type, bounded_table, convert, is_blank, quoted};

/// A row: its fields by their names.
pub(super) type Row = Map<String, Value>;

/// A line of cells, as it is written and split.
type Line<'t> = Result<(&'t str, Vec<Cow<'t, str>>), String>;

/// Splits a text into lines of cells; empty lines are left out.
fn lines<'t>(text: &'t str, format: &Format) -> Box<dyn Iterator<Item = Line<'t>> + 't> {
    if *format == Format::Tsv {
        let lines = text.lines().filter(|line| !line.is_empty());
        return Box::new(lines.map(|line| Ok((line, line.split('\t').map(Cow::from).collect()))));
    }
    if let Err(why) = are_quotes_closed(text) {
        return Box::new(std::iter::once(Err(why)));
    }
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).from_reader(text.as_bytes());
    Box::new(reader.into_records().map(|record| {
        let record = record.map_err(|error| format!("the output is not valid CSV: {error}"))?;
        let start = record.position().map_or(0, |at| usize::try_from(at.byte()).unwrap_or(0));
        let line = text.get(start..).and_then(|rest| rest.trim_start().lines().next());
        let cells = record.iter().map(|cell| cell.to_owned().into()).collect();
        Ok((line.unwrap_or_default(), cells))
    }))
}

/// Checks what the reader of CSV lets pass: a cell in quotes that does not end, and text after the closing quote.
/// Otherwise a cell would take in the rows that follow.
fn are_quotes_closed(text: &str) -> Result<(), String> {
    let line_of = |rest: &str| 1 + text[..text.len() - rest.len()].matches('\n').count();
    let mut rest = text;
    while !rest.is_empty() {
        // A cell starts here.
        let Some(mut cell) = rest.strip_prefix('"') else {
            rest = rest.find([',', '\r', '\n']).map_or("", |end| &rest[end + 1..]);
            continue;
        };
        let after = loop {
            let Some((_, after)) = cell.split_once('"') else {
                return Err(format!("the quote in line {} is not closed", line_of(rest)));
            };
            match after.strip_prefix('"') {
                Some(more) => cell = more,
                None => break after,
            }
        };
        if !after.is_empty() && !after.starts_with([',', '\r', '\n']) {
            let text = quoted(after.lines().next().unwrap_or_default());
            let line = line_of(after);
            return Err(format!("line {line} has text after a closing quote: {text}"));
        }
        rest = after.get(1..).unwrap_or_default();
    }
    Ok(())
}

/// Reads rows of cells; the first line names the columns.
pub(super) fn read(text: &str, data: &Data) -> Result<Value, String> {
    let Data { format, key, types, .. } = data;
    let mut lines_of_text = lines(text, format);
    let Some(first) = lines_of_text.next() else {
        return Err("expected a header, found no output".into());
    };
    let (header, mut columns) = first?;
    if columns.len() > MAX_COLUMNS {
        return Err(format!("the header has more than {MAX_COLUMNS} columns"));
    }
    bounded_table(lines(text, format).skip(1).count(), columns.len(), key.is_some())?;
    // As HAProxy prints it.
    if let Some(name) = columns[0].strip_prefix("# ").filter(|_| *format == Format::Csv) {
        columns[0] = name.to_owned().into();
    }
    for (number, column) in columns.iter().enumerate() {
        if columns[..number].contains(column) {
            return Err(format!("duplicate column in the header: {}", named(column)));
        }
    }
    for wanted in key.iter().chain(types.keys()) {
        if !columns.iter().any(|column| column == wanted) {
            return Err(format!("missing column `{wanted}` in the header {}", quoted(header)));
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for line in lines_of_text {
        let (line, cells) = line?;
        let number = rows.len() + 1;
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
            let kind = types.get(column.as_ref()).copied().unwrap_or(Type::String);
            let value = convert(&cell, kind)
                .map_err(|why| format!("{} in row {number}: {why}", named(column)))?;
            row.insert(column.clone().into_owned(), value);
        }
        rows.push(row);
    }
    keyed(rows, key.as_deref())
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
