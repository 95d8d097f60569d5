//! Further attempts of a block: their record, and the delay before them.
//!
//! As in a wait, only time that a controller has seen pass counts, recorded now and then: a resume
//! continues with the rest.

use std::time::Duration;

use crate::event::{JournalError, Progress, TaskEvent, TaskStatus};
use crate::plan::Retry;
use crate::run::decide;
use crate::run::perform::wait::TICK;
use crate::run::perform::{Conclusion, Task};

/// The shortest time between two rounds. It distinguishes a round that is recorded from one that
/// has ended.
const LEAST_DELAY: Duration = Duration::from_millis(1);

impl Task<'_, '_, '_> {
    /// Records the next round of a block, if this is not done yet, and waits until it may start.
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
            // A resume counts only the time that was recorded, so less may be left than the delay.
            if !stopped && waited < state.delay && self.time_is_up().is_some() {
                return Ok(Conclusion::Stopped);
            }
            // The round starts with the record that its delay is over: `requires` is checked before
            // that.
            if !stopped && waited >= state.delay && !self.step.requires.is_empty() {
                let seen = self.observer().checks(&self.step.requires).await;
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
            (why, decide::restarted_tasks(self.at, host))
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
