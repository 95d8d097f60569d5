//! Signals: what a person or the machine sends to end the process.

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::cli::exit::Exit;

/// A wish that the run be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// From the keyboard.
    Int,
    /// From another process.
    Term,
}

impl Wish {
    /// Returns the name of the signal, as events have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Term => "TERM",
        }
    }

    /// Returns the exit status where it is obeyed at once.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Int => Exit::INT,
            Self::Term => Exit::TERM,
        }
    }
}

/// The signals of this process from now on.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes them over from the system, which would end the process.
    pub(super) fn install() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next wish. A terminal that goes away is none: the run goes on without it.
    pub(super) async fn next(&mut self) -> Wish {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Wish::Int,
                _ = self.terminate.recv() => return Wish::Term,
                _ = self.hangup.recv() => {}
            }
        }
    }
}
