//! Tasks: a step on a host, and how both are named.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::inventory::HostName;

/// A step of a plan, and the item of a `for_each` it runs for, if any.
///
/// As text, a step is its `id`, or its parent and its number from 1 (`stop.rollback/1`). A handler
/// is `STEP.rollback`, a part of a rescue `BLOCK/rescue/1`. The number of the item, from 1, follows
/// the step with the `for_each` (`restart.2`, `restart.2.rollback`), or the `id` of a part of it. An
/// `id` has no dots, so no two steps have the same text. It is stored as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct StepPath {
    step: Arc<str>,
    item: Option<Item>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Item {
    number: usize,
    /// Where the number is in the text: after so many bytes of the step.
    after: usize,
}

impl StepPath {
    /// Returns the step at an item of the `for_each` at `of`; the step is that one, a part of it, or
    /// its handler.
    #[must_use]
    pub fn at_item(&self, of: &Self, number: usize) -> Self {
        let rest = self.step.strip_prefix(&*of.step);
        let after = match rest.filter(|rest| rest.is_empty() || rest.starts_with(['/', '.'])) {
            Some(_) => of.step.len(),
            // A part with an `id`, or what belongs to one.
            None => self.step.find(['/', '.']).unwrap_or(self.step.len()),
        };
        Self { step: Arc::clone(&self.step), item: Some(Item { number, after }) }
    }

    /// Returns a step that contains this one, at the same item if it is inside the `for_each` too.
    #[must_use]
    pub fn same_item(&self, outer: &Self) -> Self {
        let item = self.item.filter(|item| item.after <= outer.step.len());
        Self { step: Arc::clone(&outer.step), item }
    }

    /// Returns the step in the plan, at no item.
    #[must_use]
    pub fn in_plan(&self) -> Self {
        Self { step: Arc::clone(&self.step), item: None }
    }

    /// Returns the number of the item, from 1.
    pub fn item(&self) -> Option<usize> {
        self.item.map(|item| item.number)
    }
}

impl From<&str> for StepPath {
    fn from(text: &str) -> Self {
        for (after, _) in text.match_indices('.') {
            let rest = &text[after + 1..];
            let digits = &rest[..rest.find(['/', '.']).unwrap_or(rest.len())];
            let number = digits.parse::<usize>().ok();
            // Any other text comes back as it was.
            if let Some(number) = number.filter(|number| number.to_string() == digits) {
                let step = format!("{}{}", &text[..after], &rest[digits.len()..]);
                return Self { step: step.into(), item: Some(Item { number, after }) };
            }
        }
        Self { step: text.into(), item: None }
    }
}

impl From<String> for StepPath {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<StepPath> for String {
    fn from(path: StepPath) -> Self {
        path.to_string()
    }
}

impl PartialEq<str> for StepPath {
    fn eq(&self, text: &str) -> bool {
        let other = Self::from(text);
        *self == other
    }
}

impl fmt::Debug for StepPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "StepPath({self})")
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Item { number, after }) = self.item else { return out.pad(&self.step) };
        let (before, rest) = self.step.split_at(after);
        out.pad(&format!("{before}.{number}{rest}"))
    }
}

/// What a run does once and not on each host. In events and tasks its name is in the place of a host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
pub enum Stage {
    /// Before the first host.
    Setup,
    /// When every host has succeeded.
    Finish,
}

impl Stage {
    pub const ALL: [Self; 2] = [Self::Setup, Self::Finish];

    /// Returns its key in a plan.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Returns the name that is in the place of a host's.
    pub fn host(self) -> HostName {
        HostName::new(self.word())
    }
}

/// A task: a step on a host. Written `HOST/STEP`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The host the task is about.
    pub host: HostName,
    pub step: StepPath,
}

impl TaskId {
    /// Returns how a host names it: only by its step, if it is a task of that host.
    pub fn seen_from(&self, host: &HostName) -> String {
        if self.host == *host { self.step.to_string() } else { self.to_string() }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.host, self.step)
    }
}
