//! `planrun show`: one run in full.

use crate::cli::context::Context;
use crate::cli::context::Stream;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::runs::Format;
use crate::cli::stored::Word;
use crate::report::show;

/// See the module.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: Word,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

/// Prints the run.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let store = context.store()?;
    let run = store.find(&args.word.run)?;
    let records = store.records(&run)?;
    context.print(&match args.format {
        Format::Human => show::text(&run, &records, &context.style(Stream::Out)),
        Format::Json => show::json(&run, &records),
    });
    Ok(Exit::SUCCEEDED)
}
