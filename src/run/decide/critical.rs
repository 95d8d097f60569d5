//! Critical sections: where a host must not be left alone.

use crate::event::HostStatus;
use crate::history::{HostState, RunState};
use crate::plan::Step;
use crate::resolve::ResolvedPlan;
use crate::run::decide::walk::{begun_last_first, may_have_run};
use crate::run::spot::Spot;

/// Whether a host is inside an `uninterruptible` block, or inside a handler of one.
pub fn inside_uninterruptible(plan: &ResolvedPlan, host: &HostState) -> bool {
    if host.status == HostStatus::RollingBack {
        return undoing(plan, host).is_some_and(|spot| in_uninterruptible(plan, spot));
    }
    host.status == HostStatus::Active && open_uninterruptible(plan, host).is_some()
}

/// The `uninterruptible` block that is open on a host, the outermost. With a `for_each` each item
/// is a critical section of its own.
fn open_uninterruptible<'p>(plan: &'p ResolvedPlan, host: &HostState) -> Option<Spot<'p>> {
    open_among(&plan.plan.steps, host.passed.steps.get(), Spot::from, host)
}

/// The same in a list of steps, of which so many are done. Behind one that was not begun, none was.
fn open_among<'p>(
    steps: &'p [Step],
    passed: usize,
    spot: impl Fn(&'p Step) -> Spot<'p>,
    host: &HostState,
) -> Option<Spot<'p>> {
    let spots = steps.iter().skip(passed).map(spot);
    let mut begun = spots.take_while(|spot| host.task(&spot.path()).is_some());
    begun.find_map(|spot| open_in(spot, host))
}

fn open_in<'p>(spot: Spot<'p>, host: &HostState) -> Option<Spot<'p>> {
    let task = host.task(&spot.path())?;
    // One that a person is asked about has failed: nothing of it is still to be done.
    let is_over = task.question.is_some() && spot.step.uninterruptible.is_some();
    if task.begun_at == 0 || task.status.is_some() || is_over {
        return None;
    }
    if spot.is_whole() {
        // Those before the last one begun have ended.
        return open_in(spot.at_item(task.reached.max(1)), host);
    }
    if spot.step.uninterruptible.is_some() {
        return Some(spot);
    }
    let (steps, rescue) = spot.parts()?;
    let part = |step| spot.inner(step);
    open_among(steps, task.passed.steps.get(), part, host)
        .or_else(|| open_among(rescue, task.passed.rescue.get(), part, host))
}

/// The step that is being undone: the first whose handler has not ended.
fn undoing<'p>(plan: &'p ResolvedPlan, host: &HostState) -> Option<Spot<'p>> {
    begun_last_first(plan, host).map(|(_, spot)| spot).find(|spot| {
        spot.handler().is_some_and(|handler| {
            let task = host.task(&handler.path());
            may_have_run(*spot, host) && task.is_none_or(|task| task.status.is_none())
        })
    })
}

/// Whether a step is an `uninterruptible` block or a part of one.
fn in_uninterruptible(plan: &ResolvedPlan, spot: Spot<'_>) -> bool {
    let around = spot.around(&plan.plan).into_iter().map(|(outer, _)| outer);
    around.chain([spot]).any(|spot| spot.step.uninterruptible.is_some())
}

/// Whether a host was inside an `uninterruptible` block when the run was taken up again.
pub(super) fn is_urgent(plan: &ResolvedPlan, state: &RunState, host: &HostState) -> bool {
    match host.status {
        HostStatus::Active => open_uninterruptible(plan, host).is_some_and(|block| {
            host.task(&block.path()).is_some_and(|task| task.begun_at < state.resumed_at)
        }),
        HostStatus::RollingBack => state.resumed_at > 0 && inside_uninterruptible(plan, host),
        _ => false,
    }
}
