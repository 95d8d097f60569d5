//! Events: the facts of a run, and the interface between the run, its reporters and its journal.
//!
//! An [`Event`] is a past fact about the run, a host or a task. Events are appended to a [`Journal`]
//! before anything depends on them, folded into [`crate::history::RunState`] by one function, and
//! passed to reporters. [`Progress`] may be lost: it changes no state and is not stored. An event
//! contains facts only; reporters show them.

mod approval;
mod host;
mod locks;
mod millis;
mod progress;
mod reason;
mod redact;
mod run;
mod stored;
mod task;

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::inventory::HostName;

pub use self::approval::{Approval, Uncounted, person};
pub use self::host::{HostEvent, HostStatus, PreflightVerdict};
pub use self::progress::{Progress, Waiting};
pub use self::reason::{Reason, Seen, Truth};
pub use self::run::{
    FileContent, Outline, OutlineStep, RunEvent, RunPlanned, RunStatus, SecretSources,
};
pub use self::task::{Answer, Outcome, Question, Request, TaskEvent, TaskStatus};
pub use crate::task::{StepPath, TaskId};

/// The name of a run: time-ordered, short enough to type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number in the run, from 1.
    pub seq: u64,
    /// Which process wrote it: raised whenever another one takes the run over.
    pub epoch: u64,
    /// When, by the wall clock of the run (virtual on model hosts).
    pub at: Timestamp,
    pub event: Event,
}

/// A past fact of a run, by what it is about. See `stored` for its form in JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Run(RunEvent),
    Host { host: HostName, event: HostEvent },
    Task { task: TaskId, event: TaskEvent },
}

impl Event {
    /// Returns the host that it is about, or on which its task is.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Run(_) => None,
            Self::Host { host, .. } => Some(host),
            Self::Task { task, .. } => Some(&task.host),
        }
    }

    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Task { task, .. } => Some(task),
            Self::Run(_) | Self::Host { .. } => None,
        }
    }
}

impl From<RunEvent> for Event {
    fn from(event: RunEvent) -> Self {
        Self::Run(event)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[async_trait(?Send)]
pub trait Journal {
    /// Stores records, in order and all or none. When this returns they survive a crash.
    async fn append(&self, records: &[Record]) -> Result<(), JournalError>;
}

/// A record could not be stored. Nothing more is started in this run.
#[derive(Debug, thiserror::Error)]
#[error("the journal of the run could not be written: {0}")]
pub struct JournalError(pub String);
