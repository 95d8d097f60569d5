//! The store: keeps runs, so that a crash loses nothing and a run can be resumed.
//!
//! It receives the events of runs and commits each before anything depends on it ([`RunJournal`]). It
//! returns the list of runs ([`Reader::runs`]) and the events of one ([`Reader::records`]).
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
//! - An append returns after the commit, and commits are synced: acknowledged events survive `kill -9`
//!   and a power failure.
//! - One process writes a run. A second one is refused by a kernel lock on `locks/ID`. If the lock
//!   fails, the epoch protects the run: the transaction of every append compares it with the database,
//!   and taking over a run increases it. A process that was suspended can no longer write.
//! - The events of a run are a chain of hashes, verified when that run is read: damage to one run does
//!   not affect the others.
//! - The row of a run (its state, its end) is updated in the transaction of its events.
//! - A run exists from its first event on. A process that dies earlier leaves only a small file in
//!   `locks`.
//!
//! The store needs a local file system, `SQLite`, and [`crate::event`]. It does not interpret events,
//! and does not resume runs.

mod anchor;
mod chain;
mod directory;
mod error;
mod journal;
mod lock;
mod name;
mod reader;
mod row;
mod socket;
mod sqlite;
mod writer;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

pub use self::chain::Reading;
pub use self::directory::{STATE_DIR, default_dir, named_dir};
pub use self::error::{Cause, Locked, StoreError, Unfit};
pub use self::journal::RunJournal;
pub use self::name::new_run_id;
pub use self::reader::Reader;
pub use self::row::RunRow;
pub use self::socket::Socket;
pub use self::sqlite::{Asked, Reply};

use self::anchor::Anchor;
use self::lock::RunLock;
use self::writer::Writer;
use crate::clock::Clock;
use crate::event::{Event, Record, Request, RunEvent, RunId, RunStatus};

/// How often a name for a new run is tried: with two starts in a minute, a clash is one in a million.
const NAME_TRIES: usize = 16;

/// The runs of this user on this machine, for reading and writing.
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
    /// Opens the store in a state directory; creates both if necessary.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_limited(dir, None)
    }

    /// Opens a store with a maximum number of database pages.
    pub fn open_limited(dir: &Path, pages: Option<u32>) -> Result<Self, StoreError> {
        let places = directory::prepare(dir)?;
        // First, because it creates the tables.
        let connection = sqlite::open(&places.database, pages)?;
        let reader = Reader::new(places)?;
        let database = &reader.places.database;
        let writer = Writer::begin(database, connection, Anchor::of(database)?)?;
        Ok(Self { reader, writer: Arc::new(writer) })
    }

    /// Starts a run with this name; `by` is `user@machine`. The run exists from its first event on, which
    /// must be [`RunEvent::Planned`].
    pub fn begin(&self, id: RunId, by: &str) -> Result<RunJournal, StoreError> {
        let lock = self.lock(&id, by)?;
        if self.read(|reader| sqlite::exists(reader, &id).map(Ok))? {
            return Err(StoreError::Exists { run: id });
        }
        Ok(RunJournal::new(id, 1, 1, Arc::clone(&self.writer), lock))
    }

    /// Starts a run with a new name, made from the time.
    pub fn begin_new(&self, now: Timestamp, by: &str) -> Result<RunJournal, StoreError> {
        let mut again = 1..NAME_TRIES;
        loop {
            // The last bytes of such an id are random.
            let [.., a, b, c, d] = *uuid::Uuid::now_v7().as_bytes();
            match self.begin(new_run_id(now, u32::from_be_bytes([a, b, c, d])), by) {
                Err(StoreError::Exists { .. } | StoreError::Held { .. })
                    if again.next().is_some() => {}
                other => return other,
            }
        }
    }

    /// Takes over a run: its lock, a new epoch, and its events so far. Blocks for a commit.
    pub fn take(&self, id: &RunId, by: &str) -> Result<(RunJournal, Vec<Record>), StoreError> {
        let (journal, reading) = self.take_damaged(id, by)?;
        Ok((journal, reading.whole()?))
    }

    /// Takes over a run like [`Store::take`], even if its events are damaged, in order to abort it.
    pub fn take_damaged(&self, id: &RunId, by: &str) -> Result<(RunJournal, Reading), StoreError> {
        // A run that does not exist must not leave a lock.
        let id = self.find_exactly(id)?;
        let lock = self.lock(&id, by)?;
        let run = id.clone();
        let (epoch, seq) =
            self.writer.change_now(move |transaction| sqlite::raise_epoch(transaction, &run))?;
        let reading = self.reading(&id, 0)?;
        let journal = RunJournal::new(id, epoch, seq + 1, Arc::clone(&self.writer), lock);
        Ok((journal, reading))
    }

    /// Removes a run that has ended; returns false if it has not, or is being resumed.
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
        Socket::clear(&self.places.locks, id);
        drop(lock);
        Ok(true)
    }

    /// Sends a request to the process that works on a run; returns its number.
    pub fn ask(&self, run: &RunId, by: &str, request: Request) -> Result<u64, StoreError> {
        let (run, by) = (run.clone(), by.to_owned());
        self.writer
            .change_now(move |transaction| sqlite::ask(transaction, &run, &by, &request).map(Ok))
    }

    pub fn reply_to(&self, number: u64) -> Result<Option<Reply>, StoreError> {
        self.read(|connection| sqlite::reply_to(connection, number).map(Ok))
    }

    /// Withdraws a request; returns false if there is a reply already.
    pub fn withdraw(&self, number: u64) -> Result<bool, StoreError> {
        self.writer.change_now(move |transaction| {
            sqlite::reply(transaction, number, &Reply::Unheard).map(Ok)
        })
    }

    /// Returns the requests to a run that have no reply.
    pub fn requests(&self, run: &RunId) -> Result<Vec<Asked>, StoreError> {
        self.read(|connection| sqlite::open_requests(connection, run).map(Ok))
    }

    pub async fn reply(&self, number: u64, reply: Reply) -> Result<(), StoreError> {
        let kept = self
            .writer
            .change(move |transaction| sqlite::reply(transaction, number, &reply).map(Ok));
        kept.await.map(|_| ())
    }

    /// Refuses to continue a run with these records if another run has one of its hosts.
    pub fn need_machines(&self, run: &RunId, records: &[Record]) -> Result<(), StoreError> {
        let taken = self
            .read(|connection| lock::taken(connection, &self.places.locks, run, records).map(Ok))?;
        taken.map_or(Ok(()), Err)
    }

    /// Refuses a run whose events may need more bytes than the disk has.
    pub fn need_room(&self, needed: u64) -> Result<(), StoreError> {
        let path = &self.places.dir;
        let found = rustix::fs::statvfs(path)
            .map_err(|error| StoreError::from_io("read the free space of", path, &error.into()))?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if free < needed {
            return Err(StoreError::unfit(path, Unfit::NoRoom { free, needed }));
        }
        Ok(())
    }

    /// Returns the number of commits of this process for runs.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    fn lock(&self, id: &RunId, by: &str) -> Result<RunLock, StoreError> {
        name::check(id)?;
        // Locks belong to this machine, also for runs on model hosts.
        RunLock::take(&self.places.locks, id, by, Clock::Real.now())
    }
}

/// Returns the state of a run after an event, if the event determines it.
pub fn state_after(event: &Event) -> Option<RunStatus> {
    let Event::Run(event) = event else { return None };
    match event {
        RunEvent::Planned(_) => Some(RunStatus::Planned),
        RunEvent::Started | RunEvent::Resumed { .. } | RunEvent::AbortRequested { .. } => {
            Some(RunStatus::Running)
        }
        RunEvent::Paused { .. } => Some(RunStatus::Paused),
        RunEvent::Ended { status, .. } => Some(*status),
        RunEvent::Ordered { .. }
        | RunEvent::RollbackRequested { .. }
        | RunEvent::StopRequested { .. } => None,
    }
}
