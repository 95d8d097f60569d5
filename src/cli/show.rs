//! `planrun show`: prints all details of a run.

use crate::cli::open_run::RunArg;
use crate::cli::runs::RunFormat;
use crate::cli::{Context, Exit, Fault, Stream};
use crate::report::open::StoredRun;
use crate::report::show;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: RunArg,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: RunFormat,
}

/// Prints the run. If events are damaged, it prints the readable ones, and the exit code is not 0.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let runs = context.runs()?;
    let run = runs.find(&args.word.run)?;
    let is_alive = runs.is_alive(&run);
    let reading = runs.reading(&run, 0)?;
    let damage: Vec<String> = reading.damage.iter().map(ToString::to_string).collect();
    let kept = StoredRun { records: &reading.records, damage: &damage, is_alive };
    let invocation = context.invocation(run, Stream::Out);
    context.print(&match args.format {
        RunFormat::Human => show::text(&kept, &invocation),
        RunFormat::Json => show::json(&kept, &invocation),
    });
    Ok(if damage.is_empty() { Exit::SUCCEEDED } else { Exit::STORE })
}
