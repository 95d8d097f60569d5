//! `planrun show`: prints all details of a run, or writes them as a page.

use clap::ValueEnum;

use crate::cli::{Context, Exit, Fault, Stream};
use crate::report::open::StoredRun;
use crate::report::{run_page, show};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text
    Human,
    /// JSON, with all events
    Json,
    /// A page for a change ticket
    Markdown,
    /// A page in one file, without scripts and without access to a network
    Html,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun show                              the last run
  planrun show last --format html >run.html
  planrun show last --format markdown       for a change ticket")]
pub(super) struct Args {
    /// Run ID, a unique prefix or suffix, or `last`
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

/// Prints the run. If events are damaged, it prints the readable ones, and the exit code is not 0.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let runs = context.runs()?;
    let run = runs.find(&args.run)?;
    let is_alive = runs.is_alive(&run);
    let reading = runs.reading(&run, 0)?;
    let damage: Vec<String> = reading.damage.iter().map(ToString::to_string).collect();
    let kept = StoredRun { records: &reading.records, damage: &damage, is_alive };
    let invocation = context.invocation(run, Stream::Out);
    context.print(&match args.format {
        Format::Human => show::text(&kept, &invocation),
        Format::Json => show::json(&kept, &invocation),
        Format::Markdown => run_page::page(&kept, &invocation).markdown(),
        Format::Html => run_page::page(&kept, &invocation).html(),
    });
    Ok(if damage.is_empty() { Exit::SUCCEEDED } else { Exit::STORE })
}
