//! All SQL of the store.
//!
//! One database, two tables. `events` is only ever added to: triggers refuse the rest. A row of
//! `runs` is made and moved on in the transaction that adds the events it follows from: it holds
//! what a listing shows, the end of the chain, and the epoch that fences late writers.
//!
//! Functions that change something take a transaction and give two results in one another: the
//! outer is the database's, and lets the whole transaction fail; the inner one is the store's
//! answer to this caller, and leaves the transaction as good as it was.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::Transaction;
use rusqlite::TransactionBehavior;
use rusqlite::params;

use super::chain;
use super::chain::Head;
use super::chain::Link;
use super::error::StoreError;
use super::state_after;
use crate::event::Event;
use crate::event::Record;
use crate::event::RunId;
use crate::event::RunPlanned;
use crate::event::RunStatus;

/// What a change comes to: see the module's head.
pub(super) type Answer<T> = Result<Result<T, StoreError>, rusqlite::Error>;

/// `PRAGMA application_id` of the database: "plrn".
const APPLICATION: i64 = 0x706C_726E;

/// `PRAGMA user_version` of the database: the number of its format.
const FORMAT: i64 = 1;

/// How long to wait for another process. Its commits take milliseconds; only one that was stopped
/// in the middle of one takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before it is asked again, where it has to be done by hand.
const PAUSE: Duration = Duration::from_millis(10);

const TABLES: &str = "
CREATE TABLE runs (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,
    plan      TEXT NOT NULL,
    plan_path TEXT NOT NULL,
    begun_by  TEXT NOT NULL,
    hosts     INTEGER NOT NULL,
    begun_at  TEXT NOT NULL,
    ended_at  TEXT,
    state     TEXT NOT NULL,
    epoch     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    hash      BLOB NOT NULL
) STRICT;

CREATE TABLE events (
    run     TEXT NOT NULL REFERENCES runs (id),
    seq     INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    at      TEXT NOT NULL,
    hash    BLOB NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;

CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;

CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE run = NEW.run AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'events are never replaced'); END;

CREATE TRIGGER runs_are_not_removed BEFORE DELETE ON runs
BEGIN SELECT RAISE(ABORT, 'runs are never removed'); END;

CREATE TRIGGER epochs_are_not_lowered BEFORE UPDATE OF epoch ON runs
WHEN NEW.epoch <= OLD.epoch
BEGIN SELECT RAISE(ABORT, 'epochs only rise'); END;
";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Reading; it cannot change anything.
    Read,
    /// Writing; at most so many pages may be used, where a number is given.
    Write(Option<u32>),
}

/// Opens the database, which exists as a file, and makes its tables if there are none.
pub(super) fn open(path: &Path, purpose: Use) -> Result<Connection, StoreError> {
    let fault = |error: rusqlite::Error| StoreError::from_sqlite("open the database", path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(PATIENCE).map_err(fault)?;
    if purpose == Use::Read {
        connection.pragma_update(None, "query_only", true).map_err(fault)?;
        check_format(&connection, path)?;
        return Ok(connection);
    }
    // Looked at before anything is written: the file may be another program's.
    let made = check_format(&connection, path)?;
    log_ahead(&connection).map_err(fault)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        .map_err(fault)?;
    if let Use::Write(Some(pages)) = purpose {
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .map_err(fault)?;
    }
    if !made {
        in_transaction(&mut connection, |transaction| {
            // Another process may have been quicker.
            if !has_tables(transaction)? {
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
            }
            Ok(())
        })
        .map_err(fault)?;
        check_format(&connection, path)?;
    }
    Ok(connection)
}

/// Puts the database into its mode of writing ahead. Where another process is just doing that,
/// SQLite says at once that it is busy, whatever its patience: so it is asked again.
fn log_ahead(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(Duration::ZERO)?;
    let mut left = PATIENCE;
    let done = loop {
        let done = connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()));
        let is_busy = |error: &rusqlite::Error| {
            error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
        };
        if !done.as_ref().is_err_and(is_busy) || left.is_zero() {
            break done;
        }
        std::thread::sleep(PAUSE);
        left = left.saturating_sub(PAUSE);
    };
    connection.busy_timeout(PATIENCE)?;
    done
}

/// Does something in one transaction, which is committed if `work` does not fail.
pub(super) fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, rusqlite::Error>,
) -> Result<T, rusqlite::Error> {
    // Deferred, it could find on its first write that what it has read is out of date.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// Adds records to a run, and makes the run if the first of them plans it.
pub(super) fn append(
    transaction: &Transaction<'_>,
    run: &RunId,
    epoch: u64,
    records: &[Record],
) -> Answer<()> {
    let head = head(transaction, run)?;
    let links = match chain::extend(run, head.as_ref(), epoch, records) {
        Ok(links) => links,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if head.is_none()
        && let Some(record) = records.first()
        && let Event::RunPlanned(planned) = &record.event
    {
        insert_run(transaction, run, record, planned)?;
    }
    let mut insert = transaction.prepare(
        "INSERT INTO events (run, seq, epoch, at, hash, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, CAST(?6 AS TEXT))",
    )?;
    for link in &links {
        insert.execute(params![
            run.0,
            to_column(link.seq),
            to_column(link.epoch),
            link.at,
            link.hash,
            link.payload,
        ])?;
    }
    if let Some(last) = links.last() {
        transaction.execute(
            "UPDATE runs SET seq = ?2, hash = ?3 WHERE id = ?1",
            params![run.0, to_column(last.seq), last.hash],
        )?;
    }
    for record in records {
        if let Some(state) = state_after(&record.event) {
            let ended = matches!(record.event, Event::RunEnded { .. });
            transaction.execute(
                "UPDATE runs SET state = ?2, ended_at = ?3 WHERE id = ?1",
                params![run.0, state_key(state), ended.then(|| record.at.to_string())],
            )?;
        }
    }
    Ok(Ok(()))
}

/// Raises the epoch of a run and returns it: whoever has an older one can no longer write.
pub(super) fn raise_epoch(transaction: &Transaction<'_>, run: &RunId) -> Answer<u64> {
    let epoch = transaction
        .query_row(
            "UPDATE runs SET epoch = epoch + 1 WHERE id = ?1 RETURNING epoch",
            params![run.0],
            |row| from_column(row, 0),
        )
        .optional()?;
    Ok(epoch.ok_or_else(|| no_such_run(run)))
}

/// The row of a run, as a listing needs it.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) id: RunId,
    pub(super) plan: String,
    pub(super) plan_path: String,
    pub(super) by: String,
    pub(super) hosts: u64,
    pub(super) begun_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) state: Option<RunStatus>,
}

/// Returns the rows of all runs, newest first. What cannot be understood in one is `None`.
pub(super) fn list(connection: &Connection) -> Result<Vec<Listed>, rusqlite::Error> {
    let mut select = connection.prepare(
        "SELECT id, plan, plan_path, begun_by, hosts, begun_at, ended_at, state
         FROM runs ORDER BY number DESC",
    )?;
    let rows = select.query_map([], |row| {
        let ended_at: Option<String> = row.get(6)?;
        Ok(Listed {
            id: RunId(row.get(0)?),
            plan: row.get(1)?,
            plan_path: row.get(2)?,
            by: row.get(3)?,
            hosts: from_column(row, 4)?,
            begun_at: row.get::<_, String>(5)?.parse().ok(),
            ended_at: ended_at.and_then(|text| text.parse().ok()),
            state: serde_json::from_value(row.get::<_, String>(7)?.into()).ok(),
        })
    })?;
    rows.collect()
}

/// Tells whether there is a run of that name.
pub(super) fn exists(connection: &Connection, run: &RunId) -> Result<bool, rusqlite::Error> {
    head(connection, run).map(|head| head.is_some())
}

/// Reads the events of a run behind the one with the number `after`, and verifies their chain.
pub(super) fn records(connection: &mut Connection, run: &RunId, after: u64) -> Answer<Vec<Record>> {
    // One transaction: the end of the chain must be that of the links that are read.
    let transaction = connection.transaction()?;
    let Some(head) = head(&transaction, run)? else {
        return Ok(Err(no_such_run(run)));
    };
    let previous = match after {
        0 => Some(chain::ROOT.to_vec()),
        _ => transaction
            .query_row(
                "SELECT hash FROM events WHERE run = ?1 AND seq = ?2",
                params![run.0, to_column(after)],
                |row| row.get(0),
            )
            .optional()?,
    };
    let Some(previous) = previous else {
        return Ok(Err(StoreError::Damaged {
            run: run.clone(),
            seq: after,
            detail: "it is missing".to_owned(),
        }));
    };
    let mut select = transaction.prepare(
        "SELECT seq, epoch, at, hash, payload FROM events
         WHERE run = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let links = select
        .query_map(params![run.0, to_column(after)], |row| {
            Ok(Link {
                seq: from_column(row, 0)?,
                epoch: from_column(row, 1)?,
                at: String::from_utf8_lossy(row.get_ref(2)?.as_bytes()?).into_owned(),
                hash: row.get(3)?,
                payload: row.get_ref(4)?.as_bytes()?.to_vec(),
            })
        })?
        .collect::<Result<Vec<Link>, _>>()?;
    Ok(chain::verify(run, &head, after, &previous, &links))
}

/// Returns where the chain of a run ends.
fn head(connection: &Connection, run: &RunId) -> Result<Option<Head>, rusqlite::Error> {
    connection
        .query_row("SELECT epoch, seq, hash FROM runs WHERE id = ?1", params![run.0], |row| {
            Ok(Head { epoch: from_column(row, 0)?, seq: from_column(row, 1)?, hash: row.get(2)? })
        })
        .optional()
}

fn insert_run(
    transaction: &Transaction<'_>,
    run: &RunId,
    record: &Record,
    planned: &RunPlanned,
) -> Result<(), rusqlite::Error> {
    transaction.execute(
        "INSERT INTO runs
             (id, plan, plan_path, begun_by, hosts, begun_at, state, epoch, seq, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 0, ?8)",
        params![
            run.0,
            planned.outline.plan,
            planned.plan_path,
            planned.by,
            to_column(planned.hosts.len() as u64),
            record.at.to_string(),
            state_key(RunStatus::Planned),
            chain::ROOT,
        ],
    )?;
    Ok(())
}

/// Refuses what is not planrun's or is too new; tells whether the tables are there.
fn check_format(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let fault = |error: rusqlite::Error| StoreError::from_sqlite("open the database", path, &error);
    let look = || {
        // One transaction: another process may be making the tables.
        let transaction = connection.unchecked_transaction()?;
        let number = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((number("application_id")?, number("user_version")?, has_tables(&transaction)?))
    };
    let (application, found, has_tables) = look().map_err(fault)?;
    let path = path.to_owned();
    match (application, has_tables) {
        (APPLICATION, _) if found > FORMAT => Err(StoreError::Newer { path, found, known: FORMAT }),
        (APPLICATION, true) => Ok(true),
        (0, false) => Ok(false),
        _ => Err(StoreError::Foreign { path }),
    }
}

fn has_tables(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

fn no_such_run(run: &RunId) -> StoreError {
    StoreError::NoSuchRun { word: run.0.clone(), near: Vec::new() }
}

/// Returns the word of a state as in JSON.
fn state_key(state: RunStatus) -> String {
    state.word().replace(' ', "_")
}

/// Numbers are counts of events: none comes near the end of an `i64`.
fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_column(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or_default())
}
