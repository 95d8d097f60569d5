//! One run in full: `planrun show RUN`, as text and as JSON.
//!
//! The text is grouped by host, and has the events of each host in their order. Only the checks of a
//! preflight that passed and the rest of long outputs are left out; JSON has the records as they
//! are.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::event::{
    Event, HostStatus, Outcome, Record, RunEvent, RunId, RunPlanned, TaskEvent, TaskId, TaskStatus,
};
use crate::history::{HostState, RunState, between};
use crate::inventory::HostName;
use crate::report::detail::{Detail, LINE_WIDTH, delegated, sentence};
use crate::report::left::{host_left, waited_for};
use crate::report::line::{Line, for_each, line_of};
use crate::report::open::{StoredRun, commands, state_word, waits_for, what_next};
use crate::report::summary::Invocation;
use crate::report::tally::{batches, may_still_run, still_set, title_of};
use crate::report::text::{clip, duration, lines, list, pad, pretty_json, printable};
use crate::report::tones::{host_tone, run_tone, task_tone};
use crate::report::{Page, Style, Tone, detail};

/// Lines of each output, and of a script, that are shown.
const OUTPUT_LINES: usize = 20;

/// Hosts that are named before the rest is counted.
const MOST_HOSTS: usize = 20;

/// Damaged events that are named before the rest is counted.
const MOST_DAMAGE: usize = 20;

/// Columns of a value of an input.
const VALUE_WIDTH: usize = 100;

/// Hex digits of a digest, enough to distinguish two plans.
const DIGEST_DIGITS: usize = 12;

pub fn text(kept: &StoredRun<'_>, invocation: &Invocation) -> String {
    let style = &invocation.style;
    let mut page = Page::new(style);
    let state = RunState::for_report(kept.records);
    page.heading(&state, kept, &invocation.run);
    page.damage(kept.damage);
    let groups = groups(&state, kept.records, style);
    page.group("run", groups.get(&None));
    for (name, host) in state.in_order() {
        let status = style.paint(host_tone(host.shown_status()), host.shown_status().word());
        let heading = format!("{}: {status}", printable(name.as_str()));
        page.group(&heading, groups.get(&Some(name)));
        if host.status == HostStatus::Aborted {
            for text in host_left(&state, host) {
                page.line(&format!("  {text}"));
            }
        }
    }
    page.out.push_str(&what_next(&state, kept, invocation));
    page.out
}

/// Returns a run as a JSON object: id, plan, state, hosts with their status, and all records.
pub fn json(kept: &StoredRun<'_>, invocation: &Invocation) -> String {
    let state = RunState::for_report(kept.records);
    let of = |(name, host): (&HostName, &HostState)| json!({"name": name, "status": host.shown_status()});
    let tasks = |tasks: Vec<&TaskId>| tasks.into_iter().map(TaskId::to_string).collect::<Vec<_>>();
    let (waited, running, set) = (state.waited_for(), state.may_still_run(), state.still_set());
    let stages = state.in_order().filter(|(_, host)| host.stage.is_some());
    pretty_json(&json!({
        "id": invocation.run,
        "plan": state.planned.plan,
        "reason": state.planned.reason,
        "labels": state.planned.labels,
        "state": state_word(&state, kept.is_alive).replace(' ', "_"),
        "alive": kept.is_alive,
        "waits_for": waits_for(&state),
        "next": commands(&state, kept, invocation),
        "hosts": state.real_hosts().map(of).collect::<Vec<_>>(),
        "stages": stages.map(of).collect::<Vec<_>>(),
        "waited_for": tasks(waited.iter().map(|(task, _)| task).collect()),
        "may_still_run": tasks(running.iter().map(|(task, _)| task).collect()),
        "still_set": tasks(set.iter().collect()),
        "damage": kept.damage,
        "records": kept.records,
    }))
}

impl Page<'_> {
    fn fact(&mut self, name: &str, value: &str) {
        self.line(&format!("  {}{value}", pad(name, 12)));
    }

    fn heading(&mut self, state: &RunState, kept: &StoredRun<'_>, run: &RunId) {
        let records = kept.records;
        let id = printable(&run.0);
        let title = self.style.paint(Tone::Strong, &format!("run {id}"));
        let summary = state.planned.summary.as_deref().map(sentence).unwrap_or_default();
        self.line(&format!("{title}  {}: {summary}", sentence(&state.planned.plan)));
        let word = self.style.paint(run_tone(state.status), state_word(state, kept.is_alive));
        let why = state.why.as_deref().map(sentence).unwrap_or_default();
        let separator = if why.is_empty() { "" } else { ": " };
        self.fact("state", &format!("{word}{separator}{why}"));
        for wait in waits_for(state) {
            self.fact("waiting for", &wait);
        }
        if !kept.is_alive
            && let Some(set) = still_set(state)
        {
            self.fact("still set", &set);
        }
        if let Some(waited) = waited_for(state) {
            self.fact("waited for", &waited);
        }
        if let Some(runs) = may_still_run(state) {
            self.fact("may run", &runs);
        }
        let planned = records.iter().find_map(|record| match &record.event {
            Event::Run(RunEvent::Planned(planned)) => Some((record, planned)),
            _ => None,
        });
        let Some((record, planned)) = planned else { return };
        let short = |hex: &str| printable(&hex.chars().take(DIGEST_DIGITS).collect::<String>());
        let mut plan =
            format!("{}, sha256 {}", sentence(&planned.plan_path), short(&planned.plan_digest));
        if let Some(commit) = &planned.commit {
            plan = format!("{plan}, commit {}", short(commit));
        }
        self.fact("plan", &plan);
        self.fact("inventory", &sentence(&planned.inventory.path));
        let started = format!(
            "{} by {} with planrun {}",
            self.style.date(record.at),
            sentence(&planned.by),
            sentence(&planned.tool)
        );
        self.fact("started", &started);
        if let Some(reason) = &planned.reason {
            self.fact("reason", &sentence(reason));
        }
        for (key, value) in &planned.labels {
            self.fact("label", &sentence(&format!("{key}={value}")));
        }
        if let Some(last) = records.last() {
            let at = self.style.date(last.at);
            let virtual_time = if state.planned.is_model { " (virtual time)" } else { "" };
            let took = format!("{at}, {} after the start{virtual_time}", duration(state.took));
            self.fact("last event", &took);
        }
        let hosts = list(planned.hosts.iter().map(HostName::as_str), MOST_HOSTS);
        self.fact("hosts", &hosts);
        let serial = batches(&planned.outline);
        self.fact("serial", serial.trim_start_matches(", "));
        self.inputs(planned);
    }

    fn damage(&mut self, damage: &[String]) {
        if damage.is_empty() {
            return;
        }
        self.line("");
        let heading = "damaged: these events are missing below, and the run cannot continue";
        self.line(&self.style.paint(Tone::Bad, heading));
        for line in damage.iter().take(MOST_DAMAGE) {
            self.line(&format!("  {}", sentence(line)));
        }
        if let Some(more @ 1..) = damage.len().checked_sub(MOST_DAMAGE) {
            self.line(&format!("  and {more} more"));
        }
    }

    /// Writes each input once if all hosts have the same value, else by host.
    fn inputs(&mut self, planned: &RunPlanned) {
        let Some((_, first)) = planned.inputs.first() else { return };
        for (name, value) in first {
            let shown = input(value);
            let all = planned.inputs.values();
            let is_same = all.map(|inputs| inputs.get(name)).all(|it| it == Some(value));
            let label = format!("input {}", sentence(name));
            if is_same {
                self.line(&format!("  {label} = {shown}"));
                continue;
            }
            let by_host = planned.inputs.iter().map(|(host, inputs)| {
                let value = inputs.get(name).map_or_else(|| "-".to_owned(), input);
                format!("{value} ({host})")
            });
            self.line(&format!("  {label} = {}", list(by_host, MOST_HOSTS)));
        }
    }

    /// Writes the events of a host, or those of the run.
    fn group(&mut self, heading: &str, events: Option<&Group<'_>>) {
        self.line("");
        let heading = self.style.paint(Tone::Strong, heading);
        self.line(&heading);
        if let Some(events) = events {
            self.out.push_str(&events.page.out);
        }
    }

    fn event(&mut self, at: Timestamp, indent: &str, shown: &Shown) {
        let time = self.style.clock(at);
        let text = self.style.paint(shown.tone, &shown.text);
        self.line(&format!("  {time}  {indent}{text}"));
        self.details(&shown.details, &format!("            {indent}  "));
    }
}

/// The events of a host, or those of the run.
struct Group<'a> {
    page: Page<'a>,
    task: Option<&'a TaskId>,
}

/// Returns the events by host, in one pass: each line shows what was known at that moment, not how
/// it ended.
fn groups<'a>(
    state: &RunState,
    records: &'a [Record],
    style: &'a Style,
) -> HashMap<Option<&'a HostName>, Group<'a>> {
    let mut groups = HashMap::new();
    let mut then = RunState::default();
    for record in records {
        then.apply_for_report(record);
        let shown = shown(&then, record, style);
        let is_start = matches!(record.event, Event::Task { event: TaskEvent::Started { .. }, .. });
        if shown.is_none() && !is_start {
            continue;
        }
        let empty = || Group { page: Page::new(style), task: None };
        let Group { page, task } = groups.entry(record.event.host()).or_insert_with(empty);
        let current = record.event.task();
        if let Some(id) = current.filter(|_| current != *task) {
            let title = title_of(state, id);
            let step = style.paint(Tone::Strong, &printable(&id.step.to_string()));
            page.line(&format!("            {step}  {title}"));
        }
        *task = current;
        if let Some(shown) = shown {
            let indent = if task.is_some() { "  " } else { "" };
            page.event(record.at, indent, &shown);
        }
    }
    groups
}

/// A line of the text and those under it.
struct Shown {
    tone: Tone,
    text: String,
    details: Vec<Detail>,
}

/// Returns the lines of an event; `None` if it is not shown, or only by the title of its task.
fn shown(state: &RunState, record: &Record, style: &Style) -> Option<Shown> {
    if let Event::Task { task, event } = &record.event {
        match event {
            TaskEvent::Started { items, .. } => {
                let items = items.as_ref().filter(|items| !items.is_empty())?;
                let text = for_each(items);
                return Some(Shown { tone: Tone::Plain, text, details: Vec::new() });
            }
            TaskEvent::AttemptIntended { ordinal, on, command, timeout, .. } => {
                return Some(running(task, *ordinal, on, command, &duration(*timeout)));
            }
            TaskEvent::AttemptEnded { outcome, .. } => {
                return Some(self::outcome(state, task, outcome));
            }
            TaskEvent::Ended { status, .. } => return Some(ended(state, task, *status)),
            _ => {}
        }
    }
    let Line { step, word, tone, text, details, .. } = line_of(state, record)?;
    let is_preflight = record.event.task().is_none() && !step.is_empty();
    let step = if is_preflight { format!("{step} ") } else { String::new() };
    let word = style.paint(tone, &word);
    Some(Shown { tone: Tone::Plain, text: format!("{step}{word}  {text}"), details })
}

/// Returns the line of a command; a script is shown below it.
fn running(task: &TaskId, ordinal: u32, on: &HostName, command: &str, timeout: &str) -> Shown {
    let on = delegated(&task.host, on);
    let attempt = if ordinal > 1 { format!("attempt {ordinal}, ") } else { String::new() };
    let lead = format!("running{on} ({attempt}timeout {timeout})");
    let script = lines(command, OUTPUT_LINES, LINE_WIDTH);
    let (text, script) = match script.as_slice() {
        [one] => (format!("{lead}: {one}"), Vec::new()),
        _ => (format!("{lead}:"), script),
    };
    let details = script.into_iter();
    Shown {
        tone: Tone::Plain,
        text,
        details: details.map(|line| Detail::new(Tone::Plain, line)).collect(),
    }
}

/// Returns the line of an outcome, with the outputs.
fn outcome(state: &RunState, task: &TaskId, outcome: &Outcome) -> Shown {
    let attempt = state.task(task).and_then(|task| task.attempts.last());
    let on = attempt.map_or(&task.host, |attempt| &attempt.on);
    let mut details = Vec::new();
    if let Outcome::Ended { stdout, stderr, cut, .. } = outcome {
        details.extend(detail::output(on, stdout, OUTPUT_LINES, *cut));
        details.extend(detail::output(on, stderr, OUTPUT_LINES, *cut));
    }
    let tone = if detail::is_bad(outcome) { Tone::Warn } else { Tone::Plain };
    Shown { tone, text: detail::outcome(outcome), details }
}

/// Returns the line of the end of a task, with all observed values.
fn ended(state: &RunState, id: &TaskId, status: TaskStatus) -> Shown {
    let task = state.task(id);
    let took = task.map(|task| between(task.begun, task.ended));
    let took = took.filter(|took| !took.is_zero());
    let took = took.map_or_else(String::new, |took| format!(" after {}", duration(took)));
    let why = task.and_then(|task| task.why.as_ref());
    let said = why.map(|why| sentence(&why.text)).unwrap_or_default();
    let separator = if said.is_empty() { "" } else { ": " };
    Shown {
        tone: task_tone(status),
        text: format!("{}{took}{separator}{said}", status.word()),
        details: why.map(detail::seen).unwrap_or_default(),
    }
}

fn input(value: &Value) -> String {
    clip(&printable(&value.to_string()), VALUE_WIDTH)
}
