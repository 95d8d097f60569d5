//! The runs, to be read: needs no lock, changes nothing, and works where nothing can be written.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;

use super::chain::Reading;
use super::directory::Places;
use super::error::StoreError;
use super::lock::RunLock;
use super::sqlite::Answer;
use super::{directory, name, sqlite};
use crate::event::{Record, RunId, RunStatus};

/// See the module.
#[derive(Debug)]
pub struct Reader {
    pub(super) places: Places,
    connection: Mutex<Connection>,
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
        !self.alive && self.state.is_some_and(RunStatus::is_under_way)
    }
}

impl Reader {
    /// Opens the runs in a state directory. If there is none, there are no runs.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        match directory::find(dir)? {
            Some(places) => Self::new(places),
            None => Self::empty(Places::in_dir(dir.to_owned())),
        }
    }

    pub(super) fn new(places: Places) -> Result<Self, StoreError> {
        match sqlite::open_to_read(&places.database)? {
            Some(connection) => Ok(Self { places, connection: Mutex::new(connection) }),
            None => Self::empty(places),
        }
    }

    fn empty(places: Places) -> Result<Self, StoreError> {
        let connection = sqlite::empty();
        let connection = connection
            .map_err(|error| StoreError::from_sqlite("open", &places.database, &error))?;
        Ok(Self { places, connection: Mutex::new(connection) })
    }

    /// Returns the state directory, without links.
    pub fn dir(&self) -> &Path {
        &self.places.dir
    }

    /// Returns all runs, newest first.
    pub fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let listed = self.read(|connection| sqlite::list(connection).map(Ok))?;
        Ok(listed
            .into_iter()
            .map(|row| RunRow {
                alive: self.is_alive(&row.id),
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

    /// Tells whether a process works on a run now.
    pub fn is_alive(&self, id: &RunId) -> bool {
        RunLock::is_held(&self.places.locks, id)
    }

    /// Returns the events of a run; refuses a damaged record.
    pub fn records(&self, id: &RunId) -> Result<Vec<Record>, StoreError> {
        self.reading(id, 0)?.whole()
    }

    /// Returns the events of a run after the one with the number `after`, as far as they can be
    /// read.
    pub fn reading(&self, id: &RunId, after: u64) -> Result<Reading, StoreError> {
        self.read(|connection| sqlite::reading(connection, id, after))
    }

    /// Finds the run a person means: its name, a beginning or an end of it that is no other's,
    /// or `last`.
    pub fn find(&self, word: &str) -> Result<RunId, StoreError> {
        let listed = self.read(|connection| sqlite::list(connection).map(Ok))?;
        let names: Vec<RunId> = listed.into_iter().map(|row| row.id).collect();
        name::find(&names, word)
    }

    pub(super) fn find_exactly(&self, id: &RunId) -> Result<RunId, StoreError> {
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

    pub(super) fn read<T>(
        &self,
        ask: impl FnOnce(&mut Connection) -> Answer<T>,
    ) -> Result<T, StoreError> {
        // A reader that panicked has changed nothing.
        let mut connection: MutexGuard<'_, Connection> =
            self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&mut connection)
            .map_err(|error| StoreError::from_sqlite("read", &self.places.database, &error))?
    }
}
