//! Values that users of other tools write: types, formats, durations, `yes` and `no`.

use std::sync::LazyLock;

use crate::schema::foreign::Tool;
use crate::schema::form;
use crate::table::rows;

pub const TABLE: &str = include_str!("values.tsv");

/// A foreign value, its tool, and planrun's value.
pub static VALUES: LazyLock<Vec<(&str, Tool, &str)>> = LazyLock::new(|| {
    let value = |[tool, value, own]: [&'static str; 3]| Some((value, Tool::of(tool)?, own));
    rows(TABLE).filter_map(value).collect()
});

/// Returns planrun's value for a foreign one, if it is allowed.
pub fn find<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let mut meant = VALUES.iter().filter(|(foreign, _, _)| foreign.eq_ignore_ascii_case(word));
    meant.find_map(|(_, _, own)| allowed.iter().find(|one| *one == own).copied())
}

/// Strings that YAML 1.1 reads as a bool; the first half is true.
const BOOL_WORDS: [&str; 16] = [
    "yes", "Yes", "YES", "on", "On", "ON", "True", "TRUE", "no", "No", "NO", "off", "Off", "OFF",
    "False", "FALSE",
];

/// Returns the bool that YAML 1.1 reads for a string.
pub fn bool(text: &str) -> Option<&'static str> {
    let place = BOOL_WORDS.iter().position(|word| *word == text)?;
    Some(if place < BOOL_WORDS.len() / 2 { "true" } else { "false" })
}

/// Returns a pattern for those strings, for a JSON Schema.
pub fn bool_pattern() -> String {
    format!("^(?:{})$", BOOL_WORDS.join("|"))
}

/// Returns the duration that a string of another form means: `5 minutes`, `10sec`, `PT1H30M`.
pub fn duration(text: &str) -> Option<String> {
    if let Some(iso) = text.strip_prefix("PT") {
        let parts = iso.to_ascii_lowercase();
        let parts = parts.split_inclusive(['h', 'm', 's']).collect::<Vec<_>>().join(" ");
        return form("duration").fits(&parts).then_some(parts);
    }
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "ms" | "msec" | "millisecond" | "milliseconds" => "ms",
        _ => return None,
    };
    let part = format!("{number}{unit}");
    form("duration").fits(&part).then_some(part)
}
