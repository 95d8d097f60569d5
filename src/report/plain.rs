//! The run as lines, one per event, for pipes, logs and CI.
//!
//! Every line has its time and host, so that `grep backend2` shows everything about that host. A
//! wait has a line when it starts, and a heartbeat from time to time.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Event, Progress, Record, TaskEvent, TaskId};
use crate::history::{Reporter, RunState, between};
use crate::report::detail::sentence;
use crate::report::line::{Line, styled_line, waits_for_lock};
use crate::report::text::{duration, gap, pad, width};
use crate::report::wait::{Waits, away_text};
use crate::report::{Style, Tone};

/// How often a wait shows changed values.
const CHANGES: Duration = Duration::from_secs(30);

/// How often a wait without changes shows a line: well below the silence after which CI ends a job.
const HEARTBEAT: Duration = Duration::from_mins(2);

/// A changed word (not a number) is shown at once, but not oftener than this: it may flap.
const FLAPPING: Duration = Duration::from_secs(5);

/// Columns of the widest status word.
const WORD_WIDTH: usize = 12;

/// Columns that names of hosts and steps may take before lines get out of column.
const NAME_WIDTHS: std::ops::RangeInclusive<usize> = 4..=24;

pub struct Plain<W> {
    out: W,
    style: Style,
    waits: Waits,
    shown: BTreeMap<TaskId, Shown>,
    /// When the last line of a command was shown, and the line.
    printed: BTreeMap<TaskId, (Timestamp, String)>,
    /// When a machine was last reported to be away, and why.
    away: BTreeMap<TaskId, (Timestamp, String)>,
    host_width: usize,
    step_width: usize,
}

/// What was last shown of a wait.
struct Shown {
    at: Timestamp,
    words: Vec<String>,
    seen: String,
}

impl<W: Write> Plain<W> {
    /// Makes a reporter that writes to `out`; the width of the style does not matter.
    pub fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            waits: Waits::default(),
            shown: BTreeMap::new(),
            printed: BTreeMap::new(),
            away: BTreeMap::new(),
            host_width: 0,
            step_width: 0,
        }
    }

    pub fn written(&self) -> &W {
        &self.out
    }

    pub fn into_inner(self) -> W {
        self.out
    }

    fn line(&mut self, at: Timestamp, line: &Line) {
        let time = self.style.clock(at);
        let host = pad(&line.host, self.host_width);
        let step = pad(&line.step, self.step_width);
        let word = self.style.paint(line.tone, &line.word);
        let gap = gap(&line.word, WORD_WIDTH);
        let whole = format!("{time}  {host}  {step}  {word}{gap}{}", line.text);
        self.write(whole.trim_end());
        for detail in &line.details {
            let text = self.style.paint(detail.tone, &detail.text);
            self.write(&format!("{time}  {host}    {text}"));
        }
    }

    /// Writes a line; a run does not end if its reader is gone.
    fn write(&mut self, line: &str) {
        let _gone = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }

    /// Finds the widths of the columns, once the plan is known.
    fn learn_widths(&mut self, state: &RunState) {
        if self.host_width > 0 {
            return;
        }
        let fit = |names: &mut dyn Iterator<Item = usize>| {
            let widest = names.max().unwrap_or_default();
            widest.clamp(*NAME_WIDTHS.start(), *NAME_WIDTHS.end())
        };
        let hosts = state.hosts.keys();
        self.host_width = fit(&mut hosts.map(|host| width(host.as_str())));
        let steps = state.planned.paths().map(|path| width(&path.to_string()));
        // `preflight` is in the column of the steps, too.
        self.step_width = fit(&mut steps.chain(["preflight".len()]));
    }

    fn waiting(&mut self, task: &TaskId, progress: &Progress, now: Timestamp, state: &RunState) {
        let Some(wait) = self.waits.observe(progress, now) else { return };
        let begun = state.task(task).and_then(|task| task.begun);
        let words: Vec<String> = wait.words().into_iter().map(str::to_owned).collect();
        let shown = self.shown.get(task);
        let silence = between(shown.map(|shown| shown.at).or(begun), Some(now));
        let is_new = shown.is_none_or(|shown| shown.words != words);
        let seen = wait.seen();
        let is_change = shown.is_none_or(|shown| shown.seen != seen);
        let is_first = shown.is_none() && (begun.is_none() || wait.until().is_some());
        let is_due = silence >= HEARTBEAT
            || is_change && silence >= CHANGES
            || is_new && silence >= FLAPPING;
        if !is_first && !is_due {
            return;
        }
        let mut text = vec![seen.clone(), wait.left(now)];
        if is_first {
            text[1] = format!("at most {}", duration(wait.last.limit));
            text.insert(0, wait.until().unwrap_or_default());
        }
        text.retain(|part| !part.is_empty());
        let line = progress_line(task, "waiting", text.join("; "));
        self.shown.insert(task.clone(), Shown { at: now, words, seen });
        self.line(now, &line);
    }
}

impl<W: Write> Plain<W> {
    /// Shows the last line that a command has printed, if it is another one.
    fn printed(&mut self, task: &TaskId, lines: &[String], now: Timestamp) {
        let Some(last) = lines.last() else { return };
        let is_due = self
            .printed
            .get(task)
            .is_none_or(|(at, shown)| shown != last && between(Some(*at), Some(now)) >= CHANGES);
        if is_due {
            self.printed.insert(task.clone(), (now, last.clone()));
            self.line(now, &progress_line(task, "printed", sentence(last)));
        }
    }
}

fn progress_line(task: &TaskId, word: &str, text: String) -> Line {
    Line::new(word, Tone::Quiet, text).of_task(task).trace()
}

impl<W: Write> Reporter for Plain<W> {
    fn event(&mut self, record: &Record, state: &RunState) {
        self.learn_widths(state);
        if let Event::Task { task, event: TaskEvent::Ended { .. } | TaskEvent::Started { .. } } =
            &record.event
        {
            self.waits.end(task);
            self.shown.remove(task);
            self.away.remove(task);
            self.printed.remove(task);
        }
        if let Some(line) = styled_line(state, record, &self.style) {
            self.line(record.at, &line);
        }
    }

    fn progress(&mut self, progress: &Progress, now: Timestamp, state: &RunState) {
        self.learn_widths(state);
        match progress {
            Progress::Waiting { task, .. } => self.waiting(task, progress, now, state),
            Progress::Retrying { task, ordinal, of, delay, why } => {
                let text =
                    format!("attempt {ordinal} of {of} in {}: {}", duration(*delay), sentence(why));
                self.line(now, &progress_line(task, "retrying", text));
            }
            Progress::Output { task, lines } => self.printed(task, lines, now),
            Progress::Locked { host, why, limit } => {
                self.line(now, &waits_for_lock(host, why, *limit));
            }
            Progress::Away { task, on, why, away, limit } => {
                let is_due = self.away.get(task).is_none_or(|(at, last)| {
                    last != why || between(Some(*at), Some(now)) >= HEARTBEAT
                });
                if is_due {
                    self.away.insert(task.clone(), (now, why.clone()));
                    let text = away_text(on, why, *away, *limit);
                    self.line(now, &progress_line(task, "disconnected", text));
                }
            }
        }
    }
}
