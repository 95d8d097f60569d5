//! Events of a task, its status, the outcomes of its attempts, its questions.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Approval, Event, Reason, Uncounted, is_false, millis};
use crate::inventory::HostName;
use crate::task::{StepPath, TaskId};
use crate::transport::{AttemptId, Exit, TransportError};

/// A past fact of a task: a step on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TaskEvent {
    /// Nothing was sent yet.
    #[serde(rename = "task_begun")]
    Started {
        /// Its items, if it has a `for_each`: never evaluated again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Vec<serde_json::Value>>,
        /// Its maximum duration, if it is a block with a `timeout`, or inside of one.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "millis::optional")]
        timeout: Option<Duration>,
    },
    /// How much of the timeout of a block has passed while a controller was running.
    TimeSpent {
        /// The total so far.
        #[serde(with = "millis")]
        spent: Duration,
    },
    /// The `requires` of a started block passed again, after another process took over the run.
    #[serde(rename = "requirements_held")]
    RequirementsPassed,
    /// A block in which a part failed is attempted again after a delay.
    #[serde(rename = "round_begun")]
    BlockRetried {
        /// The number of the attempt, from 2.
        round: u32,
        /// How many there are at most.
        of: u32,
        #[serde(with = "millis")]
        delay: Duration,
        why: Reason,
        /// The tasks in the block that are started again.
        again: Vec<StepPath>,
    },
    /// A command is about to be sent. Nothing leaves before this is committed.
    AttemptIntended {
        attempt: AttemptId,
        /// Its number among the attempts at the task, from 1.
        ordinal: u32,
        /// The host it runs on (not the host of the task if the step is delegated).
        on: HostName,
        /// The command as it is shown.
        command: String,
        #[serde(with = "millis")]
        timeout: Duration,
    },
    AttemptEnded {
        attempt: AttemptId,
        outcome: Outcome,
    },
    /// How much of a wait has passed while a controller was running.
    WaitTicked {
        /// The total so far.
        #[serde(with = "millis")]
        waited: Duration,
    },
    #[serde(rename = "task_ended")]
    Ended {
        status: TaskStatus,
        /// Why; for a success, the observed values if there are any.
        why: Option<Reason>,
        /// What the step's `id` names from now on.
        result: Option<serde_json::Value>,
    },
    /// A step with a point of no return succeeded.
    PointOfNoReturn {
        why: String,
        /// Whether nothing of the run is undone any more, not only on this host.
        #[serde(default, skip_serializing_if = "is_false")]
        all_hosts: bool,
    },
    QuestionAsked {
        question: Question,
    },
    QuestionAnswered {
        answer: Answer,
        reason: Option<String>,
        /// `user@machine`.
        by: String,
    },
    /// The time of a question has passed: the step fails.
    QuestionExpired,
}

impl TaskEvent {
    pub fn of(self, task: &TaskId) -> Event {
        Event::Task { task: task.clone(), event: self }
    }
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ended {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
pub enum TaskStatus {
    /// An effect ran, and the step is done.
    Changed,
    /// The step was already done, or changes nothing.
    Unchanged,
    /// It did not succeed.
    Failed,
    /// It exceeded its timeout.
    #[strum(serialize = "timed out")]
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
        self.into()
    }
}

/// A question to the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub text: String,
    pub why: Reason,
    pub answers: Vec<Answer>,
    /// What an `approve` asks for, if it is more than one answer at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

impl Question {
    pub fn new(text: String, why: Reason, answers: Vec<Answer>) -> Self {
        Self { text, why, answers, approval: None }
    }

    /// Returns why an answer cannot be taken now.
    pub fn refusal(&self, answer: Answer, by: &str, now: Timestamp) -> Option<Uncounted> {
        let approval = self.approval.as_ref()?;
        if let Some(until) = approval.until.filter(|_| approval.is_late(now)) {
            return Some(Uncounted::Late { until });
        }
        approval.refusal(by).filter(|_| answer == Answer::Approve)
    }
}

/// An answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
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
    Fail,
    /// To a step that is unknown: it took effect.
    Done,
    /// To a step that is unknown: it did not take effect; run it.
    NotDone,
}

impl Answer {
    /// Returns the word to type.
    pub fn word(self) -> &'static str {
        self.into()
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

/// What a user asks of a run that another process works on. It changes nothing by itself: that process
/// applies it, or replies why it did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    Answer {
        task: TaskId,
        /// The number of the event with the question: a later one at the same task is another.
        asked_at: u64,
        answer: Answer,
        reason: Option<String>,
    },
    /// Pause: nothing new starts, running steps end.
    Stop,
}
