//! `planrun runs`: lists the runs of this user on this machine.

use clap::ValueEnum;
use jiff::Timestamp;

use crate::cli::{Context, Exit, Fault, Stream};
use crate::event::RunStatus;
use crate::history::RunState;
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
pub(super) struct Args {
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: RunFormat,
    /// Read every event of every run and check the chain of hashes; exit with 74 if a run is damaged
    #[arg(long)]
    verify: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let runs = context.runs()?;
    let rows = runs.runs()?.into_iter();
    let lines: Vec<RunLine> = rows.map(|row| line(row, args.verify, &runs, context)).collect();
    context.print(&match args.format {
        RunFormat::Human => runs::text(&lines, &context.style(Stream::Out)),
        RunFormat::Json => runs::json(&lines),
    });
    if !args.verify {
        return Ok(Exit::SUCCEEDED);
    }
    let damaged = lines.iter().filter(|line| line.state == DAMAGED).count();
    if args.format == RunFormat::Human {
        context.say(&format!("{} verified, {damaged} damaged", count(lines.len(), "run")));
    }
    Ok(if damaged == 0 { Exit::SUCCEEDED } else { Exit::STORE })
}

fn line(row: RunRow, verify: bool, runs: &Reader, context: &Context) -> RunLine {
    let (mut state, mut waits_for, mut next) = (state_of(&row), Vec::new(), Vec::new());
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
        }
        if !damage.is_empty() {
            DAMAGED.clone_into(&mut state);
            waits_for = damage;
        }
    }
    RunLine {
        id: row.id.0,
        plan: row.plan,
        state,
        by: row.by,
        // A damaged row has no time; it comes last.
        begun_at: row.begun_at.unwrap_or(Timestamp::UNIX_EPOCH),
        ended_at: row.ended_at,
        hosts: row.hosts,
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
