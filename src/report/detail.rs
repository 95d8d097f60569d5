//! The lines under a line: output of a command, checks and observed values.

use crate::event::{Event, Outcome, Question, Reason, Record, Seen, TaskEvent, Truth};
use crate::history::{AttemptState, RunState, TaskState};
use crate::inventory::HostName;
use crate::report::Tone;
use crate::report::text::{both_ends, clip, count, list, printable};
use crate::transport::Exit;

/// Lines of an output that are shown with a failure.
pub(crate) const OUTPUT_LINES: usize = 5;

/// Lines of an output that are shown if all outputs are.
const ALL_LINES: usize = 40;

/// Columns of a line from elsewhere: enough for a long path.
pub(crate) const LINE_WIDTH: usize = 300;

/// Columns of a sentence: room for a message with a long path and what to do about it.
const SENTENCE_WIDTH: usize = 600;

/// Values that are shown of one condition.
const MOST_VALUES: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

impl Detail {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }
}

pub(crate) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ended { exit, .. } => ended(exit),
        Outcome::NotSent(error) => format!("not sent: {}", sentence(&error.to_string())),
        Outcome::NeverStarted => "not started".to_owned(),
        Outcome::Unknown { why, .. } => format!("outcome unknown: {}", sentence(why)),
    }
}

fn ended(exit: &Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(name) => format!("killed by signal {}", sentence(name)),
        Exit::TimedOut => "timed out".to_owned(),
    }
}

/// Whether an attempt ended without success, by its exit code.
pub(crate) fn is_bad(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Ended { exit: Exit::Code(0), .. })
}

/// Returns a command as one line: the first of a script, and how many follow.
pub(crate) fn one_line(command: &str) -> String {
    let mut lines = command.trim_end().lines();
    let first = sentence(lines.next().unwrap_or_default());
    match lines.count() {
        0 => first,
        rest => format!("{first} (and {})", count(rest, "more line")),
    }
}

/// Makes a sentence from elsewhere printable, and bounds it.
pub(crate) fn sentence(text: &str) -> String {
    clip(&printable(text.trim_end()), SENTENCE_WIDTH)
}

/// Returns an output, each line prefixed by the machine that printed it.
pub(crate) fn output(on: &HostName, stream: &str, most: usize, is_cut: bool) -> Vec<Detail> {
    let on = printable(on.as_str());
    both_ends(stream, most, LINE_WIDTH, is_cut)
        .into_iter()
        .map(|line| Detail::new(Tone::Plain, format!("{on}| {line}")))
        .collect()
}

/// Returns the machine, unless it is the host itself: ` on director1`.
pub(crate) fn delegated(host: &HostName, on: &HostName) -> String {
    if host == on { String::new() } else { format!(" on {}", printable(on.as_str())) }
}

/// Returns the details of a task that did not succeed: the outcome of its last attempt with its standard
/// error, or its standard output if that is empty, and the conditions that are not true.
pub(crate) fn failure(host: &HostName, task: &TaskState) -> Vec<Detail> {
    let mut out = Vec::new();
    if let Some(AttemptState { on, outcome: Some(last), .. }) = task.attempts.last() {
        let text = format!("{}{}", outcome(last), delegated(host, on));
        out.push(Detail::new(Tone::Bad, text));
        if let Outcome::Ended { stdout, stderr, cut, .. } = last {
            let stream = if stderr.trim().is_empty() { stdout } else { stderr };
            out.extend(output(on, stream, OUTPUT_LINES, *cut));
        }
    }
    out.extend(task.why.iter().flat_map(unmet));
    out
}

/// Returns the commands that a task has sent, each with its output; none if the event is not the end of a task.
pub(crate) fn outputs(state: &RunState, record: &Record) -> Vec<Detail> {
    let Event::Task { task: id, event: TaskEvent::Ended { .. } } = &record.event else {
        return Vec::new();
    };
    let attempts = state.task(id).map(|task| task.attempts.as_slice()).unwrap_or_default();
    let mut out = Vec::new();
    for attempt in attempts {
        let on = printable(attempt.on.as_str());
        let command = both_ends(&attempt.command, ALL_LINES, LINE_WIDTH, false);
        let command = command.into_iter().map(|line| format!("{on}$ {line}"));
        out.extend(command.map(|line| Detail::new(Tone::Strong, line)));
        match &attempt.outcome {
            Some(last @ Outcome::Ended { stdout, stderr, cut, .. }) => {
                out.extend(output(&attempt.on, stdout, ALL_LINES, *cut));
                out.extend(output(&attempt.on, stderr, ALL_LINES, *cut));
                out.extend(is_bad(last).then(|| Detail::new(Tone::Bad, outcome(last))));
            }
            Some(last) => out.push(Detail::new(Tone::Warn, outcome(last))),
            None => {}
        }
    }
    out
}

/// Returns the conditions that are not true, with the observed values.
pub(crate) fn unmet(why: &Reason) -> Vec<Detail> {
    let open = why.seen.iter().filter(|seen| seen.truth != Truth::True);
    open.flat_map(condition).collect()
}

/// Returns the conditions that are unknown, each with its reason, in one line.
pub(crate) fn unknown(why: &Reason) -> Option<String> {
    let unknown = why.seen.iter().filter(|one| one.truth == Truth::Unknown);
    let line = |one: &Seen| {
        let error = one.error.as_deref().map(sentence).unwrap_or_default();
        format!("unknown for {}: {error}", printable(&one.claim))
    };
    let lines: Vec<String> = unknown.map(line).collect();
    (!lines.is_empty()).then(|| list(lines.iter().map(String::as_str), MOST_VALUES))
}

/// Returns all conditions with the observed values.
pub(crate) fn seen(why: &Reason) -> Vec<Detail> {
    why.seen.iter().flat_map(condition).collect()
}

fn condition(seen: &Seen) -> Vec<Detail> {
    let (label, tone) = match seen.truth {
        Truth::True => ("passed   ", Tone::Quiet),
        Truth::False => ("expected ", Tone::Plain),
        Truth::Unknown => ("expected ", Tone::Warn),
    };
    let condition = sentence(&seen.condition);
    let name = sentence(&seen.claim);
    let mut out = Vec::new();
    if name.is_empty() || name == condition {
        out.push(Detail::new(tone, format!("{label} {condition}")));
    } else {
        out.push(Detail::new(tone, format!("{label} {name}")));
        out.push(Detail::new(tone, format!("          {condition}")));
    }
    if !seen.values.is_empty() {
        out.push(Detail::new(tone, format!("observed  {}", values(seen))));
    }
    if let Some(error) = &seen.error {
        let error = format!("unknown   {}", sentence(error));
        out.push(Detail::new(Tone::Warn, error));
    }
    out
}

/// Writes the values of a condition: `backend.users = 31, dovecot = "active"`.
pub(crate) fn values(seen: &Seen) -> String {
    let mut out: Vec<String> = seen
        .values
        .iter()
        .take(MOST_VALUES)
        .map(|(name, value)| format!("{} = {}", sentence(name), sentence(value)))
        .collect();
    if let Some(rest) = seen.values.len().checked_sub(MOST_VALUES + 1) {
        out.push(count(rest + 1, "more value"));
    }
    out.join(", ")
}

/// Returns who must approve, who has, and until when, if the question says so.
pub(crate) fn approval(question: &Question) -> Option<String> {
    let approval = question.approval.as_ref()?;
    let mut parts = vec![format!("{} of {}", approval.given.len(), approval.people)];
    if !approval.given.is_empty() {
        parts.push(format!("by {}", sentence(&approval.given.join(", "))));
    }
    parts.extend(approval.not_by.as_ref().map(|by| format!("not by {}", sentence(by))));
    parts.extend(approval.until.map(|until| format!("until {until:.0}")));
    Some(parts.join(", "))
}

/// Returns what was observed for a question.
pub(crate) fn question(question: &Question) -> Vec<Detail> {
    let mut out = Vec::new();
    let why = sentence(&question.why.text);
    if !why.is_empty() && why != sentence(&question.text) {
        out.push(Detail::new(Tone::Plain, format!("reason    {why}")));
    }
    out.extend(seen(&question.why));
    out.extend(
        approval(question).map(|text| Detail::new(Tone::Plain, format!("approvals {text}"))),
    );
    out
}
