//! The pace of a virtual clock that the operator watches: how much of its time passes in a second.
//!
//! Without a pace, virtual time jumps from one sleeper to the next. With one, it passes as real time does, only
//! faster: between two moments of the run it can be read at any moment, also by the thread that draws. Only
//! waiting takes time, so that nothing else of a run depends on its pace.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Sleep;

use super::{Clock, after};

/// See the head of this file. May be shared with another thread.
#[derive(Debug)]
pub struct Pace {
    times: f64,
    start: Timestamp,
    walk: Mutex<Option<Walk>>,
    skips: AtomicBool,
}

/// A stretch of virtual time that passes now: the times since the start of the clock.
#[derive(Debug)]
struct Walk {
    from: Duration,
    to: Duration,
    /// The real moment at which it started.
    started: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Pace {
    /// Makes the pace of a clock that starts at `start`: in one second pass `times` seconds, which is more than 0.
    pub fn new(times: f64, start: Timestamp) -> Self {
        Self { times, start, walk: Mutex::new(None), skips: AtomicBool::new(false) }
    }

    /// How many seconds pass in a second.
    pub fn times(&self) -> f64 {
        self.times
    }

    /// Returns the time as far as it has passed; `None` if it has jumped since.
    pub fn now(&self) -> Option<Timestamp> {
        self.elapsed().map(|elapsed| after(self.start, elapsed))
    }

    /// Lets time jump until [`Pace::walk_again`].
    pub fn skip(&self) {
        self.skips.store(true, Ordering::SeqCst);
    }

    pub fn walk_again(&self) {
        self.skips.store(false, Ordering::SeqCst);
    }

    pub(super) fn elapsed(&self) -> Option<Duration> {
        self.walk().as_ref().map(|walk| walk.elapsed(self.times))
    }

    /// Lets time pass from a moment to another one.
    pub(super) fn poll(&self, from: Duration, to: Duration, context: &mut Context<'_>) -> Poll<()> {
        let mut walk = self.walk();
        let is_there = to <= from || self.skips.load(Ordering::SeqCst);
        if is_there || walk.as_ref().is_none_or(|walk| walk.to != to) {
            *walk = (!is_there).then(|| Walk::begin(from, to, self.times));
        }
        let reached =
            walk.as_mut().map_or(Poll::Ready(()), |walk| walk.sleep.as_mut().poll(context));
        if reached.is_ready() {
            *walk = None;
        }
        reached
    }

    fn walk(&self) -> MutexGuard<'_, Option<Walk>> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Walk {
    #[expect(clippy::disallowed_methods, reason = "this is the home of time")]
    fn begin(from: Duration, to: Duration, times: f64) -> Self {
        let seconds = to.saturating_sub(from).as_secs_f64() / times;
        let length = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Self {
            from,
            to,
            started: Clock::Real.monotonic(),
            sleep: Box::pin(tokio::time::sleep(length)),
        }
    }

    fn elapsed(&self, times: f64) -> Duration {
        let real = Clock::Real.monotonic().saturating_sub(self.started);
        let passed = Duration::try_from_secs_f64(real.as_secs_f64() * times);
        self.from.saturating_add(passed.unwrap_or(Duration::MAX)).min(self.to)
    }
}
