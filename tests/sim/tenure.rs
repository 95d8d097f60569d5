//! The promises about locks, as rules about what happened: never two runs change one host at once, and a
//! process that was overtaken changes nothing more. Nothing here uses the engine, or the locks of the model.
//!
//! A run has a host from the first command that it starts there until it releases the lock, an operator does, or
//! the host restarts. What hosts say about their locks is checked as well.

use std::collections::BTreeSet;

use planrun::event::{Event, HostEvent, RunEvent};

use crate::cases::Case;
use crate::hosts::{Fact, Sender};
use crate::oracle::{Checked, broken};

/// Who has a host.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Whether runs of the plan lock it.
    is_locked: bool,
    /// The process that got its lock last.
    holder: Option<Sender>,
    /// The run that changes it.
    changed_by: Option<usize>,
}

/// See the module.
pub(crate) struct Tenure<'c> {
    case: &'c Case,
    places: Vec<Place>,
    /// Locks that processes have released, and not taken again.
    let_go: BTreeSet<(usize, usize)>,
    /// Locks that runs said they could not release.
    left: BTreeSet<(usize, usize)>,
}

impl<'c> Tenure<'c> {
    pub(crate) fn new(case: &'c Case) -> Self {
        let others = case.plan.locks();
        let names = case.plan.inventory.hosts.keys();
        let place = |name| Place {
            is_locked: case.plan.hosts.iter().chain(&others).any(|host| host == name),
            ..Place::default()
        };
        let (let_go, left) = Default::default();
        Self { case, places: names.map(place).collect(), let_go, left }
    }

    /// Checks what happened; `event` returns the event of a run.
    pub(crate) fn see<'e>(
        &mut self,
        fact: &Fact,
        event: impl Fn(usize, u64) -> &'e Event,
    ) -> Checked {
        match fact {
            Fact::Locked { host, from } => self.locked(*host, *from),
            Fact::Released { host, from } => self.released(*host, *from),
            // The next one may not reach the host.
            Fact::Left { from } => {
                self.let_go.retain(|(of, _)| *of != from.run);
                Ok(())
            }
            Fact::Rebooted { host } => {
                self.is_free(*host);
                Ok(())
            }
            Fact::Started { host, from, other_machine: false, .. } => self.started(*host, *from),
            Fact::Commit { seq, from } => self.stored(event(from.run, *seq), from.run),
            _ => Ok(()),
        }
    }

    fn is_free(&mut self, host: usize) {
        self.places[host] = Place { is_locked: self.places[host].is_locked, ..Place::default() };
    }

    fn locked(&mut self, host: usize, from: Sender) -> Checked {
        match self.places[host].holder {
            Some(holder) if holder.run != from.run => {
                return broken(format!(
                    "P6: {from:?} gets the lock of host {host} from {holder:?}"
                ));
            }
            Some(holder) if holder.epoch > from.epoch => {
                return broken(format!(
                    "P6: {from:?} gets the lock of host {host} back from {holder:?}"
                ));
            }
            _ => {}
        }
        self.places[host].holder = Some(from);
        self.let_go.remove(&(from.run, host));
        Ok(())
    }

    fn released(&mut self, host: usize, from: Option<Sender>) -> Checked {
        if let Some(from) = from {
            if self.places[host].holder.is_some_and(|holder| holder.run != from.run) {
                return broken(format!(
                    "P6: {from:?} releases the lock of another run on host {host}"
                ));
            }
            self.let_go.insert((from.run, host));
        }
        self.is_free(host);
        Ok(())
    }

    fn started(&mut self, host: usize, from: Sender) -> Checked {
        let place = &mut self.places[host];
        if !place.is_locked {
            return Ok(());
        }
        let other = place.changed_by.filter(|other| *other != from.run);
        if let Some(other) = other {
            return broken(format!("P6: runs {other} and {} change host {host} at once", from.run));
        }
        place.changed_by = Some(from.run);
        if place.holder != Some(from) {
            let holder = place.holder;
            return broken(format!(
                "P6: {from:?} changes host {host}, locked is it for {holder:?}"
            ));
        }
        Ok(())
    }

    fn stored(&mut self, event: &Event, run: usize) -> Checked {
        match event {
            Event::Host { host, event: HostEvent::LockLeft { .. } } => {
                let host = self.case.plan.inventory.hosts.get_index_of(host).unwrap();
                self.left.insert((run, host));
            }
            Event::Run(RunEvent::Paused { .. }) => return self.keeps(run),
            Event::Run(RunEvent::Ended { status, .. }) if !status.has_ended() => {
                return self.keeps(run);
            }
            Event::Run(RunEvent::Ended { .. }) => {
                self.let_go.retain(|(of, _)| *of != run);
                for (host, place) in self.places.iter().enumerate() {
                    let is_kept = place.holder.is_some_and(|holder| holder.run == run);
                    if is_kept && !self.left.contains(&(run, host)) {
                        return broken(format!(
                            "P6: run {run} has ended, and host {host} is locked"
                        ));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A run that can be continued keeps its locks.
    fn keeps(&self, run: usize) -> Checked {
        match self.let_go.iter().find(|(of, _)| *of == run) {
            Some((_, host)) => broken(format!("P6: run {run} pauses, and released host {host}")),
            None => Ok(()),
        }
    }
}
