//! Events: the facts of a run, and the interface between the run, its reporters and its journal.
//!
//! An [`Event`] is a past fact. Events are appended to a [`Journal`] before anything depends on
//! them, folded into [`crate::history::RunState`] by one function, and passed to [`Reporter`]s.
//! What may be lost (the progress of a wait) is [`Progress`]: it changes no state and is not stored.
//! An event contains facts only; reporters show them.

mod locks;
mod millis;
mod redact;
mod request;
mod subject;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::inventory::{HostName, Inventory};
use crate::transport::{AttemptId, Exit, TransportError};

pub use self::request::Request;
pub use self::subject::Subject;
pub use crate::task::{StepPath, TaskId};

/// The name of a run: time-ordered, short enough to type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number in the run, from 1.
    pub seq: u64,
    /// Which process wrote it: raised whenever another one takes the run over.
    pub epoch: u64,
    /// When, by the wall clock of the run (virtual on model hosts).
    pub at: Timestamp,
    /// The fact.
    pub event: Event,
}

/// A past fact of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event of every run: all that a resume needs, and an outline for reports.
    RunPlanned(Box<RunPlanned>),
    /// The preflight of a host has ended.
    PreflightEnded {
        /// The host.
        host: HostName,
        /// Its result.
        verdict: PreflightVerdict,
    },
    /// Every host passed its preflight: changes may start.
    RunStarted,
    /// Another process continues the run.
    RunResumed {
        /// Who: `user@machine`.
        by: String,
    },
    /// A host was started.
    HostBegun {
        /// The host.
        host: HostName,
    },
    /// Something that only the operator can fix keeps the run from this host: a problem on this
    /// machine, or a sign that the run was restored from an older copy. No step has failed.
    HostBlocked {
        /// The host.
        host: HostName,
        /// The problem.
        why: String,
        /// Whether it fails its host key verification: nothing is sent to it, not even a rollback.
        #[serde(default, skip_serializing_if = "is_false")]
        quarantined: bool,
    },
    /// A host showed its host key for the first time in this run. A resume expects the same key.
    HostKeySeen {
        /// The host.
        host: HostName,
        /// The key, as `known_hosts` has it.
        key: String,
    },
    /// A host reached an end.
    HostEnded {
        /// The host.
        host: HostName,
        /// Which end.
        status: HostStatus,
        /// Why, if it is not success.
        why: Option<Reason>,
    },
    /// A step was started on a host: nothing was sent yet.
    TaskBegun {
        /// The task.
        task: TaskId,
        /// Its items, if it has a `for_each`: never evaluated again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Vec<serde_json::Value>>,
        /// Its maximum duration, if it is a block with a `timeout`, or inside of one.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "millis::optional")]
        timeout: Option<Duration>,
    },
    /// How much of the timeout of a block has passed while a controller was running.
    TimeSpent {
        /// The task of the block.
        task: TaskId,
        /// The total so far.
        #[serde(with = "millis")]
        spent: Duration,
    },
    /// The `requires` of a started block passed again, after another process took over the run.
    RequirementsHeld {
        /// The task of the block.
        task: TaskId,
    },
    /// A block in which a part failed is attempted again after a delay.
    RoundBegun {
        /// The task of the block.
        task: TaskId,
        /// The number of the attempt, from 2.
        round: u32,
        /// How many there are at most.
        of: u32,
        /// The delay before it.
        #[serde(with = "millis")]
        delay: Duration,
        /// Why: what failed.
        why: Reason,
        /// The tasks in the block that are started again.
        again: Vec<StepPath>,
    },
    /// A command is about to be sent. Nothing leaves before this is committed.
    AttemptIntended {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptId,
        /// Its number among the attempts at the task, from 1.
        ordinal: u32,
        /// The host it runs on (not the host of the task if the step is delegated).
        on: HostName,
        /// The command as it is shown.
        command: String,
        /// How long it may take.
        #[serde(with = "millis")]
        timeout: Duration,
    },
    /// An attempt has an outcome.
    AttemptEnded {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptId,
        /// The outcome.
        outcome: Outcome,
    },
    /// How much of a wait has passed while a controller was running.
    WaitTicked {
        /// The task.
        task: TaskId,
        /// The total so far.
        #[serde(with = "millis")]
        waited: Duration,
    },
    /// A step ended on a host.
    TaskEnded {
        /// The task.
        task: TaskId,
        /// How.
        status: TaskStatus,
        /// Why; for a success, the observed values if there are any.
        why: Option<Reason>,
        /// What the step's `id` names from now on.
        result: Option<serde_json::Value>,
    },
    /// A step with a point of no return succeeded.
    PointOfNoReturn {
        /// The task.
        task: TaskId,
        /// The plan's sentence.
        why: String,
    },
    /// The operator is asked.
    QuestionAsked {
        /// The task.
        task: TaskId,
        /// The question.
        question: Question,
    },
    /// The operator answered.
    QuestionAnswered {
        /// The task.
        task: TaskId,
        /// What.
        answer: Answer,
        /// Why.
        reason: Option<String>,
        /// Who: `user@machine`.
        by: String,
    },
    /// The rollback of a host started.
    RollbackBegun {
        /// The host.
        host: HostName,
        /// Why.
        why: Reason,
    },
    /// The operator asked for hosts to be rolled back.
    RollbackRequested {
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
        /// The hosts to roll back; `None` for all hosts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hosts: Option<Vec<HostName>>,
    },
    /// An operator or a signal requested a pause.
    StopRequested {
        /// The signal (`INT`, `TERM`), or who asked.
        by: String,
    },
    /// The run stopped, and continues with `resume`.
    RunPaused {
        /// Why.
        why: String,
    },
    /// The run ended.
    RunEnded {
        /// How.
        status: RunStatus,
        /// Why, if it is not success.
        why: Option<String>,
    },
}

impl Event {
    /// A host that an error keeps the run from ([`TransportError::blocks`]).
    pub fn blocked(host: &HostName, error: &TransportError) -> Self {
        let quarantined = matches!(error, TransportError::HostKey { .. });
        Self::HostBlocked { host: host.clone(), why: error.to_string(), quarantined }
    }

    /// Returns the host that it is about.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::PreflightEnded { host, .. }
            | Self::HostBegun { host }
            | Self::HostBlocked { host, .. }
            | Self::HostEnded { host, .. }
            | Self::RollbackBegun { host, .. } => Some(host),
            Self::TaskBegun { task, .. }
            | Self::TimeSpent { task, .. }
            | Self::RequirementsHeld { task }
            | Self::RoundBegun { task, .. }
            | Self::AttemptIntended { task, .. }
            | Self::AttemptEnded { task, .. }
            | Self::WaitTicked { task, .. }
            | Self::TaskEnded { task, .. }
            | Self::PointOfNoReturn { task, .. }
            | Self::QuestionAsked { task, .. }
            | Self::QuestionAnswered { task, .. } => Some(&task.host),
            Self::RunPlanned(_)
            | Self::RunStarted
            | Self::RunResumed { .. }
            | Self::RollbackRequested { .. }
            | Self::StopRequested { .. }
            | Self::RunPaused { .. }
            | Self::HostKeySeen { .. }
            | Self::RunEnded { .. } => None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// See [`Event::RunPlanned`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPlanned {
    /// The version of this format.
    pub format: u32,
    /// The version of planrun that started the run.
    pub tool: String,
    /// Who started it: `user@machine`.
    pub by: String,
    /// The plan's path as the user named it.
    pub plan_path: String,
    /// The arguments of `apply` that start the same run again, without `--limit` and secrets; empty
    /// in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The pattern of `--limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The plan's text: a resume does not depend on a file edited since.
    pub plan_text: String,
    /// SHA-256 of the plan's text, in hex.
    pub plan_digest: String,
    /// The inventory as it was.
    pub inventory: Inventory,
    /// The hosts of the run, in its order.
    pub hosts: Vec<HostName>,
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
    /// The plan's name.
    pub plan: String,
    /// What it is for.
    pub summary: Option<String>,
    /// At most so many hosts at a time, batch by batch; the last repeats.
    pub serial: Vec<usize>,
    /// All steps, handlers and rescues included, in the order of the plan.
    pub steps: Vec<OutlineStep>,
}

/// A step in an [`Outline`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineStep {
    /// Its place.
    pub path: StepPath,
    /// The place of the block or step that contains it.
    pub parent: Option<StepPath>,
    /// Its `name`, else its action in short.
    pub title: String,
    /// The key of its action: `run`, `wait`, ...
    pub action: String,
    /// Whether it belongs to a handler.
    pub handler: bool,
}

/// The result of a preflight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreflightVerdict {
    /// Every check passed.
    Held,
    /// The host was reached, and the plan has no preflight to check.
    Reached,
    /// A check failed or is unknown.
    NotHeld(Reason),
    /// The host, or one that a check needs, could not be used.
    NoAnswer(TransportError),
}

impl PreflightVerdict {
    /// Returns how a host ends with it, and why; `None` if changes may start on it.
    pub fn refusal(&self) -> Option<(HostStatus, Reason)> {
        let error = match self {
            Self::Held | Self::Reached => return None,
            Self::NotHeld(why) => return Some((HostStatus::Refused, why.clone())),
            Self::NoAnswer(error) => error,
        };
        let status = match error {
            TransportError::HostKey { .. } => HostStatus::Quarantined,
            error if error.is_away() => HostStatus::Unreachable,
            _ => HostStatus::Refused,
        };
        Some((status, Reason::of(error.to_string())))
    }
}

/// Why something happened, with the observed values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// As text.
    pub text: String,
    /// The conditions that were evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Seen>,
}

impl Reason {
    /// Makes a reason without conditions.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), seen: Vec::new() }
    }
}

/// A condition and its observed values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The sentence of the check; the condition itself if the plan has no sentence.
    pub claim: String,
    /// The condition as written.
    pub condition: String,
    /// Its value.
    pub truth: Truth,
    /// Its parts that were evaluated, and their values, as they are shown.
    pub values: Vec<(String, String)>,
    /// Why it is unknown.
    pub error: Option<String>,
}

/// The value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It is true.
    True,
    /// It is false.
    False,
    /// A probe failed, or its output could not be parsed.
    Unknown,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran and ended.
    Ended {
        /// How.
        exit: Exit,
        /// Its standard output, as text.
        stdout: String,
        /// Its standard error, as text.
        stderr: String,
        /// Whether the middle of one of them is missing: a line there shows how much.
        #[serde(default, skip_serializing_if = "is_false")]
        cut: bool,
    },
    /// It was not sent; nothing happened.
    NotSent(TransportError),
    /// planrun was stopped before it was sent: its host reports that it never started, and it cannot
    /// start later.
    NeverStarted,
    /// It may or may not have run.
    Unknown {
        /// Why this is not known.
        why: String,
        /// Whether it may still be running: then nothing may be sent again. `None` if its host cannot
        /// report it: then the operator decides.
        running: Option<bool>,
    },
}

impl Outcome {
    /// Whether it may still be running.
    pub fn may_be_running(&self) -> bool {
        matches!(self, Self::Unknown { running: Some(true) | None, .. })
    }
}

/// The states of a task that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// An effect ran, and the step is done.
    Changed,
    /// The step was already done, or changes nothing.
    Unchanged,
    /// It did not succeed.
    Failed,
    /// It exceeded its timeout.
    TimedOut,
    /// planrun cannot tell whether it took effect.
    Unknown,
    /// Its `when` is false, or the operator skipped it.
    Skipped,
}

impl TaskStatus {
    /// Whether the steps after it may run.
    pub fn is_well(self) -> bool {
        match self {
            Self::Changed | Self::Unchanged | Self::Skipped => true,
            Self::Failed | Self::TimedOut | Self::Unknown => false,
        }
    }

    /// Returns the word people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

/// The states of a host in a run.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostStatus {
    /// planrun has not worked on it.
    #[default]
    NotStarted,
    /// It is being worked on.
    Active,
    /// All its steps succeeded.
    Succeeded,
    /// Its preflight failed; nothing was changed.
    Refused,
    /// A step failed and nothing was undone: there was nothing, or it was past the point of no
    /// return, or the run was aborted.
    Failed,
    /// It could not be reached.
    Unreachable,
    /// It fails host key verification; nothing more is sent to it.
    Quarantined,
    /// Its steps are being undone.
    RollingBack,
    /// Its steps are undone.
    RolledBack,
    /// A handler failed: the operator must repair the host.
    Stuck,
}

impl HostStatus {
    /// Returns the word people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::Active => "active",
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Quarantined => "quarantined",
            Self::RollingBack => "rolling back",
            Self::RolledBack => "rolled back",
            Self::Stuck => "stuck",
        }
    }
}

/// The states of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Preflight is running; nothing was changed yet.
    Planned,
    /// Preflight failed; nothing was changed.
    Refused,
    /// In progress, or its controller was killed.
    Running,
    /// Stopped by an operator, a signal or an open question; continues with `resume`.
    Paused,
    /// All hosts succeeded.
    Succeeded,
    /// Hosts failed and those that were changed are rolled back, or an operator requested it.
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
        match self {
            Self::Planned => "planned",
            Self::Refused => "refused",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled back",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Aborted => "aborted",
        }
    }
}

/// A question to the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The question.
    pub text: String,
    /// The observed values.
    pub why: Reason,
    /// The possible answers.
    pub answers: Vec<Answer>,
}

/// An answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To `approve`: continue.
    Approve,
    /// To `approve`: the step fails.
    Reject,
    /// To a wait that timed out: continue anyway.
    Continue,
    /// To a wait: wait again, for the same time.
    Wait,
    /// To a step that failed or is unknown: run it again.
    Retry,
    /// To a failed step: skip it.
    Skip,
    /// The step fails.
    Fail,
    /// To a step that is unknown: it took effect.
    Done,
    /// To a step that is unknown: it did not take effect; run it.
    NotDone,
}

impl Answer {
    /// All answers.
    pub const ALL: [Self; 9] = [
        Self::Approve,
        Self::Reject,
        Self::Continue,
        Self::Wait,
        Self::Retry,
        Self::Skip,
        Self::Fail,
        Self::Done,
        Self::NotDone,
    ];

    /// Returns the word to type.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Continue => "continue",
            Self::Wait => "wait",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Fail => "fail",
            Self::Done => "done",
            Self::NotDone => "not-done",
        }
    }

    /// Returns what it does, for a prompt.
    pub fn about(self) -> &'static str {
        match self {
            Self::Approve => "continue",
            Self::Continue => "continue anyway",
            Self::Wait => "wait again, for the same time",
            Self::Retry => "run the step again",
            Self::Skip => "skip the step and continue",
            Self::Reject | Self::Fail => "fail the step",
            Self::Done => "it took effect; continue",
            Self::NotDone => "it did not take effect; run it",
        }
    }
}

/// Progress, which is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A wait has checked its condition and continues.
    Waiting {
        /// The task.
        task: TaskId,
        /// What it waits for, as written; `None` for a plain wait.
        until: Option<String>,
        /// The last observed values.
        values: Vec<(String, String)>,
        /// Why the condition is unknown, if it is.
        error: Option<String>,
        /// How long it has waited.
        waited: Duration,
        /// How long it waits at most.
        limit: Duration,
        /// How long the condition has been observed to be true without a break, of how long it must
        /// be; `None` while it is not, and for a wait without `stable_for`.
        stable: Option<(Duration, Duration)>,
    },
    /// A machine cannot be reached, and planrun tries again.
    Away {
        /// The task that needs it.
        task: TaskId,
        /// The machine.
        on: HostName,
        /// Why.
        why: String,
        /// How long it has been away.
        away: Duration,
        /// How long it may be.
        limit: Duration,
    },
    /// A failed attempt is going to be repeated.
    Retrying {
        /// The task.
        task: TaskId,
        /// The number of the next attempt, from 1.
        ordinal: u32,
        /// How many there are at most.
        of: u32,
        /// How long until then.
        delay: Duration,
        /// Why.
        why: String,
    },
}

/// Stores events.
#[async_trait(?Send)]
pub trait Journal {
    /// Stores records, in order and all or none. When this returns they survive a crash.
    async fn append(&self, records: &[Record]) -> Result<(), JournalError>;
}

/// A record could not be stored. Nothing more is started in this run.
#[derive(Debug, thiserror::Error)]
#[error("the journal of the run could not be written: {0}")]
pub struct JournalError(pub String);

/// Receives events, after they are stored, and progress. A failure is harmless.
pub trait Reporter {
    /// Takes an event.
    fn event(&mut self, record: &Record);

    /// Takes progress. `now` is the time of the run's clock.
    fn progress(&mut self, progress: &Progress, now: Timestamp) {
        let _ = (progress, now);
    }
}
