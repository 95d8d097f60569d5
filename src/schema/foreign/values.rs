//! Values that people of other tools write: types, formats, lengths of time, yes and no.

use crate::schema::foreign::Tool;

/// A word for a value, whose it is, and the word of planrun.
pub static WORDS: &[(&str, Tool, &str)] = &[
    ("str", Tool::Ansible, "string"),
    ("String", Tool::Ssm, "string"),
    ("text", Tool::Rundeck, "string"),
    ("integer", Tool::Ansible, "int"),
    ("Integer", Tool::Ssm, "int"),
    ("number", Tool::Actions, "int"),
    ("float", Tool::Ansible, "int"),
    ("boolean", Tool::Actions, "bool"),
    ("Boolean", Tool::Ssm, "bool"),
    ("choice", Tool::Actions, "enum"),
    ("Enum", Tool::Bolt, "enum"),
    ("StringList", Tool::Ssm, "list"),
    ("array", Tool::Terraform, "list"),
    ("Array", Tool::Bolt, "list"),
    ("date", Tool::Rundeck, "string"),
    ("time", Tool::Rundeck, "duration"),
    ("file-path", Tool::Rundeck, "file"),
    ("raw", Tool::Ansible, "text"),
    ("csv", Tool::Ansible, "tsv"),
    ("table", Tool::Rundeck, "tsv"),
    ("yml", Tool::Ansible, "yaml"),
    ("from_json", Tool::Ansible, "json"),
    ("Abort", Tool::Ssm, "rollback"),
    ("abort", Tool::Rundeck, "fail"),
    ("Continue", Tool::Ssm, "continue"),
    ("stop", Tool::Rundeck, "hold"),
    ("pause", Tool::Ansible, "ask"),
    ("smart", Tool::Ansible, "ssh"),
    ("paramiko", Tool::Ansible, "ssh"),
];

/// Returns the word of planrun for a foreign one, among those allowed.
pub fn find<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let mut meant = WORDS.iter().filter(|(foreign, _, _)| *foreign == word);
    meant.find_map(|(_, _, own)| allowed.iter().find(|one| *one == own).copied())
}

/// Texts that another YAML takes for a bool: the first half for true.
const BOOL_WORDS: [&str; 16] = [
    "yes", "Yes", "YES", "on", "On", "ON", "True", "TRUE", "no", "No", "NO", "off", "Off", "OFF",
    "False", "FALSE",
];

/// Returns `true` or `false` where another YAML takes a text for that.
pub fn bool(text: &str) -> Option<&'static str> {
    let place = BOOL_WORDS.iter().position(|word| *word == text)?;
    Some(if place < BOOL_WORDS.len() / 2 { "true" } else { "false" })
}

/// Returns a pattern for those texts, as in a JSON Schema.
pub fn bool_pattern() -> String {
    format!("^(?:{})$", BOOL_WORDS.join("|"))
}

/// Returns the duration that a text of another form means: `5 minutes`, `10sec`, `PT1H30M`.
pub fn duration(text: &str) -> Option<String> {
    if let Some(iso) = text.strip_prefix("PT") {
        let parts = iso.to_ascii_lowercase();
        return Some(parts.split_inclusive(['h', 'm', 's']).collect::<Vec<_>>())
            .filter(|parts| !parts.is_empty() && parts.iter().all(|part| is_part(part)))
            .map(|parts| parts.join(" "));
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
    is_part(&part).then_some(part)
}

fn is_part(part: &str) -> bool {
    let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let whole = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let number = match digits.split_once('.') {
        Some((whole_part, rest)) => whole(whole_part) && whole(rest),
        None => whole(digits),
    };
    number && digits.len() < part.len()
}
