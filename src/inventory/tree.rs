//! The graph of groups: parents, depths, and its errors.
//!
//! Groups are a graph without cycles under `all`; a group may have several parents. Its depth is the
//! longest path from `all`, because Ansible compares groups by that.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::draft::{ALL, Draft, UNGROUPED};
use crate::source::Span;

/// Maximum nesting of groups.
const MAX_DEPTH: usize = 64;

pub(super) struct Tree {
    /// The parents of each group; none for `all`.
    parents: Vec<Vec<usize>>,
    /// The children of each group, in order; `ungrouped` is first in `all`.
    pub(super) children: Vec<Vec<usize>>,
    /// Their precedence: the rank of each by depth (the longest path from `all`), `ansible_group_priority`
    /// and name.
    ranks: Vec<usize>,
    /// The groups that were visited, by the number of the visit.
    met: RefCell<(usize, Vec<usize>)>,
}

impl Tree {
    /// Orders the groups; `None` (and a diagnostic) if that is impossible.
    pub(super) fn new(draft: &Draft, found: &mut Diagnostics) -> Option<Self> {
        let count = draft.groups.len();
        let mut parents = vec![Vec::new(); count];
        for (parent, group) in draft.groups.values().enumerate() {
            for &child in group.children.keys() {
                parents[child].push(parent);
            }
        }
        let mut children: Vec<Vec<usize>> =
            draft.groups.values().map(|group| group.children.keys().copied().collect()).collect();
        let orphans = parents.iter_mut().enumerate().skip(1);
        for (group, own) in orphans.filter(|(_, own)| own.is_empty()) {
            own.push(ALL);
            let at = if group == UNGROUPED { 0 } else { children[ALL].len() };
            children[ALL].insert(at, group);
        }
        let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
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
            let fault = Diagnostic::error(Code::NestedTooDeep, message).help("nest fewer groups");
            found.push(match place {
                Some(place) => fault.at(place, "nested too deep"),
                None => fault,
            });
            return None;
        }
        Some(Self {
            parents,
            children,
            ranks: ranks(draft, &depths),
            met: RefCell::new((0, vec![0; count])),
        })
    }

    /// Returns groups with all their parents, each once, stronger ones later.
    pub(super) fn with_parents(&self, direct: &[usize]) -> Vec<usize> {
        let (way, met) = &mut *self.met.borrow_mut();
        *way += 1;
        let mut is_new = |group: usize| std::mem::replace(&mut met[group], *way) != *way;
        let mut groups: Vec<usize> = direct.iter().copied().filter(|&one| is_new(one)).collect();
        let mut next = 0;
        while let Some(&group) = groups.get(next) {
            let parents = self.parents[group].iter().copied();
            groups.extend(parents.filter(|&parent| is_new(parent)));
            next += 1;
        }
        groups.sort_unstable_by_key(|&group| self.ranks[group]);
        groups
    }
}

fn ranks(draft: &Draft, depths: &[usize]) -> Vec<usize> {
    let key = |group: usize| {
        let named = draft.groups.get_index(group);
        (depths[group], named.map(|(name, group)| (group.priority, name)))
    };
    let mut order: Vec<usize> = (0..depths.len()).collect();
    order.sort_by_cached_key(|&group| key(group));
    let mut ranks = vec![0; order.len()];
    for (rank, group) in order.into_iter().enumerate() {
        ranks[group] = rank;
    }
    ranks
}

/// Returns the error of a cycle: a group that still waits has a waiting parent, and so on.
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
    // The path went upwards; reversed it is parent before child.
    let mut around: Vec<usize> = way[first..].iter().rev().copied().collect();
    around.extend(around.first().copied());
    let name = |group: usize| draft.groups.get_index(group).map_or("", |(name, _)| name);
    let names: Vec<String> = around.iter().map(|&one| format!("`{}`", name(one))).collect();
    let message = format!("groups contain each other: {}", names.join(" > "));
    let mut fault = Diagnostic::error(Code::GroupCycle, message);
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
        fault = if Some(index) == last { fault.at(place, label) } else { fault.also(place, label) };
    }
    fault.help("break the cycle: remove one of them from the other")
}
