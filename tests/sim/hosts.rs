//! The host side. Rules:
//!
//! - A command has one effect, at its end: it puts a value under a key, or adds to a counter. It takes
//!   the seconds that its last word names.
//! - Effects are detached: once a request has arrived, its command runs to its end, whatever becomes
//!   of the connection and of planrun. Its output and exit code are kept.
//! - A host has one record an attempt, under its id. The first to name an id takes it: a request starts
//!   the command; a question that comes first makes sure that the attempt never starts. A request
//!   for an id that is taken starts nothing.
//! - The record says `running`, then the exit code. If the runner dies, or the host, it says that
//!   the attempt was started and is over, and nothing about its end.
//! - A reboot ends all commands; they have taken effect or not. Requests under way are lost.
//! - A host that lost its records answers that it does not know, about all that is older than the loss.
//!   Requests that were under way are lost with them: nothing can protect from those.
//! - A host that shows another key may be another machine: what would run there is logged as such.
//! - A host has one lock. It belongs to one run, and to its process with the largest epoch. A request names the
//!   lock of its process and the boot in which that was taken: if the host has another one, nothing starts, and
//!   nothing is recorded. A reboot loses the lock.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use planrun::inventory::HostName;
use planrun::transport::lock::{Found, Holder, LockReply, LockRequest};
use planrun::transport::{AttemptId, Body, Command, Exit, File, Output, Recovered};

use crate::bug::Bug;
use crate::fault::Fate;

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    Put { key: String, value: String },
    Count { key: String, by: i64 },
    Print(String),
}

/// One process of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sender {
    pub(crate) run: usize,
    pub(crate) epoch: u64,
}

/// The lock that a process has taken on a host.
#[derive(Clone, Debug)]
pub(crate) struct Fence {
    id: String,
    epoch: u64,
    boot: u32,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Starts,
    /// Its id is taken.
    Taken,
    /// The lock that it names was lost, as the host restarted.
    Restarted,
    /// The lock that it names was taken over by another process, or released.
    LockLost,
}

/// A request to run a command.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) host: usize,
    pub(crate) from: Sender,
    pub(crate) fence: Option<Fence>,
    pub(crate) id: AttemptId,
    pub(crate) work: Work,
    pub(crate) takes: Duration,
    pub(crate) timeout: Duration,
    pub(crate) fate: Fate,
}

/// What happened, to be compared with what was stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// A process starts.
    Process { from: Sender },
    /// A process has ended, or is suspended.
    Left { from: Sender },
    /// A suspended process continues.
    Back { from: Sender },
    /// An event is stored.
    Commit { seq: u64, from: Sender },
    /// A process sends an effect.
    Sent { from: Sender, id: AttemptId },
    /// A process gets the lock of a host.
    Locked { host: usize, from: Sender },
    /// A lock is released; `None` if an operator did it.
    Released { host: usize, from: Option<Sender> },
    /// A host restarts.
    Rebooted { host: usize },
    /// A command starts.
    Started { host: usize, from: Sender, id: AttemptId, work: Work, other_machine: bool },
    /// It takes effect.
    Took { host: usize, id: AttemptId, key: String, value: String },
    /// It is over; `None` if nobody can know how.
    Over { host: usize, id: AttemptId, exit: Option<Exit> },
    /// A fault.
    Fault(String),
}

impl Fact {
    /// The run that it is about; `None` if all runs can see it.
    pub(crate) fn run(&self) -> Option<usize> {
        match self {
            Self::Process { from }
            | Self::Left { from }
            | Self::Back { from }
            | Self::Commit { from, .. }
            | Self::Sent { from, .. }
            | Self::Locked { from, .. }
            | Self::Started { from, .. } => Some(from.run),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
enum Entry {
    GivenUp,
    Running { ends: Duration },
    Exited(Output),
    Lost,
}

/// What can be seen of an attempt while waiting for it.
pub(crate) enum Progress {
    Running { ends: Duration },
    Exited(Output),
    Gone,
}

/// Who has the lock of a host.
#[derive(Clone)]
struct Lock {
    holder: Holder,
    run: usize,
}

pub(crate) struct Machine {
    pub(crate) name: HostName,
    /// Its host key.
    key: String,
    values: BTreeMap<String, String>,
    memory: HashMap<AttemptId, Entry>,
    memory_since: Option<Duration>,
    boot: u32,
    lock: Option<Lock>,
    /// Until when it cannot be reached.
    away_until: Duration,
    /// When that began last.
    away_since: Option<Duration>,
    /// To how many processes it still shows another key.
    pub(crate) other_key: u32,
}

enum Happening {
    Arrives(Request),
    Ends { request: Request, boot: u32, exit: Exit, took: bool, recorded: bool },
}

/// All hosts, and the log of what happened.
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) machines: Vec<Machine>,
    queue: BTreeMap<(Duration, u64), Happening>,
    number: u64,
    pub(crate) log: Vec<(Duration, Fact)>,
    bug: Option<Bug>,
}

/// The values of a host at the start.
pub(crate) fn initial(key: &str) -> &'static str {
    match key {
        "app" => "up",
        "service" | "web1" | "web2" | "web3" => "in",
        "n" | "m" => "0",
        _ => "off",
    }
}

/// All keys that plans use.
pub(crate) const KEYS: [&str; 13] =
    ["a", "b", "c", "d", "e", "f", "app", "service", "n", "m", "web1", "web2", "web3"];

impl World {
    pub(crate) fn new(
        names: impl IntoIterator<Item = HostName>,
        keys: &[&str],
        bug: Option<Bug>,
    ) -> Self {
        let values = |key: &&str| ((*key).to_owned(), initial(key).to_owned());
        let machine = |name| Machine {
            key: format!("key of {name}"),
            name,
            values: keys.iter().map(values).collect(),
            memory: HashMap::new(),
            memory_since: None,
            boot: 0,
            lock: None,
            away_until: Duration::ZERO,
            away_since: None,
            other_key: 0,
        };
        Self {
            now: Duration::ZERO,
            machines: names.into_iter().map(machine).collect(),
            queue: BTreeMap::new(),
            number: 0,
            log: Vec::new(),
            bug,
        }
    }

    /// Returns the host key that a host shows.
    pub(crate) fn key(&self, host: usize) -> &str {
        let machine = &self.machines[host];
        if machine.other_key > 0 { "key of another machine" } else { &machine.key }
    }

    pub(crate) fn note(&mut self, fact: Fact) {
        self.log.push((self.now, fact));
    }

    /// Returns the position of a host.
    pub(crate) fn position(&self, name: &HostName) -> usize {
        self.machines.iter().position(|machine| machine.name == *name).unwrap()
    }

    pub(crate) fn value(&self, host: usize, key: &str) -> &str {
        self.machines[host].values.get(key).map_or("off", String::as_str)
    }

    /// Lets everything happen that happens by then.
    pub(crate) fn advance(&mut self, now: Duration) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((at, _), happening) = entry.remove_entry();
            self.now = self.now.max(at);
            match happening {
                Happening::Arrives(request) => {
                    // It was sent to the machine itself.
                    self.start(request, false);
                }
                Happening::Ends { request, boot, exit, took, recorded } => {
                    if self.machines[request.host].boot == boot {
                        self.ends(&request, exit, took, recorded);
                    }
                }
            }
        }
        self.now = self.now.max(now);
    }

    fn later(&mut self, after: Duration, happening: Happening) {
        self.number += 1;
        self.queue.insert((self.now + after, self.number), happening);
    }

    /// A request is under way for so long.
    pub(crate) fn deliver(&mut self, request: Request, after: Duration) {
        self.later(after, Happening::Arrives(request));
    }

    /// A request arrives.
    pub(crate) fn arrives(&mut self, request: Request) -> Arrival {
        let other_machine = self.machines[request.host].other_key > 0;
        self.start(request, other_machine)
    }

    fn start(&mut self, request: Request, other_machine: bool) -> Arrival {
        let host = request.host;
        if let Some(fence) = &request.fence
            && self.bug != Some(Bug::NoLockFence)
        {
            let machine = &self.machines[host];
            let is_it =
                |lock: &Lock| (&lock.holder.id, lock.holder.epoch) == (&fence.id, fence.epoch);
            if fence.boot != machine.boot {
                return Arrival::Restarted;
            } else if !machine.lock.as_ref().is_some_and(is_it) {
                return Arrival::LockLost;
            }
        }
        let taken = self.machines[host].memory.get(&request.id);
        let is_free = match (taken, self.bug) {
            (Some(Entry::GivenUp), Some(Bug::LateRequestRuns))
            | (Some(Entry::Exited(_)), Some(Bug::DuplicateRuns))
            | (None, _) => true,
            (Some(_), _) => false,
        };
        if !is_free {
            return Arrival::Taken;
        }
        let (id, work, from) = (request.id.clone(), request.work.clone(), request.from);
        self.note(Fact::Started { host, from, id, work, other_machine });
        let Request { takes, timeout, .. } = request;
        let (mut after, mut exit, mut took, mut recorded) = (takes, Exit::Code(0), true, true);
        match request.fate {
            Fate::Well => {}
            Fate::Fails => (exit, took) = (Exit::Code(1), false),
            Fate::FailsLate => exit = Exit::Code(1),
            Fate::Killed => (exit, took) = (Exit::Signal("KILL".into()), false),
            Fate::Slow => (after, exit, took) = (timeout, Exit::TimedOut, false),
            Fate::Stubborn => (after, recorded) = (timeout + Duration::from_mins(1), false),
            Fate::Orphaned => recorded = false,
        }
        if after > timeout && request.fate != Fate::Stubborn {
            (after, exit, took) = (timeout, Exit::TimedOut, false);
        }
        let machine = &mut self.machines[host];
        machine.memory.insert(request.id.clone(), Entry::Running { ends: self.now + after });
        let boot = machine.boot;
        self.later(after, Happening::Ends { request, boot, exit, took, recorded });
        Arrival::Starts
    }

    /// A process asks for the lock of a host, or about it.
    pub(crate) fn lock(
        &mut self,
        host: usize,
        from: Sender,
        request: &LockRequest,
    ) -> (LockReply, Option<Fence>) {
        let boot = self.machines[host].boot;
        let lock = self.machines[host].lock.clone();
        let held =
            |lock: Lock| LockReply::Held(Found { user: "0".into(), holder: Some(lock.holder) });
        match (request, lock) {
            (LockRequest::Take(holder), lock) => {
                let is_kept = lock.is_some();
                if let Some(lock) = lock
                    && !self.gives_way(&lock.holder, holder)
                {
                    return (held(lock), None);
                }
                let (id, epoch) = (holder.id.clone(), holder.epoch);
                self.machines[host].lock = Some(Lock { holder: holder.clone(), run: from.run });
                self.note(Fact::Locked { host, from });
                let reply = LockReply::Taken { is_kept, boot: Some(boot.to_string()) };
                (reply, Some(Fence { id, epoch, boot }))
            }
            (_, None) => (LockReply::Free, None),
            (LockRequest::Release { id, by }, Some(lock))
                if lock.holder.id == *id || self.bug == Some(Bug::ReleasesAnyLock) =>
            {
                self.machines[host].lock = None;
                self.note(Fact::Released { host, from: by.is_none().then_some(from) });
                (LockReply::Released, None)
            }
            (LockRequest::Release { .. } | LockRequest::Show, Some(lock)) => (held(lock), None),
        }
    }

    /// Whether the lock of a process goes to another one.
    fn gives_way(&self, has: &Holder, wants: &Holder) -> bool {
        let is_same = has.id == wants.id || self.bug == Some(Bug::AnyoneTakesLock);
        is_same && (has.epoch <= wants.epoch || self.bug == Some(Bug::OldEpochTakesLock))
    }

    /// Returns the run that has the lock of a host, and the name of the lock.
    pub(crate) fn holder(&self, host: usize) -> Option<(usize, String)> {
        self.machines[host].lock.as_ref().map(|lock| (lock.run, lock.holder.id.clone()))
    }

    fn ends(&mut self, request: &Request, exit: Exit, took: bool, recorded: bool) {
        if took {
            self.takes_effect(request);
        }
        let known = recorded.then(|| exit.clone());
        self.note(Fact::Over { host: request.host, id: request.id.clone(), exit: known });
        let stdout = match &request.work {
            Work::Print(text) if exit == Exit::Code(0) => format!("{text}\n"),
            _ => String::new(),
        };
        if let Some(entry) = self.machines[request.host].memory.get_mut(&request.id) {
            *entry =
                if recorded { Entry::Exited(Output::new(exit, stdout, "")) } else { Entry::Lost };
        }
    }

    fn takes_effect(&mut self, request: &Request) {
        let values = &mut self.machines[request.host].values;
        let (key, value) = match &request.work {
            Work::Put { key, value } => (key.clone(), value.clone()),
            Work::Count { key, by } => {
                let now: i64 = values.get(key).map_or(0, |value| value.parse().unwrap());
                (key.clone(), (now + by).to_string())
            }
            Work::Print(_) => ("printed".to_owned(), "yes".to_owned()),
        };
        values.insert(key.clone(), value.clone());
        self.note(Fact::Took { host: request.host, id: request.id.clone(), key, value });
    }

    /// A host reboots.
    pub(crate) fn reboot(&mut self, host: usize, done: bool, down: Duration) {
        let is_of = |happening: &Happening| match happening {
            Happening::Arrives(request) | Happening::Ends { request, .. } => request.host == host,
        };
        let gone = self.queue.extract_if(.., |_, happening| is_of(happening));
        for (_, happening) in gone.collect::<Vec<_>>() {
            if let Happening::Ends { request, .. } = happening {
                self.ends(&request, Exit::Code(0), done, false);
            }
        }
        self.machines[host].boot += 1;
        self.machines[host].lock = None;
        self.note(Fact::Rebooted { host });
        self.away(host, down);
    }

    /// A host cannot be reached for a time.
    pub(crate) fn away(&mut self, host: usize, time: Duration) {
        let machine = &mut self.machines[host];
        machine.away_since = Some(self.now);
        machine.away_until = machine.away_until.max(self.now + time);
    }

    /// A host loses its records.
    pub(crate) fn empty_spool(&mut self, host: usize) {
        self.machines[host].memory.clear();
        self.machines[host].memory_since = Some(self.now);
        self.queue.retain(|_, happening| {
            !matches!(happening, Happening::Arrives(request) if request.host == host)
        });
    }

    pub(crate) fn is_away(&self, host: usize) -> bool {
        self.machines[host].away_until > self.now
    }

    /// Whether a connection that was open at a time is lost.
    pub(crate) fn is_cut(&self, host: usize, since: Duration) -> bool {
        self.machines[host].away_since.is_some_and(|at| at >= since)
    }

    pub(crate) fn progress(&self, host: usize, id: &AttemptId) -> Progress {
        match self.machines[host].memory.get(id) {
            Some(Entry::Running { ends }) => Progress::Running { ends: *ends },
            Some(Entry::Exited(output)) => Progress::Exited(output.clone()),
            Some(Entry::GivenUp | Entry::Lost) | None => Progress::Gone,
        }
    }

    /// Returns until when the command of an attempt runs, if it does; also if its host forgot it.
    pub(crate) fn runs_until(&self, id: &AttemptId) -> Option<Duration> {
        let is_it = |happening: &Happening| match happening {
            Happening::Arrives(request) | Happening::Ends { request, .. } => request.id == *id,
        };
        let mut queue = self.queue.iter();
        queue.find(|(_, happening)| is_it(happening)).map(|((at, _), _)| *at)
    }

    /// A host is asked about an attempt that was intended at a time.
    pub(crate) fn ask(&mut self, host: usize, id: &AttemptId, intended: Duration) -> Recovered {
        let machine = &mut self.machines[host];
        let recovered = match machine.memory.entry(id.clone()).or_insert(Entry::GivenUp) {
            Entry::GivenUp
                if machine.memory_since.is_some_and(|since| since >= intended)
                    && self.bug != Some(Bug::LostSpoolUnnoticed) =>
            {
                Recovered::Unknown
            }
            Entry::GivenUp => Recovered::Absent,
            Entry::Running { .. } => Recovered::Running,
            Entry::Exited(output) => Recovered::Ended(output.clone()),
            Entry::Lost => Recovered::Over,
        };
        match (self.bug, recovered) {
            (Some(Bug::RunningIsOver), Recovered::Running) => Recovered::Over,
            (Some(Bug::RunningIsAbsent), Recovered::Running)
            | (Some(Bug::LostIsAbsent), Recovered::Over) => Recovered::Absent,
            (Some(Bug::ExitIsZero), Recovered::Ended(output)) => {
                Recovered::Ended(Output { exit: Exit::Code(0), ..output })
            }
            (Some(Bug::ExitIsForgotten), Recovered::Ended(_)) => Recovered::Unknown,
            (_, recovered) => recovered,
        }
    }

    /// Answers a probe.
    pub(crate) fn look(&self, host: usize, command: &Command) -> Output {
        if let Body::Compare(File { to, content, .. }) = &command.body {
            let is_same = self.value(host, to).as_bytes() == &content[..];
            return Output::new(Exit::Code(0), if is_same { "same\n" } else { "other\n" }, "");
        }
        let mut text = String::new();
        for (key, value) in &self.machines[host].values {
            text.extend([key, "=", value, "\n"]);
        }
        Output::new(Exit::Code(0), text, "")
    }
}

/// What a command does, and for how long.
pub(crate) fn work(command: &Command) -> (Work, Duration) {
    let argv = match &command.body {
        Body::Argv(argv) => argv,
        Body::Upload(File { content, to, .. }) => {
            let value = String::from_utf8(content.to_vec()).unwrap();
            return (Work::Put { key: to.clone(), value }, Duration::from_secs(1));
        }
        other => panic!("no model of {other:?}"),
    };
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let (work, takes) = match words[..] {
        ["put", key, value, takes] => {
            (Work::Put { key: key.to_owned(), value: value.to_owned() }, takes)
        }
        ["count", key, by, takes] => {
            (Work::Count { key: key.to_owned(), by: by.parse().unwrap() }, takes)
        }
        ["print", text, takes] => (Work::Print(text.to_owned()), takes),
        _ => panic!("no model of {words:?}"),
    };
    (work, Duration::from_secs(takes.parse().unwrap()))
}
