//! Steps that change something: their attempts, and the result of each.
//!
//! ```text
//!   already done? --yes--> unchanged        (only before the first intent)
//!       | no
//!   `requires` passes? --no--> failed       (before the first attempt, and at a resume)
//!       | yes
//!   .-> intent stored -> sent -> outcome stored
//!   |        |                       |
//!   |   (in doubt: the host is asked about it)
//!   |                                v
//!   |                  probe `done_when` until `within` ends
//!   |          done <-- true      false | unknown
//!   |                                   v
//!   '---- again, if the last attempt is known to be over and the plan allows it; else failed,
//!         or unknown: the operator is asked
//! ```

mod follow;
mod in_place;
mod judge;
pub(super) mod kept;

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::event::{
    Answer, JournalError, Outcome, Progress, Question, Reason, TaskEvent, TaskStatus, Truth,
};
use crate::history::{AttemptState, Last};
use crate::inventory::{Host, HostName};
use crate::plan::{Effect, OnUnknown};
use crate::run::decide::{Facts, Move, Observed, Policy};
use crate::run::perform::effect::in_place::IN_PLACE;
use crate::run::perform::effect::judge::Judgement;
use crate::run::perform::{Conclusion, Task, TaskEnd};
use crate::run::there::place;
use crate::run::{decide, render};
use crate::transport::{AttemptId, Command, Output, Transport as _, TransportError};

/// An effect, at work in this process.
struct Work<'p> {
    effect: &'p Effect,
    /// How many attempts there were when it was resumed.
    before: usize,
    /// How often it could not be sent since then, despite the time limit of the plan.
    refused: usize,
    /// Whether the host of the last attempt was asked about it.
    host_asked: bool,
    /// Whether its `requires` was checked.
    required: bool,
    /// The output of the last attempt, if it is known.
    output: Option<Output>,
    /// What was observed since.
    judgement: Option<Judgement>,
}

/// An attempt that was made.
struct Sent {
    /// How long it might have taken, without the timeouts of the blocks around.
    limit: Duration,
    result: Result<Output, TransportError>,
}

/// Why no attempt was made.
enum SendError {
    Journal(JournalError),
    Impossible(String),
}

impl From<JournalError> for SendError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Task<'_, '_, '_> {
    /// Does what [`decide::next_move()`] returns, until the step ends, asks, or stops.
    pub(super) async fn effect(&self, effect: &Effect) -> Result<Conclusion, JournalError> {
        let mut work = Work {
            effect,
            before: self.state().attempts.len(),
            refused: 0,
            host_asked: false,
            required: false,
            output: self.recorded_output(),
            judgement: None,
        };
        loop {
            if self.is_blocked() {
                return Ok(Conclusion::Stopped);
            }
            let next = decide::next_move(&self.facts(&work));
            tracing::trace!(task = %self.id, ?next, "next move");
            let conclusion = match next {
                Move::Stop => Some(Conclusion::Stopped),
                Move::Settle => {
                    work.host_asked = true;
                    if let Some(last) = self.state().attempts.last() {
                        work.output = self.settle(last).await?;
                    }
                    None
                }
                Move::Look => {
                    work.judgement = Some(self.observe(&work).await);
                    None
                }
                Move::Send => self.send(&mut work).await?,
                Move::Delay => match self.before_again(&work).await {
                    Some(conclusion) => Some(conclusion),
                    None => self.send(&mut work).await?,
                },
                Move::Done | Move::Fail | Move::Unknown => Some(self.concluded(next, &work)),
            };
            if let Some(conclusion) = conclusion {
                return Ok(conclusion);
            }
        }
    }

    /// What the last attempt printed, as far as that was recorded.
    pub(super) fn recorded_output(&self) -> Option<Output> {
        match self.state().attempts.pop()?.outcome? {
            // A part of it would be read as if it were the whole.
            Outcome::Ended { cut: true, .. } if self.is_for_its_output() => None,
            Outcome::Ended { exit, stdout, stderr, cut } => {
                Some(kept::printed(exit, stdout, stderr, cut))
            }
            Outcome::NotSent(_) | Outcome::NeverStarted | Outcome::Unknown { .. } => None,
        }
    }

    fn facts(&self, work: &Work<'_>) -> Facts {
        let state = self.state();
        let effect = work.effect;
        // An attempt that never started is not a try, and neither is one whose end an earlier
        // process missed.
        let is_try = |(number, attempt): &(usize, &AttemptState)| match &attempt.outcome {
            Some(Outcome::NeverStarted | Outcome::NotSent(_)) => false,
            Some(Outcome::Ended { .. }) => true,
            Some(Outcome::Unknown { .. }) | None => *number >= work.before,
        };
        let counting = state.attempts.iter().enumerate().skip(state.forgiven);
        Facts {
            policy: Policy {
                idempotent: effect.idempotent,
                read_only: effect.read_only,
                tries: effect.retry.attempts as usize,
            },
            last: state.attempts.last().map_or(Last::Nothing, |last| match last.outcome {
                // A step that only reads may be sent next to it.
                Some(Outcome::Unknown { running: None, .. }) if effect.read_only => Last::Over,
                _ => last.last(),
            }),
            is_ours: state.attempts.len() > work.before,
            host_asked: work.host_asked,
            is_forgiven: state.forgiven == state.attempts.len(),
            tried: work.refused + counting.filter(is_try).count(),
            unstarted: (state.attempts.iter().skip(work.before))
                .filter(|attempt| attempt.last() == Last::NeverStarted)
                .count(),
            observed: work.judgement.as_ref().map_or(Observed::Nothing, Judgement::observed),
            in_time: self.time_is_up().is_none(),
            stopping: self.is_halted(),
        }
    }

    /// Checks whether the step is done: before the first attempt, and at the start of a later
    /// attempt of a block, as if nothing had been sent; else by the outcome of the last attempt.
    async fn observe(&self, work: &Work<'_>) -> Judgement {
        let state = self.state();
        let is_first = state.attempts.iter().all(|one| one.last() == Last::NeverStarted);
        let is_new_round = state.is_again && state.forgiven == state.attempts.len();
        if !is_first && !is_new_round {
            let judgement = self.judge(work.effect, work.output.as_ref()).await;
            return match judgement {
                Judgement::Done(_, why, result) if !state.may_have_run() => {
                    Judgement::Done(TaskStatus::Unchanged, why, result)
                }
                other => other,
            };
        }
        match self.already_so(work.effect).await {
            // A step that was sent in an earlier attempt of a block counts as changed.
            Some(mut why) if state.may_have_run() => {
                "done by an earlier attempt".clone_into(&mut why.text);
                Judgement::Done(TaskStatus::Changed, why, None)
            }
            Some(why) => Judgement::Done(TaskStatus::Unchanged, why, None),
            None => {
                let last = state.attempts.last().and_then(|last| last.outcome.clone());
                let text = match last {
                    Some(Outcome::Unknown { why, .. }) => why,
                    Some(Outcome::NeverStarted) => "no attempt has started on the host".to_owned(),
                    _ => "not done yet".to_owned(),
                };
                Judgement::NotDone(TaskStatus::Failed, Reason::of(text))
            }
        }
    }

    /// How the step ends, from what was observed.
    fn concluded(&self, next: Move, work: &Work<'_>) -> Conclusion {
        let (status, why) = match work.judgement.clone() {
            Some(Judgement::Done(status, why, result)) => {
                return Conclusion::Ended(TaskEnd { status, why: Some(why), result });
            }
            Some(Judgement::NotDone(status, why)) => (status, why),
            Some(Judgement::InDoubt(why)) => (TaskStatus::Failed, why),
            None => (TaskStatus::Failed, Reason::default()),
        };
        if next == Move::Unknown {
            return self.unknown(why);
        }
        let (status, why) = self.or_out_of_time(status, why);
        match self.failed(status, why) {
            Conclusion::Ended(end) => Conclusion::Ended(TaskEnd {
                result: self.failed_result(work.output.as_ref()),
                ..end
            }),
            conclusion => conclusion,
        }
    }

    /// Checks whether nothing needs to be sent, and returns why.
    async fn already_so(&self, effect: &Effect) -> Option<Reason> {
        if let Some(done_when) = &effect.done_when {
            self.guard.expect_probe();
            let seen = self.observer().condition(done_when).await;
            return (seen.truth() == Truth::True).then(|| seen.reason("already done"));
        }
        self.is_already_in_place(effect).await.then(|| Reason::of(IN_PLACE))
    }

    /// Waits before another attempt, and checks whether it is still needed.
    async fn before_again(&self, work: &Work<'_>) -> Option<Conclusion> {
        let effect = work.effect;
        let why = work.judgement.as_ref().map(Judgement::why).unwrap_or_default();
        let tried = self.facts(work).tried;
        let delay = match self.length(&effect.retry.delay) {
            Ok(delay) => delay,
            Err(why) => return Some(self.failed(TaskStatus::Failed, why)),
        };
        self.live.progress(&Progress::Retrying {
            task: self.id.clone(),
            ordinal: u32::try_from(tried + 1).unwrap_or(u32::MAX),
            of: effect.retry.attempts,
            delay,
            why: why.text.clone(),
        });
        if self.sleep(self.capped(delay)).await {
            return Some(Conclusion::Stopped);
        }
        if let Some(done_when) = &effect.done_when {
            let seen = self.observer().condition(done_when).await;
            if seen.truth() == Truth::True {
                return Some(if self.state().may_have_run() {
                    let why = seen.reason("an earlier attempt took effect");
                    TaskEnd::with(TaskStatus::Changed, why)
                } else {
                    TaskEnd::with(TaskStatus::Unchanged, seen.reason("already done"))
                });
            }
        }
        self.time_is_up()?;
        let (status, why) = self.or_out_of_time(TaskStatus::TimedOut, why);
        Some(self.failed(status, why))
    }

    /// Sends it if its `requires` passes and time is left; else returns how the step ends.
    async fn send(&self, work: &mut Work<'_>) -> Result<Option<Conclusion>, JournalError> {
        if !std::mem::replace(&mut work.required, true) {
            if let Some(conclusion) = self.blocks_lack().await? {
                return Ok(Some(conclusion));
            }
            if let Some(conclusion) = self.lacks().await {
                return Ok(Some(conclusion));
            }
        }
        if let Some(conclusion) = self.ask_secrets(work.effect).await {
            return Ok(Some(conclusion));
        }
        // The checks may have taken all the time, or the operator has requested a stop.
        if self.is_halted() {
            return Ok(Some(Conclusion::Stopped));
        }
        if let Some(over) = self.time_is_up() {
            return Ok(Some(self.failed(TaskStatus::TimedOut, Self::not_begun(&over))));
        }
        work.output = match self.deliver(work.effect).await {
            Ok(output) => output,
            Err(SendError::Journal(error)) => return Err(error),
            Err(SendError::Impossible(why)) => {
                return Ok(Some(self.failed(TaskStatus::Failed, Reason::of(why))));
            }
        };
        let last = self.state().attempts.pop();
        work.refused += usize::from(last.is_some_and(|last| last.last() == Last::NotSent));
        work.host_asked = false;
        work.judgement = None;
        Ok(None)
    }

    /// Sends one attempt, and returns its output if it ended. A host that cannot be reached is tried
    /// again for as long as the attempt might have taken, each member of a group after the other:
    /// nothing was sent, so nothing can run twice.
    async fn deliver(&self, effect: &Effect) -> Result<Option<Output>, SendError> {
        let clock = &self.live.run.clock;
        let begin = clock.monotonic();
        let mut pause = Duration::from_secs(1);
        let attempts = self.state().attempts;
        let mut tried = attempts.iter().filter(|one| one.last() != Last::NeverStarted).count();
        loop {
            let members = self.members(effect)?;
            let on = &members[tried % members.len()];
            let Some(Sent { limit, result }) = self.attempt(effect, on).await? else {
                return Ok(None);
            };
            let may_go_on = clock.monotonic().saturating_sub(begin) < self.reconnect_for(limit)
                && self.time_is_up().is_none()
                && !self.is_halted();
            match result {
                Ok(output) => return Ok(Some(output)),
                Err(TransportError::Unreachable { why, .. }) if may_go_on => {
                    let away = clock.monotonic().saturating_sub(begin);
                    self.tell_away(on, why, away, self.reconnect_for(limit));
                    tried += 1;
                    // Another member is tried at once; a pause follows when all were tried.
                    if tried.is_multiple_of(members.len()) {
                        if self.sleep(self.capped(pause)).await {
                            return Ok(None);
                        }
                        pause = (pause * 2).min(Duration::from_secs(15));
                    }
                }
                Err(_) => return Ok(None),
            }
        }
    }

    /// Makes one attempt on one host: intent, effect, outcome. `None` if the run was stopped while the
    /// host was connected to.
    async fn attempt(&self, effect: &Effect, on: &HostName) -> Result<Option<Sent>, SendError> {
        let command = self.command(effect, on);
        let (host, mut command) = command
            .map_err(|why| SendError::Impossible(format!("cannot build its command: {why}")))?;
        let limit = command.timeout;
        command.timeout = self.capped(limit);
        let met = self.live.meet(host, self.guard).await?;
        if self.stops() {
            return Ok(None);
        }
        let ordinal = u32::try_from(self.state().attempts.len() + 1).unwrap_or(u32::MAX);
        let attempt = self.attempt_id(ordinal);
        self.note(TaskEvent::AttemptIntended {
            attempt: attempt.clone(),
            ordinal,
            on: on.clone(),
            command: command.display(),
            timeout: command.timeout,
        })
        .await?;
        let result = match met {
            None => {
                let work = self.guard.attempt(host, &attempt, &command);
                self.followed(host, &attempt, work).await
            }
            Some(error) => Err(error),
        };
        if let Err(TransportError::Unreachable { .. }) = result {
            self.live.locks.borrow_mut().doubt(on);
        }
        let outcome = match &result {
            Ok(output) => Some(kept::ended(output)),
            // Its outcome is requested before anything is recorded.
            Err(TransportError::Cut { .. } | TransportError::Repeated { .. }) => None,
            Err(error) => Some(Outcome::NotSent(error.clone())),
        };
        if let Some(outcome) = outcome {
            let id = attempt.clone();
            self.note(TaskEvent::AttemptEnded { attempt: id, outcome }).await?;
            self.guard.recorded(host, &attempt).await;
        }
        Ok(Some(Sent { limit, result }))
    }

    fn command(&self, effect: &Effect, on: &HostName) -> Result<(&Host, Command), String> {
        let (plan, step) = (self.live.run.plan, &self.id.step);
        let names = (&self.names, &self.secrets());
        render::command(&effect.command, names, self.host, on, plan, step)
    }

    /// Names an attempt: the same for everyone who computes it.
    fn attempt_id(&self, ordinal: u32) -> AttemptId {
        let run = &self.live.run.id;
        let text = format!("{run}\n{}\n{}\n{ordinal}", self.id.host, self.id.step);
        let digest = Sha256::digest(text.as_bytes());
        AttemptId(format!("{run}-{}", hex::encode(&digest[..12])))
    }

    fn members(&self, effect: &Effect) -> Result<Vec<HostName>, SendError> {
        let here = place(&effect.target, self.host, &self.names);
        let members = self.live.run.plan.members(&effect.target, here.as_slice());
        if members.is_empty() {
            return Err(SendError::Impossible("there is no host to run it on".into()));
        }
        Ok(members)
    }

    /// Ends a task of which planrun cannot tell whether it took effect, or asks the operator.
    fn unknown(&self, why: Reason) -> Conclusion {
        if self.is_halted() {
            return Conclusion::Stopped;
        }
        if self.step.on_unknown == OnUnknown::Ask && self.may_stop() {
            let text = format!("{}: did it take effect? {}", self.title(), why.text);
            let answers = vec![Answer::Done, Answer::NotDone, Answer::Retry, Answer::Fail];
            return Conclusion::Asked(Question::new(text, why, answers));
        }
        TaskEnd::with(TaskStatus::Unknown, why)
    }
}
