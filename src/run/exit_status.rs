//! The exit code that shows how a run ended.

use crate::event::{HostStatus, PreflightVerdict, RunStatus};
use crate::history::{HostState, RunState};
use crate::transport::TransportError;

/// Returns the exit code of a run that has ended or paused: the most severe that applies.
///
/// 0 succeeded, or rolled back on request; 1 failed and rolled back; 2 refused; 3 failed, and not
/// everything is rolled back; 4 unreachable before any change; 5 stuck; 6 paused; 7 another run has locked
/// a host; 77 host key verification or a privilege was refused.
pub fn exit_status(state: &RunState) -> u8 {
    match state.status {
        RunStatus::Succeeded => 0,
        RunStatus::RolledBack if state.rollback.is_some() => 0,
        RunStatus::RolledBack => 1,
        RunStatus::Refused => {
            let errors: Vec<&TransportError> = state
                .hosts
                .values()
                .flat_map(|host| [&host.preflight, &host.last_preflight])
                .filter_map(|verdict| match verdict {
                    Some(PreflightVerdict::NoAnswer(error)) => Some(error),
                    _ => None,
                })
                .collect();
            let refused = |error: &&TransportError| {
                matches!(error, TransportError::HostKey { .. } | TransportError::Denied { .. })
            };
            let away = |error: &&TransportError| error.is_away();
            let locked = |error: &&TransportError| matches!(error, TransportError::Locked { .. });
            if errors.iter().any(refused) {
                77
            } else if errors.iter().any(locked) {
                7
            } else if errors.iter().any(away) {
                4
            } else {
                2
            }
        }
        RunStatus::Failed | RunStatus::Aborted => 3,
        RunStatus::Stuck => 5,
        RunStatus::Planned | RunStatus::Running | RunStatus::Paused => {
            // A stuck host outweighs the pause of the others.
            let any = |is: fn(&HostState) -> bool| state.hosts.values().any(is);
            if any(|host| host.status == HostStatus::Stuck) {
                5
            } else if any(|host| host.is_locked) {
                7
            } else {
                6
            }
        }
    }
}
