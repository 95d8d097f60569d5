//! Converts the [`Draft`] to an [`Inventory`]: orders groups, and applies precedence to variables.
//!
//! From weak to strong, as in Ansible: variables of groups in the inventory file, parents before
//! children; `group_vars/all`; `group_vars` of groups; variables of hosts in the inventory file;
//! `host_vars`. Groups are ordered by depth (the longest path from `all`), then
//! `ansible_group_priority`, then name. Hosts with the same groups share the work.

use std::collections::{BTreeSet, HashMap};

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::draft::{ALL, Draft, Given, HostDraft, UNGROUPED, Vars};
use crate::inventory::link::LinkReader;
use crate::inventory::tree::Tree;
use crate::inventory::{Host, HostName, Inventory, Location, Variable, checks};
use crate::schema::foreign::variables;
use crate::source::{Sources, Span};

/// Maximum size of the variables and groups of all hosts, in bytes (estimated). Variables of a group are
/// copied to each of its hosts, so a small file could fill the memory.
const MAX_BYTES: usize = 128 * 1024 * 1024;
/// Maximum number of group memberships of all hosts, with the parents of groups.
const MAX_MEMBERS: usize = 1_000_000;

/// Makes the inventory; `None` (and a diagnostic) if the groups cannot be ordered, or all of it is too
/// large.
pub(super) fn build(
    draft: &Draft,
    shown: &str,
    sources: &Sources,
    found: &mut Diagnostics,
) -> Option<Inventory> {
    if draft.is_full() {
        return None;
    }
    checks::report_oddities(draft, shown, found);
    checks::report_ignored(draft, found);
    let tree = Tree::new(draft, found)?;
    let mut lineages: HashMap<Vec<usize>, Lineage<'_>> = HashMap::new();
    // The location of a span as `path:line`.
    let origin = |span: Span| {
        let source = sources.get(span.source);
        format!("{}:{}", source.path(), source.line_of(span.range().start) + 1)
    };
    let mut links = LinkReader::new(found);
    let mut hosts = IndexMap::with_capacity(draft.hosts.len());
    if let Some(fault) = excess(draft, &tree, &mut lineages) {
        links.found.push(fault);
        return None;
    }
    for (name, host) in &draft.hosts {
        if links.found.gives_up() {
            return None;
        }
        let lineage = lineages
            .entry(direct_groups(host))
            .or_insert_with_key(|direct| Lineage::new(draft, &tree, direct));
        let mut given = lineage.vars.clone();
        for (name, own) in host.vars.iter().chain(host.file_vars.iter()) {
            given.insert(name, own);
        }
        let host_name = HostName::new(name);
        links.vars = given;
        let link = links.link(name, host.place);
        let kept = links.vars.iter().filter(|(name, _)| !variables::is_secret(name));
        let (encrypted, open): (Vec<_>, Vec<_>) = kept.partition(|(_, given)| given.encrypted);
        let encrypted = encrypted.into_iter();
        let encrypted = encrypted.map(|(&name, given)| (name.to_owned(), origin(given.name)));
        let encrypted = encrypted.collect();
        let vars = open.into_iter().map(|(&name, given)| {
            let value = Value::clone(&given.value);
            let written = given.written.as_deref().cloned();
            let (origin, place) = (origin(given.name), Location(Some(given.place)));
            (name.to_owned(), Variable { value, written, origin, place })
        });
        let host = Host {
            name: host_name.clone(),
            link,
            vars: vars.collect(),
            encrypted,
            groups: lineage.names(draft),
        };
        hosts.insert(host_name, host);
    }
    if links.found.has_errors() {
        return None;
    }
    let groups = (0..draft.groups.len()).filter_map(|group| {
        let (name, _) = draft.groups.get_index(group)?;
        Some((name.clone(), members(draft, &tree, group)))
    });
    let groups = groups.collect();
    Some(Inventory { path: shown.to_owned(), hosts, groups, places: places(draft) })
}

fn places(draft: &Draft) -> HashMap<String, Location> {
    let groups = draft.groups.iter();
    let groups = groups.map(|(name, group)| (name, group.place));
    let hosts = draft.hosts.iter();
    let hosts = hosts.map(|(name, host)| (name, Some(host.place)));
    groups.chain(hosts).map(|(name, place)| (name.clone(), Location(place))).collect()
}

/// Reports the host at which all hosts become too large, before anything is copied.
fn excess<'a>(
    draft: &'a Draft,
    tree: &Tree,
    lineages: &mut HashMap<Vec<usize>, Lineage<'a>>,
) -> Option<Diagnostic> {
    let (mut bytes, mut members): (usize, usize) = (0, 0);
    draft.hosts.values().find_map(|host| {
        let lineage = lineages
            .entry(direct_groups(host))
            .or_insert_with_key(|direct| Lineage::new(draft, tree, direct));
        let own = host.vars.values().chain(host.file_vars.values());
        let own: usize = own.map(weight_of).sum();
        bytes = bytes.saturating_add(lineage.weight + own);
        members += lineage.groups.len();
        let (message, help) = if bytes > MAX_BYTES {
            (
                format!("the variables of all hosts take more than {MAX_BYTES} bytes"),
                "move large values to files that a plan uploads",
            )
        } else if members > MAX_MEMBERS {
            (
                format!("hosts have more than {MAX_MEMBERS} group memberships"),
                "nest fewer groups, or split the inventory",
            )
        } else {
            return None;
        };
        let fault = Diagnostic::error(Code::InventoryTooLarge, message);
        Some(fault.at(host.place, "the limit is exceeded at this host").help(help))
    })
}

/// Returns the hosts of a group in Ansible's order: level by level, each host once.
fn members(draft: &Draft, tree: &Tree, group: usize) -> Vec<HostName> {
    let mut seen: BTreeSet<usize> = BTreeSet::from([group]);
    let mut hosts: IndexSet<usize> = IndexSet::new();
    let mut level = vec![group];
    while !level.is_empty() {
        let mut next = Vec::new();
        for group in level {
            let own = draft.groups[group].hosts.iter().copied();
            if group == UNGROUPED {
                // A host that is in another group too is not ungrouped.
                let loose = own.chain(0..draft.hosts.len()).filter(|&host| {
                    let groups = &draft.hosts[host].groups;
                    groups.iter().all(|&group| group <= UNGROUPED)
                });
                hosts.extend(loose);
            } else {
                hosts.extend(own);
            }
            let children = tree.children[group].iter().copied();
            next.extend(children.filter(|&child| seen.insert(child)));
        }
        level = next;
    }
    let named = hosts.iter().filter_map(|&host| draft.hosts.get_index(host));
    named.map(|(name, _)| HostName::new(name)).collect()
}

/// Size of a value without its text, in bytes (estimated).
const NODE: usize = 64;

fn weight_of(given: &Given) -> usize {
    weight(&given.value) + given.written.as_deref().map_or(0, weight)
}

fn weight(value: &Value) -> usize {
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(pairs) => {
            let pairs = pairs.iter();
            pairs.map(|(key, value)| key.len() + weight(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Returns the groups of a host; `ungrouped` only if there is no other.
fn direct_groups(host: &HostDraft) -> Vec<usize> {
    let named = host.groups.iter().copied();
    let mut direct: Vec<usize> = named.filter(|&group| group > UNGROUPED).collect();
    if direct.is_empty() {
        direct.push(UNGROUPED);
    }
    direct
}

/// The groups of a host and their variables.
struct Lineage<'a> {
    /// The groups with their parents, nearest last, `all` first.
    groups: Vec<usize>,
    vars: IndexMap<&'a str, &'a Given>,
    /// The size of both for each host, in bytes (estimated).
    weight: usize,
}

impl<'a> Lineage<'a> {
    fn new(draft: &'a Draft, tree: &Tree, direct: &[usize]) -> Self {
        let groups = tree.with_parents(direct);
        let mut vars = IndexMap::new();
        let mut add = |more: &'a Vars| {
            vars.extend(more.iter().map(|(name, given)| (name.as_str(), given)));
        };
        for &group in &groups {
            add(&draft.groups[group].vars);
        }
        // As in Ansible, a folder of variables precedes those of earlier inventories, whatever the groups;
        // those of `all` come first.
        let (all, others): (Vec<usize>, Vec<usize>) = groups.iter().partition(|&&one| one == ALL);
        for groups in [all, others] {
            let folders = groups.iter().map(|&group| draft.groups[group].file_vars.len()).max();
            for folder in 0..folders.unwrap_or(0) {
                for &group in &groups {
                    draft.groups[group].file_vars.get(folder).into_iter().for_each(&mut add);
                }
            }
        }
        let weights = vars.values().map(|given: &&Given| weight_of(given));
        let weight = weights.sum::<usize>() + groups.len() * NODE;
        Self { groups, vars, weight }
    }

    fn names(&self, draft: &Draft) -> Vec<String> {
        let named = self.groups.iter().filter(|&&group| group != ALL);
        named
            .filter_map(|&group| draft.groups.get_index(group))
            .map(|(name, _)| name.clone())
            .collect()
    }
}
