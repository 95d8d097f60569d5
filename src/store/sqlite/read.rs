//! Reads runs. Damage hides nothing but itself: if the database cannot return all rows at once, they are
//! read one by one.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Answer, from_column, head, no_such_run, to_column};
use crate::event::RunId;
use crate::store::chain::{self, Link, Reading};
use crate::store::row::RunRow;

/// Maximum number of rows that are read one by one: a damaged count must not take forever.
const MOST_SINGLE: u64 = 1_000_000;

/// The columns that [`listed`] reads; conditions follow.
pub(super) const COLUMNS: &str =
    "SELECT runs.id, plan, begun_by, hosts, begun_at, ended_at, state FROM runs";

/// Returns the rows of all runs, newest first. An invalid field is `None`; whether a process works on a
/// run is not known here.
pub(crate) fn list(connection: &Connection) -> rusqlite::Result<Vec<RunRow>> {
    let mut all = connection.prepare(&format!("{COLUMNS} ORDER BY number DESC"))?;
    let rows: Result<Vec<RunRow>, _> = all.query_map([], listed)?.collect();
    rows.or_else(|error| {
        let last = connection
            .query_row("SELECT max(seq) FROM sqlite_sequence", [], |row| from_column(row, 0));
        let mut one = connection.prepare(&format!("{COLUMNS} WHERE number = ?1"))?;
        let numbers = (1..=last?.min(MOST_SINGLE)).rev();
        let rows = numbers.filter_map(|number| {
            one.query_row([to_column(number)], listed).optional().ok().flatten()
        });
        let rows: Vec<RunRow> = rows.collect();
        if rows.is_empty() { Err(error) } else { Ok(rows) }
    })
}

pub(super) fn listed(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let ended_at = row.get_ref(5)?.as_bytes_or_null()?.map(String::from_utf8_lossy);
    Ok(RunRow {
        id: RunId(text(row, 0)?),
        plan: text(row, 1)?,
        by: text(row, 2)?,
        hosts: usize::try_from(from_column(row, 3)?).unwrap_or(usize::MAX),
        begun_at: text(row, 4)?.parse().ok(),
        ended_at: ended_at.and_then(|text| text.parse().ok()),
        state: serde_json::from_value(text(row, 6)?.into()).ok(),
        alive: false,
    })
}

/// Reads the events of a run after number `after`, and finds damaged ones.
pub(crate) fn reading(connection: &mut Connection, run: &RunId, after: u64) -> Answer<Reading> {
    // One transaction: the end of the chain must belong to the links that are read.
    let transaction = connection.transaction()?;
    let Some(head) = head(&transaction, run)? else { return Ok(Err(no_such_run(run))) };
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
    let (links, refused) = match links(&transaction, run, after) {
        Ok(links) => (links, Vec::new()),
        Err(_) => one_by_one(&transaction, run, after, head.seq)?,
    };
    Ok(Ok(chain::read(run, &head, after, previous, &links, &refused)))
}

/// Returns the first event of a run.
pub(crate) fn first(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<Link>> {
    let mut select = connection
        .prepare("SELECT seq, epoch, at, hash, payload FROM events WHERE run = ?1 AND seq = 1")?;
    select.query_row([&run.0], link).optional()
}

fn links(transaction: &Transaction<'_>, run: &RunId, after: u64) -> rusqlite::Result<Vec<Link>> {
    let mut select = transaction.prepare(
        "SELECT seq, epoch, at, hash, payload FROM events
         WHERE run = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    select.query_map(params![run.0, to_column(after)], link)?.collect()
}

/// The number of an event that the database cannot return, and why.
type Refused = (u64, String);

/// Returns the readable links, and the reasons for the others.
fn one_by_one(
    transaction: &Transaction<'_>,
    run: &RunId,
    after: u64,
    last: u64,
) -> rusqlite::Result<(Vec<Link>, Vec<Refused>)> {
    let mut select = transaction
        .prepare("SELECT seq, epoch, at, hash, payload FROM events WHERE run = ?1 AND seq = ?2")?;
    let (mut links, mut refused) = (Vec::new(), Vec::new());
    for seq in after + 1..=last.min(after.saturating_add(MOST_SINGLE)) {
        match select.query_row(params![run.0, to_column(seq)], link).optional() {
            Ok(found) => links.extend(found),
            Err(error) => refused.push((seq, error.to_string())),
        }
    }
    Ok((links, refused))
}

fn link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link {
        seq: from_column(row, 0)?,
        epoch: from_column(row, 1)?,
        at: text(row, 2)?,
        hash: row.get(3)?,
        payload: row.get_ref(4)?.as_bytes()?.to_vec(),
    })
}

/// Returns the valid part of a text: the database does not check UTF-8.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}
