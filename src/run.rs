//! The run: a resolved plan becomes facts.
//!
//! # Theory of operation
//!
//! One loop ([`Run::drive`]): [`decide`](decide::decide) returns, from plan and state alone, what may
//! start; the loop starts it and waits until something ends, a stop is requested, or time passes.
//! `perform` works on one step of one host, and reports by events. Every event goes through
//! `Live::note`: it is stored in the journal, then applied to the state, then passed to the
//! reporter. So:
//!
//! - **Record, then act.** An attempt is sent only after its intent is stored; nothing depends on a
//!   result that is not stored.
//! - **A crash** leaves a journal; a resume folds it and makes the same decisions. An attempt with
//!   an intent and no outcome is *in doubt*: its host is asked, then `done_when` is checked.
//! - **Secrets** are redacted in every event before it is stored, and so before the state and any
//!   reporter get it; output of hosts is redacted earlier ([`crate::transport::redacting`]).
//! - **A journal that cannot be written** ends the loop at once: nothing more starts.
//!
//! ```text
//!            decide(plan, state)
//!   .------------> decisions ------------.
//!   |                                    v
//!  state <-- apply -- Event <-- perform: probe, act, probe
//!                      |  \
//!                  journal  reporter
//! ```
//!
//! Clock, transport, journal, reporter and asker are arguments. Not here: how a command reaches a
//! host, how a run is shown, where it is stored.

pub mod answers;
pub mod decide;
mod guard;
pub mod locks;
mod log;
mod observe;
mod perform;
pub mod planned;
mod questions;
mod queue;
mod reach;
mod render;
pub mod step_ref;
pub mod survey;
mod there;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

pub use self::decide::verdict::exit_status;

use crate::clock::Clock;
use crate::event::{
    Answer, Event, HostEvent, Journal, JournalError, PreflightVerdict, Progress, Question, Reason,
    Record, RunEvent, RunId, Seen, Truth,
};
use crate::history::{Reporter, RunState};
use crate::inventory::HostName;
use crate::plan::{Action, Input};
use crate::resolve::ResolvedPlan;
use crate::run::answers::Answers;
use crate::run::decide::{Agenda, Decision, decide};
use crate::run::guard::Guard;
use crate::run::locks::{Locks, locked_hosts};
use crate::run::queue::Queue;
use crate::run::reach::Login;
use crate::secret::Secret;
use crate::task::TaskId;
use crate::transport::hosts::at_a_time;
use crate::transport::{Transport, TransportError};

/// One run, and the world it needs.
pub struct Run<'a> {
    pub id: RunId,
    pub plan: &'a ResolvedPlan,
    pub clock: Clock,
    /// How hosts are reached.
    pub transport: &'a dyn Transport,
    pub journal: &'a dyn Journal,
    pub reporter: &'a RefCell<dyn Reporter>,
    /// Asks the operator; `None` without a terminal.
    pub asker: Option<&'a dyn Asker>,
    /// How it is answered from other terminals.
    pub answers: &'a Answers,
    /// How it is asked to stop.
    pub stop: &'a Stop,
    /// The epoch of this process.
    pub epoch: u64,
    /// Who runs it: `user@machine`.
    pub by: String,
    /// How long it waits for the lock of a host that another run has.
    pub lock_timeout: Duration,
    /// Whether the last lines of a command are shown while it runs.
    pub follow: bool,
}

#[async_trait(?Send)]
pub trait Asker {
    /// Returns the answer and its reason; `None` if the operator did not answer: the run pauses.
    async fn ask(&self, task: &TaskId, question: &Question) -> Option<(Answer, Option<String>)>;

    /// Returns a secret that a task needs, as it is typed; `None` if the operator gives none: the host waits.
    async fn secret(&self, _task: &TaskId, _name: &str, _input: &Input) -> Option<Secret> {
        None
    }

    /// Returns who answers a question, if it is not the user that runs it.
    fn person(&self, _question: &Question) -> Option<String> {
        None
    }
}

/// A request to stop: nothing new starts, running work ends, then the run is paused.
#[derive(Debug, Default)]
pub struct Stop {
    by: RefCell<Option<String>>,
    notify: Notify,
}

impl Stop {
    /// Requests a stop; `by` is the signal or the operator. Only the first request counts.
    pub fn request(&self, by: &str) {
        self.by.borrow_mut().get_or_insert_with(|| by.to_owned());
        self.notify.notify_waiters();
    }

    /// Returns who requested a stop.
    pub fn requested(&self) -> Option<String> {
        self.by.borrow().clone()
    }

    /// Waits until a stop is requested.
    pub async fn wait(&self) {
        loop {
            let notified = self.notify.notified();
            if self.by.borrow().is_some() {
                return;
            }
            notified.await;
        }
    }
}

/// The state of a run in progress, shared by all work that was started.
struct Live<'r, 'a> {
    run: &'r Run<'a>,
    state: RefCell<RunState>,
    agenda: RefCell<Agenda>,
    /// The number of the last event.
    seq: Cell<u64>,
    /// Events that wait for the next commit.
    queue: Queue,
    /// Whether there is an operator who answers.
    can_ask: Cell<bool>,
    /// What the texts of its hosts see.
    known: RefCell<BTreeMap<HostName, perform::Known>>,
    /// What was reached before the first change.
    reached: RefCell<BTreeSet<Login>>,
    locks: RefCell<Locks<'r>>,
    /// Secrets that were typed in this process, by the names of their inputs.
    typed: RefCell<BTreeMap<String, Secret>>,
    /// Locked while the operator is asked for one: other tasks may need the same.
    asking: tokio::sync::Mutex<()>,
    /// Whether the plan has questions with a time limit.
    has_deadlines: bool,
    /// Whether the plan has a point of no return of all hosts.
    has_no_return: bool,
}

/// The work on a host that has ended, or on a question, for which there is no host.
type Ended = (Option<HostName>, Result<(), JournalError>);

/// Work that is under way.
type Work<'f> = Pin<Box<dyn Future<Output = Ended> + 'f>>;

/// Events that are being stored.
type Commit<'f> = Pin<Box<dyn Future<Output = Result<(), JournalError>> + 'f>>;

impl Run<'_> {
    /// Records an event, and works on the run until it ends, pauses, or its journal fails.
    pub async fn drive(&self, state: RunState, first: Event) -> Result<RunState, JournalError> {
        self.work(self.live(state), [first]).await
    }

    /// Starts or continues a run from an event: takes over its locks, if there are any, and then works as
    /// [`Run::drive`]. If another run has locked a host, nothing is recorded, and that is the inner result.
    pub async fn take_up(
        &self,
        state: RunState,
        first: Event,
    ) -> Result<Result<RunState, TransportError>, JournalError> {
        let live = self.live(state);
        let locked = if live.state.borrow().started { live.take_over().await } else { Ok(vec![]) };
        let locked = match locked {
            Ok(locked) => locked,
            Err(error) => return Ok(Err(error)),
        };
        self.work(live, [first].into_iter().chain(locked)).await.map(Ok)
    }

    fn live(&self, state: RunState) -> Live<'_, '_> {
        for (host, key) in &state.host_keys {
            self.transport.expect_key(host, key);
        }
        let others = self.plan.locks();
        let hosts = locked_hosts(&self.plan.inventory, self.plan.hosts.iter().chain(&others));
        let mut has_deadlines = false;
        self.plan.plan.visit(&mut |step| {
            if let Action::Approve(approve) = &step.action {
                has_deadlines |= approve.timeout.is_some();
            }
        });
        Live {
            run: self,
            has_deadlines,
            seq: Cell::new(state.seq),
            queue: Queue::default(),
            agenda: RefCell::default(),
            can_ask: Cell::new(self.asker.is_some()),
            known: RefCell::new(BTreeMap::new()),
            reached: RefCell::new(BTreeSet::new()),
            typed: RefCell::default(),
            asking: tokio::sync::Mutex::default(),
            locks: RefCell::new(Locks::of(hosts, state.seq == 0)),
            has_no_return: self.plan.plan.has_no_return_of_all(),
            state: RefCell::new(state),
        }
    }

    async fn work(
        &self,
        live: Live<'_, '_>,
        first: impl IntoIterator<Item = Event>,
    ) -> Result<RunState, JournalError> {
        live.note_now(first).await?;
        live.agenda.replace(Agenda::new(&live.state.borrow()));
        {
            let mut under_way: FuturesUnordered<Work<'_>> = FuturesUnordered::new();
            // After it has paused or ended it takes no more answers, and no question expires: the next process does that.
            while live.state.borrow().status.is_under_way() {
                if let Some(by) = self.stop.requested()
                    && !live.state.borrow().stop_requested
                {
                    live.note_now([Event::Run(RunEvent::StopRequested { by })]).await?;
                }
                while let Some(given) = self.answers.take() {
                    live.take_answer(given).await?;
                }
                live.expire().await?;
                // Nothing is rolled back after a point of no return that another host has passed meanwhile.
                if live.has_no_return && !live.queue.is_empty() {
                    live.commit().await?;
                }
                let decisions = live.decide();
                if decisions.is_empty() && live.agenda.borrow().is_idle() {
                    break;
                }
                let mut events = Vec::new();
                for decision in decisions {
                    match decision {
                        Decision::Record(event) => events.push(event),
                        other => under_way.push(Box::pin(live.obey(other))),
                    }
                }
                let locks = match events.first() {
                    Some(Event::Run(RunEvent::Started)) => live.take_locks().await?,
                    Some(Event::Run(RunEvent::Ended { status, .. })) if status.has_ended() => {
                        Some(live.release_locks().await)
                    }
                    _ => Some(Vec::new()),
                };
                let Some(locks) = locks else { continue };
                events.splice(0..0, locks);
                if !events.is_empty() {
                    live.note_now(events).await?;
                    continue;
                }
                for (host, result) in self.next_ends(&live, &mut under_way).await? {
                    live.ended(host.as_ref());
                    result?;
                }
            }
        }
        Ok(live.state.into_inner())
    }

    /// Waits until some work ends, and returns all work that has ended by then: the events that
    /// follow are recorded in one commit. Returns nothing if a stop is requested, another terminal
    /// sent an answer, or the time of a question has passed. Meanwhile it stores the events of all work, as many at once as there are.
    async fn next_ends(
        &self,
        live: &Live<'_, '_>,
        under_way: &mut FuturesUnordered<Work<'_>>,
    ) -> Result<Vec<Ended>, JournalError> {
        let was_requested = live.state.borrow().stop_requested;
        let mut stop = pin!(self.stop.wait());
        let mut answers = pin!(self.answers.wait());
        let mut expiry = pin!(live.next_expiry());
        let mut commit: Option<Commit<'_>> = None;
        let mut ended = Vec::new();
        std::future::poll_fn(|context| {
            loop {
                while let Poll::Ready(Some(one)) = under_way.poll_next_unpin(context) {
                    ended.push(one);
                }
                if let Some(stored) = &mut commit {
                    ready!(stored.as_mut().poll(context))?;
                    commit = None;
                    continue;
                }
                if !ended.is_empty() {
                    return Poll::Ready(Ok(std::mem::take(&mut ended)));
                }
                if !live.queue.is_empty() {
                    commit = Some(Box::pin(live.commit()));
                    continue;
                }
                if !was_requested && stop.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Ok(Vec::new()));
                }
                if answers.as_mut().poll(context).is_ready()
                    || expiry.as_mut().poll(context).is_ready()
                {
                    return Poll::Ready(Ok(Vec::new()));
                }
                // On model hosts time passes when, and only when, everybody waits for it.
                if !ready!(self.clock.poll_advance(context)) {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

impl<'r> Live<'r, '_> {
    /// Stores an event, applies it to the state, and passes it to the reporter. Events of several hosts are
    /// numbered in the order in which they happen. The loop of the run stores them ([`Run::next_ends`]),
    /// maybe together with those of other work.
    async fn note(&self, event: Event) -> Result<(), JournalError> {
        let last = self.enqueue([event]);
        self.queue.stores(last).await;
        Ok(())
    }

    /// Records events of the loop itself.
    async fn note_now(&self, events: impl IntoIterator<Item = Event>) -> Result<(), JournalError> {
        self.enqueue(events);
        self.commit().await
    }

    /// Queues events, and returns the number of the last one.
    fn enqueue(&self, events: impl IntoIterator<Item = Event>) -> u64 {
        let run = self.run;
        let at = run.clock.now();
        self.queue.put(events.into_iter().map(|event| {
            let seq = self.seq.get() + 1;
            self.seq.set(seq);
            let event = event.redacted(&run.plan.secrets.redactor);
            Record { seq, epoch: run.epoch, at, event }
        }));
        self.seq.get()
    }

    /// Stores all events that wait in one commit, takes them into the state, and wakes their work.
    async fn commit(&self) -> Result<(), JournalError> {
        let records = self.queue.take();
        for record in &records {
            tracing::debug!(run = %self.run.id, seq = record.seq, event = ?record.event, "keep");
        }
        self.run.journal.append(&records).await?;
        for record in &records {
            log::stored(&self.run.id, record);
            self.state.borrow_mut().apply(record).map_err(JournalError)?;
            self.agenda.borrow_mut().happened(&self.state.borrow(), &record.event);
            self.run.reporter.borrow_mut().event(record, &self.state.borrow());
        }
        self.queue.stored(records.last().map_or(0, |last| last.seq));
        Ok(())
    }

    fn progress(&self, progress: &Progress) {
        let progress = progress.clone().redacted(&self.run.plan.secrets.redactor);
        let (now, state) = (self.run.clock.now(), self.state.borrow());
        self.run.reporter.borrow_mut().progress(&progress, now, &state);
    }

    fn decide(&self) -> Vec<Decision<'r>> {
        let mut agenda = self.agenda.borrow_mut();
        let decisions =
            decide(self.run.plan, &self.state.borrow(), &mut agenda, self.can_ask.get());
        tracing::trace!(?decisions, ?agenda, "decided");
        decisions
    }

    fn ended(&self, host: Option<&HostName>) {
        let mut agenda = self.agenda.borrow_mut();
        match host {
            Some(host) => agenda.ended(&self.state.borrow(), host),
            None => agenda.asked(),
        }
    }

    /// Does what was decided.
    async fn obey(&self, decision: Decision<'r>) -> Ended {
        let (host, result) = match decision {
            Decision::Record(event) => return (None, self.note(event).await),
            Decision::Ask(task) => return (None, self.ask(&task).await),
            Decision::Order(hosts) => return (None, self.order(&hosts).await),
            Decision::Preflight(host) => (host.clone(), self.preflight(&host).await),
            Decision::Perform(host, at) => (host.clone(), perform::perform(self, &host, at).await),
            Decision::Settle(host, at) => (host.clone(), perform::settle(self, &host, at).await),
        };
        (Some(host), result)
    }

    /// Finds out which of these hosts `order` is about. If that is unknown of a host, it does not come first.
    async fn order(&self, hosts: &[HostName]) -> Result<(), JournalError> {
        let Some(order) = &self.run.plan.plan.order else { return Ok(()) };
        let observe = |host: &'_ HostName| {
            let host = host.clone();
            async move {
                let names = perform::names(self, &host, None);
                let guard = Guard::new(self.run.transport, &host, None);
                let (plan, names) = (self.run.plan, &names);
                let observer = observe::Observer { plan, transport: &guard, host: &host, names };
                let seen = observer.condition(&order.condition).await.seen;
                (seen, host)
            }
        };
        let seen: Vec<_> = at_a_time(decide::PREFLIGHT_WIDTH, hosts.iter().map(observe)).await;
        let is_true = |one: &Seen| match one.truth {
            Truth::True => true,
            Truth::False => false,
            Truth::Unknown => order.is_last,
        };
        let (mut hosts, mut why) = (Vec::new(), Reason::of(order.condition.text.clone()));
        for (seen, host) in seen {
            let is_named = seen.iter().all(is_true);
            if is_named || seen.iter().any(|one| one.truth == Truth::Unknown) {
                let of = |one: Seen| Seen { claim: format!("{host}: {}", one.claim), ..one };
                why.seen.extend(seen.into_iter().map(of));
            }
            hosts.extend(Some(host).filter(|_| is_named));
        }
        self.note(RunEvent::Ordered { last: order.is_last, hosts, why }.into()).await
    }

    /// Connects to a host, and runs the checks of the preflight on it.
    async fn preflight(&self, host: &HostName) -> Result<(), JournalError> {
        let (started, is_stage) = {
            let state = self.state.borrow();
            (state.started, state.hosts.get(host).is_some_and(|host| host.stage.is_some()))
        };
        // A stage has no host: its machines are reached.
        let checks = if is_stage { vec![] } else { self.run.plan.plan.preflight_at(started) };
        let names = perform::names(self, host, None);
        let guard = Guard::new(self.run.transport, host, None);
        let verdict = match self.reach(host, &names, &guard).await {
            Err(error) => PreflightVerdict::NoAnswer(error),
            Ok(()) if checks.is_empty() => PreflightVerdict::Reached,
            Ok(()) => {
                let plan = self.run.plan;
                let observer = observe::Observer { plan, transport: &guard, host, names: &names };
                let seen = observer.checks(&checks).await;
                match seen.no_answer.clone() {
                    _ if seen.holds() => PreflightVerdict::Passed,
                    Some(error) => PreflightVerdict::NoAnswer(error),
                    None => PreflightVerdict::Failed(seen.reason("a preflight check failed")),
                }
            }
        };
        // Before the first change there is nothing to pause: the run is refused.
        self.keep_key(host).await?;
        let blocks = |error: &TransportError| started && error.blocks();
        if let Some(error) = guard.met().filter(blocks) {
            return self.note(HostEvent::blocked(&error, host)).await;
        }
        self.note(HostEvent::PreflightEnded { verdict }.of(host)).await
    }
}
