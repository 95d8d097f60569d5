//! The history of runs, one line each: `planrun runs`.

use std::fmt::Write as _;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

use crate::history::between;
use crate::report::text::{clip, duration, pad, pretty_json, printable, width};
use crate::report::{Style, Tone};

/// Columns between two columns.
const GAP: usize = 2;

/// The widest that one cell may be.
const CELL_WIDTH: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunLine {
    pub id: String,
    pub plan: String,
    /// Its state, as in JSON: `rolled_back`.
    pub state: String,
    /// Who started it: `user@machine`.
    pub by: String,
    /// Why it was started (`--reason`).
    pub reason: Option<String>,
    /// Its labels (`--label`).
    pub labels: IndexMap<String, String>,
    pub begun_at: Timestamp,
    /// When it ended; `None` while it has not.
    pub ended_at: Option<Timestamp>,
    pub hosts: usize,
    /// The number of its open questions.
    pub questions: usize,
    /// What it waits for; see [`crate::report::open::waits_for`].
    pub waits_for: Vec<String>,
    /// The next commands; empty for a run that ended.
    pub next: Vec<String>,
}

/// A column: its heading, and when it is left out if the table is too wide (0: never).
struct Column {
    heading: &'static str,
    missed: u8,
    cell: fn(&RunLine, &Style) -> String,
}

const COLUMNS: [Column; 9] = [
    Column { heading: "RUN", missed: 0, cell: |run, _| printable(&run.id) },
    Column { heading: "STATE", missed: 0, cell: |run, _| printable(&run.state.replace('_', " ")) },
    Column { heading: "PLAN", missed: 1, cell: |run, _| printable(&run.plan) },
    Column {
        heading: "STARTED",
        missed: 2,
        cell: |run, style| style.format(run.begun_at, "%Y-%m-%d %H:%M"),
    },
    Column {
        heading: "TOOK",
        missed: 3,
        cell: |run, _| match run.ended_at {
            Some(ended) => duration(between(Some(run.begun_at), Some(ended))),
            None => "-".to_owned(),
        },
    },
    Column { heading: "HOSTS", missed: 5, cell: |run, _| run.hosts.to_string() },
    Column { heading: "BY", missed: 4, cell: |run, _| printable(&run.by) },
    Column {
        heading: "REASON",
        missed: 6,
        cell: |run, _| run.reason.as_deref().map(printable).unwrap_or_default(),
    },
    Column { heading: "LABELS", missed: 7, cell: |run, _| labels(run) },
];

/// Returns the runs as a table that fits the width, newest first.
pub fn text(runs: &[RunLine], style: &Style) -> String {
    if runs.is_empty() {
        return "no runs yet\n".to_owned();
    }
    let runs = newest_first(runs);
    let mut columns: Vec<(&Column, Vec<String>, usize)> = COLUMNS
        .iter()
        .map(|column| {
            let cells = runs.iter().map(|run| (column.cell)(run, style));
            let cells: Vec<String> = cells.map(|cell| clip(&cell, CELL_WIDTH)).collect();
            let widest = cells.iter().map(|cell| width(cell)).max();
            let widest = widest.unwrap_or_default().max(column.heading.len());
            (column, cells, widest)
        })
        .filter(|(_, cells, _)| cells.iter().any(|cell| !cell.is_empty()))
        .collect();
    while columns.iter().map(|(_, _, width)| width + GAP).sum::<usize>() > style.width + GAP {
        let least = columns.iter().map(|(column, ..)| column.missed).max();
        match least {
            Some(least @ 1..) => columns.retain(|(column, ..)| column.missed != least),
            _ => break,
        }
    }
    let mut out = String::new();
    let headings = columns.iter().map(|(column, _, width)| pad(column.heading, *width + GAP));
    let headings: String = headings.collect();
    out.push_str(&style.paint(Tone::Quiet, headings.trim_end()));
    out.push('\n');
    for (at, run) in runs.iter().enumerate() {
        let mut line = String::new();
        for (column, cells, width) in &columns {
            let cell = pad(&cells[at], *width + GAP);
            let is_state = column.heading == "STATE";
            let tone = if is_state { tone(&run.state) } else { Tone::Plain };
            line.push_str(&style.paint(tone, &cell));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    for run in runs.iter().filter(|run| !run.next.is_empty() || !run.waits_for.is_empty()) {
        let state = run.state.replace('_', " ");
        let line = format!("\n{} is {}", printable(&run.id), printable(&state));
        out.push_str(&style.paint(Tone::Strong, &line));
        out.push('\n');
        if let Some(reason) = &run.reason {
            let _written = writeln!(out, "  reason: {}", printable(reason));
        }
        if !run.labels.is_empty() {
            let _written = writeln!(out, "  labels: {}", labels(run));
        }
        for wait in &run.waits_for {
            let _written = writeln!(out, "  waiting for {wait}");
        }
        for command in &run.next {
            let _written = writeln!(out, "  {command}");
        }
    }
    out
}

fn labels(run: &RunLine) -> String {
    let labels = run.labels.iter().map(|(key, value)| format!("{key}={value}"));
    printable(&labels.collect::<Vec<String>>().join(", "))
}

/// Returns the runs as a JSON array, newest first.
pub fn json(runs: &[RunLine]) -> String {
    pretty_json(&newest_first(runs))
}

fn newest_first(runs: &[RunLine]) -> Vec<&RunLine> {
    let mut runs: Vec<&RunLine> = runs.iter().collect();
    runs.sort_by(|one, other| (other.begun_at, &other.id).cmp(&(one.begun_at, &one.id)));
    runs
}

fn tone(state: &str) -> Tone {
    match state {
        "succeeded" => Tone::Good,
        "failed" | "stuck" | "refused" => Tone::Bad,
        "paused" | "rolled_back" | "aborted" | "interrupted" => Tone::Warn,
        _ => Tone::Plain,
    }
}
