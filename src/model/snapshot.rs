//! Snapshots of a world, so that another process can continue with it.
//!
//! A snapshot has some or all hosts. If the changes of a host follow from its own state alone, a world is
//! restored from its start and the last snapshot of each host; snapshots can be combined in order. If hosts
//! change each other, each snapshot has all of them.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use minijinja::Value;
use serde::{Deserialize, Serialize};

use crate::inventory::HostName;
use crate::model::ModelError;
use crate::model::hosts::{HostState, Later};
use crate::model::world::World;

/// Hosts of a world at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    pub now: Timestamp,
    hosts: IndexMap<HostName, SavedHost>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedHost {
    state: IndexMap<String, Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Option<Timestamp>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    later: Vec<Later>,
}

impl World {
    /// Returns the time at which the world started.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Returns all hosts as they are now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_of(0..self.hosts.len())
    }

    /// Returns the hosts that commands have changed since the last call.
    pub fn changes(&mut self) -> Snapshot {
        let touched = std::mem::take(&mut self.touched);
        if self.roster.model.is_connected { self.snapshot() } else { self.snapshot_of(touched) }
    }

    fn snapshot_of(&self, hosts: impl IntoIterator<Item = usize>) -> Snapshot {
        let hosts = hosts.into_iter().map(|number| {
            let host = &self.hosts[number];
            let names = self.roster.group_of(number).state.keys();
            let saved = SavedHost {
                state: names.cloned().zip(host.state.iter().cloned()).collect(),
                rules: host.rules.clone(),
                later: host.later.clone(),
            };
            (self.roster.hosts[number].name.clone(), saved)
        });
        Snapshot { now: self.now, hosts: hosts.collect() }
    }

    /// Restores hosts; then call [`World::advance_to`] with the time of the snapshot.
    ///
    /// A snapshot that does not match changes nothing.
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), ModelError> {
        let mut restored = Vec::new();
        for (name, saved) in snapshot.hosts {
            let number = self.index(&name)?;
            let group = self.roster.group_of(number);
            let same = saved.state.len() == group.state.len()
                && saved.state.keys().eq(group.state.keys())
                && saved.rules.len() == group.rules.len()
                && saved.later.iter().all(|one| one.here < self.hosts.len());
            if !same {
                let why = format!("{name} has different values than in the model");
                return Err(ModelError::Saved(why));
            }
            for later in &saved.later {
                self.roster.response(later.source)?;
            }
            restored.push((number, saved));
        }
        self.all.take();
        for (number, saved) in restored {
            // It stays at its old time in the agenda until it is updated.
            let HostState { scheduled, is_up, downs, .. } = self.hosts[number];
            self.hosts[number] = HostState {
                state: Arc::new(saved.state.into_values().collect()),
                rules: saved.rules,
                later: saved.later,
                scheduled,
                is_up,
                downs,
            };
            self.schedule(number);
        }
        Ok(())
    }
}
