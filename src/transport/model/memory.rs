//! What model hosts remember of attempts: as much as real hosts do.
//!
//! An id is taken once: by the attempt itself, or by a question about it, which then reports that it
//! never started. A command whose controller went away continues, and takes effect when its time has come.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::inventory::HostName;
use crate::model::Pending;
use crate::transport::{AttemptId, Recovered};

/// A command that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) host: HostName,
    /// What it does when it ends.
    pub(super) pending: Pending,
    pub(super) ends: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Whether each was started; else it cannot start any more.
    started: BTreeMap<AttemptId, bool>,
    /// Those that run, and whether a caller still waits for them.
    running: BTreeMap<AttemptId, (Running, bool)>,
}

impl Memory {
    /// Remembers attempts of earlier processes; those that ran have died with them.
    pub(super) fn of(attempts: BTreeMap<AttemptId, bool>) -> Self {
        Self { started: attempts, running: BTreeMap::new() }
    }

    pub(super) fn knows(&self, id: &AttemptId) -> bool {
        self.started.contains_key(id)
    }

    /// Notes that an attempt starts; with what it does, if that is anything.
    pub(super) fn start(&mut self, id: &AttemptId, running: Option<Running>) {
        self.started.insert(id.clone(), true);
        if let Some(running) = running {
            self.running.insert(id.clone(), (running, true));
        }
    }

    /// Notes that an attempt that never started cannot start any more.
    pub(super) fn give_up(&mut self, id: &AttemptId) {
        self.started.insert(id.clone(), false);
    }

    /// Returns the state of an attempt; `None` if its id is free.
    pub(super) fn recall(&self, id: &AttemptId) -> Option<Recovered> {
        let started = *self.started.get(id)?;
        Some(if !started {
            Recovered::Absent
        } else if self.running.contains_key(id) {
            Recovered::Running
        } else {
            Recovered::Over
        })
    }

    pub(super) fn end(&mut self, id: &AttemptId) {
        self.running.remove(id);
    }

    /// Notes that no one waits for an attempt any more.
    pub(super) fn leave(&mut self, id: &AttemptId) {
        if let Some((_, is_awaited)) = self.running.get_mut(id) {
            *is_awaited = false;
        }
    }

    /// Takes the commands that no one waits for and whose time has come, the earliest first.
    pub(super) fn take_ended(&mut self, now: Timestamp) -> Vec<Running> {
        let is_ended = |_: &AttemptId, (running, is_awaited): &mut (Running, bool)| {
            !*is_awaited && running.ends <= now
        };
        let ended = self.running.extract_if(.., is_ended);
        let mut ended: Vec<Running> = ended.map(|(_, (running, _))| running).collect();
        ended.sort_by_key(|running| running.ends);
        ended
    }
}
