//! Converts the output of a command to a value (`parse`).
//!
//! Output that cannot be converted is an error and never a default: an empty number is not 0, a missing
//! column is not an empty string, and a duplicate key does not silently win. Errors have the location
//! (row, column, line), what was found, shortened and printable, and what was expected.
//!
//! The caller decides whether the exit code lets the output count, and which part of it was kept.

mod data;
mod matches;
mod pairs;
mod table;

use indexmap::IndexMap;
use serde_json::Value;

/// Maximum number of rows of a table, lines of a list, pairs of a map or matches of an expression.
pub const MAX_ROWS: usize = 100_000;
pub const MAX_COLUMNS: usize = 1_000;
/// Maximum number of values of a JSON text, with lists and mappings, or of a table: each takes far more memory than
/// text.
pub const MAX_VALUES: usize = 250_000;

const TRUE: &[&str] = &["true", "t", "yes", "y", "on", "1"];
const FALSE: &[&str] = &["false", "f", "no", "n", "off", "0"];

/// How output becomes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// `{exit, stdout, stderr}`.
    Whole,
    /// Only `{exit}`; the output is not kept.
    Discard,
    /// The output as a string, without white space at both ends.
    Text,
    Int,
    /// A number of bytes.
    Size,
    /// A list of lines, without empty ones.
    Lines,
    /// Values in a format.
    Data(Data),
}

/// How text in a format becomes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    pub format: Format,
    /// The keys that lead to the rows in a JSON or YAML value, separated by dots.
    pub at: Option<String>,
    /// The field that becomes the key of a map of rows.
    pub key: Option<String>,
    pub types: Types,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// `key: value` or `key=value` lines as a map.
    Pairs,
    Json,
    /// A JSON value in each line.
    JsonLines,
    Yaml,
    /// Tab-separated rows under a header.
    Tsv,
    /// Comma-separated rows under a header.
    Csv,
    /// The named groups of a regular expression: of its first match, or with a key of all matches.
    Regex(String),
}

/// The types of fields that are not strings.
pub type Types = IndexMap<String, Type>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum Type {
    String,
    Int,
    Float,
    /// `true`, `t`, `yes`, `y`, `on`, `1`, or `false`, `f`, `no`, `n`, `off`, `0`, in any case.
    Bool,
}

impl Reading {
    /// Whether a mapping that it gives is one row, and not a table of rows.
    pub fn is_row(&self) -> bool {
        match self {
            Self::Data(data) => data.key.is_none(),
            _ => true,
        }
    }
}

impl Type {
    /// Returns what is expected of a value of this type.
    fn word(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Int => "an integer",
            Self::Float => "a number",
            Self::Bool => "true or false",
        }
    }
}

/// Converts an output of `stdout_len` bytes, of which `stdout` was kept.
pub fn read(
    reading: &Reading,
    exit: i32,
    stdout: &[u8],
    stdout_len: u64,
    stderr: &[u8],
) -> Result<Value, String> {
    if *reading == Reading::Discard {
        return Ok(serde_json::json!({ "exit": exit }));
    }
    if stdout.is_empty() && stdout_len > 0 {
        return Err("its output is lost".to_owned());
    }
    if *reading == Reading::Size {
        return Ok(stdout_len.into());
    }
    if stdout_len > stdout.len() as u64 {
        return Err(format!(
            "it printed {stdout_len} bytes, and only {} can be read",
            stdout.len()
        ));
    }
    if *reading == Reading::Whole {
        // The exit code is what matters; the texts are returned as far as they are UTF-8.
        return Ok(serde_json::json!({
            "exit": exit,
            "stdout": String::from_utf8_lossy(stdout),
            "stderr": String::from_utf8_lossy(stderr),
        }));
    }
    let text = text(stdout)?;
    match reading {
        Reading::Int => convert(text, Type::Int),
        Reading::Lines => lines(text),
        Reading::Data(data) => match &data.format {
            Format::Pairs => pairs::read(text, &data.types),
            Format::Json => data::json(text, data),
            Format::JsonLines => data::json_lines(text, data),
            Format::Yaml => data::yaml(text, data),
            Format::Tsv | Format::Csv => table::read(text, data),
            Format::Regex(pattern) => matches::read(text, pattern, data),
        },
        Reading::Text | Reading::Whole | Reading::Discard | Reading::Size => Ok(text.trim().into()),
    }
}

/// Returns an output as a string, without a byte order mark.
fn text(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        let bad = bytes.get(good.len()).copied().unwrap_or_default();
        format!("the output is not valid UTF-8: byte 0x{bad:02x} in line {line}")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn lines(text: &str) -> Result<Value, String> {
    let lines = || text.lines().filter(|line| !is_blank(line));
    bounded(lines().count())?;
    Ok(lines().collect())
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn bounded(rows: usize) -> Result<(), String> {
    if rows > MAX_ROWS {
        return Err(format!("it printed more than {MAX_ROWS} rows"));
    }
    Ok(())
}

/// Bounds a table: its rows, and the values in all of them, with those of its key.
fn bounded_table(rows: usize, columns: usize, is_keyed: bool) -> Result<(), String> {
    bounded(rows)?;
    if rows * (columns + usize::from(is_keyed)) > MAX_VALUES {
        return Err(format!("it printed more than {MAX_VALUES} values"));
    }
    Ok(())
}

/// Returns the start of a text in quotes, printable.
fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "nothing".into();
    }
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(60).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{more}")
}

/// Converts a string; the error has what was expected and found, but not the location.
fn convert(text: &str, kind: Type) -> Result<Value, String> {
    if kind == Type::String {
        return Ok(text.into());
    }
    let word = text.trim();
    let lower = word.to_ascii_lowercase();
    let value: Option<Value> = match kind {
        Type::String => Some(text.into()),
        Type::Int => word.parse::<i64>().ok().map(Value::from),
        // Rust also reads words such as `inf`.
        Type::Float if word.ends_with(|char: char| char.is_alphabetic()) => None,
        Type::Float => {
            let number = word.parse::<f64>().ok();
            number.filter(|number| number.is_finite()).map(Value::from)
        }
        Type::Bool if TRUE.contains(&lower.as_str()) => Some(true.into()),
        Type::Bool => FALSE.contains(&lower.as_str()).then(|| false.into()),
    };
    let expected = match kind {
        Type::Int if is_whole(word) => TOO_LARGE,
        _ => kind.word(),
    };
    value.ok_or_else(|| format!("expected {expected}, found {}", quoted(word)))
}

/// What is expected instead of an integer with too many digits.
const TOO_LARGE: &str = "an integer of at most 63 bits";

/// Whether a string is an integer, however large.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
