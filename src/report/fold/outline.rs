//! Steps by their places: what they are called, what they belong to, which item they are done for.

use crate::event::OutlineStep;
use crate::event::StepPath;
use crate::event::TaskStatus;
use crate::report::fold::HostMemory;
use crate::report::fold::Memory;
use crate::report::text::clip;
use crate::report::text::printable;

/// Columns of an item beside the title of a step.
const ITEM_WIDTH: usize = 40;

impl Memory {
    /// Returns what the outline has of a step; of one that is done for an item, of the step as it
    /// stands in the plan.
    fn outlined(&self, step: &StepPath) -> Option<&OutlineStep> {
        let in_plan = || self.steps.get(&step.split_item()?.0);
        self.steps.get(step).or_else(in_plan)
    }

    /// Returns the title of a step; its path where the outline has none.
    pub fn title<'a>(&'a self, step: &'a StepPath) -> &'a str {
        self.outlined(step).map_or(step.0.as_str(), |outline| outline.title.as_str())
    }

    /// Returns the word of a step's action, empty where the outline has none.
    pub fn action(&self, step: &StepPath) -> &str {
        self.outlined(step).map_or("", |outline| outline.action.as_str())
    }

    /// Whether a step belongs to a way back.
    pub fn is_handler(&self, step: &StepPath) -> bool {
        self.outlined(step).is_some_and(|outline| outline.handler)
    }

    /// Whether a step of a way back sent nothing because its condition was already true.
    pub fn was_already_so(&self, host: &HostMemory, step: &StepPath) -> bool {
        let is_effect = matches!(self.action(step), "run" | "shell" | "upload");
        let task = host.tasks.get(step).filter(|_| is_effect && self.is_handler(step));
        task.is_some_and(|task| {
            task.status == Some(TaskStatus::Unchanged) && task.attempt.is_none()
        })
    }

    /// Says which item of a `for_each` a step is done for: ` [2 of 3: lmtp]`, printable; empty where
    /// it is done for none.
    pub fn item(&self, host: &HostMemory, step: &StepPath) -> String {
        let Some((in_plan, number)) = step.split_item() else {
            return String::new();
        };
        let items = self
            .holders(&in_plan)
            .find_map(|step| host.tasks.get(step).filter(|task| !task.items.is_empty()))
            .map(|task| task.items.as_slice())
            .unwrap_or_default();
        let Some(item) = items.get(number.wrapping_sub(1)) else {
            return String::new();
        };
        let text = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
        let text = clip(&printable(&text), ITEM_WIDTH);
        format!(" [{number} of {}: {text}]", items.len())
    }

    /// Returns a step and all that hold it, from the inside.
    fn holders<'a>(&'a self, step: &'a StepPath) -> impl Iterator<Item = &'a StepPath> {
        let parent = |step: &&StepPath| self.steps.get(*step)?.parent.as_ref();
        // As many levels as there are steps: an outline in a circle ends too.
        std::iter::successors(Some(step), parent).take(self.steps.len() + 1)
    }

    /// Whether a step is a part of another, at any depth; an item is a part of its `for_each`.
    pub(super) fn is_within(&self, step: &StepPath, of: &StepPath) -> bool {
        let (step, item) = place(step);
        let (of, of_item) = place(of);
        let same_item = of_item.is_none() || of_item == item;
        let is_item_of = step == of && of_item.is_none() && item.is_some();
        same_item && (is_item_of || self.holders(&step).skip(1).any(|holder| *holder == of))
    }
}

/// Returns a step as it stands in the plan, and the item it is done for.
fn place(step: &StepPath) -> (StepPath, Option<usize>) {
    match step.split_item() {
        Some((in_plan, number)) => (in_plan, Some(number)),
        None => (step.clone(), None),
    }
}
