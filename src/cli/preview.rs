//! `planrun preview`: what `apply` would do now, without doing it.

use std::path::PathBuf;

use futures_util::FutureExt as _;

use crate::cli::observe::{about, observe};
use crate::cli::subject::{Subject, load};
use crate::cli::{Context, Exit, Fault, Stream, expected, saved};
use crate::load::Loaded;
use crate::preview::markdown::markdown;
use crate::preview::{Preview, human, preview};
use crate::report::text::{pretty_json, printable};
use crate::resolve::secrets;
use crate::run::survey::survey;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Text, with colours on a terminal
    #[default]
    Human,
    /// JSON
    Json,
    /// Markdown
    Markdown,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun preview plans/obox-restart.yaml -i demo
  planrun preview plans/obox-restart.yaml -i prod --limit backend1 --set drain_for=30m
  planrun preview plans/obox-restart.yaml -i prod -o restart.preview
  planrun apply restart.preview

It logs in to the hosts and runs probes, which only read. The exit code is that of `apply` if it would be refused now.")]
pub(super) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Also save it to a file: `planrun apply FILE` does exactly this, or refuses if something has changed
    #[arg(short = 'o', long = "save", value_name = "FILE")]
    save: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let subject = &args.subject.or_default(context)?;
    let loaded = load(subject, context)?;
    let (preview, exit) = observe(&loaded, subject)?;
    print(&preview, &loaded, args.format, context);
    let Some(path) = &args.save else { return Ok(exit) };
    if exit != Exit::SUCCEEDED {
        context.say("the preview was not saved: `planrun apply` would refuse it");
        return Ok(exit);
    }
    saved::save(path, subject, &loaded, preview)?;
    let path = printable(&path.display().to_string());
    // Secrets are not in the file.
    let is_secret =
        |name: &str| secrets::hidden(&loaded.plan.plan).any(|(hidden, _)| hidden == name);
    let given = subject.values.set.iter().filter(|(name, _)| is_secret(name));
    let mut words = vec![format!("planrun apply {path}")];
    words.extend(given.map(|(name, _)| format!("--set {name}=...")));
    let command = words.join(" ");
    context.say(&format!("saved to {path}; to do exactly this, run `{command}`"));
    Ok(exit)
}

/// Shows the preview of a plan.
pub(super) fn show(subject: &Subject, format: Format, context: &Context) -> Result<Exit, Fault> {
    let loaded = load(subject, context)?;
    let (preview, exit) = observe(&loaded, subject)?;
    print(&preview, &loaded, format, context);
    Ok(exit)
}

pub(super) fn print(preview: &Preview, loaded: &Loaded, format: Format, context: &Context) {
    let expected = expected::of_preview(preview, &loaded.plan, context);
    let preview = &Preview { expected, ..preview.clone() };
    // Outputs of hosts are searched for secrets already; the plan itself may have one written in it.
    let redactor = &loaded.plan.secrets.redactor;
    context.print(&match format {
        Format::Human => {
            redactor.text(&human::human(preview, &context.style(Stream::Out))).into_owned()
        }
        Format::Json => {
            let mut value = serde_json::json!(preview);
            redactor.value(&mut value);
            pretty_json(&value)
        }
        Format::Markdown => redactor.text(&markdown(preview)).into_owned(),
    });
}

/// Says in a few lines what a run would do; without a preview that is known, no host is contacted.
pub(super) fn short(
    loaded: &Loaded,
    subject: &Subject,
    known: Option<Preview>,
    context: &Context,
) -> String {
    let mut preview = known.unwrap_or_else(|| {
        let survey = survey(&loaded.plan, None).now_or_never().unwrap_or_default();
        preview(&loaded.plan, &survey, about(loaded, subject))
    });
    preview.expected = expected::of_preview(&preview, &loaded.plan, context);
    human::short(&preview, &context.style(Stream::Err))
}
