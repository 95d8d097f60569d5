//! Tasks: a step on a host, and how both are named.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inventory::HostName;

/// The place of a step in a plan: its `id`, or the path of its parent and its number from 1
/// (`stop.rollback/1`). A handler is `STEP.rollback`, a part of a rescue `BLOCK/rescue/1`.
///
/// A step that is done once for each item of a list has a place for each: the number of the item,
/// from 1, stands behind its path (`restart.2`, `restart.2.rollback`), or behind the `id` of a part
/// of it. An `id` has no dots, so that no two places are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepPath(pub String);

impl StepPath {
    /// Returns the place of a step at an item of the `for_each` at `of`; the step is that one, a
    /// part of it, or its way back.
    #[must_use]
    pub fn at_item(&self, of: &Self, number: usize) -> Self {
        let own = self
            .0
            .strip_prefix(&of.0)
            .filter(|rest| rest.is_empty() || rest.starts_with(['/', '.']));
        let (head, rest) = match own {
            Some(rest) => (of.0.as_str(), rest),
            // A part with an `id`, or what belongs to one.
            None => self.0.split_at(self.0.find(['/', '.']).unwrap_or(self.0.len())),
        };
        Self(format!("{head}.{number}{rest}"))
    }

    /// Returns the place in the plan and the number of the item; `None` where it is at none.
    pub fn split_item(&self) -> Option<(Self, usize)> {
        let path = self.0.as_str();
        path.match_indices('.').find_map(|(at, _)| {
            let behind = &path[at + 1..];
            let end = behind.find(['/', '.']).unwrap_or(behind.len());
            let number = behind[..end].parse().ok()?;
            let whole = format!("{}{}", &path[..at], &behind[end..]);
            Some((Self(whole), number))
        })
    }
}

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
