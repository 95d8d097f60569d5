//! Pairs: `key=value` or `key: value`, one per line.

use serde_json::map::Entry as Slot;
use serde_json::{Map, Value};

use crate::output::{Type, Types, bounded, convert, is_blank, quoted};

/// Reads pairs as a map. Empty lines and lines that start with `#` are left out.
pub(super) fn read(text: &str, types: &Types) -> Result<Value, String> {
    let mut map = Map::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if is_blank(line) || line.trim_start().starts_with('#') {
            continue;
        }
        let Some((key, value)) = split(line) else {
            return Err(format!(
                "line {number}: expected `key=value` or `key: value`, found {}",
                quoted(line)
            ));
        };
        bounded(map.len() + 1)?;
        let Slot::Vacant(slot) = map.entry(key) else {
            let same = |line| split(line).is_some_and(|(name, _)| name == key);
            let earlier = text.lines().position(same).map_or(number, |at| at + 1);
            return Err(format!("duplicate key `{key}` in lines {earlier} and {number}"));
        };
        let kind = types.get(key).copied().unwrap_or(Type::String);
        let value =
            convert(&value, kind).map_err(|why| format!("`{key}` in line {number}: {why}"))?;
        slot.insert(value);
    }
    match types.keys().find(|wanted| !map.contains_key(*wanted)) {
        Some(wanted) => Err(format!("missing key `{wanted}` in the output")),
        None => Ok(map.into()),
    }
}

/// Splits a line at its first `=` or `:`; `None` if there is none, or no key before it.
fn split(line: &str) -> Option<(&str, String)> {
    let at = line.find(['=', ':'])?;
    let (key, value) = (line[..at].trim(), line[at + 1..].trim());
    if key.is_empty() {
        return None;
    }
    let value = if line[at..].starts_with('=') { unquoted(value) } else { value.to_owned() };
    Some((key, value))
}

/// Removes the quotes of a value that is quoted as a whole, as a shell does that reads
/// `/etc/os-release`; returns any other value unchanged.
fn unquoted(value: &str) -> String {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(inner) = inner('\'') {
        if !inner.contains('\'') {
            return inner.to_owned();
        }
    } else if let Some(plain) = inner('"').and_then(unescaped) {
        return plain;
    }
    value.to_owned()
}

/// Resolves the escapes of a string in double quotes; `None` if it ends early.
fn unescaped(inner: &str) -> Option<String> {
    let mut plain = String::new();
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => return None,
            '\\' => match chars.next()? {
                escaped @ ('"' | '\\' | '$' | '`') => plain.push(escaped),
                other => plain.extend(['\\', other]),
            },
            char => plain.push(char),
        }
    }
    Some(plain)
}
