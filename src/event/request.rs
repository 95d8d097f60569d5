//! What a user asks of a run that another process works on.

use serde::{Deserialize, Serialize};

use super::{Answer, TaskId};

/// A request changes nothing by itself: the process that works on the run applies it, or replies
/// why it did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// To answer a question.
    Answer {
        /// The task that asks.
        task: TaskId,
        /// The number of the event with the question: a later one at the same task is another.
        asked_at: u64,
        answer: Answer,
        reason: Option<String>,
    },
}
