//! Text for reports: display columns, lines, lists, durations and counts, written everywhere alike.
//!
//! What comes from elsewhere passes [`printable`] first. Everything here works on display columns, not
//! bytes.

use std::time::Duration;

use console::measure_text_width;
use serde::Serialize;

use crate::duration;
pub use crate::printable::{printable, printable_json};

/// Replaces the part of a text that was cut off.
const CUT: char = '…';

/// Returns a value as indented JSON, as [`printable_json`] makes it.
pub fn pretty_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{}\n", printable_json(&text))
}

/// Returns rows as columns, two spaces apart. The columns after the first are as wide as the rows that are full.
pub fn columns<const N: usize>(
    rows: &[[String; N]],
    is_full: impl Fn(&[String; N]) -> bool,
) -> String {
    let widest = |at: usize| {
        let rows = rows.iter().filter(|row| at == 0 || is_full(row));
        rows.map(|row| width(&row[at])).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(widest).collect();
    let row = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| pad(cell, *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(row).collect()
}

/// Returns the first lines of a text, each printable and clipped, without empty ones at the end. If
/// there are more, a last line counts them. Tabs are widened to the next eighth column.
pub fn lines(text: &str, most: usize, width: usize) -> Vec<String> {
    let all: Vec<&str> = text.trim_end().lines().collect();
    let rest = all.len().saturating_sub(most);
    let more = (rest > 0).then(|| format!("{CUT} {}", count(rest, "more line")));
    all.iter().take(most).map(|line| shown(line, width)).chain(more).collect()
}

/// Returns the first and the last lines of an output, as [`lines`] does; a line between them
/// counts the others, if their number is known.
pub fn both_ends(text: &str, most: usize, width: usize, is_cut: bool) -> Vec<String> {
    let all: Vec<&str> = text.trim_end().lines().collect();
    let Some(rest @ 1..) = all.len().checked_sub(most) else {
        return all.iter().map(|line| shown(line, width)).collect();
    };
    let first = most * 2 / 5;
    let rest = if is_cut { "more lines".to_owned() } else { count(rest, "more line") };
    let last = all[all.len() - (most - first)..].iter().map(|line| shown(line, width));
    let first = all[..first].iter().map(|line| shown(line, width));
    first.chain([format!("{CUT} {rest}")]).chain(last).collect()
}

fn shown(line: &str, width: usize) -> String {
    clip(&printable(&without_tabs(line, width)), width)
}

/// Widens tabs, in as many characters as can be shown.
fn without_tabs(line: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    // Twice the width leaves room for characters without width before the clip.
    for c in line.chars().take(width.saturating_mul(2)) {
        if c == '\t' {
            let spaces = 8 - column % 8;
            out.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        } else {
            out.push(c);
            column += 1;
        }
    }
    out
}

/// Returns the display columns of a printable text.
pub fn width(text: &str) -> usize {
    if text.is_ascii() && !text.contains('\u{1b}') {
        return text.len();
    }
    measure_text_width(text)
}

/// Returns what separates a word from the text after it: spaces to the next column, or a colon if
/// the word is wider than its column.
pub(super) fn gap(word: &str, column: usize) -> String {
    match column.checked_sub(width(word)) {
        Some(spaces) => " ".repeat(spaces + 2),
        None => ": ".to_owned(),
    }
}

/// Cuts a printable text without colours to so many columns; what is cut is marked.
pub fn clip(text: &str, columns: usize) -> String {
    // Marks that take no column are bounded too: a thousand accents on one letter are a wall.
    let most = columns.saturating_mul(4);
    if width(text) <= columns && text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut out = String::new();
    let mut room = columns - 1;
    for c in text.chars().take(most) {
        let columns = width(c.encode_utf8(&mut [0; 4]));
        if columns > room {
            break;
        }
        room -= columns;
        out.push(c);
    }
    out.push(CUT);
    out
}

/// Fills a text with spaces to so many columns.
pub fn pad(text: &str, columns: usize) -> String {
    let spaces = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(spaces))
}

/// Breaks a printable text between words so that no line has more columns than `columns`; a word
/// that is longer is on its own line.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match out.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => out.push(word.to_owned()),
        }
    }
    out
}

/// Breaks a text as [`wrap`] does. If it has columns, the lines after the first start where its last one does.
pub fn wrap_in_columns(text: &str, columns: usize) -> Vec<String> {
    let start = text.rfind("  ").map_or(0, |at| at + 2);
    let indent = width(&text[..start]);
    if indent * 2 > columns {
        return wrap(text, columns);
    }
    let lines = wrap(&text[start..], columns - indent).into_iter().enumerate();
    let lead = |at| if at == 0 { text[..start].to_owned() } else { " ".repeat(indent) };
    lines.map(|(at, line)| lead(at) + &line).collect()
}

/// Writes a duration as people say it: `0.4s`, `45s`, `12m 30s`, `1h 5m`, `2d 3h`.
pub fn duration(duration: Duration) -> String {
    match (duration.as_millis() + 50) / 100 {
        0 if duration.is_zero() => "0s".to_owned(),
        0 => "<0.1s".to_owned(),
        tenths @ ..100 if tenths % 10 > 0 => format!("{}.{}s", tenths / 10, tenths % 10),
        tenths @ ..100 => format!("{}s", tenths / 10),
        _ => duration::show(Duration::from_secs(duration.as_secs().max(10))),
    }
}

/// Writes a duration in whole seconds: what is left of a wait.
pub fn whole(left: Duration) -> String {
    duration(Duration::from_secs(left.as_secs()))
}

/// Writes a number and what it counts: `1 host`, `3 hosts`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Joins the first `most` of some names by commas and counts the rest.
pub fn list(names: impl IntoIterator<Item = impl AsRef<str>>, most: usize) -> String {
    let mut names = names.into_iter();
    let mut out: Vec<String> =
        names.by_ref().take(most).map(|name| printable(name.as_ref())).collect();
    let rest = names.count();
    if rest > 0 {
        out.push(format!("{rest} more"));
    }
    out.join(", ")
}
