//! `planrun rollback`: a run turns round.

use crate::cli::again::Again;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::identity::who;
use crate::cli::resume::go_on;
use crate::cli::stored;
use crate::cli::stored::Word;
use crate::cli::view::Output;
use crate::event::Event;
use crate::event::RunStatus;

/// See the module.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: Word,
    #[command(flatten)]
    again: Again,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How the run is shown
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    output: Output,
}

/// Takes the run over, turns it round and drives it on.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let store = context.store()?;
    let run = store.find(&args.word.run)?;
    let status = stored::status(&store.records(&run)?);
    if matches!(status, RunStatus::RolledBack | RunStatus::Refused) {
        context.say(&format!(
            "run {run} is {}: nothing is left to undo",
            status.word()
        ));
        return Ok(Exit::SUCCEEDED);
    }
    let by = who();
    let taken = stored::take(&store, &run, &by)?;
    let requested = Event::RollbackRequested {
        by: by.clone(),
        reason: args.reason.clone(),
    };
    taken.takes(&requested, taken.now(&store)?).map_err(|why| {
        Fault::new(
            Exit::INVALID,
            format!("run {run} cannot be rolled back: {why}"),
        )
        .help(format!("see what was done: `planrun show {run}`"))
    })?;
    go_on(
        taken,
        vec![requested],
        &args.again,
        args.output,
        by,
        &store,
        context,
    )
}
