//! The promises, as rules about what happened on the hosts and what was stored. Nothing here uses the
//! engine; the plan is read for what it allows.
//!
//! The log has everything in the order in which it happened. It is gone through once: commits say
//! what planrun knows, the other facts say what is so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use planrun::event::{
    Answer, Event, HostEvent, HostStatus, Outcome, RunEvent, RunStatus, StepPath, TaskEvent,
    TaskId, TaskStatus,
};
use planrun::inventory::HostName;
use planrun::task::Stage;
use planrun::transport::{AttemptId, Exit};

use crate::cases::Case;
use crate::fault::{Fate, Kind};
use crate::hosts::{Fact, Sender, Work, initial};
use crate::life::Life;
use crate::store::Store;
use crate::tenure::Tenure;

/// An attempt that was intended.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one attempt")]
pub(crate) struct Attempt {
    task: TaskId,
    on: HostName,
    ordinal: usize,
    pub(crate) starts: u32,
    pub(crate) is_running: bool,
    took: bool,
    work: Option<Work>,
    /// How it ended, if a host knows it.
    exit: Option<Exit>,
    /// It may be running by what is stored.
    is_open: bool,
    /// The operator said that it did nothing.
    pub(crate) is_refuted: bool,
}

/// What is known of a task.
#[derive(Default)]
pub(crate) struct Task {
    /// The position of its first start among all tasks of its host.
    order: Option<usize>,
    pub(crate) is_open: bool,
    is_asked: bool,
    pub(crate) status: Option<TaskStatus>,
    pub(crate) attempts: Vec<AttemptId>,
    /// How many attempts the plan and the operator allow.
    allowed: usize,
    /// How long processes had lived when it was started last.
    begun: Duration,
    answers: Vec<Answer>,
}

impl Task {
    /// Whether the operator has decided to continue although a command of it may be running.
    pub(crate) fn is_released(&self) -> bool {
        self.answers.last() == Some(&Answer::Continue)
    }
}

#[derive(Default)]
pub(crate) struct Host {
    pub(crate) status: HostStatus,
    is_blocked: bool,
    pub(crate) begun: bool,
    pub(crate) stage: Option<Stage>,
    /// How the run would end, once the teardowns of this stage have started.
    pub(crate) teardown: Option<RunStatus>,
    /// Its status before that.
    pub(crate) before: HostStatus,
    /// Its status when the operator ended the run, if it was at work then.
    before_abort: Option<HostStatus>,
    /// It is past a point of no return.
    is_past: bool,
    pub(crate) tasks: BTreeMap<StepPath, Task>,
    count: usize,
}

/// The hosts that the operator wants to be rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Returning {
    Nobody,
    Some(Vec<HostName>),
    All,
}

impl Returning {
    fn includes(&self, name: &HostName) -> bool {
        match self {
            Self::Nobody => false,
            Self::Some(hosts) => hosts.contains(name),
            Self::All => true,
        }
    }
}

/// What is known of one run.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one run")]
pub(crate) struct Book<'l> {
    pub(crate) case: &'l Case,
    life: &'l Life<'l>,
    store: &'l Store,
    run: usize,
    at: Duration,
    pub(crate) attempts: HashMap<AttemptId, Attempt>,
    pub(crate) hosts: BTreeMap<HostName, Host>,
    values: HashMap<(usize, String), String>,
    has_begun: bool,
    /// Whether another run left something changed, or changed it meanwhile: then no rule about values applies.
    is_contested: bool,
    /// Whether the operator wants it to end as it is.
    pub(crate) is_aborted: bool,
    pub(crate) returning: Returning,
    /// Epochs of processes that were asked to stop.
    stopping: BTreeSet<u64>,
    epoch: u64,
    /// Since when processes live, and how long they had lived before.
    alive: u32,
    alive_since: Duration,
    lived: Duration,
    /// Attempts that were reported as not started.
    unstarted: Vec<AttemptId>,
    is_quiet: bool,
}

/// Returns the first promise that was broken.
pub(crate) fn check(life: &Life<'_>) -> Option<String> {
    let world = life.world.borrow();
    let stores = life.stores.borrow();
    let stores: Vec<_> = stores.iter().map(|store| store.borrow()).collect();
    let mut books: Vec<Book<'_>> =
        stores.iter().enumerate().map(|(run, store)| Book::new(life, store, run)).collect();
    let mut tenure = Tenure::new(life.case);
    for (at, fact) in &world.log {
        let mut seen = tenure.see(fact, |run, seq| stores[run].event(seq));
        let of = fact.run();
        for book in books.iter_mut().filter(|book| of.is_none_or(|run| run == book.run)) {
            book.at = *at;
            seen = seen.and_then(|()| book.see(fact));
        }
        if let Err(broken) = seen {
            return Some(format!("{broken} (at {:.3} s)", at.as_secs_f64()));
        }
    }
    books.iter().find_map(|book| book.at_end().err())
}

pub(crate) type Checked = Result<(), String>;

pub(crate) fn broken<T>(text: impl Into<String>) -> Result<T, String> {
    Err(text.into())
}

impl<'l> Book<'l> {
    fn new(life: &'l Life<'l>, store: &'l Store, run: usize) -> Self {
        let may_crash = |kind: &Kind| {
            matches!(
                kind,
                Kind::CrashBefore | Kind::CrashAfter | Kind::StoreFails { .. } | Kind::Interrupt
            )
        };
        let is_quiet = life.schedule.rival.is_none() && !life.schedule.has(|kind| !may_crash(kind));
        let hosts = life.case.plan.hosts.iter().map(|host| (host.clone(), Host::default()));
        let stages = life
            .case
            .plan
            .plan
            .stages()
            .map(|stage| (stage.host(), Host { stage: Some(stage), ..Host::default() }));
        Self {
            case: life.case,
            life,
            store,
            run,
            at: Duration::ZERO,
            attempts: HashMap::new(),
            hosts: hosts.chain(stages).collect(),
            values: HashMap::new(),
            has_begun: false,
            is_contested: false,
            is_aborted: false,
            returning: Returning::Nobody,
            stopping: BTreeSet::new(),
            epoch: 0,
            alive: 0,
            alive_since: Duration::ZERO,
            lived: Duration::ZERO,
            unstarted: Vec::new(),
            is_quiet,
        }
    }

    fn see(&mut self, fact: &Fact) -> Checked {
        match fact {
            Fact::Process { .. } | Fact::Back { .. } => {
                if self.alive == 0 {
                    self.alive_since = self.at;
                }
                self.alive += 1;
            }
            Fact::Left { .. } => {
                self.alive -= 1;
                if self.alive == 0 {
                    self.lived += self.at.saturating_sub(self.alive_since);
                }
            }
            Fact::Commit { seq, from: Sender { epoch, .. } } => {
                if *epoch < self.epoch {
                    return broken(format!(
                        "P6: event {seq} of epoch {epoch} after {}",
                        self.epoch
                    ));
                }
                self.epoch = *epoch;
                let store = self.store;
                return self.stored(store.event(*seq));
            }
            Fact::Started { host, id, work, other_machine, .. } => {
                return self.started(*host, id, work, *other_machine);
            }
            Fact::Took { host, id, key, value } => return self.took(*host, id, key, value),
            Fact::Over { id, exit, .. } => {
                if let Some(attempt) = self.attempts.get_mut(id) {
                    attempt.is_running = false;
                    attempt.exit.clone_from(exit);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn lived(&self) -> Duration {
        let now = match self.alive {
            0 => Duration::ZERO,
            _ => self.at.saturating_sub(self.alive_since),
        };
        self.lived + now
    }

    pub(crate) fn host(&mut self, name: &HostName) -> &mut Host {
        self.hosts.get_mut(name).unwrap()
    }

    fn task(&mut self, id: &TaskId) -> &mut Task {
        self.host(&id.host).tasks.entry(id.step.clone()).or_default()
    }

    fn value(&self, host: usize, key: &str) -> String {
        let value = self.values.get(&(host, key.to_owned()));
        value.cloned().unwrap_or_else(|| initial(key).to_owned())
    }

    fn position(&self, host: &HostName) -> usize {
        self.case.plan.inventory.hosts.get_index_of(host).unwrap()
    }

    // What is stored.

    fn stored(&mut self, event: &Event) -> Checked {
        match event {
            Event::Run(event) => self.run_stored(event),
            Event::Host { host, event } => self.host_stored(host, event),
            Event::Task { task, event } => self.task_stored(task, event),
        }
    }

    /// Another process continues the run, or rolls it back, or ends it.
    fn goes_on(&mut self, event: &RunEvent) {
        self.is_aborted |= matches!(event, RunEvent::AbortRequested { .. });
        if let RunEvent::RollbackRequested { hosts, .. } = event {
            self.is_aborted = false;
            self.returning = match hosts {
                Some(hosts) => Returning::Some(hosts.clone()),
                None => Returning::All,
            };
        }
        let returning =
            matches!(event, RunEvent::RollbackRequested { .. }).then(|| self.returning.clone());
        for (name, host) in &mut self.hosts {
            let is_included = returning.as_ref().is_some_and(|returning| returning.includes(name));
            let is_open =
                |before: &mut HostStatus| !host.is_past || *before == HostStatus::RollingBack;
            if let Some(before) = host.before_abort.take_if(|it| is_included && is_open(it)) {
                host.status = before;
            }
        }
        let is_aborted = self.is_aborted;
        // The others of a rollback of some hosts are left as they are.
        let limit = match event {
            RunEvent::RollbackRequested { hosts, .. } => hosts.as_ref(),
            _ => None,
        };
        let is_left = |name: &HostName, host: &Host| {
            let is_other = limit.is_some_and(|hosts| !hosts.contains(name));
            host.stage != Some(Stage::Setup) && (is_aborted || is_other)
        };
        let is_retried = |(name, host): (&HostName, &Host)| {
            host.status == HostStatus::Stuck
                && host.stage != Some(Stage::Setup)
                && !is_left(name, host)
        };
        let goes_on =
            matches!(event, RunEvent::Resumed { .. }) && !self.hosts.iter().any(is_retried);
        for (name, host) in &mut self.hosts {
            host.is_blocked = false;
            let was_stuck = host.status == HostStatus::Stuck && !is_left(name, host);
            if was_stuck {
                host.status = match host.teardown {
                    Some(_) => HostStatus::TearingDown,
                    None => HostStatus::RollingBack,
                };
            }
            if !goes_on && host.teardown.take().is_some() && host.status == HostStatus::TearingDown
            {
                host.status = host.before;
            }
            if was_stuck {
                // Handlers that failed are tried again.
                for task in host.tasks.values_mut() {
                    if task.status.is_some_and(|status| !status.is_well()) {
                        task.status = None;
                        task.allowed += 100;
                    }
                }
            }
        }
    }

    fn run_stored(&mut self, event: &RunEvent) -> Checked {
        match event {
            RunEvent::Resumed { .. }
            | RunEvent::RollbackRequested { .. }
            | RunEvent::AbortRequested { .. } => {
                self.goes_on(event);
            }
            RunEvent::StopRequested { .. } => {
                self.stopping.insert(self.epoch);
            }
            RunEvent::Paused { .. } if self.stopping.contains(&self.epoch) => {
                for (name, host) in &self.hosts {
                    if !host.is_blocked
                        && host.status == HostStatus::Active
                        && let Some(block) = self.open_critical(name)
                    {
                        return broken(format!("P7: paused inside of {name}/{block}"));
                    }
                }
            }
            RunEvent::Ended { status, .. } => return self.run_ended(*status),
            RunEvent::Started => {
                self.has_begun = true;
                self.is_contested |= self.values.iter().any(|((_, key), is)| is != initial(key));
            }
            RunEvent::Planned(_) | RunEvent::Ordered { .. } | RunEvent::Paused { .. } => {}
        }
        Ok(())
    }

    fn host_stored(&mut self, name: &HostName, event: &HostEvent) -> Checked {
        match event {
            HostEvent::Started => return self.host_begun(name),
            HostEvent::Ended { status, .. } => return self.host_ended(name, *status),
            HostEvent::Blocked { .. } => self.host(name).is_blocked = true,
            HostEvent::RollbackStarted { .. } => {
                // It follows from what has failed before.
                let mut tasks = self.hosts[name].tasks.values();
                let is_due = tasks.any(|task| task.status.is_some_and(|it| !it.is_well()));
                let is_inside = is_due || self.open_critical(name).is_some();
                self.not_stopping(is_inside, &format!("the rollback of {name}"))?;
                if self.hosts[name].is_past {
                    return broken(format!(
                        "P4: {name} is rolled back past its point of no return"
                    ));
                }
                if self.hosts[name].stage == Some(Stage::Setup) {
                    self.keeps_nothing()?;
                } else if self.returning != Returning::Nobody && !is_due && !self.is_returning(name)
                {
                    return broken(format!(
                        "P4: {name} is rolled back, and nobody has asked for that"
                    ));
                }
                let host = self.host(name);
                host.status = HostStatus::RollingBack;
                host.tasks.values_mut().for_each(|task| task.is_open = false);
            }
            HostEvent::TeardownStarted { run } => return self.teardown_begun(name, *run),
            HostEvent::PreflightEnded { .. }
            | HostEvent::KeySeen { .. }
            | HostEvent::Locked { .. }
            | HostEvent::LockLeft { .. } => {}
        }
        Ok(())
    }

    fn task_stored(&mut self, task: &TaskId, event: &TaskEvent) -> Checked {
        match event {
            TaskEvent::Started { .. } => {
                let lived = self.lived();
                let inside = self.is_critical(task);
                self.not_stopping(inside, &format!("{task}"))?;
                let host = self.host(&task.host);
                let next = host.count;
                let begun = host.tasks.entry(task.step.clone()).or_default();
                if begun.order.is_none() {
                    begun.order = Some(next);
                    host.count += 1;
                }
                begun.begun = lived;
                begun.is_open = true;
                begun.status = None;
            }
            TaskEvent::BlockRetried { again, .. } => {
                for step in again {
                    let tries = self.case.effect(step).map_or(1, |effect| effect.tries);
                    if let Some(part) = self.host(&task.host).tasks.get_mut(step) {
                        part.allowed += tries + 1;
                        part.is_open = false;
                        part.status = None;
                    }
                }
            }
            TaskEvent::AttemptIntended { attempt, ordinal, on, .. } => {
                return self.intended(task, attempt, *ordinal as usize, on);
            }
            TaskEvent::AttemptEnded { attempt, outcome } => {
                return self.attempt_ended(task, attempt, outcome);
            }
            TaskEvent::QuestionAsked { question } => {
                self.task(task).is_asked = true;
                if question.answers.contains(&Answer::NotDone) {
                    return self.asked_whether_done(task);
                }
            }
            TaskEvent::QuestionAnswered { answer, .. } => self.answered(task, *answer),
            TaskEvent::QuestionExpired => self.task(task).is_asked = false,
            TaskEvent::Ended { status, .. } => return self.task_ended(task, *status),
            _ => {}
        }
        Ok(())
    }

    /// Nothing new starts after a stop, except inside of an `uninterruptible` block.
    pub(crate) fn not_stopping(&self, is_inside: bool, what: &str) -> Checked {
        if self.stopping.contains(&self.epoch) && !is_inside {
            return broken(format!("P7: after the stop starts {what}"));
        }
        Ok(())
    }

    /// Whether the operator wants a host to be rolled back.
    pub(crate) fn is_returning(&self, name: &HostName) -> bool {
        self.returning.includes(name)
    }

    /// Whether a task is part of an `uninterruptible` block, or of a rollback of one.
    fn is_critical(&self, task: &TaskId) -> bool {
        let Some(step) = self.case.step(&task.step) else { return false };
        let is = |path: &StepPath| self.case.steps[path].is_uninterruptible;
        step.is_uninterruptible || step.around.iter().any(is)
    }

    /// Returns the `uninterruptible` block that is open on a host.
    fn open_critical(&self, host: &HostName) -> Option<StepPath> {
        let tasks = self.hosts[host].tasks.iter();
        let mut open = tasks.filter(|(path, task)| {
            task.is_open
                && !task.is_asked
                && self.case.step(path).is_some_and(|step| step.is_uninterruptible)
                && !self.is_list(path)
        });
        open.next().map(|(path, _)| path.clone())
    }

    /// Whether a step has a `for_each`: each item is a critical section of its own.
    fn is_list(&self, path: &StepPath) -> bool {
        path.item().is_none()
            && self.case.plan.plan.find(path).is_some_and(|(step, _)| step.for_each.is_some())
    }

    fn host_begun(&mut self, name: &HostName) -> Checked {
        self.not_stopping(false, &format!("{name}"))?;
        self.in_turn(name)?;
        let plan = &self.case.plan.plan;
        let mut active = 0;
        let mut failed = 0;
        for (other, host) in self.hosts.iter().filter(|(_, host)| host.stage.is_none()) {
            match host.status {
                HostStatus::NotStarted | HostStatus::Succeeded => {}
                HostStatus::Active => active += 1,
                HostStatus::RolledBack
                | HostStatus::Refused
                | HostStatus::Unreachable
                | HostStatus::Quarantined => failed += 1,
                status => return broken(format!("P5: {name} starts while {other} is {status:?}")),
            }
        }
        if active >= plan.serial[0].sizes[0] {
            return broken(format!("P5: {name} starts beside {active} others"));
        }
        if failed > plan.max_failures {
            return broken(format!("P5: {name} starts after {failed} failures"));
        }
        let host = self.host(name);
        host.status = HostStatus::Active;
        host.begun = true;
        Ok(())
    }

    fn intended(
        &mut self,
        task: &TaskId,
        id: &AttemptId,
        ordinal: usize,
        on: &HostName,
    ) -> Checked {
        let inside = self.is_critical(task);
        self.not_stopping(inside, &format!("an attempt at {task}"))?;
        if self.hosts[&task.host].status == HostStatus::Aborted {
            return broken(format!("P9: {task} is sent, and its host is aborted"));
        }
        if self.attempts.contains_key(id) {
            return broken(format!("P2: {task} has two attempts with one id"));
        }
        let tries = self.case.effect(&task.step).map_or(1, |effect| effect.tries);
        let known = self.task(task);
        if known.attempts.is_empty() {
            known.allowed += tries;
        }
        known.attempts.push(id.clone());
        let attempt = Attempt {
            task: task.clone(),
            on: on.clone(),
            ordinal,
            starts: 0,
            is_running: false,
            took: false,
            work: None,
            exit: None,
            is_open: true,
            is_refuted: false,
        };
        self.attempts.insert(id.clone(), attempt);
        Ok(())
    }

    fn attempt_ended(&mut self, task: &TaskId, id: &AttemptId, outcome: &Outcome) -> Checked {
        if let Some(attempt) = self.attempts.get_mut(id) {
            attempt.is_open = outcome.may_be_running();
        }
        let Some(attempt) = self.attempts.get(id) else {
            return broken(format!("P9: an attempt at {task} ends that was not intended"));
        };
        match outcome {
            Outcome::Ended { exit, .. } => {
                if attempt.exit.as_ref() != Some(exit) {
                    let found = &attempt.exit;
                    return broken(format!("P9: {task} ended with {exit:?}, in fact {found:?}"));
                }
            }
            Outcome::NotSent(_) | Outcome::NeverStarted => {
                if attempt.starts > 0 {
                    return broken(format!("P9: {task} was started, reported is {outcome:?}"));
                }
                self.unstarted.push(id.clone());
                // It counts as no try.
                self.task(task).allowed += 1;
            }
            Outcome::Unknown { running: Some(false), .. } if attempt.is_running => {
                return broken(format!("P9: {task} is running, reported is its end"));
            }
            Outcome::Unknown { .. } => {
                let may_repeat = self.case.effect(&task.step);
                if may_repeat.is_some_and(|effect| effect.idempotent || effect.has_done_when) {
                    self.task(task).allowed += 1;
                }
            }
        }
        Ok(())
    }

    /// The operator is asked only what no host can know.
    fn asked_whether_done(&mut self, task: &TaskId) -> Checked {
        let may_be_mute = |kind: &Kind| {
            matches!(
                kind,
                Kind::Away { .. }
                    | Kind::Reboot { .. }
                    | Kind::RebootDuring { .. }
                    | Kind::EmptySpool { .. }
                    | Kind::OtherKey { .. }
                    | Kind::AskLost
                    | Kind::ReplyLost
                    | Kind::ProbeFails
                    | Kind::Garbage
                    | Kind::LookLost
            )
        };
        let last = self.hosts[&task.host].tasks[&task.step].attempts.last();
        let exit = last.and_then(|id| self.attempts[id].exit.as_ref());
        match exit {
            Some(exit @ (Exit::Code(_) | Exit::TimedOut))
                if !self.life.schedule.has(may_be_mute) =>
            {
                broken(format!(
                    "Q: the operator is asked about {task}, and its host knows {exit:?}"
                ))
            }
            _ => Ok(()),
        }
    }

    fn answered(&mut self, task: &TaskId, answer: Answer) {
        let tries = self.case.effect(&task.step).map_or(1, |effect| effect.tries);
        let known = self.task(task);
        known.answers.push(answer);
        known.is_asked = false;
        if let Answer::Retry | Answer::NotDone = answer {
            known.allowed = known.attempts.len() + tries;
        }
        // It is about the last attempt. One that failed before may have done a part of its work.
        let last = known.attempts.last().cloned();
        if let Some(last) = last.filter(|_| answer == Answer::NotDone) {
            self.attempts.get_mut(&last).unwrap().is_refuted = true;
        }
    }

    fn task_ended(&mut self, task: &TaskId, status: TaskStatus) -> Checked {
        let facts = self.case.step(&task.step).cloned().unwrap_or_default();
        let lived = self.lived();
        let inside = self.is_critical(task) || self.open_critical(&task.host).is_some();
        let known = self.task(task);
        known.status = Some(status);
        let was_open = std::mem::replace(&mut known.is_open, false);
        let answers = known.answers.clone();
        let begun = known.begun;
        let attempts = known.attempts.clone();
        let is_by_operator =
            |wanted: &[Answer]| answers.last().is_some_and(|it| wanted.contains(it));
        let last_word = is_by_operator(&[
            Answer::Done,
            Answer::Continue,
            Answer::Skip,
            Answer::Fail,
            Answer::Reject,
        ]);
        if facts.is_no_return && status.is_well() && status != TaskStatus::Skipped {
            let of_all = facts.is_no_return_of_all;
            let hosts = self.hosts.iter_mut().filter(|(name, _)| of_all || **name == task.host);
            hosts.for_each(|(_, host)| host.is_past = true);
        }
        if !status.is_well() && !last_word && facts.effect.is_some() && !self.is_list(&task.step) {
            self.not_stopping(inside, &format!("the failure of {task}"))?;
        }
        if status == TaskStatus::Unchanged
            && was_open
            && facts.waits > lived.saturating_sub(begun)
            && !last_word
        {
            let waited = lived.saturating_sub(begun);
            return broken(format!("P3: {task} waited {waited:?} of {:?}", facts.waits));
        }
        let Some(effect) = facts.effect else { return Ok(()) };
        if self.is_list(&task.step) || last_word {
            return Ok(());
        }
        let all: Vec<&Attempt> = attempts.iter().map(|id| &self.attempts[id]).collect();
        let may_be_so = effect.has_done_when || self.is_contested;
        let is_changed = |it: &&Attempt| it.took || may_be_so && (it.starts > 0 || it.is_open);
        match status {
            // An attempt that was killed is changed if what was wanted is so.
            TaskStatus::Changed if !all.iter().any(is_changed) => {
                return broken(format!("P9: {task} is changed, and nothing took effect"));
            }
            // Whether it is torn down depends on how the run ends, which may change after a failed teardown.
            TaskStatus::Skipped if self.is_teardown(&task.step) => {}
            TaskStatus::Unchanged | TaskStatus::Skipped
                if all.iter().any(|it| it.starts > 0 && !it.is_refuted) =>
            {
                return broken(format!("P9: {task} is {status:?}, and an attempt was started"));
            }
            _ => {}
        }
        if let TaskStatus::Changed | TaskStatus::Unchanged = status {
            // What `done_when` has decided may still run: the host waits for it at its end.
            if !effect.has_done_when && all.iter().any(|attempt| attempt.is_running) {
                return broken(format!("P9: {task} is {status:?}, and an attempt is running"));
            }
            // What was wanted is so.
            if effect.is_placed
                && !self.is_contested
                && !all.iter().any(|attempt| attempt.is_running)
                && let Some(last) = all.iter().rev().find(|it| it.work.is_some())
                && let Some(Work::Put { key, value }) = &last.work
            {
                let found = self.value(self.position(&last.on), key);
                if found != *value {
                    return broken(format!("P9: {task} is {status:?}, and {key} is {found}"));
                }
            }
        }
        Ok(())
    }

    fn host_ended(&mut self, name: &HostName, status: HostStatus) -> Checked {
        if status == HostStatus::Aborted && !self.is_aborted {
            return broken(format!("P9: {name} is aborted, and nobody has asked for that"));
        }
        let host = self.host(name);
        host.before_abort = (status == HostStatus::Aborted).then_some(host.before);
        host.status = status;
        let host = &self.hosts[name];
        let untouched = matches!(
            status,
            HostStatus::Refused | HostStatus::Unreachable | HostStatus::Quarantined
        );
        for (path, task) in &host.tasks {
            for id in &task.attempts {
                let attempt = &self.attempts[id];
                if untouched && attempt.starts > 0 {
                    return broken(format!("P9: {name} is {status:?}, and {path} was started"));
                }
                let is_claimed = matches!(status, HostStatus::Succeeded | HostStatus::RolledBack)
                    && !task.is_released();
                if attempt.is_running && is_claimed {
                    return broken(format!("P9: {name} is {status:?}, and {path} is running"));
                }
            }
        }
        if status == HostStatus::Succeeded && !self.is_aborted {
            for step in self.case.plan.plan.steps_of(host.stage) {
                let ended = host.tasks.get(&step.path).and_then(|task| task.status);
                let goes_on =
                    matches!(step.on_failure, Some(planrun::plan::OnFailure::Continue(_)));
                if !(ended.is_some_and(TaskStatus::is_well) || ended.is_some() && goes_on) {
                    return broken(format!("P9: {name} succeeded, and {} did not", step.path));
                }
            }
        }
        if status == HostStatus::RolledBack {
            let skipped = host.tasks.iter().any(|(path, task)| {
                self.case.is_handler(path) && task.answers.contains(&Answer::Skip)
            });
            for (path, task) in &host.tasks {
                let is_undone = self.case.step(path).is_some_and(|step| {
                    step.handler.is_some() && step.effect.is_some_and(|effect| effect.is_placed)
                });
                let is_left = self.case.is_handler(path) || skipped || self.is_list(path);
                if !is_undone || is_left || self.is_contested {
                    continue;
                }
                // What undoes a command that did nothing counts down all the same.
                let all = || task.attempts.iter().map(|id| &self.attempts[id]);
                let is_counted = all().any(|it| matches!(it.work, Some(Work::Count { .. })));
                let fails_late = |kind: &Kind| *kind == Kind::Ends(Fate::FailsLate);
                if is_counted
                    && (all().any(|attempt| attempt.starts > 0 && !attempt.took)
                        || self.life.schedule.has(fails_late))
                {
                    continue;
                }
                for attempt in all() {
                    let Some(Work::Put { key, .. } | Work::Count { key, .. }) = &attempt.work
                    else {
                        continue;
                    };
                    let found = self.value(self.position(&attempt.on), key);
                    if found != initial(key) {
                        return broken(format!("P9: {name} is rolled back, and {key} is {found}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn run_ended(&mut self, status: RunStatus) -> Checked {
        self.torn_down(status)?;
        for host in self.hosts.values_mut().filter(|_| self.is_aborted) {
            let is_at_work = matches!(host.status, HostStatus::Active | HostStatus::RollingBack);
            if is_at_work {
                host.before_abort = Some(host.status);
                host.status = HostStatus::Aborted;
            }
        }
        for (name, host) in &self.hosts {
            let fits = match status {
                RunStatus::Succeeded => host.status == HostStatus::Succeeded,
                RunStatus::RolledBack => {
                    !matches!(
                        host.status,
                        HostStatus::Active
                            | HostStatus::RollingBack
                            | HostStatus::TearingDown
                            | HostStatus::Failed
                            | HostStatus::Stuck
                    ) && (host.status != HostStatus::Aborted || !self.is_returning(name))
                }
                RunStatus::Refused => host
                    .tasks
                    .values()
                    .all(|task| task.attempts.iter().all(|id| self.attempts[id].starts == 0)),
                RunStatus::Stuck | RunStatus::Aborted => true,
                _ => host.status != HostStatus::Active,
            };
            if !fits {
                return broken(format!("P9: the run is {status:?}, and {name} {:?}", host.status));
            }
        }
        Ok(())
    }

    // What is so.

    fn started(&mut self, host: usize, id: &AttemptId, work: &Work, other: bool) -> Checked {
        let Some(attempt) = self.attempts.get(id) else {
            return broken(format!("P1: {work:?} starts, and its intent is not stored"));
        };
        if other {
            return broken(format!("P1: {work:?} starts on a host with another key"));
        }
        if self.position(&attempt.on) != host {
            return broken(format!("P1: {work:?} starts on host {host}, not on {}", attempt.on));
        }
        if attempt.starts > 0 {
            return broken(format!(
                "P2: attempt {} at {} starts twice",
                attempt.ordinal, attempt.task
            ));
        }
        let task = attempt.task.clone();
        let known = &self.hosts[&task.host].tasks[&task.step];
        for other in known.attempts.iter().map(|id| &self.attempts[id]) {
            if other.is_running {
                return broken(format!("P2: {task} starts while attempt {} runs", other.ordinal));
            }
        }
        if known.attempts.len() > known.allowed {
            let allowed = known.allowed;
            return broken(format!(
                "P2: {task} starts after {allowed} attempts, as many as allowed"
            ));
        }
        if self.case.is_handler(&task.step) {
            self.undone_in_order(&task)?;
        } else if self.is_undoing(&task.host) {
            return broken(format!("P4: {task} starts while {} is rolled back", task.host));
        }
        self.before_teardown(&task)?;
        self.after_teardown(&task)?;
        let attempt = self.attempts.get_mut(id).unwrap();
        attempt.starts += 1;
        attempt.is_running = true;
        attempt.work = Some(work.clone());
        self.needed(id, host)
    }

    /// Nothing is sent that is already so, unless a probe could not tell.
    fn needed(&self, id: &AttemptId, host: usize) -> Checked {
        let attempt = &self.attempts[id];
        let (Some(Work::Put { key, value }), Some(effect)) =
            (&attempt.work, self.case.effect(&attempt.task.step))
        else {
            return Ok(());
        };
        if self.is_quiet && effect.has_done_when && self.value(host, key) == *value {
            return broken(format!("P2: {} starts, and {key} is {value}", attempt.task));
        }
        Ok(())
    }

    /// A handler starts: every later step of its host is over, and undone.
    fn undone_in_order(&self, handler: &TaskId) -> Checked {
        let host = &self.hosts[&handler.host];
        let step = self.case.step(&handler.step).and_then(|step| step.undoes.as_ref()).unwrap();
        let step = handler.step.same_item(step);
        let Some(undone) = host.tasks.get(&step) else {
            return broken(format!("P4: {handler} starts, and {step} never did"));
        };
        // What was sent before the host was stuck, or before a teardown was given up, may start later.
        let is_undone = matches!(
            host.status,
            HostStatus::RollingBack | HostStatus::TearingDown | HostStatus::Stuck
        );
        let was_torn_down = host.before != HostStatus::NotStarted;
        let is_late = !is_undone && was_torn_down && self.is_teardown(&handler.step);
        if !is_undone && !is_late {
            let name = &handler.host;
            return broken(format!("P4: {handler} starts, and {name} is not rolled back"));
        }
        for (path, task) in &host.tasks {
            if self.case.is_handler(path) {
                continue;
            }
            let mut attempts = task.attempts.iter().map(|id| &self.attempts[id]);
            if attempts.any(|attempt| attempt.is_running) && !task.is_released() {
                return broken(format!("P4: {handler} starts while {path} runs"));
            }
            let handled = self.case.step(path).and_then(|step| step.handler.as_ref());
            // A run that is not rolled back only tears down.
            let only_tears_down = host.teardown.is_some() || is_late;
            let is_due = |handler: &&StepPath| !only_tears_down || self.is_teardown(handler);
            let handled = handled.filter(|_| task.order > undone.order).filter(is_due);
            let Some(handled) = handled else { continue };
            let handled = path.same_item(handled);
            let is_undone = host.tasks.get(&handled).and_then(|task| task.status);
            if self.may_have_run(host, path) && !is_undone.is_some_and(TaskStatus::is_well) {
                return broken(format!("P4: {handler} starts, and {path} is not undone"));
            }
        }
        Ok(())
    }

    /// Whether a handler was sent for a host.
    fn is_undoing(&self, host: &HostName) -> bool {
        let host = &self.hosts[host];
        let mut tasks = host.tasks.iter();
        matches!(host.status, HostStatus::RollingBack | HostStatus::TearingDown)
            && tasks.any(|(path, task)| self.case.is_handler(path) && !task.attempts.is_empty())
    }

    /// Whether something of a step was started.
    pub(crate) fn may_have_run(&self, host: &Host, path: &StepPath) -> bool {
        if self.is_list(path) {
            return false;
        }
        let is_part = |other: &StepPath| {
            other == path || self.case.step(other).is_some_and(|step| step.around.contains(path))
        };
        let parts =
            host.tasks.iter().filter(|(other, _)| is_part(other) && !self.case.is_handler(other));
        let mut attempts = parts.flat_map(|(_, task)| &task.attempts).map(|id| &self.attempts[id]);
        attempts.any(|attempt| attempt.starts > 0 && !attempt.is_refuted)
    }

    fn took(&mut self, host: usize, id: &AttemptId, key: &str, value: &str) -> Checked {
        self.values.insert((host, key.to_owned()), value.to_owned());
        if let Some(attempt) = self.attempts.get_mut(id) {
            attempt.took = true;
        } else {
            self.is_contested |= self.has_begun;
        }
        // Another run may have left hosts as they are.
        if self.life.schedule.rival.is_some() {
            return Ok(());
        }
        if key == "service" && value == "in" && self.value(host, "app") != "up" {
            return broken("P5: a host is put into service, and its app is down".to_owned());
        }
        if key == "service" {
            let all = 0..self.case.machines;
            let out = all.filter(|host| self.value(*host, "service") == "out").count();
            if out > self.case.plan.plan.serial[0].sizes[0] {
                return broken(format!("P5: {out} hosts are out of service"));
            }
        }
        Ok(())
    }

    fn at_end(&self) -> Checked {
        for id in &self.unstarted {
            let attempt = &self.attempts[id];
            if attempt.starts > 0 {
                let Attempt { task, ordinal, .. } = attempt;
                return broken(format!(
                    "P9: attempt {ordinal} at {task} was reported as not started"
                ));
            }
        }
        for (name, host) in &self.hosts {
            let mut attempts = host.tasks.values().flat_map(|task| &task.attempts);
            if !host.begun && attempts.any(|id| self.attempts[id].starts > 0) {
                return broken(format!("P9: {name} was not started, and commands were"));
            }
        }
        Ok(())
    }
}
