//! Converts the value of a foreign key to the line to write in planrun.
//!
//! Only certain conversions are made: short strings, numbers, the arguments of a few modules. For
//! everything else there is no line, only the advice.

use crate::document::{Node, Value};

/// The longest string that is converted.
const MAX_TEXT: usize = 60;

/// How the value of a foreign key is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    Nothing,
    /// A string, number or bool becomes the value of this key; with `{cmd: ...}`, the command does.
    Value(&'static str),
    /// A number becomes the value of this key, with this unit.
    Unit(&'static str, &'static str),
    /// Only the key is known; the value does not fit there.
    Key(&'static str),
    /// `{name: UNIT, state: restarted}` becomes a command for systemd.
    Service,
    /// A state such as `restarted` becomes a command for systemd.
    State,
    /// `{src: FILE, dest: PATH}` becomes an upload; the file is the value of this key.
    Upload(&'static str),
    /// `{seconds: 10}` becomes a wait, `{prompt: TEXT}` a question.
    Pause,
    /// `{msg: TEXT}` becomes the value of this key.
    Message(&'static str),
}

impl Carry {
    /// Reads a cell of the table: `value run`, `unit timeout m`, `service`.
    pub(super) fn of(cell: &'static str) -> Option<Self> {
        let words: Vec<&'static str> = cell.split_whitespace().collect();
        Some(match *words {
            [] => Self::Nothing,
            ["value", key] => Self::Value(key),
            ["unit", key, unit] => Self::Unit(key, unit),
            ["key", key] => Self::Key(key),
            ["service"] => Self::Service,
            ["state"] => Self::State,
            ["upload", key] => Self::Upload(key),
            ["pause"] => Self::Pause,
            ["message", key] => Self::Message(key),
            _ => return None,
        })
    }

    /// Returns the planrun key, if it is always the same.
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Pause => None,
            Self::Value(key) | Self::Unit(key, _) | Self::Key(key) | Self::Message(key) => {
                Some(key)
            }
            Self::Service | Self::State => Some("run"),
            Self::Upload(_) => Some("upload"),
        }
    }

    /// Whether its line needs no further advice.
    pub fn says_all(self) -> bool {
        matches!(
            self,
            Self::Unit(..) | Self::Upload(_) | Self::Pause | Self::State | Self::Message(_)
        )
    }

    /// Returns the line to write for a value; `None` if that is not certain.
    pub fn line(self, value: &Node) -> Option<String> {
        match self {
            Self::Nothing | Self::Key(_) => None,
            Self::Value(key) => {
                let command = ["cmd", "_raw_params"];
                let command = command.iter().find_map(|key| value.get(key));
                Some(format!("{key}: {}", written(command.unwrap_or(value))?))
            }
            Self::Unit(key, unit) => {
                let number = match &value.value {
                    Value::Int(number) => number.to_string(),
                    Value::Text(text) => text.text.clone(),
                    _ => return None,
                };
                let digits = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
                digits.then(|| format!("{key}: {number}{unit}"))
            }
            Self::Service => {
                let unit = argument(value, &["name", "service"])?;
                let verb = verb(&argument(value, &["state"])?)?;
                Some(format!("run: systemctl {verb} {unit}"))
            }
            Self::State => Some(format!("run: systemctl {} UNIT", verb(value.as_text()?)?)),
            Self::Upload(key) => {
                let from = argument(value, &["src", "source"])?;
                let to = argument(value, &["dest", "destination", "path"])?;
                let mode = argument(value, &["mode"]);
                let mode = mode.map(|mode| format!(", mode: \"{mode}\""));
                let mode = mode.unwrap_or_default();
                Some(format!("upload: {{{key}: {from}, to: {to}{mode}}}"))
            }
            Self::Pause => {
                if let Some(prompt) = value.get("prompt") {
                    return Some(format!("approve: {}", written(prompt)?));
                }
                let units = [("seconds", "s"), ("minutes", "m")];
                units.iter().find_map(|(key, unit)| {
                    let number = argument(value, &[key])?;
                    Some(format!("wait: {number}{unit}"))
                })
            }
            Self::Message(key) => {
                let text = value.get("msg").unwrap_or(value);
                Some(format!("{key}: {}", written(text)?))
            }
        }
    }
}

/// Returns the systemctl verb for a state of a service.
fn verb(state: &str) -> Option<&'static str> {
    Some(match state {
        "restarted" => "restart",
        "started" | "running" => "start",
        "stopped" | "dead" => "stop",
        "reloaded" => "reload",
        _ => return None,
    })
}

/// Returns an argument of a module, written as a mapping or as `name=nginx state=restarted`.
fn argument(value: &Node, names: &[&str]) -> Option<String> {
    let text = match &value.value {
        Value::Text(text) => names.iter().find_map(|name| {
            let mut words = text.text.split_whitespace();
            words.find_map(|word| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
        })?,
        _ => names.iter().find_map(|name| value.get(name)).and_then(plain)?,
    };
    let safe = |c: char| c.is_alphanumeric() || "/._@-~".contains(c);
    (!text.is_empty() && text.len() <= MAX_TEXT && text.chars().all(safe)).then_some(text)
}

fn plain(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// Writes a scalar as YAML; `None` for long strings and other values.
pub(in crate::schema) fn written(node: &Node) -> Option<String> {
    let text = plain(node)?;
    if text.chars().count() > MAX_TEXT || text.contains(['\n', '`']) || text.is_empty() {
        return None;
    }
    if !matches!(node.value, Value::Text(_)) {
        return Some(text);
    }
    let first_is_plain = text.starts_with(|c: char| c.is_alphanumeric() || "/._".contains(c));
    let calm = first_is_plain
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && !text.contains(" #");
    Some(if calm { text } else { serde_json::Value::String(text).to_string() })
}
