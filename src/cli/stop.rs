//! `planrun stop`: pauses a run that another process works on, as `^C` does there.

use crate::cli::open_run::RunArg;
use crate::cli::{Context, Exit, Fault, open_run, request, who};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun stop last
  planrun stop last && planrun rollback last")]
pub(super) struct Args {
    #[command(flatten)]
    word: RunArg,
}

/// Returns when no process works on the run any more.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let store = context.store()?;
    let run = store.find(&args.word.run)?;
    if store.is_alive(&run) {
        request::stop_and_wait(&store, &run, &who(), context)?;
    }
    let status = open_run::status(&store.records(&run)?);
    let program = context.program();
    context.say(&if status.has_ended() {
        format!("run {run} has ended: {}", status.word())
    } else {
        format!(
            "no process works on run {run}; to continue, run `{program} resume {run}`; to undo it, run \
             `{program} rollback {run}`"
        )
    });
    Ok(Exit::SUCCEEDED)
}
