//! Blocks with `retry`: their attempts, called rounds in the code.

use crate::event::{Answer, Reason, TaskStatus};
use crate::history::{HostState, TaskState};
use crate::plan::Action;
use crate::run::decide::walk::{Walk, reason_of, walk_step};
use crate::run::step_ref::StepRef;
use crate::task::StepPath;

/// Whether a block in which a part failed is attempted again: a round and time for it are left, and
/// the operator has not decided that the part fails.
pub(super) fn may_retry(block: StepRef<'_>, host: &HostState) -> bool {
    has_rounds_left(block, host) && !is_time_up(block, host)
}

/// Whether a block would be attempted again if its time were not up.
pub(super) fn lacks_time_to_retry(block: StepRef<'_>, host: &HostState) -> bool {
    has_rounds_left(block, host) && is_time_up(block, host)
}

fn is_time_up(block: StepRef<'_>, host: &HostState) -> bool {
    host.task(&block.path()).is_some_and(TaskState::time_is_up)
}

fn has_rounds_left(block: StepRef<'_>, host: &HostState) -> bool {
    let Some(rounds) = &block.step.retry else { return false };
    let round = host.task(&block.path()).map_or(1, |task| task.round.max(1));
    if round >= rounds.attempts {
        return false;
    }
    let mut inside = Vec::new();
    for_all_inside(block, host, &mut |at| inside.push(at.path()));
    !inside.iter().filter_map(|path| host.task(path)).any(|task| {
        let refused = matches!(task.answer, Some((Answer::Fail | Answer::Reject, _)));
        refused && task.status.is_some_and(|status| !status.is_well())
    })
}

/// Returns why a block is attempted again: the reason of its first part that failed.
pub fn failed_part(block: StepRef<'_>, host: &HostState) -> Reason {
    let (steps, _) = block.parts().unwrap_or_default();
    let mut walks = steps.iter().map(|part| walk_step(block.inner(part), host));
    let failed = walks.find_map(|walk| match walk {
        Walk::Failed(part) => Some(reason_of(part, host)),
        _ => None,
    });
    failed.unwrap_or_default()
}

/// Returns the tasks in a block that start again in its next round. Values that were recorded stay:
/// a `set` runs once on a host.
pub fn restarted_tasks(block: StepRef<'_>, host: &HostState) -> Vec<StepPath> {
    let mut again = Vec::new();
    for_all_inside(block, host, &mut |at| {
        let path = at.path();
        let is_set = matches!(at.step.action, Action::Set(_));
        let is_well = |status: TaskStatus| status.is_well();
        let ended_well = host.task(&path).and_then(|task| task.status).is_some_and(is_well);
        if !(is_set && ended_well) {
            again.push(path);
        }
    });
    again
}

/// Calls a function on every task inside a block that has started, at any depth. Its own rescue
/// does not belong to a round.
fn for_all_inside<'p>(block: StepRef<'p>, host: &HostState, see: &mut dyn FnMut(StepRef<'p>)) {
    let (steps, _) = block.parts().unwrap_or_default();
    for part in steps {
        for_all(block.inner(part), host, see);
    }
}

fn for_all<'p>(at: StepRef<'p>, host: &HostState, see: &mut dyn FnMut(StepRef<'p>)) {
    let Some(task) = host.task(&at.path()) else { return };
    see(at);
    if at.is_whole() {
        // Items of an earlier round may come after the last one that started in this round.
        let items = task.items.as_ref().map_or(0, Vec::len);
        for number in 1..=items {
            for_all(at.at_item(number), host, see);
        }
    } else if let Some((steps, rescue)) = at.parts() {
        for part in steps.iter().chain(rescue) {
            for_all(at.inner(part), host, see);
        }
    }
}
