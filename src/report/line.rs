//! Events as text: the only place that words them.
//!
//! [`line_of`] takes an event and the state of the run after it, and returns a [`Line`]: host, step,
//! status word, text and details. Reporters lay lines out and may leave out those that are only a
//! trace. All text in a line is printable.

use std::time::Duration;

use serde_json::Value;

use crate::event::{
    Answer, Event, HostEvent, HostStatus, Outcome, PreflightVerdict, Reason, Record, RunEvent,
    RunPlanned, TaskEvent, TaskId, TaskStatus, Truth,
};
use crate::history::{HostState, RunState, TaskState, between};
use crate::inventory::HostName;
use crate::report::answers::asked;
use crate::report::detail::{Detail, delegated, one_line, sentence};
use crate::report::tally::{batches, steps_ended, title_of, torn_down, was_already_done};
use crate::report::text::{count, duration, list, printable};
use crate::report::tones::{host_tone, run_tone, task_tone};
use crate::report::{Style, Tone, detail};
use crate::task::Stage;

/// Hosts that are named before the rest is counted.
const MOST_HOSTS: usize = 8;

/// Items that are named before the rest is counted.
const MOST_ITEMS: usize = 8;

#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The host it is about, empty for the run.
    pub(crate) host: String,
    /// The step, empty for the host as a whole.
    pub(crate) step: String,
    /// What happened, in a word or two.
    pub(crate) word: String,
    pub(crate) tone: Tone,
    /// The mark before it on a terminal.
    pub(crate) mark: &'static str,
    /// The rest of the sentence.
    pub(crate) text: String,
    pub(crate) details: Vec<Detail>,
    /// Whether it only leads to a later event: no line for it stays on a terminal.
    pub(crate) is_trace: bool,
}

impl Line {
    pub(crate) fn new(word: &str, tone: Tone, text: impl Into<String>) -> Self {
        Self {
            host: String::new(),
            step: String::new(),
            word: word.to_owned(),
            tone,
            mark: tone.mark(),
            text: text.into(),
            details: Vec::new(),
            is_trace: false,
        }
    }

    fn of_host(mut self, host: &HostName) -> Self {
        self.host = printable(host.as_str());
        self
    }

    pub(crate) fn of_task(mut self, task: &TaskId) -> Self {
        self.step = printable(&task.step.to_string());
        self.of_host(&task.host)
    }

    fn marked(mut self, mark: &'static str) -> Self {
        self.mark = mark;
        self
    }

    fn with(mut self, details: Vec<Detail>) -> Self {
        self.details = details;
        self
    }

    pub(crate) fn trace(mut self) -> Self {
        self.is_trace = true;
        self
    }
}

/// Returns the line of an event; `None` for an event that is not shown.
pub(crate) fn line_of(state: &RunState, record: &Record) -> Option<Line> {
    match &record.event {
        Event::Run(event) => Some(of_run(state, event)),
        Event::Host { host, event } => Some(of_host(state, host, event)?.of_host(host)),
        Event::Task { task, event } => Some(of_task(state, task, event)?.of_task(task)),
    }
}

/// Returns the line of an event as a style wants it: with the commands of a step and their outputs.
pub(crate) fn styled_line(state: &RunState, record: &Record, style: &Style) -> Option<Line> {
    let mut line = line_of(state, record)?;
    if style.outputs {
        let mut outputs = detail::outputs(state, record);
        // The output of a failure is among them.
        line.details.retain(|detail| !outputs.contains(detail));
        outputs.append(&mut line.details);
        line.details = outputs;
    }
    Some(line)
}

/// Returns the line of a wait for the lock of a host.
pub(crate) fn waits_for_lock(host: &HostName, why: &str, limit: Duration) -> Line {
    let text = format!("{}; waiting up to {}", sentence(why), duration(limit));
    Line::new("waiting", Tone::Quiet, text).of_host(host)
}

fn of_run(state: &RunState, event: &RunEvent) -> Line {
    match event {
        RunEvent::Planned(planned) => run_planned(planned),
        RunEvent::Started => {
            let hosts = count(state.real_hosts().count(), "host");
            let is_checked = |host: &HostState| host.preflight == Some(PreflightVerdict::Passed);
            let text = if state.real_hosts().all(|(_, host)| is_checked(host)) {
                format!("preflight passed on {hosts}; starting changes")
            } else {
                format!("reached {hosts}; starting changes")
            };
            Line::new("started", Tone::Strong, text)
        }
        RunEvent::Ordered { last, hosts, why } => ordered(*last, hosts, why),
        RunEvent::Resumed { by } => {
            let by = format!("by {}", printable(by));
            let text = match state.abort {
                Some(_) => format!("{by}; completes the abort, nothing is rolled back"),
                None => by,
            };
            Line::new("resumed", Tone::Strong, text)
        }
        RunEvent::RollbackRequested { by, reason, hosts } => {
            let names =
                |hosts: &Vec<HostName>| list(hosts.iter().map(HostName::as_str), MOST_HOSTS);
            let of = hosts.as_ref().map(|hosts| format!("of {} ", names(hosts)));
            let of = of.unwrap_or_default();
            let by = who_and_why(by, reason.as_deref());
            Line::new("rollback", Tone::Warn, format!("{of}requested by {by}"))
        }
        RunEvent::AbortRequested { by, reason } => {
            let by = who_and_why(by, reason.as_deref());
            Line::new("abort", Tone::Warn, format!("requested by {by}; nothing is rolled back"))
        }
        RunEvent::StopRequested { by } => Line::new(
            "stopping",
            Tone::Warn,
            format!("requested by {}; running steps finish, no new step starts", sentence(by)),
        ),
        RunEvent::Paused { why } => Line::new("paused", Tone::Warn, sentence(why)),
        RunEvent::Ended { status, why } => {
            let why = why.as_deref().map(sentence).unwrap_or_default();
            Line::new(status.word(), run_tone(*status), why)
        }
    }
}

/// The hosts that start first, or last, in the batches that follow.
fn ordered(last: bool, hosts: &[HostName], why: &Reason) -> Line {
    let names = match hosts {
        [] => "no host starts".to_owned(),
        [host] => format!("{host} starts"),
        _ => format!("{} start", list(hosts.iter().map(HostName::as_str), MOST_HOSTS)),
    };
    let place = if last { "last" } else { "first" };
    let text = format!("{names} {place}: {}", sentence(&why.text));
    if let Some(unknown) = detail::unknown(why) {
        return Line::new("order", Tone::Warn, format!("{text}; {unknown}"));
    }
    let line = Line::new("order", Tone::Quiet, text);
    if hosts.is_empty() { line.trace() } else { line }
}

fn of_host(state: &RunState, host: &HostName, event: &HostEvent) -> Option<Line> {
    Some(match event {
        HostEvent::PreflightEnded { verdict } => preflight(host, verdict),
        HostEvent::Started => {
            let text = match state.hosts.get(host).and_then(|host| host.stage) {
                Some(Stage::Setup) => "before the first host".to_owned(),
                Some(Stage::Finish) => "every host has succeeded".to_owned(),
                None => {
                    let place = state.real_hosts().filter(|(_, host)| host.begun_at > 0).count();
                    format!("host {place} of {}", state.real_hosts().count())
                }
            };
            Line::new("started", Tone::Strong, text)
        }
        HostEvent::Locked { lost: None, .. } | HostEvent::KeySeen { .. } => return None,
        HostEvent::Locked { lost: Some(lost), .. } => {
            let text = format!("again: {}; another run may have changed it", sentence(lost));
            Line::new("locked", Tone::Warn, text)
        }
        HostEvent::LockLeft { why, id } => {
            let text = format!("the lock {} was not released: {}", printable(id), sentence(why));
            Line::new("still locked", Tone::Warn, text)
        }
        HostEvent::Blocked { why, quarantined, locked } => {
            let word = match (quarantined, locked) {
                (true, _) => "quarantined",
                (false, true) => "locked",
                (false, false) => "blocked",
            };
            Line::new(word, Tone::Bad, sentence(why))
        }
        HostEvent::Ended { status, why } => {
            host_ended(state, state.hosts.get(host)?, *status, why.as_ref())
        }
        HostEvent::RollbackStarted { why } => {
            Line::new("rolling back", Tone::Warn, rolled_back_by(state, host, why))
        }
        HostEvent::TeardownStarted { run } => {
            let text = format!("before the run ends: {}", run.word());
            Line::new("tearing down", Tone::Strong, text)
        }
    })
}

/// Returns why a host is rolled back, in short if it is the failure of a step, which has a line.
fn rolled_back_by(state: &RunState, host: &HostName, why: &Reason) -> String {
    let failed = state.hosts.get(host).and_then(|host| {
        let step = host.failed.as_ref()?;
        let task = host.tasks.get(step)?;
        (task.why.as_ref() == Some(why)).then_some(step)
    });
    failed.map_or_else(
        || sentence(&why.text),
        |step| format!("{} failed", printable(&step.to_string())),
    )
}

fn of_task(state: &RunState, task: &TaskId, event: &TaskEvent) -> Option<Line> {
    Some(match event {
        TaskEvent::Started { items, .. } => task_started(state, task, items.as_deref())?,
        TaskEvent::AttemptIntended { on, command, .. } => {
            let text = format!("{}{}", one_line(command), delegated(&task.host, on));
            Line::new("running", Tone::Quiet, text).trace()
        }
        TaskEvent::BlockRetried { round, of, delay, why, .. } => {
            let title = title_of(state, task);
            let delay = duration(*delay);
            let why = sentence(&why.text);
            let text = format!("{title}: attempt {round} of {of} in {delay}: {why}");
            Line::new("retrying", Tone::Warn, text)
        }
        TaskEvent::AttemptEnded { outcome, .. } => attempt_ended(state, task, outcome)?,
        TaskEvent::Ended { status, why, .. } => task_ended(state, task, *status, why.as_ref()),
        TaskEvent::PointOfNoReturn { why, all_hosts } => {
            let of = if *all_hosts { "of all hosts: " } else { "" };
            Line::new("point of no return", Tone::Warn, format!("{of}{}", sentence(why)))
        }
        TaskEvent::QuestionAsked { question } => {
            Line::new("waiting for operator", Tone::Warn, sentence(&question.text))
                .marked("?")
                .with(asked(state, task, question))
        }
        TaskEvent::QuestionExpired => {
            let why = state.task(task).and_then(|task| task.why.as_ref());
            let text = why.map_or_else(String::new, |why| sentence(&why.text));
            Line::new("too late", Tone::Warn, text)
        }
        TaskEvent::QuestionAnswered { answer, reason, by } => {
            let by = who_and_why(by, reason.as_deref());
            let open = state.question(task).and_then(|question| question.approval);
            let about = match open.filter(|_| *answer == Answer::Approve) {
                Some(approval) => format!("{} more must approve", approval.left()),
                None => answer.about().to_owned(),
            };
            let text = format!("{} ({about}), by {by}", answer.word());
            Line::new("answered", Tone::Strong, text)
        }
        TaskEvent::WaitTicked { .. }
        | TaskEvent::TimeSpent { .. }
        | TaskEvent::RequirementsPassed => return None,
    })
}

fn run_planned(planned: &RunPlanned) -> Line {
    let hosts = list(planned.hosts.iter().map(HostName::as_str), MOST_HOSTS);
    let text = format!(
        "{} on {}{}: {hosts}",
        sentence(&planned.outline.plan),
        count(planned.hosts.len(), "host"),
        batches(&planned.outline)
    );
    let reason = planned.reason.iter().map(|why| format!("reason    {}", sentence(why)));
    let labels = planned.labels.iter().map(|(key, value)| sentence(&format!("{key}={value}")));
    let labels = labels.map(|label| format!("label     {label}"));
    let mut line = Line::new("planned", Tone::Strong, text);
    line.details = reason.chain(labels).map(|text| Detail::new(Tone::Plain, text)).collect();
    line
}

fn who_and_why(by: &str, reason: Option<&str>) -> String {
    let by = sentence(by);
    reason.map_or_else(|| by.clone(), |reason| format!("{by}: {}", sentence(reason)))
}

fn preflight(host: &HostName, verdict: &PreflightVerdict) -> Line {
    let mut line = match verdict {
        PreflightVerdict::Passed => Line::new("passed", Tone::Good, "").trace(),
        PreflightVerdict::Reached => Line::new("reached", Tone::Good, "").trace(),
        PreflightVerdict::Failed(reason) => {
            Line::new("failed", Tone::Bad, sentence(&reason.text)).with(detail::unmet(reason))
        }
        PreflightVerdict::NoAnswer(error) => {
            let word = if error.is_away() { "unreachable" } else { "refused" };
            Line::new(word, Tone::Bad, sentence(&error.on(host)))
        }
    };
    "preflight".clone_into(&mut line.step);
    line
}

fn host_ended(
    state: &RunState,
    host: &HostState,
    status: HostStatus,
    why: Option<&Reason>,
) -> Line {
    let mut text = vec![match status {
        HostStatus::Stuck if state.has_failed_teardown(host) => {
            "teardown failed; the operator must fix the cause".to_owned()
        }
        _ if host.teardown.is_some() => torn_down(state, host).unwrap_or_default(),
        HostStatus::Succeeded => steps(state, host),
        HostStatus::Failed => host.no_return.as_ref().map_or_else(
            || "not rolled back".to_owned(),
            |(_, why)| format!("past the point of no return: {}", sentence(why)),
        ),
        HostStatus::Stuck => "rollback failed; the operator must repair the host".to_owned(),
        _ => String::new(),
    }];
    text.extend(why.map(|why| sentence(&why.text)));
    // A rollback counts from its own start.
    let begun = host.undoing.or(host.begun).filter(|_| host.teardown.is_none());
    text.extend(begun.map(|at| format!("after {}", duration(between(Some(at), host.ended)))));
    text.retain(|part| !part.is_empty());
    Line::new(status.word(), host_tone(status), text.join("; "))
}

/// Counts the steps of a host by status: `9 steps changed, 2 unchanged, 1 skipped`.
pub(crate) fn steps(state: &RunState, host: &HostState) -> String {
    let mut out =
        vec![format!("{} changed", count(steps_ended(state, host, TaskStatus::Changed), "step"))];
    for status in [
        TaskStatus::Unchanged,
        TaskStatus::Skipped,
        TaskStatus::Failed,
        TaskStatus::TimedOut,
        TaskStatus::Unknown,
    ] {
        let number = steps_ended(state, host, status);
        if number > 0 {
            out.push(format!("{number} {}", status.word()));
        }
    }
    out.join(", ")
}

fn task_started(state: &RunState, task: &TaskId, items: Option<&[Value]>) -> Option<Line> {
    if let Some(items) = items.filter(|items| !items.is_empty()) {
        let text = format!("{}, {}", sentence(&state.planned.title(&task.step)), for_each(items));
        return Some(Line::new("started", Tone::Plain, text).trace());
    }
    let word = match state.planned.action(&task.step) {
        "wait" => "waiting",
        "block" => "started",
        _ => return None,
    };
    Some(Line::new(word, Tone::Plain, title_of(state, task)).trace())
}

/// Returns the items of a step: `for each of 3: imap, lmtp, auth`.
pub(crate) fn for_each(items: &[Value]) -> String {
    let text = |item: &Value| {
        let text = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
        sentence(&text)
    };
    format!("for each of {}: {}", items.len(), list(items.iter().map(text), MOST_ITEMS))
}

fn attempt_ended(state: &RunState, task: &TaskId, outcome: &Outcome) -> Option<Line> {
    if !detail::is_bad(outcome) {
        return None;
    }
    let known = state.task(task)?;
    // `done_when` has decided it, and nothing more was learned since.
    if known.status.is_some() && matches!(outcome, Outcome::Unknown { .. }) {
        return None;
    }
    let on = known.attempts.last().map_or(&task.host, |last| &last.on);
    let mut text = match outcome {
        Outcome::Ended { stdout, stderr, .. } => {
            let stream = if stderr.trim().is_empty() { stdout } else { stderr };
            let first = stream.trim().lines().next().unwrap_or_default();
            let first = detail::output(on, first, 1, false);
            first.first().map(|line| line.text.clone()).unwrap_or_default()
        }
        Outcome::NotSent(_) | Outcome::NeverStarted | Outcome::Unknown { .. } => String::new(),
    };
    let word = match outcome {
        Outcome::Ended { .. } | Outcome::NeverStarted => detail::outcome(outcome),
        Outcome::NotSent(error) => {
            text = sentence(&error.on(&task.host));
            "not sent".to_owned()
        }
        Outcome::Unknown { why, .. } => {
            text = format!("cannot tell yet whether it took effect: {}", sentence(why));
            "unknown".to_owned()
        }
    };
    Some(Line::new(&word, Tone::Warn, text).trace())
}

fn task_ended(state: &RunState, id: &TaskId, status: TaskStatus, why: Option<&Reason>) -> Line {
    let mut text = title_of(state, id);
    let Some(task) = state.task(id) else {
        return Line::new(status.word(), task_tone(status), text);
    };
    let is_check = matches!(state.planned.action(&id.step), "wait" | "assert" | "approve");
    // A block that succeeded by its parts has no reason; one that was rescued has.
    let is_rescued = state.planned.action(&id.step) == "block" && why.is_some();
    let says_why = !status.is_well() || status == TaskStatus::Skipped || is_check || is_rescued;
    if let Some(why) = why.filter(|why| says_why && !why.text.is_empty()) {
        text = format!("{text}: {}", sentence(&why.text));
    }
    let host = state.hosts.get(&id.host);
    if host.is_some_and(|host| was_already_done(state, host, &id.step)) {
        text.push_str(": already done; nothing was sent");
    }
    let about = circumstances(id, task, status);
    if !about.is_empty() {
        text = format!("{text} ({about})");
    }
    // The plan continues although the condition is not true.
    let has_timed_out = state.planned.action(&id.step) == "wait"
        && status.is_well()
        && why.is_some_and(|why| why.seen.iter().any(|seen| seen.truth != Truth::True));
    let (word, tone) = if has_timed_out {
        (TaskStatus::TimedOut.word(), Tone::Warn)
    } else {
        (status.word(), task_tone(status))
    };
    let mark = match status {
        TaskStatus::Skipped => "-",
        TaskStatus::Unchanged if !has_timed_out => "✓",
        _ => tone.mark(),
    };
    let line = Line::new(word, tone, text).marked(mark);
    if status.is_well() {
        // The parts of a block, or the items, have their own lines.
        let is_block = state.planned.action(&id.step) == "block" && !is_rescued;
        let is_trace = is_block || task.items.as_ref().is_some_and(|items| !items.is_empty());
        return Line { is_trace, ..line };
    }
    line.with(detail::failure(&id.host, task))
}

/// Returns what else matters of a task that ended: an exit code that was not decisive, attempts,
/// time, machine.
fn circumstances(id: &TaskId, task: &TaskState, status: TaskStatus) -> String {
    let mut out = Vec::new();
    if let Some(last) = task.attempts.last() {
        if status == TaskStatus::Changed {
            out.extend(match &last.outcome {
                Some(outcome @ Outcome::Ended { .. }) if detail::is_bad(outcome) => {
                    Some(format!("{}, but done", detail::outcome(outcome)))
                }
                Some(Outcome::Unknown { .. }) => Some("outcome unknown, but done".to_owned()),
                _ => None,
            });
        }
        if task.attempts.len() > 1 {
            out.push(count(task.attempts.len(), "attempt"));
        }
    }
    let took = between(task.begun, task.ended);
    if took >= Duration::from_secs(1) {
        out.push(duration(took));
    }
    if let Some(last) = task.attempts.last() {
        let on = delegated(&id.host, &last.on);
        out.extend((!on.is_empty()).then(|| on.trim_start().to_owned()));
    }
    out.join(", ")
}
