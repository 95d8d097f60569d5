//! What can go wrong with the store, in words.
//!
//! Each error names what was tried, on which path or run, and what to do. Failures that call for
//! different cures (no room, no permission, read-only, locked, corrupt) are different variants.
//! Details are kept as text, not as sources: one failed commit is told to everybody who waits for
//! it, so an error must be cloneable. Exit statuses are not here; they are of the command line.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::ErrorCode;

use crate::event::{JournalError, RunId, RunStatus};

/// Why the store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A place of the store is a symbolic link.
    #[error(
        "{} is a symbolic link, and the store follows none; \
         set PLANRUN_STATE_DIR to the real directory",
        path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Something else is where a directory or file of the store should be.
    #[error("{} is not a {wanted}; move it away, or set PLANRUN_STATE_DIR", path.display())]
    WrongKind {
        /// The place.
        path: PathBuf,
        /// What should be there: `directory` or `regular file`.
        wanted: &'static str,
    },
    /// A place of the store belongs to another user.
    #[error(
        "{} belongs to user {owner}, and you are user {user}; \
         set PLANRUN_STATE_DIR to a directory of your own",
        path.display()
    )]
    Owner {
        /// The place.
        path: PathBuf,
        /// The user id it belongs to.
        owner: u32,
        /// The user id of this process.
        user: u32,
    },
    /// Others may enter or read a place of the store.
    #[error(
        "{} is open to other users (mode {mode:04o}); run `chmod go-rwx {}`",
        path.display(),
        path.display()
    )]
    Exposed {
        /// The place.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The state directory is on a file system that does not keep what the store relies on.
    #[error(
        "the state directory {} is on {kind}, where locks and write-ahead logging are not safe; \
         set PLANRUN_STATE_DIR to a directory on a local disk",
        path.display()
    )]
    Network {
        /// The directory.
        path: PathBuf,
        /// The kind of file system: `NFS`, ...
        kind: &'static str,
    },
    /// The system refused for want of permission.
    #[error(
        "cannot {doing} {}: permission denied; \
         make it yours to write, or set PLANRUN_STATE_DIR to a directory that is",
        path.display()
    )]
    Denied {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// The place cannot be written at all.
    #[error(
        "cannot {doing} {}: it is read-only; \
         set PLANRUN_STATE_DIR to a directory that can be written",
        path.display()
    )]
    ReadOnly {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// There is no room.
    #[error(
        "cannot {doing} {}: no room is left on the disk; free some, then resume the run",
        path.display()
    )]
    Full {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// Another process kept the database locked for longer than the store waits.
    #[error(
        "cannot {doing} {}: another process keeps it locked; \
         find it with `fuser` and let it end, then try again",
        path.display()
    )]
    Busy {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// A file of the database is no longer at its path: what is written would be lost.
    #[error(
        "{} was deleted, renamed or replaced while planrun had it open; \
         put it back, then resume the run",
        path.display()
    )]
    Moved {
        /// Where it was.
        path: PathBuf,
    },
    /// The disk has less free space than the record of a run can need.
    #[error(
        "{} has {} MiB of free space, and the record of this run can need {} MiB; \
         free some, or set PLANRUN_STATE_DIR to a directory on another disk",
        path.display(),
        free >> 20,
        needed.div_ceil(1 << 20)
    )]
    NoRoom {
        /// The state directory.
        path: PathBuf,
        /// What is free, in bytes.
        free: u64,
        /// What may be needed, in bytes.
        needed: u64,
    },
    /// The database is damaged, or not a database.
    #[error(
        "cannot {doing} {}: it is corrupt ({detail}); \
         move it and its `-wal` and `-shm` files away together, keep them to look into, \
         and restore a copy",
        path.display()
    )]
    Corrupt {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What `SQLite` says.
        detail: String,
    },
    /// The database is not one of planrun's.
    #[error(
        "{} is a database of another program; move it away, or set PLANRUN_STATE_DIR",
        path.display()
    )]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The database was written by a later planrun.
    #[error(
        "{} has format {found}, and this planrun knows formats up to {known}; \
         use the newer planrun that wrote it",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this planrun knows.
        known: i64,
    },
    /// The system or the database refused for another reason.
    #[error("cannot {doing} {}: {detail}", path.display())]
    Refused {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why, as the system says it.
        detail: String,
    },
    /// The thread that writes has ended: nothing more can be kept by this process.
    #[error("cannot write {}: the writer of this process has ended; resume the run", path.display())]
    WriterEnded {
        /// The database.
        path: PathBuf,
    },
    /// Another process works on the run.
    #[error(
        "run {run} is held by {by}{}{}; wait for it, or stop it there",
        pid.map(|pid| format!(", process {pid}")).unwrap_or_default(),
        since.map(|since| format!(", since {since:.0}")).unwrap_or_default()
    )]
    Held {
        /// The run.
        run: RunId,
        /// Who: `user@machine`.
        by: String,
        /// The process.
        pid: Option<u32>,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// Another run has a machine that this one needs.
    #[error("{0}")]
    Locked(Box<Locked>),
    /// Another process has taken the run over.
    #[error(
        "run {run} was taken over by another process (epoch {current}, this one has {epoch}); \
         nothing more is written here, look with `planrun show {run}`"
    )]
    Fenced {
        /// The run.
        run: RunId,
        /// The epoch of the writer that was refused.
        epoch: u64,
        /// The epoch of the run.
        current: u64,
    },
    /// A record does not follow the last one that is kept.
    #[error("run {run}: event {found} was to be kept where event {expected} is next")]
    OutOfOrder {
        /// The run.
        run: RunId,
        /// The number that is next.
        expected: u64,
        /// The number of the record.
        found: u64,
    },
    /// The first event of a run is not `run_planned`.
    #[error("run {run}: the first event does not say what is planned")]
    NotPlanned {
        /// The run.
        run: RunId,
    },
    /// An event is larger than the store keeps.
    #[error("run {run}: event {seq} has {bytes} bytes, and at most {limit} are kept")]
    TooLarge {
        /// The run.
        run: RunId,
        /// The number of the event.
        seq: u64,
        /// Its size as text.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The writing of this run failed before: what is kept is not known here any more.
    #[error("run {run}: nothing more is written after a failure ({fault}); resume the run")]
    Poisoned {
        /// The run.
        run: RunId,
        /// The failure.
        fault: Box<Self>,
    },
    /// The record of a run is damaged.
    #[error("the record of run {run} is damaged at event {seq}: {detail}")]
    Damaged {
        /// The run.
        run: RunId,
        /// The first event that does not fit.
        seq: u64,
        /// What does not fit.
        detail: String,
    },
    /// An event is whole, but this planrun cannot read it.
    #[error("event {seq} of run {run} cannot be read ({detail}); use the planrun that wrote it")]
    Unreadable {
        /// The run.
        run: RunId,
        /// The event.
        seq: u64,
        /// What was met.
        detail: String,
    },
    /// A new run has the name of one that is there.
    #[error("run {run} is there already; begin it under another name")]
    Exists {
        /// The run.
        run: RunId,
    },
    /// A run's name has characters or a length that names do not have.
    #[error(
        "`{}` cannot be the name of a run; use 1 to 64 letters, digits and dashes",
        .0.escape_debug()
    )]
    BadName(String),
    /// No run has that name.
    #[error("there is no run `{}`{}", word.escape_debug(), near_words(near))]
    NoSuchRun {
        /// What was asked for.
        word: String,
        /// Names that are like it, the likest first.
        near: Vec<RunId>,
    },
    /// Several runs begin or end so.
    #[error("`{word}` can be any of {count} runs ({}); type more of it", list(candidates, *count))]
    Ambiguous {
        /// What was asked for.
        word: String,
        /// The newest of the runs that fit.
        candidates: Vec<RunId>,
        /// How many fit.
        count: usize,
    },
}

/// Which run has a machine that another one needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "host {host} is locked by run {run} of plan {plan}, {}{}, started by {by}{}",
    state.word(),
    pid.map(|pid| format!(", process {pid}")).unwrap_or_default(),
    since.map(|since| format!(" at {since:.0}")).unwrap_or_default()
)]
pub struct Locked {
    /// The host, as the refused run names it.
    pub host: String,
    /// The run that has it.
    pub run: RunId,
    /// The plan of that run.
    pub plan: String,
    /// Who began that run: `user@machine`.
    pub by: String,
    /// When that run was begun.
    pub since: Option<Timestamp>,
    /// The process that works on that run, if one does.
    pub pid: Option<u32>,
    /// The state of that run.
    pub state: RunStatus,
}

impl StoreError {
    /// Says what a refusal of the system means.
    pub(super) fn from_io(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { doing, path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { doing, path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { doing, path },
            _ => Self::Refused { doing, path, detail: error.to_string() },
        }
    }

    /// Says what a refusal of the database means.
    pub(super) fn from_sqlite(doing: &'static str, path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { doing, path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { doing, path },
            Some(ErrorCode::PermissionDenied) => Self::Denied { doing, path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { doing, path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { doing, path, detail }
            }
            _ => Self::Refused { doing, path, detail },
        }
    }
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

fn near_words(near: &[RunId]) -> String {
    if near.is_empty() {
        return "; see `planrun runs`".to_owned();
    }
    format!("; did you mean {}?", list(near, near.len()))
}

fn list(runs: &[RunId], count: usize) -> String {
    let mut names: Vec<&str> = runs.iter().map(|run| run.0.as_str()).collect();
    if count > names.len() {
        names.push("...");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    use rusqlite::ffi;

    #[test]
    fn each_failure_of_the_database_has_words_and_a_cure_of_its_own() {
        for (code, words, cure) in [
            (ffi::SQLITE_FULL, "no room is left", "free some"),
            (ffi::SQLITE_READONLY, "it is read-only", "set PLANRUN_STATE_DIR"),
            (ffi::SQLITE_PERM, "permission denied", "make it yours"),
            (ffi::SQLITE_BUSY, "keeps it locked", "let it end"),
            (ffi::SQLITE_CORRUPT, "it is corrupt", "restore a copy"),
            (ffi::SQLITE_NOTADB, "it is corrupt", "restore a copy"),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let text =
                StoreError::from_sqlite("write", Path::new("/s/runs.db"), &error).to_string();
            assert!(text.starts_with("cannot write /s/runs.db: "), "{text}");
            assert!(text.contains(words) && text.contains(cure), "{text}");
        }
    }

    #[test]
    fn a_full_disk_is_told_apart_from_other_refusals_of_the_system() {
        let told = |kind: io::ErrorKind| {
            StoreError::from_io("open", Path::new("/s"), &io::Error::from(kind)).to_string()
        };
        assert!(told(io::ErrorKind::StorageFull).contains("no room"));
        assert!(told(io::ErrorKind::ReadOnlyFilesystem).contains("read-only"));
        assert!(told(io::ErrorKind::PermissionDenied).contains("permission denied"));
    }
}
