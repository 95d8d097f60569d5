//! The run for programs: one record per line, as JSON, as it is stored.

use std::io::Write;

use crate::event::Record;
use crate::history::{Reporter, RunState};
use crate::report::text::printable_json;

/// See the module. Progress is not written: it is not stored either.
pub struct JsonLines<W> {
    out: W,
}

impl<W: Write> JsonLines<W> {
    pub fn new(out: W) -> Self {
        Self { out }
    }

    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write> Reporter for JsonLines<W> {
    fn event(&mut self, record: &Record, _: &RunState) {
        // A run does not end if its reader is gone.
        if let Ok(line) = serde_json::to_string(record) {
            let line = printable_json(&line);
            let _gone = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        }
    }
}
