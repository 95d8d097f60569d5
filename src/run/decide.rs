//! What may be done next: a pure function of plan and state.
//!
//! The plan of a host is a tree; `walk` goes through it along the recorded states of its tasks
//! and comes to the first place where something is to be done. There is no program counter: after
//! a crash the same walk over the same events comes to the same place.
//!
//! - Forward: steps in order; a block is closed when its parts ended; a failed part leads to
//!   another round where the block has one left, to the rescue, else to the failure of the block.
//! - A `for_each` is gone through item by item, each as a step of its own.
//! - Back: the handlers of all steps that may have run, in the exact reverse of the order in which
//!   these were begun. The first handler that fails leaves the host stuck, lower ones withheld.
//! - A stop or an open question lets nothing new begin, but for hosts inside an `uninterruptible`
//!   block: these go on to its end. After a resume such hosts go first. Where a person asked for a
//!   rollback, no question keeps a host from going back.

mod critical;
mod failure;
mod next_move;
mod rounds;
mod turn;
mod verdict;
mod walk;

use std::collections::BTreeSet;

use crate::event::Event;
use crate::event::HostStatus;
use crate::event::PreflightVerdict;
use crate::event::Reason;
use crate::event::RunStatus;
use crate::inventory::HostName;
use crate::resolve::ResolvedPlan;
use crate::run::decide::critical::is_urgent;
use crate::run::decide::failure::question_behind;
use crate::run::decide::turn::turns;
use crate::run::decide::verdict::verdict;
use crate::run::decide::walk::Walk;
use crate::run::decide::walk::begun_last_first;
use crate::run::decide::walk::closing;
use crate::run::decide::walk::reason_of;
use crate::run::decide::walk::walk;
use crate::run::decide::walk::walk_step;
use crate::run::spot::Spot;
use crate::run::state::HostState;
use crate::run::state::RunState;
use crate::task::TaskId;
use crate::transport::TransportError;

pub use critical::inside_uninterruptible;
pub use failure::asks_on_failure;
pub use next_move::Facts;
pub use next_move::Move;
pub use next_move::Observed;
pub use next_move::Policy;
pub use next_move::next_move;
pub use rounds::begun_anew;
pub use rounds::failed_part;
pub use turn::Refusal;
pub use turn::can_turn;
pub use turn::refusals;
pub(super) use walk::may_have_run;

/// Hosts that are looked at side by side before the first change.
const PREFLIGHT_WIDTH: usize = 20;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Decision<'p> {
    /// This follows from what is known: record it.
    Record(Event),
    /// Hold the claims of the preflight against a host.
    Preflight(HostName),
    /// Work on a step on a host.
    Perform(HostName, Spot<'p>),
    /// Find out whether what was sent for a step still runs, before the host is rolled back.
    Settle(HostName, Spot<'p>),
    /// Ask a person.
    Ask(TaskId),
    /// Stop here; a resume goes on.
    Pause(String),
}

/// What a host needs next.
enum Next<'p> {
    Record(Event),
    Preflight,
    Perform(Spot<'p>),
    Settle(Spot<'p>),
    Question(TaskId),
    Nothing,
}

/// Decides. `busy` are the hosts at which something is being done right now; `can_ask` says
/// whether there is somebody to ask.
pub fn decide<'p>(
    plan: &'p ResolvedPlan,
    state: &RunState,
    busy: &BTreeSet<HostName>,
    can_ask: bool,
) -> Vec<Decision<'p>> {
    match state.status {
        RunStatus::Planned | RunStatus::Running => {}
        _ => return Vec::new(),
    }
    if !state.started {
        return before_start(plan, state, busy);
    }
    let mut decisions = Vec::new();
    let mut questions = Vec::new();
    let mut held_back = false;
    let urgent = state.hosts.iter().any(|(_, host)| is_urgent(plan, state, host));
    let question_open = !state.open_questions().is_empty();
    let blocked = state.hosts.values().find_map(|host| host.blocked.as_deref());
    let stops = state.stop_requested || blocked.is_some();
    for (name, host) in &state.hosts {
        if busy.contains(name) {
            continue;
        }
        let inside = inside_uninterruptible(plan, host);
        let asks =
            question_open && !(state.rollback_requested && host.status == HostStatus::RollingBack);
        match next(plan, state, name, host) {
            Next::Record(event) => return vec![Decision::Record(event)],
            Next::Question(task) => questions.push(task),
            Next::Nothing => {}
            Next::Preflight | Next::Perform(_) | Next::Settle(_)
                if host.blocked.is_some() || (!inside && (stops || asks || urgent)) =>
            {
                held_back = true;
            }
            Next::Preflight => decisions.push(Decision::Preflight(name.clone())),
            Next::Perform(step) => decisions.push(Decision::Perform(name.clone(), step)),
            Next::Settle(step) => decisions.push(Decision::Settle(name.clone(), step)),
        }
    }
    if !decisions.is_empty() || !busy.is_empty() {
        return decisions;
    }
    if state.stop_requested {
        return vec![Decision::Pause("it was asked to stop".into())];
    }
    if let Some(why) = blocked {
        return vec![Decision::Pause(why.to_owned())];
    }
    if let Some(task) = questions.into_iter().next() {
        if can_ask {
            return vec![Decision::Ask(task)];
        }
        return vec![Decision::Pause(format!("{task} needs an answer"))];
    }
    if held_back {
        return vec![Decision::Pause("a host needs a person first".into())];
    }
    next_batch_or_end(plan, state)
}

/// The preflight of all hosts; then the start, or the refusal of the run.
fn before_start<'p>(
    plan: &ResolvedPlan,
    state: &RunState,
    busy: &BTreeSet<HostName>,
) -> Vec<Decision<'p>> {
    if state.stop_requested {
        let pause = Decision::Pause("it was asked to stop before anything was changed".into());
        return if busy.is_empty() { vec![pause] } else { Vec::new() };
    }
    let waiting = plan.hosts.iter().filter(|name| {
        !busy.contains(*name) && state.hosts.get(*name).is_some_and(|h| h.preflight.is_none())
    });
    let room = PREFLIGHT_WIDTH.saturating_sub(busy.len());
    let begin: Vec<_> = waiting.take(room).cloned().map(Decision::Preflight).collect();
    if !begin.is_empty() || !busy.is_empty() {
        return begin;
    }
    let with = |wanted: fn(&PreflightVerdict) -> bool| -> String {
        let hosts = state.hosts.iter();
        let names: Vec<&str> = hosts
            .filter(|(_, host)| host.preflight.as_ref().is_some_and(wanted))
            .map(|(name, _)| name.as_str())
            .collect();
        names.join(", ")
    };
    let not_held = with(|verdict| matches!(verdict, PreflightVerdict::NotHeld(_)));
    let no_answer = with(|verdict| matches!(verdict, PreflightVerdict::NoAnswer(_)));
    let refusal = |why| Event::RunEnded { status: RunStatus::Refused, why: Some(why) };
    let event = match (not_held.as_str(), no_answer.as_str()) {
        ("", "") => Event::RunStarted,
        (_, "") => refusal(format!("the preflight does not hold on {not_held}")),
        ("", _) => refusal(format!("there is no answer from {no_answer}")),
        _ => refusal(format!(
            "the preflight does not hold on {not_held}; there is no answer from {no_answer}"
        )),
    };
    vec![Decision::Record(event)]
}

/// What a host needs next.
fn next<'p>(
    plan: &'p ResolvedPlan,
    state: &RunState,
    name: &HostName,
    host: &HostState,
) -> Next<'p> {
    let ended = |status, why| Next::Record(Event::HostEnded { host: name.clone(), status, why });
    if state.rollback_requested && turns(host) {
        let why = Reason { text: "an operator asked for it".into(), seen: Vec::new() };
        return Next::Record(Event::RollbackBegun { host: name.clone(), why });
    }
    match host.status {
        HostStatus::Active => {}
        HostStatus::RollingBack => return undo(plan, name, host),
        _ => return Next::Nothing,
    }
    let Some(verdict) = &host.turn else {
        return Next::Preflight;
    };
    if let Some((status, why)) = refusal(verdict) {
        return ended(status, Some(why));
    }
    match walk(&plan.plan.steps, host) {
        Walk::Perform(step) => Next::Perform(step),
        Walk::Close(step, status, why) => {
            let failed = why.as_ref().filter(|_| !status.is_well());
            let question = failed.and_then(|why| question_behind(plan, host, step, why));
            Next::Record(match question {
                Some(question) => Event::QuestionAsked {
                    task: TaskId { host: name.clone(), step: step.path() },
                    question,
                },
                None => closing(name, host, step, status, why),
            })
        }
        Walk::Question(step) => Next::Question(TaskId { host: name.clone(), step: step.path() }),
        Walk::Done => ended(HostStatus::Succeeded, None),
        Walk::Failed(step) => {
            let why = reason_of(step, host);
            match &host.no_return {
                Some(_) => ended(HostStatus::Failed, Some(why)),
                None => Next::Record(Event::RollbackBegun { host: name.clone(), why }),
            }
        }
    }
}

/// How a host ends whose preflight does not hold when its turn comes; `None` where it holds.
fn refusal(verdict: &PreflightVerdict) -> Option<(HostStatus, Reason)> {
    let error = match verdict {
        PreflightVerdict::Held => return None,
        PreflightVerdict::NotHeld(why) => return Some((HostStatus::Refused, why.clone())),
        PreflightVerdict::NoAnswer(error) => error,
    };
    let status = match error {
        TransportError::HostKey { .. } => HostStatus::Quarantined,
        TransportError::Unreachable { .. } => HostStatus::Unreachable,
        _ => HostStatus::Refused,
    };
    let why = Reason { text: error.to_string(), seen: Vec::new() };
    Some((status, why))
}

/// The next handler of a host that is rolled back, or its end.
fn undo<'p>(plan: &'p ResolvedPlan, name: &HostName, host: &HostState) -> Next<'p> {
    for step in begun_last_first(plan, host) {
        let Some(handler) = step.handler() else {
            continue;
        };
        if !may_have_run(step, host) {
            continue;
        }
        match walk_step(handler, host) {
            Walk::Done => {}
            Walk::Perform(step) => {
                return settle_first(plan, name, host, step).unwrap_or(Next::Perform(step));
            }
            Walk::Close(step, status, why) => {
                return Next::Record(closing(name, host, step, status, why));
            }
            Walk::Question(step) => {
                return Next::Question(TaskId { host: name.clone(), step: step.path() });
            }
            Walk::Failed(failed) => {
                let why = Some(reason_of(failed, host));
                let status = HostStatus::Stuck;
                return Next::Record(Event::HostEnded { host: name.clone(), status, why });
            }
        }
    }
    Next::Record(Event::HostEnded { host: name.clone(), status: HostStatus::RolledBack, why: None })
}

/// Before a handler is worked on, everything that was sent for the host is known to be over, or the
/// operator has said to go on all the same. A step settles its own attempts.
fn settle_first<'p>(
    plan: &'p ResolvedPlan,
    name: &HostName,
    host: &HostState,
    handler: Spot<'p>,
) -> Option<Next<'p>> {
    let own = handler.path();
    let mut tasks = host.tasks.iter().rev().filter(|(path, _)| **path != own);
    tasks.find_map(|(path, task)| {
        let spot = Spot::at(&plan.plan, path).filter(|spot| !spot.is_read_only())?;
        let settle = match task.question {
            Some(_) => Next::Question(TaskId { host: name.clone(), step: path.clone() }),
            None => Next::Settle(spot),
        };
        task.is_in_doubt().then_some(settle)
    })
}

/// Nothing is under way: the next batch begins, or the run ends.
fn next_batch_or_end<'p>(plan: &ResolvedPlan, state: &RunState) -> Vec<Decision<'p>> {
    let failures = state
        .hosts
        .values()
        .filter(|host| !matches!(host.status, HostStatus::Succeeded | HostStatus::NotStarted))
        .count();
    let clean = state.hosts.values().all(|host| {
        matches!(
            host.status,
            HostStatus::Succeeded
                | HostStatus::NotStarted
                | HostStatus::RolledBack
                | HostStatus::Refused
                | HostStatus::Unreachable
                | HostStatus::Quarantined
        )
    });
    let room = clean && failures <= plan.plan.max_failures && !state.rollback_requested;
    let batch = if room { batch(plan, state) } else { Vec::new() };
    if batch.is_empty() {
        let (status, why) = verdict(state);
        return vec![Decision::Record(Event::RunEnded { status, why })];
    }
    batch.into_iter().map(|host| Decision::Record(Event::HostBegun { host })).collect()
}

/// The hosts of the next batch that have not been begun.
fn batch(plan: &ResolvedPlan, state: &RunState) -> Vec<HostName> {
    let begun = |name: &HostName| {
        state.hosts.get(name).is_none_or(|host| host.status != HostStatus::NotStarted)
    };
    let Some(first) = plan.hosts.iter().position(|name| !begun(name)) else {
        return Vec::new();
    };
    let mut sizes = plan.plan.serial.iter().copied();
    let mut size = 1;
    let mut end = 0;
    while end <= first {
        size = sizes.next().unwrap_or(size).max(1);
        end += size;
    }
    let end = end.min(plan.hosts.len());
    plan.hosts[first..end].iter().filter(|name| !begun(name)).cloned().collect()
}
