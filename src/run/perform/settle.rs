//! Finds the outcome of attempts in doubt: their hosts are asked.
//!
//! One rule for both directions: nothing is sent, and no handler is processed, while an attempt on
//! the host may still be running. A step that is resumed settles its own last attempt; before
//! a handler is worked on, every other attempt of the host is settled. As long as the host says that
//! it runs, or cannot be reached, it is asked again, for as long as the attempt might have taken;
//! then the operator decides.

use std::time::Duration;

use crate::event::{
    Answer, HostStatus, JournalError, Outcome, Progress, Question, Reason, TaskEvent, Waiting,
};
use crate::history::AttemptState;
use crate::inventory::HostName;
use crate::output::Reading;
use crate::plan::Action;
use crate::run::Live;
use crate::run::guard::Guard;
use crate::run::perform::effect::kept::ended;
use crate::run::perform::{Conclusion, Task, patience};
use crate::run::step_ref::StepRef;
use crate::task::Stage;
use crate::transport::{Exit, Output, Recovered, Transport as _};

/// How often a host is asked about an attempt that is still running there.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// What is kept instead of output that was lost, or that may contain secrets that cannot be found in it.
const LOST: &str = "[lost with the connection]";
const WITH_SECRETS: &str = "[not kept: may contain a secret that was typed]";

/// Settles all attempts at a task whose host is rolled back or ends, or before the setup is torn down; or of the setup,
/// before hosts are rolled back.
pub(in crate::run) async fn settle<'r>(
    live: &Live<'r, '_>,
    host: &HostName,
    at: StepRef<'r>,
) -> Result<(), JournalError> {
    let bound = patience::bound(&live.run.plan.plan, at);
    let guard = Guard::new(live.run.transport, host, bound);
    let task = Task::at(live, host, at, &guard);
    for attempt in task.state().attempts.iter().filter(|attempt| attempt.may_be_running()) {
        task.settle(attempt).await?;
    }
    // Nothing else will be done on a host that is left as it is: only the operator can decide.
    let is_left = !task.works_on_host();
    if is_left && task.is_blocked() && !task.stops() && task.state().is_in_doubt() {
        return task.conclude(task.ask_whether_to_go_on()).await;
    }
    let conclusion = if task.is_halted() || !task.state().is_in_doubt() {
        Conclusion::Stopped
    } else {
        task.ask_whether_to_go_on()
    };
    task.rest_with(conclusion).await
}

impl Task<'_, '_, '_> {
    /// Finds the outcome of an attempt, and records it if it is new. Returns what it printed, if that is
    /// known.
    pub(super) async fn settle(
        &self,
        attempt: &AttemptState,
    ) -> Result<Option<Output>, JournalError> {
        let Some((outcome, output)) = self.ask_host(attempt).await else { return Ok(None) };
        // What may be running was so before.
        if attempt.outcome.is_none() || !outcome.may_be_running() {
            let id = attempt.id.clone();
            self.note(TaskEvent::AttemptEnded { attempt: id, outcome }).await?;
            if let Some(host) = self.live.run.plan.inventory.host(&attempt.on) {
                self.guard.recorded(host, &attempt.id).await;
            }
        }
        Ok(output)
    }

    /// Asks the host of an attempt for its outcome, for as long as it may be running; `None`
    /// if the run is stopped meanwhile.
    async fn ask_host(&self, attempt: &AttemptState) -> Option<(Outcome, Option<Output>)> {
        let run = self.live.run;
        let begin = run.clock.monotonic();
        let away_for = self.reconnect_for(attempt.timeout);
        let every = ASK_EVERY.min(away_for / 4);
        let unknown = |why: &str, running| Outcome::Unknown { why: why.to_owned(), running };
        let outcome = loop {
            let recovered = match run.plan.inventory.host(&attempt.on) {
                Some(host) => self.guard.recover(host, &attempt.id, attempt.intended).await,
                None => Ok(Recovered::Unknown),
            };
            if self.is_blocked() {
                return None;
            }
            let passed = run.clock.monotonic().saturating_sub(begin);
            let recovered = recovered.map(|found| self.without_secrets(found));
            let patience = match &recovered {
                Ok(Recovered::Running) => attempt.timeout,
                Err(error) if error.is_away() => away_for,
                _ => Duration::ZERO,
            };
            if passed < patience {
                match &recovered {
                    Err(error) => {
                        self.tell_away(&attempt.on, error.on(&attempt.on), passed, patience);
                    }
                    Ok(_) => self.tell_running(attempt, passed),
                }
                if self.sleep(every).await {
                    return None;
                }
                continue;
            }
            break match recovered {
                Ok(Recovered::Ended(output)) => return Some((ended(&output), Some(output))),
                // Earlier versions kept no output: commands died of writing to a lost connection.
                Ok(Recovered::Exited(Exit::Signal(signal))) => unknown(
                    &format!("killed by signal {signal} after its connection was lost"),
                    Some(false),
                ),
                Ok(Recovered::Exited(Exit::Code(0))) if self.is_for_its_output() => {
                    unknown("exit code 0, but its output was lost", Some(false))
                }
                Ok(Recovered::Exited(exit)) => {
                    let stdout = if self.lacks_secrets() { WITH_SECRETS } else { LOST }.to_owned();
                    Outcome::Ended { exit, stdout, stderr: String::new(), cut: false }
                }
                Ok(Recovered::Absent) => Outcome::NeverStarted,
                Ok(Recovered::Over) => {
                    unknown("it has ended, but its exit code is unknown", Some(false))
                }
                Ok(Recovered::Running) => unknown("still running after its timeout", Some(true)),
                Ok(Recovered::Unknown) => {
                    unknown("the host cannot report whether it has ended", None)
                }
                Err(error) => unknown(&error.to_string(), Some(true)),
            };
        };
        Some((outcome, None))
    }

    /// Reports that an attempt is still running.
    fn tell_running(&self, attempt: &AttemptState, waited: Duration) {
        let until = Some(format!("for the attempt on {} to end", attempt.on));
        let wait = Waiting { until, waited, limit: attempt.timeout, ..Waiting::default() };
        self.live.progress(&Progress::Waiting { task: self.id.clone(), wait });
    }

    /// Whether the step makes a value of what it prints.
    pub(super) fn is_for_its_output(&self) -> bool {
        match &self.step.action {
            Action::Effect(effect) => !matches!(effect.reading, Reading::Whole | Reading::Discard),
            _ => false,
        }
    }

    /// Whether the run still works on the host, or leaves it as it is.
    fn works_on_host(&self) -> bool {
        let state = self.live.state.borrow();
        let is_waiting = |host| state.is_abandoned(host) || state.awaits_rollback(self.host, host);
        state.hosts.get(self.host).is_some_and(|host| host.is_at_work() && !is_waiting(host))
    }

    /// Asks the operator whether a host is rolled back, or ends, or the setup is torn down, although something may
    /// still be running.
    fn ask_whether_to_go_on(&self) -> Conclusion {
        let attempts = self.state().attempts;
        let running = attempts.iter().filter(|attempt| attempt.may_be_running());
        let on: Vec<&str> = running.clone().map(|attempt| attempt.on.as_str()).collect();
        let whys = running.filter_map(|attempt| match &attempt.outcome {
            Some(Outcome::Unknown { why, .. }) => Some(why.as_str()),
            _ => None,
        });
        let unreached = self.guard.met().map(|error| error.on(self.host));
        let text = whys.chain(unreached.as_deref()).collect::<Vec<_>>().join("; ");
        let what = match self.live.state.borrow().hosts.get(self.host).map(|host| host.status) {
            Some(HostStatus::TearingDown) => "Tear down",
            _ if *self.host == Stage::Setup.host() && !self.works_on_host() => {
                "Roll back the hosts"
            }
            _ if !self.works_on_host() => "Tear down the setup",
            Some(HostStatus::RollingBack) => "Roll back",
            _ => "Continue",
        };
        let (title, on) = (self.title(), on.join(", "));
        let why = Reason::of(text);
        let text = format!("{title} may still be running on {on}. {what} anyway?");
        Conclusion::Asked(Question::new(text, why, vec![Answer::Wait, Answer::Continue]))
    }
}
