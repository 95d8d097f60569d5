//! The run for programs: one record per line, as JSON, as it is stored.

use std::io::Write;

use crate::event::{Record, Reporter};
use crate::report::text::printable_json;

/// See the module. Progress is not written: it is not stored either.
pub struct JsonLines<W> {
    out: W,
}

impl<W: Write> JsonLines<W> {
    /// Makes a reporter that writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Returns the writer.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write> Reporter for JsonLines<W> {
    fn event(&mut self, record: &Record) {
        // A run does not end if its reader is gone.
        if let Ok(line) = serde_json::to_string(record) {
            let line = printable_json(&line);
            let _gone = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn each_line_is_the_record() {
        let records = sample::succeeded();
        let mut report = JsonLines::new(Vec::new());
        for record in &records {
            report.event(record);
        }
        let text = String::from_utf8(report.into_inner()).unwrap();
        let back: Vec<Record> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(back, records);
    }

    #[test]
    fn a_hosts_control_characters_are_escaped() {
        let records = sample::hostile();
        let mut report = JsonLines::new(Vec::new());
        for record in &records {
            report.event(record);
        }
        let text = String::from_utf8(report.into_inner()).unwrap();
        assert!(!text.contains(|c: char| c != '\n' && c.is_control()));
    }
}
