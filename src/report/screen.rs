//! What a terminal shows of a run, as text: the lines that stay, and the lines that move.
//!
//! Pure: takes events and progress, returns lines for a given time, width and height.
//! [`crate::report::live`] writes them to the terminal.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::event::{Event, HostStatus, Progress, Record, RunEvent, RunId, TaskEvent, TaskId};
use crate::history::{HostState, RunState, between};
use crate::inventory::HostName;
use crate::report::detail::one_line;
use crate::report::line::{Line, line_of, waits_for_lock};
use crate::report::tally::title_of;
use crate::report::text::{clip, duration, gap, pad, printable, whole, width, wrap};
use crate::report::wait::{Wait, Waits, away_text};
use crate::report::{Style, Tone};

/// The frames of the mark of a host that is worked on.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// Columns of the name of a host.
const HOST_WIDTH: usize = 20;

/// Columns of a step before its title.
const STEP_WIDTH: usize = 16;

/// Columns of the widest status word of a step.
const WORD_WIDTH: usize = 9;

/// Columns of a bar, if there is room for one.
const BAR_WIDTH: usize = 20;

/// The narrowest line that is still laid out; below it, text is cut.
const LEAST_WIDTH: usize = 20;

/// The indentation of the details of a line.
const DETAIL_INDENT: &str = "      ";

pub(crate) struct Screen {
    run: RunId,
    style: Style,
    state: RunState,
    waits: Waits,
    notes: BTreeMap<TaskId, String>,
    pending: Vec<Line>,
    now: Timestamp,
    host_width: usize,
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
    pub(crate) fn new(run: RunId, style: Style) -> Self {
        Self {
            run,
            style,
            state: RunState::default(),
            waits: Waits::default(),
            notes: BTreeMap::new(),
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
            Event::Task { task, event: TaskEvent::Ended { .. } | TaskEvent::Started { .. } } => {
                self.waits.end(task);
                self.notes.remove(task);
            }
            Event::Task { task, event: TaskEvent::AttemptIntended { .. } } => {
                self.notes.remove(task);
            }
            _ => {}
        }
        let line = line_of(&self.state, record);
        self.pending.extend(line.filter(|line| !line.is_trace));
    }

    pub(crate) fn progress(&mut self, progress: &Progress, now: Timestamp) {
        self.now = now;
        self.waits.observe(progress, now);
        if let Progress::Retrying { task, ordinal, of, delay, why } = progress {
            let note =
                format!("attempt {ordinal} of {of} in {}: {}", duration(*delay), printable(why));
            self.notes.insert(task.clone(), note);
        }
        if let Progress::Locked { host, why, limit } = progress {
            self.pending.push(waits_for_lock(host, why, *limit));
        }
        if let Progress::Away { task, on, why, away, limit } = progress {
            self.notes.insert(task.clone(), away_text(on, why, *away, *limit));
        }
    }

    fn learn_widths(&mut self) {
        let hosts = self.state.hosts.keys().map(|host| width(host.as_str()));
        self.host_width = hosts.max().unwrap_or_default().min(HOST_WIDTH);
        let steps = self.state.planned.paths();
        let steps = steps.filter(|step| !self.state.planned.is_handler(step));
        let steps = steps.map(|step| width(&step.to_string())).max();
        self.step_width = steps.unwrap_or_default().min(STEP_WIDTH);
    }

    /// Whether the run's time is the wall time.
    pub(crate) fn is_real_time(&self) -> bool {
        !self.state.planned.is_model
    }

    /// Takes the lines that are to stay and were not shown yet.
    pub(crate) fn take_permanent(&mut self, columns: usize) -> Vec<String> {
        let pending = std::mem::take(&mut self.pending);
        pending.iter().flat_map(|line| self.permanent(line, columns)).collect()
    }

    /// Lays out a line that stays: `  ✓ backend1  drain  changed  Map no new users ...`. The title
    /// of a step that succeeded is cut to the width; other text is wrapped.
    fn permanent(&self, line: &Line, columns: usize) -> Vec<String> {
        let mark = self.style.paint(line.tone, line.mark);
        let word = self.style.paint(line.tone, &line.word);
        let lead = if line.step.is_empty() {
            let host = self.style.paint(Tone::Strong, &line.host);
            let gap = if line.host.is_empty() { "" } else { " " };
            let colon = if line.text.is_empty() { "" } else { ": " };
            format!("{mark} {host}{gap}{word}{colon}")
        } else {
            let host = pad(&line.host, self.host_width);
            let step = pad(&line.step, self.step_width);
            format!("  {mark} {host}  {step}  {word}{}", gap(&line.word, WORD_WIDTH))
        };
        let room = columns.saturating_sub(width_of(&lead) + 1);
        let room = room.max(LEAST_WIDTH);
        let is_short = line.tone == Tone::Good || line.tone == Tone::Quiet;
        let texts = if is_short && !line.step.is_empty() {
            vec![clip(&line.text, room)]
        } else {
            wrap(&line.text, room)
        };
        let mut texts = texts.into_iter();
        let text = format!("{lead}{}", texts.next().unwrap_or_default());
        let indent = " ".repeat(width_of(&lead));
        let texts = texts.map(|text| format!("{indent}{text}"));
        let room = columns.saturating_sub(DETAIL_INDENT.len() + 1).max(LEAST_WIDTH);
        let details = line.details.iter().flat_map(|detail| {
            let lines = wrap(&detail.text, room).into_iter();
            lines.map(|text| format!("{DETAIL_INDENT}{}", self.style.paint(detail.tone, &text)))
        });
        std::iter::once(text.trim_end().to_owned()).chain(texts).chain(details).collect()
    }

    /// Returns the lines that move: a header, and what each active host is doing.
    pub(crate) fn moving(&self, frame: Frame) -> Vec<String> {
        // One column stays free: a full line would wrap on some terminals.
        let columns = frame.width.saturating_sub(1).max(LEAST_WIDTH);
        let now = frame.now.unwrap_or(self.now).max(self.now);
        let active: Vec<(&HostName, &HostState)> = self
            .state
            .in_order()
            .filter(|(_, host)| {
                matches!(
                    host.shown_status(),
                    HostStatus::Active | HostStatus::RollingBack | HostStatus::TearingDown
                )
            })
            .collect();
        let rows = frame.height.saturating_sub(4).max(1);
        let is_wide = active.len() * 2 <= rows;
        let most = if is_wide { active.len() } else { rows };
        let mut out = vec![String::new(), self.header(now, columns)];
        for (name, host) in active.iter().take(most) {
            out.extend(self.host(name, host, now, columns, frame.tick, is_wide));
        }
        if active.len() > most {
            let rest = format!("    and {} more active hosts", active.len() - most);
            out.push(self.style.paint(Tone::Quiet, &clip(&rest, columns)));
        }
        out.truncate(frame.height.saturating_sub(1).max(1));
        out
    }

    fn header(&self, now: Timestamp, columns: usize) -> String {
        let total = self.state.real_hosts().count();
        let done = self.state.real_hosts().filter(|(_, host)| host.ended.is_some()).count();
        let progress = if self.state.started {
            format!("{done} of {total} hosts done")
        } else {
            let checked = self.state.real_hosts().filter(|(_, host)| host.preflight.is_some());
            let checked = checked.count();
            format!("preflight: {checked} of {total} hosts")
        };
        let plan = printable(&self.state.planned.plan);
        let elapsed = duration_in_seconds(self.state.begun, now);
        let virtual_time = if self.state.planned.is_model { " virtual" } else { "" };
        let id = printable(&self.run.0);
        let whole = format!("{plan}  {progress}  {elapsed}{virtual_time}  run {id}");
        // If it does not fit, the run's name is left out.
        let short = format!("{plan}  {progress}  {elapsed}{virtual_time}");
        let header = if width(&whole) <= columns { whole } else { short };
        self.style.paint(Tone::Strong, &clip(&header, columns))
    }

    /// Returns what a host is doing: a line, and a second one for a wait if there is room.
    fn host(
        &self,
        name: &HostName,
        host: &HostState,
        now: Timestamp,
        columns: usize,
        tick: usize,
        is_wide: bool,
    ) -> Vec<String> {
        let spinner = SPINNER[tick % SPINNER.len()];
        let label = pad(&clip(&printable(name.as_str()), self.host_width), self.host_width);
        let back = match host.shown_status() {
            HostStatus::RollingBack => "undoing ",
            HostStatus::TearingDown => "tearing down ",
            _ => "",
        };
        let Some(step) = host.open.last() else {
            let line = clip(&format!("{label}  {back}"), columns - 4);
            return vec![format!("  {} {line}", self.style.paint(Tone::Good, spinner))];
        };
        let id = TaskId { host: name.clone(), step: step.clone() };
        let is_asked = self.state.question(&id).is_some();
        let (mark, tone) = match (is_asked, host.shown_status()) {
            (true, _) => ("?", Tone::Warn),
            (false, HostStatus::RollingBack) => (spinner, Tone::Warn),
            (false, _) => (spinner, Tone::Good),
        };
        let begun = host.tasks.get(step).and_then(|task| task.begun);
        let elapsed = duration_in_seconds(begun, now);
        let mut doing = self.doing(&id, is_asked);
        let wait = self.waits.get(&id).filter(|_| !is_asked);
        if let (Some(wait), false) = (wait, is_wide) {
            doing = format!("{}, {}", wait.seen(), wait.left(now));
        }
        let lead = format!("{label}  {back}{}  ", printable(&step.to_string()));
        let room = (columns - 4).saturating_sub(width(&elapsed) + 2);
        let line = clip(&format!("{lead}{doing}"), room);
        let line = format!("{}  {elapsed}", pad(&line, room.min(width(&line))));
        let mut out = vec![format!("  {} {line}", self.style.paint(tone, mark))];
        if let (Some(wait), true) = (wait, is_wide) {
            out.push(self.wait(wait, now, columns));
        }
        out
    }

    /// Returns what a task is doing: its question, its next attempt, its command, else its title.
    fn doing(&self, id: &TaskId, is_asked: bool) -> String {
        let title = title_of(&self.state, id);
        if is_asked {
            return format!("{title}: waiting for your answer");
        }
        if let Some(note) = self.notes.get(id) {
            return format!("{title}: {note}");
        }
        let attempt = self.state.task(id).and_then(|task| task.attempts.last());
        let running = attempt.filter(|attempt| attempt.outcome.is_none());
        match running {
            Some(attempt) if attempt.on != id.host => {
                format!("{title} (on {})", printable(attempt.on.as_str()))
            }
            Some(attempt) if title.is_empty() => one_line(&attempt.command),
            _ => title,
        }
    }

    /// Draws a wait: the observed values, and how much of its time has passed.
    fn wait(&self, wait: &Wait, now: Timestamp, columns: usize) -> String {
        let left = wait.left(now);
        let indent = 6 + self.host_width;
        let seen = wait.seen();
        let room = columns.saturating_sub(indent + width(&left) + 2);
        let has_bar = room >= width(&seen) + BAR_WIDTH + 2;
        let bar = if has_bar { bar(wait.passed(now)) } else { String::new() };
        let indent = if room < LEAST_WIDTH { 4 } else { indent };
        let room = columns.saturating_sub(indent + width(&left) + width(&bar) + 2);
        let mut parts = vec![clip(&seen, room), self.style.paint(Tone::Quiet, &bar), left];
        parts.retain(|part| !part.is_empty());
        format!("{}{}", " ".repeat(indent), parts.join("  "))
    }
}

/// Returns the width of a text that may have colours.
fn width_of(text: &str) -> usize {
    console::measure_text_width(text)
}

fn bar(passed: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of 0 to 1 of a few columns"
    )]
    let full = ((passed.clamp(0.0, 1.0) * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
    format!("{}{}", "━".repeat(full), "╌".repeat(BAR_WIDTH - full))
}

/// Returns the time since a moment; tenths would only flicker.
fn duration_in_seconds(from: Option<Timestamp>, to: Timestamp) -> String {
    whole(between(from, Some(to)))
}
