//! An operator: starts a run, and continues it, rolls it back and answers its questions until it has ended.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use jiff::SignedDuration;
use planrun::event::{
    Answer, Event, HostEvent, HostStatus, PreflightVerdict, Question, Record, RunEvent, RunStatus,
    TaskEvent, TaskId,
};
use planrun::history::{Requested, RunState};
use planrun::inventory::HostName;
use planrun::transport::TransportError;

use crate::bug::Bug;
use crate::hosts::{Fact, Sender};
use crate::life::{Life, start};
use crate::store::Store;

/// How often the operator answers anything but the answer that ends it.
const PATIENCE: usize = 10;

/// One run of an operator, in a store of its own.
pub(crate) struct Operator<'l, 'c> {
    pub(crate) life: &'l Life<'c>,
    /// The position of the run among all runs.
    pub(crate) run: usize,
    pub(crate) store: Rc<RefCell<Store>>,
    /// How many processes there were.
    pub(crate) processes: Cell<u32>,
    answered: Cell<usize>,
    rollbacks: Cell<u32>,
}

impl<'l, 'c> Operator<'l, 'c> {
    pub(crate) fn new(life: &'l Life<'c>) -> Self {
        let store = Rc::new(RefCell::new(Store::new(life.bug)));
        life.stores.borrow_mut().push(Rc::clone(&store));
        let run = life.stores.borrow().len() - 1;
        let (processes, answered, rollbacks) = Default::default();
        Self { life, run, store, processes, answered, rollbacks }
    }

    /// Whether the run has seen the key of a host.
    pub(crate) fn knows_key(&self, name: &HostName) -> bool {
        let is = |record: &Record| matches!(&record.event, Event::Host { host, event: HostEvent::KeySeen { .. } } if host == name);
        self.store.borrow().records.iter().any(is)
    }

    /// Returns how the first process starts.
    pub(crate) fn first(&self) -> (RunState, Event) {
        let planned = Box::new(self.life.case.first.clone());
        (RunState::default(), RunEvent::Planned(planned).into())
    }

    /// Returns the state of the run as the next process reads it; `None` if it cannot be read.
    fn state(&self) -> Option<RunState> {
        let state = self.store.borrow().state();
        state.map_err(|why| self.life.breaks(format!("wedge: the events do not fit: {why}"))).ok()
    }

    /// Returns how the next process starts; `None` if there is none: what an operator does.
    pub(crate) fn next(&self) -> Option<(RunState, Event)> {
        if self.life.broken.borrow().is_some() {
            return None;
        }
        if self.store.borrow().records.is_empty() {
            return Some(self.first());
        }
        let mut state = self.state()?;
        let by = self.name();
        let rollback = |state: &RunState| {
            let request = self.request(state);
            self.rollbacks.set(self.rollbacks.get() + 1);
            let hosts = request.only.as_ref().map(|hosts| hosts.iter().cloned().collect());
            let event = RunEvent::RollbackRequested { by: by.clone(), reason: None, hosts };
            state.can_roll_back(&request).then(|| event.into())
        };
        let is_stuck = state.hosts.values().any(|host| host.status == HostStatus::Stuck);
        let event = match state.status {
            RunStatus::Succeeded | RunStatus::Aborted
                if self.life.schedule.rollback_after && self.rollbacks.get() == 0 =>
            {
                rollback(&state)
            }
            RunStatus::Stuck if state.is_only_setup_stuck() && self.processes.get() < 25 => {
                Some(RunEvent::Resumed { by }.into())
            }
            RunStatus::Stuck if self.rollbacks.get() < 3 => rollback(&state),
            // Some hosts first, then the others.
            RunStatus::RolledBack
                if self.life.schedule.limit.is_some() && self.rollbacks.get() == 1 =>
            {
                rollback(&state)
            }
            status if status.has_ended() || status == RunStatus::Stuck => None,
            _ if Some(self.processes.get()) == self.life.schedule.rollback_at => {
                rollback(&state).or(Some(RunEvent::Resumed { by: by.clone() }.into()))
            }
            _ if Some(self.processes.get()) == self.life.schedule.abort_at
                && !state.still_set().is_empty() =>
            {
                Some(RunEvent::AbortRequested { by, reason: None }.into())
            }
            // A command that always fails: a person gives up at some time.
            _ if is_stuck && self.processes.get() > 25 => None,
            _ => {
                if self.resolve(&state) {
                    state = self.state()?;
                }
                Some(RunEvent::Resumed { by }.into())
            }
        };
        let event = event?;
        if self.life.bug == Some(Bug::LimitIsForgotten)
            && let Some(request) = &mut state.rollback
        {
            request.only = None;
        }
        Some((state, event))
    }

    /// Returns the next rollback: the first one may be limited to one host.
    fn request(&self, state: &RunState) -> Requested {
        let hosts = &self.life.case.plan.hosts;
        let limit = self.life.schedule.limit.filter(|_| self.rollbacks.get() == 0);
        let only = limit.map(|number| vec![hosts[number % hosts.len()].clone()]);
        let limited = state.rollback_of(only);
        if state.can_roll_back(&limited) { limited } else { Requested::default() }
    }

    /// Who it is.
    pub(crate) fn name(&self) -> String {
        format!("test{}@here", self.run)
    }

    /// Whether the run was refused because another run has locked a host.
    pub(crate) fn is_locked_out(&self) -> bool {
        let records = &self.store.borrow().records;
        let is = |record: &Record| {
            matches!(
                &record.event,
                Event::Host {
                    event: HostEvent::PreflightEnded {
                        verdict: PreflightVerdict::NoAnswer(TransportError::Locked { .. })
                    },
                    ..
                }
            )
        };
        let ends = |record: &Record| {
            matches!(&record.event, Event::Run(RunEvent::Ended { status: RunStatus::Refused, .. }))
        };
        records.iter().any(is) && records.last().is_some_and(ends)
    }

    /// Answers the open questions, as `planrun resolve` does. Returns whether there were any.
    fn resolve(&self, state: &RunState) -> bool {
        let questions = state.open_questions();
        let has_answered = !questions.is_empty();
        for (task, question) in questions {
            while let Some(ends) = self.runs_until(&task) {
                self.life.world.borrow_mut().advance(ends);
            }
            let answer = self.answer(&task, &question);
            let mut store = self.store.borrow_mut();
            let epoch = store.take();
            let at = start() + SignedDuration::try_from(self.life.world.borrow().now).unwrap();
            let seq = store.records.len() as u64 + 1;
            let by = format!("test{seq}@there");
            if question.refusal(answer, &by, at).is_some() {
                continue;
            }
            let event = TaskEvent::QuestionAnswered { answer, reason: None, by }.of(&task);
            let stored = store.append(&[Record { seq, epoch, at, event }]).unwrap();
            if stored > 0 {
                self.life
                    .world
                    .borrow_mut()
                    .note(Fact::Commit { seq, from: Sender { run: self.run, epoch } });
            }
        }
        has_answered
    }

    /// Returns until when a command of a task runs, if one does.
    pub(crate) fn runs_until(&self, task: &TaskId) -> Option<Duration> {
        let store = self.store.borrow();
        let world = self.life.world.borrow();
        let ids = store.records.iter().filter_map(|record| match &record.event {
            Event::Task { task: it, event: TaskEvent::AttemptIntended { attempt, .. } }
                if it == task =>
            {
                Some(attempt)
            }
            _ => None,
        });
        ids.filter_map(|id| world.runs_until(id)).max()
    }

    /// Returns a true answer to a question.
    pub(crate) fn answer(&self, task: &TaskId, question: &Question) -> Answer {
        let number = self.answered.get();
        self.answered.set(number + 1);
        let choices = &self.life.schedule.choices;
        let choice = usize::from(choices[number % choices.len()]);
        let has = |answer| question.answers.contains(&answer);
        let mut true_ones = question.answers.clone();
        if has(Answer::NotDone) {
            let took = self.took_effect(task);
            let effect = self.life.case.effect(&task.step);
            let may_repeat = effect.is_some_and(|effect| effect.idempotent || effect.has_done_when);
            true_ones.retain(|answer| match answer {
                Answer::Done => took,
                Answer::NotDone => !took,
                Answer::Retry => !took || may_repeat,
                // A rollback that failed is sent again later.
                Answer::Fail => !took || may_repeat || !self.life.case.is_handler(&task.step),
                _ => true,
            });
        } else if has(Answer::Wait) && !has(Answer::Fail) {
            // The operator has waited until it ended.
            true_ones = vec![Answer::Continue];
        }
        if number > PATIENCE {
            true_ones.retain(|answer| {
                !matches!(answer, Answer::Wait | Answer::Retry | Answer::Reject | Answer::Skip)
                    || question.answers.len() < 3
            });
        }
        true_ones[choice % true_ones.len()]
    }

    /// Whether something that was sent for a task has taken effect, since it was settled last.
    fn took_effect(&self, task: &TaskId) -> bool {
        let store = self.store.borrow();
        let mut ids = Vec::new();
        for record in &store.records {
            match &record.event {
                Event::Task { task: it, event } if it == task => match event {
                    TaskEvent::AttemptIntended { attempt, .. } => ids.push(attempt),
                    TaskEvent::QuestionAnswered { .. } => ids.clear(),
                    _ => {}
                },
                _ => {}
            }
        }
        let world = self.life.world.borrow();
        world.log.iter().any(|(_, fact)| matches!(fact, Fact::Took { id, .. } if ids.contains(&id)))
    }
}
