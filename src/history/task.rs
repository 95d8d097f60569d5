//! The state of a task in a run.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Answer, Approval, Outcome, Question, Reason, Record, TaskStatus};
use crate::history::Passed;
use crate::inventory::HostName;
use crate::transport::AttemptId;

/// What is known of a task.
#[derive(Clone, Debug, Default)]
pub struct TaskState {
    /// How it ended; `None` while it has not.
    pub status: Option<TaskStatus>,
    /// The number of the event that started it; 0 before. (A question may come earlier.)
    pub begun_at: u64,
    /// When it was first started.
    pub begun: Option<Timestamp>,
    /// When it ended last.
    pub ended: Option<Timestamp>,
    /// The number of the event that last showed that the `requires` of a block passed.
    pub required_at: u64,
    /// The items of its `for_each`, once it has started.
    pub items: Option<Vec<serde_json::Value>>,
    /// The number of the last item that was started; 0 before.
    pub reached: usize,
    /// The number of the present attempt of a block with `retry`; 0 in the first.
    pub round: u32,
    /// How long it waits before that attempt.
    pub delay: Duration,
    /// Whether it was started again in a later attempt of a block around it.
    pub is_again: bool,
    pub attempts: Vec<AttemptState>,
    /// How many of them do not count: they came before an answer like `retry`, or before the
    /// present attempt of a block around.
    pub forgiven: usize,
    /// How long it has waited.
    pub waited: Duration,
    /// How long a block may take in all; `None` for no limit.
    pub timeout: Option<Duration>,
    /// How much of that has passed.
    pub spent: Duration,
    /// The number of the event that said so last.
    pub spent_at: u64,
    /// The number of the last answer of the operator; 0 if there was none.
    pub answered_at: u64,
    /// What its step's `id` names, as JSON: a value takes ten times as much room.
    pub result: Option<Box<str>>,
    /// The question that is open.
    pub question: Option<Box<Question>>,
    /// The text of the last question.
    pub asked: Option<Box<str>>,
    /// The number of the event with that question.
    pub asked_at: u64,
    /// Whether the time of the last question has passed, which fails the task.
    pub is_expired: bool,
    /// The answer of the operator, as long as the task has to act on it.
    pub answer: Option<(Answer, Option<String>)>,
    /// Why it is as it is.
    pub why: Option<Reason>,
    /// How far earlier walks through its parts came.
    pub passed: Passed,
}

/// What is known of an attempt.
#[derive(Clone, Debug)]
pub struct AttemptState {
    pub id: AttemptId,
    /// The host it runs on.
    pub on: HostName,
    /// The command as people read it.
    pub command: String,
    /// How long it may take.
    pub timeout: Duration,
    /// When its intent was recorded.
    pub intended: Timestamp,
    /// The numbers of the events with its intent and with its outcome; 0 before.
    pub at: (u64, u64),
    /// `None` while this is not recorded.
    pub outcome: Option<Outcome>,
    /// The operator has decided that it had no effect.
    pub is_refuted: bool,
    /// The operator knows that it may still be running, and has decided to continue.
    pub is_released: bool,
}

/// What is known of the last attempt at a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    Nothing,
    /// Its outcome is not recorded: its host has not been asked.
    InDoubt,
    /// It never started: planrun was stopped before it was sent.
    NeverStarted,
    /// It was not sent: the host was not reached, or refused.
    NotSent,
    /// It ended, and how is known.
    Ended,
    /// It is over; how it ended is not known.
    Over,
    /// It may still be running.
    Running,
}

impl AttemptState {
    /// Returns what is known of it.
    pub fn last(&self) -> Last {
        match &self.outcome {
            None => Last::InDoubt,
            Some(Outcome::NeverStarted) => Last::NeverStarted,
            Some(Outcome::NotSent(_)) => Last::NotSent,
            Some(Outcome::Ended { .. }) => Last::Ended,
            Some(Outcome::Unknown { running: Some(false), .. }) => Last::Over,
            Some(Outcome::Unknown { running: None, .. }) if self.is_released => Last::Over,
            Some(Outcome::Unknown { .. }) => Last::Running,
        }
    }

    /// Whether it may have done something.
    fn may_have_run(&self) -> bool {
        !self.is_refuted && !matches!(self.last(), Last::NeverStarted | Last::NotSent)
    }

    /// Whether it may still be running.
    pub fn may_be_running(&self) -> bool {
        matches!(self.last(), Last::InDoubt | Last::Running)
    }
}

/// Returns why a task was not approved in time.
fn not_approved(approval: &Approval) -> String {
    let until = approval.until.map_or_else(String::new, |until| format!(" until {until:.0}"));
    let given = match approval.given.as_slice() {
        [] => "no one has approved".to_owned(),
        given => {
            format!("{} of {} have approved: {}", given.len(), approval.people, given.join(", "))
        }
    };
    format!("not approved{until}: {given}")
}

impl TaskState {
    /// Returns the value that its step's `id` names.
    pub fn value(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.result.as_deref()?).ok()
    }

    /// Whether something of it may have happened on a host.
    pub fn may_have_run(&self) -> bool {
        self.attempts.iter().any(AttemptState::may_have_run)
    }

    /// Whether an attempt at it may still be running, and the operator has not decided to continue.
    pub fn is_in_doubt(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.may_be_running() && !attempt.is_released)
    }

    /// Whether an attempt at it has no outcome, or was running by the last report, and the operator has
    /// not decided to continue.
    pub fn is_running(&self) -> bool {
        let runs = |attempt: &AttemptState| match attempt.outcome {
            None => true,
            Some(Outcome::Unknown { running, .. }) => running == Some(true),
            Some(_) => false,
        };
        self.attempts.iter().any(|attempt| runs(attempt) && !attempt.is_released)
    }

    /// Whether all of the time that a block may take has passed.
    pub fn time_is_up(&self) -> bool {
        self.timeout.is_some_and(|timeout| self.spent >= timeout)
    }

    pub(super) fn start(
        &mut self,
        record: &Record,
        items: Option<&Vec<serde_json::Value>>,
        timeout: Option<Duration>,
    ) -> Result<(), String> {
        if self.begun_at > 0 {
            return Err("has started already".into());
        }
        self.begun.get_or_insert(record.at);
        self.begun_at = record.seq;
        self.required_at = record.seq;
        self.answer = None;
        self.items = items.cloned();
        self.timeout = timeout;
        self.spent = Duration::ZERO;
        self.spent_at = record.seq;
        Ok(())
    }

    pub(super) fn start_round(&mut self, round: u32, delay: Duration) {
        self.round = round;
        self.delay = delay;
        self.waited = Duration::ZERO;
        self.passed = Passed::default();
    }

    pub(super) fn end(
        &mut self,
        at: Timestamp,
        status: TaskStatus,
        why: Option<Reason>,
        result: Option<Box<str>>,
    ) {
        self.ended = Some(at);
        self.status = Some(status);
        self.why = why;
        // A step that was already done in a later attempt of its block keeps the result of an
        // earlier one.
        self.result = result.or(self.result.take());
        self.question = None;
    }

    /// Starts again in a later attempt of a block: its own attempts and its items stay known.
    pub(super) fn start_again(&mut self) {
        self.status = None;
        self.question = None;
        self.answer = None;
        self.is_expired = false;
        self.waited = Duration::ZERO;
        self.forgiven = self.attempts.len();
        self.reached = 0;
        self.round = 0;
        self.delay = Duration::ZERO;
        self.is_again = true;
        self.passed = Passed::default();
        if self.items.is_none() {
            self.begun_at = 0;
        }
    }

    pub(super) fn intend(&mut self, attempt: AttemptState) -> Result<(), String> {
        // Earlier versions counted the attempts at a handler from 1 again when it was retried.
        let counted = &self.attempts[self.forgiven..];
        if counted.iter().any(|one| one.id == attempt.id)
            || self.attempts.iter().any(|one| one.outcome.is_none())
        {
            return Err("has an attempt that has not ended".into());
        }
        // Most tasks have one, and a vector would take room for four.
        self.attempts.reserve_exact(1);
        self.attempts.push(attempt);
        Ok(())
    }

    pub(super) fn end_attempt(
        &mut self,
        id: &AttemptId,
        outcome: &Outcome,
        seq: u64,
    ) -> Result<(), String> {
        // An attempt that seemed to be running may turn out to have ended.
        let found = self.attempts.iter_mut().rfind(|one| one.id == *id);
        let found = found.filter(|one| one.may_be_running());
        let found = found.ok_or("has no such attempt that may be running")?;
        found.outcome = Some(outcome.clone());
        found.at.1 = seq;
        Ok(())
    }

    /// Notes that the time of its question has passed.
    pub(super) fn expire(&mut self) -> Result<(), String> {
        let question = self.question.take_if(|question| question.approval.is_some());
        let approval = question.and_then(|question| question.approval);
        let approval = approval.ok_or("has no question with a time limit")?;
        self.is_expired = true;
        self.why = Some(Reason::of(not_approved(&approval)));
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        answer: Answer,
        reason: Option<String>,
        by: &str,
    ) -> Result<(), String> {
        if let Some(question) = &mut self.question
            && let Some(approval) = &mut question.approval
            && answer == Answer::Approve
        {
            if !approval.give(by) {
                return Ok(());
            }
            question.why = Reason::of(format!("approved by {}", approval.given.join(", ")));
        }
        let open = self.question.take_if(|question| question.answers.contains(&answer));
        let question =
            open.ok_or_else(|| format!("has no open question for `{}`", answer.word()))?;
        // Whether to continue although something of this task may still be running. That decides nothing about
        // the task itself.
        let running = self.attempts.iter_mut().filter(|attempt| attempt.may_be_running());
        let mut running =
            running.filter(|_| matches!(answer, Answer::Wait | Answer::Continue)).peekable();
        let is_about_running = running.peek().is_some();
        if answer == Answer::Continue {
            running.for_each(|attempt| attempt.is_released = true);
        }
        if self.status.is_some() || is_about_running {
            return Ok(());
        }
        self.why = Some(question.why);
        self.answer = Some((answer, reason));
        match answer {
            Answer::Wait => self.waited = Duration::ZERO,
            Answer::Retry | Answer::NotDone => {
                self.forgiven = self.attempts.len();
                // The question is about the last attempt: an earlier one that failed may have done a part
                // of its work. One that was still running when the operator checked may have done
                // something since.
                if let Some(last) = self.attempts.last_mut() {
                    last.is_refuted |= answer == Answer::NotDone && !last.may_be_running();
                }
                for attempt in &mut self.attempts {
                    // If its host cannot report whether it runs, the operator has decided that.
                    attempt.is_released |=
                        matches!(attempt.outcome, Some(Outcome::Unknown { running: None, .. }));
                }
            }
            Answer::Approve
            | Answer::Reject
            | Answer::Continue
            | Answer::Skip
            | Answer::Fail
            | Answer::Done => {}
        }
        Ok(())
    }
}
