//! Runs that are kept: found by what a person types, taken over, added to.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Builder;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::targets;
use crate::clock::Clock;
use crate::event::{Event, Record, RunEvent, RunId, RunPlanned, RunStatus};
use crate::history::RunState;
use crate::report::text::printable;
use crate::store::{RunJournal, Store};

/// Bytes that a step leaves on a host: its events, with the beginning of what was printed.
const STEP_ROOM: usize = 8 << 10;

/// Bytes that SQLite may use to write ahead.
const LOG_ROOM: u64 = 4 << 20;

/// The run a command is about.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Word {
    /// Run ID, a unique prefix or suffix of it, or `last`
    #[arg(value_name = "RUN")]
    pub(super) run: String,
}

/// A run that was taken over.
pub(super) struct Taken {
    /// The right to write it.
    pub(super) journal: RunJournal,
    /// What happened.
    pub(super) records: Vec<Record>,
    /// Where that leads to.
    pub(super) state: RunState,
}

/// Returns where a run stands.
pub(super) fn status(records: &[Record]) -> RunStatus {
    RunState::for_report(records).status
}

/// Returns what a run was begun with.
pub(super) fn planned(records: &[Record]) -> Result<&RunPlanned, Fault> {
    match records.first().map(|record| &record.event) {
        Some(Event::Run(RunEvent::Planned(planned))) => Ok(planned),
        _ => Err(Fault::new(Exit::STORE, "the run does not say what was planned")
            .help("it cannot be gone on with; see it with `planrun show RUN`")),
    }
}

/// Takes a run over: from now on only this process writes it.
pub(super) fn take(store: &Store, run: &RunId, by: &str) -> Result<Taken, Fault> {
    let (journal, records) = store.take(run, by)?;
    let state = fold(&records)?;
    Ok(Taken { journal, records, state })
}

pub(super) fn fold(records: &[Record]) -> Result<RunState, Fault> {
    RunState::of(records).map_err(|why| {
        Fault::new(Exit::STORE, format!("the record of the run does not fit: {why}"))
            .help("use the planrun that wrote it")
    })
}

impl Taken {
    /// Returns the time of the run now.
    pub(super) fn now(&self, store: &Store) -> Result<Timestamp, Fault> {
        let texts = &planned(&self.records)?.models;
        targets::now(texts, store, self.journal.run(), self.last())
    }

    /// Returns the time of its last event.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.records.last().map(|record| record.at)
    }

    /// Tells whether a run takes an event now; `Err` is why not.
    pub(super) fn takes(&self, event: &Event, at: Timestamp) -> Result<(), String> {
        let mut records = self.records.clone();
        records.push(self.record(event.clone(), at));
        RunState::of(&records).map(|_state| ())
    }

    /// Adds an event and keeps it.
    pub(super) fn add(&mut self, event: Event, at: Timestamp) -> Result<(), Fault> {
        let record = self.record(event, at);
        let runtime = Builder::new_current_thread()
            .build()
            .map_err(|error| Fault::of(Exit::INTERNAL, "the event cannot be kept", &error))?;
        runtime.block_on(self.journal.keep(std::slice::from_ref(&record)))?;
        self.records.push(record);
        Ok(())
    }

    fn record(&self, event: Event, at: Timestamp) -> Record {
        Record { seq: self.journal.seq(), epoch: self.journal.epoch(), at, event }
    }
}

/// Refuses to begin or resume a run by an event while another run has one of its machines. The
/// store holds it again when it keeps the event.
pub(super) fn need_machines(
    store: &Store,
    journal: &RunJournal,
    first: &Event,
) -> Result<(), Fault> {
    let record = Record {
        seq: journal.seq(),
        epoch: journal.epoch(),
        at: Clock::Real.now(),
        event: first.clone(),
    };
    Ok(store.need_machines(journal.run(), &[record])?)
}

/// Returns how much disk space the record of a run can need: what its plan, inventory and files
/// take, what each step leaves on each host, there and back, and what SQLite writes ahead.
pub(super) fn room(planned: &RunPlanned) -> u64 {
    let first = serde_json::to_vec(planned).map_or(0, |text| text.len());
    let each = planned.outline.steps.len().saturating_mul(planned.hosts.len());
    let all = each.saturating_mul(STEP_ROOM).saturating_add(first);
    (all as u64).saturating_add(LOG_ROOM)
}

/// Says what has changed since a run was begun: it goes on with what was recorded.
pub(super) fn tell_changes(planned: &RunPlanned, context: &Context) {
    let path = printable(&planned.plan_path);
    if let Ok(text) = std::fs::read(&planned.plan_path)
        && hex::encode(Sha256::digest(&text)) != planned.plan_digest
    {
        context.say(&format!(
            "note: {path} was edited since the run began; the plan that is recorded is used"
        ));
    }
    let own = env!("CARGO_PKG_VERSION");
    if planned.tool != own {
        let tool = printable(&planned.tool);
        context.say(&format!("note: the run was begun by planrun {tool}, and this is {own}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_beginning_is_refused() {
        assert_eq!(planned(&[]).unwrap_err().exit(), Exit::STORE);
    }
}
