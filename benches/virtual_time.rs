//! Runs what waits for a virtual clock.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use planrun::clock::Clock;

/// Runs a future to its end on a virtual clock, with no other executor; `None` if it waits for
/// something other than time.
pub(crate) fn block_on_virtual<T>(clock: &Clock, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        if !clock.advance() {
            return None;
        }
    }
}
