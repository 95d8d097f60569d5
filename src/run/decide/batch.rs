//! Batches: at most `serial` hosts at a time, forward in the order of the run, back in the reverse
//! of the order in which the hosts were started.

use std::collections::BTreeSet;
use std::ops::Range;

use indexmap::IndexSet;

use crate::event::{Event, HostEvent, HostStatus};
use crate::history::{HostState, Requested, RunState};
use crate::inventory::HostName;
use crate::resolve::ResolvedPlan;
use crate::run::decide::Decision;
use crate::run::decide::agenda::Agenda;
use crate::run::decide::critical::inside_uninterruptible;
use crate::run::decide::setup::{start_rollback, to_undo};
use crate::task::Stage;

/// Returns the hosts that a rollback which was just requested undoes, batch by batch, as things are now. Hosts
/// whose rollback has started come first, and those inside an `uninterruptible` block.
pub fn rollback_batches<'s>(plan: &ResolvedPlan, state: &'s RunState) -> Vec<Vec<&'s HostName>> {
    let Some(request) = &state.rollback else { return Vec::new() };
    let is_half_done = |host: &HostState| match host.status {
        HostStatus::RollingBack => true,
        _ => host.rollback_can_start() && inside_uninterruptible(plan, host),
    };
    let hosts = state.hosts.iter().filter(|(name, _)| request.includes(name));
    let half_done: Vec<&HostName> =
        hosts.filter(|(_, host)| is_half_done(host)).map(|(name, _)| name).collect();
    let mut batches = vec![half_done];
    let is_next = |stage: Stage| {
        let stage = state.stage(stage).filter(|(name, _)| request.includes(name));
        let is_open = |host: &HostState| host.begun_at > 0 && host.rollback_can_start();
        stage.filter(|(_, host)| is_open(host) && !is_half_done(host)).map(|(name, _)| name)
    };
    batches.push(is_next(Stage::Finish).into_iter().collect());
    let order = last_started_first(state, request);
    let mut first = 0;
    while first < order.len() {
        let batch = batch_back(plan, &order, first);
        first += batch.len();
        let hosts = batch.iter().filter_map(|position| state.hosts.get_index(*position));
        let left = hosts.filter(|(_, host)| host.rollback_can_start() && !is_half_done(host));
        batches.push(left.map(|(name, _)| name).collect());
    }
    let is_left = |(name, host): (&HostName, &HostState)| {
        host.keeps_a_change() && !batches.iter().flatten().any(|other| *other == name)
    };
    let mut others = state.hosts.iter().filter(|(_, host)| host.stage != Some(Stage::Setup));
    let is_setup_left = others.any(is_left)
        || state
            .stage(Stage::Setup)
            .is_none_or(|(_, it)| to_undo(plan, it, false).next().is_none());
    batches.push(is_next(Stage::Setup).filter(|_| !is_setup_left).into_iter().collect());
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// Returns the batches in which hosts start if none fails, each with the number of its section; `named` are those
/// that `order` is about.
pub fn forward_batches(
    plan: &ResolvedPlan,
    named: &BTreeSet<HostName>,
) -> Vec<(usize, Vec<HostName>)> {
    let mut batches = Vec::new();
    let mut rest = &plan.hosts[..];
    for (section, length) in plan.sections.iter().enumerate() {
        let (hosts, later) = rest.split_at((*length).min(rest.len()));
        rest = later;
        let comes_first = |host: &&HostName| match &plan.plan.order {
            Some(order) => named.contains(*host) != order.is_last,
            None => true,
        };
        let (early, late): (Vec<_>, Vec<_>) = hosts.iter().partition(comes_first);
        let mut before = 0;
        for kind in [early, late] {
            let mut kind = kind.into_iter().cloned().peekable();
            while kind.peek().is_some() {
                let batch: Vec<HostName> =
                    kind.by_ref().take(size(plan, section, before)).collect();
                before += batch.len();
                batches.push((section, batch));
            }
        }
    }
    batches
}

/// What starts next: hosts, or first the question to them which of them `order` is about.
pub(super) fn next_forward<'p>(
    plan: &ResolvedPlan,
    state: &RunState,
    agenda: &mut Agenda,
) -> Vec<Decision<'p>> {
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
    let begin = |host: &HostName| Decision::Record(HostEvent::Started.of(host));
    if let Some((name, setup)) = state.stage(Stage::Setup)
        && setup.status != HostStatus::Succeeded
    {
        let is_first = setup.status == HostStatus::NotStarted;
        return is_first.then(|| begin(name)).into_iter().collect();
    }
    let open = |position: usize| {
        let host = state.hosts.get_index(position);
        host.filter(|(_, host)| host.status == HostStatus::NotStarted).map(|(name, _)| name)
    };
    let all = plan.hosts.len();
    while agenda.first < all && open(agenda.first).is_none() {
        agenda.first += 1;
    }
    if agenda.first == all {
        let finish = state.stage(Stage::Finish).filter(|_| agenda.failures.is_empty());
        let finish = finish.filter(|(_, finish)| finish.status == HostStatus::NotStarted);
        return finish.map(|(name, _)| begin(name)).into_iter().collect();
    }
    let section = section_of(plan, agenda.first);
    let Some(order) = &plan.plan.order else {
        let size = size(plan, section.0, agenda.first - section.1.start);
        let hosts = (agenda.first..section.1.end).take(size).filter_map(open);
        return hosts.map(begin).collect();
    };
    let hosts: Vec<&HostName> = section.1.clone().filter_map(open).collect();
    let named = match &state.ordered {
        Some(named) => named,
        // There is nothing to choose.
        None if hosts.len() == 1 => &IndexSet::new(),
        None => return vec![Decision::Order(hosts.into_iter().cloned().collect())],
    };
    // One kind of host at a time: the last one never starts together with those before it.
    let comes_first = |host: &&HostName| named.contains(*host) != order.is_last;
    let size = size(plan, section.0, section.1.len() - hosts.len());
    let (early, late): (Vec<_>, Vec<_>) = hosts.into_iter().partition(comes_first);
    let hosts = if early.is_empty() { late } else { early };
    let hosts = hosts.into_iter().take(size);
    hosts.map(begin).collect()
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
    // What came after all hosts is undone before them.
    if let Some((name, finish)) = state.stage(Stage::Finish)
        && finish.begun_at > 0
        && finish.rollback_can_start()
        && request.includes(name)
    {
        return vec![start_rollback(name)];
    }
    let order = agenda.rollback_order.get_or_insert_with(|| last_started_first(state, request));
    let is_open = |position: &usize| at(*position).filter(|(_, host)| host.rollback_can_start());
    while order.get(agenda.first_back).is_some_and(|position| is_open(position).is_none()) {
        agenda.first_back += 1;
    }
    if agenda.first_back == order.len() {
        return Vec::new();
    }
    let batch = batch_back(plan, order, agenda.first_back);
    batch.iter().filter_map(is_open).map(|(name, _)| start_rollback(name)).collect()
}

/// The hosts of a rollback that were started, the last one first.
fn last_started_first(state: &RunState, request: &Requested) -> Vec<usize> {
    let hosts = state.hosts.iter().enumerate().filter(|(_, (_, host))| host.stage.is_none());
    let started = hosts.filter(|(_, (name, host))| host.begun_at > 0 && request.includes(name));
    let started: BTreeSet<(u64, usize)> =
        started.map(|(position, (_, host))| (host.begun_at, position)).collect();
    started.into_iter().rev().map(|(_, position)| position).collect()
}

/// The rest of a batch of hosts that are rolled back in this order.
fn batch_back<'o>(plan: &ResolvedPlan, order: &'o [usize], first: usize) -> &'o [usize] {
    let (section, positions) = section_of(plan, order[first]);
    let is_in = |position: &&usize| positions.contains(*position);
    let before = order[..first].iter().rev().take_while(is_in).count();
    let rest = order[first..].iter().take_while(is_in).count();
    &order[first..first + rest.min(size(plan, section, before))]
}

/// The number of the section of a host, and the positions of all its hosts.
fn section_of(plan: &ResolvedPlan, position: usize) -> (usize, Range<usize>) {
    let mut start = 0;
    for (number, length) in plan.sections.iter().enumerate() {
        if position < start + length {
            return (number, start..start + length);
        }
        start += length;
    }
    (plan.sections.len() - 1, start..start)
}

/// How many hosts of a section are still to come in a batch, of which so many hosts came before.
fn size(plan: &ResolvedPlan, section: usize, before: usize) -> usize {
    let mut sizes = plan.plan.serial[section].sizes.iter().copied();
    let mut size = 1;
    let mut end = 0;
    while end <= before {
        size = sizes.next().unwrap_or(size).max(1);
        end += size;
    }
    end - before
}
