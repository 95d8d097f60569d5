//! Reports: what the operator sees of a run.
//!
//! Takes [`crate::event::Record`]s and [`crate::event::Progress`], and writes text to a writer of the
//! caller, or to the terminal. A report never sees a plan: the first event has an outline, and the
//! rest is in the state of the run, [`crate::history`]. Only `line` words events; the reporters lay
//! the lines out:
//!
//! ```text
//!  Record -> history -> line -+-> plain           one line per event, for pipes and CI
//!     |         |             '-> screen -> live  a live view, for terminals
//!     |         +-> summary, show                 the result of a run, all of it
//!     |         '-> run_page -> Page              the same for a ticket: Markdown, HTML
//!     '-> json                                 for programs
//! ```
//!
//! All text from a host, a plan or an operator goes through [`text::printable`], and output of a
//! host is prefixed by its name. A report that cannot be written is harmless: errors
//! of the writer are dropped, and the run continues.

mod answers;
mod detail;
pub mod estimate;
pub mod json;
mod left;
mod line;
pub mod live;
mod moving;
pub mod next;
mod note;
pub mod open;
pub mod plain;
pub mod run_page;
pub mod runs;
mod screen;
pub mod show;
pub mod summary;
mod tally;
pub mod text;
mod tones;
mod wait;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) use crate::page::Tone;
use crate::report::detail::Detail;
use crate::report::text::wrap_in_columns;

/// How a report is laid out: what the caller knows of its reader.
#[derive(Clone, Debug)]
pub struct Style {
    pub colour: bool,
    /// Columns that a line may take.
    pub width: usize,
    pub zone: TimeZone,
    /// Whether each command of a run is shown with its output, and not only those that failed.
    pub outputs: bool,
}

/// A text that is written line by line.
struct Page<'a> {
    out: String,
    style: &'a Style,
}

impl<'a> Page<'a> {
    fn new(style: &'a Style) -> Self {
        Self { out: String::new(), style }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// Writes details, each with this indentation.
    fn details(&mut self, details: &[Detail], indent: &str) {
        for detail in details {
            let text = self.style.paint(detail.tone, &detail.text);
            self.line(&format!("{indent}{text}"));
        }
    }

    /// Writes details so that they fit the width.
    fn narrow_details(&mut self, details: &[Detail], indent: &str) {
        let room = self.style.width.saturating_sub(indent.len()).max(20);
        let lines = |detail: &Detail| {
            let lines = wrap_in_columns(&detail.text, room).into_iter();
            lines.map(|text| Detail { text, ..detail.clone() }).collect::<Vec<_>>()
        };
        let details: Vec<Detail> = details.iter().flat_map(lines).collect();
        self.details(&details, indent);
    }
}

impl Tone {
    /// The mark before a line that stays on a terminal.
    fn mark(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Warn => "!",
            Self::Quiet | Self::Strong | Self::Plain => "·",
        }
    }
}

impl Style {
    /// Makes a style without colour, with times in UTC.
    pub fn plain(width: usize) -> Self {
        Self { colour: false, width, zone: TimeZone::UTC, outputs: false }
    }

    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour || tone == Tone::Plain || text.is_empty() {
            return text.to_owned();
        }
        let style = console::Style::new().force_styling(true);
        match tone {
            Tone::Good => style.green(),
            Tone::Quiet => style.dim(),
            Tone::Warn => style.yellow(),
            Tone::Bad => style.red(),
            Tone::Strong => style.bold(),
            Tone::Plain => style,
        }
        .apply_to(text)
        .to_string()
    }

    pub(crate) fn clock(&self, at: Timestamp) -> String {
        self.format(at, "%H:%M:%S")
    }

    /// Returns day, time and zone.
    pub(crate) fn date(&self, at: Timestamp) -> String {
        self.format(at, "%Y-%m-%d %H:%M:%S %Z")
    }

    pub(crate) fn format(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned_datetime(self.zone.clone()).strftime(format).to_string()
    }
}
