//! Requests to the process that works on a run, and its replies.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{from_column, to_column};
use crate::event::{Request, RunId};

/// How a request to the process that works on a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The process did it.
    Done,
    /// It did nothing, for this reason.
    #[serde(rename = "Err")]
    Refused(String),
    /// The process ended before it did it, or the request was withdrawn.
    Unheard,
}

/// A request without a reply.
#[derive(Clone, Debug)]
pub struct Asked {
    pub number: u64,
    /// `user@machine`.
    pub by: String,
    pub request: Request,
}

/// Adds a request and returns its number.
pub(crate) fn ask(
    transaction: &Transaction<'_>,
    run: &RunId,
    by: &str,
    request: &Request,
) -> rusqlite::Result<u64> {
    let text = serde_json::to_string(request).unwrap_or_default();
    transaction.execute(
        "INSERT INTO requests (run, asked_by, request) VALUES (?1, ?2, ?3)",
        params![run.0, by, text],
    )?;
    Ok(u64::try_from(transaction.last_insert_rowid()).unwrap_or_default())
}

/// Returns the requests to a run that have no reply; those of a later planrun are ignored.
pub(crate) fn open(connection: &Connection, run: &RunId) -> rusqlite::Result<Vec<Asked>> {
    let mut select = connection.prepare(
        "SELECT number, asked_by, request FROM requests
         WHERE run = ?1 AND reply IS NULL ORDER BY number",
    )?;
    let rows = select.query_map([&run.0], |row| {
        let request = serde_json::from_str(&row.get::<_, String>(2)?).ok();
        Ok(request.map(|request| (request, from_column(row, 0), row.get(1))))
    })?;
    let mut asked = Vec::new();
    for row in rows {
        if let Some((request, number, by)) = row? {
            asked.push(Asked { number: number?, by: by?, request });
        }
    }
    Ok(asked)
}

/// Replies to a request, if it has no reply; returns whether it did.
pub(crate) fn reply(
    transaction: &Transaction<'_>,
    number: u64,
    reply: &Reply,
) -> rusqlite::Result<bool> {
    let text = serde_json::to_string(reply).unwrap_or_default();
    let changed = transaction.execute(
        "UPDATE requests SET reply = ?2 WHERE number = ?1 AND reply IS NULL",
        params![to_column(number), text],
    )?;
    Ok(changed > 0)
}

/// Replies to all requests to an earlier process.
pub(super) fn reply_to_all(
    transaction: &Transaction<'_>,
    run: &RunId,
    reply: &Reply,
) -> rusqlite::Result<()> {
    let text = serde_json::to_string(reply).unwrap_or_default();
    transaction.execute(
        "UPDATE requests SET reply = ?2 WHERE run = ?1 AND reply IS NULL",
        params![run.0, text],
    )?;
    Ok(())
}

/// Returns the reply to a request, if there is one.
pub(crate) fn reply_to(connection: &Connection, number: u64) -> rusqlite::Result<Option<Reply>> {
    let text = connection.query_row(
        "SELECT reply FROM requests WHERE number = ?1",
        [to_column(number)],
        |row| row.get::<_, Option<String>>(0),
    );
    let text = text.optional()?.flatten();
    // An earlier planrun has a reply of its own for what is done.
    Ok(text.map(|text| serde_json::from_str(&text).unwrap_or(Reply::Done)))
}
