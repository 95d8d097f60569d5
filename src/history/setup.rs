//! What the setup of a run has left.

use crate::event::{HostStatus, TaskStatus};
use crate::history::{HostState, RunState, TaskState};
use crate::task::{Stage, StepPath, TaskId};

impl RunState {
    /// Returns the tasks of the setup that may have run, have a teardown and are not torn down.
    pub fn still_set(&self) -> Vec<TaskId> {
        let Some((name, setup)) = self.stage(Stage::Setup) else { return Vec::new() };
        let planned = &self.planned;
        let mut found = Vec::new();
        for (path, task) in &setup.tasks {
            let plain = path.in_plan();
            let teardown = planned.teardowns().find(|(_, undone)| **undone == plain);
            let Some((teardown, undone)) = teardown.filter(|_| task.items.is_none()) else {
                continue;
            };
            let teardown = match path.item() {
                Some(number) => teardown.at_item(undone, number),
                None => teardown.clone(),
            };
            if self.may_have_run(setup, path) && !setup.task(&teardown).is_some_and(is_over) {
                found.push(TaskId { host: name.clone(), step: path.clone() });
            }
        }
        found
    }

    /// Whether nothing is stuck but the setup, whose teardown has failed.
    pub fn is_only_teardown_stuck(&self) -> bool {
        let mut stuck =
            self.hosts.values().filter(|host| host.status == HostStatus::Stuck).peekable();
        stuck.peek().is_some() && stuck.all(|host| host.teardown.is_some())
    }

    /// Whether something of a step, or of its parts, may have happened.
    fn may_have_run(&self, setup: &HostState, path: &StepPath) -> bool {
        let is_part = |other: &StepPath| {
            other == path || self.planned.is_within(other, path) && !self.planned.is_handler(other)
        };
        setup.tasks.iter().any(|(other, task)| is_part(other) && task.may_have_run())
    }
}

fn is_over(teardown: &TaskState) -> bool {
    teardown.status.is_some_and(|status| status.is_well() && status != TaskStatus::Skipped)
}
