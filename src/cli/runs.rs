//! `planrun runs`: the runs of this user on this machine.

use clap::ValueEnum;
use jiff::Timestamp;

use crate::cli::context::Context;
use crate::cli::context::Stream;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::report::runs;
use crate::report::runs::RunLine;
use crate::store::RunRow;

/// How facts of a run are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Human,
    /// For programs
    Json,
}

/// See the module.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How they are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

/// Prints the runs.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let rows = context.store()?.runs()?;
    let lines: Vec<RunLine> = rows.into_iter().map(line).collect();
    context.print(&match args.format {
        Format::Human => runs::text(&lines, &context.style(Stream::Out)),
        Format::Json => runs::json(&lines),
    });
    Ok(Exit::SUCCEEDED)
}

fn line(row: RunRow) -> RunLine {
    let state = if row.is_interrupted() {
        "interrupted".to_owned()
    } else {
        row.state.map_or_else(|| "damaged".to_owned(), |state| state.word().replace(' ', "_"))
    };
    RunLine {
        id: row.id.0,
        plan: row.plan,
        state,
        by: row.by,
        // A damaged row has no time; it stands behind all others.
        begun_at: row.begun_at.unwrap_or(Timestamp::UNIX_EPOCH),
        ended_at: row.ended_at,
        hosts: row.hosts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RunId;
    use crate::event::RunStatus;

    fn row(state: Option<RunStatus>, alive: bool) -> RunRow {
        RunRow {
            id: RunId("a1".to_owned()),
            plan: "p".to_owned(),
            plan_path: "p.yaml".to_owned(),
            by: "ann@ops1".to_owned(),
            begun_at: None,
            ended_at: None,
            state,
            hosts: 2,
            alive,
        }
    }

    #[test]
    fn a_run_whose_process_died_is_called_interrupted() {
        assert_eq!(line(row(Some(RunStatus::Running), false)).state, "interrupted");
        assert_eq!(line(row(Some(RunStatus::Running), true)).state, "running");
        assert_eq!(line(row(Some(RunStatus::RolledBack), false)).state, "rolled_back");
        assert_eq!(line(row(None, false)).state, "damaged");
    }
}
