//! `planrun apply`: a plan, an inventory, a new run.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::identity::who;
use crate::cli::load::Values;
use crate::cli::models::{Machines, Named};
use crate::cli::programs::{Guarded, Patience};
use crate::cli::session::Session;
use crate::cli::view::Output;
use crate::cli::{load, models, stored, tell};
use crate::clock::Clock;
use crate::diagnostic::Diagnostics;
use crate::event::{Event, SecretSources};
use crate::history::RunState;
use crate::report::text::{count, list, printable};
use crate::resolve;
use crate::resolve::{ResolvedPlan, secrets};
use crate::run::planned::planned;
use crate::source::Sources;

/// Most hosts that are named before a run begins.
const MOST_HOSTS: usize = 8;

/// See the module.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun apply plans/obox-restart.yaml -i demo
  planrun apply plans/obox-restart.yaml -i prod --limit backend1 --set drain_for=30m
  planrun apply plans/obox-restart.yaml -i prod --output json >run.jsonl")]
pub(super) struct Args {
    /// The plan
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The inventory: a path, the name of one in `inventories/` beside the plan, or hosts with commas;
    /// repeat it for more, the later over the earlier
    #[arg(long, short, value_name = "INV", required = true)]
    inventory: Vec<String>,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    pub(super) values: Values,
    /// How the run is shown
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    output: Output,
    /// Start without asking for confirmation; questions of the plan are still asked
    #[arg(long, short, overrides_with = "yes")]
    yes: bool,
}

/// What was read, all of it sound.
struct Ready {
    plan: ResolvedPlan,
    text: String,
    model: Option<Named>,
    /// Where the inventories were found.
    inventory: Vec<PathBuf>,
}

/// Returns a path that means the same in another directory.
fn absolute(path: &Path) -> String {
    // A list of hosts is no path.
    if !path.exists() {
        return path.display().to_string();
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.display().to_string()
}

/// Begins a run and drives it.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let ready = read(args, context)?;
    let is_model = ready.model.is_some();
    if !args.yes && !is_model && !context.confirm(&question(&ready.plan))? {
        return Ok(Exit::INVALID);
    }
    let by = who();
    let store = context.store()?;
    let path = args.plan.display().to_string();
    let texts = Named::texts(ready.model.as_ref());
    let mut first = planned(&ready.plan, &path, &ready.text, &by, texts);
    first.arguments = arguments(args, &ready.plan);
    first.limit.clone_from(&args.values.limit);
    if secrets::are_needed(&ready.plan.plan) {
        first.secrets = Some(SecretSources {
            inputs: args.values.inputs.as_deref().map(absolute),
            inventory: None,
            inventories: ready.inventory.iter().map(|path| absolute(path)).collect(),
        });
    }
    store.need_room(stored::room(&first))?;
    let first = Event::RunPlanned(Box::new(first));
    let journal = store.begin_new(Clock::Real.now(), &by)?;
    stored::need_machines(&store, &journal, &first)?;
    let inventory = &ready.plan.inventory;
    let machines = Machines::new(ready.model, inventory, &store, journal.run(), None)?;
    let session = Session {
        context,
        store: &store,
        journal: &journal,
        plan: &ready.plan,
        machines: &machines,
        history: &[],
        state: RunState::default(),
        first: vec![first],
        output: args.output,
        by,
    };
    context.say(&format!("run {}", journal.run()));
    session.run()
}

/// Returns the words that start such a run again, secrets and `--limit` left out.
fn arguments(args: &Args, plan: &ResolvedPlan) -> Vec<String> {
    let hidden: Vec<&str> = secrets::hidden(&plan.plan).map(|(name, _)| name.as_str()).collect();
    let mut words = vec![args.plan.display().to_string()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    for inventory in &args.inventory {
        option("--inventory", inventory.clone());
    }
    if let Some(inputs) = &args.values.inputs {
        option("--inputs", inputs.display().to_string());
    }
    for (name, value) in &args.values.set {
        let value = if hidden.contains(&name.as_str()) { "..." } else { value };
        option("--set", format!("{name}={value}"));
    }
    words
}

/// Reads all texts; all that is wrong with them is told at once.
fn read(args: &Args, context: &Context) -> Result<Ready, Fault> {
    let mut sources = Sources::default();
    let mut found = Diagnostics::default();
    let plan_dir = load::directory(&args.plan);
    let plan = load::plan(&args.plan, &mut sources, &mut found);
    let mut programs = Guarded::new(args.patience);
    let inventory =
        load::inventory(&args.inventory, Some(plan_dir), &mut programs, &mut sources, &mut found);
    programs.report(context);
    let given = load::given(&args.values, plan_dir, &mut sources, &mut found);
    let model = inventory.as_ref().and_then(|(path, inventory)| {
        models::read(inventory, path, plan_dir, &mut sources, &mut found).ok()
    });
    let file = given.as_ref().and_then(|given| Some(given.file.as_ref()?.0));
    let has_secrets = plan.as_ref().is_none_or(|(_, plan)| secrets::are_needed(plan));
    let ready = match (plan, inventory, given) {
        (Some((id, plan)), Some((place, inventory)), Some(given)) => {
            let text = sources.get(id).text().to_owned();
            resolve::resolve(plan, inventory, &given, &mut sources, &mut found)
                .zip(model)
                .map(|(plan, model)| Ready { plan, text, model, inventory: place })
        }
        _ => None,
    };
    if let Some(file) = file.filter(|_| has_secrets) {
        load::hide_inputs(file, &mut sources);
    }
    match ready {
        Some(ready) if !found.has_errors() => {
            tell::tell(&found, &sources, context);
            Ok(ready)
        }
        _ => {
            tell::refuse(&found, &sources, "nothing was done", context);
            Err(Fault::told(Exit::INVALID))
        }
    }
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
