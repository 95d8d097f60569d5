//! A row of the list of runs.

use jiff::Timestamp;

use crate::event::{RunId, RunStatus};

/// A run in the list of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    pub id: RunId,
    pub plan: String,
    /// `user@machine`.
    pub by: String,
    /// When it started, by the clock of the run; `None` if the row is damaged.
    pub begun_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Its state after its last event; `None` if the row is damaged.
    pub state: Option<RunStatus>,
    /// The number of its hosts.
    pub hosts: usize,
    /// Whether a process works on it.
    pub alive: bool,
}

impl RunRow {
    /// Whether the run is in progress by its events, but no process works on it: the controller died.
    pub fn is_interrupted(&self) -> bool {
        !self.alive && self.state.is_some_and(RunStatus::is_under_way)
    }
}
