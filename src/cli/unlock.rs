//! `planrun unlock`: releases the lock of a run that can no longer do that itself.

use crate::cli::programs::InventoryTimeout;
use crate::cli::{Context, Exit, Fault, chosen, locks, who};
use crate::clock::Clock;
use crate::inventory::{Connection, Host};
use crate::report::text::printable;
use crate::transport::Transport as _;
use crate::transport::lock::{LockReply, LockRequest, ReleasedBy};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun locks -i prod
  planrun unlock backend1 -i prod --id 4f1c9a27d0b35e68 --reason 'laptop of ada is lost'

The run that had the lock can send nothing more to the host, but a command that it has started may
still be running there.")]
pub(super) struct Args {
    /// The host, as the inventory names it
    #[arg(value_name = "HOST")]
    host: String,
    /// The inventories; later ones take precedence
    #[arg(long, short, value_name = "INV", required = true)]
    inventory: Vec<String>,
    #[command(flatten)]
    patience: InventoryTimeout,
    /// The lock, as `planrun locks` shows it
    #[arg(long, value_name = "LOCK")]
    id: String,
    /// The reason; the host shows it to the run that had the lock
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let (names, what) = (&args.inventory, "no host was contacted");
    let (inventory, hosts) = chosen::read(names, None, args.patience, what, context)?;
    let name = hosts.iter().find(|name| name.as_str() == args.host);
    let is_real = |host: &&Host| host.link.connection != Connection::Model;
    let Some(host) = name.and_then(|name| inventory.host(name)).filter(is_real) else {
        let message = format!("no host named `{}` with a lock in {}", args.host, inventory.path);
        return Err(Fault::new(Exit::INVALID, message)
            .help("to see the hosts and their locks, run `planrun locks -i INV`"));
    };
    if args.reason.trim().is_empty() {
        return Err(Fault::new(Exit::INVALID, "`--reason` must not be empty"));
    }
    let by = ReleasedBy { by: who(), at: Clock::Real.now(), reason: args.reason.clone() };
    let request = LockRequest::Release { id: args.id.clone(), by: Some(by) };
    let reply = locks::block_on(locks::transport().lock(host, &request))?;
    let exit = match &reply {
        Err(error) => Exit::of_hosts(std::iter::once(error)),
        Ok(_) => Exit::INVALID,
    };
    let why = match reply {
        Ok(LockReply::Released) => {
            context.say(&format!("released the lock {} of {}", printable(&args.id), host.name));
            return Ok(Exit::SUCCEEDED);
        }
        Ok(LockReply::Held(found)) => format!("{} is locked by {found}", host.name),
        Ok(_) => format!("{} is not locked", host.name),
        Err(error) => error.to_string(),
    };
    Err(Fault::new(exit, format!("cannot release the lock {}", args.id))
        .because(why)
        .help("nothing was changed; to see the locks, run `planrun locks -i INV`"))
}
