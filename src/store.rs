//! The store: what is kept of runs, so that a crash loses nothing and a run can be taken up again.
//!
//! In go the events of runs, each kept before anything depends on it ([`RunJournal`]); out come
//! the list of runs ([`Store::runs`]) and the events of one ([`Store::records`]).
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

mod chain;
mod directory;
mod error;
mod journal;
mod lock;
mod name;
mod sqlite;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use jiff::Timestamp;
use rusqlite::Connection;

pub use self::directory::default_dir;
pub use self::error::StoreError;
pub use self::journal::RunJournal;
pub use self::name::new_run_id;

use self::directory::Places;
use self::lock::RunLock;
use self::sqlite::Answer;
use self::sqlite::Use;
use self::writer::Writer;
use crate::clock::Clock;
use crate::event::Event;
use crate::event::Record;
use crate::event::RunId;
use crate::event::RunStatus;

/// How often a name is drawn for a new run: at two tries in a minute a clash is one in a million.
const NAME_TRIES: usize = 16;

/// The runs of this user on this machine.
#[derive(Debug)]
pub struct Store {
    places: Places,
    reader: Mutex<Connection>,
    writer: Arc<Writer>,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its name.
    pub id: RunId,
    /// The name of its plan.
    pub plan: String,
    /// The path of the plan, as it was named.
    pub plan_path: String,
    /// Who began it: `user@machine`.
    pub by: String,
    /// When it began, by the clock of the run; `None` where the row is damaged.
    pub begun_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// Its state after its last event; `None` where the row is damaged.
    pub state: Option<RunStatus>,
    /// How many hosts it is for.
    pub hosts: usize,
    /// Whether a process works on it now.
    pub alive: bool,
}

impl RunRow {
    /// Tells whether the run is under way by its events, and nobody works on it: its controller
    /// died.
    pub fn is_interrupted(&self) -> bool {
        !self.alive && matches!(self.state, Some(RunStatus::Planned | RunStatus::Running))
    }
}

impl Store {
    /// Opens the store in a state directory; makes both where they are missing.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_limited(dir, None)
    }

    /// Opens a store that is full at so many pages of its database.
    fn open_limited(dir: &Path, pages: Option<u32>) -> Result<Self, StoreError> {
        let places = directory::prepare(dir)?;
        // First, for it makes the tables.
        let connection = sqlite::open(&places.database, Use::Write(pages))?;
        let reader = sqlite::open(&places.database, Use::Read)?;
        let writer = Writer::begin(&places.database, connection)?;
        Ok(Self { places, reader: Mutex::new(reader), writer: Arc::new(writer) })
    }

    /// Returns the state directory, without links.
    pub fn dir(&self) -> &Path {
        &self.places.dir
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
        // A run that is not there must not leave a lock behind.
        let id = self.find_exactly(id)?;
        let lock = self.lock(&id, by)?;
        let epoch = self.writer.raise_epoch(&id)?;
        let records = self.records(&id)?;
        let next = records.last().map_or(1, |record| record.seq + 1);
        let journal = RunJournal::new(id, epoch, next, Arc::clone(&self.writer), lock);
        Ok((journal, records))
    }

    /// Returns all runs, newest first.
    pub fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let listed = self.read(|reader| sqlite::list(reader).map(Ok))?;
        Ok(listed
            .into_iter()
            .map(|row| RunRow {
                alive: RunLock::is_held(&self.places.locks, &row.id),
                id: row.id,
                plan: row.plan,
                plan_path: row.plan_path,
                by: row.by,
                begun_at: row.begun_at,
                ended_at: row.ended_at,
                state: row.state,
                hosts: usize::try_from(row.hosts).unwrap_or(usize::MAX),
            })
            .collect())
    }

    /// Returns the events of a run and verifies them; needs no lock.
    pub fn records(&self, id: &RunId) -> Result<Vec<Record>, StoreError> {
        self.records_after(id, 0)
    }

    /// Returns the events of a run behind the one with the number `after`, and verifies that they
    /// follow it: for watching a run at work.
    pub fn records_after(&self, id: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.read(|reader| sqlite::records(reader, id, after))
    }

    /// Finds the run a person means: its name, a beginning or an end of it that is no other's,
    /// or `last`.
    pub fn find(&self, word: &str) -> Result<RunId, StoreError> {
        let listed = self.read(|reader| sqlite::list(reader).map(Ok))?;
        let names: Vec<RunId> = listed.into_iter().map(|row| row.id).collect();
        name::find(&names, word)
    }

    /// Returns how many bytes are free for this user on the disk of the store.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let dir = &self.places.dir;
        let found = rustix::fs::statvfs(dir)
            .map_err(|error| StoreError::from_io("look at the free room of", dir, &error.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Returns how many commits this process has made for runs.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    fn find_exactly(&self, id: &RunId) -> Result<RunId, StoreError> {
        if self.read(|reader| sqlite::exists(reader, id).map(Ok))? {
            return Ok(id.clone());
        }
        let near = match self.find(&id.0) {
            Ok(run) => vec![run],
            Err(StoreError::NoSuchRun { near, .. }) => near,
            Err(StoreError::Ambiguous { candidates, .. }) => candidates,
            Err(fault) => return Err(fault),
        };
        Err(StoreError::NoSuchRun { word: id.0.clone(), near })
    }

    fn lock(&self, id: &RunId, by: &str) -> Result<RunLock, StoreError> {
        name::check(id)?;
        // Who holds a lock and since when is of this machine, also in a run of model hosts.
        RunLock::take(&self.places.locks, id, by, Clock::Real.now())
    }

    fn read<T>(&self, ask: impl FnOnce(&mut Connection) -> Answer<T>) -> Result<T, StoreError> {
        // A reader that panicked has changed nothing.
        let mut reader: MutexGuard<'_, Connection> =
            self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&mut reader)
            .map_err(|error| StoreError::from_sqlite("read", &self.places.database, &error))?
    }
}

/// Returns the state a run is in after an event, where the event decides it.
pub fn state_after(event: &Event) -> Option<RunStatus> {
    match event {
        Event::RunPlanned(_) => Some(RunStatus::Planned),
        Event::RunStarted | Event::RunResumed { .. } => Some(RunStatus::Running),
        Event::RunPaused { .. } => Some(RunStatus::Paused),
        Event::RunEnded { status, .. } => Some(*status),
        Event::PreflightEnded { .. }
        | Event::HostBegun { .. }
        | Event::HostBlocked { .. }
        | Event::HostEnded { .. }
        | Event::TaskBegun { .. }
        | Event::RoundBegun { .. }
        | Event::AttemptIntended { .. }
        | Event::AttemptEnded { .. }
        | Event::WaitTicked { .. }
        | Event::TimeSpent { .. }
        | Event::RequirementsHeld { .. }
        | Event::TaskEnded { .. }
        | Event::PointOfNoReturn { .. }
        | Event::QuestionAsked { .. }
        | Event::QuestionAnswered { .. }
        | Event::RollbackBegun { .. }
        | Event::RollbackRequested { .. }
        | Event::StopRequested { .. } => None,
    }
}

/// Draws a number; the last bytes of such an id are chance.
fn chance() -> u32 {
    let [.., a, b, c, d] = *uuid::Uuid::now_v7().as_bytes();
    u32::from_be_bytes([a, b, c, d])
}
