//! The controlling terminal, where the operator is asked, whatever the streams are connected to.
//!
//! `planrun apply ... 2>&1 | tee log` has no terminal at its streams, but there is still an operator. So
//! questions are written to and read from `/dev/tty`. The operator cannot be asked if it cannot be opened
//! (cron, CI), or if planrun runs in the background: a read would suspend the process.

use std::fs::File;
use std::io::{Read as _, Write as _};

use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcgetpgrp, tcsetattr,
};
use zeroize::Zeroizing;

/// Maximum length of a line, in bytes: a reason is a sentence.
const MAX_LINE: usize = 4096;

#[derive(Debug)]
pub(super) struct Terminal(File);

impl Terminal {
    /// Opens it; `None` if the operator cannot be asked.
    pub(super) fn open() -> Option<Self> {
        let tty = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let in_front = tcgetpgrp(&tty).ok()?;
        (in_front == getpgrp()).then_some(Self(tty))
    }

    pub(super) fn again(&self) -> Option<Self> {
        self.0.try_clone().ok().map(Self)
    }

    /// Writes a prompt. A closed terminal is noticed when the answer is read.
    pub(super) fn prompt(&self, text: &str) {
        let _gone = (&self.0).write_all(text.as_bytes());
    }

    /// Reads a line; `None` at the end, or if the terminal is closed. The terminal returns whole lines, so no
    /// byte of the next one is lost.
    pub(super) fn line(&self) -> Option<String> {
        // It may be a secret.
        let mut bytes = Zeroizing::new(vec![0; MAX_LINE]);
        let read = (&self.0).read(&mut bytes).ok().filter(|read| *read > 0)?;
        Some(String::from_utf8_lossy(&bytes[..read]).into_owned())
    }

    /// Hides what is typed, until the result is dropped. Meanwhile `^C` ends the line like Enter, so that no
    /// signal leaves the terminal as it is: see [`Hidden::is_cancelled`].
    pub(super) fn hide(&self) -> Option<Hidden> {
        let before = tcgetattr(&self.0).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        hidden.special_codes[SpecialCodeIndex::VEOL] =
            before.special_codes[SpecialCodeIndex::VINTR];
        tcsetattr(&self.0, OptionalActions::Flush, &hidden).ok()?;
        Some(Hidden(self.0.try_clone().ok()?, before))
    }

    /// Stops showing what is typed, which would break the lines of a live view, until the result is dropped. Keys
    /// like `^C` work as before. What was typed meanwhile is kept.
    pub(super) fn silence(&self) -> Option<Silence> {
        let before = tcgetattr(&self.0).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        tcsetattr(&self.0, OptionalActions::Drain, &silent).ok()?;
        Some(Silence(self.0.try_clone().ok()?, before))
    }

    /// Drops what was typed and not read.
    pub(super) fn discard(&self) {
        let _gone = tcflush(&self.0, QueueSelector::IFlush);
    }

    pub(super) fn confirm(&self, question: &str) -> bool {
        self.prompt(&format!("{question} [y/N] "));
        self.line().is_some_and(|line| matches!(line.trim(), "y" | "Y" | "yes"))
    }
}

/// A terminal that does not show what is typed.
pub(super) struct Hidden(File, Termios);

impl Hidden {
    /// Whether a line was ended by `^C`.
    pub(super) fn is_cancelled(&self, line: &str) -> bool {
        line.bytes().last() == Some(self.1.special_codes[SpecialCodeIndex::VINTR])
    }
}

/// A terminal that is silent; see [`Terminal::silence`].
pub(super) struct Silence(File, Termios);

impl Drop for Silence {
    fn drop(&mut self) {
        let _gone = tcsetattr(&self.0, OptionalActions::Drain, &self.1);
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _gone = tcsetattr(&self.0, OptionalActions::Drain, &self.1);
    }
}
