//! Bugs on purpose: in the store, on the way to the hosts, on the hosts, in what a process knows of the
//! past, and in what it makes of the plan. Each breaks a promise; `bugs` has the list.

use std::time::Duration;

use planrun::event::{Event, HostEvent, Outcome, Record, RunEvent, TaskEvent, TaskStatus};
use planrun::plan::{Action, Deferred, Rollback, Step, Wait};
use planrun::resolve::ResolvedPlan;
use planrun::transport::Exit;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The store acknowledges an event and does not store it.
    Drops(What),
    /// The store acknowledges an event, and stores it with the next one.
    WritesLate(What),
    /// The store accepts events of a process that was taken over.
    NoFence,
    /// An error of the store is ignored.
    StoreErrorIgnored,
    /// After a lost connection an effect is sent again, under another id.
    ResendsAfterCut,
    /// A lost connection is reported as if nothing had been sent.
    CutIsNotSent,
    /// A lost connection is reported as a timeout.
    CutIsTimeout,
    /// A lost connection is reported as success.
    CutIsSuccess,
    /// Effects go to another host.
    WrongHost,
    /// Another host key is accepted.
    KeyIgnored,
    /// All attempts at a step have the id of the first one.
    OrdinalReused,
    /// A request that arrives after its host was asked is run.
    LateRequestRuns,
    /// A request that arrives again is run again.
    DuplicateRuns,
    /// A command that runs is reported as over.
    RunningIsOver,
    /// A command that runs is reported as never started.
    RunningIsAbsent,
    /// A command that a reboot ended is reported as never started.
    LostIsAbsent,
    /// Every exit code is reported as 0.
    ExitIsZero,
    /// A host that knows an exit code reports that it knows nothing.
    ExitIsForgotten,
    /// A host that lost its records does not notice.
    LostSpoolUnnoticed,
    /// A host starts commands of a process that has lost its lock.
    NoLockFence,
    /// A host gives its lock to whoever asks.
    AnyoneTakesLock,
    /// A process that was overtaken gets the lock back.
    OldEpochTakesLock,
    /// A run releases the locks of other runs, too.
    ReleasesAnyLock,
    /// A run that pauses releases its locks.
    PauseReleasesLocks,
    /// A run that ends keeps its locks.
    EndKeepsLocks,
    /// Only the first host is locked.
    LocksFirstHost,
    /// A host that has lost its lock is not locked again.
    LocksOnce,
    /// A lock counts as taken if the answer is lost.
    LostLockIsTaken,
    /// A process that continues a rollback of some hosts rolls back all.
    LimitIsForgotten,
    /// The next process reads another past.
    Rereads(Past),
    /// The plan is misread.
    Misreads(Misreading),
}

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Intent,
    Outcome,
    End,
    Answer,
    Stop,
    NoReturn,
    Key,
    HostEnd,
    Teardown,
}

impl What {
    pub(crate) fn is(self, event: &Event) -> bool {
        match event {
            Event::Run(event) => {
                self == Self::Stop && matches!(event, RunEvent::StopRequested { .. })
            }
            Event::Host { event, .. } => match event {
                HostEvent::KeySeen { .. } => self == Self::Key,
                HostEvent::Ended { .. } => self == Self::HostEnd,
                HostEvent::TeardownStarted { .. } => self == Self::Teardown,
                _ => false,
            },
            Event::Task { event, .. } => match event {
                TaskEvent::AttemptIntended { .. } => self == Self::Intent,
                TaskEvent::AttemptEnded { .. } => self == Self::Outcome,
                TaskEvent::Ended { .. } => self == Self::End,
                TaskEvent::QuestionAnswered { .. } => self == Self::Answer,
                TaskEvent::PointOfNoReturn { .. } => self == Self::NoReturn,
                _ => false,
            },
        }
    }
}

/// What a process that takes a run over gets wrong about its past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// An attempt without an outcome never started.
    OpenNeverStarted,
    /// An attempt without an outcome succeeded.
    OpenSucceeded,
    /// An attempt whose outcome is unknown was not sent.
    UnknownNeverStarted,
    /// Waits have waited twice as long.
    WaitedTwice,
    /// The point of no return was not passed.
    NoReturnForgotten,
    /// Failed steps have succeeded.
    FailedIsChanged,
    /// The host keys are not known.
    KeysForgotten,
    /// Steps started in another order.
    OrderSwapped,
}

impl Past {
    pub(crate) fn change(self, records: &mut [Record]) {
        match self {
            Self::OpenNeverStarted => end_open(records, &Outcome::NeverStarted),
            Self::OpenSucceeded => {
                let (stdout, stderr) = (String::new(), String::new());
                let exit = Exit::Code(0);
                end_open(records, &Outcome::Ended { exit, stdout, stderr, cut: false });
            }
            Self::OrderSwapped => swap_first_steps(records),
            _ => records.iter_mut().for_each(|record| self.change_event(&mut record.event)),
        }
    }

    fn change_event(self, event: &mut Event) {
        match (self, &mut *event) {
            (Self::KeysForgotten, Event::Host { event: HostEvent::KeySeen { .. }, .. }) => {
                // This has no effect on a run that is resumed.
                *event = RunEvent::StopRequested { by: "a bug".into() }.into();
            }
            (_, Event::Task { event: task_event, .. }) => match (self, task_event) {
                (Self::UnknownNeverStarted, TaskEvent::AttemptEnded { outcome, .. })
                    if matches!(outcome, Outcome::Unknown { .. }) =>
                {
                    *outcome = Outcome::NeverStarted;
                }
                (Self::WaitedTwice, TaskEvent::WaitTicked { waited }) => *waited *= 2,
                (Self::NoReturnForgotten, TaskEvent::PointOfNoReturn { .. }) => {
                    *event = RunEvent::StopRequested { by: "a bug".into() }.into();
                }
                (Self::FailedIsChanged, TaskEvent::Ended { status, .. }) if !status.is_well() => {
                    *status = TaskStatus::Changed;
                }
                _ => {}
            },
            _ => {}
        }
    }
}

/// The outcome of an attempt that has none takes the place of the last event, if that is about
/// something else.
fn end_open(records: &mut [Record], outcome: &Outcome) {
    let is_ended = |id| {
        let ends = |record: &Record| matches!(&record.event, Event::Task { event: TaskEvent::AttemptEnded { attempt, .. }, .. } if attempt == id);
        records.iter().any(ends)
    };
    let open = records.iter().enumerate().rev().find_map(|(at, record)| match &record.event {
        Event::Task { task, event: TaskEvent::AttemptIntended { attempt, .. } }
            if at + 1 < records.len() && !is_ended(attempt) =>
        {
            Some(
                TaskEvent::AttemptEnded { attempt: attempt.clone(), outcome: outcome.clone() }
                    .of(task),
            )
        }
        _ => None,
    });
    if let (Some(event), Some(last)) = (open, records.last_mut()) {
        last.event = event;
    }
}

/// The step that starts second starts first.
fn swap_first_steps(records: &mut [Record]) {
    let starts = |record: &Record| {
        let event = TaskEvent::Started { items: None, timeout: None };
        matches!(&record.event, Event::Task { event: it, .. } if *it == event)
    };
    let all: Vec<usize> = (0..records.len()).filter(|at| starts(&records[*at])).collect();
    if let [first, second, ..] = all[..] {
        let moved = records[second].event.clone();
        for at in (first..second).rev() {
            records[at + 1].event = records[at].event.clone();
        }
        records[first].event = moved;
    }
}

/// What a process gets wrong about the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misreading {
    /// Every step is idempotent.
    Idempotent,
    /// Every step is tried once more.
    OneMoreTry,
    /// No step has a `done_when`.
    NoDoneWhen,
    /// Waits are half as long.
    HalfWaits,
    /// The first step has no rollback.
    NoFirstHandler,
    /// The first two steps have each other's rollback.
    SwappedHandlers,
    /// No block is uninterruptible.
    Interruptible,
    /// One host more at a time.
    OneMoreHost,
    /// One host more may fail.
    OneMoreFailure,
    /// Nothing is required.
    NoRequires,
    /// There is no point of no return.
    NoPointOfNoReturn,
    /// A failure is always tolerated.
    FailuresTolerated,
    /// Steps change nothing.
    ReadOnly,
    /// The setup does nothing.
    NoSetup,
    /// What is to be torn down is only undone by a rollback.
    NoTeardown,
    /// A point of no return of all hosts is one of its own host.
    NoReturnOfOne,
}

impl Misreading {
    pub(crate) fn change(self, plan: &mut ResolvedPlan) {
        let plan = &mut plan.plan;
        match self {
            Self::OneMoreHost => plan.serial[0].sizes.iter_mut().for_each(|size| *size += 1),
            Self::OneMoreFailure => plan.max_failures += 1,
            Self::NoSetup => plan.setup.clear(),
            Self::NoTeardown => {
                for step in &mut plan.setup {
                    if let Rollback::Handler(handler) = &mut step.rollback {
                        handler.is_teardown = false;
                    }
                }
            }
            Self::NoFirstHandler => {
                plan.steps[0].rollback = Rollback::None("a bug".into());
            }
            Self::SwappedHandlers => {
                if let [first, second, ..] = &mut plan.steps[..]
                    && let (Rollback::Handler(one), Rollback::Handler(two)) =
                        (&mut first.rollback, &mut second.rollback)
                {
                    std::mem::swap(&mut one.action, &mut two.action);
                }
            }
            _ => plan.steps.iter_mut().for_each(|step| self.change_step(step)),
        }
    }

    fn change_step(self, step: &mut Step) {
        match (self, &mut step.action) {
            (Self::Idempotent, Action::Effect(effect)) => effect.idempotent = true,
            (Self::OneMoreTry, Action::Effect(effect)) => effect.retry.attempts += 1,
            (Self::NoDoneWhen, Action::Effect(effect)) => effect.done_when = None,
            (Self::ReadOnly, Action::Effect(effect)) => effect.read_only = true,
            (Self::HalfWaits, Action::Wait(wait)) => match &mut **wait {
                Wait::For(time) | Wait::Until { at_least: time, .. } => halve(time),
            },
            _ => {}
        }
        match self {
            Self::Interruptible => step.uninterruptible = None,
            Self::NoRequires => step.requires.clear(),
            Self::NoPointOfNoReturn => step.point_of_no_return = None,
            Self::NoReturnOfOne => {
                if let Some(point) = &mut step.point_of_no_return {
                    point.all_hosts = false;
                }
            }
            Self::FailuresTolerated => {
                step.on_failure = Some(planrun::plan::OnFailure::Continue("a bug".into()));
            }
            _ => {}
        }
        if let Action::Block { steps, rescue } = &mut step.action {
            steps.iter_mut().chain(rescue).for_each(|step| self.change_step(step));
        }
        if let Rollback::Handler(handler) = &mut step.rollback {
            self.change_step(handler);
        }
    }
}

fn halve(time: &mut Deferred<Duration>) {
    if let Deferred::Now(time) = time {
        *time /= 2;
    }
}
