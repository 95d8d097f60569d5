//! The errors of the store.
//!
//! Each names the operation, the path or run, and what to do. Failures with different fixes (no space,
//! no permission, read-only, locked, corrupt) are different variants. Details are text, not sources:
//! one failed commit is reported to every task that waits for it, so errors must be cloneable. The
//! command line maps them to exit codes.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::ErrorCode;

use super::row::RunRow;
use crate::event::{JournalError, RunId, RunStatus};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("{} {why}", path.display())]
    Unfit { path: PathBuf, why: Unfit },
    #[error("cannot {doing} {}: {why}", path.display())]
    Refused { doing: &'static str, path: PathBuf, why: Cause },
    /// The writer thread has ended: this process can store nothing more.
    #[error("cannot write {}: the writer thread has ended; resume the run", path.display())]
    WriterEnded { path: PathBuf },
    #[error(
        "run {run} is locked by {by}{}{}",
        pid.map(|pid| format!(", process {pid}")).unwrap_or_default(),
        since.map(|since| format!(", since {since:.0}")).unwrap_or_default()
    )]
    Held {
        run: RunId,
        /// `user@machine`.
        by: String,
        pid: Option<u32>,
        since: Option<Timestamp>,
    },
    #[error("{0}")]
    Locked(Box<Locked>),
    #[error(
        "run {run} was taken over by another process (epoch {current}, this one has {epoch}); \
         this process writes nothing more; run `planrun show {run}`"
    )]
    Fenced { run: RunId, epoch: u64, current: u64 },
    /// A record does not follow the last stored one.
    #[error("run {run}: cannot append event {found}: expected event {expected}")]
    OutOfOrder { run: RunId, expected: u64, found: u64 },
    #[error("run {run}: the first event must be `run_planned`")]
    NotPlanned { run: RunId },
    #[error("run {run}: event {seq} has {bytes} bytes; the maximum is {limit}")]
    TooLarge { run: RunId, seq: u64, bytes: usize, limit: usize },
    /// Writing this run failed before, so the last stored event is unknown here.
    #[error("run {run}: writing has stopped after an error ({fault}); resume the run")]
    Poisoned { run: RunId, fault: Box<Self> },
    #[error("the record of run {run} is damaged at event {seq}: {detail}")]
    Damaged { run: RunId, seq: u64, detail: String },
    /// An undamaged event that this planrun cannot read.
    #[error("event {seq} of run {run} cannot be read ({detail}); use the planrun that wrote it")]
    Unreadable { run: RunId, seq: u64, detail: String },
    #[error("run {run} already exists; use another name")]
    Exists { run: RunId },
    /// The name of a run has invalid characters or an invalid length.
    #[error(
        "invalid run name `{}`; use 1 to 64 letters, digits and dashes",
        .0.escape_debug()
    )]
    BadName(String),
    #[error("no run named `{}`{}", word.escape_debug(), near_words(near))]
    NoSuchRun {
        word: String,
        /// Similar names, the most similar first.
        near: Vec<RunId>,
    },
    /// Several runs have this prefix or suffix.
    #[error("`{word}` matches {count} runs ({}); type more characters", list(candidates, *count))]
    Ambiguous {
        word: String,
        /// The newest of them.
        candidates: Vec<RunId>,
        count: usize,
    },
}

/// Why a path cannot be used for the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error(
        "is a symbolic link, which the store does not follow; \
         set PLANRUN_STATE_DIR to the real directory"
    )]
    Link,
    /// It is not a `directory` or a `regular file`.
    #[error("is not a {0}; move it away, or set PLANRUN_STATE_DIR")]
    WrongKind(&'static str),
    #[error(
        "belongs to user {owner}, not to you (user {user}); \
         set PLANRUN_STATE_DIR to your own directory"
    )]
    Owner { owner: u32, user: u32 },
    /// Other users can access it.
    #[error("is accessible to other users (mode {mode:04o}); run `chmod go-rwx {shown}`")]
    Exposed { mode: u32, shown: String },
    /// It is on a file system without reliable locks: `NFS`, ...
    #[error(
        "is on {0}, where locks and write-ahead logging are not safe; \
         set PLANRUN_STATE_DIR to a directory on a local disk"
    )]
    Network(&'static str),
    /// A file of the database is no longer at its path, so events would be lost.
    #[error(
        "was deleted, renamed or replaced while planrun had it open; \
         put it back, then resume the run"
    )]
    Moved,
    /// The disk has less free space than the events of a run may need.
    #[error(
        "has {} MiB of free space, but this run may need {} MiB; \
         free some space, or set PLANRUN_STATE_DIR to a directory on another disk",
        free >> 20,
        needed.div_ceil(1 << 20)
    )]
    NoRoom { free: u64, needed: u64 },
    #[error("is a database of another program; move it away, or set PLANRUN_STATE_DIR")]
    Foreign,
    /// A later planrun wrote the database.
    #[error(
        "has format {found}, but this planrun supports formats up to {known}; \
         use the newer planrun that wrote it"
    )]
    Newer { found: i64, known: i64 },
}

/// Why the system or the database refused an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error(
        "permission denied; \
         change its permissions, or set PLANRUN_STATE_DIR to another directory"
    )]
    Denied,
    #[error("it is read-only; set PLANRUN_STATE_DIR to a writable directory")]
    ReadOnly,
    #[error("the disk is full; free some space, then resume the run")]
    Full,
    #[error(
        "another process has locked it; \
         find it with `fuser`, wait until it ends, then try again"
    )]
    Busy,
    /// The database is damaged, or the file is not a database; with the message of `SQLite`.
    #[error(
        "it is corrupt ({0}); move it and its `-wal` and `-shm` files away together, \
         keep them for analysis, and restore a copy"
    )]
    Corrupt(String),
    #[error("{0}")]
    Other(String),
}

/// The run that has locked a host which another one needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "host {host} is locked by run {} of plan {}, {}{}, started by {}{}",
    run.id,
    run.plan,
    run.state.unwrap_or(RunStatus::Running).word(),
    pid.map(|pid| format!(", process {pid}")).unwrap_or_default(),
    run.by,
    run.begun_at.map(|since| format!(" at {since:.0}")).unwrap_or_default()
)]
pub struct Locked {
    /// The host, as the refused run names it.
    pub host: String,
    pub run: RunRow,
    /// The process that works on it, if one does.
    pub pid: Option<u32>,
}

impl StoreError {
    pub(super) fn from_io(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::PermissionDenied => Cause::Denied,
            io::ErrorKind::ReadOnlyFilesystem => Cause::ReadOnly,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Cause::Full,
            _ => Cause::Other(error.to_string()),
        };
        Self::Refused { doing, path: path.to_owned(), why }
    }

    pub(super) fn from_sqlite(doing: &'static str, path: &Path, error: &rusqlite::Error) -> Self {
        let why = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Cause::Full,
            Some(ErrorCode::ReadOnly) => Cause::ReadOnly,
            Some(ErrorCode::PermissionDenied) => Cause::Denied,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Cause::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Cause::Corrupt(error.to_string())
            }
            _ => Cause::Other(error.to_string()),
        };
        Self::Refused { doing, path: path.to_owned(), why }
    }

    pub(super) fn unfit(path: &Path, why: Unfit) -> Self {
        Self::Unfit { path: path.to_owned(), why }
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
