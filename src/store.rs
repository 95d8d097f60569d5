//! The store: what is kept of runs, so that a crash loses nothing and a run can be taken up again.
//!
//! In go the events of runs, each kept before anything depends on it ([`RunJournal`]); out come
//! the list of runs ([`Reader::runs`]) and the events of one ([`Reader::records`]).
//!
//! ```text
//!   run --append--> RunJournal --+
//!   run --append--> RunJournal --+--> writer thread --one transaction--> runs.db
//!                     |  lock        (group commit)                        |
//!                 locks/ID                         show, watch, runs <-----'  own connection
//! ```
//!
//! # Theory of operation
//!
//! - An append returns after the commit, and commits are synced: what was acknowledged survives
//!   `kill -9` and a power cut.
//! - One process writes a run. A kernel lock on `locks/ID` tells a second one politely; the epoch
//!   in the database, compared in the transaction of every append, holds even if the lock fails.
//!   Taking a run raises its epoch, so a process that was stopped and goes on later is fenced.
//! - The events of a run are a chain of hashes. It is verified when the run is read, never for
//!   all runs: a damaged one does no harm to the others.
//! - The row of a run (its state, its end) follows from its events, in the same transaction.
//! - A run is there from its first event on. A process that dies before leaves no trace but a
//!   file of a few bytes in `locks`.
//!
//! It relies on a local file system, on `SQLite`, and on [`crate::event`]. What events mean
//! together is not here, nor what a resume does with them, nor whether a record makes sense.

mod anchor;
mod chain;
mod directory;
mod error;
mod journal;
mod lock;
mod name;
mod reader;
mod sqlite;
mod writer;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

pub use self::chain::Reading;
pub use self::directory::default_dir;
pub use self::error::{Locked, StoreError};
pub use self::journal::RunJournal;
pub use self::name::new_run_id;
pub use self::reader::{Reader, RunRow};
pub use self::sqlite::{Asked, Reply};

use self::anchor::Anchor;
use self::lock::RunLock;
use self::writer::Writer;
use crate::clock::Clock;
use crate::event::{Event, Record, Request, RunEvent, RunId, RunStatus};

/// How often a name is drawn for a new run: at two tries in a minute a clash is one in a million.
const NAME_TRIES: usize = 16;

/// The runs of this user on this machine, to be read and written.
#[derive(Debug)]
pub struct Store {
    reader: Reader,
    writer: Arc<Writer>,
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Store {
    /// Opens the store in a state directory; makes both where they are missing.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_limited(dir, None)
    }

    /// Opens a store that is full at so many pages of its database.
    pub fn open_limited(dir: &Path, pages: Option<u32>) -> Result<Self, StoreError> {
        let places = directory::prepare(dir)?;
        // First, for it makes the tables.
        let connection = sqlite::open(&places.database, pages)?;
        let reader = Reader::new(places)?;
        let database = &reader.places.database;
        let writer = Writer::begin(database, connection, Anchor::of(database)?)?;
        Ok(Self { reader, writer: Arc::new(writer) })
    }

    /// Begins a run of that name; `by` is `user@machine`. It is there from its first event on,
    /// which must be [`Event::RunPlanned`].
    pub fn begin(&self, id: RunId, by: &str) -> Result<RunJournal, StoreError> {
        let lock = self.lock(&id, by)?;
        if self.read(|reader| sqlite::exists(reader, &id).map(Ok))? {
            return Err(StoreError::Exists { run: id });
        }
        Ok(RunJournal::new(id, 1, 1, Arc::clone(&self.writer), lock))
    }

    /// Begins a run under a new name, made from the time.
    pub fn begin_new(&self, now: Timestamp, by: &str) -> Result<RunJournal, StoreError> {
        let mut again = 1..NAME_TRIES;
        loop {
            match self.begin(new_run_id(now, chance()), by) {
                Err(StoreError::Exists { .. } | StoreError::Held { .. })
                    if again.next().is_some() => {}
                other => return other,
            }
        }
    }

    /// Takes a run over: its lock, a new epoch, and its events so far. Blocks for a commit.
    pub fn take(&self, id: &RunId, by: &str) -> Result<(RunJournal, Vec<Record>), StoreError> {
        let (journal, reading) = self.take_damaged(id, by)?;
        Ok((journal, reading.whole()?))
    }

    /// Takes a run over as [`Store::take`] does, also one whose record is damaged: to end it.
    pub fn take_damaged(&self, id: &RunId, by: &str) -> Result<(RunJournal, Reading), StoreError> {
        // A run that is not there must not leave a lock behind.
        let id = self.find_exactly(id)?;
        let lock = self.lock(&id, by)?;
        let run = id.clone();
        let (epoch, seq) =
            self.writer.change_now(move |transaction| sqlite::raise_epoch(transaction, &run))?;
        let reading = self.reading(&id, 0)?;
        let journal = RunJournal::new(id, epoch, seq + 1, Arc::clone(&self.writer), lock);
        Ok((journal, reading))
    }

    /// Removes a run that has ended; false if it has not, or is taken up again right now.
    pub fn remove(&self, id: &RunId, by: &str) -> Result<bool, StoreError> {
        let lock = match self.lock(id, by) {
            Ok(lock) => lock,
            Err(StoreError::Held { .. }) => return Ok(false),
            Err(fault) => return Err(fault),
        };
        let row = self.runs()?.into_iter().find(|row| row.id == *id);
        if !row.and_then(|row| row.state).is_some_and(RunStatus::has_ended) {
            return Ok(false);
        }
        let run = id.clone();
        self.writer.change_now(move |transaction| sqlite::remove(transaction, &run).map(Ok))?;
        drop(lock);
        Ok(true)
    }

    /// Asks something of the process that works on a run; returns the number of the request.
    pub fn ask(&self, run: &RunId, by: &str, request: Request) -> Result<u64, StoreError> {
        let (run, by) = (run.clone(), by.to_owned());
        self.writer
            .change_now(move |transaction| sqlite::ask(transaction, &run, &by, &request).map(Ok))
    }

    /// Returns the reply to a request, once there is one.
    pub fn reply_to(&self, number: u64) -> Result<Option<Reply>, StoreError> {
        self.read(|connection| sqlite::reply_to(connection, number).map(Ok))
    }

    /// Takes a request back; false if there is a reply by now.
    pub fn withdraw(&self, number: u64) -> Result<bool, StoreError> {
        let reply = Err("it was withdrawn".to_owned());
        self.writer
            .change_now(move |transaction| sqlite::reply(transaction, number, &reply).map(Ok))
    }

    /// Returns the requests to a run that wait for a reply.
    pub fn requests(&self, run: &RunId) -> Result<Vec<Asked>, StoreError> {
        self.read(|connection| sqlite::open_requests(connection, run).map(Ok))
    }

    /// Replies to a request.
    pub async fn reply(&self, number: u64, reply: Reply) -> Result<(), StoreError> {
        let kept = self
            .writer
            .change(move |transaction| sqlite::reply(transaction, number, &reply).map(Ok));
        kept.await.map(|_| ())
    }

    /// Refuses a run that would go on with these records and needs a machine which another run has.
    pub fn need_machines(&self, run: &RunId, records: &[Record]) -> Result<(), StoreError> {
        let look = |connection: &mut Connection| {
            lock::taken(connection, &self.places.locks, run, records).map(Ok)
        };
        self.read(look)?.map_or(Ok(()), Err)
    }

    /// Refuses a run whose record can need more bytes than are free on the disk.
    pub fn need_room(&self, needed: u64) -> Result<(), StoreError> {
        let path = &self.places.dir;
        let found = rustix::fs::statvfs(path).map_err(|error| {
            StoreError::from_io("look at the free space of", path, &error.into())
        })?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if free < needed {
            return Err(StoreError::NoRoom { path: path.clone(), free, needed });
        }
        Ok(())
    }

    /// Returns how many commits this process has made for runs.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    fn lock(&self, id: &RunId, by: &str) -> Result<RunLock, StoreError> {
        name::check(id)?;
        // Who holds a lock and since when is of this machine, also in a run of model hosts.
        RunLock::take(&self.places.locks, id, by, Clock::Real.now())
    }
}

/// Returns the state a run is in after an event, where the event decides it.
pub fn state_after(event: &Event) -> Option<RunStatus> {
    let Event::Run(event) = event else { return None };
    match event {
        RunEvent::Planned(_) => Some(RunStatus::Planned),
        RunEvent::Started | RunEvent::Resumed { .. } => Some(RunStatus::Running),
        RunEvent::Paused { .. } => Some(RunStatus::Paused),
        RunEvent::Ended { status, .. } => Some(*status),
        RunEvent::RollbackRequested { .. } | RunEvent::StopRequested { .. } => None,
    }
}

/// Draws a number; the last bytes of such an id are chance.
fn chance() -> u32 {
    let [.., a, b, c, d] = *uuid::Uuid::now_v7().as_bytes();
    u32::from_be_bytes([a, b, c, d])
}
