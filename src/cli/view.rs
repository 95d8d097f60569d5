//! How a run is shown while it is executed.

use std::cell::RefCell;
use std::sync::Arc;

use clap::ValueEnum;
use jiff::Timestamp;

use crate::cli::out::{Out, print, write_line};
use crate::cli::terminal::Desk;
use crate::cli::{Context, Stream};
use crate::clock::Pace;
use crate::event::{Progress, Record, RunId};
use crate::history::{Reporter, RunState};
use crate::report::estimate::Estimate;
use crate::report::json::JsonLines;
use crate::report::live::Live;
use crate::report::plain::Plain;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Live view on a terminal, otherwise plain lines
    #[default]
    Human,
    /// One line per event
    Plain,
    /// One JSON object per event; the summary goes to standard error
    Json,
}

impl Output {
    /// Whether this is a live view.
    pub(super) fn moves(self, context: &Context) -> bool {
        self == Self::Human && context.can_move()
    }

    /// Returns where what people read of a run goes: standard output, unless that has JSON.
    pub(super) fn report(self) -> Stream {
        if self == Self::Json { Stream::Err } else { Stream::Out }
    }
}

/// A reporter.
pub(super) enum View {
    Live(Live),
    Lines(Box<dyn Reporter>),
}

impl View {
    /// Starts to show a run; the reporter knows `history` but does not show it.
    pub(super) fn new(
        run: &RunId,
        output: Output,
        history: &[Record],
        pace: Option<Arc<Pace>>,
        context: &Context,
    ) -> Self {
        let style = context.style(output.report());
        let plain = || Self::Lines(Box::new(Plain::new(Out, style.clone())));
        match output {
            Output::Json => Self::Lines(Box::new(JsonLines::new(Out))),
            Output::Human if output.moves(context) => {
                match Live::stdout(run, style.clone(), pace, history, Desk::new()) {
                    Ok(live) => Self::Live(live),
                    Err(_) => plain(),
                }
            }
            Output::Human | Output::Plain => plain(),
        }
    }

    /// Returns what sets how long the run is expected to take; `None` if that is not shown.
    pub(super) fn expecter(&self) -> Option<impl Fn(Estimate) + Send + use<>> {
        match self {
            Self::Live(live) => Some(live.expecter()),
            Self::Lines(_) => None,
        }
    }

    /// Forgets all progress: it may no longer be so.
    pub(super) fn forget(&self) {
        if let Self::Live(live) = self {
            live.forget();
        }
    }

    /// Takes the time of the run's clock, which this process does not have.
    pub(super) fn reach(&self, now: Timestamp) {
        if let Self::Live(live) = self {
            live.reach(now);
        }
    }

    /// Writes a line of text without breaking the live view.
    pub(super) fn say(&self, line: &str) {
        match self {
            Self::Live(live) => live.suspend(|| write_line(line)),
            Self::Lines(_) => write_line(line),
        }
    }

    /// Writes lines of the report without breaking the live view.
    pub(super) fn print(&self, text: &str) {
        match self {
            Self::Live(live) => live.suspend(|| print(text)),
            Self::Lines(_) => print(text),
        }
    }

    fn reporter(&mut self) -> &mut dyn Reporter {
        match self {
            Self::Live(live) => live,
            Self::Lines(lines) => &mut **lines,
        }
    }

    /// Removes the live view.
    pub(super) fn finish(self) {
        if let Self::Live(mut live) = self {
            live.finish();
        }
    }
}

impl Reporter for View {
    fn event(&mut self, record: &Record, state: &RunState) {
        self.reporter().event(record, state);
    }

    fn progress(&mut self, progress: &Progress, now: Timestamp, state: &RunState) {
        self.reporter().progress(progress, now, state);
    }
}

/// Stops drawing until it is dropped, also if its owner is cancelled.
pub(super) struct Pause<'a>(&'a RefCell<View>);

impl<'a> Pause<'a> {
    pub(super) fn new(view: &'a RefCell<View>) -> Self {
        if let View::Live(live) = &*view.borrow() {
            live.pause();
        }
        Self(view)
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        if let Ok(view) = self.0.try_borrow()
            && let View::Live(live) = &*view
        {
            live.resume();
        }
    }
}
