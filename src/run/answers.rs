//! Answers from other terminals, while a run is under way.

use std::cell::RefCell;
use std::collections::VecDeque;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

use crate::event::Answer;
use crate::task::TaskId;

/// An answer, and the sender that waits for its result.
#[derive(Debug)]
pub struct Given {
    pub task: TaskId,
    /// The number of the event with the question.
    pub asked_at: u64,
    pub answer: Answer,
    pub reason: Option<String>,
    /// `user@machine`.
    pub by: String,
    /// Takes that it is recorded, or why not.
    pub taken: oneshot::Sender<Result<(), String>>,
}

/// Answers that the run has not used yet.
#[derive(Debug, Default)]
pub struct Answers {
    waiting: RefCell<VecDeque<Given>>,
    notify: Notify,
    taken: Notify,
}

impl Answers {
    pub fn give(&self, given: Given) {
        self.waiting.borrow_mut().push_back(given);
        self.notify.notify_waiters();
    }

    pub(super) fn take(&self) -> Option<Given> {
        self.waiting.borrow_mut().pop_front()
    }

    /// Wakes up those who wait for an answer.
    pub(super) fn tell_taken(&self) {
        self.taken.notify_waiters();
    }

    /// Waits until the next one is used.
    pub(super) fn taken(&self) -> Notified<'_> {
        self.taken.notified()
    }

    /// Waits until there is one.
    pub(super) async fn wait(&self) {
        loop {
            let notified = self.notify.notified();
            if !self.waiting.borrow().is_empty() {
                return;
            }
            notified.await;
        }
    }
}
