//! The matches of a regular expression.

use regex::{Captures, Regex};
use serde_json::Value;

use crate::output::table::{Row, keyed};
use crate::output::{Data, Type, Types, bounded_table, convert, quoted};
use crate::regexes;

/// Reads the named groups of the first match as a map; with `key`, those of every match as rows.
pub(super) fn read(text: &str, pattern: &str, data: &Data) -> Result<Value, String> {
    let Data { key, types, .. } = data;
    let regex = regexes::compile(pattern).map_err(|why| format!("invalid pattern: {why}"))?;
    let most = if key.is_some() { usize::MAX } else { 1 };
    let mut rows = Vec::new();
    for captures in regex.captures_iter(text).take(most) {
        let number = rows.len() + 1;
        bounded_table(number, regex.capture_names().flatten().count(), key.is_some())?;
        let row = row(&regex, &captures, types);
        rows.push(row.map_err(|why| match key {
            Some(_) => format!("match {number}: {why}"),
            None => why,
        })?);
    }
    if rows.is_empty() {
        return Err(format!(
            "the output does not match the pattern, found {}",
            quoted(text.trim())
        ));
    }
    match key {
        Some(_) => keyed(rows, key.as_deref()),
        None => Ok(rows.swap_remove(0).into()),
    }
}

/// Returns the groups of a match; a group that did not match is null.
fn row(regex: &Regex, captures: &Captures<'_>, types: &Types) -> Result<Row, String> {
    let mut row = Row::new();
    for name in regex.capture_names().flatten() {
        let kind = types.get(name).copied().unwrap_or(Type::String);
        let value = match captures.name(name) {
            None => Value::Null,
            Some(found) => {
                convert(found.as_str(), kind).map_err(|why| format!("`{name}`: {why}"))?
            }
        };
        row.insert(name.to_owned(), value);
    }
    Ok(row)
}
