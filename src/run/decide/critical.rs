//! Critical sections: where a host must not be left alone.

use crate::event::HostStatus;
use crate::plan::Action;
use crate::plan::Rollback;
use crate::plan::Step;
use crate::resolve::ResolvedPlan;
use crate::run::decide::walk::begun_last_first;
use crate::run::decide::walk::may_have_run;
use crate::run::state::HostState;
use crate::run::state::RunState;

/// Whether a host is inside an `uninterruptible` block, or inside a handler of one.
pub fn inside_uninterruptible(plan: &ResolvedPlan, host: &HostState) -> bool {
    if host.status == HostStatus::RollingBack {
        return undoing(plan, host).is_some_and(|step| in_uninterruptible(plan, step));
    }
    host.status == HostStatus::Active && open_uninterruptible(plan, host).is_some()
}

/// The `uninterruptible` block that is open on a host.
fn open_uninterruptible<'p>(plan: &'p ResolvedPlan, host: &HostState) -> Option<&'p Step> {
    let mut open = None;
    for step in &plan.plan.steps {
        step.visit(&mut |step| {
            let running = host
                .task(&step.path)
                .is_some_and(|task| task.begun_at > 0 && task.status.is_none());
            if running && step.uninterruptible.is_some() {
                open = Some(step);
            }
        });
    }
    open
}

/// The step that is being undone: the first whose handler has not ended.
fn undoing<'p>(plan: &'p ResolvedPlan, host: &HostState) -> Option<&'p Step> {
    begun_last_first(plan, host)
        .into_iter()
        .find(|step| match &step.rollback {
            Rollback::Handler(handler) => {
                may_have_run(step, host)
                    && host
                        .task(&handler.path)
                        .is_none_or(|task| task.status.is_none())
            }
            _ => false,
        })
}

/// Whether a step is an `uninterruptible` block or a part of one.
fn in_uninterruptible(plan: &ResolvedPlan, wanted: &Step) -> bool {
    let mut found = false;
    for step in &plan.plan.steps {
        step.visit(&mut |block| {
            if block.uninterruptible.is_some() {
                block.visit(&mut |part| found |= part.path == wanted.path);
            }
        });
    }
    found
}

/// Whether a failure of a step is taken up by the rescue of a block around it, or is part of a way
/// back.
pub fn is_rescued(plan: &ResolvedPlan, wanted: &Step) -> bool {
    let mut found = wanted.path.0.contains(".rollback");
    for step in &plan.plan.steps {
        step.visit(&mut |block| {
            if let Action::Block { steps, rescue } = &block.action
                && !rescue.is_empty()
            {
                for part in steps {
                    part.visit(&mut |part| found |= part.path == wanted.path);
                }
            }
        });
    }
    found
}

/// Whether a host was inside an `uninterruptible` block when the run was taken up again.
pub(super) fn is_urgent(plan: &ResolvedPlan, state: &RunState, host: &HostState) -> bool {
    match host.status {
        HostStatus::Active => open_uninterruptible(plan, host).is_some_and(|block| {
            host.task(&block.path)
                .is_some_and(|task| task.begun_at < state.resumed_at)
        }),
        HostStatus::RollingBack => state.resumed_at > 0 && inside_uninterruptible(plan, host),
        _ => false,
    }
}
