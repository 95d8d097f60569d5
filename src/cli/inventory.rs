//! `planrun inventory`: prints the hosts of an inventory as planrun reads them.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use clap::ValueEnum;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use crate::cli::programs::InventoryTimeout;
use crate::cli::{Context, Exit, Fault, chosen, runtime};
use crate::inventory::{Connection, Host, HostName, Inventory, PRINTED};
use crate::report::text::{count, pad, pretty_json, printable, width};
use crate::transport::ssh::{SshOptions, SshTransport};

/// Maximum width of the column of variable names.
const NAME_WIDTH: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum HostFormat {
    /// Text
    Human,
    /// As YAML
    Yaml,
    /// As JSON
    Json,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun inventory prod --limit 'backends:!backend3'
  planrun inventory prod --format json | jq '.hosts | keys'
  planrun inventory prod --format yaml > hosts.yaml")]
pub(super) struct Args {
    /// The inventories: paths, names in `inventories/`, or hosts separated by commas; later ones take
    /// precedence
    #[arg(value_name = "INV", required_unless_present = "options")]
    inventories: Vec<String>,
    /// Same as the positional INV
    #[arg(id = "options", long = "inventory", short = 'i', value_name = "INV")]
    options: Vec<String>,
    #[command(flatten)]
    patience: InventoryTimeout,
    /// Show only these hosts: a host pattern as in Ansible
    #[arg(long, short, value_name = "PATTERN")]
    limit: Option<String>,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: HostFormat,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let names: Vec<String> = args.inventories.iter().chain(&args.options).cloned().collect();
    let (limit, what) = (args.limit.as_deref(), "cannot show the inventory");
    let (inventory, hosts) = chosen::read(&names, limit, args.patience, what, context)?;
    context.print(&match args.format {
        HostFormat::Human if limit.is_some() => {
            human(&inventory, &hosts, &openssh(&inventory, &hosts)?)
        }
        HostFormat::Human => human(&inventory, &hosts, &HashMap::new()),
        HostFormat::Yaml => serde_yaml::to_string(&data(&inventory, &hosts)).unwrap_or_default(),
        HostFormat::Json => pretty_json(&data(&inventory, &hosts)),
    });
    Ok(Exit::SUCCEEDED)
}

fn of<'a>(inventory: &'a Inventory, hosts: &'a [HostName]) -> impl Iterator<Item = &'a Host> {
    hosts.iter().filter_map(|name| inventory.host(name))
}

/// Returns what OpenSSH's configuration sets for hosts, as lines.
fn openssh(
    inventory: &Inventory,
    hosts: &[HostName],
) -> Result<HashMap<HostName, Vec<String>>, Fault> {
    let ssh = SshTransport::new(SshOptions::default());
    let over_ssh = of(inventory, hosts)
        .filter(|host| host.link.connection.is_remote() && host.obstacles().is_empty());
    let asked = over_ssh.map(async |host| {
        let lines = match ssh.configured(host).await {
            Ok((set, _)) if set.is_empty() => Vec::new(),
            Ok((set, places)) => {
                let set = set.into_iter().map(|(name, value)| format!("{name} {value}"));
                let from = (!places.is_empty()).then(|| format!("(see {})", places.join(", ")));
                set.chain(from).collect()
            }
            Err(why) => vec![why],
        };
        (host.name.clone(), lines)
    });
    let asked = runtime("cannot read the configuration of ssh")?.block_on(join_all(asked));
    Ok(asked.into_iter().collect())
}

fn human(
    inventory: &Inventory,
    hosts: &[HostName],
    openssh: &HashMap<HostName, Vec<String>>,
) -> String {
    let mut out = String::new();
    for host in of(inventory, hosts) {
        // Writing to a string cannot fail.
        let _written = writeln!(out, "{}", printable(host.name.as_str()));
        line(&mut out, "reached", &printable(&way(host)));
        for (number, text) in openssh.get(&host.name).into_iter().flatten().enumerate() {
            line(&mut out, if number == 0 { "openssh" } else { "" }, &printable(text));
        }
        if !host.groups.is_empty() {
            line(&mut out, "groups", &printable(&host.groups.join(", ")));
        }
        let widest = host.vars.keys().map(|name| width(&printable(name))).max();
        let column = widest.unwrap_or_default().min(NAME_WIDTH);
        for (number, (name, variable)) in host.vars.iter().enumerate() {
            let heading = if number == 0 { "variables" } else { "" };
            let name = pad(&printable(name), column);
            let value = match &variable.written {
                Some(written) => format!("{} (written {written})", variable.value),
                None => variable.value.to_string(),
            };
            let value = printable(&value);
            let origin = printable(&variable.origin);
            line(&mut out, heading, &format!("{name} = {value}  ({origin})"));
        }
        out.push('\n');
    }
    let groups = inventory.groups.keys();
    let groups = groups.filter(|name| !matches!(name.as_str(), "all" | "ungrouped"));
    let groups = count(groups.count(), "group");
    let _written = writeln!(out, "{} of {groups}", count(hosts.len(), "host"));
    out
}

fn line(out: &mut String, heading: &str, text: &str) {
    let _written = writeln!(out, "  {heading:<10}{text}");
}

fn way(host: &Host) -> String {
    let link = &host.link;
    let mut way = match link.connection {
        Connection::Local => "on this machine".to_owned(),
        Connection::Model => {
            format!("model {}", link.model.as_deref().unwrap_or_default())
        }
        Connection::Ssh | Connection::OpenSsh => {
            let user = link.user.as_ref().map(|user| format!("{user}@"));
            let port = link.port.map(|port| format!(" port {port}"));
            format!("ssh {}{}{}", user.unwrap_or_default(), link.address, port.unwrap_or_default())
        }
    };
    if let Some(key) = &link.identity_file {
        way = format!("{way}, key {key}");
    }
    if link.r#become == Some(true) {
        let user = link.become_user.as_deref().unwrap_or("root");
        way = format!("{way}, becomes {user}");
    }
    match host.obstacles().first() {
        Some(obstacle) => {
            format!("not supported: `{}` ({})", obstacle.variable, obstacle.origin)
        }
        None => way,
    }
}

fn data(inventory: &Inventory, hosts: &[HostName]) -> Value {
    let each = of(inventory, hosts).map(|host| {
        let link = &host.link;
        let vars = host.vars.iter();
        let vars: Map<String, Value> =
            vars.map(|(name, variable)| (name.clone(), variable.value.clone())).collect();
        let mut value = json!({
            "connection": link.connection,
            "address": link.address,
            "port": link.port,
            "user": link.user,
            "connect_timeout": link.connect_timeout.map(|timeout| timeout.as_secs()),
            "identity_file": link.identity_file,
            "known_hosts": link.known_hosts,
            "become": link.r#become,
            "become_user": link.become_user,
            "model": link.model,
            "groups": host.groups,
            "variables": vars,
        });
        let written = host.vars.iter();
        let written = written.filter_map(|(name, one)| Some((name.clone(), one.written.clone()?)));
        let written: Map<String, Value> = written.collect();
        if !written.is_empty() {
            // So that inputs get the same value from a saved inventory.
            value["written"] = written.into();
        }
        (host.name.to_string(), value)
    });
    let each: Map<String, Value> = each.collect();
    let hosts: HashSet<&HostName> = hosts.iter().collect();
    let groups = inventory.groups.iter().map(|(name, members)| {
        let members = members.iter().filter(|name| hosts.contains(name));
        (name.clone(), json!(members.collect::<Vec<_>>()))
    });
    let groups: Map<String, Value> = groups.collect();
    json!({PRINTED: 1, "hosts": each, "groups": groups})
}
