//! Durations as users write them: `90s`, `15m`, `1h 30m`.
//!
//! A unit is required. A day is exactly 24 hours; there are no months. The form is
//! `src/schema/forms.tsv`.

use std::time::Duration;

/// Longest duration: a hundred years, so that sums of them stay far from overflow.
const MAX_SECONDS: f64 = 100.0 * 365.0 * 86_400.0;

/// Reads a duration; `None` if it is not of this form, or longer than a hundred years.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        seconds += number * unit;
        rest = rest[letters..].trim_start();
    }
    let whole_milliseconds = (seconds * 1_000.0).round() / 1_000.0;
    (whole_milliseconds <= MAX_SECONDS).then(|| Duration::from_secs_f64(whole_milliseconds))
}

/// Formats a duration for users: its two largest units; no fractions of a second above ten seconds.
pub fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (large, unit, small, sub) = match seconds {
        0 if duration.subsec_millis() > 0 => return format!("{}ms", duration.as_millis()),
        ..10 if duration.subsec_millis() > 0 => return format!("{:.1}s", duration.as_secs_f64()),
        ..60 => return format!("{seconds}s"),
        60..3_600 => (seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    };
    if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit} {small}{sub}") }
}
