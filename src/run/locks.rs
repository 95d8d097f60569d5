//! The locks of the hosts of a run: when they are taken, kept and released.
//!
//! - They are taken after the preflight and before the first change, one after the other in the order of
//!   the addresses: of two runs that start at the same time, one gets all of them. If a host is locked, the
//!   run is refused, or waits for it for a while.
//! - They are kept while the run is paused or stuck. A process that continues it takes them over first,
//!   with its epoch: from then on the hosts refuse what an earlier process sends.
//! - A host that cannot be reached at that moment, or was not reached since it may have been restarted, is
//!   locked before anything is sent to it.
//! - They are released when nothing more can be sent, right before the end of the run is recorded: a process
//!   that is killed in between leaves no lock behind.
//!
//! The hosts of a plan and of its `locks` are locked; hosts that only get delegated commands are not.

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::event::{Event, HostEvent, JournalError, PreflightVerdict, Progress, RunId};
use crate::history::RunState;
use crate::inventory::{Connection, Host, HostName, Inventory, Locking};
use crate::run::Live;
use crate::transport::hosts::at_a_time;
use crate::transport::lock::{Holder, LockReply, LockRequest};
use crate::transport::{Transport, TransportError};

/// How many hosts are connected to, or released, at the same time.
const WIDTH: usize = 20;

/// How often a lock is tried while another run has it.
const AGAIN: Duration = Duration::from_secs(1);

/// How often a host is asked again if the connection is lost meanwhile.
const TRIES: usize = 3;

/// The locks of a process.
#[derive(Debug, Default)]
pub(super) struct Locks<'r> {
    /// The hosts that the run locks, in that order.
    hosts: Vec<&'r Host>,
    /// Those that were asked for their lock, or may have been by an earlier process.
    asked: BTreeSet<HostName>,
    /// Those that are locked, as far as is known.
    taken: BTreeSet<HostName>,
    /// Those that the run did not have before.
    new: BTreeSet<HostName>,
}

/// Returns the name of the lock of a run: the same for all its processes.
pub fn lock_id(run: &RunId, state: &RunState) -> String {
    let begun = state.begun.unwrap_or_default();
    hex::encode(&Sha256::digest(format!("{run}\n{begun}"))[..8])
}

/// Returns the hosts that a run locks, in the order in which it does that.
pub fn locked_hosts<'i, 'n>(
    inventory: &'i Inventory,
    names: impl IntoIterator<Item = &'n HostName>,
) -> Vec<&'i Host> {
    let hosts: BTreeSet<&HostName> = names.into_iter().collect();
    let hosts = hosts.into_iter().filter_map(|name| inventory.host(name));
    let mut hosts: Vec<&Host> = hosts.filter(|host| host.link.locking != Locking::None).collect();
    hosts.sort_by_cached_key(|host| match host.link.connection {
        Connection::Ssh | Connection::OpenSsh => (host.link.address.to_lowercase(), host.link.port),
        Connection::Local | Connection::Model => (String::new(), None),
    });
    hosts
}

/// Releases locks. Returns the hosts that may still be locked, and why.
pub async fn release(
    transport: &dyn Transport,
    hosts: impl IntoIterator<Item = &Host>,
    id: &str,
) -> Vec<(HostName, TransportError)> {
    let request = &LockRequest::Release { id: id.to_owned(), by: None };
    let release = |host| async move { (host, ask(transport, host, request).await) };
    let replies: Vec<_> = at_a_time(WIDTH, hosts.into_iter().map(release)).await;
    let left = replies.into_iter().map(|(host, reply)| async move {
        let reply = match reply {
            // The lock of a machine with two names belongs to one of its users, who released it by now.
            Err(TransportError::Denied { .. }) => ask(transport, host, request).await,
            reply => reply,
        };
        reply.err().map(|error| (host.name.clone(), error))
    });
    let left: Vec<Option<(HostName, TransportError)>> = at_a_time(WIDTH, left).await;
    left.into_iter().flatten().collect()
}

/// Asks a host about its lock; again if the connection was lost meanwhile.
async fn ask(
    transport: &dyn Transport,
    host: &Host,
    request: &LockRequest,
) -> Result<LockReply, TransportError> {
    let mut result = transport.lock(host, request).await;
    for _ in 1..TRIES {
        if !result.as_ref().is_err_and(TransportError::is_away)
            || transport.reach(host).await.is_err()
        {
            break;
        }
        result = transport.lock(host, request).await;
    }
    result
}

impl<'r> Locks<'r> {
    /// Makes the locks of a process, which has taken none of them. An earlier one, if there is one, may have.
    pub(super) fn of(hosts: Vec<&'r Host>, is_first: bool) -> Self {
        let earlier = hosts.iter().filter(|_| !is_first);
        Self { asked: earlier.map(|host| host.name.clone()).collect(), hosts, ..Self::default() }
    }

    /// Notes that a host was not reached: it may have been restarted, and lost its lock.
    pub(super) fn doubt(&mut self, host: &HostName) {
        self.taken.remove(host);
    }
}

impl Live<'_, '_> {
    /// Takes all locks before the first change. Returns the events of that; `None` if a host is
    /// locked, which is recorded, or if the run is to stop.
    pub(super) async fn take_locks(&self) -> Result<Option<Vec<Event>>, JournalError> {
        let mut events = Vec::new();
        let hosts = self.locks.borrow().hosts.clone();
        for host in hosts {
            match self.wait_for_lock(host).await {
                Ok(event) => events.extend(event),
                Err(_) if self.run.stop.requested().is_some() => return Ok(None),
                Err(error) => {
                    // A host of `locks` has no verdict of its own.
                    let hosts = &self.run.plan.hosts;
                    let of = hosts.iter().find(|name| **name == host.name).or(hosts.first());
                    if let Some(of) = of {
                        let verdict = PreflightVerdict::NoAnswer(error);
                        self.note_now([HostEvent::PreflightEnded { verdict }.of(of)]).await?;
                    }
                    return Ok(None);
                }
            }
        }
        Ok(Some(events))
    }

    /// Takes the locks over from an earlier process, or takes them again. Returns the events of that; an
    /// error if another run has one. Hosts that cannot be reached are locked later.
    pub(super) async fn take_over(&self) -> Result<Vec<Event>, TransportError> {
        let hosts = self.locks.borrow().hosts.clone();
        let reach = hosts.iter().map(|host| self.run.transport.reach(host));
        let reached = at_a_time(WIDTH, reach).await;
        let mut events = Vec::new();
        for (host, reached) in hosts.into_iter().zip(reached) {
            if reached.is_err() {
                continue;
            }
            match self.wait_for_lock(host).await {
                Ok(event) => events.extend(event),
                Err(error @ TransportError::Locked { .. }) => {
                    // A run that has ended stays so.
                    let new = std::mem::take(&mut self.locks.borrow_mut().new);
                    self.release(&new).await;
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        Ok(events)
    }

    /// Locks a host before anything is sent to it, if it could not be locked earlier. Returns why it is not
    /// locked.
    pub(super) async fn lock_late(
        &self,
        host: &Host,
        through: &dyn Transport,
    ) -> Result<Option<TransportError>, JournalError> {
        let is_locked = {
            let locks = self.locks.borrow();
            locks.taken.contains(&host.name) || locks.hosts.iter().all(|it| it.name != host.name)
        };
        if is_locked {
            return Ok(None);
        }
        match self.lock(host, through).await {
            Ok(Some(event)) => self.note(event).await.map(|()| None),
            Ok(None) => Ok(None),
            Err(error) => Ok(Some(error)),
        }
    }

    /// Releases the locks of a run that is over. Returns the events of that.
    pub(super) async fn release_locks(&self) -> Vec<Event> {
        let asked = std::mem::take(&mut self.locks.borrow_mut().asked);
        self.release(&asked).await
    }

    async fn release(&self, names: &BTreeSet<HostName>) -> Vec<Event> {
        let hosts = names.iter().filter_map(|name| self.run.plan.inventory.host(name));
        let id = lock_id(&self.run.id, &self.state.borrow());
        let left = release(self.run.transport, hosts, &id).await.into_iter();
        let left = left.map(|(host, error)| {
            HostEvent::LockLeft { why: error.on(&host), id: id.clone() }.of(&host)
        });
        left.collect()
    }

    /// Takes the lock of a host. While another run has it, waits as long as the operator wants.
    async fn wait_for_lock(&self, host: &Host) -> Result<Option<Event>, TransportError> {
        let run = self.run;
        let begin = run.clock.monotonic();
        let mut reported = String::new();
        loop {
            let error = match self.lock(host, run.transport).await {
                Ok(event) => return Ok(event),
                Err(error) => error,
            };
            let waited = run.clock.monotonic().saturating_sub(begin);
            if !matches!(error, TransportError::Locked { .. }) || waited >= run.lock_timeout {
                return Err(error);
            }
            let why = error.on(&host.name);
            if why != reported {
                let (host, limit) = (host.name.clone(), run.lock_timeout);
                self.progress(&Progress::Locked { host, why: why.clone(), limit });
                reported = why;
            }
            tokio::select! {
                biased;
                () = run.stop.wait() => return Err(error),
                () = run.clock.sleep(AGAIN.min(run.lock_timeout.saturating_sub(waited))) => {}
            }
        }
    }

    /// Takes the lock of a host. Returns the event of that, if there is one.
    async fn lock(
        &self,
        host: &Host,
        through: &dyn Transport,
    ) -> Result<Option<Event>, TransportError> {
        let run = self.run;
        through.reach(host).await?;
        // It may have the lock even if its answer is lost.
        self.locks.borrow_mut().asked.insert(host.name.clone());
        let holder = Holder {
            id: lock_id(&run.id, &self.state.borrow()),
            epoch: run.epoch,
            run: run.id.0.clone(),
            by: run.by.clone(),
            since: run.clock.now(),
            plan: run.plan.plan.name.clone(),
            host: host.name.to_string(),
        };
        let reply = ask(through, host, &LockRequest::Take(holder)).await?;
        self.locks.borrow_mut().taken.insert(host.name.clone());
        let LockReply::Taken { is_kept, boot } = reply else { return Ok(None) };
        if !is_kept {
            self.locks.borrow_mut().new.insert(host.name.clone());
        }
        let known = self.state.borrow().locks.get(&host.name).cloned();
        let lost = match &known {
            Some(known) if *known != boot => Some("the host was restarted since"),
            Some(_) if !is_kept => Some("the lock was released or removed since"),
            Some(_) => return Ok(None),
            None => None,
        };
        Ok(Some(HostEvent::Locked { boot, lost: lost.map(str::to_owned) }.of(&host.name)))
    }
}
