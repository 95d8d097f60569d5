//! Standard output, which has the results.
//!
//! A closed pipe is ignored: its reader needed no more. Any other failure, such as a full disk, is
//! recorded, and the command does not succeed.

use std::io::{self, Write};
use std::sync::OnceLock;

static FAILURE: OnceLock<String> = OnceLock::new();

pub(super) struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).inspect_err(note)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().inspect_err(note)
    }
}

pub(super) fn note(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted) {
        // Only the first one is reported.
        let _known = FAILURE.set(error.to_string());
    }
}

/// Returns why data could not be written, if so.
pub(super) fn failure() -> Option<&'static str> {
    FAILURE.get().map(String::as_str)
}

pub(super) fn write_line(line: &str) {
    let mut err = std::io::stderr().lock();
    let _gone = writeln!(err, "{line}").and_then(|()| err.flush());
}

/// Writes a text to standard output; see [`Out`] for failures.
pub(super) fn print(text: &str) {
    let _noted = Out.write_all(text.as_bytes()).and_then(|()| Out.flush());
}
