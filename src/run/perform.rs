//! Work on one step on one host: probe, act, probe.
//!
//! Everything here can be interrupted at any await, and started again by another process: it learns
//! its position from the state of the task (attempts, counted waiting, answers) and from the world,
//! and reports by events. It ends with [`TaskEvent::Ended`], or earlier if the operator is asked or
//! the run stops; then `decide` comes back to it.

mod approve;
mod effect;
mod items;
mod limits;
mod names;
mod patience;
mod required;
mod rounds;
mod secrets;
mod settle;
mod wait;

use std::time::Duration;

use crate::event::{
    Answer, HostEvent, JournalError, Question, Reason, TaskEvent, TaskStatus, Truth,
};
use crate::history::{HostState, TaskState};
use crate::inventory::HostName;
use crate::plan::{Action, Check, Deferred, NoReturn, Step};
use crate::run::guard::Guard;
use crate::run::observe::{Observation, Observer};
use crate::run::perform::limits::Limits;
use crate::run::step_ref::StepRef;
use crate::run::there::{add_there, place};
use crate::run::{Live, decide, render};
use crate::task::TaskId;
use crate::template::{Mode, Names};

pub(super) use names::{Known, names};
pub(super) use settle::settle;

/// A step on a host, at work.
struct Task<'w, 'r, 'a> {
    live: &'w Live<'r, 'a>,
    host: &'w HostName,
    guard: &'w Guard<'w>,
    at: StepRef<'r>,
    step: &'r Step,
    id: TaskId,
    names: Names,
    limits: Limits,
}

struct TaskEnd {
    status: TaskStatus,
    why: Option<Reason>,
    result: Option<serde_json::Value>,
}

/// The result of working on a task.
enum Conclusion {
    Ended(TaskEnd),
    Asked(Question),
    /// Something other than the host keeps the step from continuing: a resume tries again.
    Blocked(String),
    /// The run stops: a resume continues here.
    Stopped,
}

impl TaskEnd {
    fn well(status: TaskStatus) -> Conclusion {
        Conclusion::Ended(Self { status, why: None, result: None })
    }

    fn with(status: TaskStatus, why: Reason) -> Conclusion {
        Conclusion::Ended(Self { status, why: Some(why), result: None })
    }
}

/// Works on a step until it ends, asks, or is stopped.
pub(super) async fn perform<'r>(
    live: &Live<'r, '_>,
    host: &HostName,
    at: StepRef<'r>,
) -> Result<(), JournalError> {
    let bound = patience::bound(&live.run.plan.plan, at);
    let guard = Guard::new(live.run.transport, host, bound);
    let task = Task::at(live, host, at, &guard);
    let conclusion = task.work().await?;
    task.note_spent().await?;
    task.rest_with(conclusion).await
}

impl<'w, 'r, 'a> Task<'w, 'r, 'a> {
    fn at(
        live: &'w Live<'r, 'a>,
        host: &'w HostName,
        at: StepRef<'r>,
        guard: &'w Guard<'w>,
    ) -> Self {
        let mut names = names(live, host, at.item);
        let target = at.step.effect().map(|effect| &effect.target);
        let on = target.and_then(|target| place(target, host, &names));
        if let Some(on) = on.and_then(|on| live.run.plan.inventory.host(&on)) {
            add_there(&mut names, host, on);
        }
        Self {
            live,
            host,
            guard,
            at,
            step: at.step,
            id: at.on(host),
            names,
            limits: Limits::at(live, host, at),
        }
    }
}

impl Task<'_, '_, '_> {
    fn state(&self) -> TaskState {
        self.live.state.borrow().task(&self.id).cloned().unwrap_or_default()
    }

    fn host_is(&self, is: impl FnOnce(&HostState) -> bool) -> bool {
        self.live.state.borrow().hosts.get(self.host).is_some_and(is)
    }

    fn is_begun(&self) -> bool {
        self.state().begun_at > 0
    }

    fn observer(&self) -> Observer<'_> {
        Observer {
            plan: self.live.run.plan,
            transport: self.guard,
            host: self.host,
            names: &self.names,
        }
    }

    /// Whether an error that is not the result of the task keeps the run from the host.
    fn is_blocked(&self) -> bool {
        self.guard.met().is_some()
    }

    /// Whether the work stops here: nothing more is probed, sent or failed.
    fn is_halted(&self) -> bool {
        self.is_blocked() || self.stops()
    }

    /// Whether a stop was requested that is honoured here.
    fn stops(&self) -> bool {
        self.live.run.stop.requested().is_some() && self.may_stop()
    }

    async fn note(&self, event: TaskEvent) -> Result<(), JournalError> {
        self.live.note(event.of(&self.id)).await
    }

    async fn begin(&self, items: Option<Vec<serde_json::Value>>) -> Result<(), JournalError> {
        self.note(TaskEvent::Started { items, timeout: None }).await
    }

    /// Records that a block has started, and how long it may take.
    async fn begin_block(&self) -> Result<Conclusion, JournalError> {
        let own = self.step.timeout.as_ref().map(|own| self.length(own));
        let own = match own.transpose() {
            Ok(own) => own,
            Err(why) => return Ok(self.failed(TaskStatus::Failed, why)),
        };
        // What was checked may have taken its time. A stop must not enter the block, which might be one
        // that is then completed.
        if self.is_halted() {
            return Ok(Conclusion::Stopped);
        }
        let timeout = own.into_iter().chain(self.rest()).min();
        self.note(TaskEvent::Started { items: None, timeout }).await?;
        Ok(Conclusion::Stopped)
    }

    fn length(&self, late: &Deferred<Duration>) -> Result<Duration, Reason> {
        render::length(late, &self.names).map_err(Reason::of)
    }

    fn may_stop(&self) -> bool {
        let state = self.live.state.borrow();
        let host = state.hosts.get(self.host);
        host.is_none_or(|host| {
            state.is_abandoned(host) || !decide::inside_uninterruptible(self.live.run.plan, host)
        })
    }

    /// Sleeps; true if the run was asked to stop meanwhile and that is honoured here.
    async fn sleep(&self, duration: Duration) -> bool {
        let run = self.live.run;
        if !self.may_stop() {
            run.clock.sleep(duration).await;
            return false;
        }
        tokio::select! {
            biased;
            () = run.stop.wait() => true,
            () = run.clock.sleep(duration) => false,
        }
    }

    async fn work(&self) -> Result<Conclusion, JournalError> {
        if let Some(for_each) = self.step.for_each.as_ref().filter(|_| self.at.is_whole()) {
            return self.list_items(for_each).await;
        }
        if let Some(rounds) = self.step.retry.as_ref().filter(|_| self.is_begun()) {
            return self.another_round(rounds).await;
        }
        if !self.is_begun() {
            if let Some(over) = self.time_is_up() {
                return Ok(self.failed(TaskStatus::TimedOut, Self::not_begun(&over)));
            }
            if let Some(when) = &self.step.when {
                let seen = self.observer().condition(when).await;
                match seen.truth() {
                    Truth::True => {}
                    Truth::False => {
                        return Ok(TaskEnd::with(
                            TaskStatus::Skipped,
                            seen.reason("its `when` is false"),
                        ));
                    }
                    Truth::Unknown => {
                        if let Some(conclusion) = self.answered() {
                            return Ok(conclusion);
                        }
                        let why = seen.reason("its `when` is unknown");
                        return Ok(self.failed(TaskStatus::Failed, why));
                    }
                }
            }
            if self.is_halted() {
                return Ok(Conclusion::Stopped);
            }
            // A block starts when its `requires` passes: from then on its parts are tasks.
            if !matches!(self.step.action, Action::Block { .. }) {
                self.begin(None).await?;
            }
        }
        if let Some(conclusion) = self.answered() {
            return Ok(conclusion);
        }
        // An effect that is already done needs no `requires`: it checks that itself.
        if !matches!(self.step.action, Action::Effect(_))
            && let Some(conclusion) = self.lacks().await
        {
            return Ok(conclusion);
        }
        match &self.step.action {
            Action::Block { .. } => self.begin_block().await,
            Action::Effect(effect) => self.effect(effect).await,
            Action::Wait(wait) => self.wait(wait).await,
            Action::Assert { checks, within } => Ok(self.assert(checks, within).await),
            Action::Approve(approve) => Ok(self.approve(approve)),
            Action::Set(values) => Ok(self.set(values).await),
            Action::Fail(text) => {
                let text = text.render(Mode::Text, &self.names).unwrap_or_else(|e| e.to_string());
                let why = Reason::of(text.trim_end());
                Ok(self.failed(TaskStatus::Failed, why))
            }
        }
    }

    /// Checks the `requires` of the step; if it does not pass, the task has failed.
    async fn lacks(&self) -> Option<Conclusion> {
        if self.step.requires.is_empty() {
            return None;
        }
        let seen = self.observer().checks(&self.step.requires).await;
        let text = if self.state().attempts.is_empty() {
            "a check in `requires` did not pass; nothing was sent"
        } else {
            "a check in `requires` no longer passes; it was not sent again"
        };
        (!seen.holds()).then(|| self.failed(TaskStatus::Failed, seen.reason(text)))
    }

    /// Acts upon an answer that ends the task.
    fn answered(&self) -> Option<Conclusion> {
        let state = self.state();
        if state.is_expired {
            return Some(self.failed(TaskStatus::TimedOut, state.why.unwrap_or_default()));
        }
        let (answer, reason) = state.answer?;
        let (status, words) = match answer {
            Answer::Approve => (TaskStatus::Unchanged, "approved"),
            Answer::Continue => (TaskStatus::Unchanged, "continued"),
            Answer::Skip => (TaskStatus::Skipped, "skipped"),
            Answer::Done => (TaskStatus::Changed, "marked as done"),
            Answer::Fail => (TaskStatus::Failed, "failed"),
            Answer::Reject => (TaskStatus::Failed, "rejected"),
            Answer::Wait | Answer::Retry | Answer::NotDone => return None,
        };
        let said = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
        let answered = format!("{words} by operator{said}");
        let mut why = state.why.unwrap_or_default();
        why.text = match why.text.as_str() {
            "" => answered,
            text => format!("{text}; {answered}"),
        };
        let output = self.recorded_output().filter(|_| answer == Answer::Fail);
        let result = self.failed_result(output.as_ref());
        Some(Conclusion::Ended(TaskEnd { status, why: Some(why), result }))
    }

    /// Ends a task that failed, or asks the operator if the plan says so. If the run stops, nothing
    /// fails: a resume tries again.
    fn failed(&self, status: TaskStatus, why: Reason) -> Conclusion {
        if self.is_halted() {
            return Conclusion::Stopped;
        }
        if self.asks_on_failure() {
            let text = format!("{}: {}. What now?", self.title(), why.text);
            let answers = vec![Answer::Retry, Answer::Skip, Answer::Fail];
            return Conclusion::Asked(Question::new(text, why, answers));
        }
        TaskEnd::with(status, why)
    }

    /// Whether a failure here leads to a question, and one may be asked.
    fn asks_on_failure(&self) -> bool {
        let plan = self.live.run.plan;
        self.may_stop() && self.host_is(|host| decide::asks_on_failure(plan, host, self.at))
    }

    /// Records the result of the work, or what keeps the run from its host.
    async fn rest_with(&self, conclusion: Conclusion) -> Result<(), JournalError> {
        match self.guard.met() {
            Some(error) => self.live.note(HostEvent::blocked(&error, self.host)).await,
            None => self.conclude(conclusion).await,
        }
    }

    async fn conclude(&self, conclusion: Conclusion) -> Result<(), JournalError> {
        match conclusion {
            Conclusion::Stopped => Ok(()),
            Conclusion::Blocked(why) => {
                let blocked = HostEvent::Blocked { why, quarantined: false, locked: false };
                self.live.note(blocked.of(self.host)).await
            }
            Conclusion::Asked(question) => self.note(TaskEvent::QuestionAsked { question }).await,
            Conclusion::Ended(TaskEnd { status, why, result }) => {
                // Stored first: after a crash between the two the step must not be undone.
                if let Some(point) = self.step.point_of_no_return.clone()
                    && !self.at.is_item()
                    && status.is_well()
                    && status != TaskStatus::Skipped
                {
                    let NoReturn { why, all_hosts } = point;
                    self.note(TaskEvent::PointOfNoReturn { why, all_hosts }).await?;
                }
                self.note(TaskEvent::Ended { status, why, result }).await
            }
        }
    }

    async fn assert(&self, checks: &[Check], within: &Deferred<Duration>) -> Conclusion {
        let within = match self.length(within) {
            Ok(within) => within,
            Err(why) => return self.failed(TaskStatus::Failed, why),
        };
        let seen = self.look_until(within, || async { self.observer().checks(checks).await }).await;
        if seen.holds() {
            return TaskEnd::with(TaskStatus::Unchanged, seen.reason("all checks passed"));
        }
        let (status, why) = self.or_out_of_time(TaskStatus::Failed, seen.reason("a check failed"));
        self.failed(status, why)
    }

    async fn set(
        &self,
        values: &[(String, std::rc::Rc<crate::template::expression::Expression>)],
    ) -> Conclusion {
        let mut result = serde_json::Map::new();
        for (name, expression) in values {
            match self.observer().value(expression).await {
                Ok(value) => {
                    result.insert(name.clone(), value);
                }
                Err(why) => {
                    let text = format!("`{name}` is unknown: {why}");
                    return self.failed(TaskStatus::Failed, Reason::of(text));
                }
            }
        }
        let result = Some(result.into());
        Conclusion::Ended(TaskEnd { status: TaskStatus::Unchanged, why: None, result })
    }

    /// Probes until the conditions are true, or `within` or the time of a block around has passed;
    /// at least once. Pauses grow from a quarter of a second to two: most conditions are true at
    /// once.
    async fn look_until<F, L>(&self, within: Duration, look: L) -> Observation
    where
        F: Future<Output = Observation>,
        L: Fn() -> F,
    {
        let clock = &self.live.run.clock;
        let begin = clock.monotonic();
        let within = self.capped(within);
        let mut pause = Duration::from_millis(250);
        loop {
            let seen = look().await;
            let passed = clock.monotonic().saturating_sub(begin);
            let longest = match seen.no_answer {
                Some(_) => self.reconnect_for(within),
                None => within,
            };
            if seen.holds() || passed >= longest || self.is_blocked() {
                return seen;
            }
            if self.sleep(pause.min(within.saturating_sub(passed))).await {
                return seen;
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
}
