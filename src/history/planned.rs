//! What a run was started with, as far as its state and its reports need it: names, and the outline
//! of its steps.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::event::{OutlineStep, RunPlanned, TaskStatus};
use crate::history::{HostState, TaskState};
use crate::inventory::Connection;
use crate::task::{Stage, StepPath};

/// What a run was started with.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    pub plan: String,
    pub summary: Option<String>,
    /// Who started it: `user@machine`.
    pub by: String,
    /// Why it was started, if the operator said so.
    pub reason: Option<String>,
    /// The labels that the operator gave it.
    pub labels: IndexMap<String, String>,
    /// The plan's path as the user named it.
    pub plan_path: String,
    /// The words that start such a run again.
    pub arguments: Vec<String>,
    /// The pattern that limited it to some hosts.
    pub limit: Option<String>,
    /// The inventory's path as the user named it.
    pub inventory_path: String,
    /// Whether all hosts are models, so that time is virtual.
    pub is_model: bool,
    /// How many hosts start at a time, batch by batch; the last repeats. Empty if each group has its own.
    pub serial: Vec<usize>,
    /// The steps, in the order of the plan.
    steps: IndexMap<StepPath, OutlineStep>,
    /// The steps that have a handler, each with it.
    handlers: HashMap<StepPath, StepPath>,
}

impl Planned {
    pub(super) fn of(planned: &RunPlanned) -> Self {
        let outline = &planned.outline;
        let is_model = |name| {
            let host = planned.inventory.host(name);
            host.is_some_and(|host| host.link.connection == Connection::Model)
        };
        let mut own = Self {
            plan: outline.plan.clone(),
            summary: outline.summary.clone(),
            by: planned.by.clone(),
            reason: planned.reason.clone(),
            labels: planned.labels.clone(),
            plan_path: planned.plan_path.clone(),
            arguments: planned.arguments.clone(),
            limit: planned.limit.clone(),
            inventory_path: planned.inventory.path.clone(),
            is_model: !planned.hosts.is_empty() && planned.hosts.iter().all(is_model),
            serial: outline.serial.clone(),
            steps: outline.steps.iter().map(|step| (step.path.clone(), step.clone())).collect(),
            handlers: HashMap::new(),
        };
        let handlers = own.steps.keys();
        let undone = handlers.filter_map(|path| Some((own.undone_by(path)?, path.clone())));
        own.handlers = undone.collect();
        own
    }

    /// Returns the paths of the steps, in the order of the plan.
    pub fn paths(&self) -> impl Iterator<Item = &StepPath> {
        self.steps.keys()
    }

    /// Returns the steps of a host, or of a stage, without those that are inside of others.
    pub fn outer_steps(&self, stage: Option<Stage>) -> impl Iterator<Item = &StepPath> {
        let steps = self.steps.values().filter(move |step| step.stage == stage);
        steps.filter(|step| step.parent.is_none()).map(|step| &step.path)
    }

    /// Returns the place of a step among those of its host, or its stage, from 1, and their number; of a step that
    /// is inside of another one, of that one. `None` for a rollback.
    pub fn place(&self, stage: Option<Stage>, step: &StepPath) -> Option<(usize, usize)> {
        let outer = self.holders(&step.in_plan()).last()?.clone();
        let at = self.outer_steps(stage).position(|step| *step == outer)?;
        (!self.is_handler(step)).then(|| (at + 1, self.outer_steps(stage).count()))
    }

    /// Returns what the outline has of a step; for an item, of its step in the plan.
    fn outlined(&self, step: &StepPath) -> Option<&OutlineStep> {
        self.steps.get(step).or_else(|| self.steps.get(&step.in_plan()))
    }

    /// Returns the title of a step; its path if the outline does not have it.
    pub fn title(&self, step: &StepPath) -> Cow<'_, str> {
        let outline = self.outlined(step);
        outline.map_or_else(|| step.to_string().into(), |outline| outline.title.as_str().into())
    }

    /// Returns the keyword of a step's action, empty if the outline does not have it.
    pub fn action(&self, step: &StepPath) -> &str {
        self.outlined(step).map_or("", |outline| outline.action.as_str())
    }

    /// Whether a step belongs to a rollback.
    pub fn is_handler(&self, step: &StepPath) -> bool {
        self.outlined(step).is_some_and(|outline| outline.handler)
    }

    /// Returns the step that a handler undoes; `None` if the step is not a handler, or only a part
    /// or an item of one.
    pub(super) fn undone_by(&self, handler: &StepPath) -> Option<StepPath> {
        let outline = self.outlined(handler).filter(|outline| outline.handler)?;
        let parent = outline.parent.as_ref().filter(|parent| !self.is_handler(parent))?;
        let step = handler.same_item(parent);
        (step.item() == handler.item()).then_some(step)
    }

    /// Returns the handler of a step, or of an item of one, if it has one.
    pub(super) fn handler_of(&self, step: &StepPath) -> Option<StepPath> {
        let plain = step.in_plan();
        let handler = self.handlers.get(&plain)?;
        Some(match step.item() {
            Some(number) => handler.at_item(&plain, number),
            None => handler.clone(),
        })
    }

    /// Whether a step is a teardown as a whole.
    pub(super) fn is_whole_teardown(&self, step: &StepPath) -> bool {
        self.outlined(step).is_some_and(|outline| outline.teardown)
    }

    /// Whether a step is a teardown, or a part of one.
    pub fn is_teardown(&self, step: &StepPath) -> bool {
        let step = step.in_plan();
        let mut holders = self.holders(&step);
        holders.any(|step| self.is_whole_teardown(step))
    }

    /// Whether a step of a rollback sent nothing because its condition was already true.
    pub fn was_already_so(&self, step: &StepPath, task: &TaskState) -> bool {
        let is_effect = matches!(self.action(step), "run" | "shell" | "upload");
        let is_unchanged = task.status == Some(TaskStatus::Unchanged);
        is_effect && self.is_handler(step) && is_unchanged && task.attempts.is_empty()
    }

    /// Returns the items of the `for_each` that a task is an item of, and its number, from 1.
    pub fn item<'a>(
        &self,
        host: &'a HostState,
        step: &StepPath,
    ) -> Option<(&'a [serde_json::Value], usize)> {
        let number = step.item()?;
        let items = self.holders(&step.in_plan()).find_map(|step| {
            let items = host.tasks.get(step)?.items.as_deref()?;
            (!items.is_empty()).then_some(items)
        })?;
        Some((items, number))
    }

    /// Returns a step and all that contain it, from the inside.
    fn holders<'a>(&'a self, step: &'a StepPath) -> impl Iterator<Item = &'a StepPath> {
        let parent = |step: &&StepPath| self.steps.get(*step)?.parent.as_ref();
        // As many levels as there are steps: an outline in a circle ends too.
        std::iter::successors(Some(step), parent).take(self.steps.len() + 1)
    }

    /// Whether a step is a part of another, at any depth; an item is a part of its `for_each`.
    pub(super) fn is_within(&self, step: &StepPath, of: &StepPath) -> bool {
        let same_item = of.item().is_none() || of.item() == step.item();
        let is_item_of = *of == step.in_plan() && step.item().is_some();
        let (step, of) = (step.in_plan(), of.in_plan());
        same_item && (is_item_of || self.holders(&step).skip(1).any(|holder| *holder == of))
    }

    /// Notes on a host which step failed: of a block that fails, the part that made it fail; of a
    /// block that was rescued, none.
    pub(super) fn blame(&self, host: &mut HostState, step: &StepPath, status: TaskStatus) {
        let blamed = if self.is_handler(step) { &mut host.undo_failed } else { &mut host.failed };
        let is_part = blamed.as_ref().is_some_and(|part| self.is_within(part, step));
        match (status.is_well(), is_part) {
            (true, true) => *blamed = None,
            (true, false) if blamed.as_ref() == Some(step) => *blamed = None,
            (true, false) | (false, true) => {}
            (false, false) => *blamed = Some(step.clone()),
        }
    }
}

/// Returns the time between two moments, zero if one is missing or they are swapped.
pub fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Duration {
    from.zip(to)
        .and_then(|(from, to)| Duration::try_from(to.duration_since(from)).ok())
        .unwrap_or_default()
}
