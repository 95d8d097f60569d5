//! The log of a run: which events were stored, by their names only. The store has the rest.

use crate::event::{Record, RunId};

/// Logs that an event is stored. The target is not a module, so that a filter by modules does not show what a
/// terminal shows anyway.
pub(super) fn stored(run: &RunId, record: &Record) {
    if !tracing::enabled!(target: "run", tracing::Level::INFO) {
        return;
    }
    let event = serde_json::to_value(&record.event).unwrap_or_default();
    let name = event["event"].as_str().unwrap_or_default();
    let host = record.event.host().map(ToString::to_string);
    let on = record.event.task().map(ToString::to_string).or(host);
    tracing::info!(target: "run", %run, seq = record.seq, on, "{name}");
}
