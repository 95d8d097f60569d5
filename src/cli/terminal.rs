//! The controlling terminal, where the operator is asked, whatever the streams are connected to.
//!
//! `planrun apply ... 2>&1 | tee log` has no terminal at its streams, but there is still an operator. So
//! questions are written to and read from `/dev/tty`. The operator cannot be asked if it cannot be opened
//! (cron, CI), or if planrun runs in the background: a read would suspend the process.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcgetpgrp, tcsetattr,
};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::report::live::{Seat, Seated};

/// Maximum length of a line, in bytes: a reason is a sentence.
const MAX_LINE: usize = 4096;

/// How often planrun looks whether it is in front.
const BACKGROUND_PERIOD: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Terminal(File);

impl Terminal {
    /// Opens it; `None` if the operator cannot be asked.
    pub(super) fn open() -> Option<Self> {
        let terminal = Self::open_anyway()?;
        (is_in_front(&terminal.0) == Some(true)).then_some(terminal)
    }

    /// Opens it, also if planrun runs in the background.
    fn open_anyway() -> Option<Self> {
        File::options().read(true).write(true).open("/dev/tty").ok().map(Self)
    }

    /// Waits until planrun is in front, if it is in the background; ends also if the terminal is gone.
    pub(super) async fn in_front(&self) {
        while is_in_front(&self.0) == Some(false) {
            Clock::Real.sleep(BACKGROUND_PERIOD).await;
        }
    }

    pub(super) fn again(&self) -> Option<Self> {
        self.0.try_clone().ok().map(Self)
    }

    /// Writes a prompt. A closed terminal is noticed when the answer is read.
    pub(super) fn prompt(&self, text: &str) {
        let _gone = (&self.0).write_all(text.as_bytes());
    }

    /// Reads a line; `None` at the end, or if the terminal is closed. The terminal returns whole lines, so no
    /// byte of the next one is lost. Nothing is read while planrun runs in the background.
    pub(super) fn line(&self) -> Option<String> {
        self.readable()?;
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

    /// Waits until there is something to read in front; `None` if the terminal is gone.
    fn readable(&self) -> Option<()> {
        let period = Timespec::try_from(BACKGROUND_PERIOD).ok()?;
        loop {
            if !is_in_front(&self.0)? {
                std::thread::sleep(BACKGROUND_PERIOD);
                continue;
            }
            let mut wanted = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut wanted, Some(&period)) {
                Ok(1..) if is_in_front(&self.0)? => return Some(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
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

/// The seat of a live view at the controlling terminal. While the view draws, the terminal does not show what is
/// typed, which would break its lines. Keys like `^C` work as before. What was typed meanwhile is kept.
#[derive(Default)]
pub(super) struct Desk {
    terminal: Option<Terminal>,
    /// How the terminal was before the first picture.
    before: Option<Termios>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self { terminal: Terminal::open_anyway(), before: None }
    }

    fn set(&self, settings: &Termios) {
        if let Some(Terminal(tty)) = self.terminal.as_ref().filter(|Terminal(tty)| can_set(tty)) {
            let _gone = tcsetattr(tty, OptionalActions::Drain, settings);
        }
    }
}

impl Seat for Desk {
    fn take(&mut self) -> Seated {
        let Some(Terminal(tty)) = &self.terminal else { return Seated::Still };
        if is_in_front(tty) == Some(false) {
            return Seated::Away;
        }
        let Ok(mut settings) = tcgetattr(tty) else { return Seated::Still };
        let shown = LocalModes::ECHO | LocalModes::ECHONL;
        if self.before.is_some() && !settings.local_modes.intersects(shown) {
            return Seated::Still;
        }
        // At first, or the shell has set it since: it had the terminal.
        self.before.get_or_insert_with(|| settings.clone());
        settings.local_modes.remove(shown);
        self.set(&settings);
        Seated::Anew
    }

    fn leave(&mut self) {
        if let Some(before) = self.before.take() {
            self.set(&before);
        }
    }
}

/// Whether planrun may write to a terminal as its only program: its process group is in front. `None` if the
/// terminal is gone.
fn is_in_front(tty: &File) -> Option<bool> {
    tcgetpgrp(tty).ok().map(|front| front == getpgrp())
}

/// Whether settings can be changed: in the background, that would suspend the process.
fn can_set(tty: &File) -> bool {
    is_in_front(tty) != Some(false)
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if can_set(&self.0) {
            let _gone = tcsetattr(&self.0, OptionalActions::Drain, &self.1);
        }
    }
}
