//! Opens the database: for writing, with its tables; for reading, also on a read-only file system.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction};

use super::in_transaction;
use crate::quote;
use crate::store::error::{Cause, StoreError, Unfit};

/// `PRAGMA application_id` of the database: "plrn".
const APPLICATION: i64 = 0x706C_726E;

/// `PRAGMA user_version` of the database: the number of its format.
const FORMAT: i64 = 1;

/// Triggers that keep events and runs from being removed, except by [`unguarded`].
const GUARDS: &str = include_str!("guards.sql");

/// Tables of later versions: an earlier planrun does not need them.
const LATER_TABLES: &str = include_str!("later_tables.sql");

/// How long to wait for another process. Its commits take milliseconds; only one that was suspended in
/// the middle of a commit takes longer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait between attempts if SQLite does not wait itself.
const PAUSE: Duration = Duration::from_millis(10);

const TABLES: &str = include_str!("tables.sql");

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX.union(OpenFlags::SQLITE_OPEN_NOFOLLOW);

/// Opens the database for reading; `None` if it has no tables yet.
///
/// The usual way needs files next to the database, which SQLite cannot create on a read-only file
/// system. Without a write-ahead log, the database can be read without them.
pub(crate) fn open_to_read(path: &Path) -> Result<Option<Connection>, StoreError> {
    let usual = read_with(path.as_os_str(), path, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let Err(why) = usual else { return usual };
    let is_final =
        matches!(why, StoreError::Unfit { .. } | StoreError::Refused { why: Cause::Busy, .. });
    if is_final || std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Err(why);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let name = quote::percent(path.as_os_str().as_bytes(), "/-._~", true);
    // The database does not change.
    let uri = format!("file:{name}?immutable=1");
    read_with(OsStr::new(&uri), path, flags).map_err(|_| why)
}

fn read_with(
    name: &OsStr,
    path: &Path,
    flags: OpenFlags,
) -> Result<Option<Connection>, StoreError> {
    let fault = |error: rusqlite::Error| StoreError::from_sqlite("open the database", path, &error);
    let connection = Connection::open_with_flags(name, FLAGS | flags).map_err(fault)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
    connection.pragma_update(None, "query_only", true).map_err(fault)?;
    Ok(check_format(&connection, path)?.then_some(connection))
}

/// Returns the path of a file that SQLite keeps next to the database.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

/// Lets a transaction remove events and runs; for others they stay protected.
pub(super) fn unguarded<T>(
    transaction: &Transaction<'_>,
    work: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    transaction
        .execute_batch("DROP TRIGGER events_are_not_removed; DROP TRIGGER runs_are_not_removed;")?;
    let done = work()?;
    transaction.execute_batch(GUARDS)?;
    Ok(done)
}

/// Returns a database without runs, for a state directory that does not exist.
pub(crate) fn empty() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    make_tables(&connection)?;
    Ok(connection)
}

fn make_tables(connection: &Connection) -> rusqlite::Result<()> {
    [TABLES, GUARDS, LATER_TABLES].iter().try_for_each(|sql| connection.execute_batch(sql))
}

/// Opens an existing database file for writing, and creates its tables if there are none; `pages` is
/// its maximum size.
pub(crate) fn open(path: &Path, pages: Option<u32>) -> Result<Connection, StoreError> {
    let fault = |error: rusqlite::Error| StoreError::from_sqlite("open the database", path, &error);
    let flags = FLAGS | OpenFlags::SQLITE_OPEN_READ_WRITE;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
    // Checked before anything is written: the file may belong to another program.
    let made = check_format(&connection, path)?;
    log_ahead(&connection).map_err(fault)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        .map_err(fault)?;
    if let Some(pages) = pages {
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .map_err(fault)?;
    }
    if made {
        connection.execute_batch(LATER_TABLES).map_err(fault)?;
    } else {
        in_transaction(&mut connection, |transaction| {
            // Another process may have been faster.
            if !has_tables(transaction)? {
                make_tables(transaction)?;
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

/// Turns on write-ahead logging. While another process does so, SQLite reports at once that it is
/// busy, whatever its timeout is, so this is repeated.
fn log_ahead(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let mut left = BUSY_TIMEOUT;
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
    connection.busy_timeout(BUSY_TIMEOUT)?;
    done
}

/// Rejects a database that is not planrun's or is too new; returns whether the tables exist.
fn check_format(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let read = || {
        // One transaction: another process may be creating the tables.
        let transaction = connection.unchecked_transaction()?;
        let number = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((number("application_id")?, number("user_version")?, has_tables(&transaction)?))
    };
    let (application, found, has_tables) =
        read().map_err(|error| StoreError::from_sqlite("open the database", path, &error))?;
    match (application, has_tables) {
        (APPLICATION, _) if found > FORMAT => {
            Err(StoreError::unfit(path, Unfit::Newer { found, known: FORMAT }))
        }
        (APPLICATION, true) => Ok(true),
        (0, false) => Ok(false),
        _ => Err(StoreError::unfit(path, Unfit::Foreign)),
    }
}

fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}
