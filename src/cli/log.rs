//! Writes log lines to standard error, without secrets.
//!
//! Logging starts before a plan is read, so the redactor is set later, once ([`hide`]). Each line is
//! written as a whole.

use std::io::{self, Write};
use std::sync::OnceLock;

use crate::secret::Redactor;

static REDACTOR: OnceLock<Redactor> = OnceLock::new();

/// Removes secrets from all lines from now on.
pub(super) fn hide(redactor: &Redactor) {
    // A process executes one run.
    let _already_set = REDACTOR.set(redactor.clone());
}

/// Collects one log line, then writes it.
#[derive(Debug, Default)]
pub(super) struct Writer {
    line: Vec<u8>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        match REDACTOR.get() {
            Some(redactor) => io::stderr().write_all(&redactor.bytes(&line, false)),
            None => io::stderr().write_all(&line),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A closed pipe is ignored.
        let _gone = self.flush();
    }
}
