//! The walk through the plan of a host, along the recorded states of its tasks.

use crate::event::Event;
use crate::event::Reason;
use crate::event::TaskStatus;
use crate::inventory::HostName;
use crate::plan::Action;
use crate::plan::OnFailure;
use crate::plan::Step;
use crate::resolve::ResolvedPlan;
use crate::run::state::HostState;
use crate::run::state::TaskState;
use crate::task::TaskId;

/// Where a walk has come to.
pub(super) enum Walk<'p> {
    /// A step is to be worked on.
    Perform(&'p Step),
    /// A block has come to its end.
    Close(&'p Step, TaskStatus, Option<Reason>),
    /// A person has not answered.
    Question(&'p Step),
    /// All is done.
    Done,
    /// This step failed.
    Failed(&'p Step),
}

/// The steps that were begun on a host, the last first.
pub(super) fn begun_last_first<'p>(plan: &'p ResolvedPlan, host: &HostState) -> Vec<&'p Step> {
    let mut begun: Vec<(usize, &Step)> = Vec::new();
    for step in &plan.plan.steps {
        step.visit(&mut |step| {
            if let Some(position) = host.tasks.get_index_of(&step.path) {
                begun.push((position, step));
            }
        });
    }
    begun.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
    begun.into_iter().map(|(_, step)| step).collect()
}

/// Whether something of a step, or of its parts, may have happened.
pub(super) fn may_have_run(step: &Step, host: &HostState) -> bool {
    if let Action::Block { steps, rescue } = &step.action {
        return steps
            .iter()
            .chain(rescue)
            .any(|part| may_have_run(part, host));
    }
    let reads = matches!(&step.action, Action::Effect(effect) if effect.read_only);
    !reads && host.task(&step.path).is_some_and(TaskState::may_have_run)
}

pub(super) fn walk<'p>(steps: &'p [Step], host: &HostState) -> Walk<'p> {
    for step in steps {
        match walk_step(step, host) {
            Walk::Done => {}
            other => return other,
        }
    }
    Walk::Done
}

pub(super) fn walk_step<'p>(step: &'p Step, host: &HostState) -> Walk<'p> {
    let Some(task) = host.task(&step.path) else {
        return Walk::Perform(step);
    };
    if let Some(status) = task.status {
        let goes_on = matches!(step.on_failure, Some(OnFailure::Continue(_)));
        return if status.is_well() || goes_on {
            Walk::Done
        } else {
            Walk::Failed(step)
        };
    }
    if task.question.is_some() {
        return Walk::Question(step);
    }
    let Action::Block { steps, rescue } = &step.action else {
        return Walk::Perform(step);
    };
    // A person was asked before the block was entered, and has answered.
    if task.begun_at == 0 {
        return Walk::Perform(step);
    }
    match walk(steps, host) {
        Walk::Done => Walk::Close(step, status_of_parts(steps, host), None),
        Walk::Failed(part) if rescue.is_empty() => {
            let status = host.task(&part.path).and_then(|task| task.status);
            Walk::Close(
                step,
                status.unwrap_or(TaskStatus::Failed),
                Some(reason_of(part, host)),
            )
        }
        Walk::Failed(part) => match walk(rescue, host) {
            Walk::Done => {
                let mut why = reason_of(part, host);
                why.text = format!("rescued: {}", why.text);
                Walk::Close(step, TaskStatus::Changed, Some(why))
            }
            Walk::Failed(in_rescue) => {
                Walk::Close(step, TaskStatus::Failed, Some(reason_of(in_rescue, host)))
            }
            other => other,
        },
        other => other,
    }
}

pub(super) fn status_of_parts(steps: &[Step], host: &HostState) -> TaskStatus {
    let statuses: Vec<TaskStatus> = steps
        .iter()
        .filter_map(|step| host.task(&step.path).and_then(|task| task.status))
        .collect();
    if statuses.contains(&TaskStatus::Changed) {
        TaskStatus::Changed
    } else if statuses.iter().all(|status| *status == TaskStatus::Skipped) {
        TaskStatus::Skipped
    } else {
        TaskStatus::Unchanged
    }
}

/// The event that closes a block; one with a point of no return passes that first.
pub(super) fn closing(
    name: &HostName,
    host: &HostState,
    step: &Step,
    status: TaskStatus,
    why: Option<Reason>,
) -> Event {
    let task = TaskId {
        host: name.clone(),
        step: step.path.clone(),
    };
    let done = matches!(status, TaskStatus::Changed | TaskStatus::Unchanged);
    match &step.point_of_no_return {
        Some(sentence) if done && host.no_return.is_none() => Event::PointOfNoReturn {
            task,
            why: sentence.clone(),
        },
        _ => Event::TaskEnded {
            task,
            status,
            why,
            result: None,
        },
    }
}

/// Why a step failed, with its title where the reason does not name it.
pub(super) fn reason_of(step: &Step, host: &HostState) -> Reason {
    host.task(&step.path)
        .and_then(|task| task.why.clone())
        .unwrap_or_else(|| Reason {
            text: format!("{} failed", step.title),
            seen: Vec::new(),
        })
}
