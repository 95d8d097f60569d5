//! The life of a run: one process after another, until the run has ended.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use planrun::clock::Clock;
use planrun::event::{
    Answer, Event, HostEvent, HostStatus, JournalError, Question, Record, Reporter, RunEvent,
    RunId, RunStatus, TaskEvent, TaskId,
};
use planrun::history::{Requested, RunState};
use planrun::inventory::HostName;
use planrun::resolve::ResolvedPlan;
use planrun::run::answers::Answers;
use planrun::run::{Asker, Run, Stop};

use crate::bug::Bug;
use crate::cases::Case;
use crate::fault::{Kind, Point, Schedule};
use crate::hosts::{Fact, World};
use crate::oracle;
use crate::process::{Gate, Listener, Pace, Process, misreading};
use crate::store::Store;

/// Most points of a kind in a life.
const MOST: u32 = 5_000;

/// How often the operator answers anything but the answer that ends it.
const PATIENCE: usize = 10;

/// When everything begins.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

/// See the module.
pub(crate) struct Life<'c> {
    pub(crate) case: &'c Case,
    pub(crate) schedule: &'c Schedule,
    pub(crate) bug: Option<Bug>,
    pub(crate) world: RefCell<World>,
    pub(crate) store: Rc<RefCell<Store>>,
    /// Commands that always fail.
    pub(crate) always: RefCell<BTreeSet<(HostName, String)>>,
    /// A promise that was seen broken on the way.
    pub(crate) broken: Rc<RefCell<Option<String>>>,
    plan: Option<ResolvedPlan>,
    counts: [Cell<u32>; 4],
    processes: Cell<u32>,
    answered: Cell<usize>,
    rollbacks: Cell<u32>,
}

/// Lives a schedule through. Returns its log, and which promise it broke.
pub(crate) fn live(case: &Case, schedule: &Schedule, bug: Option<Bug>) -> Lived {
    let plan = misreading(bug).map(|misreading| {
        let mut plan = case.plan.clone();
        misreading.change(&mut plan);
        plan
    });
    let names = case.plan.inventory.hosts.keys().cloned();
    let life = Life {
        case,
        schedule,
        bug,
        world: RefCell::new(World::new(names, &case.keys, bug)),
        store: Rc::new(RefCell::new(Store::new(bug))),
        always: RefCell::default(),
        broken: Rc::default(),
        plan,
        counts: Default::default(),
        processes: Cell::new(0),
        answered: Cell::new(0),
        rollbacks: Cell::new(0),
    };
    let lived = catch_unwind(AssertUnwindSafe(|| {
        life.go_on();
        // What is under way ends.
        let now = life.world.borrow().now + Duration::from_secs(20_000);
        life.world.borrow_mut().advance(now);
    }));
    let broken = match lived {
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
            Some(format!("panic: {text}"))
        }
        Ok(()) => life.broken.take().or_else(|| oracle::check(&life)),
    };
    let counts = life.counts.each_ref().map(Cell::get);
    let processes = life.processes.get();
    Lived {
        broken,
        counts,
        processes,
        log: life.world.into_inner().log,
        records: std::mem::take(&mut life.store.borrow_mut().records),
    }
}

/// What came of a schedule.
pub(crate) struct Lived {
    /// The promise that was broken.
    pub(crate) broken: Option<String>,
    /// How often it came to each [`Point`].
    pub(crate) counts: [u32; 4],
    pub(crate) processes: u32,
    pub(crate) log: Vec<(Duration, Fact)>,
    pub(crate) records: Vec<Record>,
}

impl Lived {
    /// How the run ended last.
    pub(crate) fn status(&self) -> Option<RunStatus> {
        self.records.iter().rev().find_map(|record| match &record.event {
            Event::Run(RunEvent::Ended { status, .. }) => Some(*status),
            _ => None,
        })
    }

    /// Everything that happened, a line each.
    pub(crate) fn trace(&self) -> String {
        let line = |(at, fact): &(Duration, Fact)| {
            let at = at.as_secs_f64();
            match fact {
                Fact::Commit { seq, epoch } => {
                    let record = &self.records[usize::try_from(*seq).unwrap() - 1];
                    match &record.event {
                        Event::Run(RunEvent::Planned(_)) => {
                            format!("{at:9.3} {epoch} stored {seq}: planned")
                        }
                        event => format!("{at:9.3} {epoch} stored {seq}: {event:?}"),
                    }
                }
                fact => format!("{at:9.3}   {fact:?}"),
            }
        };
        self.log.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Life<'_> {
    /// Counts a point, and returns what happens there.
    pub(crate) fn due(&self, point: Point) -> Vec<Kind> {
        let count = &self.counts[point as usize];
        count.set(count.get() + 1);
        assert!(count.get() < MOST, "the run does not end");
        let faults = self.schedule.faults.iter();
        let due = faults.filter(|it| it.point == point && it.number == count.get());
        due.map(|fault| fault.kind).collect()
    }

    /// Whether the run has seen the key of a host.
    pub(crate) fn knows_key(&self, name: &HostName) -> bool {
        let is = |record: &Record| matches!(&record.event, Event::Host { host, event: HostEvent::KeySeen { .. } } if host == name);
        self.store.borrow().records.iter().any(is)
    }

    /// Notes that a promise is broken.
    fn breaks(&self, text: String) {
        self.broken.borrow_mut().get_or_insert(text);
    }

    fn go_on(&self) {
        let mut next = Some(self.first());
        let most = 30 + 2 * u32::try_from(self.schedule.faults.len()).unwrap();
        while let Some((state, event)) = next.take() {
            if self.processes.get() >= most {
                self.breaks(format!("wedge: the run has not ended after {most} processes"));
                return;
            }
            self.process(state, event);
            next = self.next();
        }
    }

    /// Returns how the first process starts.
    fn first(&self) -> (RunState, Event) {
        let planned = Box::new(self.case.first.clone());
        (RunState::default(), RunEvent::Planned(planned).into())
    }

    /// Returns the state of the run as the next process reads it; `None` if it cannot be read.
    fn state(&self) -> Option<RunState> {
        let state = self.store.borrow().state();
        state.map_err(|why| self.breaks(format!("wedge: the events do not fit: {why}"))).ok()
    }

    /// Lets one process work.
    fn process(&self, state: RunState, first: Event) {
        let number = self.processes.get();
        self.processes.set(number + 1);
        let turn = |length: usize| usize::try_from(number).unwrap() % length;
        let schedule = self.schedule;
        if number > 0 {
            let down = schedule.downtimes[turn(schedule.downtimes.len())];
            let mut world = self.world.borrow_mut();
            let now = world.now + Duration::from_secs(down.into());
            world.advance(now);
            for machine in &mut world.machines {
                machine.other_key = machine.other_key.saturating_sub(1);
            }
        }
        let now = self.world.borrow().now;
        let jump = schedule.jumps[turn(schedule.jumps.len())];
        let wall = start()
            + SignedDuration::try_from(now).unwrap()
            + SignedDuration::from_secs(jump.into());
        let epoch = self.store.borrow_mut().take();
        let process = Process {
            life: self,
            number,
            epoch,
            clock: Clock::virtual_from(wall),
            base: Cell::new(now),
            gate: Gate::default(),
            stop: Stop::new(),
            held: RefCell::default(),
            poisoned: Cell::new(false),
            first_ids: RefCell::default(),
        };
        self.world.borrow_mut().note(Fact::Process { number, epoch });
        let listener = Listener { store: Rc::clone(&self.store), broken: Rc::clone(&self.broken) };
        let listener: Rc<RefCell<dyn Reporter>> = Rc::new(RefCell::new(listener));
        let answers = Answers::default();
        let has_terminal = schedule.terminals[turn(schedule.terminals.len())];
        let run = Run {
            id: RunId("run".into()),
            plan: self.plan.as_ref().unwrap_or(&self.case.plan),
            clock: process.clock.clone(),
            transport: &process,
            journal: &process,
            reporter: &listener,
            asker: has_terminal.then_some(&process as &dyn Asker),
            answers: &answers,
            stop: &process.stop,
            epoch,
            by: "test@here".into(),
            lock_timeout: std::time::Duration::ZERO,
        };
        self.poll(&process, run.drive(state, first));
        self.world.borrow_mut().note(Fact::Left { number });
        self.store.borrow_mut().crash();
    }

    /// Lets a process work until it ends, is killed, or waits for nothing.
    fn poll(
        &self,
        process: &Process<'_, '_>,
        work: impl Future<Output = Result<RunState, JournalError>>,
    ) {
        // In a test with a runtime, tokio lets a poll end early, which would look like a wait.
        let mut work = pin!(tokio::task::unconstrained(work));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(_ended) = work.as_mut().poll(&mut context) {
                return;
            }
            match process.gate.pace.get() {
                Pace::Dead => return,
                Pace::Frozen => {
                    // Another process takes the run over; then this one continues.
                    self.world.borrow_mut().note(Fact::Left { number: process.number });
                    if let Some((state, first)) = self.next() {
                        self.process(state, first);
                    }
                    let now = self.world.borrow().now;
                    process.base.set(now.saturating_sub(process.clock.monotonic()));
                    self.world.borrow_mut().note(Fact::Back { number: process.number });
                    process.gate.thaw();
                }
                Pace::Runs => {
                    if !process.clock.advance() {
                        return self.breaks("wedge: a process waits for nothing".into());
                    }
                }
            }
        }
    }

    /// Returns how the next process starts; `None` if there is none: what an operator does.
    fn next(&self) -> Option<(RunState, Event)> {
        if self.broken.borrow().is_some() {
            return None;
        }
        if self.store.borrow().records.is_empty() {
            return Some(self.first());
        }
        let mut state = self.state()?;
        let by = "test@here".to_owned();
        let rollback = |state: &RunState| {
            self.rollbacks.set(self.rollbacks.get() + 1);
            let request = Requested::default();
            let event = RunEvent::RollbackRequested { by: by.clone(), reason: None, hosts: None };
            state.can_roll_back(&request).then(|| event.into())
        };
        let is_stuck = state.hosts.values().any(|host| host.status == HostStatus::Stuck);
        let event = match state.status {
            RunStatus::Succeeded if self.schedule.rollback_after && self.rollbacks.get() == 0 => {
                rollback(&state)
            }
            RunStatus::Stuck if self.rollbacks.get() < 3 => rollback(&state),
            status if status.has_ended() || status == RunStatus::Stuck => None,
            _ if Some(self.processes.get()) == self.schedule.rollback_at => {
                rollback(&state).or(Some(RunEvent::Resumed { by: by.clone() }.into()))
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
        Some((state, event?))
    }

    /// Answers the open questions, as `planrun resolve` does. Returns whether there were any.
    fn resolve(&self, state: &RunState) -> bool {
        let questions = state.open_questions();
        let has_answered = !questions.is_empty();
        for (task, question) in questions {
            while let Some(ends) = self.runs_until(&task) {
                self.world.borrow_mut().advance(ends);
            }
            let answer = self.answer(&task, &question);
            let mut store = self.store.borrow_mut();
            let epoch = store.take();
            let at = start() + SignedDuration::try_from(self.world.borrow().now).unwrap();
            let seq = store.records.len() as u64 + 1;
            let by = "test@there".to_owned();
            let event = TaskEvent::QuestionAnswered { answer, reason: None, by }.of(&task);
            let stored = store.append(&[Record { seq, epoch, at, event }]).unwrap();
            if stored > 0 {
                self.world.borrow_mut().note(Fact::Commit { seq, epoch });
            }
        }
        has_answered
    }

    /// Returns until when a command of a task runs, if one does.
    pub(crate) fn runs_until(&self, task: &TaskId) -> Option<Duration> {
        let store = self.store.borrow();
        let world = self.world.borrow();
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
        let choices = &self.schedule.choices;
        let choice = usize::from(choices[number % choices.len()]);
        let has = |answer| question.answers.contains(&answer);
        let mut true_ones = question.answers.clone();
        if has(Answer::NotDone) {
            let took = self.took_effect(task);
            let effect = self.case.effect(&task.step);
            let may_repeat = effect.is_some_and(|effect| effect.idempotent || effect.has_done_when);
            true_ones.retain(|answer| match answer {
                Answer::Done => took,
                Answer::NotDone => !took,
                Answer::Retry => !took || may_repeat,
                // A rollback that failed is sent again later.
                Answer::Fail => !took || may_repeat || !self.case.is_handler(&task.step),
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
        let world = self.world.borrow();
        world.log.iter().any(|(_, fact)| matches!(fact, Fact::Took { id, .. } if ids.contains(&id)))
    }
}
