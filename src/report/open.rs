//! Runs that have not ended: what they wait for, and the next commands.

use std::fmt::Write as _;

use crate::event::{Record, RunStatus, TaskId};
use crate::history::RunState;
use crate::report::detail::sentence;
use crate::report::next::{answers, next};
use crate::report::summary::{Invocation, ways_on};
use crate::report::tally::title_of;
use crate::report::text::printable;

/// A run as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredRun<'a> {
    /// The events that can be read.
    pub records: &'a [Record],
    /// What is wrong with the others.
    pub damage: &'a [String],
    /// Whether a process works on the run now.
    pub is_alive: bool,
}

/// Returns the state of a run in a word. If its process is gone, the events do not show that.
pub fn state_word(state: &RunState, is_alive: bool) -> &'static str {
    if state.status.is_under_way() && !is_alive { "interrupted" } else { state.status.word() }
}

/// Returns what a run waits for: answers first, then the waits of its steps.
pub fn waits_for(state: &RunState) -> Vec<String> {
    if state.status.has_ended() {
        return Vec::new();
    }
    let questions = state.open_questions();
    let mut out: Vec<String> = questions
        .iter()
        .map(|(task, question)| {
            let task = printable(&task.to_string());
            format!("an answer to {task}: {}", sentence(&question.text))
        })
        .collect();
    if state.status == RunStatus::Running {
        for (name, host) in &state.hosts {
            let tasks =
                host.open.iter().map(|step| TaskId { host: name.clone(), step: step.clone() });
            let waits = tasks.filter(|task| {
                state.planned.action(&task.step) == "wait" && state.question(task).is_none()
            });
            out.extend(waits.map(|task| {
                format!("{}: {}", printable(&task.to_string()), title_of(state, &task))
            }));
        }
    }
    out
}

/// Returns the next commands, the likely one first.
pub fn commands(state: &RunState, kept: &StoredRun<'_>, invocation: &Invocation) -> Vec<String> {
    let Invocation { program, run, .. } = invocation;
    if state.status.has_ended() {
        return Vec::new();
    }
    if !kept.damage.is_empty() {
        return vec![abort(invocation)];
    }
    let questions = state.open_questions();
    let answers =
        questions.iter().flat_map(|(task, question)| answers(program, run, task, question));
    let mut out: Vec<String> = answers.map(|(command, _)| command).collect();
    if !(state.status.is_under_way() && kept.is_alive) {
        out.extend(next(state, program, run).into_iter().map(|next| next.command));
    }
    out
}

/// Returns how a run that has not ended can continue, as text after an empty line.
pub(crate) fn what_next(state: &RunState, kept: &StoredRun<'_>, invocation: &Invocation) -> String {
    if state.status.has_ended() {
        return String::new();
    }
    let is_at_work = state.status.is_under_way() && kept.is_alive;
    let mut out = String::new();
    if !kept.damage.is_empty() {
        out.push_str("\nRepair the hosts by hand, then end the run:\n  ");
        out.push_str(&abort(invocation));
        out.push('\n');
        return out;
    }
    out.push_str(&ways_on(state, invocation, !is_at_work));
    if is_at_work {
        let _written = writeln!(out, "\nA process is working on this run.");
    }
    out
}

fn abort(invocation: &Invocation) -> String {
    format!("{} abort {} --acknowledge", invocation.program, printable(&invocation.run.0))
}
