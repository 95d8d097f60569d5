//! `planrun preview`: what `apply` would do now, without doing it.

use futures_util::FutureExt as _;
use tokio::task::LocalSet;

use crate::cli::subject::{Subject, load};
use crate::cli::targets::Targets;
use crate::cli::{Context, Exit, Fault, Stream, log, runtime};
use crate::load::Loaded;
use crate::preview::markdown::markdown;
use crate::preview::{About, Preview, human, preview};
use crate::report::text::pretty_json;
use crate::run::survey::survey;
use crate::transport::redacting::Redacting;

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

It logs in to the hosts and runs probes, which only read. The exit code is that of `apply` if it would be refused now.")]
pub(super) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    show(&args.subject, args.format, context)
}

/// Shows the preview of a plan.
pub(super) fn show(subject: &Subject, format: Format, context: &Context) -> Result<Exit, Fault> {
    let loaded = load(subject, context)?;
    let (preview, exit) = observe(&loaded, subject)?;
    // Outputs of hosts are searched for secrets already; the plan itself may have one written in it.
    let redactor = &loaded.plan.secrets.redactor;
    context.print(&match format {
        Format::Human => {
            redactor.text(&human::human(&preview, &context.style(Stream::Out))).into_owned()
        }
        Format::Json => {
            let mut value = serde_json::json!(preview);
            redactor.value(&mut value);
            pretty_json(&value)
        }
        Format::Markdown => redactor.text(&markdown(&preview)).into_owned(),
    });
    Ok(exit)
}

/// Reaches the hosts and runs the probes of a preview. Also returns how `apply` would end if it were refused.
pub(super) fn observe(loaded: &Loaded, subject: &Subject) -> Result<(Preview, Exit), Fault> {
    let doing = "cannot make a preview";
    let plan = &loaded.plan;
    log::hide(&plan.secrets.redactor);
    let runtime = runtime(doing)?;
    let targets = Targets::reading(loaded.model.clone(), &plan.inventory)?;
    let transport = Redacting { transport: &targets.transport, redactor: &plan.secrets.redactor };
    let work = targets.clock.run(survey(plan, Some(&transport)));
    let survey = LocalSet::new().block_on(&runtime, work);
    // A question at the terminal may still be open.
    runtime.shutdown_background();
    let preview = preview(plan, &survey, about(loaded, subject));
    let refused = survey.hosts.iter().filter_map(|host| host.refused.as_ref());
    let exit = Exit::of_hosts(refused);
    let is_refused = exit == Exit::SUCCEEDED && !preview.can_start();
    Ok((preview, if is_refused { Exit::INVALID } else { exit }))
}

/// Says in a few lines what a run would do, without contacting a host.
pub(super) fn short(loaded: &Loaded, subject: &Subject, context: &Context) -> String {
    let survey = survey(&loaded.plan, None);
    let survey = survey.now_or_never().unwrap_or_default();
    let preview = preview(&loaded.plan, &survey, about(loaded, subject));
    human::short(&preview, &context.style(Stream::Err))
}

fn about<'a>(loaded: &'a Loaded, subject: &'a Subject) -> About<'a> {
    About {
        path: subject.plan.to_str().unwrap_or_default(),
        inventory: &loaded.plan.inventory.path,
        is_model: loaded.model.is_some(),
    }
}
