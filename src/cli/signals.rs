//! Signals that end or interrupt the process.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Exit;
use crate::cli::out::write_line;
use crate::transport::program::Running;

/// A signal, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE")]
pub(super) enum Wish {
    /// The terminal is closed.
    Hup = 1,
    Int = 2,
    Term = 15,
}

impl Wish {
    /// Returns the name of the signal, as in events.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the exit code if the process ends immediately.
    pub(super) fn exit(self) -> Exit {
        Exit(128 + self as u8)
    }
}

#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// Whether a session handles the signals.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Makes a write beyond the limit of a file's size (`ulimit -f`) fail with an error, as on a full disk: the
/// system's default is to end the process. Processes that are started keep that default.
pub(super) fn survive_limits() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    // It stays handled when nothing listens any more.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// Ends the process at a signal, together with the inventory program that runs: it has its own process
/// group, so that `^C` does not reach it. This is active until a session handles the signals, even if no
/// program runs any more, because the system's default cannot be restored.
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
            write_line(&format!("ended by {}; nothing was changed", wish.name()));
            #[expect(clippy::exit, reason = "nothing has started that must be ended")]
            std::process::exit(i32::from(wish.exit().0));
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(())
}

impl Signals {
    /// Starts to handle the signals, instead of the system and of [`guard`].
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

    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Int,
            _ = self.terminate.recv() => Wish::Term,
            _ = self.hangup.recv() => Wish::Hup,
        }
    }
}
