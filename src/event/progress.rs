//! Progress: what is shown while a task runs, and is not stored.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Event, TaskEvent};
use crate::inventory::HostName;
use crate::task::TaskId;

/// Progress, which is not stored. As JSON it goes to processes of the same version that watch the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// A wait has checked its condition and continues.
    Waiting { task: TaskId, wait: Waiting },
    /// A machine cannot be reached, and planrun tries again.
    Away {
        /// The task that needs it.
        task: TaskId,
        on: HostName,
        why: String,
        /// How long it has been away.
        away: Duration,
        /// How long it may be.
        limit: Duration,
    },
    /// Another run has locked a host, and planrun waits for it.
    Locked {
        host: HostName,
        why: String,
        /// How long it waits at most.
        limit: Duration,
    },
    /// What a command has printed up to now, which runs on a host.
    Output {
        task: TaskId,
        /// The last lines, without secrets.
        lines: Vec<String>,
    },
    /// A failed attempt is going to be repeated.
    Retrying {
        task: TaskId,
        /// The number of the next attempt, from 1.
        ordinal: u32,
        /// How many there are at most.
        of: u32,
        /// How long until then.
        delay: Duration,
        why: String,
    },
}

impl Progress {
    /// Returns the task that it is about, if it is not about a host.
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Waiting { task, .. }
            | Self::Away { task, .. }
            | Self::Output { task, .. }
            | Self::Retrying { task, .. } => Some(task),
            Self::Locked { .. } => None,
        }
    }

    /// Returns the host that it is about, or on which its task is.
    pub fn host(&self) -> &HostName {
        match self {
            Self::Waiting { task, .. }
            | Self::Away { task, .. }
            | Self::Output { task, .. }
            | Self::Retrying { task, .. } => &task.host,
            Self::Locked { host, .. } => host,
        }
    }

    /// Whether it is over after this event.
    pub fn is_ended_by(&self, event: &Event) -> bool {
        match (self, event) {
            (Self::Locked { host, .. }, event) => event.host() == Some(host),
            (Self::Waiting { task, .. }, Event::Task { task: of, event }) => {
                task == of && event.ends_wait()
            }
            (
                Self::Away { task, .. } | Self::Output { task, .. } | Self::Retrying { task, .. },
                Event::Task { task: of, event },
            ) => task == of && event.ends_attempt(),
            (_, Event::Run(_) | Event::Host { .. }) => false,
        }
    }
}

impl TaskEvent {
    /// Whether progress of a wait of the task is over after this event.
    pub fn ends_wait(&self) -> bool {
        matches!(self, Self::Started { .. } | Self::Ended { .. })
    }

    /// Whether other progress of the task is over after this event, which is about its last attempt.
    pub fn ends_attempt(&self) -> bool {
        self.ends_wait() || matches!(self, Self::AttemptIntended { .. })
    }
}

/// A wait in progress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What it waits for, as written; `None` for a plain wait.
    pub until: Option<String>,
    /// The last observed values.
    pub values: Vec<(String, String)>,
    /// Why the condition is unknown, if it is.
    pub error: Option<String>,
    /// How long it has waited.
    pub waited: Duration,
    /// How long it waits at most.
    pub limit: Duration,
    /// How long the condition has been observed to be true without a break, of how long it must be; `None`
    /// while it is not, and for a wait without `stable_for`.
    pub stable: Option<(Duration, Duration)>,
}
