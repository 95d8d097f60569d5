//! The live view of a run, for a terminal.
//!
//! Two parties share a `Screen`: the run gives it events and never waits for the terminal; a painter
//! thread shows it ten times a second. So a burst of events in virtual time is drawn once, and a
//! clock advances while nothing happens. What is finished scrolls up as lines that stay; below them
//! are the lines that move.
//!
//! ```text
//!   run -- event, progress --> Screen <-- lines -- painter --> terminal
//! ```
//!
//! A picture is one write, so nothing flickers. The terminal is `indicatif`'s, its bars are not
//! used: they fill each line with spaces to the full width, so that after a resize the rows that they
//! take are unknown, and lines that should stay are lost. The caller knows whether there is a
//! terminal, and who has it: in the background, lines are appended and nothing moves.

use std::fmt::Write as _;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use console::measure_text_width;
use indicatif::TermLike;
use jiff::Timestamp;

use crate::clock::Pace;
use crate::event::{Progress, Record, RunId};
use crate::history::{Reporter, RunState};
use crate::report::Style;
use crate::report::estimate::Estimate;
use crate::report::screen::{Frame, Screen};

/// The time between two pictures: smooth to the eye, and cheap.
const PERIOD: Duration = Duration::from_millis(100);

/// Clears from the cursor to the end of its line.
const CLEAR_LINE: &str = "\u{1b}[K";

/// Clears from the cursor to the end of the terminal.
const CLEAR_BELOW: &str = "\u{1b}[J";

pub struct Live {
    shared: Arc<Shared>,
    /// The thread, which ends when the sender is dropped.
    painter: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What the run and the painter share.
struct Shared {
    screen: Mutex<Screen>,
    canvas: Mutex<Canvas>,
}

/// The place of a view at its terminal, which it shares with the shell and its other jobs.
pub trait Seat: Send {
    /// Makes the terminal ready for a picture.
    fn take(&mut self) -> Seated;

    /// Leaves the terminal as it was before the first picture.
    fn leave(&mut self);
}

/// Who has the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seated {
    /// The view, since its last picture.
    Still,
    /// The view; another program may have written since its last picture.
    Anew,
    /// Another program: the view is in the background.
    Away,
}

/// The terminal. Locked while a picture is drawn; always before the screen.
struct Canvas {
    /// `None` if no one else uses the terminal.
    seat: Option<Box<dyn Seat>>,
    terminal: Box<dyn TermLike>,
    /// The columns of each line that moves, as it is on the terminal; the cursor is after the last
    /// one.
    drawn: Vec<usize>,
    tick: usize,
    is_paused: bool,
}

impl Live {
    /// Starts to show a run on standard output, which is a terminal. It knows `history` but does not show it.
    ///
    /// # Errors
    /// No thread could be started; show the run as lines then.
    pub fn stdout(
        run: &RunId,
        style: Style,
        pace: Option<Arc<Pace>>,
        history: &[Record],
        seat: impl Seat + 'static,
    ) -> std::io::Result<Self> {
        let mut live = Self::paced(console::Term::buffered_stdout(), run.clone(), style, pace);
        live.remember(history);
        live.sit(seat);
        let shared = Arc::clone(&live.shared);
        let painter = std::thread::Builder::new().name("painter".to_owned());
        let (stop, stopped) = mpsc::channel();
        live.painter = Some((stop, painter.spawn(move || shared.paint_until(&stopped))?));
        Ok(live)
    }

    /// Prepares to show a run on a terminal; only [`Live::paint`] draws.
    pub fn on(terminal: impl TermLike + 'static, run: RunId, style: Style) -> Self {
        Self::paced(terminal, run, style, None)
    }

    fn paced(
        terminal: impl TermLike + 'static,
        run: RunId,
        style: Style,
        pace: Option<Arc<Pace>>,
    ) -> Self {
        let canvas = Canvas {
            seat: None,
            terminal: Box::new(terminal),
            drawn: Vec::new(),
            tick: 0,
            is_paused: false,
        };
        Self {
            shared: Arc::new(Shared {
                screen: Mutex::new(Screen::new(run, style, pace)),
                canvas: Mutex::new(canvas),
            }),
            painter: None,
        }
    }

    pub fn paint(&self) {
        self.shared.paint();
    }

    /// Shares the terminal with other programs.
    pub fn sit(&mut self, seat: impl Seat + 'static) {
        locked(&self.shared.canvas).seat = Some(Box::new(seat));
    }

    /// Takes in what happened before, without showing it again.
    pub fn remember(&mut self, history: &[Record]) {
        locked(&self.shared.screen).remember(history);
    }

    /// Returns what sets how long the run is expected to take, at any time and from any thread.
    pub fn expecter(&self) -> impl Fn(Estimate) + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move |estimate| locked(&shared.screen).expect(estimate)
    }

    /// Forgets all progress: it may no longer be so.
    pub fn forget(&self) {
        locked(&self.shared.screen).forget();
    }

    /// Takes the time of the run's clock, which this process does not have.
    pub fn reach(&self, now: Timestamp) {
        locked(&self.shared.screen).reach(now);
    }

    /// Shows all that is finished, takes the moving lines away and leaves the terminal alone until
    /// [`Live::resume`].
    pub fn pause(&self) {
        let mut canvas = locked(&self.shared.canvas);
        canvas.rest(&self.shared.screen);
        canvas.is_paused = true;
    }

    pub fn resume(&self) {
        locked(&self.shared.canvas).is_paused = false;
        self.shared.paint();
    }

    /// Leaves a clean terminal to `work`, a question for example.
    pub fn suspend<R>(&self, work: impl FnOnce() -> R) -> R {
        self.pause();
        let result = work();
        self.resume();
        result
    }

    /// Shows what is left to show and takes the moving lines away for good.
    pub fn finish(&mut self) {
        if let Some((stop, painter)) = self.painter.take() {
            drop(stop);
            // A painter that panicked has said so; the terminal is cleaned anyway.
            let _ended = painter.join();
        }
        locked(&self.shared.canvas).rest(&self.shared.screen);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Reporter for Live {
    // The painter needs a state of its own: it is another thread.
    fn event(&mut self, record: &Record, _: &RunState) {
        locked(&self.shared.screen).event(record);
    }

    fn progress(&mut self, progress: &Progress, now: Timestamp, _: &RunState) {
        locked(&self.shared.screen).progress(progress, now);
    }
}

impl Shared {
    fn paint_until(&self, stopped: &Receiver<()>) {
        loop {
            self.paint();
            if stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn paint(&self) {
        locked(&self.canvas).paint(&self.screen);
    }
}

impl Canvas {
    /// Draws a picture: first what stays, then what moves.
    fn paint(&mut self, screen: &Mutex<Screen>) {
        if self.is_paused {
            return;
        }
        if !self.take() {
            return self.append(screen);
        }
        self.tick = self.tick.wrapping_add(1);
        let mut screen = locked(screen);
        let frame = Frame {
            width: usize::from(self.terminal.width()),
            height: usize::from(self.terminal.height()),
            tick: self.tick,
            now: screen.time(),
        };
        let permanent = screen.take_permanent(frame.width);
        let moving = screen.moving(frame);
        drop(screen);
        self.draw(&permanent, &moving);
    }

    /// Shows what stays, and nothing that moves.
    fn rest(&mut self, screen: &Mutex<Screen>) {
        if self.is_paused {
            return;
        }
        if self.take() {
            let permanent = locked(screen).take_permanent(usize::from(self.terminal.width()));
            self.draw(&permanent, &[]);
        } else {
            self.append(screen);
        }
        if let Some(seat) = &mut self.seat {
            seat.leave();
        }
    }

    /// Whether the terminal is the view's. What was drawn before another program had it is not touched again.
    fn take(&mut self) -> bool {
        let seated = self.seat.as_mut().map_or(Seated::Still, |seat| seat.take());
        if seated != Seated::Still {
            self.drawn.clear();
        }
        seated != Seated::Away
    }

    /// Shows what stays, without moving the cursor.
    fn append(&mut self, screen: &Mutex<Screen>) {
        let permanent = locked(screen).take_permanent(usize::from(self.terminal.width()));
        let ends = permanent.iter().flat_map(|line| [line.as_str(), "\r\n"]);
        self.write(&ends.collect::<String>());
    }

    fn write(&mut self, out: &str) {
        // A terminal that is gone harms nothing.
        let _gone = self.terminal.write_str(out).and_then(|()| self.terminal.flush());
    }

    /// Writes lines that stay over the moving ones, and the new moving ones below.
    fn draw(&mut self, permanent: &[String], moving: &[String]) {
        let mut out = String::from("\r");
        if let Some(up @ 1..) = self.rows().checked_sub(1) {
            write!(out, "\u{1b}[{up}A").expect("a string takes what is written to it");
        }
        // Lines that move fit their row, so each clears what it leaves of the one before it: the
        // eye sees no gap. Lines that stay may be longer.
        if !permanent.is_empty() || moving.is_empty() {
            out.push_str(CLEAR_BELOW);
        }
        for line in permanent {
            out.push_str(line);
            out.push_str("\r\n");
        }
        for (at, line) in moving.iter().enumerate() {
            if at > 0 {
                out.push_str("\r\n");
            }
            out.push_str(line);
            out.push_str(CLEAR_LINE);
        }
        out.push_str(CLEAR_BELOW);
        self.drawn = moving.iter().map(|line| measure_text_width(line)).collect();
        self.write(&out);
    }

    /// Returns the rows that the moving lines take, after the terminal has wrapped those that do
    /// not fit any more.
    fn rows(&self) -> usize {
        let columns = usize::from(self.terminal.width()).max(1);
        let rows = self.drawn.iter().map(|width| width.div_ceil(columns).max(1));
        rows.sum()
    }
}

/// Locks even after a panic: a picture is never worth more than the run.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
