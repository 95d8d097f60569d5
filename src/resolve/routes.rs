//! The ways to the hosts that a plan connects to: those that planrun does not take are errors.
//!
//! An inventory may hold hosts that only other tools reach. They are no error until a plan works on
//! them, or delegates to them: then nothing is sent, neither there nor anywhere else.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::inventory::Host;
use crate::inventory::HostName;
use crate::inventory::route::Obstacle;
use crate::inventory::route::Way;
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

/// Removes the warnings that reading the inventory gave, where there is an error of the same kind.
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
        let message = format!("the connection `{name}` of {hosts} is not supported");
        let fault = Diagnostic::error(Code::ForeignConnection, message);
        return at(fault, "planrun supports `ssh` and `local`")
            .help("write `planrun_connection: ssh` if SSH is meant");
    }
    let message = match way {
        Way::Hop(option) => {
            format!("{hosts}: connecting through another host (`{option}`) is not implemented")
        }
        Way::Other(option) => {
            format!("{hosts}: the option `{option}` of ssh changes the way there")
        }
        Way::Program => format!("{hosts}: connecting by another program is not implemented"),
        Way::Connection(_) | Way::Unknown => {
            format!("{hosts}: the value of `{variable}` cannot be read")
        }
    };
    let fault = Diagnostic::error(Code::UnsupportedRoute, message);
    let fault = at(fault, "planrun would connect directly, to another host");
    if let Way::Other(_) = way {
        return fault.help(
            "write `ansible_host`, `ansible_port` and `ansible_user` instead, and remove the option",
        );
    }
    fault.help("run planrun on a machine that reaches these hosts directly").help(format!(
        "clear the variable there, in an inventory that comes last: `{variable}: \"\"`"
    ))
}
