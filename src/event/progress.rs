//! Progress: what is shown while a task runs, and is not stored.

use std::time::Duration;

use crate::inventory::HostName;
use crate::task::TaskId;

/// Progress, which is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A wait in progress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
