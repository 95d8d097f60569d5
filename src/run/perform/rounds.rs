//! Going through a block once more: the record of it, and the time before it.
//!
//! What counts of the time is what a controller has seen pass, recorded now and then, as in a wait:
//! a resume goes on in the same round with the rest.

use std::time::Duration;

use crate::event::{JournalError, Progress, TaskEvent, TaskStatus};
use crate::plan::Retry;
use crate::run::decide;
use crate::run::perform::wait::TICK;
use crate::run::perform::{Conclusion, Task};

/// Shortest time between two rounds: so that one which is recorded is told from one which is over.
const LEAST_DELAY: Duration = Duration::from_millis(1);

impl Task<'_, '_, '_> {
    /// Records the next round of a block, if that is not done yet, and waits until it may begin.
    pub(super) async fn another_round(&self, rounds: &Retry) -> Result<Conclusion, JournalError> {
        if let Some(conclusion) = self.answered() {
            return Ok(conclusion);
        }
        let state = self.state();
        if state.waited >= state.delay {
            let delay = match self.length(&rounds.delay) {
                Ok(delay) => delay.max(LEAST_DELAY),
                Err(why) => return Ok(self.failed(TaskStatus::Failed, why)),
            };
            if self.rest().is_some_and(|rest| rest <= delay) {
                self.give_up_rest();
                return Ok(Conclusion::Stopped);
            }
            self.record_round(state.round.max(1) + 1, rounds.attempts, delay).await?;
        }
        let state = self.state();
        let clock = &self.live.run.clock;
        let begin = clock.monotonic();
        let passed = || state.waited + clock.monotonic().saturating_sub(begin);
        loop {
            let rest = self.capped(state.delay.saturating_sub(passed()));
            let stopped = self.sleep(rest.min(TICK)).await;
            let waited = passed();
            // Less was left than when the round was recorded: a resume counts what was not.
            if !stopped && waited < state.delay && self.time_is_up().is_some() {
                return Ok(Conclusion::Stopped);
            }
            // The round begins with the record that its time has come: what the block requires is
            // looked at before that.
            if !stopped && waited >= state.delay && !self.step.requires.is_empty() {
                let seen = self.observer().claims(&self.step.requires).await;
                if !seen.holds() {
                    let why = seen.reason("a check in `requires` did not pass; nothing was sent");
                    return Ok(self.failed(TaskStatus::Failed, why));
                }
            }
            self.note(TaskEvent::WaitTicked { waited }).await?;
            self.note_spent().await?;
            if stopped || waited >= state.delay {
                return Ok(Conclusion::Stopped);
            }
        }
    }

    async fn record_round(&self, round: u32, of: u32, delay: Duration) -> Result<(), JournalError> {
        let (why, again) = {
            let state = self.live.state.borrow();
            let host = &state.hosts[self.host];
            let why = decide::failed_part(self.at, host);
            (why, decide::begun_anew(self.at, host))
        };
        self.live.progress(&Progress::Retrying {
            task: self.id.clone(),
            ordinal: round,
            of,
            delay,
            why: why.text.clone(),
        });
        self.note(TaskEvent::BlockRetried { round, of, delay, why, again }).await
    }
}
