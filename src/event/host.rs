//! Events of a host, and its status.

use serde::{Deserialize, Serialize};

use super::{Event, Reason, RunStatus, is_false};
use crate::inventory::HostName;
use crate::transport::TransportError;

/// A past fact of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum HostEvent {
    PreflightEnded {
        verdict: PreflightVerdict,
    },
    #[serde(rename = "host_begun")]
    Started,
    /// Something that only the operator can fix keeps the run from this host: a problem on this
    /// machine, or a sign that the run was restored from an older copy. No step has failed.
    #[serde(rename = "host_blocked")]
    Blocked {
        why: String,
        /// Whether it fails its host key verification: nothing is sent to it, not even a rollback.
        #[serde(default, skip_serializing_if = "is_false")]
        quarantined: bool,
        /// Whether another run has locked it.
        #[serde(default, skip_serializing_if = "is_false")]
        locked: bool,
    },
    /// A host, of the run or not, showed its host key for the first time in this run. A resume
    /// expects the same key.
    #[serde(rename = "host_key_seen")]
    KeySeen {
        /// The key, as in `known_hosts`.
        key: String,
    },
    /// A host, of the run or of its `locks`, was locked.
    #[serde(rename = "host_locked")]
    Locked {
        /// The boot of the host; the lock ends with it. `None` if it is not known.
        boot: Option<String>,
        /// Why it had to be locked again: another run may have changed it meanwhile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<String>,
    },
    /// The lock of a host could not be released at the end of the run.
    #[serde(rename = "host_lock_left")]
    LockLeft {
        why: String,
        /// The name of the lock.
        id: String,
    },
    #[serde(rename = "host_ended")]
    Ended {
        status: HostStatus,
        /// Why, if it is not success.
        why: Option<Reason>,
    },
    #[serde(rename = "rollback_begun")]
    RollbackStarted {
        why: Reason,
    },
    /// The run is about to end: what the setup has left is torn down.
    TeardownStarted {
        /// How the run ends.
        run: RunStatus,
    },
}

impl HostEvent {
    /// A host that an error keeps the run from ([`TransportError::blocks`]).
    pub fn blocked(error: &TransportError, host: &HostName) -> Event {
        let quarantined = matches!(error, TransportError::HostKey { .. });
        let locked = matches!(error, TransportError::Locked { .. });
        Self::Blocked { why: error.on(host), quarantined, locked }.of(host)
    }

    pub fn of(self, host: &HostName) -> Event {
        Event::Host { host: host.clone(), event: self }
    }
}

/// The result of a preflight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreflightVerdict {
    #[serde(rename = "held")]
    Passed,
    /// The host was reached, and the plan has no preflight to check.
    Reached,
    /// A check failed or is unknown.
    #[serde(rename = "not_held")]
    Failed(Reason),
    /// The host, or one that a check needs, could not be used.
    NoAnswer(TransportError),
}

impl PreflightVerdict {
    /// Returns how a host ends with it; `None` if changes may start on it.
    pub fn refusal(&self) -> Option<HostStatus> {
        match self {
            Self::Passed | Self::Reached => None,
            Self::NoAnswer(TransportError::HostKey { .. }) => Some(HostStatus::Quarantined),
            Self::NoAnswer(error) if error.is_away() => Some(HostStatus::Unreachable),
            Self::NoAnswer(_) | Self::Failed(_) => Some(HostStatus::Refused),
        }
    }

    /// Returns why changes may not start on this host.
    pub fn why(&self, host: &HostName) -> Option<Reason> {
        match self {
            Self::Passed | Self::Reached => None,
            Self::Failed(why) => Some(why.clone()),
            Self::NoAnswer(error) => Some(Reason::of(error.on(host))),
        }
    }
}

/// The states of a host in a run.
#[derive(
    Default, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
pub enum HostStatus {
    /// planrun has not worked on it.
    #[default]
    #[strum(serialize = "not started")]
    NotStarted,
    /// It is being worked on.
    Active,
    /// All its steps succeeded.
    Succeeded,
    /// Its preflight failed; nothing was changed.
    Refused,
    /// A step failed and nothing was undone: there was nothing, or it was past the point of no
    /// return.
    Failed,
    /// It could not be reached.
    Unreachable,
    /// It fails host key verification; nothing more is sent to it.
    Quarantined,
    /// Its steps are being undone.
    #[strum(serialize = "rolling back")]
    RollingBack,
    /// The teardowns of its steps are running; only of the setup.
    #[strum(serialize = "tearing down")]
    TearingDown,
    /// Its steps are undone.
    #[strum(serialize = "rolled back")]
    RolledBack,
    /// A handler failed: the operator must repair the host.
    Stuck,
    /// The operator ended the run while planrun was working on it; it stays as it is.
    Aborted,
}

impl HostStatus {
    /// Returns the word people read.
    pub fn word(self) -> &'static str {
        self.into()
    }
}
