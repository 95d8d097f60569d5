//! Checks that the open database files are still the ones that the next process will find.
//!
//! An open file outlives its name: a database that was deleted, renamed or replaced still accepts
//! events, and no one ever reads them. So its files are compared with their paths around each commit.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{StoreError, Unfit};
use super::sqlite::beside;

/// Device and inode of a file.
type Identity = (u64, u64);

/// The files of an open database, and their paths.
#[derive(Debug)]
pub(super) struct Anchor {
    files: Vec<(PathBuf, Identity)>,
}

impl Anchor {
    /// Records the files of a database that is open for reading and writing.
    pub(super) fn of(database: &Path) -> Result<Self, StoreError> {
        let paths = [database.to_owned(), beside(database, "-wal"), beside(database, "-shm")];
        let noted = paths.into_iter().map(|path| match identity(&path) {
            Some(identity) => Ok((path, identity)),
            None => Err(StoreError::unfit(&path, Unfit::Moved)),
        });
        Ok(Self { files: noted.collect::<Result<_, _>>()? })
    }

    /// Returns an error if a file is no longer the one at its path.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let moved = self.files.iter().find(|(path, was)| identity(path) != Some(*was));
        moved.map_or(Ok(()), |(path, _)| Err(StoreError::unfit(path, Unfit::Moved)))
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}
