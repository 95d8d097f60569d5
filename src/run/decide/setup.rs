//! Before a run ends: what its setup has left is undone, after every command of the hosts is over.
//!
//! - If no host keeps a change, and the run has not succeeded, the setup is rolled back: all its handlers
//!   run, the teardowns among them, the one of the last step first.
//! - Else only its teardowns run, in the same order. That happens once for each end of the run. If the run is
//!   resumed, aborted or rolled back later, those follow that a condition left out before.

use crate::event::{Event, HostEvent, HostStatus, Reason, RunStatus, TaskStatus};
use crate::history::{HostState, RunState};
use crate::inventory::HostName;
use crate::resolve::ResolvedPlan;
use crate::run::decide::agenda::Agenda;
use crate::run::decide::walk::may_have_run;
use crate::run::decide::{Decision, settle_first, settle_newest};
use crate::run::step_ref::StepRef;
use crate::task::{Stage, StepPath};

/// Returns the event that starts to undo the setup of a run that would end with a status.
pub(super) fn undo_setup(
    plan: &ResolvedPlan,
    state: &RunState,
    status: RunStatus,
) -> Option<Event> {
    let (name, setup) = state.stage(Stage::Setup)?;
    let is_asked = state.rollback.is_some() && state.abort.is_none();
    let is_forward = matches!(
        setup.status,
        HostStatus::Active
            | HostStatus::Succeeded
            | HostStatus::Failed
            | HostStatus::RollingBack
            | HostStatus::Aborted
    );
    if !is_forward || setup.teardown.is_some() {
        return None;
    }
    let is_failure = status != RunStatus::Succeeded && state.abort.is_none();
    if (is_asked || is_failure) && setup.rollback_can_start() && state.keeps_nothing() {
        let is_due =
            setup.status == HostStatus::Active || to_undo(plan, setup, false).next().is_some();
        let why = Reason::of("no host keeps a change");
        let event = if is_asked {
            start_rollback(name)
        } else {
            HostEvent::RollbackStarted { why }.of(name)
        };
        return is_due.then_some(event);
    }
    to_undo(plan, setup, true).next()?;
    Some(HostEvent::TeardownStarted { run: status }.of(name))
}

/// Before the setup is undone, the same is true of the other hosts as of each before its end (`settle_first`): a
/// command that still runs, on a host that is left as it is, may need the setup. Returns what to do first: one host
/// after the other, since it is rare.
pub(super) fn settle_hosts<'p>(
    plan: &'p ResolvedPlan,
    state: &RunState,
    agenda: &mut Agenda,
) -> Option<Decision<'p>> {
    let hosts = state.hosts.iter().enumerate();
    let mut hosts = hosts.filter(|(_, (_, host))| host.stage != Some(Stage::Setup));
    hosts.find_map(|(position, (name, host))| {
        let first = settle_first(plan, state, name, host, None)?;
        if matches!(first, Decision::Settle(..)) {
            agenda.busy.insert(position);
        }
        Some(first)
    })
}

/// Before a requested rollback starts on a host, or continues there, what a process that was killed has left running
/// for the setup must be over: its teardown, for example. Returns what to do first.
pub(super) fn settle_setup<'p>(plan: &'p ResolvedPlan, state: &RunState) -> Option<Decision<'p>> {
    if state.rollback.is_none() || state.abort.is_some() {
        return None;
    }
    let (name, setup) = state.stage(Stage::Setup).filter(|(_, setup)| !setup.is_at_work())?;
    settle_newest(plan, state, name, setup, |path, task| {
        task.is_running() || state.planned.is_handler(path)
    })
}

/// Returns the steps of a setup that are still to be undone, the last one first; or only those that are to be
/// torn down.
pub fn to_undo<'h>(
    plan: &ResolvedPlan,
    setup: &'h HostState,
    only_teardowns: bool,
) -> impl Iterator<Item = &'h StepPath> {
    let is_left = move |path: &&StepPath| {
        let Some(at) = StepRef::at(&plan.plan, path) else { return false };
        let Some(handler) = at.handler() else { return false };
        let status = setup.task(&handler.path()).and_then(|task| task.status);
        let is_over = status.is_some_and(|it| it.is_well() && it != TaskStatus::Skipped);
        (handler.step.is_teardown || !only_teardowns) && !is_over && may_have_run(at, setup)
    };
    setup.tasks.keys().rev().filter(is_left)
}

/// The event that starts the rollback of a host that an operator requested.
pub(super) fn start_rollback(host: &HostName) -> Event {
    let why = Reason::of("requested by an operator");
    HostEvent::RollbackStarted { why }.of(host)
}
