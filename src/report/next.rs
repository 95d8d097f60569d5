//! What to do next: the commands that fit the state of a run.
//!
//! Only commands that make sense in this state are shown, and each can be copied as it is.

use crate::event::{HostStatus, Question, RunId, RunStatus, TaskId};
use crate::history::{HostState, RunState};
use crate::inventory::HostName;
use crate::quote;
use crate::report::detail::sentence;
use crate::task::Stage;

#[derive(Debug, PartialEq, Eq)]
pub struct Next {
    /// What it does, or what must be done first.
    pub why: String,
    pub command: String,
}

impl Next {
    fn new(why: impl Into<String>, command: String) -> Self {
        Self { why: why.into(), command }
    }
}

/// Returns the possible next actions, the likely one first; none after a success.
pub fn next(state: &RunState, program: &str, run: &RunId) -> Vec<Next> {
    let verb = |verb: &str| format!("{program} {verb} {}", word(&run.0));
    let again = apply(state, program);
    let has_something = |host: &HostState| {
        let is_due = host.stage != Some(Stage::Setup) || state.keeps_nothing();
        let is_half_done = host.status == HostStatus::Stuck || host.is_undoing();
        is_due && host.can_be_rolled_back() && (is_half_done || state.has_to_undo(host))
    };
    let can_roll_back = state.hosts.values().any(has_something);
    match state.status {
        RunStatus::Succeeded => Vec::new(),
        RunStatus::Planned | RunStatus::Running | RunStatus::Paused => {
            let why = if state.abort.is_some() && state.open_questions().is_empty() {
                "To complete the abort, run:"
            } else if state.status != RunStatus::Paused {
                "The run has not ended; its controller may have been killed. To continue, run:"
            } else if state.open_questions().is_empty() {
                "To continue, run:"
            } else {
                "To continue after answering, run:"
            };
            let mut out = vec![Next::new(why, verb("resume"))];
            if can_roll_back {
                out.push(Next::new("To roll back instead, run:", verb("rollback")));
            }
            out
        }
        RunStatus::Stuck if state.is_only_setup_stuck() => vec![
            Next::new("To see everything that was done, run:", verb("show")),
            Next::new(
                if state.hosts.values().any(|host| state.has_failed_teardown(host)) {
                    "After fixing the cause, run the teardown again with:"
                } else {
                    "After fixing the cause, continue the rollback of the setup with:"
                },
                verb("resume"),
            ),
            Next::new(
                "Or undo it by hand, and end the run without it:",
                format!("{} --acknowledge --without-teardown", verb("abort")),
            ),
        ],
        RunStatus::Stuck => vec![
            Next::new("To see everything that was done, run:", verb("show")),
            Next::new(
                "After repairing the stuck hosts, continue the rollback with:",
                verb("rollback"),
            ),
        ],
        RunStatus::Refused | RunStatus::RolledBack => {
            vec![Next::new(why_again(state), again)]
        }
        RunStatus::Failed | RunStatus::Aborted => {
            let mut out = Vec::new();
            let is_past = |host: &HostState| {
                host.no_return.is_some()
                    && host.begun_at > 0
                    && host.shown_status() != HostStatus::Succeeded
            };
            if state.hosts.values().any(is_past) {
                let why = "A host past its point of no return is not rolled back; finish it by hand. \
                           To see what was done there, run:";
                out.push(Next::new(why, verb("show")));
            }
            if can_roll_back {
                out.push(Next::new("To roll back, run:", verb("rollback")));
            }
            out.push(Next::new(why_again(state), again));
            out
        }
    }
}

fn why_again(state: &RunState) -> &'static str {
    // The operator may have asked for the end or the rollback of a run without a failure.
    let has_failed = state.hosts.values().any(|host| host.failed.is_some());
    match state.status {
        RunStatus::Refused => "After fixing the problems above, run:",
        RunStatus::RolledBack if has_failed => "After fixing the cause, run:",
        RunStatus::RolledBack | RunStatus::Aborted => "To run it again, run:",
        _ => "After fixing the cause, run:",
    }
}

/// Returns the commands that answer a question, each with what it does.
pub(crate) fn answers(
    program: &str,
    run: &RunId,
    task: &TaskId,
    question: &Question,
) -> Vec<(String, String)> {
    let task = word(&task.to_string());
    let run = word(&run.0);
    let answers = question.answers.iter();
    answers
        .map(|answer| {
            let command =
                format!("{program} resolve {run} {task} --as {} --reason TEXT", answer.word());
            (command, answer.about().to_owned())
        })
        .collect()
}

/// Returns the command that starts the same run again, on the remaining hosts.
fn apply(state: &RunState, program: &str) -> String {
    let mut words = state.planned.arguments.clone();
    if words.is_empty() {
        words.push(state.planned.plan_path.clone());
        if !state.planned.inventory_path.is_empty() {
            words.extend(["--inventory".to_owned(), state.planned.inventory_path.clone()]);
        }
    }
    let is_left = |host: &&HostName| state.hosts[*host].shown_status() != HostStatus::Succeeded;
    let hosts = || state.real_hosts().map(|(name, _)| name);
    let left: Vec<&str> = hosts().filter(is_left).map(HostName::as_str).collect();
    let limit = match left.len() {
        0 => None,
        some if some < hosts().count() => Some(left.join(",")),
        _ => state.planned.limit.clone(),
    };
    words.extend(limit.into_iter().flat_map(|limit| ["--limit".to_owned(), limit]));
    let words: Vec<String> = words.iter().map(|text| word(text)).collect();
    format!("{program} apply {}", words.join(" "))
}

/// Returns a word as it must be typed, quoted only if necessary.
fn word(text: &str) -> String {
    sentence(&quote::readable(text))
}
