//! The store: what survives a crash. It accepts events of the newest process only, and in order.

use std::cell::RefCell;

use planrun::event::{Event, Record};
use planrun::history::RunState;

use crate::bug::Bug;

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) records: Vec<Record>,
    /// Events that were reported as stored, and are not yet.
    unsynced: Vec<Record>,
    pub(crate) epoch: u64,
    /// The state of the run by the events that were read so far.
    read: RefCell<RunState>,
    bug: Option<Bug>,
}

impl Store {
    pub(crate) fn new(bug: Option<Bug>) -> Self {
        Self { bug, ..Self::default() }
    }

    /// Another process takes the run over.
    pub(crate) fn take(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    /// Stores events. Returns those that are stored now; an error names what is wrong.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<usize, String> {
        let first = self.records.len();
        for record in records {
            if record.epoch != self.epoch && self.bug != Some(Bug::NoFence) {
                return Err(format!("epoch {} was taken over by {}", record.epoch, self.epoch));
            }
            let next = (self.records.len() + self.unsynced.len()) as u64 + 1;
            if record.seq != next && self.bug.is_none() {
                return Err(format!("event {} where event {next} is next", record.seq));
            }
            match self.bug {
                Some(Bug::Drops(what)) if what.is(&record.event) => continue,
                Some(Bug::WritesLate(what)) if what.is(&record.event) => {
                    self.unsynced.push(record.clone());
                    continue;
                }
                _ => {}
            }
            self.records.append(&mut self.unsynced);
            self.records.push(record.clone());
        }
        Ok(self.records.len() - first)
    }

    /// The process is gone, and with it what was not synced.
    pub(crate) fn crash(&mut self) {
        self.unsynced.clear();
    }

    /// Returns the state of the run as the next process reads it.
    pub(crate) fn state(&self) -> Result<RunState, String> {
        if let Some(Bug::Rereads(past)) = self.bug {
            let mut records = self.records.clone();
            past.change(&mut records);
            return RunState::of(&records);
        }
        let mut read = self.read.borrow_mut();
        let before = usize::try_from(read.seq).unwrap();
        for (number, record) in self.records.iter().enumerate().skip(before) {
            if record.seq != number as u64 + 1 {
                return Err(format!("event {} is stored as {}", record.seq, number + 1));
            }
            read.apply(record)?;
        }
        Ok(read.clone())
    }

    pub(crate) fn event(&self, seq: u64) -> &Event {
        &self.records[usize::try_from(seq).unwrap() - 1].event
    }
}
