//! A plan with its inventory and values, as `apply`, `preview` and `look` take them.

use std::path::PathBuf;

use crate::cli::programs::{Guarded, InventoryTimeout};
use crate::cli::values::Values;
use crate::cli::{Context, Exit, Fault, print};
use crate::diagnostic::Diagnostics;
use crate::load::{self, Loaded, Request};
use crate::source::Sources;

/// What a plan is, and what it is applied to.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Subject {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub(super) plan: PathBuf,
    /// The inventory: a path, a name in `inventories/` next to the plan, or hosts separated by commas; repeat
    /// it for more; later ones take precedence; by default
    /// `$PLANRUN_INVENTORY`, else `inventory` of your configuration
    #[arg(long, short, value_name = "INV")]
    pub(super) inventory: Vec<String>,
    #[command(flatten)]
    pub(super) patience: InventoryTimeout,
    #[command(flatten)]
    pub(super) values: Values,
}

impl Subject {
    /// Takes the inventory from the environment or the configuration, if the command line has none.
    pub(super) fn or_default(&self, context: &Context) -> Result<Self, Fault> {
        Ok(Self { inventory: context.inventory_or(&self.inventory)?, ..self.clone() })
    }
}

/// Loads everything; all problems are reported at once.
pub(super) fn load(args: &Subject, context: &Context) -> Result<Loaded, Fault> {
    if args.inventory.is_empty() {
        // A wrong path comes first: an inventory does not help.
        let shown = args.plan.display();
        let text = std::fs::read(&args.plan)
            .map_err(|error| Fault::of(Exit::INVALID, format!("cannot read `{shown}`"), &error))?;
        if text.is_empty() {
            return Err(Fault::new(Exit::INVALID, format!("`{shown}` is empty")));
        }
        let why = format!("missing `--inventory`: which hosts is `{}` for?", args.plan.display());
        let fault = Fault::new(Exit::INVALID, why);
        return Err(fault
            .help("add `--inventory INV`: a path, a name, or hosts separated by commas")
            .help(
                "or set PLANRUN_INVENTORY in the environment, or `inventory` in your configuration",
            ));
    }
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let request = Request {
        secret_commands: context.settings()?.secret_commands(),
        ..args.values.request(&args.inventory)
    };
    let mut programs = Guarded::new(args.patience);
    let loaded = load::load(&args.plan, &request, &mut programs, &mut sources, &mut found);
    programs.report(context);
    if loaded.is_some() {
        print::diagnostics(&found, &sources, context);
    } else {
        print::refuse(&found, &sources, "nothing was changed", context);
    }
    loaded.ok_or(Fault::reported(Exit::INVALID))
}
