//! The hosts of a world: what never changes, their state, and the changes that are still to come.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use minijinja::Value;
use minijinja::value::ValueKind;
use serde::{Deserialize, Serialize};

use crate::inventory::{Host, HostName};
use crate::model::pattern::Captures;
use crate::model::{Asked, By, Entry, Group, Model, ModelError, Response};

/// What does not change in a world.
#[derive(Debug)]
pub(super) struct Roster {
    pub(super) model: Arc<Model>,
    pub(super) hosts: Vec<Member>,
    pub(super) by_name: HashMap<HostName, usize>,
    /// The hosts of each group, in the order of the inventory.
    pub(super) members: Vec<Vec<usize>>,
    /// The hosts of each group by their addresses.
    by_address: Vec<HashMap<String, usize>>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: HostName,
    pub(super) group: usize,
    pub(super) shown_name: Value,
    pub(super) shown_address: Value,
}

impl Roster {
    /// Finds the group of each host and its initial state.
    pub(super) fn new<'a>(
        model: Arc<Model>,
        hosts: impl IntoIterator<Item = &'a Host>,
    ) -> Result<(Self, Vec<HostState>), ModelError> {
        let mut roster = Self {
            members: vec![Vec::new(); model.groups.len()],
            by_address: vec![HashMap::new(); model.groups.len()],
            model,
            hosts: Vec::new(),
            by_name: HashMap::new(),
        };
        let mut states = Vec::new();
        for host in hosts {
            let group = group_of(&roster.model, host)?;
            states.push(starting_state(roster.model.group(group), host)?);
            let number = roster.hosts.len();
            roster.members[group].push(number);
            // If two hosts have the same address, the first one is used.
            roster.by_address[group].entry(host.link.address.clone()).or_insert(number);
            roster.by_name.insert(host.name.clone(), number);
            roster.hosts.push(Member {
                name: host.name.clone(),
                group,
                shown_name: Value::from(host.name.as_str()),
                shown_address: Value::from(host.link.address.as_str()),
            });
        }
        Ok((roster, states))
    }

    /// Returns the host whose state a command uses; `None` if there is none.
    pub(super) fn meant(
        &self,
        entry: &Entry,
        here: usize,
        captures: &Captures,
        asked: &Asked<'_>,
    ) -> Result<Option<usize>, ModelError> {
        let Some(of) = entry.of else { return Ok(Some(here)) };
        let group = &self.model.group(of.group).name;
        let of_group = |name: &HostName| {
            let number = self.by_name.get(name).copied();
            number.filter(|number| self.hosts[*number].group == of.group)
        };
        let (meant, why) = match of.by {
            By::Address(capture) => {
                let address = captures[capture].to_string();
                let meant = self.by_address[of.group].get(&address).copied();
                (meant, format!("no host of {group} has the address `{address}`"))
            }
            By::Name(capture) => {
                let name = HostName::new(captures[capture].to_string());
                (of_group(&name), format!("`{name}` is not a host of {group}"))
            }
            By::Task => match asked.host {
                Some(name) => (of_group(name), format!("{name} is not a host of {group}")),
                None => (None, "the command belongs to no host of the run".to_owned()),
            },
        };
        match meant {
            None if entry.nobody.is_none() => {
                Err(ModelError::Impossible(format!("{why}, and `{}` has no `nobody`", entry.text)))
            }
            meant => Ok(meant),
        }
    }

    pub(super) fn group_of(&self, host: usize) -> &Arc<Group> {
        self.model.group(self.hosts[host].group)
    }

    pub(super) fn entry(&self, source: Source) -> Result<&Entry, ModelError> {
        let group = self.model.groups.get_index(source.group);
        group.and_then(|(_, group)| group.entries.get(source.entry)).ok_or_else(foreign)
    }

    pub(super) fn response(&self, source: Source) -> Result<&Response, ModelError> {
        let entry = self.entry(source)?;
        let found = match source.answer {
            Which::Case(number) => entry.cases.get(number).map(|(_, response)| response),
            Which::Fault(number) => entry.faults.get_index(number).map(|(_, fault)| fault),
            Which::Nobody => entry.nobody.as_ref(),
        };
        found.ok_or_else(foreign)
    }
}

/// A saved world may refer to an answer that does not exist.
fn foreign() -> ModelError {
    ModelError::Saved("it refers to an unknown answer".into())
}

fn group_of(model: &Model, host: &Host) -> Result<usize, ModelError> {
    let mut found: Vec<usize> =
        host.groups.iter().filter_map(|group| model.groups.get_index_of(group)).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [group] => Ok(*group),
        several => {
            let names: Vec<&str> =
                several.iter().map(|group| model.group(*group).name.as_str()).collect();
            let found = if names.is_empty() { "none".into() } else { names.join(", ") };
            let (host, groups) = (&host.name, model.groups().collect::<Vec<_>>().join(", "));
            Err(ModelError::WrongGroups(format!(
                "{host} must be in exactly one of the model's groups ({groups}), but is in {found}"
            )))
        }
    }
}

fn starting_state(group: &Group, host: &Host) -> Result<HostState, ModelError> {
    let mut state: Vec<Value> = group.state.values().cloned().collect();
    for (name, given) in &host.link.state {
        let (number, value) = given_state(group, &host.name, name, given.clone())?;
        state[number] = value;
    }
    Ok(HostState {
        state: Arc::new(state),
        rules: vec![None; group.rules.len()],
        later: Vec::new(),
        scheduled: None,
        is_up: true,
        downs: 0,
    })
}

/// Converts a value for the state of a host: it must have the type of the value in the model.
pub(super) fn given_state(
    group: &Group,
    host: &HostName,
    name: &str,
    given: serde_json::Value,
) -> Result<(usize, Value), ModelError> {
    let Some((number, _, before)) = group.state.get_full(name) else {
        return Err(group.unknown_state(host, name));
    };
    let kind = |given: &serde_json::Value| match given {
        serde_json::Value::Null => ValueKind::None,
        serde_json::Value::Bool(_) => ValueKind::Bool,
        serde_json::Value::Number(_) => ValueKind::Number,
        serde_json::Value::String(_) => ValueKind::String,
        serde_json::Value::Array(_) => ValueKind::Seq,
        serde_json::Value::Object(_) => ValueKind::Map,
    };
    let found = kind(&given);
    if before.kind() != found && before.kind() != ValueKind::None {
        let expected = before.kind();
        return Err(ModelError::WrongKind(format!(
            "{host}: the state `{name}` must be of type {expected}, not {found}"
        )));
    }
    let value = serde_json::from_value(given)
        .map_err(|error| ModelError::Saved(format!("{host}: the state `{name}`: {error}")))?;
    Ok((number, value))
}

/// The part of a host that changes.
#[derive(Clone, Debug)]
pub(super) struct HostState {
    pub(super) state: Arc<Vec<Value>>,
    /// When each rule of its group happens next; `None` while its condition is false.
    pub(super) rules: Vec<Option<Timestamp>>,
    pub(super) later: Vec<Later>,
    /// Its instant in the agenda.
    pub(super) scheduled: Option<Timestamp>,
    /// Whether it can be reached.
    pub(super) is_up: bool,
    /// How often it became unreachable: commands that ran then have ended without an effect.
    pub(super) downs: u32,
}

/// A change that is still to come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Later {
    pub(super) due: Timestamp,
    /// The host where the command ran.
    pub(super) here: usize,
    pub(super) source: Source,
    pub(super) captures: Captures,
}

/// Where in the model an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) group: usize,
    pub(super) entry: usize,
    pub(super) answer: Which,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Which {
    Case(usize),
    Fault(usize),
    Nobody,
}

impl HostState {
    /// Returns when something happens to the host by itself.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let later = self.later.iter().map(|later| later.due);
        later.chain(self.rules.iter().flatten().copied()).min()
    }
}

/// Adds to an instant; after the end of time nothing happens any more.
pub(super) fn plus(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
