//! The ways to the hosts that a plan connects to: those that planrun does not take are errors.
//!
//! An inventory may contain hosts that only other tools reach. They are an error only if a plan works
//! on them, or delegates to them: then nothing is sent to any host.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::route::{Obstacle, Way};
use crate::inventory::{Host, HostName};
use crate::resolve::hosts::names;

/// Reports the hosts that are not reached directly; each place once, with all its hosts.
pub(super) fn check(hosts: &[&Host], found: &mut Diagnostics) {
    let mut all: IndexMap<(String, String), (Obstacle, Vec<HostName>)> = IndexMap::new();
    for host in hosts {
        for obstacle in host.obstacles() {
            let key = (obstacle.variable.clone(), obstacle.origin.clone());
            let (_, hosts) = all.entry(key).or_insert_with(|| (obstacle, Vec::new()));
            hosts.push(host.name.clone());
        }
    }
    for (obstacle, hosts) in all.values() {
        found.push(fault(obstacle, &names(hosts)));
    }
}

/// Removes the warnings that reading the inventory gave, if there is an error of the same kind.
pub(super) fn supersede(errors: &Diagnostics, found: &mut Diagnostics) {
    let key = |one: &Diagnostic| Some((one.code, one.primary.as_ref()?.span));
    let keys: HashSet<_> = errors.sorted().into_iter().filter_map(key).collect();
    found.retain(|one| key(one).is_none_or(|key| !keys.contains(&key)));
}

fn fault(obstacle: &Obstacle, hosts: &str) -> Diagnostic {
    let Obstacle { variable, origin, way, .. } = obstacle;
    let at = |fault: Diagnostic, label: &str| match obstacle.place {
        Some(place) => fault.at(place, label),
        None => fault.help(format!("see `{variable}` at {origin}")),
    };
    if let Way::Connection(name) = way {
        let message = format!("unsupported connection `{name}` of {hosts}");
        let fault = Diagnostic::error(Code::ForeignConnection, message);
        return at(fault, "planrun supports `ssh` and `local`")
            .help("use `planrun_connection: ssh` if you mean SSH");
    }
    let message = match way {
        Way::Hop(option) => {
            format!("{hosts}: connecting through another host by `{option}` is not implemented")
        }
        Way::Other(option) => {
            format!("{hosts}: `{option}` is not an option of ssh, but the name of a host")
        }
        Way::Program => format!("{hosts}: connecting through another program is not implemented"),
        Way::Connection(_) | Way::Unknown => {
            format!("{hosts}: cannot parse the value of `{variable}`")
        }
    };
    let fault = Diagnostic::error(Code::UnsupportedRoute, message);
    let fault = at(fault, "planrun would connect directly, maybe to another host");
    fault
        .help("use `-J` or `ProxyCommand` in `ansible_ssh_common_args`, or `~/.ssh/config`")
        .help(format!("and clear the variable in an inventory that comes last: `{variable}: \"\"`"))
}
