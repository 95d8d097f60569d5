//! All SQL of the store.
//!
//! There is one database with two main tables. Rows are only added to `events`; triggers reject other
//! changes. A row of `runs` is updated in the transaction of its events: it has what a list shows, the
//! end of the chain, and the epoch that rejects late writers.
//!
//! Functions that change something take a transaction and return two nested results. The outer one
//! is from the database and fails the whole transaction. The inner one is the answer to this caller and
//! leaves the transaction valid.

mod locks;
mod open;
mod read;
mod requests;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::chain::Head;
use super::error::StoreError;
use super::{chain, state_after};
use crate::event::{Event, Record, RunEvent, RunId, RunPlanned, RunStatus};

pub(super) use self::locks::taken;
pub(super) use self::open::{beside, empty, open, open_to_read};
pub(super) use self::read::{first, list, reading};
pub use self::requests::{Asked, Reply};
pub(super) use self::requests::{ask, open as open_requests, reply, reply_to};

/// The result of a change: see the head of the module.
pub(super) type Answer<T> = rusqlite::Result<Result<T, StoreError>>;

/// Runs `work` in one transaction and commits it if it does not fail.
pub(super) fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    // If it were deferred, its first write could find that its reads are out of date.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// Adds records to a run, and creates the run if the first one is its plan. The caller has checked that
/// no other run has locked its hosts: see [`taken`].
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
        && let Event::Run(RunEvent::Planned(planned)) = &record.event
    {
        insert_run(transaction, run, record, planned)?;
        locks::keep(transaction, run, &planned.locked_machines())?;
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
            let ended = matches!(record.event, Event::Run(RunEvent::Ended { .. }));
            transaction.execute(
                "UPDATE runs SET state = ?2, ended_at = ?3 WHERE id = ?1",
                params![run.0, state_key(state), ended.then(|| record.at.to_string())],
            )?;
        }
    }
    Ok(Ok(()))
}

/// Increases the epoch of a run and returns it with the number of the last event: processes with an
/// older epoch can no longer write.
pub(super) fn raise_epoch(transaction: &Transaction<'_>, run: &RunId) -> Answer<(u64, u64)> {
    let raised = transaction
        .query_row(
            "UPDATE runs SET epoch = epoch + 1 WHERE id = ?1 RETURNING epoch, seq",
            params![run.0],
            |row| Ok((from_column(row, 0)?, from_column(row, 1)?)),
        )
        .optional()?;
    requests::reply_to_all(transaction, run, &Reply::Unheard)?;
    Ok(raised.ok_or_else(|| no_such_run(run)))
}

/// Removes a run and everything that is stored for it.
pub(super) fn remove(transaction: &Transaction<'_>, run: &RunId) -> rusqlite::Result<()> {
    open::unguarded(transaction, || {
        for statement in [
            "DELETE FROM requests WHERE run = ?1",
            "DELETE FROM locks WHERE run = ?1",
            "DELETE FROM events WHERE run = ?1",
            "DELETE FROM runs WHERE id = ?1",
        ] {
            transaction.execute(statement, [&run.0])?;
        }
        Ok(())
    })
}

pub(super) fn exists(connection: &Connection, run: &RunId) -> rusqlite::Result<bool> {
    head(connection, run).map(|head| head.is_some())
}

/// Returns the end of the chain of a run.
fn head(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<Head>> {
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
) -> rusqlite::Result<()> {
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

fn no_such_run(run: &RunId) -> StoreError {
    StoreError::NoSuchRun { word: run.0.clone(), near: Vec::new() }
}

/// Returns the JSON name of a state.
fn state_key(state: RunStatus) -> String {
    state.word().replace(' ', "_")
}

/// Numbers count events: none is near the maximum of an `i64`.
fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_column(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or_default())
}
