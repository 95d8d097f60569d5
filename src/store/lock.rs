//! The lock of a run: one process at a time works on it.
//!
//! It is a kernel lock on `locks/ID`, which ends with the process, however that dies. The file names
//! the owner, for messages. An owner that ends normally removes the file while it still has the lock,
//! so every process that gets a lock checks that the file is still the one at that path. The lock is
//! for clear messages; a late writer is made harmless by the epoch in the database.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::directory::open_private;
use super::error::{Locked, StoreError};
use super::sqlite;
use crate::event::{Record, RunId};

/// How often a lock is tried: a check by [`RunLock::is_held`] has it for a moment, and must not be
/// mistaken for a process at work.
const TRIES: u32 = 6;

/// How long to wait between tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Maximum number of bytes that are read of the owner.
const MAX_HOLDER: u64 = 4096;

/// The owner of a lock, as in its file.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    by: String,
    since: Timestamp,
}

/// A lock that is released when it is dropped.
#[derive(Debug)]
pub(super) struct RunLock {
    path: PathBuf,
    /// The open file is the lock.
    file: File,
}

impl RunLock {
    /// Takes the lock of a run, or returns its owner. The name of the run is valid.
    pub(super) fn take(
        locks: &Path,
        run: &RunId,
        by: &str,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let path = locks.join(&run.0);
        let mut holder = None;
        for _ in 0..TRIES {
            let mut file = open_private(&path, "open the lock")?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path) => {
                    let (pid, by) = (std::process::id(), by.to_owned());
                    let text = serde_json::to_vec(&Holder { pid, by, since: now });
                    let written = file.set_len(0).and_then(|()| file.write_all(&text?));
                    written
                        .map_err(|error| StoreError::from_io("write the lock", &path, &error))?;
                    return Ok(Self { path, file });
                }
                // The owner before us has just removed the file: try its successor.
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    holder = read_holder(file);
                    std::thread::sleep(PAUSE);
                }
                Err(error) => {
                    return Err(StoreError::from_io("lock", &path, &error.into()));
                }
            }
        }
        let (pid, since) = holder.as_ref().map(|holder| (holder.pid, holder.since)).unzip();
        let by = holder.map_or_else(|| "another process".to_owned(), |holder| holder.by);
        Err(StoreError::Held { run: run.clone(), by, pid, since })
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.path.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Returns the process that works on the run, if it is known.
    pub(super) fn holder(locks: &Path, run: &RunId) -> Option<u32> {
        let held = Self::is_held(locks, run);
        let file = held.then(|| File::open(locks.join(&run.0)).ok()).flatten()?;
        read_holder(file).map(|holder| holder.pid)
    }

    /// Whether a process works on the run.
    pub(super) fn is_held(locks: &Path, run: &RunId) -> bool {
        let Ok(file) = File::open(locks.join(&run.0)) else { return false };
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }
}

/// Refuses records that need a host which another run has locked.
pub(super) fn taken(
    connection: &Connection,
    locks: &Path,
    run: &RunId,
    records: &[Record],
) -> rusqlite::Result<Option<StoreError>> {
    let is_alive = |run: &RunId| RunLock::is_held(locks, run);
    let taken = sqlite::taken(connection, run, records, &is_alive)?;
    Ok(taken.map(|locked| {
        let pid = RunLock::holder(locks, &locked.run.id);
        StoreError::Locked(Box::new(Locked { pid, ..locked }))
    }))
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The file may have been removed by hand, and another process may have created its own.
        if is_at(&self.file, &self.path) {
            // A file that remains is harmless: the lock ends with the descriptor.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    ours.dev() == there.dev() && ours.ino() == there.ino()
}

fn read_holder(file: File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(MAX_HOLDER).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
