//! Requests to the process that works on a run, from another terminal.
//!
//! A request changes nothing by itself: the process takes it up ([`crate::cli::inbox`]) and replies. One that it does
//! not accept is withdrawn, so that nothing happens later that its sender no longer expects.

use std::time::Duration;

use crate::cli::{Context, Exit, Fault};
use crate::event::{Request, RunId};
use crate::store::Store;

/// The time between checks of the store, and the number of checks until the process is said not to accept.
const PAUSE: Duration = Duration::from_millis(50);
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
    for _ in 0..CHECKS {
        match store.reply_to(number)? {
            Some(Ok(_)) => return Ok(Passed::Done),
            Some(Err(why)) => return Err(Fault::new(Exit::INVALID, why)),
            None if store.is_alive(run) => std::thread::sleep(PAUSE),
            None => break,
        }
    }
    if !store.withdraw(number)? && matches!(store.reply_to(number)?, Some(Ok(_))) {
        return Ok(Passed::Done);
    }
    if store.is_alive(run) {
        let message = format!("the process that works on run {run} does not accept the request");
        return Err(Fault::new(Exit::HELD, message).help(
            "nothing was changed; check whether the process is suspended or an older planrun",
        ));
    }
    Ok(Passed::Unheard)
}

/// Asks the process that works on a run to pause, and waits until no process works on it.
pub(super) fn stop_and_wait(
    store: &Store,
    run: &RunId,
    by: &str,
    context: &Context,
) -> Result<(), Fault> {
    if pass(store, run, by, Request::Stop)? == Passed::Done {
        context.say(&format!("run {run} was asked to pause after its running steps"));
    }
    while store.is_alive(run) {
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
