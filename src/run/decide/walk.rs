//! The walk through the plan of a host, along the recorded states of its tasks.
//!
//! A `for_each` is entered at the last item that was started: the items before it have ended. A
//! list of steps is entered after those that an earlier walk found done
//! ([`Passed`](crate::history::Passed)). So the time for a walk does not grow with the number of
//! items or steps.

use std::cell::Cell;

use crate::event::{Answer, Event, HostStatus, Reason, TaskEvent, TaskStatus};
use crate::history::{HostState, TaskState};
use crate::inventory::HostName;
use crate::plan::{OnFailure, Step};
use crate::resolve::ResolvedPlan;
use crate::run::decide::rounds::{lacks_time_to_retry, may_retry};
use crate::run::step_ref::StepRef;

/// The place where a walk ended.
pub(super) enum Walk<'p> {
    /// A step is to be worked on.
    Perform(StepRef<'p>),
    /// A block, or a `for_each`, has ended.
    EndBlock(StepRef<'p>, TaskStatus, Option<Reason>),
    /// The operator has not answered.
    Question(StepRef<'p>),
    Done,
    Failed(StepRef<'p>),
}

/// Returns the steps of a host that are still to be undone, newest first, each with the number of
/// steps before it. Some of them have nothing to undo.
pub(super) fn begun_last_first<'p>(
    plan: &'p ResolvedPlan,
    host: &HostState,
) -> impl Iterator<Item = (usize, StepRef<'p>)> {
    let begun = host.not_undone.unwrap_or(host.tasks.len());
    let left = host.passed.left.get().map_or(begun, |left| left.min(begun));
    (0..left).rev().filter_map(|before| {
        let (path, _) = host.tasks.get_index(before)?;
        Some((before, StepRef::at(&plan.plan, path)?))
    })
}

/// Returns what undoes a step now: at the end of a run that is not rolled back only a teardown.
pub(super) fn handler_of<'p>(at: StepRef<'p>, host: &HostState) -> Option<StepRef<'p>> {
    let is_all = host.status != HostStatus::TearingDown;
    at.handler().filter(|handler| is_all || handler.step.is_teardown)
}

/// Whether something of a step, or of its parts, may have happened.
pub(in crate::run) fn may_have_run(at: StepRef<'_>, host: &HostState) -> bool {
    if at.is_whole() {
        let reached = host.task(&at.path()).map_or(0, |task| task.reached);
        return (1..=reached).any(|number| may_have_run(at.at_item(number), host));
    }
    if let Some((steps, rescue)) = at.parts() {
        let mut parts = steps.iter().chain(rescue);
        return parts.any(|part| may_have_run(at.inner(part), host));
    }
    !at.is_read_only() && host.task(&at.path()).is_some_and(TaskState::may_have_run)
}

pub(super) fn walk<'p>(steps: &'p [Step], host: &HostState) -> Walk<'p> {
    walk_all(steps, &host.passed.steps, StepRef::from, host)
}

fn walk_all<'p>(
    steps: &'p [Step],
    passed: &Cell<usize>,
    at: impl Fn(&'p Step) -> StepRef<'p>,
    host: &HostState,
) -> Walk<'p> {
    while let Some(step) = steps.get(passed.get()) {
        match walk_step(at(step), host) {
            Walk::Done => passed.set(passed.get() + 1),
            other => return other,
        }
    }
    Walk::Done
}

pub(super) fn walk_step<'p>(at: StepRef<'p>, host: &HostState) -> Walk<'p> {
    let Some(task) = host.task(&at.path()) else { return Walk::Perform(at) };
    if let Some(status) = task.status {
        let goes_on = matches!(at.step.on_failure, Some(OnFailure::Continue(_)));
        return if status.is_well() || goes_on { Walk::Done } else { Walk::Failed(at) };
    }
    if task.question.is_some() {
        return Walk::Question(at);
    }
    if at.is_whole() {
        return match &task.items {
            Some(items) => walk_items(at, items.len(), task.reached, host),
            None => Walk::Perform(at),
        };
    }
    // A block that has not started: the operator was asked before, and has answered. Or one that
    // waits for its next round.
    match at.parts() {
        Some((steps, rescue))
            if task.begun_at > 0
                && (task.waited >= task.delay || task.time_is_up())
                && !is_ended_by(task) =>
        {
            walk_block(at, steps, rescue, task, host)
        }
        _ => Walk::Perform(at),
    }
}

/// Whether the operator has decided how a started block ends: its `requires` no longer passed.
fn is_ended_by(task: &TaskState) -> bool {
    matches!(task.answer, Some((Answer::Skip | Answer::Fail, _)))
}

fn walk_items<'p>(whole: StepRef<'p>, of: usize, reached: usize, host: &HostState) -> Walk<'p> {
    if of == 0 {
        let why = Reason::of("its list of items is empty");
        return Walk::EndBlock(whole, TaskStatus::Skipped, Some(why));
    }
    for number in reached.max(1)..=of {
        let item = whole.at_item(number);
        match walk_step(item, host) {
            Walk::Done => {}
            Walk::Failed(_) => {
                let status = status_of(item, host).unwrap_or(TaskStatus::Failed);
                return Walk::EndBlock(whole, status, Some(reason_of(item, host)));
            }
            other => return other,
        }
    }
    let items = (1..=of).map(|number| whole.at_item(number));
    Walk::EndBlock(whole, status_of_all(items, host), None)
}

fn walk_block<'p>(
    block: StepRef<'p>,
    steps: &'p [Step],
    rescue: &'p [Step],
    task: &TaskState,
    host: &HostState,
) -> Walk<'p> {
    let inner = |steps: &'p [Step]| steps.iter().map(move |step| block.inner(step));
    let part = |step| block.inner(step);
    let failed = match walk_all(steps, &task.passed.steps, part, host) {
        Walk::Done => return Walk::EndBlock(block, status_of_all(inner(steps), host), None),
        Walk::Failed(_) if may_retry(block, host) => return Walk::Perform(block),
        Walk::Failed(part) => part,
        other => return other,
    };
    let mut why = reason_of(failed, host);
    if lacks_time_to_retry(block, host) {
        why.text.push_str("; no time left for another attempt");
    }
    if rescue.is_empty() {
        let status = status_of(failed, host).unwrap_or(TaskStatus::Failed);
        return Walk::EndBlock(block, status, Some(why));
    }
    match walk_all(rescue, &task.passed.rescue, part, host) {
        Walk::Done => {
            why.text = format!("rescued: {}", why.text);
            Walk::EndBlock(block, TaskStatus::Changed, Some(why))
        }
        Walk::Failed(in_rescue) => {
            let why = reason_of(in_rescue, host);
            Walk::EndBlock(block, TaskStatus::Failed, Some(why))
        }
        other => other,
    }
}

fn status_of(at: StepRef<'_>, host: &HostState) -> Option<TaskStatus> {
    host.task(&at.path()).and_then(|task| task.status)
}

/// The status of what is made of these: parts, or items.
fn status_of_all<'p>(refs: impl Iterator<Item = StepRef<'p>>, host: &HostState) -> TaskStatus {
    let mut all_skipped = true;
    for status in refs.filter_map(|at| status_of(at, host)) {
        if status == TaskStatus::Changed {
            return status;
        }
        all_skipped &= status == TaskStatus::Skipped;
    }
    if all_skipped { TaskStatus::Skipped } else { TaskStatus::Unchanged }
}

/// The event that closes a block or a `for_each`; one with a point of no return passes that first,
/// a `for_each` only as a whole.
pub(super) fn closing(
    name: &HostName,
    host: &HostState,
    at: StepRef<'_>,
    status: TaskStatus,
    why: Option<Reason>,
) -> Event {
    let done = matches!(status, TaskStatus::Changed | TaskStatus::Unchanged);
    let event = match &at.step.point_of_no_return {
        Some(point) if done && !at.is_item() && host.no_return.is_none() => {
            TaskEvent::PointOfNoReturn { why: point.why.clone(), all_hosts: point.all_hosts }
        }
        _ => TaskEvent::Ended { status, why, result: None },
    };
    event.of(&at.on(name))
}

/// Returns why a step failed; its title if no reason is recorded.
pub(super) fn reason_of(at: StepRef<'_>, host: &HostState) -> Reason {
    host.task(&at.path())
        .and_then(|task| task.why.clone())
        .unwrap_or_else(|| Reason::of(format!("{} failed", at.step.title)))
}
