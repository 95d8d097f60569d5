//! The hosts of an inventory that a command works on, without a plan.

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::print;
use crate::cli::programs::{Guarded, InventoryTimeout};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::{Connection, Host};
use crate::load;
use crate::source::Sources;

#[derive(Debug, clap::Args)]
pub(super) struct Chosen {
    /// A host pattern as in Ansible; all hosts by default
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// The inventory: a path, a name in `inventories/`, or hosts separated by commas; repeat it for more;
    /// later ones take precedence
    #[arg(long, short, value_name = "INV", required = true)]
    inventory: Vec<String>,
    #[command(flatten)]
    patience: InventoryTimeout,
}

impl Chosen {
    /// Reads the inventory, and returns the selected hosts that exist outside of a model.
    pub(super) fn hosts(&self, what: &str, context: &Context) -> Result<Vec<Host>, Fault> {
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let mut programs = Guarded::new(self.patience);
        let read = load::inventory(&self.inventory, None, &mut programs, &mut sources, &mut found);
        programs.report(context);
        let chosen = read.and_then(|(_, mut inventory)| {
            let names = load::hosts(&inventory, self.pattern.as_deref(), &mut found)?;
            if names.is_empty() {
                let pattern = self.pattern.as_deref().unwrap_or("all");
                let why = format!("no host is left of `{pattern}`");
                found.push(Diagnostic::error(Code::HostPattern, why));
                return None;
            }
            let hosts = names.iter().filter_map(|name| inventory.hosts.shift_remove(name));
            Some(hosts.filter(|host| host.link.connection != Connection::Model).collect())
        });
        let chosen: Vec<Host> = chosen.ok_or_else(|| {
            print::refuse(&found, &sources, what, context);
            Fault::told(Exit::INVALID)
        })?;
        print::diagnostics(&found, &sources, context);
        if chosen.is_empty() {
            context.say("only model hosts are selected: there is nothing to connect to");
        }
        Ok(chosen)
    }
}
