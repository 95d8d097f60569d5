//! How important the states of tasks, hosts and runs are to the reader.

use crate::event::{HostStatus, RunStatus, TaskStatus};
use crate::report::Tone;

pub(crate) fn task_tone(status: TaskStatus) -> Tone {
    match status {
        TaskStatus::Changed => Tone::Good,
        TaskStatus::Unchanged | TaskStatus::Skipped => Tone::Quiet,
        TaskStatus::Unknown => Tone::Warn,
        TaskStatus::Failed | TaskStatus::TimedOut => Tone::Bad,
    }
}

pub(crate) fn host_tone(status: HostStatus) -> Tone {
    match status {
        HostStatus::NotStarted => Tone::Quiet,
        HostStatus::Active | HostStatus::TearingDown => Tone::Plain,
        HostStatus::Succeeded => Tone::Good,
        HostStatus::RollingBack | HostStatus::RolledBack | HostStatus::Aborted => Tone::Warn,
        HostStatus::Refused
        | HostStatus::Failed
        | HostStatus::Unreachable
        | HostStatus::Quarantined
        | HostStatus::Stuck => Tone::Bad,
    }
}

pub(crate) fn run_tone(status: RunStatus) -> Tone {
    match status {
        RunStatus::Planned | RunStatus::Running => Tone::Plain,
        RunStatus::Succeeded => Tone::Good,
        RunStatus::Paused | RunStatus::RolledBack | RunStatus::Aborted => Tone::Warn,
        RunStatus::Refused | RunStatus::Failed | RunStatus::Stuck => Tone::Bad,
    }
}
