//! What is in progress, and for which hosts a decision is due.
//!
//! What a host needs next follows from its own state. So only hosts to which something happened are
//! considered, and the time for a run grows with the number of its hosts, not with its square. A
//! host is identified by its position in the run.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, HostStatus, TaskEvent};
use crate::history::RunState;
use crate::inventory::HostName;
use crate::resolve::ResolvedPlan;
use crate::run::decide::critical::is_urgent;
use crate::task::TaskId;

#[derive(Debug, Default)]
pub struct Agenda {
    /// Hosts to which something happened since the last decision.
    pub(super) due: BTreeSet<usize>,
    /// Hosts on which something is being done.
    pub(super) busy: BTreeSet<usize>,
    /// Whether the operator is being asked, or hosts that have not started, for `order`.
    pub(super) is_asking: bool,
    /// Hosts that were inside an `uninterruptible` block when the run was resumed.
    pub(super) urgent: BTreeSet<usize>,
    /// Hosts on which the run cannot work until a resume.
    pub(super) blocked: BTreeSet<usize>,
    /// Hosts that would continue, but for a stop or for urgent hosts.
    pub(super) held: BTreeSet<usize>,
    /// Hosts that a rollback of other hosts leaves as they are.
    pub(super) left: BTreeSet<usize>,
    /// Hosts that wait for the operator.
    pub(super) questions: BTreeMap<usize, TaskId>,
    /// Hosts that are being rolled back, or are stuck.
    pub(super) returning: BTreeSet<usize>,
    /// Hosts that count as failures.
    pub(super) failures: BTreeSet<usize>,
    /// No host before this one is left to be started.
    pub(super) first: usize,
    /// The hosts to roll back, the last one started first, once this is known.
    pub(super) rollback_order: Option<Vec<usize>>,
    /// No host of these before this one is left to be rolled back.
    pub(super) first_back: usize,
}

impl Agenda {
    /// Starts with all hosts of a run.
    pub fn new(state: &RunState) -> Self {
        Self { due: (0..state.hosts.len()).collect(), ..Self::default() }
    }

    /// Notes that something happened. A point of no return of all hosts happens to each of them: one that waits
    /// for its rollback continues instead.
    pub fn happened(&mut self, state: &RunState, event: &Event) {
        match event {
            Event::Task { event: TaskEvent::PointOfNoReturn { all_hosts: true, .. }, .. } => {
                self.due.extend(0..state.hosts.len());
            }
            _ => self.due.extend(event.host().and_then(|host| state.hosts.get_index_of(host))),
        }
    }

    /// Notes that the work on a host has ended.
    pub fn ended(&mut self, state: &RunState, host: &HostName) {
        if let Some(position) = state.hosts.get_index_of(host) {
            self.busy.remove(&position);
            self.due.insert(position);
        }
    }

    /// Notes that the operator, or the hosts for `order`, were asked.
    pub fn asked(&mut self) {
        self.is_asking = false;
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.busy.is_empty() && !self.is_asking
    }

    /// Whether nothing new may start.
    pub(super) fn stops(&self, state: &RunState) -> bool {
        state.stop_requested || !self.blocked.is_empty()
    }

    /// Sorts the hosts to which something happened, and returns them.
    pub(super) fn take_due(&mut self, plan: &ResolvedPlan, state: &RunState) -> Vec<usize> {
        // Hosts that are being worked on come back when that work has ended.
        let due: Vec<usize> = std::mem::take(&mut self.due).into_iter().collect();
        let mut due: Vec<usize> =
            due.into_iter().filter(|position| !self.busy.contains(position)).collect();
        for position in &due {
            let Some((_, host)) = state.hosts.get_index(*position) else { continue };
            let sort = |set: &mut BTreeSet<usize>, belongs: bool| {
                if belongs { set.insert(*position) } else { set.remove(position) }
            };
            sort(&mut self.urgent, !state.is_abandoned(host) && is_urgent(plan, state, host));
            let is_returning = matches!(host.status, HostStatus::RollingBack | HostStatus::Stuck);
            sort(&mut self.returning, is_returning);
            let is_well = matches!(host.status, HostStatus::Succeeded | HostStatus::NotStarted);
            sort(&mut self.failures, !is_well && host.stage.is_none());
            sort(&mut self.blocked, host.blocked.is_some());
            self.questions.remove(position);
        }
        if self.urgent.is_empty() && !self.stops(state) {
            due.extend(std::mem::take(&mut self.held));
            due.sort_unstable();
            due.dedup();
        }
        due
    }
}
