//! Where log lines go: to standard error, without secrets.
//!
//! Logging begins before a plan is read, so the redactor comes later, once ([`hide`]). A line is
//! written as a whole.

use std::io;
use std::io::Write;
use std::sync::OnceLock;

use crate::secret::Redactor;

static REDACTOR: OnceLock<Redactor> = OnceLock::new();

/// Takes secrets out of all lines from now on.
pub(super) fn hide(redactor: &Redactor) {
    // A process drives one run.
    let _already_set = REDACTOR.set(redactor.clone());
}

/// Writes one log line; it is collected and then written at once.
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
        // A reader that is gone harms nothing.
        let _gone = self.flush();
    }
}
