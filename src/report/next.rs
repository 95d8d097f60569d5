//! What to do next: from the state of a run, the commands that go on.
//!
//! No command is offered that the state does not call for, and each is whole: to be copied.

use crate::event::HostStatus;
use crate::event::Question;
use crate::event::RunId;
use crate::event::RunStatus;
use crate::event::TaskId;
use crate::quote;
use crate::report::detail::sentence;
use crate::report::fold::HostMemory;
use crate::report::fold::Memory;
use crate::report::text::printable;

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
pub(crate) fn next(memory: &Memory, program: &str, run: &RunId, again: Option<&str>) -> Vec<Next> {
    let verb = |verb: &str| format!("{program} {verb} {}", word(&run.0));
    let again = again.map_or_else(|| apply(memory, program), printable);
    match memory.status {
        RunStatus::Succeeded => Vec::new(),
        RunStatus::Planned | RunStatus::Running => vec![Next::new(
            "The run has not ended: its controller may have been stopped. To go on:",
            verb("resume"),
        )],
        RunStatus::Paused => {
            let why = if memory.questions.is_empty() {
                "To go on:"
            } else {
                "When it is answered, to go on:"
            };
            let mut out = vec![Next::new(why, verb("resume"))];
            if memory.hosts.values().any(can_turn_back) {
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
            let is_past = |host: &HostMemory| is_on_the_way(host) && host.no_return.is_some();
            if memory.hosts.values().any(is_past) {
                let why = "Past the point of no return a host goes only forward. \
                           To see what was done there, before the rest is done by hand:";
                out.push(Next::new(why, verb("show")));
            }
            if memory.hosts.values().any(can_turn_back) {
                out.push(Next::new("To put things back:", verb("rollback")));
            }
            out.push(Next::new("When the cause is mended:", again));
            out
        }
    }
}

/// Whether a host has changes that may still be undone.
fn can_turn_back(host: &HostMemory) -> bool {
    is_on_the_way(host) && host.no_return.is_none()
}

/// Whether something was sent to a host that reached neither its end nor its beginning again.
fn is_on_the_way(host: &HostMemory) -> bool {
    let is_open = match host.status {
        HostStatus::Active
        | HostStatus::Failed
        | HostStatus::Unreachable
        | HostStatus::Unknown
        | HostStatus::RollingBack
        | HostStatus::Quarantined
        | HostStatus::Stuck => true,
        HostStatus::NotStarted
        | HostStatus::Succeeded
        | HostStatus::Refused
        | HostStatus::RolledBack => false,
    };
    let is_touched = host.tasks.values().any(|task| task.attempt.is_some());
    is_open && is_touched
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

/// Returns the command that begins such a run, made from what the run knows.
fn apply(memory: &Memory, program: &str) -> String {
    let plan = word(&memory.plan_path);
    if memory.inventory_path.is_empty() {
        return format!("{program} apply {plan}");
    }
    let inventory = word(&memory.inventory_path);
    format!("{program} apply {plan} --inventory {inventory}")
}

/// Writes a word as it is to be typed, quoted only where it needs it.
fn word(text: &str) -> String {
    sentence(&quote::readable(text))
}
