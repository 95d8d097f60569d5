//! Signals: what a person or the machine sends to end the process.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::exit::Exit;
use crate::cli::out::write_line;
use crate::transport::program::Running;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// From the keyboard.
    Int,
    /// From another process.
    Term,
    /// The terminal is gone.
    Hup,
}

impl Wish {
    /// Returns the name of the signal, as events have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Term => "TERM",
            Self::Hup => "HUP",
        }
    }

    /// Returns the exit status where it is obeyed at once.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Int => Exit::INT,
            Self::Term => Exit::TERM,
            Self::Hup => Exit::HUP,
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

/// Whether a session has taken the signals over.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Ends the process at a signal, and with it the program that runs: it is in a group of its own, so
/// that `^C` does not reach it. This holds until a session takes the signals over, also when no
/// program runs any more: the system's own way of ending cannot be had back.
pub(super) fn guard(running: Running) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    let watch = move || {
        let mut signals = signals;
        let wish = runtime.block_on(signals.next());
        if !TAKEN.load(Ordering::SeqCst) {
            running.end();
            write_line(&format!("ended by {}; nothing was done", wish.name()));
            #[expect(clippy::exit, reason = "nothing was begun that would have to be ended")]
            std::process::exit(i32::from(wish.exit().0));
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(())
}

impl Signals {
    /// Takes them over from the system, which would end the process, and from [`guard`].
    pub(super) fn install() -> std::io::Result<Self> {
        TAKEN.store(true, Ordering::SeqCst);
        Self::listen()
    }

    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Int,
            _ = self.terminate.recv() => Wish::Term,
            _ = self.hangup.recv() => Wish::Hup,
        }
    }
}
