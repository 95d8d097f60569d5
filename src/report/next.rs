//! What to do next: from the state of a run, the commands that go on.
//!
//! No command is offered that the state does not call for, and each is whole: to be copied.

use crate::event::HostStatus;
use crate::event::Question;
use crate::event::RunId;
use crate::event::RunStatus;
use crate::event::TaskId;
use crate::history::HostState;
use crate::history::RunState;
use crate::inventory::HostName;
use crate::quote;
use crate::report::detail::sentence;

/// A way to go on: what it is for, and the commands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Next {
    /// What it does, or must be done first.
    pub(crate) why: String,
    /// The commands, to be given in this order.
    pub(crate) commands: Vec<String>,
}

impl Next {
    fn new(why: impl Into<String>, command: String) -> Self {
        Self { why: why.into(), commands: vec![command] }
    }
}

/// Returns what may be done next, the likely way first; nothing after a success.
pub(crate) fn next(state: &RunState, program: &str, run: &RunId) -> Vec<Next> {
    let verb = |verb: &str| format!("{program} {verb} {}", word(&run.0));
    let again = apply(state, program);
    match state.status {
        RunStatus::Succeeded => Vec::new(),
        RunStatus::Planned | RunStatus::Running | RunStatus::Paused => {
            let why = if state.status != RunStatus::Paused {
                "The run has not ended: its controller may have been stopped. To go on:"
            } else if state.open_questions().is_empty() {
                "To go on:"
            } else {
                "When it is answered, to go on:"
            };
            let mut out = vec![Next::new(why, verb("resume"))];
            if state.hosts.values().any(can_roll_back) {
                out.push(Next::new("Or, to put things back:", verb("rollback")));
            }
            out
        }
        RunStatus::Stuck => vec![
            Next::new("To see all that was done:", verb("show")),
            Next::new(
                "Look at the host, mend what stands in the way, then take the rollback up again:",
                verb("rollback"),
            ),
        ],
        RunStatus::Refused => vec![Next::new("Mend what is said above, then:", again)],
        RunStatus::RolledBack => vec![Next::new("When the cause is mended:", again)],
        RunStatus::Failed | RunStatus::Aborted => {
            let mut out = Vec::new();
            let is_past = |host: &HostState| {
                host.no_return.is_some() && host.shown_status() != HostStatus::Succeeded
            };
            if state.hosts.values().any(is_past) {
                let why = "Past the point of no return a host goes only forward. \
                           To see what was done there, before the rest is done by hand:";
                out.push(Next::new(why, verb("show")));
            }
            if state.hosts.values().any(can_roll_back) {
                out.push(Next::new("To put things back:", verb("rollback")));
            }
            out.push(Next::new("When the cause is mended:", again));
            out
        }
    }
}

/// Whether something was sent to a host that can still be rolled back.
fn can_roll_back(host: &HostState) -> bool {
    host.can_be_rolled_back() && is_touched(host)
}

/// Whether anything was sent to a host.
fn is_touched(host: &HostState) -> bool {
    host.tasks.values().any(|task| !task.attempts.is_empty())
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

/// Returns the command that starts such a run again, on the hosts that are left.
fn apply(state: &RunState, program: &str) -> String {
    let mut words = state.planned.arguments.clone();
    if words.is_empty() {
        words.push(state.planned.plan_path.clone());
        if !state.planned.inventory_path.is_empty() {
            words.extend(["--inventory".to_owned(), state.planned.inventory_path.clone()]);
        }
    }
    let is_left = |host: &&HostName| state.hosts[*host].shown_status() != HostStatus::Succeeded;
    let left: Vec<&str> = state.hosts.keys().filter(is_left).map(HostName::as_str).collect();
    let limit = match left.len() {
        0 => None,
        some if some < state.hosts.len() => Some(left.join(",")),
        _ => state.planned.limit.clone(),
    };
    words.extend(limit.into_iter().flat_map(|limit| ["--limit".to_owned(), limit]));
    let words: Vec<String> = words.iter().map(|text| word(text)).collect();
    format!("{program} apply {}", words.join(" "))
}

/// Writes a word as it is to be typed, quoted only where it needs it.
fn word(text: &str) -> String {
    sentence(&quote::readable(text))
}
