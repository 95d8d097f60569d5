//! Batches: at most `serial` hosts at a time, forward in the order of the run, back in the reverse
//! of the order in which the hosts were started.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::event::{Event, HostEvent, HostStatus, Reason};
use crate::history::{HostState, Requested, RunState};
use crate::inventory::HostName;
use crate::resolve::ResolvedPlan;
use crate::run::decide::agenda::Agenda;
use crate::run::decide::critical::inside_uninterruptible;

/// Returns the hosts that a rollback undoes, batch by batch, as things are now. Hosts whose
/// rollback has started come first, and those inside an `uninterruptible` block.
pub fn rollback_batches<'s>(
    plan: &ResolvedPlan,
    state: &'s RunState,
    request: &Requested,
) -> Vec<Vec<&'s HostName>> {
    let is_half_done = |host: &HostState| match host.status {
        HostStatus::RollingBack | HostStatus::Stuck => true,
        _ => host.rollback_can_start() && inside_uninterruptible(plan, host),
    };
    let hosts = state.hosts.iter().filter(|(name, _)| request.includes(name));
    let half_done: Vec<&HostName> =
        hosts.filter(|(_, host)| is_half_done(host)).map(|(name, _)| name).collect();
    let mut batches = vec![half_done];
    let order = last_started_first(state, request);
    let mut first = 0;
    while first < order.len() {
        let range = batch(&plan.plan.serial, order.len(), first);
        first = range.end;
        let hosts = order[range].iter().filter_map(|position| state.hosts.get_index(*position));
        let left = hosts.filter(|(_, host)| host.rollback_can_start() && !is_half_done(host));
        batches.push(left.map(|(name, _)| name).collect());
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// The hosts that start next; none if all have started, or too many have failed.
pub(super) fn next_forward(
    plan: &ResolvedPlan,
    state: &RunState,
    agenda: &mut Agenda,
) -> Vec<Event> {
    let is_over = |status| {
        matches!(
            status,
            HostStatus::RolledBack
                | HostStatus::Refused
                | HostStatus::Unreachable
                | HostStatus::Quarantined
        )
    };
    let failed = |position: &usize| state.hosts.get_index(*position);
    let is_clean = agenda.failures.iter().filter_map(failed).all(|(_, host)| is_over(host.status));
    if !is_clean || agenda.failures.len() > plan.plan.max_failures || state.rollback.is_some() {
        return Vec::new();
    }
    let is_open = |position: usize| {
        let host = state.hosts.get_index(position);
        host.filter(|(_, host)| host.status == HostStatus::NotStarted).map(|(name, _)| name)
    };
    let all = state.hosts.len();
    while agenda.first < all && is_open(agenda.first).is_none() {
        agenda.first += 1;
    }
    if agenda.first == all {
        return Vec::new();
    }
    let batch = batch(&plan.plan.serial, all, agenda.first);
    batch.filter_map(is_open).map(|host| HostEvent::Started.of(host)).collect()
}

/// The hosts to roll back next, if the operator requested it; none while another one is being
/// rolled back, and none after a stuck one.
pub(super) fn next_back(plan: &ResolvedPlan, state: &RunState, agenda: &mut Agenda) -> Vec<Event> {
    let Some(request) = &state.rollback else { return Vec::new() };
    let at = |position: usize| state.hosts.get_index(position);
    let is_included =
        |position: &usize| at(*position).is_some_and(|(name, _)| request.includes(name));
    if agenda.returning.iter().any(is_included) {
        return Vec::new();
    }
    let order = agenda.rollback_order.get_or_insert_with(|| last_started_first(state, request));
    let is_open = |position: &usize| at(*position).filter(|(_, host)| host.rollback_can_start());
    while order.get(agenda.first_back).is_some_and(|position| is_open(position).is_none()) {
        agenda.first_back += 1;
    }
    if agenda.first_back == order.len() {
        return Vec::new();
    }
    let batch = batch(&plan.plan.serial, order.len(), agenda.first_back);
    order[batch].iter().filter_map(is_open).map(|(name, _)| start_rollback(name)).collect()
}

/// The event that starts the rollback of a host that an operator requested.
pub(super) fn start_rollback(host: &HostName) -> Event {
    let why = Reason::of("requested by an operator");
    HostEvent::RollbackStarted { why }.of(host)
}

/// The hosts of a rollback that were started, the last one first.
fn last_started_first(state: &RunState, request: &Requested) -> Vec<usize> {
    let hosts = state.hosts.iter().enumerate();
    let started = hosts.filter(|(_, (name, host))| host.begun_at > 0 && request.includes(name));
    let started: BTreeSet<(u64, usize)> =
        started.map(|(position, (_, host))| (host.begun_at, position)).collect();
    started.into_iter().rev().map(|(_, position)| position).collect()
}

/// The rest of the batch to which a position belongs, of so many hosts.
fn batch(serial: &[usize], all: usize, first: usize) -> Range<usize> {
    let mut sizes = serial.iter().copied();
    let mut size = 1;
    let mut end = 0;
    while end <= first {
        size = sizes.next().unwrap_or(size).max(1);
        end += size;
    }
    first..end.min(all)
}
