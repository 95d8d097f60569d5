//! What the setup of a run has left.

use crate::event::{HostStatus, Reason, RunStatus, TaskStatus};
use crate::history::{HostState, RunState, TaskState};
use crate::inventory::HostName;
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

    /// Whether the run is stuck, but no host: then a resume continues the teardown, or the rollback, of the setup.
    pub fn is_only_setup_stuck(&self) -> bool {
        let mut stuck = self.hosts.values().filter(|host| host.status == HostStatus::Stuck);
        self.status == RunStatus::Stuck && stuck.all(|host| host.stage == Some(Stage::Setup))
    }

    /// Whether it is a teardown that a stuck host, or the setup, is stuck in.
    pub fn has_failed_teardown(&self, host: &HostState) -> bool {
        let is_teardown = |step: &StepPath| self.planned.is_teardown(step);
        let failed = host.undo_failed.as_ref();
        host.status == HostStatus::Stuck
            && (host.teardown.is_some() || failed.is_some_and(is_teardown))
    }

    /// Returns the teardowns that ran at the last end of the run, or before; and those that a condition or the
    /// operator left out, with the reason.
    pub fn torn_down(&self) -> (Vec<&StepPath>, Vec<(&StepPath, &Reason)>) {
        let (mut ran, mut left_out) = (Vec::new(), Vec::new());
        let Some((_, setup)) = self.stage(Stage::Setup) else { return (ran, left_out) };
        let whole = setup.tasks.iter().filter(|(path, task)| {
            task.items.is_none()
                && self.planned.teardowns().any(|(teardown, _)| path.in_plan() == *teardown)
        });
        for (path, task) in whole {
            match (task.status, &task.why) {
                (Some(TaskStatus::Skipped), Some(why)) => left_out.push((path, why)),
                (Some(status), _) if status.is_well() => ran.push(path),
                _ => {}
            }
        }
        (ran, left_out)
    }

    /// Returns the tasks of which a command may still be running by the last report, each with its machine.
    pub fn may_still_run(&self) -> Vec<(TaskId, HostName)> {
        let mut found = Vec::new();
        for (name, host) in &self.hosts {
            for (path, task) in &host.tasks {
                let running = task.attempts.iter().rfind(|attempt| attempt.may_be_running());
                let id = || TaskId { host: name.clone(), step: path.clone() };
                found.extend(running.map(|attempt| (id(), attempt.on.clone())));
            }
        }
        found
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
