//! What the setup of a run has left.

use crate::event::{HostStatus, Reason, RunStatus, TaskStatus};
use crate::history::{AttemptState, HostState, RunState, TaskState};
use crate::inventory::HostName;
use crate::task::{Stage, StepPath, TaskId};

impl RunState {
    /// Returns the tasks of the setup that may have run, have a teardown and are not torn down.
    pub fn still_set(&self) -> Vec<TaskId> {
        let Some((name, setup)) = self.stage(Stage::Setup) else { return Vec::new() };
        let is_teardown = |handler: &StepPath| self.planned.is_whole_teardown(handler);
        let left = self.not_undone(setup).filter(|(_, handler)| is_teardown(handler));
        left.map(|(path, _)| TaskId { host: name.clone(), step: path.clone() }).collect()
    }

    /// Whether a host, or a stage, has a step that may have run, has a handler and is not undone.
    pub fn has_to_undo(&self, host: &HostState) -> bool {
        self.not_undone(host).next().is_some()
    }

    /// Returns the steps that may have run, have a handler and are not undone; each with its handler.
    fn not_undone<'h>(
        &'h self,
        host: &'h HostState,
    ) -> impl Iterator<Item = (&'h StepPath, StepPath)> {
        let plain = host.tasks.iter().filter(|(_, task)| task.items.is_none());
        plain.filter_map(move |(path, _)| {
            let handler = self.planned.handler_of(path)?;
            let is_left =
                self.may_have_run(host, path) && !host.task(&handler).is_some_and(is_over);
            is_left.then_some((path, handler))
        })
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
        let whole = setup
            .tasks
            .iter()
            .filter(|(path, task)| task.items.is_none() && self.planned.is_whole_teardown(path));
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

    /// Returns the attempts for whose end the last abort has waited: they may have been running when it was requested.
    pub fn waited_for(&self) -> Vec<(TaskId, &AttemptState)> {
        let Some(abort) = &self.abort else { return Vec::new() };
        let is_waited_for = |attempt: &&AttemptState| {
            let (intended, ended) = attempt.at;
            intended < abort.at && abort.at < ended && !attempt.may_be_running()
        };
        let mut found = Vec::new();
        for (name, host) in &self.hosts {
            for (path, task) in &host.tasks {
                let attempts = task.attempts.iter().filter(is_waited_for);
                let id = || TaskId { host: name.clone(), step: path.clone() };
                found.extend(attempts.map(|attempt| (id(), attempt)));
            }
        }
        found
    }

    /// Whether something of a step, or of its parts, may have happened.
    fn may_have_run(&self, host: &HostState, path: &StepPath) -> bool {
        let is_part = |other: &StepPath| {
            self.planned.is_within(other, path) && !self.planned.is_handler(other)
        };
        let mut tasks = host.tasks.iter();
        host.task(path).is_some_and(TaskState::may_have_run)
            || self.planned.action(path) == "block"
                && tasks.any(|(other, task)| task.may_have_run() && is_part(other))
    }
}

fn is_over(teardown: &TaskState) -> bool {
    teardown.status.is_some_and(|status| status.is_well() && status != TaskStatus::Skipped)
}
