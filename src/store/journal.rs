//! The journal of a run: what a process needs to write its events.
//!
//! It has the lock of the run, and the epoch that the database compares in the transaction of every
//! append. After a failure it rejects all further records: only the next process, which reads the run
//! back, knows what was stored.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Transaction;

use super::error::StoreError;
use super::lock::RunLock;
use super::writer::Writer;
use super::{lock, sqlite};
use crate::event::{Event, Journal, JournalError, Record, RunId};

/// The right to write a run; dropping it releases the lock.
#[derive(Debug)]
pub struct RunJournal {
    run: RunId,
    epoch: u64,
    next: Cell<u64>,
    fault: RefCell<Option<StoreError>>,
    writer: Arc<Writer>,
    lock: RunLock,
}

impl RunJournal {
    pub(super) fn new(
        run: RunId,
        epoch: u64,
        next: u64,
        writer: Arc<Writer>,
        lock: RunLock,
    ) -> Self {
        let (next, fault) = (Cell::new(next), RefCell::default());
        Self { run, epoch, next, fault, writer, lock }
    }

    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Returns the epoch of this process.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the number of the next record: one more than the last that was passed in, whether it is
    /// stored yet or not.
    pub fn seq(&self) -> u64 {
        self.next.get()
    }

    /// Makes the next record.
    pub fn record(&self, event: Event, at: Timestamp) -> Record {
        Record { seq: self.seq(), epoch: self.epoch, at, event }
    }

    /// Returns the first failure; nothing is written after it. It determines how the process ends.
    pub fn fault(&self) -> Option<StoreError> {
        self.fault.borrow().clone()
    }

    /// Stores records like [`Journal::append`], but returns the full error. Several calls may be in
    /// progress; their records are stored in the order in which they were first polled.
    pub async fn keep(&self, records: &[Record]) -> Result<(), StoreError> {
        if let Some(fault) = self.fault() {
            return Err(StoreError::Poisoned { run: self.run.clone(), fault: Box::new(fault) });
        }
        let Some(last) = records.last() else { return Ok(()) };
        self.next.set(last.seq.saturating_add(1));
        let (run, epoch, records) = (self.run.clone(), self.epoch, records.to_vec());
        let locks = self.lock.folder();
        let append = move |transaction: &Transaction<'_>| {
            if let Some(taken) = lock::taken(transaction, &locks, &run, &records)? {
                return Ok(Err(taken));
            }
            sqlite::append(transaction, &run, epoch, &records)
        };
        let kept = self.writer.change(append).await;
        if let Err(fault) = &kept {
            self.fault.borrow_mut().get_or_insert_with(|| fault.clone());
        }
        kept
    }
}

#[async_trait(?Send)]
impl Journal for RunJournal {
    async fn append(&self, records: &[Record]) -> Result<(), JournalError> {
        Ok(self.keep(records).await?)
    }
}
