//! Reads runs: needs no lock, changes nothing, and works on a read-only file system.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use serde::de::DeserializeOwned;

use super::chain;
use super::chain::Reading;
use super::directory::Places;
use super::error::StoreError;
use super::lock::RunLock;
use super::row::RunRow;
use super::sqlite::Answer;
use super::{directory, name, sqlite};
use crate::event::{Record, RunId};

#[derive(Debug)]
pub struct Reader {
    pub(super) places: Places,
    connection: Mutex<Connection>,
}

impl Reader {
    /// Opens the runs in a state directory; if it does not exist, there are none.
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
        let mut rows = self.read(|connection| sqlite::list(connection).map(Ok))?;
        for row in &mut rows {
            row.alive = self.is_alive(&row.id);
        }
        Ok(rows)
    }

    /// Whether a process works on a run.
    pub fn is_alive(&self, id: &RunId) -> bool {
        RunLock::is_held(&self.places.locks, id)
    }

    /// Returns the events of a run, or an error if they are damaged.
    pub fn records(&self, id: &RunId) -> Result<Vec<Record>, StoreError> {
        self.reading(id, 0)?.whole()
    }

    /// Returns the readable events of a run after number `after`.
    pub fn reading(&self, id: &RunId, after: u64) -> Result<Reading, StoreError> {
        self.read(|connection| sqlite::reading(connection, id, after))
    }

    /// Returns what the first event of a run says, without reading the others; `None` if it is damaged.
    pub fn first<T: DeserializeOwned>(&self, id: &RunId) -> Option<T> {
        let link = self.read(|connection| sqlite::first(connection, id).map(Ok)).ok()??;
        chain::first(id, &link)
    }

    /// Finds the run that a user means: its name, a unique prefix or suffix, or `last`.
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
