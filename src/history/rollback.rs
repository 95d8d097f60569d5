//! What can be rolled back, and what was sent: for the engine, the commands and the reports alike.

use std::collections::BTreeSet;

use crate::event::{HostStatus, TaskStatus};
use crate::history::{HostState, RunState, TaskState};
use crate::inventory::HostName;
use crate::task::{Stage, TaskId};

/// A rollback that the operator asked for.
#[derive(Clone, Debug, Default)]
pub struct Requested {
    /// The hosts to roll back; `None` for all hosts.
    pub only: Option<BTreeSet<HostName>>,
    /// Whether another process resumed the run since: then the other hosts continue.
    pub resumed: bool,
}

/// A host that cannot be rolled back: it is past a point of no return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'s> {
    pub host: &'s HostName,
    pub status: HostStatus,
    /// The task with the point of no return.
    pub step: &'s TaskId,
    pub why: &'s str,
}

impl Requested {
    /// Whether a host is to be rolled back.
    pub fn includes(&self, host: &HostName) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(host))
    }

    /// Whether a host is to be left as it is for now.
    pub fn leaves(&self, host: &HostName) -> bool {
        !self.resumed && !self.includes(host)
    }
}

impl RunState {
    /// Returns the request to roll back some hosts, or all. If the others keep nothing, the stages are undone, too:
    /// nothing needs them any more.
    pub fn rollback_of(&self, hosts: Option<Vec<HostName>>) -> Requested {
        let mut only: Option<BTreeSet<HostName>> = hosts.map(|hosts| hosts.into_iter().collect());
        let is_left = |only: &BTreeSet<_>, name: &HostName| !only.contains(name);
        only.take_if(|only| self.real_hosts().all(|(name, _)| !is_left(only, name)));
        if let Some(only) = &mut only
            && !self.real_hosts().any(|(name, host)| is_left(only, name) && host.keeps_a_change())
        {
            let stages = self.hosts.iter();
            let stages = stages.filter(|(_, it)| it.stage.is_some() && it.begun_at > 0);
            only.extend(stages.map(|(name, _)| name.clone()));
        }
        Requested { only, resumed: false }
    }

    /// Whether a rollback has something to do: on a host, or because the process that worked on the
    /// same rollback was killed before it recorded the end.
    pub fn can_roll_back(&self, request: &Requested) -> bool {
        let before = self.rollback.as_ref().filter(|_| self.status.is_under_way());
        if before.is_some_and(|before| before.only == request.only) {
            return true;
        }
        let can = |name: &HostName, host: &HostState| match (host.stage, host.without_teardown()) {
            (
                Some(Stage::Setup),
                HostStatus::Succeeded | HostStatus::Failed | HostStatus::Aborted,
            ) => host.no_return.is_none() && self.keeps_nothing() && self.has_to_undo(host),
            _ => request.includes(name) && host.can_be_rolled_back(),
        };
        self.hosts.iter().any(|(name, host)| can(name, host))
    }

    /// Whether no host keeps a change, so that the setup can be undone, too.
    pub fn keeps_nothing(&self) -> bool {
        let mut hosts = self.hosts.values().filter(|host| host.stage != Some(Stage::Setup));
        !hosts.any(HostState::keeps_a_change)
    }

    /// Returns the hosts that cannot be rolled back, in the order of the run.
    pub fn refusals(&self, request: &Requested) -> Vec<Refusal<'_>> {
        let hosts = self.hosts.iter();
        let hosts = hosts.filter(|(name, host)| request.includes(name) && host.is_forward());
        let refused = hosts.filter_map(|(name, host)| {
            let (step, why) = host.no_return.as_ref()?;
            Some(Refusal { host: name, status: host.status, step, why })
        });
        refused.collect()
    }

    /// Whether an abort leaves a host as it is.
    pub fn is_abandoned(&self, host: &HostState) -> bool {
        self.abort.is_some() && host.status != HostStatus::TearingDown
    }

    /// Whether a requested rollback has not started yet on a host.
    pub fn awaits_rollback(&self, name: &HostName, host: &HostState) -> bool {
        let is_requested = self.rollback.as_ref().is_some_and(|request| request.includes(name));
        is_requested && host.rollback_can_start()
    }
}

impl HostState {
    /// Whether something that was changed for it is not undone, as far as is known.
    pub fn keeps_a_change(&self) -> bool {
        match self.status {
            HostStatus::NotStarted
            | HostStatus::RolledBack
            | HostStatus::Refused
            | HostStatus::Unreachable
            | HostStatus::Quarantined => false,
            HostStatus::Succeeded | HostStatus::Failed | HostStatus::Aborted => self.was_changed(),
            HostStatus::Active
            | HostStatus::RollingBack
            | HostStatus::TearingDown
            | HostStatus::Stuck => true,
        }
    }

    /// Returns its status, or what that was before its teardown started, if that has not succeeded.
    pub fn without_teardown(&self) -> HostStatus {
        match self.teardown {
            Some((_, before)) if self.is_at_work() || self.status == HostStatus::Stuck => before,
            _ => self.status,
        }
    }

    fn is_forward(&self) -> bool {
        matches!(
            self.status,
            HostStatus::Active | HostStatus::Succeeded | HostStatus::Failed | HostStatus::Aborted
        )
    }

    pub fn rollback_can_start(&self) -> bool {
        self.is_forward() && self.no_return.is_none()
    }

    /// Whether a rollback can start on it, or continue.
    pub fn can_be_rolled_back(&self) -> bool {
        matches!(self.status, HostStatus::Stuck) || self.is_undoing() || self.rollback_can_start()
    }

    /// Whether a command of a rollback may have run for it.
    pub fn was_undone(&self) -> bool {
        let forward = self.forward.unwrap_or(self.tasks.len());
        self.tasks.values().skip(forward).any(TaskState::may_have_run)
    }

    /// Whether something may have been changed for it. Commands that only read are sent too, and end
    /// as unchanged.
    pub fn was_changed(&self) -> bool {
        let is_changed =
            |task: &TaskState| task.may_have_run() && task.status != Some(TaskStatus::Unchanged);
        self.tasks.values().any(is_changed)
    }
}
