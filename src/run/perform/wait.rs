//! Waiting.
//!
//! Only time that a controller has seen pass counts, recorded now and then: a resume continues with
//! the rest. Time that was not recorded is waited again, so a wait is never too short. How long a
//! condition has been stable is not recorded: a resume starts again.

use std::time::Duration;

use crate::event::{
    Answer, JournalError, Progress, Question, Reason, Seen, TaskEvent, TaskStatus, Truth, Waiting,
};
use crate::plan::{Deferred, OnTimeout, Wait};
use crate::run::perform::{Conclusion, Task, TaskEnd};
use crate::run::render;
use crate::template::expression::Expression;

/// How much waiting may be lost, at most, when the controller dies.
pub(super) const TICK: Duration = Duration::from_secs(30);

struct Measures<'p> {
    until: Option<&'p Expression>,
    at_least: Duration,
    timeout: Duration,
    every: Duration,
    stable_for: Duration,
    on_timeout: OnTimeout,
}

impl Task<'_, '_, '_> {
    pub(super) async fn wait(&self, wait: &Wait) -> Result<Conclusion, JournalError> {
        match self.measures(wait) {
            Ok(measures) => self.wait_for(&measures).await,
            Err(why) => Ok(self.failed(TaskStatus::Failed, why)),
        }
    }

    fn measures<'p>(&self, wait: &'p Wait) -> Result<Measures<'p>, Reason> {
        let length = |late: &Deferred<Duration>| self.length(late);
        Ok(match wait {
            Wait::For(time) => {
                let time = length(time)?;
                Measures {
                    until: None,
                    at_least: time,
                    timeout: time,
                    every: TICK,
                    stable_for: Duration::ZERO,
                    on_timeout: OnTimeout::Fail,
                }
            }
            Wait::Until { until, at_least, timeout, every, stable_for, on_timeout } => Measures {
                until: Some(until),
                at_least: length(at_least)?,
                timeout: length(timeout)?,
                every: length(every)?.max(Duration::from_millis(100)),
                stable_for: length(stable_for)?,
                on_timeout: render::on_timeout(on_timeout, &self.names).map_err(Reason::of)?,
            },
        })
    }

    async fn wait_for(&self, measures: &Measures<'_>) -> Result<Conclusion, JournalError> {
        let clock = &self.live.run.clock;
        let begin = clock.monotonic();
        let counted = self.state().waited;
        let mut ticked = counted;
        // How long the condition was observed to be true. Between two probes at most the intended
        // pause counts: a controller that was suspended has observed nothing meanwhile.
        let mut stable: Option<Duration> = None;
        let mut pause = Duration::ZERO;
        loop {
            let looked_at = clock.monotonic();
            let seen = match measures.until {
                None => None,
                Some(until) => self.observer().condition(until).await.seen.into_iter().next(),
            };
            if self.is_blocked() {
                return Ok(Conclusion::Stopped);
            }
            let waited = counted + clock.monotonic().saturating_sub(begin);
            let holds = seen.as_ref().is_none_or(|seen| seen.truth == Truth::True);
            let look = clock.monotonic().saturating_sub(looked_at);
            stable = holds.then(|| stable.map_or(Duration::ZERO, |so_far| so_far + pause + look));
            let is_stable = stable.is_some_and(|stable| stable >= measures.stable_for);
            if is_stable && waited >= measures.at_least {
                return Ok(held(measures, seen));
            }
            if waited >= measures.timeout && !(holds && waited < measures.at_least) {
                return Ok(self.timed_out(measures, seen));
            }
            if let Some(over) = self.time_is_up() {
                return Ok(self.out_of_time(measures, waited, seen, &over));
            }
            self.tell(measures, seen.as_ref(), waited, stable);
            pause = measures.every.min(measures.timeout.saturating_sub(waited));
            if let Some(stable) = stable {
                let until_stable = measures.stable_for.saturating_sub(stable);
                pause = pause.min(until_stable.max(measures.at_least.saturating_sub(waited)));
            }
            pause = self.capped(pause).max(Duration::from_millis(1));
            let stopped = self.sleep(pause).await;
            let waited = counted + clock.monotonic().saturating_sub(begin);
            if stopped || waited >= ticked + TICK {
                ticked = waited;
                self.note(TaskEvent::WaitTicked { waited }).await?;
                self.note_spent().await?;
            }
            if stopped {
                return Ok(Conclusion::Stopped);
            }
        }
    }

    fn tell(
        &self,
        measures: &Measures<'_>,
        seen: Option<&Seen>,
        waited: Duration,
        stable: Option<Duration>,
    ) {
        let wait = Waiting {
            until: measures.until.map(|until| until.text.clone()),
            values: seen.map(|seen| seen.values.clone()).unwrap_or_default(),
            error: seen.and_then(|seen| seen.error.clone()),
            waited,
            limit: self
                .rest()
                .map_or(measures.timeout, |rest| measures.timeout.min(waited.saturating_add(rest))),
            stable: stable
                .filter(|_| !measures.stable_for.is_zero())
                .map(|stable| (stable, measures.stable_for)),
        };
        self.live.progress(&Progress::Waiting { task: self.id.clone(), wait });
    }

    /// Ends a wait because the time of a block around is up; its own `on_timeout` does not apply.
    fn out_of_time(
        &self,
        measures: &Measures<'_>,
        waited: Duration,
        seen: Option<Seen>,
        over: &str,
    ) -> Conclusion {
        let waited = crate::duration::show(Duration::from_secs(waited.as_secs()));
        let wanted = crate::duration::show(measures.timeout);
        self.failed(TaskStatus::TimedOut, still(seen, &format!("{waited} of {wanted}; {over}")))
    }

    fn timed_out(&self, measures: &Measures<'_>, seen: Option<Seen>) -> Conclusion {
        let timeout = crate::duration::show(measures.timeout);
        let why = still(seen, &timeout);
        match measures.on_timeout {
            OnTimeout::Fail => self.failed(TaskStatus::TimedOut, why),
            OnTimeout::Continue => {
                let text = format!("{}; the plan continues", why.text);
                TaskEnd::with(TaskStatus::Unchanged, Reason { text, ..why })
            }
            OnTimeout::Ask => {
                let text = format!("{}: {}. Continue anyway?", self.title(), why.text);
                let answers = vec![Answer::Continue, Answer::Wait, Answer::Fail];
                Conclusion::Asked(Question::new(text, why, answers))
            }
        }
    }
}

/// Returns why a wait has not ended after so long.
fn still(seen: Option<Seen>, after: &str) -> Reason {
    let still = match seen.as_ref().map(|seen| seen.truth) {
        None => "wait not finished",
        Some(Truth::Unknown) => "condition still unknown",
        Some(Truth::False) => "condition still false",
        Some(Truth::True) => "condition true, but not for long enough",
    };
    Reason { text: format!("{still} after {after}"), seen: seen.into_iter().collect() }
}

fn held(measures: &Measures<'_>, seen: Option<Seen>) -> Conclusion {
    match (measures.until, seen) {
        (Some(_), Some(seen)) => TaskEnd::with(
            TaskStatus::Unchanged,
            Reason { text: "condition is true".into(), seen: vec![seen] },
        ),
        _ => TaskEnd::well(TaskStatus::Unchanged),
    }
}
