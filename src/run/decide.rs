//! What may be done next: a pure function of plan and state.
//!
//! The plan of a host is a tree. `walk` follows it along the recorded states of the tasks, up to
//! the first place where something is to be done. There is no program counter: after a crash the
//! same walk over the same events ends at the same place.
//!
//! - Forward: steps in order. A block ends when its parts have ended. If a part failed, the block
//!   is attempted again if it may be, else its rescue runs, else the block fails.
//! - The items of a `for_each` run one after the other, each as a step of its own.
//! - Rollback: the handlers of all steps that may have run, newest step first. The first handler
//!   that fails leaves the host stuck; the remaining handlers do not run.
//! - After a request to stop nothing new starts, except on hosts inside an `uninterruptible` block:
//!   these finish the block. After a resume such hosts go first.
//! - A question delays its own host only, and hosts that have not started.
//! - `setup` and `finish` are walked through like hosts, the one before the first host, the other
//!   after the last one. Before the run ends the setup is undone (`setup`).
//! - If the operator requested a rollback, hosts are rolled back in batches, the last one started
//!   first. No batch starts before the one before it is rolled back, and none after a stuck host.

mod agenda;
mod batch;
mod critical;
mod failure;
pub mod next_move;
mod rounds;
mod setup;
pub mod verdict;
mod walk;

use crate::event::{
    Event, HostEvent, HostStatus, PreflightVerdict, RunEvent, RunStatus, TaskEvent,
};
use crate::history::{HostState, RunState, TaskState};
use crate::inventory::HostName;
use crate::resolve::ResolvedPlan;
use crate::run::decide::batch::{next_back, next_forward};
use crate::run::decide::failure::question_behind;
use crate::run::decide::setup::{settle_hosts, settle_setup, start_rollback, undo_setup};
use crate::run::decide::verdict::verdict;
use crate::run::decide::walk::{
    Walk, begun_last_first, closing, handler_of, reason_of, walk, walk_step,
};
use crate::run::step_ref::StepRef;
use crate::task::{Stage, StepPath, TaskId};
use crate::transport::TransportError;

pub use agenda::Agenda;
pub use batch::{forward_batches, rollback_batches};
pub use critical::inside_uninterruptible;
pub use failure::asks_on_failure;
pub use next_move::{Facts, Move, Observed, Policy, next_move};
pub use rounds::{failed_part, restarted_tasks};
pub use setup::to_undo;
pub(super) use walk::may_have_run;

/// How many hosts run their preflight at the same time before the first change.
pub(super) const PREFLIGHT_WIDTH: usize = 20;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Decision<'p> {
    /// This follows from what is known: record it.
    Record(Event),
    Preflight(HostName),
    Perform(HostName, StepRef<'p>),
    /// Find out whether what was sent for a step still runs, before the host is rolled back.
    Settle(HostName, StepRef<'p>),
    Ask(TaskId),
    /// Find out which of these hosts `order` of the plan is about.
    Order(Vec<HostName>),
}

/// Decides. `can_ask`: whether there is an operator to ask.
pub fn decide<'p>(
    plan: &'p ResolvedPlan,
    state: &RunState,
    agenda: &mut Agenda,
    can_ask: bool,
) -> Vec<Decision<'p>> {
    match state.status {
        RunStatus::Planned | RunStatus::Running => {}
        _ => return Vec::new(),
    }
    if !state.started && state.abort.is_none() {
        return before_start(state, agenda);
    }
    let mut decisions = Vec::new();
    let due = agenda.take_due(plan, state);
    let stops = agenda.stops(state);
    let of_setup = settle_setup(plan, state);
    for position in due {
        let Some((name, host)) = state.hosts.get_index(position) else { continue };
        if of_setup.is_some() {
            agenda.held.insert(position);
            continue;
        }
        // A run that is to end as it is only tears down what its setup has left.
        if state.is_abandoned(host) {
            continue;
        }
        let Some(next) = next(plan, state, name, host) else { continue };
        if let Decision::Record(_) = next {
            decisions.push(next);
            continue;
        }
        let inside = inside_uninterruptible(plan, host);
        let is_left = state.rollback.as_ref().is_some_and(|rollback| rollback.leaves(name));
        if is_left && !inside && host.status == HostStatus::Active {
            agenda.left.insert(position);
        } else if let Decision::Ask(task) = next {
            agenda.questions.insert(position, task);
        } else if host.blocked.is_some() || (!inside && (stops || !agenda.urgent.is_empty())) {
            agenda.held.insert(position);
        } else {
            agenda.busy.insert(position);
            decisions.push(next);
        }
    }
    match (of_setup, state.hosts.get_index_of(&Stage::Setup.host())) {
        (Some(Decision::Ask(task)), Some(position)) => {
            agenda.questions.insert(position, task);
        }
        (Some(settle), Some(position)) if !stops && agenda.busy.insert(position) => {
            decisions.push(settle);
        }
        _ => {}
    }
    let question = agenda.questions.values().next();
    if let Some(task) = question.filter(|_| can_ask && !stops && !agenda.is_asking) {
        decisions.push(Decision::Ask(task.clone()));
        agenda.is_asking = true;
    }
    if decisions.is_empty() && agenda.busy.is_empty() {
        return at_rest(plan, state, agenda, can_ask);
    }
    decisions
}

/// No host is being worked on: others start, or the run pauses or ends.
fn at_rest<'p>(
    plan: &'p ResolvedPlan,
    state: &RunState,
    agenda: &mut Agenda,
    can_ask: bool,
) -> Vec<Decision<'p>> {
    let pause = |why: String| vec![Decision::Record(RunEvent::Paused { why }.into())];
    let record = |events: Vec<Event>| events.into_iter().map(Decision::Record).collect();
    if state.stop_requested && !is_complete(plan, state) {
        return if agenda.is_asking { Vec::new() } else { pause("stop requested".into()) };
    }
    if let Some(position) = agenda.blocked.first() {
        let host = state.hosts.get_index(*position);
        let why = host.and_then(|(name, host)| Some(format!("{name} {}", host.blocked.as_ref()?)));
        return if agenda.is_asking { Vec::new() } else { pause(why.unwrap_or_default()) };
    }
    let may_return = state.abort.is_none() && settle_setup(plan, state).is_none();
    let back = if may_return { next_back(plan, state, agenda) } else { Vec::new() };
    if !back.is_empty() {
        return record(back);
    }
    if agenda.is_asking {
        return Vec::new();
    }
    if let Some(task) = agenda.questions.values().next() {
        return pause(needs_answer(task));
    }
    if !agenda.held.is_empty() {
        return pause("a host is waiting for the operator".into());
    }
    if !agenda.left.is_empty() {
        return pause("the other hosts are left as they are".into());
    }
    if state.abort.is_none() {
        let forward = next_forward(plan, state, agenda);
        if !forward.is_empty() {
            agenda.is_asking = matches!(forward[..], [Decision::Order(_)]);
            return forward;
        }
    }
    let (status, why) = verdict(state);
    let Some(undo) = undo_setup(plan, state, status) else {
        return record(vec![Event::Run(RunEvent::Ended { status, why })]);
    };
    match settle_hosts(plan, state, agenda) {
        Some(Decision::Ask(task)) if can_ask => {
            agenda.is_asking = true;
            vec![Decision::Ask(task)]
        }
        Some(Decision::Ask(task)) => pause(needs_answer(&task)),
        Some(settle) => vec![settle],
        None => record(vec![undo]),
    }
}

/// Whether only the end of a run is left: a stop has nothing to pause then.
fn is_complete(plan: &ResolvedPlan, state: &RunState) -> bool {
    let is_forward = state.rollback.is_none() && state.abort.is_none();
    is_forward
        && plan.plan.stages().next().is_none()
        && state.hosts.values().all(|host| host.status == HostStatus::Succeeded)
}

fn needs_answer(task: &TaskId) -> String {
    format!("{task} needs an answer")
}

/// The preflight of all hosts; then the start, or the refusal of the run.
fn before_start<'p>(state: &RunState, agenda: &mut Agenda) -> Vec<Decision<'p>> {
    if state.stop_requested {
        let why = "stop requested before any change".into();
        let pause = vec![Decision::Record(RunEvent::Paused { why }.into())];
        return if agenda.busy.is_empty() { pause } else { Vec::new() };
    }
    let mut begin = Vec::new();
    while agenda.busy.len() < PREFLIGHT_WIDTH
        && let Some(position) = agenda.due.pop_first()
    {
        if let Some((name, host)) = state.hosts.get_index(position)
            && host.preflight.is_none()
            && agenda.busy.insert(position)
        {
            begin.push(Decision::Preflight(name.clone()));
        }
    }
    if !begin.is_empty() || !agenda.busy.is_empty() {
        return begin;
    }
    let words =
        ["preflight failed on", "cannot reach", "another run has locked", "planrun cannot work on"];
    let refused = |host: &HostState| match host.preflight.as_ref()? {
        PreflightVerdict::Passed | PreflightVerdict::Reached => None,
        PreflightVerdict::Failed(_) => Some(words[0]),
        PreflightVerdict::NoAnswer(error) if error.is_away() => Some(words[1]),
        PreflightVerdict::NoAnswer(TransportError::Locked { .. }) => Some(words[2]),
        PreflightVerdict::NoAnswer(_) => Some(words[3]),
    };
    let mut said = Vec::new();
    for words in words {
        let hosts = state.hosts.iter().filter(|(_, host)| refused(host) == Some(words));
        let names: Vec<String> = hosts
            .map(|(name, host)| match host.stage {
                None => name.to_string(),
                Some(_) => format!("the machines of {name}"),
            })
            .collect();
        if !names.is_empty() {
            said.push(format!("{words} {}", names.join(", ")));
        }
    }
    let event = if said.is_empty() {
        Event::Run(RunEvent::Started)
    } else {
        Event::Run(RunEvent::Ended { status: RunStatus::Refused, why: Some(said.join("; ")) })
    };
    vec![Decision::Record(event)]
}

/// What a host needs next.
fn next<'p>(
    plan: &'p ResolvedPlan,
    state: &RunState,
    name: &HostName,
    host: &HostState,
) -> Option<Decision<'p>> {
    let ended = |status, why| Decision::Record(HostEvent::Ended { status, why }.of(name));
    if state.awaits_rollback(name, host) {
        // Its batch comes later; inside an `uninterruptible` block it does not wait.
        let inside = inside_uninterruptible(plan, host);
        return inside.then(|| Decision::Record(start_rollback(name)));
    }
    match host.status {
        HostStatus::Active => {}
        HostStatus::RollingBack | HostStatus::TearingDown => {
            return Some(undo(plan, state, name, host));
        }
        _ => return None,
    }
    if host.stage.is_none() {
        let Some(verdict) = &host.last_preflight else {
            return Some(Decision::Preflight(name.clone()));
        };
        if let Some(status) = verdict.refusal() {
            return Some(ended(status, verdict.why(name)));
        }
    }
    Some(match walk(plan.plan.steps_of(host.stage), host) {
        Walk::Perform(step) => Decision::Perform(name.clone(), step),
        Walk::EndBlock(step, status, why) => {
            let failed = why.as_ref().filter(|_| !status.is_well());
            let question = failed.and_then(|why| question_behind(plan, host, step, why));
            Decision::Record(match question {
                Some(question) => TaskEvent::QuestionAsked { question }.of(&step.on(name)),
                None => closing(name, host, step, status, why),
            })
        }
        Walk::Question(step) => Decision::Ask(step.on(name)),
        Walk::Done => settle_first(plan, state, name, host, None)
            .unwrap_or_else(|| ended(HostStatus::Succeeded, None)),
        Walk::Failed(step) => {
            let why = reason_of(step, host);
            match &host.no_return {
                Some(_) => ended(HostStatus::Failed, Some(why)),
                None => Decision::Record(HostEvent::RollbackStarted { why }.of(name)),
            }
        }
    })
}

/// The next handler of a host that is rolled back, or its end.
fn undo<'p>(
    plan: &'p ResolvedPlan,
    state: &RunState,
    name: &HostName,
    host: &HostState,
) -> Decision<'p> {
    for (before, step) in begun_last_first(plan, host) {
        host.passed.left.set(Some(before + 1));
        let Some(handler) = handler_of(step, host) else { continue };
        if !may_have_run(step, host) {
            continue;
        }
        match walk_step(handler, host) {
            Walk::Done => {}
            Walk::Perform(step) => {
                let first = settle_first(plan, state, name, host, Some(step));
                return first.unwrap_or_else(|| Decision::Perform(name.clone(), step));
            }
            Walk::EndBlock(step, status, why) => {
                return Decision::Record(closing(name, host, step, status, why));
            }
            Walk::Question(step) => return Decision::Ask(step.on(name)),
            Walk::Failed(failed) => {
                let why = Some(reason_of(failed, host));
                let status = HostStatus::Stuck;
                return Decision::Record(HostEvent::Ended { status, why }.of(name));
            }
        }
    }
    let status = match host.teardown {
        None => HostStatus::RolledBack,
        Some((_, HostStatus::Succeeded)) => HostStatus::Succeeded,
        // The operator has ended the run in the middle of its setup.
        Some((_, HostStatus::Active | HostStatus::RollingBack | HostStatus::Aborted)) => {
            HostStatus::Aborted
        }
        Some(_) => HostStatus::Failed,
    };
    let ended = HostEvent::Ended { status, why: None };
    settle_first(plan, state, name, host, None).unwrap_or_else(|| Decision::Record(ended.of(name)))
}

/// Before a handler runs, and before a host ends, every other attempt for the host must be known to be
/// over, or the operator has decided to continue. A step settles its own attempts. The end of a host does
/// not wait for what `done_when` has decided, unless it was running by the last report.
fn settle_first<'p>(
    plan: &'p ResolvedPlan,
    state: &RunState,
    name: &HostName,
    host: &HostState,
    handler: Option<StepRef<'p>>,
) -> Option<Decision<'p>> {
    let own = handler.map(|handler| handler.path());
    settle_newest(plan, state, name, host, |path, task| {
        Some(path) != own.as_ref() && (own.is_some() || task.is_running())
    })
}

/// Settles the newest of these tasks of which something may still be running.
fn settle_newest<'p>(
    plan: &'p ResolvedPlan,
    state: &RunState,
    name: &HostName,
    host: &HostState,
    is_meant: impl Fn(&StepPath, &TaskState) -> bool,
) -> Option<Decision<'p>> {
    host.in_doubt.iter().rev().find_map(|path| {
        host.task(path).filter(|task| is_meant(path, task))?;
        let at = StepRef::at(&plan.plan, path).filter(|at| !at.is_read_only())?;
        Some(match state.question(&at.on(name)) {
            Some(_) => Decision::Ask(at.on(name)),
            None => Decision::Settle(name.clone(), at),
        })
    })
}
