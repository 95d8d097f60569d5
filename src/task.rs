//! Tasks: a step on a host, and how both are named.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::inventory::HostName;

/// The place of a step in a plan: its `id`, or the path of its parent and its number from 1
/// (`stop.rollback/1`). A handler is `STEP.rollback`, a part of a rescue `BLOCK/rescue/1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepPath(pub String);

impl fmt::Display for StepPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

/// A task: a step on a host. Written `HOST/STEP`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The host the task is about.
    pub host: HostName,
    /// The step.
    pub step: StepPath,
}

impl fmt::Display for TaskId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.host, self.step)
    }
}
