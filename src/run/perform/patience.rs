//! How long a machine may be unreachable.
//!
//! Usually planrun retries for as long as the command might have taken: waiting costs nothing.
//! Inside an `uninterruptible` block, in its rescue and in its handlers, users wait. There planrun
//! gives up after [`RECONNECT`], each connection takes no longer than that, and a step whose
//! outcome is unknown is checked once and then fails, so that `rescue` starts at once. Questions to
//! the operator, and everything that can wait, come after the block.

use std::time::Duration;

use crate::event::Progress;
use crate::inventory::HostName;
use crate::plan::Plan;
use crate::run::perform::Task;
use crate::run::step_ref::StepRef;

/// How long a machine may be away inside an `uninterruptible` block. A restarted `sshd`, or one
/// lost connection, fits in it; users who cannot log in notice a few seconds.
pub(super) const RECONNECT: Duration = Duration::from_secs(2);

/// Returns how long a machine may be away while this step is worked on; `None` outside of
/// `uninterruptible` blocks.
pub(super) fn bound(plan: &Plan, at: StepRef<'_>) -> Option<Duration> {
    let mut around = at.around(plan).into_iter();
    around.any(|(outer, _)| outer.step.uninterruptible.is_some()).then_some(RECONNECT)
}

impl Task<'_, '_, '_> {
    /// Returns how long a machine that cannot be reached is tried again; usually as long as this.
    pub(super) fn reconnect_for(&self, usual: Duration) -> Duration {
        self.guard.longest.map_or(usual, |bound| bound.min(usual))
    }

    /// Reports that a machine is away and tried again.
    pub(super) fn tell_away(&self, on: &HostName, why: String, away: Duration, limit: Duration) {
        self.live.progress(&Progress::Away {
            task: self.id.clone(),
            on: on.clone(),
            why,
            away,
            limit,
        });
    }

    /// Whether users wait for the next step.
    pub(super) fn is_critical(&self) -> bool {
        self.guard.longest.is_some()
    }
}
