//! `planrun prune`: removes old runs that have ended.
//!
//! A run that is paused, stuck or interrupted is never removed, however old it is: its hosts need it.

use std::time::Duration;

use crate::cli::targets;
use crate::cli::values::duration;
use crate::cli::{Context, Exit, Fault, who};
use crate::clock::Clock;
use crate::event::RunStatus;
use crate::report::text::{count, printable};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun prune --dry-run
  planrun prune --older-than 30d

A run that is paused, stuck or interrupted is never removed.")]
pub(super) struct Args {
    /// Remove runs that ended longer ago than this
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = duration)]
    older_than: Duration,
    /// Only list the runs that would be removed
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    // A dry run needs no right to write.
    let store = (!args.dry_run).then(|| context.store()).transpose()?;
    let rows = match &store {
        Some(store) => store.runs()?,
        None => context.runs()?.runs()?,
    };
    let by = who();
    let before = Clock::Real
        .now()
        .checked_sub(args.older_than)
        .map_err(|error| Fault::of(Exit::INVALID, "`--older-than` is out of range", &error))?;
    let mut removed = 0;
    for row in rows {
        let state = row.state.filter(|state| state.has_ended());
        let (Some(state), Some(ended)) = (state, row.ended_at) else { continue };
        if ended >= before || row.alive {
            continue;
        }
        if let Some(store) = &store {
            if !store.remove(&row.id, &by)? {
                continue;
            }
            targets::forget(store, &row.id).map_err(|error| {
                Fault::of(Exit::STORE, format!("cannot remove the model of run {}", row.id), &error)
            })?;
        }
        removed += 1;
        let plan = printable(&row.plan);
        context.print(&format!("{}  {plan}  {}  {ended:.0}\n", row.id, RunStatus::word(state)));
    }
    let what = if args.dry_run { "would be removed" } else { "removed" };
    context.say(&format!("{} {what}", count(removed, "run")));
    Ok(Exit::SUCCEEDED)
}
