//! Time, passed as an argument.
//!
//! A run reads the time and sleeps only through a [`Clock`]. For real hosts this is the machine's
//! boot-time clock, which continues during a suspend and never jumps. For model hosts it is a virtual
//! one: it stops while work is in progress and then jumps to the next sleeper, so that an hour of
//! waiting takes a moment, and two runs of a model are identical. With a [`Pace`] it passes instead of jumping,
//! for people who watch.

mod pace;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use jiff::Timestamp;

pub use pace::Pace;

/// A source of time.
#[derive(Clone, Debug)]
pub enum Clock {
    Real,
    /// A clock that [`Clock::poll_advance`] moves.
    Virtual(Rc<VirtualTime>),
}

#[derive(Debug)]
pub struct VirtualTime {
    start: Timestamp,
    /// Up to when it was moved.
    elapsed: Cell<Duration>,
    pace: Option<Arc<Pace>>,
    sleepers: RefCell<BTreeMap<(Duration, u64), Waker>>,
    next_sleeper: Cell<u64>,
}

impl Clock {
    /// Returns a virtual clock that shows `start`.
    pub fn virtual_from(start: Timestamp) -> Self {
        Self::virtual_with(start, None)
    }

    /// Returns a virtual clock that shows `start` and has this pace.
    pub fn paced(start: Timestamp, pace: Arc<Pace>) -> Self {
        Self::virtual_with(start, Some(pace))
    }

    fn virtual_with(start: Timestamp, pace: Option<Arc<Pace>>) -> Self {
        Self::Virtual(Rc::new(VirtualTime {
            start,
            elapsed: Cell::new(Duration::ZERO),
            pace,
            sleepers: RefCell::new(BTreeMap::new()),
            next_sleeper: Cell::new(0),
        }))
    }

    /// Returns the wall time: for users and records, never for measuring.
    ///
    /// The machine's clock is read once per process, and time is counted from there: if someone sets the
    /// clock, records stay in order, and nothing seems to take a day.
    #[expect(clippy::disallowed_methods, reason = "this is the home of time")]
    pub fn now(&self) -> Timestamp {
        static FIRST: OnceLock<(Timestamp, Duration)> = OnceLock::new();
        let (start, elapsed) = match self {
            Self::Real => {
                let now = self.monotonic();
                let (start, then) = *FIRST.get_or_init(|| (Timestamp::now(), now));
                (start, now.saturating_sub(then))
            }
            Self::Virtual(time) => (time.start, time.elapsed()),
        };
        after(start, elapsed)
    }

    /// Returns the time since the machine started, with suspends: for measuring.
    pub fn monotonic(&self) -> Duration {
        match self {
            Self::Real => {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                Duration::new(
                    now.tv_sec.try_into().unwrap_or_default(),
                    now.tv_nsec.try_into().unwrap_or_default(),
                )
            }
            Self::Virtual(time) => time.elapsed(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the home of time")]
    pub async fn sleep(&self, duration: Duration) {
        match self {
            Self::Real => tokio::time::sleep(duration).await,
            Self::Virtual(time) => {
                let until = time.elapsed().saturating_add(duration);
                let number = time.next_sleeper.get();
                time.next_sleeper.set(number + 1);
                VirtualSleep { time: Rc::clone(time), key: (until, number) }.await;
            }
        }
    }

    /// Moves a virtual clock to its next sleepers as [`Clock::advance`] does, at its pace.
    pub fn poll_advance(&self, context: &mut Context<'_>) -> Poll<bool> {
        if let Self::Virtual(time) = self
            && let Some(pace) = &time.pace
            && let Some(until) = time.next()
        {
            ready!(pace.poll(time.elapsed(), until, context));
        }
        Poll::Ready(self.advance())
    }

    /// Moves a virtual clock to its next sleepers and wakes them, in the order in which they fell asleep;
    /// returns false if there is nothing to move: a real clock, or one without sleepers.
    pub fn advance(&self) -> bool {
        let Self::Virtual(time) = self else { return false };
        let Some(until) = time.next() else { return false };
        let mut sleepers = time.sleepers.borrow_mut();
        let now = time.elapsed.get().max(until);
        time.elapsed.set(now);
        while let Some(first) = sleepers.first_entry()
            && first.key().0 <= now
        {
            first.remove().wake();
        }
        true
    }
}

impl Clock {
    /// Runs a future to its end; on a virtual clock time passes whenever it waits only for that.
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            loop {
                if let Poll::Ready(value) = future.as_mut().poll(context) {
                    return Poll::Ready(value);
                }
                if !ready!(self.poll_advance(context)) {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

impl VirtualTime {
    fn elapsed(&self) -> Duration {
        let passing = self.pace.as_ref().and_then(|pace| pace.elapsed());
        passing.unwrap_or_default().max(self.elapsed.get())
    }

    /// Returns the moment of the next sleeper.
    fn next(&self) -> Option<Duration> {
        self.sleepers.borrow().first_key_value().map(|((until, _), _)| *until)
    }
}

fn after(start: Timestamp, elapsed: Duration) -> Timestamp {
    let elapsed = jiff::SignedDuration::try_from(elapsed).unwrap_or_default();
    start.checked_add(elapsed).unwrap_or(start)
}

/// Runs a future to its end on a virtual clock, with no other executor; `None` if it waits for
/// something other than time.
pub fn block_on_virtual<T>(clock: &Clock, future: impl Future<Output = T>) -> Option<T> {
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

struct VirtualSleep {
    time: Rc<VirtualTime>,
    key: (Duration, u64),
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.time.elapsed() >= self.key.0 {
            return Poll::Ready(());
        }
        self.time.sleepers.borrow_mut().insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        self.time.sleepers.borrow_mut().remove(&self.key);
    }
}
