//! The [`Draft`] to an [`Inventory`]: groups into an order, variables by precedence.
//!
//! From weak to strong, as Ansible has it: variables of groups in the inventory file, parents
//! before children; `group_vars/all`; `group_vars` of groups; variables of hosts in the inventory
//! file; `host_vars`. Groups are ordered by their depth (the longest way from `all`), then
//! `ansible_group_priority`, then name. Hosts with the same groups share the work.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::rc::Rc;

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::nearest;
use crate::inventory::Host;
use crate::inventory::HostName;
use crate::inventory::Inventory;
use crate::inventory::Variable;
use crate::inventory::draft::ALL;
use crate::inventory::draft::Draft;
use crate::inventory::draft::Given;
use crate::inventory::draft::GroupDraft;
use crate::inventory::draft::HostDraft;
use crate::inventory::draft::UNGROUPED;
use crate::inventory::draft::Vars;
use crate::inventory::link;
use crate::inventory::link::LinkReader;
use crate::source::SourceId;
use crate::source::Sources;
use crate::source::Span;

/// Deepest nesting of groups.
const MAX_DEPTH: usize = 64;

/// Makes the inventory; `None` where the groups cannot be brought into an order.
pub(super) fn build(
    draft: &Draft,
    shown: &str,
    sources: &Sources,
    found: &mut Diagnostics,
) -> Option<Inventory> {
    tell_oddities(draft, shown, found);
    link::tell_ignored(draft, found);
    let tree = Tree::new(draft, found)?;
    let mut members: Vec<Vec<HostName>> = vec![Vec::new(); draft.groups.len()];
    let mut lineages: HashMap<Vec<usize>, Rc<Lineage>> = HashMap::new();
    let mut lines = Lines::new(sources);
    let mut links = LinkReader::new(found);
    let mut hosts = IndexMap::with_capacity(draft.hosts.len());
    for (name, host) in &draft.hosts {
        let direct = direct_groups(host);
        let lineage = lineages
            .entry(direct)
            .or_insert_with_key(|direct| Rc::new(Lineage::new(draft, &tree, direct)))
            .clone();
        let host_name = HostName::new(name);
        for &group in &lineage.groups {
            members[group].push(host_name.clone());
        }
        let mut vars: IndexMap<&str, &Given> = lineage.vars.clone();
        for (name, given) in host.vars.iter().chain(&host.file_vars) {
            vars.insert(name, given);
        }
        let link = links.link(name, host.place, &vars);
        let kept = vars.iter().filter(|(name, _)| !link::is_secret(name));
        let kept = kept.map(|(&name, given)| {
            let value = given.value.clone();
            let origin = lines.origin(given.name);
            (name.to_owned(), Variable { value, origin })
        });
        let host = Host {
            name: host_name.clone(),
            link,
            vars: kept.collect(),
            groups: lineage.names(draft),
        };
        hosts.insert(host_name, host);
    }
    Some(Inventory {
        path: shown.to_owned(),
        hosts,
        groups: draft.groups.keys().cloned().zip(members).collect(),
    })
}

/// Returns the groups a host was put in; `ungrouped` only where there is no other.
fn direct_groups(host: &HostDraft) -> Vec<usize> {
    let named = host.groups.iter().copied();
    let mut direct: Vec<usize> = named.filter(|&group| group > UNGROUPED).collect();
    if direct.is_empty() {
        direct.push(UNGROUPED);
    }
    direct.sort_unstable();
    direct
}

/// The groups of a host and what they say of it.
struct Lineage<'a> {
    /// The groups with their parents, nearest last, `all` first.
    groups: Vec<usize>,
    vars: IndexMap<&'a str, &'a Given>,
}

impl<'a> Lineage<'a> {
    fn new(draft: &'a Draft, tree: &Tree, direct: &[usize]) -> Self {
        let mut seen: BTreeSet<usize> = direct.iter().copied().collect();
        let mut open: Vec<usize> = direct.to_vec();
        while let Some(group) = open.pop() {
            let parents = tree.parents[group].iter().copied();
            open.extend(parents.filter(|&parent| seen.insert(parent)));
        }
        let mut groups: Vec<usize> = seen.into_iter().collect();
        groups.sort_by_cached_key(|&group| {
            let (name, one) = (&draft.groups.get_index(group), &draft.groups[group]);
            (tree.depths[group], one.priority, name.map(|(name, _)| name))
        });
        let mut vars = IndexMap::new();
        let mut add = |more: &'a Vars| {
            vars.extend(more.iter().map(|(name, given)| (name.as_str(), given)));
        };
        for &group in &groups {
            add(&draft.groups[group].vars);
        }
        for &group in &groups {
            add(&draft.groups[group].file_vars);
        }
        Self { groups, vars }
    }

    fn names(&self, draft: &Draft) -> Vec<String> {
        let named = self.groups.iter().filter(|&&group| group != ALL);
        named
            .filter_map(|&group| draft.groups.get_index(group))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// How groups hang together.
struct Tree {
    parents: Vec<Vec<usize>>,
    /// The longest way from `all`.
    depths: Vec<usize>,
}

impl Tree {
    fn new(draft: &Draft, found: &mut Diagnostics) -> Option<Self> {
        let count = draft.groups.len();
        let mut parents = vec![Vec::new(); count];
        for (parent, group) in draft.groups.values().enumerate() {
            for &child in group.children.keys() {
                parents[child].push(parent);
            }
        }
        for own in parents.iter_mut().skip(1).filter(|own| own.is_empty()) {
            own.push(ALL);
        }
        let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
        let mut children = vec![Vec::new(); count];
        for (child, own) in parents.iter().enumerate() {
            for &parent in own {
                children[parent].push(child);
            }
        }
        let mut depths = vec![0; count];
        let mut ready: Vec<usize> = (0..count).filter(|&group| waiting[group] == 0).collect();
        while let Some(group) = ready.pop() {
            for &child in &children[group] {
                depths[child] = depths[child].max(depths[group] + 1);
                waiting[child] -= 1;
                if waiting[child] == 0 {
                    ready.push(child);
                }
            }
        }
        if let Some(start) = waiting.iter().position(|&left| left > 0) {
            found.push(cycle(draft, &parents, &waiting, start));
            return None;
        }
        if let Some(deep) = depths.iter().position(|&depth| depth > MAX_DEPTH) {
            let place = draft.groups[deep].place;
            let message = format!("groups are nested deeper than {MAX_DEPTH}");
            let fault = Diagnostic::error("nested-too-deep", message).help("make them flatter");
            found.push(match place {
                Some(place) => fault.at(place, "this one is too deep"),
                None => fault,
            });
            return None;
        }
        Some(Self { parents, depths })
    }
}

/// Words a cycle: a group that still waits has a parent that does, so the way up leads into one.
fn cycle(draft: &Draft, parents: &[Vec<usize>], waiting: &[usize], start: usize) -> Diagnostic {
    let mut way = vec![start];
    let mut seen: HashMap<usize, usize> = HashMap::from([(start, 0)]);
    let mut group = start;
    let first = loop {
        let up = parents[group].iter().find(|&&parent| waiting[parent] > 0);
        let Some(&parent) = up else { break 0 };
        if let Some(&at) = seen.get(&parent) {
            break at;
        }
        seen.insert(parent, way.len());
        way.push(parent);
        group = parent;
    };
    // The way went up; read downwards it is parent before child.
    let mut around: Vec<usize> = way[first..].iter().rev().copied().collect();
    around.extend(around.first().copied());
    let name = |group: usize| draft.groups.get_index(group).map_or("", |(name, _)| name);
    let names: Vec<String> = around
        .iter()
        .map(|&one| format!("`{}`", name(one)))
        .collect();
    let message = format!("groups contain each other: {}", names.join(" > "));
    let mut fault = Diagnostic::error("group-cycle", message);
    let edges: Vec<(Span, String)> = around
        .windows(2)
        .filter_map(|edge| {
            let place = draft.groups[edge[0]].children.get(&edge[1])?;
            Some((*place, format!("in `{}`", name(edge[0]))))
        })
        .collect();
    let last = edges.iter().enumerate().max_by_key(|(_, edge)| edge.0);
    let last = last.map(|(index, _)| index);
    for (index, (place, label)) in edges.into_iter().enumerate() {
        fault = if Some(index) == last {
            fault.at(place, label)
        } else {
            fault.also(place, label)
        };
    }
    fault.help("take one of them out of the other")
}

/// Tells what is not as it should be, though no order depends on it.
fn tell_oddities(draft: &Draft, shown: &str, found: &mut Diagnostics) {
    let defined = |group: &&GroupDraft| group.declared;
    let names: HashSet<&str> = draft
        .groups
        .iter()
        .filter(|(_, group)| defined(group))
        .map(|(name, _)| name.as_str())
        .collect();
    for (name, group) in &draft.groups {
        let Some(place) = group.place else { continue };
        if !group.declared {
            let message = format!("the group `{name}` is not defined");
            let mut fault = Diagnostic::error("unknown-group", message).at(place, "no such group");
            let mut near: Vec<&str> = names.iter().copied().collect();
            near.sort_unstable();
            if let Some(near) = nearest(name, near) {
                fault = fault.help(format!("did you mean `{near}`?"));
            }
            found.push(fault.help(format!("define it with a section `[{name}]`")));
            continue;
        }
        if let Some(host) = draft.hosts.get(name) {
            let message = format!("`{name}` is the name of a group and of a host");
            let (first, second) = if host.place < place {
                ((host.place, "the host"), (place, "the group"))
            } else {
                ((place, "the group"), (host.place, "the host"))
            };
            found.push(
                Diagnostic::warning("host-is-group", message)
                    .at(second.0, second.1)
                    .also(first.0, first.1)
                    .help("rename one of them: the name stands for the group"),
            );
        }
        let built_in = name == "all" || name == "ungrouped";
        if !group.has_hosts && group.children.is_empty() && !built_in && !group.generated {
            found.push(
                Diagnostic::warning("empty-group", format!("the group `{name}` has no hosts"))
                    .at(place, "nothing is in it")
                    .help("put hosts or groups into it, or remove it"),
            );
        }
    }
    if draft.hosts.is_empty() && !found.has_errors() {
        found.push(
            Diagnostic::error("empty-inventory", format!("`{shown}` has no hosts"))
                .help("write a group with its hosts: `web: {hosts: {web1: {}}}`"),
        );
    }
}

/// Finds lines by bytes, each text being searched for its line breaks once.
struct Lines<'a> {
    sources: &'a Sources,
    breaks: HashMap<SourceId, Vec<usize>>,
}

impl<'a> Lines<'a> {
    fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            breaks: HashMap::new(),
        }
    }

    /// Returns the place of a span as `path:line`.
    fn origin(&mut self, span: Span) -> String {
        let source = self.sources.get(span.source);
        let breaks = self.breaks.entry(span.source).or_insert_with(|| {
            let breaks = source.text().match_indices('\n');
            breaks.map(|(at, _)| at).collect()
        });
        let before = breaks.partition_point(|&at| at < span.range().start);
        format!("{}:{}", source.path(), before + 1)
    }
}
