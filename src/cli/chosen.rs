//! The hosts of an inventory that a command works on, without a plan.

use crate::cli::programs::{Guarded, InventoryTimeout};
use crate::cli::{Context, Exit, Fault, print};
use crate::diagnostic::Diagnostics;
use crate::inventory::{Connection, Host, HostName, Inventory};
use crate::load;
use crate::source::Sources;

#[derive(Debug, clap::Args)]
pub(super) struct Chosen {
    /// A host pattern as in Ansible; all hosts by default
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// The inventory: a path, a name in `inventories/`, or hosts separated by commas; repeat it for more;
    /// later ones take precedence; by default `$PLANRUN_INVENTORY`, else `inventory` of your configuration
    #[arg(long, short, value_name = "INV")]
    inventory: Vec<String>,
    #[command(flatten)]
    patience: InventoryTimeout,
}

impl Chosen {
    /// Reads the inventory, and returns the selected hosts that exist outside of a model.
    pub(super) fn hosts(&self, what: &str, context: &Context) -> Result<Vec<Host>, Fault> {
        let pattern = self.pattern.as_deref();
        let named = context.inventory_or(&self.inventory)?;
        if named.is_empty() {
            let fault = Fault::new(Exit::INVALID, "missing `--inventory`: which hosts?");
            return Err(fault
                .help("add `--inventory INV`: a path, a name, or hosts separated by commas")
                .help("or set PLANRUN_INVENTORY in the environment, or `inventory` in your configuration"));
        }
        let (mut inventory, names) = read(&named, pattern, self.patience, what, context)?;
        if names.is_empty() {
            let why = format!("no host is left of `{}`", pattern.unwrap_or("all"));
            return Err(Fault::new(Exit::INVALID, why));
        }
        let hosts = names.iter().filter_map(|name| inventory.hosts.shift_remove(name));
        let hosts = hosts.filter(|host| host.link.connection != Connection::Model);
        let chosen: Vec<Host> = hosts.collect();
        if chosen.is_empty() {
            context.say("only model hosts are selected: there is nothing to connect to");
        }
        Ok(chosen)
    }
}

/// Reads inventories and the hosts of a pattern, all of them without one. Problems are printed; `what` is
/// what they prevent.
pub(super) fn read(
    names: &[String],
    pattern: Option<&str>,
    patience: InventoryTimeout,
    what: &str,
    context: &Context,
) -> Result<(Inventory, Vec<HostName>), Fault> {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let mut programs = Guarded::new(patience);
    let inventory = load::inventory(names, None, &mut programs, &mut sources, &mut found);
    programs.report(context);
    let chosen = inventory.and_then(|(_, inventory)| {
        let hosts = load::hosts(&inventory, pattern, &mut found)?;
        Some((inventory, hosts))
    });
    match chosen {
        Some(_) => print::diagnostics(&found, &sources, context),
        None => print::refuse(&found, &sources, what, context),
    }
    chosen.ok_or(Fault::reported(Exit::INVALID))
}
