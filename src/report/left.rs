//! What the abort of a run has left, in words: hosts and steps that it ended in their middle.
//!
//! Only what was observed: whether a command was sent, whether it has finished, and whether planrun waited for that.

use crate::event::{StepPath, TaskStatus};
use crate::history::{AttemptState, HostState, Last, RunState, TaskState};
use crate::report::detail;
use crate::report::tally::{command_of, step_text, torn_down};
use crate::report::text::{list, printable};

/// Commands that are named before the rest is counted.
const MOST_COMMANDS: usize = 8;

/// Returns how a host is left that the operator has aborted, the most important first.
pub(super) fn host_left(state: &RunState, host: &HostState) -> Vec<String> {
    let mut out: Vec<String> = torn_down(state, host).into_iter().collect();
    let open: Vec<&StepPath> = match host.open.as_slice() {
        [] => {
            let forward = host.tasks.iter().take(host.forward.unwrap_or(host.tasks.len()));
            let open = forward.filter(|(_, task)| task.status.is_none() && task.begun_at > 0);
            open.map(|(step, _)| step).collect()
        }
        open => open.iter().collect(),
    };
    for step in &open {
        let text = step_text(state, host, "left as it is at", step);
        let outcome = host.task(step).and_then(command_left);
        out.push(text + &outcome.map(|outcome| format!("; {outcome}")).unwrap_or_default());
    }
    if open.is_empty() {
        let forward = host.tasks.keys().take(host.forward.unwrap_or(host.tasks.len()));
        let last = forward.last();
        out.extend(last.map(|step| step_text(state, host, "left as it is after", step)));
    }
    out
}

/// Returns what is known of the last command of a task that has not ended; `None` if it has sent none.
fn command_left(task: &TaskState) -> Option<String> {
    let attempt = task.attempts.last()?;
    let outcome = attempt.outcome.as_ref().map(detail::outcome).unwrap_or_default();
    Some(match attempt.last() {
        Last::Nothing => return None,
        Last::NeverStarted => "its command did not start".to_owned(),
        Last::NotSent => "its command was not sent".to_owned(),
        Last::Ended => format!("its command has finished: {outcome}"),
        Last::Over => format!("its command has ended; {outcome}"),
        Last::InDoubt | Last::Running => {
            format!("its command may still be running on {}", printable(attempt.on.as_str()))
        }
    })
}

/// Returns the word for a task that has not ended, on a host that was aborted.
pub(super) fn word_left(task: &TaskState) -> &'static str {
    match task.attempts.last().map(AttemptState::last) {
        None | Some(Last::Nothing) => "not completed",
        Some(Last::NeverStarted | Last::NotSent) => "not sent",
        Some(Last::Ended) => "finished",
        Some(Last::Over) => TaskStatus::Unknown.word(),
        Some(Last::InDoubt | Last::Running) => "may still be running",
    }
}

/// Returns the commands for whose end the abort of a run has waited, in words; `None` if none.
pub(super) fn waited_for(state: &RunState) -> Option<String> {
    let waited = state.waited_for();
    let words = waited.iter().map(|(task, attempt)| {
        let outcome = attempt.outcome.as_ref().map(detail::outcome).unwrap_or_default();
        format!("{}: {outcome}", command_of(state, task, &attempt.on))
    });
    (!waited.is_empty()).then(|| list(words, MOST_COMMANDS))
}
