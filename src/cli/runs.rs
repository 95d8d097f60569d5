//! `planrun runs`: lists the runs of this user on this machine.
//!
//! The row of a run has its plan, state and times; only runs that have not ended are read in full. Hosts, reason and labels
//! are in the first event.

mod filter;

use clap::ValueEnum;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;

use crate::cli::runs::filter::Filters;
use crate::cli::{Context, Exit, Fault, Stream};
use crate::clock::Clock;
use crate::event::RunStatus;
use crate::history::RunState;
use crate::inventory::HostName;
use crate::report::open::StoredRun;
use crate::report::runs::RunLine;
use crate::report::text::count;
use crate::report::{open, runs};
use crate::store::{Reader, Reading, RunRow};

const DAMAGED: &str = "damaged";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RunFormat {
    /// Text
    Human,
    /// JSON
    Json,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun runs --state open                     what has not ended
  planrun runs --plan obox-restart --since 7d --state failed,stuck,rolled-back
  planrun runs --host backend1 --limit 5
  planrun runs --questions --format json")]
pub(super) struct Args {
    #[command(flatten)]
    filters: Filters,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: RunFormat,
    /// Read every event of each listed run and check the chain of hashes; exit with 74 if a run is damaged
    #[arg(long)]
    verify: bool,
}

/// What is read of the first event of a run.
#[derive(Debug, Default, Deserialize)]
struct Start {
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    labels: IndexMap<String, String>,
    #[serde(default)]
    hosts: Vec<HostName>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let range = args.filters.range(Clock::Real.now())?;
    let runs = context.runs()?;
    let rows = runs.runs()?;
    let has_runs = !rows.is_empty();
    let most = args.filters.limit.map_or(usize::MAX, std::num::NonZeroUsize::get);
    let (mut lines, mut more): (Vec<RunLine>, usize) = (Vec::new(), 0);
    for row in rows.into_iter().filter(|row| args.filters.fits_row(row, &state_of(row), range)) {
        let is_listed = lines.len() < most;
        let needs_start = is_listed || args.filters.need_hosts();
        let start: Start = needs_start.then(|| runs.first(&row.id)).flatten().unwrap_or_default();
        if !args.filters.fit_hosts(&start.hosts) {
            continue;
        }
        let line = line(&row, start, args.verify && is_listed, &runs, context);
        if !args.filters.fit_events(&row, &line.state, line.questions) {
            continue;
        }
        if is_listed {
            lines.push(line);
        } else {
            more += 1;
        }
    }
    context.print(&match args.format {
        RunFormat::Human if lines.is_empty() && has_runs => "no run matches\n".to_owned(),
        RunFormat::Human => runs::text(&lines, &context.style(Stream::Out)),
        RunFormat::Json => runs::json(&lines),
    });
    if more > 0 {
        let all = count(lines.len() + more, "run");
        context.say(&format!("listed the newest {} of {all}", lines.len()));
    }
    if !args.verify {
        return Ok(Exit::SUCCEEDED);
    }
    let damaged = lines.iter().filter(|line| line.state == DAMAGED).count();
    if args.format == RunFormat::Human {
        context.say(&format!("{} verified, {damaged} damaged", count(lines.len(), "run")));
    }
    Ok(if damaged == 0 { Exit::SUCCEEDED } else { Exit::STORE })
}

fn line(row: &RunRow, start: Start, verify: bool, runs: &Reader, context: &Context) -> RunLine {
    let (mut state, mut waits_for, mut next) = (state_of(row), Vec::new(), Vec::new());
    let mut questions = 0;
    let has_ended = row.state.is_some_and(RunStatus::has_ended);
    if verify || !has_ended {
        let reading = runs
            .reading(&row.id, 0)
            .unwrap_or_else(|fault| Reading { records: Vec::new(), damage: vec![fault] });
        let damage: Vec<String> = reading.damage.iter().map(ToString::to_string).collect();
        let kept = StoredRun { records: &reading.records, damage: &damage, is_alive: row.alive };
        let folded = RunState::for_report(&reading.records);
        if !has_ended {
            next = open::commands(&folded, &kept, &context.invocation(row.id.clone(), Stream::Out));
            waits_for = open::waits_for(&folded);
            questions = folded.open_questions().len();
        }
        if !damage.is_empty() {
            DAMAGED.clone_into(&mut state);
            waits_for = damage;
        }
    }
    RunLine {
        id: row.id.0.clone(),
        plan: row.plan.clone(),
        state,
        by: row.by.clone(),
        reason: start.reason,
        labels: start.labels,
        // A damaged row has no time; it comes last.
        begun_at: row.begun_at.unwrap_or(Timestamp::UNIX_EPOCH),
        ended_at: row.ended_at,
        hosts: row.hosts,
        questions,
        waits_for,
        next,
    }
}

/// Returns the state of a run, as in JSON.
pub(super) fn state_of(row: &RunRow) -> String {
    if row.is_interrupted() {
        return "interrupted".to_owned();
    }
    row.state.map_or_else(|| DAMAGED.to_owned(), |state| state.word().replace(' ', "_"))
}
