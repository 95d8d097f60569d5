//! Hosts that runs have locked.
//!
//! A run that has not ended has locked all its hosts. The state of the run is the only source, so
//! nothing needs to be released. It is read in the transaction that starts or resumes a run.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::read::{COLUMNS, listed};
use crate::event::{Event, Record, RunEvent, RunId, RunStatus};
use crate::store::error::Locked;

/// Returns a host that some records need and another run has locked. `is_alive` returns whether a
/// process works on a run: a run that died before its first change has locked nothing.
pub(crate) fn taken(
    connection: &Connection,
    run: &RunId,
    records: &[Record],
    is_alive: &dyn Fn(&RunId) -> bool,
) -> rusqlite::Result<Option<Locked>> {
    for record in records {
        let machines = match &record.event {
            Event::Run(RunEvent::Planned(planned)) => planned.locked_machines(),
            Event::Run(
                RunEvent::Resumed { .. }
                | RunEvent::RollbackRequested { .. }
                | RunEvent::AbortRequested { .. },
            ) => kept(connection, run)?,
            _ => continue,
        };
        let mut holders = connection.prepare(&format!(
            "{COLUMNS} JOIN locks ON locks.run = runs.id
             WHERE locks.machine = ?1 AND runs.id <> ?2 ORDER BY number DESC"
        ))?;
        for (machine, host) in machines {
            for holder in holders.query_map(params![machine, run.0], listed)? {
                let run = holder?;
                let holds = match run.state {
                    Some(RunStatus::Planned) => is_alive(&run.id),
                    Some(state) => !state.has_ended(),
                    None => true,
                };
                if holds {
                    return Ok(Some(Locked { host, run, pid: None }));
                }
            }
        }
    }
    Ok(None)
}

/// Returns the locked machines of a run.
fn kept(connection: &Connection, run: &RunId) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut select = connection.prepare("SELECT machine, host FROM locks WHERE run = ?1")?;
    let rows = select.query_map([&run.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Stores the machines that a new run needs.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    run: &RunId,
    machines: &BTreeMap<String, String>,
) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare("INSERT INTO locks (run, machine, host) VALUES (?1, ?2, ?3)")?;
    for (machine, host) in machines {
        insert.execute(params![run.0, machine, host])?;
    }
    Ok(())
}
