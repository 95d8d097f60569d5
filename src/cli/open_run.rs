//! Stored runs: finds the run that a user means, takes it over, adds events.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::cli::{Context, Exit, Fault, runtime, targets};
use crate::clock::Clock;
use crate::event::{Event, Record, RunEvent, RunId, RunPlanned, RunStatus};
use crate::history::RunState;
use crate::report::text::printable;
use crate::store::{RunJournal, Store};

/// Bytes that a step needs in the store: its events, with the start of its output.
const STEP_ROOM: usize = 8 << 10;

/// Bytes that SQLite may use for its write-ahead log.
const LOG_ROOM: u64 = 4 << 20;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct RunArg {
    /// Run ID, a unique prefix or suffix, or `last`
    #[arg(value_name = "RUN")]
    pub(super) run: String,
}

pub(super) struct OpenRun {
    pub(super) journal: RunJournal,
    pub(super) records: Vec<Record>,
    pub(super) state: RunState,
}

pub(super) fn status(records: &[Record]) -> RunStatus {
    RunState::for_report(records).status
}

pub(super) fn ended(run: &RunId, status: RunStatus) -> Fault {
    Fault::new(Exit::INVALID, format!("run {run} has ended: {}", status.word()))
}

pub(super) fn planned(records: &[Record]) -> Result<&RunPlanned, Fault> {
    match records.first().map(|record| &record.event) {
        Some(Event::Run(RunEvent::Planned(planned))) => Ok(planned),
        _ => Err(Fault::new(Exit::STORE, "the run has no `run_planned` event")
            .help("it cannot be continued; to see it, run `planrun show RUN`")),
    }
}

/// Takes over a run: from now on only this process writes it.
pub(super) fn take(store: &Store, run: &RunId, by: &str) -> Result<OpenRun, Fault> {
    taken(store.take(run, by)?)
}

/// Makes it of a run that was taken over.
pub(super) fn taken((journal, records): (RunJournal, Vec<Record>)) -> Result<OpenRun, Fault> {
    let state = fold(&records)?;
    Ok(OpenRun { journal, records, state })
}

pub(super) fn fold(records: &[Record]) -> Result<RunState, Fault> {
    RunState::of(records).map_err(|why| {
        Fault::new(Exit::STORE, format!("the events of the run are inconsistent: {why}"))
            .help("use the planrun version that wrote it")
    })
}

impl OpenRun {
    pub(super) fn now(&self, store: &Store) -> Result<Timestamp, Fault> {
        let texts = &planned(&self.records)?.models;
        targets::now(texts, store, self.journal.run(), self.last())
    }

    pub(super) fn last(&self) -> Option<Timestamp> {
        self.records.last().map(|record| record.at)
    }

    /// Returns the state of the run after an event; `Err` has the reason why it does not accept it now.
    pub(super) fn takes(&self, event: &Event, at: Timestamp) -> Result<RunState, String> {
        let mut records = self.records.clone();
        records.push(self.journal.record(event.clone(), at));
        RunState::of(&records)
    }

    pub(super) fn add(&mut self, event: Event, at: Timestamp) -> Result<(), Fault> {
        let record = self.journal.record(event, at);
        runtime("cannot store the event")?
            .block_on(self.journal.keep(std::slice::from_ref(&record)))?;
        self.records.push(record);
        Ok(())
    }
}

/// Refuses to start or resume a run by an event while another run has locked one of its hosts. The store
/// checks this again when it stores the event.
pub(super) fn need_machines(
    store: &Store,
    journal: &RunJournal,
    first: &Event,
) -> Result<(), Fault> {
    let record = journal.record(first.clone(), Clock::Real.now());
    Ok(store.need_machines(journal.run(), &[record])?)
}

/// Returns how much disk space the events of a run may need: its plan, inventory and files, each step on
/// each host with its rollback, and SQLite's write-ahead log.
pub(super) fn room(planned: &RunPlanned) -> u64 {
    let first = serde_json::to_vec(planned).map_or(0, |text| text.len());
    let each = planned.outline.steps.len().saturating_mul(planned.hosts.len());
    let all = each.saturating_mul(STEP_ROOM).saturating_add(first);
    (all as u64).saturating_add(LOG_ROOM)
}

/// Prints what has changed since the start of a run, which continues with what was recorded.
pub(super) fn tell_changes(planned: &RunPlanned, context: &Context) {
    let path = printable(&planned.plan_path);
    if let Ok(text) = std::fs::read(&planned.plan_path)
        && hex::encode(Sha256::digest(&text)) != planned.plan_digest
    {
        context.say(&format!(
            "note: {path} was edited after the run started; the recorded plan is used"
        ));
    }
    let own = env!("CARGO_PKG_VERSION");
    if planned.tool != own {
        let tool = printable(&planned.tool);
        context.say(&format!("note: planrun {tool} started the run; this is planrun {own}"));
    }
}
