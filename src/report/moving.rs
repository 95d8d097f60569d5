//! The lines of a live view that move: where the run is, and what each host at work is doing.
//!
//! ```text
//!   obox-restart on prod  run 20261124-1400-k3f9
//!   host 1 of 3, step 5 of 10  2m 30s  about 12m left (until 15:04)
//!     ⠙ backend1  wait-for-users  Wait for users to leave  30s
//!                 until backend.users == 0
//!                 backend.users = 31 ▇▆▄▂ (falling)  ━━━━╌╌╌╌  14m 30s left
//!     then backend2, backend3
//! ```
//!
//! If there is not enough room, the last lines of each host are left out first; then each has one line.

use jiff::Timestamp;

use crate::event::{HostStatus, TaskId};
use crate::history::{HostState, between};
use crate::inventory::HostName;
use crate::report::Tone;
use crate::report::detail::one_line;
use crate::report::screen::{Frame, LEAST_WIDTH, Screen};
use crate::report::tally::title_of;
use crate::report::text::{clip, duration, list, pad, printable, whole, width};
use crate::report::wait::Wait;

/// The frames of the mark of a host that is worked on.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// Columns of a bar, if there is room for one.
const BAR_WIDTH: usize = 20;

/// Hosts that are named before the rest is counted.
const MOST_HOSTS: usize = 4;

/// The maximum number of lines of one host.
const MOST_LINES: usize = 8;

/// The room of one host.
#[derive(Clone, Copy)]
struct Room {
    columns: usize,
    /// How many lines it may take.
    lines: usize,
    now: Timestamp,
    tick: usize,
}

impl Screen {
    /// Returns the lines that move.
    pub(crate) fn moving(&self, frame: Frame) -> Vec<String> {
        // Before the first event there is nothing to show of it.
        if self.state.hosts.is_empty() {
            return Vec::new();
        }
        // One column stays free: a full line would wrap on some terminals.
        let columns = frame.width.saturating_sub(1).max(LEAST_WIDTH);
        let now = frame.now.unwrap_or(self.now).max(self.now);
        let active: Vec<(&HostName, &HostState)> =
            self.state.in_order().filter(|(_, host)| is_at_work(host)).collect();
        let below = self.below(columns);
        let rows = frame.height.saturating_sub(5 + below.len()).max(1);
        let lines = (rows / active.len().max(1)).clamp(1, MOST_LINES);
        let most = rows / lines;
        let mut out = vec![String::new()];
        out.extend(self.header(&active, now, columns));
        for (name, host) in active.iter().take(most) {
            out.extend(self.host(name, host, Room { columns, lines, now, tick: frame.tick }));
        }
        if active.len() > most {
            let rest = format!("    and {} more active hosts", active.len() - most);
            out.push(self.style.paint(Tone::Quiet, &clip(&rest, columns)));
        }
        out.extend(below.iter().map(|line| self.style.paint(Tone::Quiet, line)));
        out.truncate(frame.height.saturating_sub(1).max(1));
        out
    }

    /// Returns what the run is, and where it is.
    fn header(
        &self,
        active: &[(&HostName, &HostState)],
        now: Timestamp,
        columns: usize,
    ) -> [String; 2] {
        let planned = &self.state.planned;
        let on = match printable(&planned.inventory_path).as_str() {
            "" => String::new(),
            path => format!(" on {path}"),
        };
        let what = format!("{}{on}", printable(&planned.plan));
        let run = format!("  run {}", printable(&self.run.0));
        // If it does not fit, the run's name is left out.
        let run = if width(&what) + width(&run) <= columns { run } else { String::new() };
        let elapsed = whole(between(self.state.begun, Some(now)));
        let elapsed = match (planned.is_model, self.times()) {
            (true, Some(times)) => format!("{elapsed} at {times}x"),
            (true, None) => format!("{elapsed} virtual"),
            (false, _) => elapsed,
        };
        let mut parts = vec![self.place(active), elapsed];
        parts.extend(self.estimate.left(&self.state, now).map(|left| {
            let until = now + left.time;
            let until = format!(" (until {})", self.style.format(until, "%H:%M"));
            let until = if planned.is_model { String::new() } else { until };
            format!("{} {} left{until}", left.basis.word(), duration(left.time))
        }));
        let mut where_it_is = parts.join("  ");
        while width(&where_it_is) > columns && parts.len() > 1 {
            parts.pop();
            where_it_is = parts.join("  ");
        }
        let run = self.style.paint(Tone::Quiet, &run);
        let what = self.style.paint(Tone::Strong, &clip(&what, columns));
        [format!("{what}{run}"), self.style.paint(Tone::Strong, &clip(&where_it_is, columns))]
    }

    /// Returns how far the run is: `host 1 of 3, step 5 of 10`.
    fn place(&self, active: &[(&HostName, &HostState)]) -> String {
        let total = self.state.real_hosts().count();
        if !self.state.started {
            let checked = self.state.real_hosts().filter(|(_, host)| host.preflight.is_some());
            return format!("preflight: {} of {total} hosts", checked.count());
        }
        let [(_, host)] = active else {
            let done = self.state.real_hosts().filter(|(_, host)| host.ended.is_some()).count();
            let at_work = match active.len() {
                0 => String::new(),
                number => format!(", {number} at work"),
            };
            return format!("{done} of {total} hosts done{at_work}");
        };
        let started = self.state.real_hosts().filter(|(_, host)| host.begun_at > 0).count();
        let who = host
            .stage
            .map_or_else(|| format!("host {started} of {total}"), |stage| stage.word().to_owned());
        match self.step_place(host) {
            Some((at, of)) => format!("{who}, step {at} of {of}"),
            None => who,
        }
    }

    /// Returns the place of the step that a host is at, and the number of its steps.
    fn step_place(&self, host: &HostState) -> Option<(usize, usize)> {
        self.state.planned.place(host.stage, host.open.last()?)
    }

    /// Returns what is below the hosts: those to come, and the keys.
    fn below(&self, columns: usize) -> Vec<String> {
        let hosts = self.state.real_hosts();
        let to_come = hosts.filter(|(_, host)| host.shown_status() == HostStatus::NotStarted);
        let names: Vec<&str> = to_come.map(|(name, _)| name.as_str()).collect();
        let is_forward = self.state.started
            && self.state.rollback.is_none()
            && self.state.abort.is_none()
            && !self.state.stop_requested;
        let mut out = Vec::new();
        if !names.is_empty() && is_forward {
            out.push(clip(&format!("    then {}", list(names, MOST_HOSTS)), columns));
        }
        if self.times().is_some() {
            out.push(clip("    Enter skips ahead", columns));
        }
        out
    }

    /// Returns what a host is doing.
    fn host(&self, name: &HostName, host: &HostState, room: Room) -> Vec<String> {
        let Room { columns, now, .. } = room;
        let spinner = SPINNER[room.tick % SPINNER.len()];
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
        let elapsed = whole(between(begun, Some(now)));
        let mut doing = self.doing(&id, is_asked);
        let wait = self.waits.get(&id).filter(|_| !is_asked);
        let note = self.notes.get(&id).filter(|_| !is_asked).map(|note| note.text(now));
        match (&note, wait) {
            (Some(note), _) if room.lines == 1 => doing = format!("{doing}: {note}"),
            (None, Some(wait)) if room.lines == 1 => {
                doing = format!("{}, {}", wait.seen(), wait.left(now));
            }
            _ => {}
        }
        let lead = format!("{label}  {back}{}  ", printable(&step.to_string()));
        let left = (columns - 4).saturating_sub(width(&elapsed) + 2);
        let line = clip(&format!("{lead}{doing}"), left);
        let line = format!("{}  {elapsed}", pad(&line, left.min(width(&line))));
        let mut out = vec![format!("  {} {line}", self.style.paint(tone, mark))];
        out.extend(match (note, wait) {
            (Some(note), _) => {
                let indent = self.indent(columns);
                let note = clip(&note, columns.saturating_sub(indent));
                vec![format!("{}{}", " ".repeat(indent), self.style.paint(Tone::Warn, &note))]
            }
            (None, Some(wait)) => self.wait(wait, room),
            (None, None) if is_asked => Vec::new(),
            (None, None) => self.command(&id, columns),
        });
        out.truncate(room.lines);
        out
    }

    /// Returns what a task is doing: its question, its attempt, else its title.
    fn doing(&self, id: &TaskId, is_asked: bool) -> String {
        let title = title_of(&self.state, id);
        if is_asked {
            return format!("{title}: waiting for an answer");
        }
        let task = self.state.task(id);
        let Some((task, attempt)) = task.and_then(|task| Some((task, task.attempts.last()?)))
        else {
            return title;
        };
        if attempt.outcome.is_some() {
            return title;
        }
        let mut about = Vec::new();
        if attempt.on != id.host {
            about.push(format!("on {}", printable(attempt.on.as_str())));
        }
        if task.attempts.len() > 1 {
            about.push(format!("attempt {}", task.attempts.len()));
        }
        match about.as_slice() {
            [] => title,
            about => format!("{title} ({})", about.join(", ")),
        }
    }

    /// Returns the command that runs, and the last lines that it has printed.
    fn command(&self, id: &TaskId, columns: usize) -> Vec<String> {
        let indent = " ".repeat(self.indent(columns));
        let attempt = self.state.task(id).and_then(|task| task.attempts.last());
        let running = attempt.filter(|attempt| attempt.outcome.is_none());
        let mut out = Vec::new();
        if let Some(attempt) = running {
            let room = columns.saturating_sub(indent.len());
            out.push(clip(&format!("$ {}", one_line(&attempt.command)), room));
            let printed = self.printed.get(id).into_iter().flatten();
            // The newest ones fit.
            let printed: Vec<&String> = printed.collect();
            let least = printed.len().saturating_sub(MOST_LINES - 2);
            out.extend(
                printed[least..].iter().map(|line| clip(&format!("| {}", printable(line)), room)),
            );
        }
        out.iter().map(|line| format!("{indent}{}", self.style.paint(Tone::Quiet, line))).collect()
    }

    /// Draws a wait: its condition, the observed values, and how much of its time has passed.
    fn wait(&self, wait: &Wait, room: Room) -> Vec<String> {
        let Room { columns, now, .. } = room;
        let left = wait.left(now);
        let indent = self.indent(columns);
        let seen = wait.drawn();
        let free = columns.saturating_sub(indent + width(&left) + 2);
        let has_bar = free >= width(&seen) + BAR_WIDTH + 2;
        let bar = if has_bar { bar(wait.passed(now)) } else { String::new() };
        let free = free.saturating_sub(width(&bar) + 2 * usize::from(has_bar));
        let mut parts = vec![clip(&seen, free), self.style.paint(Tone::Quiet, &bar), left];
        parts.retain(|part| !part.is_empty());
        let until = wait.until().filter(|_| room.lines > 2).map(|until| {
            let until = clip(&format!("until {until}"), columns.saturating_sub(indent));
            self.style.paint(Tone::Quiet, &until)
        });
        let lines = until.into_iter().chain([parts.join("  ")]);
        lines.map(|line| format!("{}{line}", " ".repeat(indent))).collect()
    }

    /// The indentation of what is below the line of a host.
    fn indent(&self, columns: usize) -> usize {
        let indent = 6 + self.host_width;
        if indent + 2 * LEAST_WIDTH > columns { 4 } else { indent }
    }
}

fn is_at_work(host: &HostState) -> bool {
    matches!(
        host.shown_status(),
        HostStatus::Active | HostStatus::RollingBack | HostStatus::TearingDown
    )
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
