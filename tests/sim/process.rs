//! One process of planrun: the engine with a simulated network, store and operator.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use planrun::clock::Clock;
use planrun::event::{Answer, Event, Journal, JournalError, Question, Record, RunEvent, TaskId};
use planrun::history::{Reporter, RunState};
use planrun::inventory::{Host, HostName};
use planrun::run::{Asker, Stop};
use planrun::transport::lock::{LockReply, LockRequest};
use planrun::transport::{
    AttemptId, Command, Exit, Output, Recovered, Reply, Request as Asked, Transport, TransportError,
};

use crate::bug::{Bug, Misreading};
use crate::fault::{Fate, Kind, Point};
use crate::hosts::{Arrival, Fact, Fence, Progress, Request, Sender, World, work};
use crate::life::Life;
use crate::operator::Operator;
use crate::store::Store;

/// How long connecting to a host that is away takes.
const CONNECT: Duration = Duration::from_secs(3);
/// When a connection is given up that brings nothing.
const KEEPALIVE: Duration = Duration::from_secs(45);

/// Whether a process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    #[default]
    Runs,
    /// It was killed.
    Dead,
    /// It is suspended, and another one takes its run over.
    Frozen,
    /// It is suspended, as it is the turn of the other operator.
    Waits,
}

/// Lets nothing of a process continue that does not run.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) pace: Cell<Pace>,
    wakers: RefCell<Vec<Waker>>,
}

impl Gate {
    /// Waits until the process runs.
    async fn pass(&self) {
        poll_fn(|context| {
            if self.pace.get() == Pace::Runs {
                return Poll::Ready(());
            }
            self.wakers.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn thaw(&self) {
        self.pace.set(Pace::Runs);
        self.wakers.take().into_iter().for_each(Waker::wake);
    }
}

/// See the module.
pub(crate) struct Process<'o, 'l, 'c> {
    pub(crate) operator: &'o Operator<'l, 'c>,
    pub(crate) from: Sender,
    pub(crate) clock: Clock,
    /// The time of the world when the clock was at zero.
    base: Cell<Duration>,
    pub(crate) gate: Gate,
    pub(crate) stop: Stop,
    /// The host keys that this process expects.
    held: RefCell<BTreeMap<HostName, String>>,
    /// The locks that it has taken.
    fences: RefCell<BTreeMap<usize, Fence>>,
    /// Whether its store has failed.
    poisoned: Cell<bool>,
    /// The first id of each step, for a bug.
    first_ids: RefCell<BTreeMap<String, AttemptId>>,
}

impl<'o, 'l, 'c> Process<'o, 'l, 'c> {
    pub(crate) fn new(
        operator: &'o Operator<'l, 'c>,
        from: Sender,
        clock: Clock,
        now: Duration,
    ) -> Self {
        Self {
            operator,
            from,
            clock,
            base: Cell::new(now),
            gate: Gate::default(),
            stop: Stop::default(),
            held: RefCell::default(),
            fences: RefCell::default(),
            poisoned: Cell::new(false),
            first_ids: RefCell::default(),
        }
    }

    /// It continues, after it was suspended: at least for as long as its clock shows.
    pub(crate) fn goes_on(&self) {
        let now = self.world().now;
        self.base.set(now.saturating_sub(self.clock.monotonic()));
        self.gate.thaw();
    }

    fn life(&self) -> &'l Life<'c> {
        self.operator.life
    }

    fn has(&self, bug: Bug) -> bool {
        self.life().bug == Some(bug)
    }

    fn world(&self) -> RefMut<'l, World> {
        let mut world = self.life().world.borrow_mut();
        world.advance(self.base.get() + self.clock.monotonic());
        world
    }

    /// It may be suspended here.
    async fn pass(&self) {
        if self.gate.pace.get() == Pace::Runs && self.life().is_over() {
            self.gate.pace.set(Pace::Waits);
        }
        self.gate.pass().await;
    }

    async fn sleep(&self, time: Duration) {
        if !time.is_zero() {
            self.clock.sleep(time).await;
        }
        self.pass().await;
    }

    fn note(&self, fact: Fact) {
        self.world().note(fact);
    }

    /// The process ends, or is suspended, here.
    async fn halt(&self, pace: Pace) {
        self.gate.pace.set(pace);
        self.gate.pass().await;
    }

    /// Whether a fault ends or suspends the process: now, or after what it is doing.
    async fn halts(&self, kind: Kind, after: &mut Pace) -> bool {
        self.happens(kind);
        match kind {
            Kind::CrashBefore => self.halt(Pace::Dead).await,
            Kind::CrashAfter => *after = Pace::Dead,
            Kind::Freeze { kept: false } => self.halt(Pace::Frozen).await,
            Kind::Freeze { kept: true } => *after = Pace::Frozen,
            _ => return false,
        }
        true
    }

    fn happens(&self, kind: Kind) {
        if kind == Kind::Interrupt {
            self.stop.request("INT");
        }
        let mut world = self.world();
        world.note(Fact::Fault(format!("{kind:?}")));
        match kind {
            Kind::Reboot { host, done, down } => {
                world.reboot(host, done, Duration::from_secs(down.into()));
            }
            Kind::Away { host, seconds } => world.away(host, Duration::from_secs(seconds.into())),
            Kind::OtherKey { host, processes } => {
                world.machines[host].other_key = processes;
                world.away(host, Duration::ZERO);
            }
            Kind::EmptySpool { host } => world.empty_spool(host),
            _ => {}
        }
    }

    async fn connect(&self, host: &Host) -> Result<usize, TransportError> {
        let at = self.world().position(&host.name);
        let name = host.name.clone();
        if self.world().is_away(at) {
            let patience = host.link.connect_timeout.map_or(CONNECT, |own| own.min(CONNECT));
            self.sleep(patience).await;
            if self.world().is_away(at) {
                return Err(TransportError::Unreachable { host: name, why: "it is away".into() });
            }
        }
        let world = self.world();
        let key = world.key(at);
        // The operator has put the key of each host where it is expected, and believes what a run expects.
        let (expected, is_known) = match self.held.borrow().get(&host.name) {
            Some(held) => (*held == *key, true),
            None => {
                (world.machines[at].other_key == 0 || self.operator.knows_key(&host.name), false)
            }
        };
        if !expected && !self.has(Bug::KeyIgnored) {
            return Err(TransportError::HostKey {
                host: host.name.clone(),
                why: "another key".into(),
            });
        }
        if !is_known {
            self.held.borrow_mut().insert(host.name.clone(), key.to_owned());
        }
        Ok(at)
    }

    /// Waits for the answer to a request that has arrived.
    async fn answer(
        &self,
        at: usize,
        id: &AttemptId,
        command: &Command,
        since: Duration,
    ) -> Option<Output> {
        let give_up = since + command.timeout + Duration::from_secs(20);
        loop {
            if self.world().is_cut(at, since) {
                return None;
            }
            let now = self.world().now;
            let progress = self.world().progress(at, id);
            match progress {
                Progress::Running { ends } if now < give_up => {
                    self.sleep(ends.min(give_up).saturating_sub(now)).await;
                }
                Progress::Exited(output) => return Some(output),
                Progress::Running { .. } | Progress::Gone => return None,
            }
        }
    }
}

/// Why a request starts nothing.
fn refused(arrival: Arrival, host: &Host) -> Result<(), TransportError> {
    let host = host.name.clone();
    Err(match arrival {
        Arrival::Starts => return Ok(()),
        Arrival::Taken => TransportError::Repeated { host, why: "its id is taken".into() },
        Arrival::Restarted => {
            let why = "it was restarted, and has lost its lock".into();
            TransportError::Unreachable { host, why }
        }
        Arrival::LockLost => {
            let why = "is no longer locked for this run".into();
            TransportError::Locked { host, why }
        }
    })
}

fn cut(host: &Host, why: &str) -> TransportError {
    TransportError::Cut { host: host.name.clone(), why: why.to_owned() }
}

#[async_trait(?Send)]
impl Transport for Process<'_, '_, '_> {
    async fn handle(&self, host: &Host, request: Asked<'_>) -> Result<Reply, TransportError> {
        if matches!(request, Asked::Recorded(_)) {
            return Ok(Reply::Done);
        }
        self.pass().await;
        match request {
            Asked::Lock(request) => self.lock(host, request).await.map(Reply::Lock),
            Asked::Look(command) => {
                self.probe(host, command).await.map(|output| Reply::Ended(output, None))
            }
            Asked::Attempt(id, command, _) => {
                self.effect(host, id, command).await.map(|output| Reply::Ended(output, None))
            }
            Asked::Recover(id, intended) => {
                self.recall(host, id, intended).await.map(Reply::Recovered)
            }
            _ => self.connect(host).await.map(|_| Reply::Done),
        }
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.held.borrow().get(host).cloned()
    }

    fn expect_key(&self, host: &HostName, key: &str) {
        self.held.borrow_mut().insert(host.clone(), key.to_owned());
    }
}

impl Process<'_, '_, '_> {
    async fn probe(&self, host: &Host, command: &Command) -> Result<Output, TransportError> {
        let mut lost = None;
        for kind in self.life().due(Point::Look) {
            self.happens(kind);
            lost = Some(kind);
        }
        let at = self.connect(host).await?;
        match lost {
            Some(Kind::ProbeFails) => Ok(Output::new(Exit::Code(1), "", "it fails\n")),
            Some(Kind::Garbage) => Ok(Output::new(Exit::Code(0), "?\n", "")),
            Some(Kind::LookLost) => Err(cut(host, "lost")),
            _ => Ok(self.world().look(at, command)),
        }
    }

    async fn effect(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        let mut fault = None;
        for kind in self.life().due(Point::Send) {
            self.happens(kind);
            fault = Some(kind);
        }
        let mut at = self.connect(host).await?;
        let name = || host.name.clone();
        match fault {
            Some(Kind::Unreachable) => {
                self.sleep(CONNECT).await;
                return Err(TransportError::Unreachable { host: name(), why: "lost".into() });
            }
            Some(Kind::Denied) => {
                return Err(TransportError::Denied { host: name(), why: "not today".into() });
            }
            _ => {}
        }
        let mut id = id.clone();
        match self.life().bug {
            Some(Bug::WrongHost) => at = (at + 1) % self.world().machines.len(),
            Some(Bug::OrdinalReused) => {
                let key = format!("{at} {}", command.step);
                id = self.first_ids.borrow_mut().entry(key).or_insert(id).clone();
            }
            _ => {}
        }
        self.note(Fact::Sent { from: self.from, id: id.clone() });
        let (work, takes) = work(command);
        let fate = self.fate(fault, host, command);
        let timeout = command.timeout;
        let fence = self.fences.borrow().get(&at).cloned();
        let (id, from) = (id.clone(), self.from);
        let request = Request { host: at, from, fence, id, work, takes, timeout, fate };
        let since = self.world().now;
        match fault {
            Some(Kind::LostRequest) => {
                self.sleep(Duration::from_secs(1)).await;
                return self.lost(host, "before it arrived");
            }
            Some(Kind::Late(after)) => {
                self.world().deliver(request, Duration::from_secs(after.into()));
                self.sleep(Duration::from_secs(1)).await;
                return self.lost(host, "and arrives late");
            }
            Some(Kind::BlackHole { arrives }) => {
                if arrives {
                    self.world().arrives(request);
                }
                self.sleep(KEEPALIVE).await;
                return self.lost(host, "in a black hole");
            }
            _ => {}
        }
        if let Some(Kind::Duplicate(after)) = fault {
            self.world().deliver(request.clone(), Duration::from_secs(after.into()));
        }
        let arrival = self.world().arrives(request.clone());
        refused(arrival, host)?;
        self.outcome(fault, host, command, request, since).await
    }

    /// Takes the lock of a host, or releases it.
    async fn lock(&self, host: &Host, request: &LockRequest) -> Result<LockReply, TransportError> {
        let (mut fault, mut after) = (None, Pace::Runs);
        for kind in self.life().due(Point::Lock) {
            if !self.halts(kind, &mut after).await {
                fault = Some(kind);
            }
        }
        let at = self.connect(host).await?;
        let is_take = matches!(request, LockRequest::Take(_));
        let taken = || LockReply::Taken { is_kept: false, boot: None };
        let was_taken = self.fences.borrow().contains_key(&at);
        if is_take
            && (at > 0 && self.has(Bug::LocksFirstHost) || was_taken && self.has(Bug::LocksOnce))
        {
            self.fences.borrow_mut().remove(&at);
            return Ok(taken());
        }
        if fault == Some(Kind::AskLost) {
            if is_take && self.has(Bug::LostLockIsTaken) {
                return Ok(taken());
            }
            return Err(cut(host, "it did not hear the request"));
        }
        if !is_take && self.has(Bug::EndKeepsLocks) {
            return Ok(LockReply::Released);
        }
        let (reply, fence) = self.world().lock(at, self.from, request);
        if after != Pace::Runs {
            self.halt(after).await;
        }
        if fault == Some(Kind::ReplyLost) {
            return Err(cut(host, "its reply was lost"));
        }
        match (reply, fence) {
            (LockReply::Held(found), _) if is_take => {
                let (host, why) = (host.name.clone(), format!("is locked by {found}"));
                Err(TransportError::Locked { host, why })
            }
            (reply, fence) => {
                self.fences.borrow_mut().extend(fence.map(|fence| (at, fence)));
                Ok(reply)
            }
        }
    }

    /// Releases the locks of a run that pauses: a bug.
    fn releases_locks(&self) {
        let hosts: Vec<usize> = self.fences.borrow().keys().copied().collect();
        for host in hosts {
            let mut world = self.world();
            if let Some((run, id)) = world.holder(host)
                && run == self.from.run
            {
                world.lock(host, self.from, &LockRequest::Release { id, by: None });
            }
        }
    }

    async fn recall(
        &self,
        host: &Host,
        id: &AttemptId,
        intended: Timestamp,
    ) -> Result<Recovered, TransportError> {
        let mut lost = None;
        for kind in self.life().due(Point::Ask) {
            self.happens(kind);
            lost = Some(kind);
        }
        let at = self.connect(host).await?;
        if lost == Some(Kind::AskLost) {
            return Err(cut(host, "it did not hear the question"));
        }
        let since = intended.duration_since(crate::life::start());
        let since = Duration::try_from(since).unwrap_or_default();
        let recovered = self.world().ask(at, id, since);
        if lost == Some(Kind::ReplyLost) {
            return Err(cut(host, "its reply was lost"));
        }
        Ok(recovered)
    }

    /// How a command ends on its host.
    fn fate(&self, fault: Option<Kind>, host: &Host, command: &Command) -> Fate {
        let key = (host.name.clone(), command.step.clone());
        match fault {
            Some(Kind::Ends(fate)) => fate,
            Some(Kind::FailsAlways) => {
                self.life().always.borrow_mut().insert(key);
                Fate::Fails
            }
            _ if self.life().always.borrow().contains(&key) => Fate::Fails,
            _ => Fate::Well,
        }
    }

    /// Waits for the end of a command that has arrived.
    async fn outcome(
        &self,
        fault: Option<Kind>,
        host: &Host,
        command: &Command,
        request: Request,
        since: Duration,
    ) -> Result<Output, TransportError> {
        match fault {
            Some(Kind::LostConnection | Kind::RebootDuring { .. }) => {
                self.sleep(request.takes.min(request.timeout) / 2).await;
                if let Some(Kind::RebootDuring { done }) = fault {
                    self.world().reboot(request.host, done, Duration::from_secs(30));
                }
                if self.has(Bug::ResendsAfterCut) {
                    let again = AttemptId(format!("{}-again", request.id.0));
                    self.world().arrives(Request { id: again, ..request });
                }
                self.lost(host, "while it ran")
            }
            Some(Kind::LostAnswer) => {
                let _lost = self.answer(request.host, &request.id, command, since).await;
                self.lost(host, "after it ended")
            }
            _ => match self.answer(request.host, &request.id, command, since).await {
                Some(output) => Ok(output),
                None => self.lost(host, "or the host is"),
            },
        }
    }

    /// The connection is lost: how that is reported.
    fn lost(&self, host: &Host, why: &str) -> Result<Output, TransportError> {
        let why = format!("the connection was lost, {why}");
        match self.life().bug {
            Some(Bug::CutIsNotSent) => {
                Err(TransportError::Unreachable { host: host.name.clone(), why })
            }
            Some(Bug::CutIsTimeout) => Ok(Output::new(Exit::TimedOut, "", "")),
            Some(Bug::CutIsSuccess) => Ok(Output::new(Exit::Code(0), "", "")),
            _ => Err(cut(host, &why)),
        }
    }
}

#[async_trait(?Send)]
impl Journal for Process<'_, '_, '_> {
    async fn append(&self, records: &[Record]) -> Result<(), JournalError> {
        self.pass().await;
        let mut after = Pace::Runs;
        let mut fails_after = false;
        for kind in self.life().due(Point::Commit) {
            if self.halts(kind, &mut after).await {
                continue;
            }
            match kind {
                Kind::StoreFails { kept } if !self.has(Bug::StoreErrorIgnored) => {
                    fails_after = kept;
                    self.poisoned.set(!kept);
                }
                Kind::StoreFails { .. } => return Ok(()),
                _ => {}
            }
        }
        if self.poisoned.get() {
            return Err(JournalError("no space left".into()));
        }
        let pauses = |record: &Record| matches!(record.event, Event::Run(RunEvent::Paused { .. }));
        if self.has(Bug::PauseReleasesLocks) && records.iter().any(pauses) {
            self.releases_locks();
        }
        let stored = self.operator.store.borrow_mut().append(records).map_err(JournalError)?;
        let last = self.operator.store.borrow().records.len();
        for seq in last - stored + 1..=last {
            self.note(Fact::Commit { seq: seq as u64, from: self.from });
        }
        if after != Pace::Runs {
            self.halt(after).await;
        }
        if fails_after {
            self.poisoned.set(true);
            return Err(JournalError("input/output error".into()));
        }
        Ok(())
    }
}

/// Hears of events, and checks that they are stored.
pub(crate) struct Listener {
    pub(crate) store: Rc<RefCell<Store>>,
    pub(crate) broken: Rc<RefCell<Option<String>>>,
}

impl Reporter for Listener {
    fn event(&mut self, record: &Record, _: &RunState) {
        let store = self.store.borrow();
        let position = usize::try_from(record.seq).unwrap() - 1;
        if store.records.get(position) != Some(record) {
            let text = format!("P1: event {} was shown and is not stored", record.seq);
            self.broken.borrow_mut().get_or_insert(text);
        }
    }
}

#[async_trait(?Send)]
impl Asker for Process<'_, '_, '_> {
    async fn ask(&self, task: &TaskId, question: &Question) -> Option<(Answer, Option<String>)> {
        self.pass().await;
        // Someone else must approve, from another terminal.
        if question.answers == [Answer::Reject] {
            return None;
        }
        // The operator looks first what runs there.
        loop {
            let now = self.world().now;
            let Some(ends) = self.operator.runs_until(task) else { break };
            self.sleep(ends.saturating_sub(now).max(Duration::from_millis(1))).await;
            let _caught_up = self.world();
        }
        Some((self.operator.answer(task, question), Some("looked".into())))
    }
}

/// Whether a bug changes the plan that processes read.
pub(crate) fn misreading(bug: Option<Bug>) -> Option<Misreading> {
    match bug {
        Some(Bug::Misreads(misreading)) => Some(misreading),
        _ => None,
    }
}
