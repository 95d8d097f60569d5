//! What differs between a saved preview and the present: before and after, line by line.

use std::collections::BTreeMap;

use crate::event::Truth;
use crate::inventory::HostName;
use crate::preview::saved::{Saved, Values};
use crate::preview::text::{MOST_HOSTS, result};
use crate::preview::{Decision, Preview, Role};
use crate::report::text::list;

/// Lines of a text that are compared with all others; more are shown as replaced.
const MAX_COMPARED: usize = 2_000;

/// Something that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is, such as `input drain_for`.
    pub about: String,
    pub before: Vec<String>,
    pub after: Vec<String>,
}

impl Difference {
    fn of(about: String, before: Option<&String>, after: Option<&String>) -> Self {
        let side = |value: Option<&String>| {
            vec![value.cloned().unwrap_or_else(|| "(not there)".to_owned())]
        };
        Self { about, before: side(before), after: side(after) }
    }
}

/// Returns what differs before a host is contacted: plan, inventory, inputs, files.
pub fn given(before: &Saved, after: &Saved) -> Vec<Difference> {
    let mut all = Vec::new();
    if before.plan_digest != after.plan_digest {
        all.extend(lines(&before.plan_text, &after.plan_text));
    }
    all.extend(values("inventory", &before.inventory, &after.inventory));
    all.extend(values("input", &before.inputs, &after.inputs));
    all.extend(values("file", &before.files, &after.files));
    all
}

/// Returns what differs on the hosts: the checks of the preflight, and the decisions about all steps.
pub fn observed(before: &Preview, after: &Preview) -> Vec<Difference> {
    let mut all = Vec::new();
    let order = |preview: &Preview| {
        let batches = preview.batches.iter();
        let batches =
            batches.map(|batch| list(batch.hosts.iter().map(HostName::as_str), MOST_HOSTS));
        batches.collect::<Vec<_>>().join("; then ")
    };
    if before.batches != after.batches {
        all.push(Difference::of("batches".into(), Some(&order(before)), Some(&order(after))));
    }
    for (host, why) in &after.unreachable {
        let known = before.unreachable.get(host).cloned();
        let before = known.unwrap_or_else(|| "it can be worked on".to_owned());
        all.push(Difference::of(host.to_string(), Some(&before), Some(why)));
    }
    all.extend(values("", &preflight(before), &preflight(after)));
    let (old, new) = (decisions(before), decisions(after));
    let keys = |decisions: &BTreeMap<String, Facts>| {
        let keys = decisions.iter();
        let keys = keys.map(|(step, hosts)| {
            let hosts = hosts.iter().map(|(host, (decision, _))| (host.clone(), decision.clone()));
            (step.clone(), hosts.collect())
        });
        keys.collect::<Values>()
    };
    for change in values("", &keys(&old), &keys(&new)) {
        all.push(with_reasons(change, &old, &new));
    }
    all
}

/// The decision about each host, and what was observed.
type Facts = BTreeMap<String, (String, String)>;

/// Adds what was observed to a change of a decision.
fn with_reasons(
    change: Difference,
    old: &BTreeMap<String, Facts>,
    new: &BTreeMap<String, Facts>,
) -> Difference {
    let why = |facts: &BTreeMap<String, Facts>, decision: &[String]| {
        let step = facts.iter().find(|(step, _)| change.about.starts_with(&format!("{step} (")));
        let found = step.into_iter().flat_map(|(_, hosts)| hosts.values());
        let mut found = found.filter(|(known, _)| decision.contains(known));
        found.find(|(_, why)| !why.is_empty()).map(|(_, why)| why.clone())
    };
    let side = |facts: &BTreeMap<String, Facts>, mut lines: Vec<String>| {
        lines.extend(why(facts, &lines));
        vec![lines.join(": ")]
    };
    let (before, after) = (side(old, change.before.clone()), side(new, change.after.clone()));
    Difference { before, after, ..change }
}

fn preflight(preview: &Preview) -> Values {
    let mut all = Values::new();
    for check in &preview.preflight {
        let of = all.entry(format!("preflight: {}", check.seen.claim)).or_default();
        // Values may differ as long as the check passes.
        let text = match check.seen.truth {
            Truth::True => "passes".to_owned(),
            _ => format!("does not pass, {}", result(check)),
        };
        of.extend(check.hosts.iter().map(|host| (host.clone(), text.clone())));
    }
    all
}

fn decisions(preview: &Preview) -> BTreeMap<String, Facts> {
    let mut all = BTreeMap::new();
    for step in preview.all_steps() {
        let hosts: &mut Facts = all.entry(format!("step {}", step.path)).or_default();
        let decisive = |host: &String| {
            let mut all = step.observed.iter().filter(|one| one.hosts.contains(host));
            let is_decisive =
                |one: &&crate::preview::Observed| matches!(one.role, Role::When | Role::DoneWhen);
            all.rfind(is_decisive).map(result).unwrap_or_default()
        };
        for group in &step.groups {
            let text = match group.decision {
                Some(Decision::Skipped) => "skipped",
                Some(Decision::AlreadyDone) => "already done",
                Some(Decision::MayRun) => "may run",
                Some(Decision::WouldRun) => "would run",
                None => continue,
            };
            for host in &group.hosts {
                hosts.insert(host.clone(), (text.to_owned(), decisive(host)));
            }
        }
    }
    all
}

/// A name, its value before and after, and the hosts on which it has changed so.
type Change<'a> = (&'a String, Option<&'a String>, Option<&'a String>, Vec<&'a String>);

/// Compares values; what is the same change on several hosts is one difference.
fn values(kind: &str, before: &Values, after: &Values) -> Vec<Difference> {
    let mut all: Vec<Change<'_>> = Vec::new();
    let none = BTreeMap::new();
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (old, new) = (before.get(name).unwrap_or(&none), after.get(name).unwrap_or(&none));
        let mut hosts: Vec<&String> = old.keys().chain(new.keys()).collect();
        hosts.sort();
        hosts.dedup();
        for host in hosts.into_iter().filter(|host| old.get(*host) != new.get(*host)) {
            let (old, new) = (old.get(host), new.get(host));
            let is_same = |one: &&mut Change<'_>| one.0 == name && one.1 == old && one.2 == new;
            match all.iter_mut().find(is_same) {
                Some((.., hosts)) => hosts.push(host),
                None => all.push((name, old, new, vec![host])),
            }
        }
    }
    let changes = all.into_iter().map(|(name, old, new, hosts)| {
        let on = match hosts.as_slice() {
            [host] if host.is_empty() => String::new(),
            hosts => format!(" ({})", list(hosts, MOST_HOSTS)),
        };
        let about = format!("{kind} {name}{on}").trim_start().to_owned();
        Difference::of(about, old, new)
    });
    changes.collect()
}

/// Compares two texts line by line.
fn lines(before: &str, after: &str) -> Vec<Difference> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    if old == new {
        let about = "plan: line ends".to_owned();
        return vec![Difference { about, before: Vec::new(), after: Vec::new() }];
    }
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let start = old.iter().zip(&new).take_while(same).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let old_rest = &old_rest[..old_rest.len() - end];
    let new_rest = &new_rest[..new_rest.len() - end];
    let mut all: Vec<Difference> = Vec::new();
    let mut open = false;
    let (mut at, mut other) = (0, 0);
    let common = common(old_rest, new_rest);
    let line = |number: usize, text: &str| format!("{:>4} {text}", start + number + 1);
    for next in common.into_iter().chain([(old_rest.len(), new_rest.len())]) {
        while at < next.0 || other < next.1 {
            if !open {
                let about = format!("plan, from line {}", start + at + 1);
                all.push(Difference { about, before: Vec::new(), after: Vec::new() });
                open = true;
            }
            let Some(last) = all.last_mut() else { break };
            if at < next.0 {
                last.before.push(line(at, old_rest[at]));
                at += 1;
            } else {
                last.after.push(line(other, new_rest[other]));
                other += 1;
            }
        }
        open = false;
        (at, other) = (next.0 + 1, next.1 + 1);
    }
    all
}

/// Returns the positions of a longest common subsequence; none if the texts are too long to compare.
fn common(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    if old.len() > MAX_COMPARED || new.len() > MAX_COMPARED {
        return Vec::new();
    }
    let columns = new.len() + 1;
    let mut lengths = vec![0_u32; (old.len() + 1) * columns];
    for at in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            lengths[at * columns + other] = if old[at] == new[other] {
                lengths[(at + 1) * columns + other + 1] + 1
            } else {
                lengths[(at + 1) * columns + other].max(lengths[at * columns + other + 1])
            };
        }
    }
    let (mut at, mut other, mut all) = (0, 0, Vec::new());
    while at < old.len() && other < new.len() {
        if old[at] == new[other] {
            all.push((at, other));
            (at, other) = (at + 1, other + 1);
        } else if lengths[(at + 1) * columns + other] >= lengths[at * columns + other + 1] {
            at += 1;
        } else {
            other += 1;
        }
    }
    all
}
