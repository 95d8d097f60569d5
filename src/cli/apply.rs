//! `planrun apply`: starts a new run of a plan on the hosts of an inventory.

use std::num::NonZeroUsize;
use std::path::Path;

use crate::cli::preview::Format;
use crate::cli::session::{How, Session};
use crate::cli::subject::{Subject, load};
use crate::cli::targets::Targets;
use crate::cli::values::assignment;
use crate::cli::view::Output;
use crate::cli::{Context, Exit, Fault, open_run, preview, revision, saved, who};
use crate::clock::Clock;
use crate::event::{Event, RunEvent, SecretSources};
use crate::file::absolute;
use crate::history::RunState;
use crate::load::Loaded;
use crate::report::text::{count, list, printable};
use crate::resolve::{ResolvedPlan, secrets};
use crate::run::planned::planned;

/// Maximum number of hosts that are listed before a run starts.
const MOST_HOSTS: usize = 8;
/// Maximum length of a reason and of a label, in bytes.
const MAX_ABOUT: usize = 1000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun apply plans/obox-restart.yaml -i demo
  planrun apply plans/obox-restart.yaml -i prod --limit backend1 --set drain_for=30m
  planrun apply plans/obox-restart.yaml -i prod --reason 'security update' --label ticket=CHG-1234
  planrun apply plans/obox-restart.yaml -i prod --output json >run.jsonl

PLAN may also be a saved preview (`planrun preview PLAN -i INV -o FILE`), which needs no inventory. If the
plan, the inventory, an input or a check of the preflight has changed since, it is refused.")]
pub(super) struct Args {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    how: How,
    /// Why the run is started; shown wherever the run is
    #[arg(long, value_name = "TEXT", value_parser = about)]
    reason: Option<String>,
    /// A label of the run, such as the number of a change ticket; repeat it for more
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Show what would be done, and change nothing: the same as `planrun preview`
    #[arg(long)]
    dry_run: bool,
    /// Start without asking for confirmation; questions of the plan are still asked
    #[arg(long, short, overrides_with = "yes")]
    yes: bool,
}

/// Reads a reason, or the value of a label.
fn about(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".to_owned()),
        text if text.len() > MAX_ABOUT => Err(format!("must not exceed {MAX_ABOUT} bytes")),
        text => Ok(text.to_owned()),
    }
}

fn label(word: &str) -> Result<(String, String), String> {
    let (key, value) = assignment(word).map_err(|_| "expected KEY=VALUE".to_owned())?;
    Ok((about(&key)?, about(&value)?))
}

/// Returns a path that means the same in another directory. A list of hosts is not a path.
fn whole_path(path: &Path) -> String {
    let shown = path.display().to_string();
    if path.exists() { absolute(&shown) } else { shown }
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let asked = &args.subject;
    let is_json = args.how.output(context)? == Output::Json;
    let format = if is_json { Format::Json } else { Format::Human };
    let (subject, loaded, preview) = match saved::read(&asked.plan, context)? {
        Some(saved) => {
            let (subject, loaded, preview) = saved::again(&saved, asked, context)?;
            (subject, loaded, Some(preview))
        }
        None if args.dry_run => return preview::show(&asked.or_default(context)?, format, context),
        None => {
            let subject = asked.or_default(context)?;
            let loaded = load(&subject, context)?;
            (subject, loaded, None)
        }
    };
    if let Some(preview) = preview.as_ref().filter(|_| args.dry_run) {
        preview::print(preview, &loaded, format, context);
        return Ok(Exit::SUCCEEDED);
    }
    let times = args.how.times(loaded.model.is_some(), context)?;
    if !args.yes && loaded.model.is_none() {
        context.say(preview::short(&loaded, &subject, preview, context).trim_end());
        if !context.confirm(&question(&loaded.plan))? {
            return Ok(Exit::INVALID);
        }
    }
    begin(args, &subject, loaded, times, context)
}

/// Starts the run.
fn begin(
    args: &Args,
    subject: &Subject,
    loaded: Loaded,
    times: Option<f64>,
    context: &Context,
) -> Result<Exit, Fault> {
    let by = who();
    let store = context.store()?;
    let path = subject.plan.display().to_string();
    let models = loaded.model.iter().map(|model| (model.name.clone(), model.text.clone()));
    let mut first = planned(&loaded.plan, &path, &loaded.text, &by, models.collect());
    first.arguments = arguments(args, subject, &loaded.plan);
    first.limit.clone_from(&subject.values.limit);
    first.serial = subject.values.serial.map(NonZeroUsize::get);
    first.reason.clone_from(&args.reason);
    first.labels = args.labels.iter().cloned().collect();
    first.commit = revision::commit_of(&subject.plan, &loaded.text);
    if secrets::are_needed(&loaded.plan.plan) {
        first.secrets = Some(SecretSources {
            inputs: subject.values.inputs.as_deref().map(whole_path),
            inventory: None,
            inventories: loaded.inventories.iter().map(|path| whole_path(path)).collect(),
        });
    }
    store.need_room(open_run::room(&first))?;
    let first = Event::Run(RunEvent::Planned(Box::new(first)));
    let journal = store.begin_new(Clock::Real.now(), &by)?;
    open_run::need_machines(&store, &journal, &first)?;
    let inventory = &loaded.plan.inventory;
    let targets = Targets::new(loaded.model, inventory, &store, journal.run(), None, times)?;
    let session = Session {
        context,
        store: &store,
        journal: &journal,
        plan: &loaded.plan,
        targets: &targets,
        history: &[],
        state: RunState::default(),
        first,
        how: args.how,
        by,
    };
    context.write(args.how.output(context)?.report(), &format!("run {}", journal.run()));
    session.run()
}

/// Returns the arguments that start such a run again, without secrets and `--limit`.
fn arguments(args: &Args, subject: &Subject, plan: &ResolvedPlan) -> Vec<String> {
    let hidden: Vec<&str> = secrets::hidden(&plan.plan).map(|(name, _)| name.as_str()).collect();
    let mut words = vec![subject.plan.display().to_string()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    for inventory in &subject.inventory {
        option("--inventory", inventory.clone());
    }
    if let Some(inputs) = &subject.values.inputs {
        option("--inputs", inputs.display().to_string());
    }
    for (name, value) in &subject.values.set {
        let value = if hidden.contains(&name.as_str()) { "..." } else { value };
        option("--set", format!("{name}={value}"));
    }
    if let Some(most) = subject.values.serial {
        option("--serial", most.to_string());
    }
    if let Some(reason) = &args.reason {
        option("--reason", reason.clone());
    }
    for (key, value) in &args.labels {
        option("--label", format!("{key}={value}"));
    }
    words
}

fn question(plan: &ResolvedPlan) -> String {
    format!(
        "start {} on {} of {}: {}?",
        printable(&plan.plan.name),
        count(plan.hosts.len(), "host"),
        printable(&plan.inventory.path),
        list(plan.hosts.iter().map(super::super::inventory::HostName::as_str), MOST_HOSTS),
    )
}
