//! Events: the facts of a run, and the seam between the run and everyone who watches or keeps it.
//!
//! An [`Event`] is a past fact. Events are appended to a [`Journal`] before anything depends on
//! them, folded into [`crate::history::RunState`] by one function, and told to [`Reporter`]s.
//! What may be lost (looks while waiting) is [`Progress`]: it changes no state and is not kept.
//! An event holds facts only; how to show them is the reporter's.

mod locks;
mod millis;
mod redact;
mod request;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::inventory::HostName;
use crate::inventory::Inventory;
use crate::transport::AttemptId;
use crate::transport::Exit;
use crate::transport::TransportError;

pub use self::request::Request;
pub use crate::task::StepPath;
pub use crate::task::TaskId;

/// The name of a run: time-ordered, short enough to type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

/// An event as it is kept.
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
    /// A host was looked at before the first change anywhere.
    PreflightEnded {
        /// The host.
        host: HostName,
        /// What was found.
        verdict: PreflightVerdict,
    },
    /// Every host passed its preflight: changes may begin.
    RunStarted,
    /// Another process took the run up again.
    RunResumed {
        /// Who: `user@machine`.
        by: String,
    },
    /// A host's turn came.
    HostBegun {
        /// The host.
        host: HostName,
    },
    /// Something that only the operator can fix keeps the run from this host: a problem on this
    /// machine, or a sign that the run was restored from an older copy. It is no result of a step.
    HostBlocked {
        /// The host.
        host: HostName,
        /// What is in the way.
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
        /// Why, where it is not success.
        why: Option<Reason>,
    },
    /// A step was begun on a host: nothing was sent yet.
    TaskBegun {
        /// The task.
        task: TaskId,
        /// What it is done for, once each, where it has a `for_each`: never worked out again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Vec<serde_json::Value>>,
        /// How long it may take in all, where it is a block with a `timeout`, or inside of one.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "millis::optional")]
        timeout: Option<Duration>,
    },
    /// So much of the time of a block has passed while a controller counted.
    TimeSpent {
        /// The task of the block.
        task: TaskId,
        /// All that was counted so far.
        #[serde(with = "millis")]
        spent: Duration,
    },
    /// What a begun block requires was looked at again, after another process took the run up, and
    /// holds.
    RequirementsHeld {
        /// The task of the block.
        task: TaskId,
    },
    /// A block in which a part failed is gone through once more, when a time has passed.
    RoundBegun {
        /// The task of the block.
        task: TaskId,
        /// The number of the round, from 2.
        round: u32,
        /// How many there are at most.
        of: u32,
        /// How long it waits before that.
        #[serde(with = "millis")]
        delay: Duration,
        /// Why: what failed.
        why: Reason,
        /// The tasks in the block that are begun anew.
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
        /// The host it runs on (another than the task's where the step is delegated).
        on: HostName,
        /// The command as people read it.
        command: String,
        /// How long it may take.
        #[serde(with = "millis")]
        timeout: Duration,
    },
    /// What came of an attempt.
    AttemptEnded {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptId,
        /// How it ended, or that this is not known.
        outcome: Outcome,
    },
    /// So much of a wait has passed while a controller counted.
    WaitTicked {
        /// The task.
        task: TaskId,
        /// All that was counted so far.
        #[serde(with = "millis")]
        waited: Duration,
    },
    /// A step ended on a host.
    TaskEnded {
        /// The task.
        task: TaskId,
        /// How.
        status: TaskStatus,
        /// Why; for a success what was seen, if it was looked at.
        why: Option<Reason>,
        /// What the step's `id` names from now on.
        result: Option<serde_json::Value>,
    },
    /// A step with a point of no return ended well.
    PointOfNoReturn {
        /// The task.
        task: TaskId,
        /// The plan's sentence.
        why: String,
    },
    /// A person is asked.
    QuestionAsked {
        /// The task.
        task: TaskId,
        /// The question.
        question: Question,
    },
    /// A person answered.
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
    /// A host turned round: its steps are undone from here on.
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
    /// A person or a signal asked for the run to be paused.
    StopRequested {
        /// The signal (`INT`, `TERM`), or who asked.
        by: String,
    },
    /// The run stopped, and goes on with `resume`.
    RunPaused {
        /// Why.
        why: String,
    },
    /// The run ended.
    RunEnded {
        /// How.
        status: RunStatus,
        /// Why, where it is not success.
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
    /// The version of planrun that began the run.
    pub tool: String,
    /// Who began it: `user@machine`.
    pub by: String,
    /// The plan's path as the user named it.
    pub plan_path: String,
    /// The words behind `apply` that start such a run again, `--limit` and secrets left out; none
    /// in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The pattern that kept the run to some hosts of the plan: `--limit`.
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
    /// The files that inputs name, by path: read once, when the run began.
    pub files: BTreeMap<String, FileContent>,
    /// Where secrets were read from, for a resume; they themselves are not kept.
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
    /// The place of the block, or of the step, that holds it.
    pub parent: Option<StepPath>,
    /// Its `name`, else its action in short.
    pub title: String,
    /// The word of its action: `run`, `wait`, ...
    pub action: String,
    /// Whether it belongs to a way back.
    pub handler: bool,
}

/// What a preflight found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreflightVerdict {
    /// Every claim held.
    Held,
    /// The host was reached, and the plan has no preflight to check.
    Reached,
    /// Some did not.
    NotHeld(Reason),
    /// The host, or one that had to be looked at, gave no answer.
    NoAnswer(TransportError),
}

/// Why something is as it is, with what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// In words.
    pub text: String,
    /// The conditions that were looked at for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Seen>,
}

impl Reason {
    /// Makes a reason of words alone.
    pub fn of(text: &impl ToString) -> Self {
        Self { text: text.to_string(), seen: Vec::new() }
    }
}

/// One condition and the values it was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The claim in words; the condition itself where the plan gives no words.
    pub claim: String,
    /// The condition as written.
    pub condition: String,
    /// What came of it.
    pub truth: Truth,
    /// The parts of it that were looked at, and their values, as people read them.
    pub values: Vec<(String, String)>,
    /// Why it cannot be told.
    pub error: Option<String>,
}

/// The value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told: a look failed or did not parse.
    Unknown,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran and ended.
    Ended {
        /// How.
        exit: Exit,
        /// What it printed, as text.
        stdout: String,
        /// What it complained of, as text.
        stderr: String,
        /// Whether the middle of one of them is missing: a line there says how much.
        #[serde(default, skip_serializing_if = "is_false")]
        cut: bool,
    },
    /// It was not sent; nothing happened.
    NotSent(TransportError),
    /// planrun was stopped before it was sent: its host says that it never started, and it cannot
    /// start any more.
    NeverStarted,
    /// It may or may not have happened.
    Unknown {
        /// Why this is not known.
        why: String,
        /// Whether it may still be running: then nothing may be sent again. `None` if its host cannot
        /// report it: then the operator decides.
        running: Option<bool>,
    },
}

impl Outcome {
    /// Whether it is not known to be over.
    pub fn may_be_running(&self) -> bool {
        matches!(self, Self::Unknown { running: Some(true) | None, .. })
    }
}

/// The states of a task that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Something was sent, and it is done.
    Changed,
    /// Nothing needed to be sent: already so, or a step that changes nothing.
    Unchanged,
    /// It did not come about.
    Failed,
    /// It was ended because it took too long.
    TimedOut,
    /// Whether it came about cannot be told.
    Unknown,
    /// Its `when` does not hold, or a person skipped it.
    Skipped,
}

impl TaskStatus {
    /// Whether what follows may go on.
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
    /// Its turn has not come.
    #[default]
    NotStarted,
    /// It is being worked on.
    Active,
    /// All its steps ended well.
    Succeeded,
    /// Its preflight did not hold; nothing was sent.
    Refused,
    /// A step failed and nothing was undone: there was nothing, or it was past the point of no
    /// return, or the run was aborted.
    Failed,
    /// It could not be reached.
    Unreachable,
    /// It does not prove to be itself; nothing is sent to it any more.
    Quarantined,
    /// Its steps are being undone.
    RollingBack,
    /// Its steps are undone.
    RolledBack,
    /// Undoing failed: a person is needed.
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
    /// Preflight: nothing was changed yet.
    Planned,
    /// Preflight did not hold; nothing was changed.
    Refused,
    /// Under way, or its controller was killed.
    Running,
    /// Stopped by a person, a signal or an open question; goes on with `resume`.
    Paused,
    /// All hosts succeeded.
    Succeeded,
    /// Hosts failed, and all of these that were changed are rolled back; or a person asked for it.
    RolledBack,
    /// It did not come about everywhere, and hosts keep what was done.
    Failed,
    /// Undoing failed on a host.
    Stuck,
    /// Ended by an operator.
    Aborted,
}

impl RunStatus {
    /// Whether a run goes on neither by itself nor by an answer.
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

    /// Returns the word people read; the same as in JSON but for the blank.
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

/// A question to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// What was seen.
    pub why: Reason,
    /// What may be answered.
    pub answers: Vec<Answer>,
}

/// An answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To `approve`: go on.
    Approve,
    /// To `approve`: do not; the step fails.
    Reject,
    /// To a wait that ended without success: go on as if it had.
    Continue,
    /// To a wait: wait once more, as long again.
    Wait,
    /// To a failed step, or one of unknown end: try it again.
    Retry,
    /// To a failed step: leave it out.
    Skip,
    /// The step fails.
    Fail,
    /// To a step of unknown end: it is done.
    Done,
    /// To a step of unknown end: it did not happen; send it.
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
            Self::Approve => "go on",
            Self::Continue => "go on as it is",
            Self::Wait => "wait as long again",
            Self::Retry => "try the step again",
            Self::Skip => "leave the step out and go on",
            Self::Reject | Self::Fail => "fail the step",
            Self::Done => "it is done, go on",
            Self::NotDone => "it did not happen, send it",
        }
    }
}

/// News that are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A wait looked and goes on.
    Waiting {
        /// The task.
        task: TaskId,
        /// What it waits for, as written; `None` for a plain wait.
        until: Option<String>,
        /// The values seen last.
        values: Vec<(String, String)>,
        /// Why it cannot be told, if it cannot.
        error: Option<String>,
        /// How long it has waited.
        waited: Duration,
        /// How long it waits at most.
        limit: Duration,
        /// How long the condition has been observed to be true without a break, of how long it must
        /// be; `None` while it is not, and for a wait without `stable_for`.
        stable: Option<(Duration, Duration)>,
    },
    /// A machine cannot be reached, and is tried again.
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
        /// The number of the attempt that comes, from 1.
        ordinal: u32,
        /// How many there are at most.
        of: u32,
        /// How long until then.
        delay: Duration,
        /// Why.
        why: String,
    },
}

/// Where events are kept.
#[async_trait(?Send)]
pub trait Journal {
    /// Keeps records, in order and all or none. When this returns they survive a crash.
    async fn append(&self, records: &[Record]) -> Result<(), JournalError>;
}

/// A record could not be kept. The run is poisoned: nothing more is begun.
#[derive(Debug, thiserror::Error)]
#[error("the journal of the run could not be written: {0}")]
pub struct JournalError(pub String);

/// Who is told of events and progress. Told after the event is kept; may fail without harm.
pub trait Reporter {
    /// Takes an event.
    fn event(&mut self, record: &Record);

    /// Takes news that may be lost. `now` is the time of the run's clock.
    fn progress(&mut self, progress: &Progress, now: Timestamp) {
        let _ = (progress, now);
    }
}
