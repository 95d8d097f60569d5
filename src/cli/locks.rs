//! `planrun locks`: lists which run has locked each host. Also what other commands share about locks.

use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::cli::open_run::planned;
use crate::cli::programs::InventoryTimeout;
use crate::cli::runs::RunFormat;
use crate::cli::{Context, Exit, Fault, Stream, chosen, runtime};
use crate::event::RunStatus;
use crate::inventory::{Connection, Host};
use crate::report::Style;
use crate::report::text::{columns, pretty_json, printable};
use crate::run::locks::locked_hosts;
use crate::transport::hosts::{Hosts, at_a_time};
use crate::transport::local::LocalTransport;
use crate::transport::lock::{Found, LockReply, LockRequest};
use crate::transport::ssh::{SshOptions, SshTransport};
use crate::transport::{Transport as _, TransportError};

/// How many hosts are asked at the same time.
const WIDTH: usize = 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun locks -i prod
  planrun locks -i prod --limit 'backends:!backend3' --format json
  planrun locks                        the hosts of your runs that have not ended")]
pub(super) struct Args {
    /// The inventories; by default, the hosts of the runs in the state directory that have not ended
    #[arg(long, short, value_name = "INV")]
    inventory: Vec<String>,
    #[command(flatten)]
    patience: InventoryTimeout,
    /// Ask only these hosts: a host pattern as in Ansible
    #[arg(long, short, value_name = "PATTERN", requires = "inventory")]
    limit: Option<String>,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: RunFormat,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let hosts = if args.inventory.is_empty() {
        of_open_runs(context)?
    } else {
        let (names, limit) = (&args.inventory, args.limit.as_deref());
        let (inventory, names) =
            chosen::read(names, limit, args.patience, "no host was contacted", context)?;
        let hosts = names.iter().filter_map(|name| inventory.host(name));
        hosts.filter(|host| host.link.connection != Connection::Model).cloned().collect()
    };
    let transport = transport();
    let ask = hosts.iter().map(|host| transport.lock(host, &LockRequest::Show));
    let replies = block_on(at_a_time(WIDTH, ask))?;
    let exit = Exit::of_hosts(replies.iter().filter_map(|reply| reply.as_ref().err()));
    let rows: Vec<(&Host, Result<LockReply, TransportError>)> = hosts.iter().zip(replies).collect();
    context.print(&match args.format {
        RunFormat::Human => human(&rows, &context.style(Stream::Out)),
        RunFormat::Json => {
            pretty_json(&rows.iter().map(|(host, reply)| data(host, reply)).collect::<Vec<_>>())
        }
    });
    Ok(exit)
}

/// Makes what commands about locks reach hosts by. Model hosts have no locks.
pub(super) fn transport() -> Hosts {
    Hosts::new(SshTransport::new(SshOptions::default()), LocalTransport::new(), None)
}

/// Runs a future that needs connections.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Fault> {
    Ok(LocalSet::new().block_on(&runtime("cannot connect to hosts")?, future))
}

/// Returns what to do about a host that another run has locked.
pub(super) fn help(context: &Context) -> [String; 2] {
    let program = context.program();
    [
        format!(
            "wait for that run, or wait here with `--lock-timeout 10m`; see `{program} locks -i INV`"
        ),
        format!(
            "if that run can no longer be resumed or aborted: \
             `{program} unlock HOST -i INV --id LOCK --reason TEXT`"
        ),
    ]
}

/// Returns the hosts of the runs that have not ended.
fn of_open_runs(context: &Context) -> Result<Vec<Host>, Fault> {
    let runs = context.runs()?;
    let mut hosts: Vec<Host> = Vec::new();
    for row in runs.runs()? {
        if row.state.is_some_and(RunStatus::has_ended) {
            continue;
        }
        let records = runs.reading(&row.id, 0)?.records;
        let Ok(planned) = planned(&records) else { continue };
        for host in locked_hosts(&planned.inventory, planned.hosts.iter().chain(&planned.locks)) {
            let is_known = |known: &Host| known.name == host.name && known.link == host.link;
            if host.link.connection != Connection::Model && !hosts.iter().any(is_known) {
                hosts.push(host.clone());
            }
        }
    }
    Ok(hosts)
}

fn human(rows: &[(&Host, Result<LockReply, TransportError>)], style: &Style) -> String {
    if rows.is_empty() {
        return "no hosts to ask\n".to_owned();
    }
    let mut lines = vec![["HOST", "LOCKED BY", "SINCE", "RUN", "PLAN", "LOCK"].map(str::to_owned)];
    for (host, reply) in rows {
        let mut line = <[String; 6]>::default();
        line[0] = printable(host.name.as_str());
        match reply {
            Ok(LockReply::Held(Found { holder: Some(holder), .. })) => {
                line[1] = printable(&holder.by);
                line[2] = style.format(holder.since, "%Y-%m-%d %H:%M");
                line[3] = printable(&holder.run);
                line[4] = printable(&holder.plan);
                line[5] = printable(&holder.id);
            }
            Ok(LockReply::Held(found)) => line[1] = printable(&found.to_string()),
            Ok(LockReply::Needless) => "- (planrun_locks: none)".clone_into(&mut line[1]),
            Ok(_) => "-".clone_into(&mut line[1]),
            Err(error) => line[1] = printable(&error.to_string()),
        }
        lines.push(line);
    }
    columns(&lines, |line| !line[2].is_empty())
}

fn data(host: &Host, reply: &Result<LockReply, TransportError>) -> Value {
    let name = host.name.as_str();
    match reply {
        Ok(LockReply::Held(Found { user, holder })) => {
            json!({"host": name, "state": "locked", "user": user, "lock": holder})
        }
        Ok(LockReply::Needless) => json!({"host": name, "state": "none"}),
        Ok(_) => json!({"host": name, "state": "free"}),
        Err(error) => json!({"host": name, "state": "unknown", "error": error.to_string()}),
    }
}
