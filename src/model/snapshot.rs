//! Worlds on paper: what is kept of a world so that another process goes on with it.
//!
//! A snapshot holds some hosts or all of them. Since what happens to a host by itself follows from
//! its own state alone, a world is made again from its start and, for each host, the last snapshot
//! that holds it; snapshots of changes can be put one behind the other.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use minijinja::Value;
use serde::{Deserialize, Serialize};

use crate::inventory::HostName;
use crate::model::ModelError;
use crate::model::state::{HostState, Later};
use crate::model::world::World;

/// Hosts of a world at an instant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// The instant.
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
    /// Returns the instant at which the world began.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Returns all hosts as they are now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_of(0..self.hosts.len())
    }

    /// Returns the hosts that commands have changed since this was last asked.
    pub fn changes(&mut self) -> Snapshot {
        let touched = std::mem::take(&mut self.touched);
        self.snapshot_of(touched)
    }

    fn snapshot_of(&self, hosts: impl IntoIterator<Item = usize>) -> Snapshot {
        let hosts = hosts.into_iter().map(|number| {
            let host = &self.hosts[number];
            let names = self.group_of(number).state.keys();
            let saved = SavedHost {
                state: names.cloned().zip(host.state.iter().cloned()).collect(),
                rules: host.rules.clone(),
                later: host.later.clone(),
            };
            (self.roster.hosts[number].name.clone(), saved)
        });
        Snapshot { now: self.now, hosts: hosts.collect() }
    }

    /// Makes hosts what they were; then [`World::advance_to`] the snapshot's instant.
    ///
    /// Nothing is changed by a snapshot that does not fit.
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), ModelError> {
        let mut restored = Vec::new();
        for (name, saved) in snapshot.hosts {
            let number = self.index(&name)?;
            let group = self.group_of(number);
            let same = saved.state.len() == group.state.len()
                && saved.state.keys().eq(group.state.keys())
                && saved.rules.len() == group.rules.len()
                && saved.later.iter().all(|one| one.here < self.hosts.len());
            if !same {
                let why = format!("{name} has other values there than in the model");
                return Err(ModelError::Saved(why));
            }
            for later in &saved.later {
                self.roster.response(later.source)?;
            }
            restored.push((number, saved));
        }
        for (number, saved) in restored {
            // It stays in the agenda where it was until it is put to its new place.
            let scheduled = self.hosts[number].scheduled;
            self.hosts[number] = HostState {
                state: Arc::new(saved.state.into_values().collect()),
                rules: saved.rules,
                later: saved.later,
                scheduled,
            };
            self.schedule(number);
        }
        Ok(())
    }
}
