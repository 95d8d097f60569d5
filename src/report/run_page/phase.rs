//! What planrun does with a host at a moment.

use crate::event::{HostStatus, RunStatus};
use crate::history::{HostState, RunState};
use crate::task::StepPath;

/// What is done with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Check,
    Work,
    Wait,
    Ask,
    Back,
    TearDown,
    Pause,
    /// planrun did not run.
    Gone,
}

impl Phase {
    /// Returns its class in the style sheet, and its words.
    pub(super) const fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Check => ("check", "checking"),
            Self::Work => ("work", "working"),
            Self::Wait => ("wait", "waiting"),
            Self::Ask => ("ask", "waiting for the operator"),
            Self::Back => ("back", "rolling back"),
            Self::TearDown => ("tear", "tearing down"),
            Self::Pause => ("pause", "paused"),
            Self::Gone => ("gone", "planrun was not running"),
        }
    }
}

/// Returns what is done with a host; `None` if nothing is.
pub(super) fn phase(state: &RunState, host: &HostState) -> Option<Phase> {
    if state.status.has_ended() || !host.is_at_work() {
        return None;
    }
    let mut asked = host.asked.iter();
    if asked.any(|step| host.task(step).is_some_and(|task| task.question.is_some())) {
        return Some(Phase::Ask);
    }
    if state.status == RunStatus::Paused {
        return Some(Phase::Pause);
    }
    let is_wait = |step: &StepPath| state.planned.action(step) == "wait";
    Some(match host.status {
        HostStatus::RollingBack => Phase::Back,
        HostStatus::TearingDown => Phase::TearDown,
        _ if host.tasks.is_empty() => Phase::Check,
        _ if host.blocked.is_some() || host.open.last().is_some_and(is_wait) => Phase::Wait,
        _ => Phase::Work,
    })
}
