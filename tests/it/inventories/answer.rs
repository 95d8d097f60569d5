//! The output of `ansible-inventory --list`, compared with an inventory of planrun.

use std::collections::{BTreeMap, BTreeSet};

use planrun::inventory::{HostName, Inventory};
use serde_json::{Map, Value};

/// Hosts and groups, as Ansible has them.
pub(crate) struct Answer {
    /// The variables of each host.
    hosts: BTreeMap<String, Map<String, Value>>,
    /// The hosts of each group, those of its children included, in Ansible's order.
    groups: BTreeMap<String, Vec<String>>,
}

impl Answer {
    /// Reads an answer.
    pub(crate) fn read(printed: &str) -> Self {
        // Python prints these, though JSON does not have them.
        let mut printed = printed.to_owned();
        for word in ["Infinity", "-Infinity", "NaN"] {
            printed = printed.replace(&format!(": {word}"), &format!(": \"{word}\""));
        }
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let printed = printed.as_object().unwrap();
        let mut groups = BTreeMap::new();
        for name in printed.keys().filter(|name| *name != "_meta") {
            groups.insert(name.clone(), members(printed, name));
        }
        let all = groups.get("all").cloned().unwrap_or_default();
        let vars = &printed["_meta"]["hostvars"];
        let of = |host: &String| vars[host].as_object().cloned().unwrap_or_default();
        Self { hosts: all.iter().map(|host| (host.clone(), of(host))).collect(), groups }
    }

    /// Says how an inventory differs, a line for each difference.
    pub(crate) fn differences(&self, inventory: &Inventory) -> String {
        let mut lines = Vec::new();
        self.compare_groups(inventory, &mut lines);
        let names = self.hosts.keys().cloned();
        let names: BTreeSet<String> =
            names.chain(inventory.hosts.keys().map(ToString::to_string)).collect();
        for name in names {
            let host = inventory.host(&HostName::new(&name));
            match (self.hosts.get(&name), host) {
                (Some(vars), Some(host)) => {
                    let ours = host.vars.iter();
                    let ours = ours.map(|(name, one)| (name.clone(), one.value.clone()));
                    let mut ours: Map<String, Value> = ours.collect();
                    for name in host.encrypted.keys() {
                        ours.insert(name.clone(), Value::from("(encrypted)"));
                    }
                    compare_vars(&name, vars, &ours, &mut lines);
                }
                (Some(_), None) => lines.push(format!("host {name}: Ansible only")),
                _ => lines.push(format!("host {name}: planrun only")),
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn compare_groups(&self, inventory: &Inventory, lines: &mut Vec<String>) {
        let ours = inventory.groups.iter().map(|(name, members)| {
            let members = members.iter().map(ToString::to_string);
            (name.clone(), members.collect())
        });
        let ours: BTreeMap<String, Vec<String>> = ours.collect();
        let names: BTreeSet<&String> = self.groups.keys().chain(ours.keys()).collect();
        for name in names {
            let none = Vec::new();
            // Ansible does not print a group that nobody is in.
            let theirs = self.groups.get(name).unwrap_or(&none);
            let ours = ours.get(name).unwrap_or(&none);
            let same = if name == "all" {
                // The answer does not hold the order of `all`: hosts that are in it and in no other
                // group are listed in `ungrouped`. The patterns are asked for it.
                sorted(theirs) == sorted(ours)
            } else {
                theirs == ours
            };
            if !same {
                let (theirs, ours) = (theirs.join(" "), ours.join(" "));
                lines.push(format!("group {name}: Ansible [{theirs}], planrun [{ours}]"));
            }
        }
    }
}

fn sorted(names: &[String]) -> Vec<&String> {
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names
}

/// Returns the hosts of a group, by Ansible's walk: level by level, each host once.
fn members(printed: &Map<String, Value>, group: &str) -> Vec<String> {
    let list = |group: &str, key: &str| -> Vec<String> {
        let names = printed.get(group).and_then(|group| group.get(key));
        let names = names.and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |name: &Value| name.as_str().unwrap().to_owned();
        names.iter().map(text).collect()
    };
    let mut seen = BTreeSet::new();
    let mut hosts = Vec::new();
    let mut level = vec![group.to_owned()];
    while !level.is_empty() {
        let mut next = Vec::new();
        for group in level {
            if seen.insert(group.clone()) {
                for host in list(&group, "hosts") {
                    if !hosts.contains(&host) {
                        hosts.push(host);
                    }
                }
                next.extend(list(&group, "children"));
            }
        }
        level = next;
    }
    hosts
}

fn compare_vars(
    host: &str,
    theirs: &Map<String, Value>,
    ours: &Map<String, Value>,
    lines: &mut Vec<String>,
) {
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    for name in names {
        let their = theirs.get(name).map(plain);
        let our = ours.get(name);
        if their.as_ref() != our {
            let shown = |value: Option<&Value>| match value {
                Some(value) => value.to_string(),
                None => "nothing".to_owned(),
            };
            let (their, our) = (shown(their.as_ref()), shown(our));
            lines.push(format!("{host}: {name}: Ansible {their}, planrun {our}"));
        }
    }
}

/// Takes off what Ansible wraps around texts that are no templates or are encrypted.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.contains_key("__ansible_unsafe") => {
            map["__ansible_unsafe"].clone()
        }
        Value::Object(map) if map.contains_key("__ansible_vault") => "(encrypted)".into(),
        Value::Object(map) => {
            let pairs = map.iter();
            let pairs: Map<String, Value> = pairs.map(|(k, v)| (k.clone(), plain(v))).collect();
            pairs.into()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}
