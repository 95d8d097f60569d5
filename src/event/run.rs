//! Events of a run, and its status.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::event::{Reason, is_false};
use crate::inventory::{HostName, Inventory};
use crate::task::{Stage, StepPath};

/// A past fact of a run as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The first event of every run: all that a resume needs, and an outline for reports.
    #[serde(rename = "run_planned")]
    Planned(Box<RunPlanned>),
    /// Every host passed its preflight: changes may start.
    #[serde(rename = "run_started")]
    Started,
    /// Another process continues the run.
    #[serde(rename = "run_resumed")]
    Resumed {
        /// `user@machine`.
        by: String,
    },
    /// Before a batch: which of the hosts that have not started `order` of the plan puts first, or last.
    #[serde(rename = "batch_ordered")]
    Ordered {
        /// Whether they are put last.
        last: bool,
        hosts: Vec<HostName>,
        /// What was observed on them.
        why: Reason,
    },
    /// The operator asked for hosts to be rolled back.
    RollbackRequested {
        by: String,
        reason: Option<String>,
        /// The hosts to roll back; `None` for all hosts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hosts: Option<Vec<HostName>>,
    },
    /// The operator wants the run to end as it is. Only what the setup has left is torn down.
    AbortRequested { by: String, reason: Option<String> },
    /// An operator or a signal requested a pause.
    StopRequested {
        /// The signal (`INT`, `TERM`), or who asked.
        by: String,
    },
    /// The run stopped, and continues with `resume`.
    #[serde(rename = "run_paused")]
    Paused { why: String },
    #[serde(rename = "run_ended")]
    Ended {
        status: RunStatus,
        /// Why, if it is not success.
        why: Option<String>,
    },
}

/// See [`RunEvent::Planned`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPlanned {
    /// The version of this format.
    pub format: u32,
    /// The version of planrun that started the run.
    pub tool: String,
    /// Who started it: `user@machine`.
    pub by: String,
    /// Why it was started, in the words of the operator (`--reason`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The labels of the operator (`--label`): the number of a ticket, a team.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub labels: IndexMap<String, String>,
    /// The git commit that has this text of the plan at this path; `None` if no commit that was checked
    /// out has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The plan's path as the user named it.
    pub plan_path: String,
    /// The arguments of `apply` that start the same run again, without `--limit` and secrets; empty
    /// in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The pattern of `--limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The number of `--serial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<usize>,
    /// The plan's text: a resume does not depend on a file edited since.
    pub plan_text: String,
    /// SHA-256 of the plan's text, in hex.
    pub plan_digest: String,
    pub inventory: Inventory,
    /// The hosts of the run, in its order.
    pub hosts: Vec<HostName>,
    /// The stages of the plan that have steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// The hosts that `locks` of the plan names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<HostName>,
    /// The values of the inputs for each of them.
    pub inputs: IndexMap<HostName, IndexMap<String, serde_json::Value>>,
    /// The files that inputs name, by path: read once, when the run started.
    pub files: BTreeMap<String, FileContent>,
    /// Where secrets were read from, for a resume; secrets are not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretSources>,
    /// The models of model hosts, by the path the inventory names them with.
    pub models: BTreeMap<String, String>,
    /// The steps, for reports.
    pub outline: Outline,
}

/// The files that secrets were read from: a resume reads them again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSources {
    /// The file of inputs, if there was one.
    pub inputs: Option<String>,
    /// The inventory, of a run that could have only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<String>,
    /// The inventories, the later over the earlier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventories: Vec<String>,
}

/// The content of a file that an input names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContent {
    /// SHA-256, in hex.
    pub digest: String,
    /// The bytes, in hex.
    pub hex: String,
}

/// What reports know of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    pub plan: String,
    /// What it is for.
    pub summary: Option<String>,
    /// At most so many hosts at a time, batch by batch; the last repeats. Empty if each group has its own.
    pub serial: Vec<usize>,
    /// The same for each group, one group after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serial_groups: Vec<(String, Vec<usize>)>,
    /// All steps, handlers and rescues included, in the order of the plan.
    pub steps: Vec<OutlineStep>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineStep {
    pub path: StepPath,
    /// The place of the block or step that contains it.
    pub parent: Option<StepPath>,
    /// The stage that it belongs to; `None` for a step of each host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Its `name`, else its action in short.
    pub title: String,
    /// The key of its action: `run`, `wait`, ...
    pub action: String,
    /// Whether it belongs to a handler.
    pub handler: bool,
    /// Whether it is a teardown, as a whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub teardown: bool,
}

/// The states of a run.
#[derive(
    Default, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
pub enum RunStatus {
    /// Preflight is running; nothing was changed yet.
    #[default]
    Planned,
    /// Preflight failed; nothing was changed.
    Refused,
    /// In progress, or its controller was killed.
    Running,
    /// Stopped by an operator, a signal or an open question; continues with `resume`.
    Paused,
    Succeeded,
    /// Hosts failed and those that were changed are rolled back, or an operator requested it.
    #[strum(serialize = "rolled back")]
    RolledBack,
    /// It did not succeed on every host, and hosts keep their changes.
    Failed,
    /// The rollback of a host failed.
    Stuck,
    /// Ended by an operator.
    Aborted,
}

impl RunStatus {
    /// Whether a run can no longer continue.
    pub fn has_ended(self) -> bool {
        match self {
            Self::Refused | Self::Succeeded | Self::RolledBack | Self::Failed | Self::Aborted => {
                true
            }
            Self::Planned | Self::Running | Self::Paused | Self::Stuck => false,
        }
    }

    /// Whether a process should be working on the run.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Planned | Self::Running)
    }

    /// Returns the word people read; the same as in JSON except for the space.
    pub fn word(self) -> &'static str {
        self.into()
    }
}
