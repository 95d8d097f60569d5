//! What a terminal shows of a run, as text: the lines that stay, and (in `moving`) the lines that move.
//!
//! Pure: takes events and progress, returns lines for a given time, width and height.
//! [`crate::report::live`] writes them to the terminal.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::{Clock, Pace};
use crate::event::{Event, Progress, Record, RunEvent, RunId, TaskId};
use crate::history::RunState;
use crate::report::estimate::Estimate;
use crate::report::line::{Line, styled_line, waits_for_lock};
use crate::report::note::Note;
use crate::report::text::{clip, gap, pad, width, wrap, wrap_in_columns};
use crate::report::wait::Waits;
use crate::report::{Style, Tone};

/// Columns of the name of a host.
const HOST_WIDTH: usize = 20;

/// Columns of a step before its title.
const STEP_WIDTH: usize = 16;

/// Columns of the widest status word of a step.
const WORD_WIDTH: usize = 9;

/// The narrowest line that is still laid out; below it, text is cut.
pub(super) const LEAST_WIDTH: usize = 20;

/// The indentation of the details of a line.
const DETAIL_INDENT: &str = "      ";

pub(crate) struct Screen {
    pub(super) run: RunId,
    pub(super) style: Style,
    pub(super) state: RunState,
    pub(super) waits: Waits,
    pub(super) notes: BTreeMap<TaskId, Note>,
    /// What commands that run have printed.
    pub(super) printed: BTreeMap<TaskId, Vec<String>>,
    pub(super) estimate: Estimate,
    pace: Option<Arc<Pace>>,
    pending: Vec<(Timestamp, Line)>,
    pub(super) now: Timestamp,
    pub(super) host_width: usize,
    step_width: usize,
}

/// The room and the moment of one picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// The number of the picture: selects the frame of the spinner.
    pub(crate) tick: usize,
    /// The wall time, for real hosts; `None` means the time of the last event.
    pub(crate) now: Option<Timestamp>,
}

impl Screen {
    pub(crate) fn new(run: RunId, style: Style, pace: Option<Arc<Pace>>) -> Self {
        Self {
            run,
            style,
            state: RunState::default(),
            waits: Waits::default(),
            notes: BTreeMap::new(),
            printed: BTreeMap::new(),
            estimate: Estimate::default(),
            pace,
            pending: Vec::new(),
            now: Timestamp::UNIX_EPOCH,
            host_width: 0,
            step_width: 0,
        }
    }

    /// Takes in what happened before, without showing it again.
    pub(crate) fn remember(&mut self, history: &[Record]) {
        for record in history {
            self.state.apply_for_report(record);
            self.now = record.at;
        }
        self.learn_widths();
    }

    pub(crate) fn event(&mut self, record: &Record) {
        self.state.apply_for_report(record);
        self.now = record.at;
        match &record.event {
            Event::Run(RunEvent::Planned(_)) => self.learn_widths(),
            Event::Task { task, event } => {
                if event.ends_wait() {
                    self.waits.end(task);
                }
                if event.ends_attempt() {
                    self.notes.remove(task);
                    self.printed.remove(task);
                }
            }
            Event::Run(_) | Event::Host { .. } => {}
        }
        let line = styled_line(&self.state, record, &self.style);
        if let Some(line) = line.filter(|line| !line.is_trace) {
            self.pending.push((record.at, line));
            // What was skipped to.
            if let Some(pace) = &self.pace {
                pace.walk_again();
            }
        }
    }

    /// Sets how long the run is expected to take.
    pub(crate) fn expect(&mut self, estimate: Estimate) {
        self.estimate = estimate;
    }

    /// How fast the time of the model passes; `None` for real hosts, or if it jumps.
    pub(super) fn times(&self) -> Option<f64> {
        self.pace.as_ref().map(|pace| pace.times())
    }

    pub(crate) fn progress(&mut self, progress: &Progress, now: Timestamp) {
        self.now = now;
        self.waits.observe(progress, now);
        match progress {
            Progress::Retrying { task, .. } | Progress::Away { task, .. } => {
                let note = Note::of(progress, now);
                self.notes.extend(note.map(|note| (task.clone(), note)));
            }
            Progress::Locked { host, why, limit } => {
                self.pending.push((now, waits_for_lock(host, why, *limit)));
            }
            Progress::Output { task, lines } => {
                self.printed.insert(task.clone(), lines.clone());
            }
            Progress::Waiting { .. } => {}
        }
    }

    /// Forgets all progress: it may no longer be so.
    pub(crate) fn forget(&mut self) {
        self.waits = Waits::default();
        self.notes.clear();
        self.printed.clear();
    }

    /// Takes the time of the run's clock.
    pub(crate) fn reach(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    fn learn_widths(&mut self) {
        let hosts = self.state.hosts.keys().map(|host| width(host.as_str()));
        self.host_width = hosts.max().unwrap_or_default().min(HOST_WIDTH);
        let steps = self.state.planned.paths();
        let steps = steps.filter(|step| !self.state.planned.is_handler(step));
        let steps = steps.map(|step| width(&step.to_string())).max();
        self.step_width = steps.unwrap_or_default().min(STEP_WIDTH);
    }

    /// Returns the time of the run at this moment; `None` if it is that of the last event.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        if self.state.planned.is_model {
            return self.pace.as_ref()?.now();
        }
        Some(Clock::Real.now())
    }

    /// Takes the lines that are to stay and were not shown yet.
    pub(crate) fn take_permanent(&mut self, columns: usize) -> Vec<String> {
        let pending = std::mem::take(&mut self.pending);
        pending.iter().flat_map(|(at, line)| self.permanent(*at, line, columns)).collect()
    }

    /// Lays out a line that stays: `15:04:05  ✓ backend1  drain  changed  Map no new users ...`. The title
    /// of a step that succeeded is cut to the width; other text is wrapped.
    fn permanent(&self, at: Timestamp, line: &Line, columns: usize) -> Vec<String> {
        let time = self.style.paint(Tone::Quiet, &self.style.clock(at));
        let mark = self.style.paint(line.tone, line.mark);
        let word = self.style.paint(line.tone, &line.word);
        let lead = if line.step.is_empty() {
            let host = self.style.paint(Tone::Strong, &line.host);
            let gap = if line.host.is_empty() { "" } else { " " };
            let colon = if line.text.is_empty() { "" } else { ": " };
            format!("{time} {mark} {host}{gap}{word}{colon}")
        } else {
            let host = pad(&line.host, self.host_width);
            let step = pad(&line.step, self.step_width);
            let lead = format!("{time}   {mark} {host}  {step}  {word}");
            let lead = format!("{lead}{}", gap(&line.word, WORD_WIDTH));
            if width_of(&lead) + LEAST_WIDTH < columns {
                lead
            } else {
                // Not in columns.
                format!("{time} {mark} {} {} {word}: ", line.host, line.step)
            }
        };
        let room = columns.saturating_sub(width_of(&lead) + 1);
        // What does not fit next to it starts below it.
        let is_below = room < LEAST_WIDTH && width(&line.text) > room;
        let lead = if is_below { lead.trim_end().to_owned() } else { lead };
        let indent = if is_below { DETAIL_INDENT.len() } else { width_of(&lead) };
        let room = if is_below { columns.saturating_sub(indent + 1) } else { room };
        let room = room.max(LEAST_WIDTH);
        let is_short = line.tone == Tone::Good || line.tone == Tone::Quiet;
        let texts = if is_short && !line.step.is_empty() {
            vec![clip(&line.text, room)]
        } else {
            wrap(&line.text, room)
        };
        let mut texts = texts.into_iter();
        let first = if is_below { String::new() } else { texts.next().unwrap_or_default() };
        let text = format!("{lead}{first}");
        let indent = " ".repeat(indent);
        let texts = texts.map(|text| format!("{indent}{text}"));
        let room = columns.saturating_sub(DETAIL_INDENT.len() + 1).max(LEAST_WIDTH);
        let details = line.details.iter().flat_map(|detail| {
            let lines = wrap_in_columns(&detail.text, room).into_iter();
            lines.map(|text| format!("{DETAIL_INDENT}{}", self.style.paint(detail.tone, &text)))
        });
        std::iter::once(text.trim_end().to_owned()).chain(texts).chain(details).collect()
    }
}

/// Returns the width of a text that may have colours.
fn width_of(text: &str) -> usize {
    console::measure_text_width(text)
}
