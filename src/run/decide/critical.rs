//! Critical sections: a host that must not be left half done.

use crate::event::HostStatus;
use crate::history::{HostState, RunState};
use crate::plan::Step;
use crate::resolve::ResolvedPlan;
use crate::run::decide::walk::{begun_last_first, handler_of, may_have_run};
use crate::run::step_ref::StepRef;

/// Whether a host is inside an `uninterruptible` block, or inside a handler of one.
pub fn inside_uninterruptible(plan: &ResolvedPlan, host: &HostState) -> bool {
    if host.is_undoing() {
        return undoing(plan, host).is_some_and(|at| in_uninterruptible(plan, at));
    }
    host.status == HostStatus::Active && open_uninterruptible(plan, host).is_some()
}

/// The `uninterruptible` block that is open on a host, the outermost. With a `for_each` each item
/// is a critical section of its own.
fn open_uninterruptible<'p>(plan: &'p ResolvedPlan, host: &HostState) -> Option<StepRef<'p>> {
    open_among(plan.plan.steps_of(host.stage), host.passed.steps.get(), StepRef::from, host)
}

/// The same in a list of steps, whose first `passed` are done. After a step that has not started,
/// none has.
fn open_among<'p>(
    steps: &'p [Step],
    passed: usize,
    at: impl Fn(&'p Step) -> StepRef<'p>,
    host: &HostState,
) -> Option<StepRef<'p>> {
    let refs = steps.iter().skip(passed).map(at);
    let mut begun = refs.take_while(|at| host.task(&at.path()).is_some());
    begun.find_map(|at| open_in(at, host))
}

fn open_in<'p>(at: StepRef<'p>, host: &HostState) -> Option<StepRef<'p>> {
    let task = host.task(&at.path())?;
    // If the operator is asked about it, it has failed: there is nothing left to do in it.
    let is_over = task.question.is_some() && at.step.uninterruptible.is_some();
    if task.begun_at == 0 || task.status.is_some() || is_over {
        return None;
    }
    if at.is_whole() {
        // The items before the last one that started have ended.
        return open_in(at.at_item(task.reached.max(1)), host);
    }
    if at.step.uninterruptible.is_some() {
        return Some(at);
    }
    let (steps, rescue) = at.parts()?;
    let part = |step| at.inner(step);
    open_among(steps, task.passed.steps.get(), part, host)
        .or_else(|| open_among(rescue, task.passed.rescue.get(), part, host))
}

/// The step that is being undone: the first whose handler has not ended.
fn undoing<'p>(plan: &'p ResolvedPlan, host: &HostState) -> Option<StepRef<'p>> {
    begun_last_first(plan, host).map(|(_, at)| at).find(|at| {
        handler_of(*at, host).is_some_and(|handler| {
            let task = host.task(&handler.path());
            may_have_run(*at, host) && task.is_none_or(|task| task.status.is_none())
        })
    })
}

/// Whether a step is an `uninterruptible` block or a part of one.
fn in_uninterruptible(plan: &ResolvedPlan, at: StepRef<'_>) -> bool {
    let around = at.around(&plan.plan).into_iter().map(|(outer, _)| outer);
    around.chain([at]).any(|at| at.step.uninterruptible.is_some())
}

/// Whether a host was inside an `uninterruptible` block when the run was resumed.
pub(super) fn is_urgent(plan: &ResolvedPlan, state: &RunState, host: &HostState) -> bool {
    match host.status {
        HostStatus::Active => open_uninterruptible(plan, host).is_some_and(|block| {
            host.task(&block.path()).is_some_and(|task| task.begun_at < state.resumed_at)
        }),
        HostStatus::RollingBack | HostStatus::TearingDown => {
            state.resumed_at > 0 && inside_uninterruptible(plan, host)
        }
        _ => false,
    }
}
