//! The summary of a run: its result, the state of each host, what to do next.
//!
//! It is made from the records, so it is the same after a crash, in `planrun show` and at the end of
//! a run. It never reports more than they prove: `unknown` stays unknown, and a host that planrun did
//! not work on is *not started*.

use indexmap::IndexMap;

use crate::event::{
    HostStatus, PreflightVerdict, Question, Reason, Record, RunId, RunStatus, TaskId, TaskStatus,
};
use crate::history::{HostState, RunState, between};
use crate::inventory::HostName;
use crate::report::detail::{Detail, sentence};
use crate::report::left::{host_left, waited_for};
use crate::report::line::steps;
use crate::report::next::{answers, next};
use crate::report::tally::{
    by_status, may_still_run, step_text, steps_ended, still_set, title_of, torn_down,
    was_already_done,
};
use crate::report::text::{count, duration, pad, printable, width, wrap};
use crate::report::tones::{host_tone, run_tone};
use crate::report::{Page, Style, Tone, detail};

/// Hosts of one status that are listed without details; more are counted.
const MOST_ALIKE: usize = 20;

/// Columns of the name of a host, at most.
const HOST_WIDTH: usize = 40;

/// Columns of the widest status word.
const STATUS_WIDTH: usize = 12;

/// What a summary needs from the command that shows it.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// How planrun is called: its name, and the state directory if it was given.
    pub program: String,
    pub run: RunId,
    pub style: Style,
}

/// Returns the summary of a run, with a line end after each line.
pub fn summary(records: &[Record], invocation: &Invocation) -> String {
    summary_of(&RunState::for_report(records), invocation)
}

pub fn summary_of(state: &RunState, invocation: &Invocation) -> String {
    let mut page = Page::new(&invocation.style);
    page.verdict(state);
    page.hosts(state);
    page.out.push_str(&ways_on(state, invocation, true));
    page.out
}

/// Returns the open questions with their answers; and, if no process works on the run, what to do next.
pub(crate) fn ways_on(state: &RunState, invocation: &Invocation, is_at_rest: bool) -> String {
    let mut page = Page::new(&invocation.style);
    for (task, question) in &state.open_questions() {
        page.question(state, invocation, task, question);
    }
    let ways = next(state, &invocation.program, &invocation.run);
    for next in ways.into_iter().filter(|_| is_at_rest) {
        page.line("");
        page.line(&next.why);
        page.command(&next.command);
    }
    page.out
}

impl Page<'_> {
    fn command(&mut self, command: &str) {
        let command = self.style.paint(Tone::Strong, command);
        self.line(&format!("  {command}"));
    }

    /// One sentence: `succeeded: 3 hosts, 41 steps changed, took 52m (virtual time)`.
    fn verdict(&mut self, state: &RunState) {
        let word = self.style.paint(run_tone(state.status), state.status.word());
        let mut parts = Vec::new();
        if state.status == RunStatus::Succeeded {
            parts.push(count(state.real_hosts().count(), "host"));
            let ended = |status| -> usize {
                let hosts = state.hosts.values();
                hosts.map(|host| steps_ended(state, host, status)).sum()
            };
            // A failed step may have changed something.
            let failed = [TaskStatus::Failed, TaskStatus::TimedOut, TaskStatus::Unknown];
            let failed: usize = failed.into_iter().map(ended).sum();
            parts.push(match (ended(TaskStatus::Changed), failed) {
                (0, 0) => "nothing was changed".to_owned(),
                (steps, _) => format!("{} changed", count(steps, "step")),
            });
            if failed > 0 {
                parts.push(format!("{} failed but the plan continued", count(failed, "step")));
            }
        } else {
            let total = state.real_hosts().count();
            for (at, (status, number)) in by_status(state).into_iter().enumerate() {
                let word = status.word();
                let unsent = if status == HostStatus::RolledBack { unsent(state) } else { 0 };
                let unsent = match unsent {
                    0 => String::new(),
                    all if all == number => " (no rollback was sent)".to_owned(),
                    some => format!(" (no rollback was sent to {some})"),
                };
                parts.push(match at {
                    0 if number == total => format!("{} {word}{unsent}", count(total, "host")),
                    0 => format!("{number} of {} {word}{unsent}", count(total, "host")),
                    _ => format!("{number} {word}{unsent}"),
                });
            }
        }
        let virtual_time = if state.planned.is_model { " (virtual time)" } else { "" };
        parts.push(format!("took {}{virtual_time}", duration(state.took)));
        let text = format!("{}: {}", state.status.word(), parts.join(", "));
        for line in wrap(&text, self.style.width.max(20)) {
            self.line(&line.replacen(&format!("{}:", state.status.word()), &format!("{word}:"), 1));
        }
        let said = state.why.as_deref().map(sentence).unwrap_or_default();
        let set = still_set(state).map(|set| format!("Still set: {set}.")).unwrap_or_default();
        let waited = waited_for(state).map(|waited| format!("Waited for {waited}."));
        let runs = may_still_run(state).map(|runs| format!("May still be running: {runs}."));
        let (waited, runs) = (waited.unwrap_or_default(), runs.unwrap_or_default());
        for text in [said.as_str(), meaning(state), &set, &waited, &runs] {
            if !text.is_empty() {
                for line in wrap(text, self.style.width.max(20)) {
                    self.line(&line);
                }
            }
        }
    }

    fn hosts(&mut self, state: &RunState) {
        self.line("");
        let names = state.hosts.keys().map(|host| width(host.as_str()));
        let column = names.max().unwrap_or_default().min(HOST_WIDTH);
        let mut alike: IndexMap<&str, usize> = IndexMap::new();
        for (name, host) in state.in_order() {
            let status = host.shown_status();
            let is_alike = matches!(status, HostStatus::NotStarted | HostStatus::Succeeded);
            if host.stage.is_none() && is_alike && !is_refused(state, host) {
                let number = alike.entry(status.word()).or_default();
                *number += 1;
                if *number > MOST_ALIKE {
                    continue;
                }
            }
            self.host(state, name, host, column);
        }
        for (status, number) in alike {
            if let Some(rest @ 1..) = number.checked_sub(MOST_ALIKE) {
                self.line(&format!("  and {rest} more {status}"));
            }
        }
    }

    fn host(&mut self, state: &RunState, id: &HostName, host: &HostState, column: usize) {
        let status = pad(host.shown_status().word(), STATUS_WIDTH);
        let status = self.style.paint(host_tone(host.shown_status()), &status);
        let name = pad(&printable(id.as_str()), column);
        let lead = format!("  {name}  {status}  ");
        let indent = column + STATUS_WIDTH + 6;
        let room = self.style.width.saturating_sub(indent).max(24);
        let mut texts = host_texts(state, id, host).into_iter();
        let first = texts.next().unwrap_or_default();
        let mut lines = wrap(&first, room);
        lines.extend(texts.flat_map(|text| wrap(&text, room)));
        let indent = " ".repeat(indent);
        for (at, line) in lines.iter().enumerate() {
            self.line(&format!("{}{line}", if at == 0 { &lead } else { &indent }));
        }
        self.narrow_details(&host_details(host), "      ");
    }

    fn question(
        &mut self,
        state: &RunState,
        invocation: &Invocation,
        task: &TaskId,
        question: &Question,
    ) {
        self.line("");
        let id = printable(&task.to_string());
        let title = title_of(state, task);
        let is_new = title != sentence(&question.text);
        let title = if is_new { format!(" ({title})") } else { String::new() };
        let id = self.style.paint(Tone::Warn, &format!("question at {id}"));
        self.line(&format!("{id}{title}"));
        for line in wrap(&sentence(&question.text), self.style.width.max(20) - 2) {
            self.line(&format!("  {line}"));
        }
        let why = sentence(&question.why.text);
        if !why.is_empty() && why != sentence(&question.text) {
            self.line(&format!("  {why}"));
        }
        self.narrow_details(&detail::seen(&question.why), "      ");
        if let Some(approval) = detail::approval(question) {
            self.line(&format!("  Approvals: {approval}"));
        }
        let host = state.hosts.get(&task.host);
        if host.is_some_and(|host| host.no_return.is_some()) {
            self.line(
                "This host is past its point of no return: after the answer it continues forward.",
            );
        }
        self.line("Answer with one of:");
        let answers = answers(&invocation.program, &invocation.run, task, question);
        let widest = answers.iter().map(|(command, _)| width(command)).max();
        for (command, about) in answers {
            let command = pad(&command, widest.unwrap_or_default());
            let about = self.style.paint(Tone::Quiet, &format!("# {about}"));
            let command = self.style.paint(Tone::Strong, &command);
            self.line(&format!("  {command}  {about}"));
        }
    }
}

/// Returns what the state of a run means for the hosts.
pub(crate) fn meaning(state: &RunState) -> &'static str {
    match state.status {
        RunStatus::Succeeded => "",
        RunStatus::Refused => "Nothing was changed: only checks were run.",
        RunStatus::RolledBack if is_already_done(state) => {
            "Every step that has a rollback was undone on each rolled-back host, except those whose \
             rollback sent nothing."
        }
        RunStatus::RolledBack => {
            "Every step that has a rollback was undone on each rolled-back host."
        }
        RunStatus::Failed => "Not every change was undone; see each host below.",
        RunStatus::Stuck
            if state.hosts.values().any(|host| {
                host.status == HostStatus::Stuck && !state.has_failed_teardown(host)
            }) =>
        {
            "Rollback failed: the remaining handlers of a stuck host did not run."
        }
        RunStatus::Stuck => "Teardown failed: the teardowns of earlier steps did not run.",
        RunStatus::Aborted => "The run was ended without rollback; see each host below.",
        RunStatus::Paused => "Waiting for an operator.",
        RunStatus::Planned => "Preflight has not finished; nothing was changed.",
        RunStatus::Running => "The run is in progress, or its controller was killed.",
    }
}

/// Counts the hosts that are rolled back and to which nothing was sent for that.
fn unsent(state: &RunState) -> usize {
    let is_unsent = |host: &HostState| host.status == HostStatus::RolledBack && !host.was_undone();
    state.real_hosts().filter(|(_, host)| is_unsent(host)).count()
}

/// Whether a handler sent nothing on a host that is rolled back.
fn is_already_done(state: &RunState) -> bool {
    let mut hosts =
        state.hosts.values().filter(|host| host.shown_status() == HostStatus::RolledBack);
    hosts.any(|host| host.tasks.keys().any(|step| was_already_done(state, host, step)))
}

/// Returns the state of a host, the most important first.
fn host_texts(state: &RunState, name: &HostName, host: &HostState) -> Vec<String> {
    let mut out = Vec::new();
    let took = duration(between(host.begun, host.ended));
    if let Some((step, why)) = &host.no_return {
        let (step, why) = (printable(&step.seen_from(name)), sentence(why));
        if is_refused(state, host) {
            out.push(format!(
                "cannot be rolled back: past the point of no return of step {step}: {why}"
            ));
        } else if is_left(host.shown_status()) {
            out.push(format!("past the point of no return: {why}"));
        }
    }
    match host.shown_status() {
        HostStatus::Succeeded => {
            let torn_down =
                torn_down(state, host).map_or_else(String::new, |text| format!(", {text}"));
            out.push(format!("{}, took {took}{torn_down}", steps(state, host)));
        }
        HostStatus::Failed => out.extend(torn_down(state, host)),
        HostStatus::Aborted => out.extend(host_left(state, host)),
        HostStatus::Active => {
            out.extend(host.open.iter().map(|step| step_text(state, host, "at", step)));
            if host.open.is_empty() {
                let last = host.tasks.keys().next_back();
                out.extend(last.map(|step| step_text(state, host, "between steps, after", step)));
            }
        }
        _ => {}
    }
    let unsent = host.tasks.keys().filter(|step| was_already_done(state, host, step));
    out.extend(unsent.map(|step| {
        let step = printable(&step.to_string());
        format!("{step} sent nothing: its `done_when` was already true")
    }));
    let is_teardown = host.undo_failed.as_ref().is_some_and(|step| state.planned.is_teardown(step));
    let undo_failed = if is_teardown { "teardown failed at" } else { "rollback failed at" };
    let failed = [(&host.failed, "failed at"), (&host.undo_failed, undo_failed)];
    for (step, words) in failed {
        if let Some(step) = step.as_ref().filter(|_| host.shown_status() != HostStatus::Succeeded) {
            out.push(step_text(state, host, words, step));
        }
    }
    // The reason of the failed step is already shown below.
    let is_new = |why: &&Reason| {
        let steps = [&host.failed, &host.undo_failed].into_iter().flatten();
        let tasks = steps.filter_map(|step| host.tasks.get(step)?.why.as_ref());
        let mut texts = tasks.map(|known| known.text.as_str());
        !texts.any(|known| !known.is_empty() && why.text.contains(known))
    };
    let why = host.why.as_ref().filter(is_new);
    out.extend(why.map(|why| sentence(&why.text)));
    out.retain(|text| !text.is_empty());
    out
}

/// Whether a rollback was requested, and the host is past its point of no return.
fn is_refused(state: &RunState, host: &HostState) -> bool {
    state.rollback.is_some() && host.no_return.is_some()
}

/// Whether a host started and did not succeed.
fn is_left(status: HostStatus) -> bool {
    !matches!(status, HostStatus::Succeeded | HostStatus::NotStarted)
}

/// Returns why the failed steps of a host failed, one line each: the details were shown then.
fn host_details(host: &HostState) -> Vec<Detail> {
    if !is_left(host.shown_status()) {
        return Vec::new();
    }
    let mut out = Vec::new();
    for step in [&host.failed, &host.undo_failed].into_iter().flatten() {
        let Some(task) = host.tasks.get(step) else { continue };
        out.push(Detail::new(Tone::Strong, format!("{}:", printable(&step.to_string()))));
        let text = task.why.as_ref().map(|why| sentence(&why.text));
        let text = text.filter(|text| !text.is_empty());
        out.extend(text.map(|text| Detail::new(Tone::Bad, format!("  {text}"))));
    }
    if out.is_empty() {
        let is_refused = matches!(host.verdict(), Some(PreflightVerdict::Failed(_)))
            || host.shown_status() == HostStatus::Refused;
        let why = host.why.as_ref().filter(|_| is_refused);
        out.extend(why.map(detail::unmet).unwrap_or_default());
    }
    out
}
