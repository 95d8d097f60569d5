//! The state of the hosts of a world, and the changes that are still to come.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use minijinja::Value;
use serde::{Deserialize, Serialize};

use crate::model::pattern::Captures;

/// The part of a host that changes.
#[derive(Clone, Debug)]
pub(super) struct HostState {
    pub(super) state: Arc<Vec<Value>>,
    /// When each rule of its group happens next; `None` while its condition is false.
    pub(super) rules: Vec<Option<Timestamp>>,
    pub(super) later: Vec<Later>,
    /// Its instant in the agenda.
    pub(super) scheduled: Option<Timestamp>,
}

/// A change that is still to come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Later {
    pub(super) due: Timestamp,
    /// The host where the command ran.
    pub(super) here: usize,
    pub(super) source: Source,
    pub(super) captures: Captures,
}

/// Where in the model an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) group: usize,
    pub(super) entry: usize,
    pub(super) answer: Which,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Which {
    Case(usize),
    Fault(usize),
    Nobody,
}

impl HostState {
    /// Returns when something happens to the host by itself.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let later = self.later.iter().map(|later| later.due);
        later.chain(self.rules.iter().flatten().copied()).min()
    }
}

/// Adds to an instant; after the end of time nothing happens any more.
pub(super) fn plus(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
