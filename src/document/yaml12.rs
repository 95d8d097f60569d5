//! The types of plain scalars by the core schema of YAML 1.2: for all texts but inventories.

use crate::document::{Text, Value};

/// Gives a plain scalar its type by the core schema of YAML 1.2, but for numbers with a leading
/// zero, which stay strings: a mode `0644` is not a number.
pub(super) fn scalar(text: Text) -> Value {
    let written = text.text.as_str();
    match written {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = written.strip_prefix(['-', '+']).unwrap_or(written);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit());
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if numeric && !padded {
        let written = written.strip_prefix('+').unwrap_or(written);
        if let Ok(value) = written.parse::<i64>() {
            return Value::Int(value);
        }
        let plausible =
            written.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
        if let (true, Ok(value)) = (plausible, written.parse::<f64>())
            && value.is_finite()
        {
            return Value::Float(value);
        }
    }
    Value::Text(text)
}
