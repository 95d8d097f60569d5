//! Members of groups, for conditions over `each_of` probes.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::HostName;
use crate::plan::{Plan, Target};
use crate::template::expression::Expression;

/// The member that is probed, by group; empty if a condition has no such probe.
pub(super) type Members = BTreeMap<String, HostName>;

/// Collects the groups for whose members a condition must be true.
pub(super) fn groups_used(
    plan: &Plan,
    expression: &Expression,
    words: &mut BTreeSet<String>,
    groups: &mut BTreeSet<String>,
) {
    for (name, _) in expression.root.free_names() {
        groups_of(plan, &name, words, groups);
    }
}

/// Collects the groups on whose members the probes of a name run.
pub(super) fn groups_of(
    plan: &Plan,
    name: &str,
    words: &mut BTreeSet<String>,
    groups: &mut BTreeSet<String>,
) {
    let probe = match plan.named.get(name) {
        Some(_) if !words.insert(name.to_owned()) => None,
        Some(named) => {
            groups_used(plan, &named.expression, words, groups);
            named.from.as_ref().and_then(|from| plan.probes.get(from))
        }
        None => plan.probes.get(name),
    };
    if let Some(Target::EachOf(group, _)) = probe.map(|probe| &probe.target) {
        groups.insert(group.clone());
    }
}

/// Returns ` on db1, db2`, or nothing.
pub(super) fn place_words(members: &Members) -> String {
    let names: Vec<&str> = members.values().map(HostName::as_str).collect();
    if names.is_empty() { String::new() } else { format!(" on {}", names.join(", ")) }
}
