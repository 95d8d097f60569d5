//! The life of a run: one process after another, until the run has ended. If there is a rival, the lives of
//! two runs: their operators take turns.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use planrun::clock::Clock;
use planrun::event::{Event, JournalError, Record, RunEvent, RunId, RunStatus};
use planrun::history::{Reporter, RunState};
use planrun::inventory::HostName;
use planrun::resolve::ResolvedPlan;
use planrun::run::answers::Answers;
use planrun::run::{Asker, Run};
use planrun::transport::TransportError;
use planrun::transport::lock::{LockRequest, ReleasedBy};

use crate::bug::Bug;
use crate::cases::Case;
use crate::fault::{Counts, Kind, Point, Rival, Schedule};
use crate::hosts::{Fact, Sender, World};
use crate::operator::Operator;
use crate::oracle;
use crate::process::{Listener, Pace, Process, misreading};
use crate::store::Store;

/// Most points of a kind in a life.
const MOST: u32 = 5_000;

/// How often an operator tries again whose hosts are locked.
const TRIES: u32 = 12;

/// How often operators release locks of runs that have not ended.
const UNLOCKS: u32 = 2;

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
    /// The stores of all runs.
    pub(crate) stores: RefCell<Vec<Rc<RefCell<Store>>>>,
    /// Commands that always fail.
    pub(crate) always: RefCell<BTreeSet<(HostName, String)>>,
    /// A promise that was seen broken on the way.
    pub(crate) broken: Rc<RefCell<Option<String>>>,
    plan: Option<ResolvedPlan>,
    counts: [Cell<u32>; 5],
    /// How many requests, commits and pauses are left until it is the turn of the other operator.
    left: Cell<u16>,
    turns: Cell<usize>,
    /// How many operators have not ended yet.
    busy: Cell<usize>,
    refusals: Cell<usize>,
    unlocks: Cell<u32>,
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
        stores: RefCell::default(),
        always: RefCell::default(),
        broken: Rc::default(),
        plan,
        counts: Default::default(),
        left: Cell::new(1),
        turns: Cell::new(0),
        busy: Cell::new(0),
        refusals: Cell::new(0),
        unlocks: Cell::new(0),
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
    let stores = life.stores.borrow();
    let records = stores.iter().map(|store| std::mem::take(&mut store.borrow_mut().records));
    let records = records.collect();
    drop(stores);
    let log = life.world.into_inner().log;
    Lived { broken, counts, log, records }
}

/// What came of a schedule.
pub(crate) struct Lived {
    /// The promise that was broken.
    pub(crate) broken: Option<String>,
    /// How often it came to each [`Point`].
    pub(crate) counts: Counts,
    pub(crate) log: Vec<(Duration, Fact)>,
    /// What was stored, run by run.
    pub(crate) records: Vec<Vec<Record>>,
}

impl Lived {
    /// How the first run ended last.
    pub(crate) fn status(&self) -> Option<RunStatus> {
        self.records[0].iter().rev().find_map(|record| match &record.event {
            Event::Run(RunEvent::Ended { status, .. }) => Some(*status),
            _ => None,
        })
    }

    /// How many processes there were.
    pub(crate) fn processes(&self) -> usize {
        self.log.iter().filter(|(_, fact)| matches!(fact, Fact::Process { .. })).count()
    }

    /// Everything that happened, a line each.
    pub(crate) fn trace(&self) -> String {
        let line = |(at, fact): &(Duration, Fact)| {
            let at = at.as_secs_f64();
            match fact {
                Fact::Commit { seq, from: Sender { run, epoch } } => {
                    let record = &self.records[*run][usize::try_from(*seq).unwrap() - 1];
                    match &record.event {
                        Event::Run(RunEvent::Planned(_)) => {
                            format!("{at:9.3} {run}.{epoch} stored {seq}: planned")
                        }
                        event => format!("{at:9.3} {run}.{epoch} stored {seq}: {event:?}"),
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

    /// Notes that a promise is broken.
    pub(crate) fn breaks(&self, text: String) {
        self.broken.borrow_mut().get_or_insert(text);
    }

    /// Whether the turn of the other operator has come.
    pub(crate) fn is_over(&self) -> bool {
        let Some(Rival { turns, .. }) = &self.schedule.rival else { return false };
        if self.busy.get() < 2 {
            return false;
        }
        self.left.set(self.left.get() - 1);
        if self.left.get() > 0 {
            return false;
        }
        self.left.set(turns[self.turns.get() % turns.len()]);
        self.turns.set(self.turns.get() + 1);
        true
    }

    /// Lets all operators go on, until they have ended.
    fn go_on(&self) {
        let number = 1 + usize::from(self.schedule.rival.is_some());
        let mut all: Vec<Option<Pin<Box<dyn Future<Output = ()> + '_>>>> = (0..number)
            .map(|_| Some(Box::pin(self.operate()) as Pin<Box<dyn Future<Output = ()>>>))
            .collect();
        self.busy.set(number);
        let mut context = Context::from_waker(Waker::noop());
        while self.busy.get() > 0 {
            for one in &mut all {
                if let Some(operator) = one
                    && operator.as_mut().poll(&mut context).is_ready()
                {
                    *one = None;
                    self.busy.set(self.busy.get() - 1);
                }
            }
        }
    }

    /// Lets one operator go on: with a run, or with another one if the hosts were locked.
    async fn operate(&self) {
        for _ in 0..TRIES {
            let operator = Operator::new(self);
            operator.go_on().await;
            if !operator.is_locked_out() || self.broken.borrow().is_some() {
                return;
            }
            self.unlock(operator.run);
            self.pass(Duration::from_mins(1)).await;
        }
    }

    /// It is the turn of the other operator; then time passes.
    async fn pass(&self, time: Duration) {
        if self.busy.get() > 1 {
            let mut is_first = true;
            poll_fn(
                |_| if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) },
            )
            .await;
        }
        let mut world = self.world.borrow_mut();
        let now = world.now + time;
        world.advance(now);
    }

    /// The hosts of a run are locked: its operator releases the locks, if no one is left who needs them, or if
    /// he wants so.
    fn unlock(&self, run: usize) {
        let Some(Rival { unlocks, .. }) = &self.schedule.rival else { return };
        let number = self.refusals.get();
        self.refusals.set(number + 1);
        let wants = unlocks[number % unlocks.len()] && self.unlocks.get() < UNLOCKS;
        if self.busy.get() > 1 && !wants {
            return;
        }
        self.unlocks.set(self.unlocks.get() + 1);
        let mut world = self.world.borrow_mut();
        for host in 0..world.machines.len() {
            if let Some((holder, id)) = world.holder(host)
                && holder != run
            {
                let by = "an operator".to_owned();
                let by = Some(ReleasedBy { by, at: start(), reason: "wanted".into() });
                let from = Sender { run, epoch: 0 };
                world.lock(host, from, &LockRequest::Release { id, by });
            }
        }
    }
}

impl<'c> Operator<'_, 'c> {
    async fn go_on(&self) {
        let mut next = Some(self.first());
        let faults = u32::try_from(self.life.schedule.faults.len()).unwrap();
        let rivalry = if self.life.schedule.rival.is_some() { 2 * TRIES } else { 0 };
        let most = 30 + 2 * faults + rivalry;
        let mut refused = 0;
        while let Some((state, event)) = next.take() {
            if self.processes.get() >= most {
                let text = format!("wedge: the run has not ended after {most} processes");
                return self.life.breaks(text);
            }
            if self.process(state, event).await.is_some() {
                refused += 1;
                if refused > TRIES {
                    return;
                }
                self.life.unlock(self.run);
            }
            if self.life.schedule.rival.is_some() {
                self.life.pass(Duration::ZERO).await;
            }
            next = self.next();
        }
    }

    /// Lets one process work. Returns why it may not continue the run, if another run has a lock.
    fn process<'o>(
        &'o self,
        state: RunState,
        first: Event,
    ) -> Pin<Box<dyn Future<Output = Option<TransportError>> + 'o>> {
        Box::pin(async move {
            let life = self.life;
            let number = self.processes.get();
            self.processes.set(number + 1);
            let turn = |length: usize| usize::try_from(number).unwrap() % length;
            let schedule = life.schedule;
            if number > 0 {
                let down = schedule.downtimes[turn(schedule.downtimes.len())];
                let mut world = life.world.borrow_mut();
                let now = world.now + Duration::from_secs(down.into());
                world.advance(now);
                for machine in &mut world.machines {
                    machine.other_key = machine.other_key.saturating_sub(1);
                }
            }
            let now = life.world.borrow().now;
            let jump = schedule.jumps[turn(schedule.jumps.len())];
            let wall = start()
                + SignedDuration::try_from(now).unwrap()
                + SignedDuration::from_secs(jump.into());
            let epoch = self.store.borrow_mut().take();
            let from = Sender { run: self.run, epoch };
            let process = Process::new(self, from, Clock::virtual_from(wall), now);
            life.world.borrow_mut().note(Fact::Process { from });
            let listener =
                Listener { store: Rc::clone(&self.store), broken: Rc::clone(&life.broken) };
            let listener: Rc<RefCell<dyn Reporter>> = Rc::new(RefCell::new(listener));
            let answers = Answers::default();
            let has_terminal = schedule.terminals[turn(schedule.terminals.len())];
            let lock_timeout = schedule.rival.as_ref().map_or(0, |rival| rival.lock_timeout);
            let run = Run {
                id: RunId(format!("run{}", self.run)),
                plan: life.plan.as_ref().unwrap_or(&life.case.plan),
                clock: process.clock.clone(),
                transport: &process,
                journal: &process,
                reporter: &listener,
                asker: has_terminal.then_some(&process as &dyn Asker),
                answers: &answers,
                stop: &process.stop,
                epoch,
                by: self.name(),
                lock_timeout: Duration::from_secs(lock_timeout.into()),
                follow: false,
            };
            let refused = self.poll(&process, run.take_up(state, first)).await;
            life.world.borrow_mut().note(Fact::Left { from });
            self.store.borrow_mut().crash();
            refused
        })
    }

    /// Lets a process work until it ends, is killed, or waits for nothing.
    async fn poll(
        &self,
        process: &Process<'_, '_, 'c>,
        work: impl Future<Output = Result<Result<RunState, TransportError>, JournalError>>,
    ) -> Option<TransportError> {
        // In a test with a runtime, tokio lets a poll end early, which would look like a wait.
        let mut work = pin!(tokio::task::unconstrained(work));
        let life = self.life;
        loop {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(ended) = work.as_mut().poll(&mut context) {
                return ended.ok()?.err();
            }
            match process.gate.pace.get() {
                Pace::Dead => return None,
                Pace::Frozen => {
                    // Another process takes the run over; then this one continues.
                    life.world.borrow_mut().note(Fact::Left { from: process.from });
                    if let Some((state, first)) = self.next() {
                        self.process(state, first).await;
                    }
                    life.world.borrow_mut().note(Fact::Back { from: process.from });
                    process.goes_on();
                }
                Pace::Waits => {
                    life.pass(Duration::ZERO).await;
                    process.goes_on();
                }
                Pace::Runs => {
                    if !process.clock.advance() {
                        life.breaks("wedge: a process waits for nothing".into());
                        return None;
                    }
                }
            }
        }
    }
}
