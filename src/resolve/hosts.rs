//! The hosts of a run, and the other groups and hosts that a plan names.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use indexmap::IndexSet;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::inventory::pattern::PatternError;
use crate::inventory::{Host, HostName, Inventory, Locking, pattern};
use crate::plan::{ItemList, Plan, Target};
use crate::resolve::Inputs;
use crate::schema::one_of;
use crate::source::Span;

/// Returns the hosts to work on; none if a problem was reported.
pub(super) fn targets(
    plan: &Plan,
    inventory: &Inventory,
    given: &Inputs,
    found: &mut Diagnostics,
) -> Vec<HostName> {
    let (text, span) = &plan.hosts;
    let hosts = match pattern::resolve(text, inventory) {
        Ok(hosts) => hosts,
        Err(error) => {
            mismatch(&error, "", Some(*span), inventory).emit(found);
            return Vec::new();
        }
    };
    if hosts.is_empty() {
        let message = format!("`{text}` matches no host in {}", inventory.path);
        Diagnostic::error(Code::NoHosts, message)
            .at(*span, "matches no host")
            .also(inventory.place(text), "has no hosts")
            .help("add hosts to the group, or use another one")
            .emit(found);
        return hosts;
    }
    let hosts = match &given.limit {
        Some(limit) => limited(hosts, limit, inventory, found),
        None => hosts,
    };
    in_sections(hosts, plan, inventory, found)
}

/// Lowers `serial` of a plan to at most so many hosts at a time. A number that lowers nothing is an error: the user
/// expects another number of hosts.
pub(super) fn cap(plan: &mut Plan, most: NonZeroUsize, found: &mut Diagnostics) {
    let sizes = plan.serial.iter().flat_map(|section| &section.sizes).copied();
    let largest = sizes.max().unwrap_or(1);
    if most.get() > largest {
        let message = format!("`--serial {most}` is more than `serial` of the plan, {largest}");
        Diagnostic::error(Code::SerialRaised, message)
            .help("leave it out, or use a lower number")
            .help("to work on more hosts at a time, change `serial` of the plan")
            .emit(found);
    }
    plan.cap(most.get());
}

/// Puts hosts into the order of the groups in `serial`. Each must be in exactly one of them.
fn in_sections(
    hosts: Vec<HostName>,
    plan: &Plan,
    inventory: &Inventory,
    found: &mut Diagnostics,
) -> Vec<HostName> {
    let groups = || plan.serial.iter().filter_map(|section| section.group.as_ref());
    let Some((_, at)) = groups().next() else { return hosts };
    for (name, span) in groups() {
        members(name, *span, inventory, found);
    }
    let of = |(name, _): &(String, Span)| -> HashSet<HostName> {
        inventory.members(name).unwrap_or_default().into_iter().collect()
    };
    let groups: Vec<(&String, HashSet<HostName>)> =
        groups().map(|group| (&group.0, of(group))).collect();
    let mut sections = vec![Vec::new(); groups.len()];
    for host in hosts {
        let is_in =
            |(_, (_, members)): &(usize, &(&String, HashSet<HostName>))| members.contains(&host);
        let all: Vec<(usize, &str)> = groups
            .iter()
            .enumerate()
            .filter(is_in)
            .map(|(at, (name, _))| (at, name.as_str()))
            .collect();
        let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
        let message = match all[..] {
            [(section, _)] => {
                sections[section].push(host);
                continue;
            }
            [] => format!("{host} is in no group of `serial`"),
            _ => format!("{host} is in several groups of `serial`: {}", names.join(", ")),
        };
        Diagnostic::error(Code::SerialGroup, message)
            .at(*at, "each host must be in exactly one of these groups")
            .also(inventory.place(host.as_str()), "defined here")
            .help("change the groups, or `hosts` of the plan")
            .emit(found);
    }
    sections.concat()
}

fn limited(
    hosts: Vec<HostName>,
    limit: &str,
    inventory: &Inventory,
    found: &mut Diagnostics,
) -> Vec<HostName> {
    let chosen: HashSet<HostName> = match pattern::resolve(limit, inventory) {
        Ok(chosen) => chosen.into_iter().collect(),
        Err(error) => {
            mismatch(&error, &format!("`--limit {limit}`: "), None, inventory).emit(found);
            return Vec::new();
        }
    };
    let all = names(&hosts);
    let left: Vec<HostName> = hosts.into_iter().filter(|host| chosen.contains(host)).collect();
    if left.is_empty() {
        Diagnostic::error(
            Code::NoHosts,
            format!("`--limit {limit}` excludes every host of the plan"),
        )
        .help(format!("choose from {all}"))
        .emit(found);
    }
    left
}

/// Returns what is wrong with a pattern at a place of the plan; `by` is who gives it, if it is elsewhere.
fn mismatch(
    error: &PatternError,
    by: &str,
    span: Option<Span>,
    inventory: &Inventory,
) -> Diagnostic {
    let (message, near) = match error {
        PatternError::Unknown { part, near: Some(near) } => {
            (format!("no host or group named `{part}` in {}", inventory.path), Some(near.as_str()))
        }
        other => (other.to_string(), None),
    };
    let place = span.and(near).and_then(|near| inventory.place(near));
    Diagnostic::error(Code::UnknownHost, format!("{by}{message}"))
        .at(span, "the hosts of the plan")
        .also(place, "defined here")
        .suggest(near, groups(inventory))
}

fn groups(inventory: &Inventory) -> String {
    let groups: Vec<&str> = inventory
        .groups
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "ungrouped")
        .take(8)
        .collect();
    format!("groups in the inventory: {}", one_of(&groups).replace(" or ", " and "))
}

/// Lists hosts, not more than a line of them.
pub(super) fn names(hosts: &[HostName]) -> String {
    let mut words: Vec<String> = hosts.iter().take(5).map(|host| format!("`{host}`")).collect();
    if hosts.len() > words.len() {
        words.push(format!("{} more", hosts.len() - words.len()));
    }
    words.join(", ")
}

/// Returns the targets of the probes and steps of a plan.
fn delegates(plan: &Plan) -> Vec<&Target> {
    let mut places: Vec<&Target> = plan.probes.values().map(|probe| &probe.target).collect();
    plan.visit(&mut |step| places.extend(step.effect().map(|effect| &effect.target)));
    places
}

/// Returns the groups whose hosts are the items of a step, and their places.
pub(super) fn item_groups(plan: &Plan) -> Vec<(&str, Span)> {
    let mut groups = Vec::new();
    plan.visit(&mut |step| {
        if let Some(ItemList::HostsOf(group, span)) = step.for_each.as_ref().map(|each| &each.list)
        {
            groups.push((group.as_str(), *span));
        }
    });
    groups
}

/// Returns all hosts that a plan may connect to: its targets, and those it delegates to.
pub(super) fn reached<'a>(
    plan: &Plan,
    targets: &[HostName],
    inventory: &'a Inventory,
) -> Vec<&'a Host> {
    let mut names: IndexSet<HostName> = targets.iter().cloned().collect();
    let places = delegates(plan);
    let is_at_items = places.iter().any(|place| matches!(place, Target::Item(_)));
    let groups = item_groups(plan).into_iter().filter(|_| is_at_items).map(|(group, _)| group);
    for name in places.into_iter().filter_map(Target::name).chain(groups) {
        names.extend(inventory.members(name).unwrap_or_default());
    }
    names.iter().filter_map(|name| inventory.host(name)).collect()
}

/// Looks up the groups and hosts of `delegate_to` and `locks`.
pub(super) fn places(plan: &Plan, inventory: &Inventory, found: &mut Diagnostics) {
    for place in delegates(plan) {
        match place {
            Target::Here | Target::Item(_) => {}
            Target::Host(name, span) => {
                if !inventory.hosts.contains_key(&HostName::new(name)) {
                    not_a_host(name, *span, inventory, found);
                }
            }
            Target::OneOf(name, span) | Target::EachOf(name, span) | Target::RowsOf(name, span) => {
                members(name, *span, inventory, found);
            }
        }
    }
    for (name, span) in item_groups(plan) {
        members(name, span, inventory, found);
    }
    for (name, span) in &plan.locks {
        members(name, *span, inventory, found);
    }
    for (name, span) in plan.used_groups() {
        members(name, span.unwrap_or(plan.hosts.1), inventory, found);
    }
    for (name, span) in &plan.locks {
        let members = inventory.members(name).unwrap_or_default();
        let mut members = members.iter().filter_map(|name| inventory.host(name));
        if let Some(host) = members.find(|host| host.link.locking == Locking::None) {
            let message = format!("`locks` is not enforced on {}", host.name);
            Diagnostic::warning(Code::LocksNotEnforced, message)
                .at(*span, "its inventory sets `planrun_locks: none`")
                .help("remove `planrun_locks` from the inventory, or the host from `locks`")
                .emit(found);
        }
    }
}

fn not_a_host(name: &str, span: Span, inventory: &Inventory, found: &mut Diagnostics) {
    if !inventory.groups.contains_key(name) {
        return unknown(name, span, inventory, found);
    }
    Diagnostic::error(Code::GroupNotHost, format!("`{name}` is a group, not a host"))
        .at(span, "expected a host")
        .also(inventory.place(name), "the group")
        .help(format!("use `delegate_to: {{one_of: {name}}}`"))
        .emit(found);
}

fn members(name: &str, span: Span, inventory: &Inventory, found: &mut Diagnostics) {
    match inventory.members(name) {
        None => unknown(name, span, inventory, found),
        Some(members) if members.is_empty() => {
            Diagnostic::error(Code::NoHosts, format!("group `{name}` has no hosts"))
                .at(span, format!("empty in {}", inventory.path))
                .also(inventory.place(name), "has no hosts")
                .help("add hosts to the group")
                .emit(found);
        }
        Some(_) => {}
    }
}

fn unknown(name: &str, span: Span, inventory: &Inventory, found: &mut Diagnostics) {
    let hosts = inventory.hosts.keys().map(HostName::as_str);
    let near = nearest(name, inventory.groups.keys().map(String::as_str).chain(hosts));
    let message = format!("no host or group named `{name}` in {}", inventory.path);
    let fault = Diagnostic::error(Code::UnknownHost, message).at(span, "not in the inventory");
    if ["localhost", "127.0.0.1", "::1"].contains(&name) {
        let line = format!("`{name}: {{planrun_connection: local}}`");
        fault.help(format!("to use this machine, add it to the inventory: {line}")).emit(found);
        return;
    }
    let place = near.and_then(|near| inventory.place(near));
    fault.also(place, "defined here").suggest(near, groups(inventory)).emit(found);
}
