//! What becomes of each host where a person asks for a rollback.
//!
//! Those that can go back do. One that is past its point of no return is refused, and what is left
//! there is done forward.

use crate::event::HostStatus;
use crate::history::{HostState, Requested, RunState};
use crate::inventory::HostName;
use crate::task::StepPath;

/// A host that a rollback refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'s> {
    /// The host.
    pub host: &'s HostName,
    /// How it is.
    pub status: HostStatus,
    /// The step whose point of no return it has passed.
    pub step: &'s StepPath,
    /// The plan's sentence.
    pub why: &'s str,
}

/// Whether a rollback that is asked for has something to do: on a host of the run, or because the
/// process that worked on the same rollback before was killed, and has not recorded its end.
pub fn can_turn(state: &RunState, request: &Requested) -> bool {
    let before = state.rollback.as_ref().filter(|_| state.status.is_under_way());
    if before.is_some_and(|before| before.only == request.only) {
        return true;
    }
    let mut hosts = state.hosts.iter();
    hosts.any(|(name, host)| request.includes(name) && host.can_be_rolled_back())
}

/// Returns the hosts that a rollback refuses, in the order of the run.
pub fn refusals<'s>(state: &'s RunState, request: &Requested) -> Vec<Refusal<'s>> {
    let hosts = state.hosts.iter();
    let hosts = hosts.filter(|(name, host)| request.includes(name) && host.is_forward());
    let refused = hosts.filter_map(|(name, host)| {
        let (step, why) = host.no_return.as_ref()?;
        Some(Refusal { host: name, status: host.status, step, why })
    });
    refused.collect()
}

/// Whether a host turns round where a rollback was asked for.
pub(super) fn turns(host: &HostState) -> bool {
    host.is_forward() && host.no_return.is_none()
}
