//! Hosts that runs have locked.
//!
//! A run that has not ended has locked all its hosts. The state of the run is the only source, so
//! nothing needs to be released. It is read in the transaction that starts or resumes a run.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::read::{COLUMNS, RunRow, listed};
use crate::event::{Event, Record, RunEvent, RunId, RunStatus};

/// A host that another run has locked.
#[derive(Debug)]
pub(in crate::store) struct Taken {
    /// The host, as the run that needs it names it.
    pub(in crate::store) host: String,
    /// The run that has locked it.
    pub(in crate::store) holder: RunRow,
}

/// Returns a host that some records need and another run has locked. `is_alive` returns whether a
/// process works on a run: a run that died before its first change has locked nothing.
pub(in crate::store) fn taken(
    connection: &Connection,
    run: &RunId,
    records: &[Record],
    is_alive: &dyn Fn(&RunId) -> bool,
) -> Result<Option<Taken>, rusqlite::Error> {
    for record in records {
        let machines = match &record.event {
            Event::Run(RunEvent::Planned(planned)) => planned.locked_machines(),
            Event::Run(RunEvent::Resumed { .. } | RunEvent::RollbackRequested { .. }) => {
                kept(connection, run)?
            }
            _ => continue,
        };
        let mut holders = connection.prepare(&format!(
            "{COLUMNS} JOIN locks ON locks.run = runs.id
             WHERE locks.machine = ?1 AND runs.id <> ?2 ORDER BY number DESC"
        ))?;
        for (machine, host) in machines {
            for holder in holders.query_map(params![machine, run.0], listed)? {
                let holder = holder?;
                let holds = match holder.state {
                    Some(RunStatus::Planned) => is_alive(&holder.id),
                    Some(state) => !state.has_ended(),
                    None => true,
                };
                if holds {
                    return Ok(Some(Taken { host, holder }));
                }
            }
        }
    }
    Ok(None)
}

/// Returns the locked machines of a run.
fn kept(connection: &Connection, run: &RunId) -> Result<BTreeMap<String, String>, rusqlite::Error> {
    let mut select = connection.prepare("SELECT machine, host FROM locks WHERE run = ?1")?;
    let rows = select.query_map([&run.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Stores the machines that a new run needs.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    run: &RunId,
    machines: &BTreeMap<String, String>,
) -> Result<(), rusqlite::Error> {
    let mut insert =
        transaction.prepare("INSERT INTO locks (run, machine, host) VALUES (?1, ?2, ?3)")?;
    for (machine, host) in machines {
        insert.execute(params![run.0, machine, host])?;
    }
    Ok(())
}
