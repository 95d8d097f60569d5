//! Writes log lines to standard error or to a file, without secrets.
//!
//! Logging starts before a plan is read, so the redactor is set later, once ([`hide`]). Each line is
//! written as a whole. A file is only appended to, and only its owner can read it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustix::fs::{Mode, OFlags};

use crate::cli::{Exit, Fault, out};
use crate::secret::Redactor;

static REDACTOR: OnceLock<Redactor> = OnceLock::new();
/// Why a line could not be written to the file.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Removes secrets from all lines from now on.
pub(super) fn hide(redactor: &Redactor) {
    // A process executes one run.
    let _already_set = REDACTOR.set(redactor.clone());
}

/// Reports that the file does not have all lines, if so.
pub(super) fn warn() {
    if let Some(why) = FAILURE.get() {
        out::write_line(&format!("warning: the log is incomplete: {why}"));
    }
}

/// Opens or creates a file for the log. It must be a regular file of this user that no one else can read.
pub(super) fn open(path: &Path) -> Result<File, Fault> {
    let cannot = || format!("cannot write the log to {}", path.display());
    let refused = |why: &str| {
        let fault = Fault::new(Exit::INVALID, cannot()).because(why);
        fault.help("use another file; nothing was started")
    };
    // A pipe without a reader would block.
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW;
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(refused("it is a symbolic link")),
        Err(error) => {
            let fault = Fault::of(Exit::INVALID, cannot(), &io::Error::from(error));
            return Err(fault.help("use another file; nothing was started"));
        }
    };
    let found = file.metadata().map_err(|error| Fault::of(Exit::INVALID, cannot(), &error))?;
    if !found.is_file() {
        return Err(refused("it is not a regular file"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused("it belongs to another user"));
    }
    if found.mode() & 0o077 != 0 {
        let shown = crate::quote::readable(&path.to_string_lossy());
        let fault = Fault::new(Exit::INVALID, cannot()).because("other users can access it");
        return Err(fault.help(format!("`chmod 600 {shown}`, or use another file")));
    }
    Ok(file)
}

/// Collects one log line, then writes it.
#[derive(Debug, Default)]
pub(super) struct Writer {
    line: Vec<u8>,
    /// Where it is written; standard error if there is none.
    file: Option<Arc<File>>,
}

impl Writer {
    pub(super) fn to(file: Option<Arc<File>>) -> Self {
        Self { line: Vec::new(), file }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Ok(());
        }
        let line = match REDACTOR.get() {
            Some(redactor) => redactor.bytes(&line, false).to_vec(),
            None => line,
        };
        match &self.file {
            Some(file) => file.as_ref().write_all(&line).inspect_err(|error| {
                // Only the first one is reported.
                let _known = FAILURE.set(error.to_string());
            }),
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
