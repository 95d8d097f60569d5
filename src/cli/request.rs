//! Requests to the process that works on a run, from another terminal.
//!
//! A request changes nothing by itself: the process takes it up ([`crate::cli::inbox`]) and replies. One that it does
//! not accept is withdrawn, so that nothing happens later that its sender no longer expects.

use std::time::Duration;

use crate::cli::{Context, Exit, Fault};
use crate::event::{Request, RunId};
use crate::store::{Reply, Store};

/// The time between checks of the store, and the number of checks until the process is said not to accept.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
const CHECKS: u32 = 200;

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    Done,
    /// The process ended before it replied; it may have done it.
    Unheard,
}

/// Passes a request to the process that works on the run.
pub(super) fn pass(
    store: &Store,
    run: &RunId,
    by: &str,
    request: Request,
) -> Result<Passed, Fault> {
    let number = store.ask(run, by, request)?;
    let mut checks = 0;
    while store.reply_to(number)?.is_none() && checks < CHECKS && store.is_alive(run) {
        checks += 1;
        std::thread::sleep(PAUSE);
    }
    // It may reply until this moment, and does not act on the request later.
    let is_withdrawn = store.withdraw(number)?;
    match store.reply_to(number)? {
        Some(Reply::Done) => Ok(Passed::Done),
        Some(Reply::Refused(why)) => Err(Fault::new(Exit::INVALID, why)),
        Some(Reply::Unheard) | None if is_withdrawn && checks == CHECKS => {
            let message =
                format!("the process that works on run {run} does not accept the request");
            Err(Fault::new(Exit::HELD, message).help(
                "nothing was changed; check whether the process is suspended or an older planrun",
            ))
        }
        Some(Reply::Unheard) | None => Ok(Passed::Unheard),
    }
}

/// Asks the process that works on a run to pause, and waits until no process works on it.
pub(super) fn stop_and_wait(
    store: &Store,
    run: &RunId,
    by: &str,
    context: &Context,
) -> Result<(), Fault> {
    // Another process may work on the run by now.
    while store.is_alive(run) {
        if pass(store, run, by, Request::Stop)? == Passed::Done {
            context.say(&format!("run {run} was asked to pause after its running steps"));
            while store.is_alive(run) {
                std::thread::sleep(PAUSE);
            }
            break;
        }
    }
    Ok(())
}
