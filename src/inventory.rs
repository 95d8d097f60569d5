//! The inventory: which hosts there are, how they are reached, what is said of them.
//!
//! Ansible's files are read as they are ([`read`]); what comes out is plain data that is stored
//! with a run, so that a resume does not depend on a file edited since.

mod build;
mod checks;
mod draft;
mod files;
mod find;
mod ini;
mod link;
mod literal;
pub mod pattern;
pub mod program;
mod ranges;
pub mod read;
pub mod route;
mod script;
mod tree;
pub mod user;
mod vars;
mod words;
mod yaml;

pub use yaml::PRINTED;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::source::Span;

/// The name of a host in the inventory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    /// Wraps a name; the reader of inventories has held it against the allowed form.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

/// All hosts and groups of an inventory.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// Where it was read from, as the user named it.
    pub path: String,
    /// The hosts, in the order of the inventory.
    pub hosts: IndexMap<HostName, Host>,
    /// The hosts of each group, those of its children included, in Ansible's order: first the
    /// hosts of the group itself, then those of its children, then of theirs. `all` is always
    /// there; `ungrouped` holds the hosts of no other group.
    pub groups: IndexMap<String, Vec<HostName>>,
    /// Where hosts and groups are named first, as long as the text is at hand and may be shown.
    #[serde(skip)]
    pub places: HashMap<String, Place>,
}

/// An inventory is the same wherever its names stand.
impl PartialEq for Inventory {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.hosts, &self.groups) == (&other.path, &other.hosts, &other.groups)
    }
}

/// A host and what the inventory says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// How it is reached.
    pub link: Link,
    /// All its variables, those of its groups included, after precedence. Ansible's and planrun's
    /// own variables are among them.
    pub vars: IndexMap<String, Variable>,
    /// The variables that a vault has encrypted, each with where it was written. They have no value
    /// here; a weaker one of the same name does not stand in for it.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub encrypted: IndexMap<String, String>,
    /// The groups it is in, `all` excepted, nearest last.
    pub groups: Vec<String>,
}

/// A variable of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// Its value.
    pub value: serde_json::Value,
    /// The value with its numbers as they are written (`0644`, `3.10`), if that differs from
    /// [`Self::value`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<serde_json::Value>,
    /// Where it was written, for a message: `inventories/prod.yaml:14`.
    pub origin: String,
    /// Where its value is, as long as the text is at hand: not in a run that was kept.
    #[serde(skip)]
    pub place: Place,
}

impl Variable {
    /// Returns the value as text wants it: with its numbers as they are written.
    pub fn as_written(&self) -> &serde_json::Value {
        self.written.as_ref().unwrap_or(&self.value)
    }
}

/// A place in a text, if it is at hand. All are equal: a variable is the same wherever it stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place(pub Option<Span>);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// By which transport.
    pub connection: Connection,
    /// The address or name to connect to: `ansible_host`, by default the host's name.
    pub address: String,
    /// The port: `ansible_port`.
    pub port: Option<u16>,
    /// The login user: `ansible_user`; by default the controller's user.
    pub user: Option<String>,
    /// How long connecting and logging in may take: `ansible_timeout`; by default the transport's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
    /// The private key: `ansible_ssh_private_key_file`, with `~` expanded.
    pub identity_file: Option<String>,
    /// The file of known host keys: `planrun_known_hosts`; by default the user's and the system's.
    pub known_hosts: Option<String>,
    /// Whether commands run as another user where the plan says nothing: `ansible_become`.
    pub r#become: Option<bool>,
    /// Who that user is: `ansible_become_user`, by default root.
    pub become_user: Option<String>,
    /// The model of a model host: `planrun_model`, as written.
    pub model: Option<String>,
    /// What differs from the model's state at the start: `planrun_state`.
    pub state: IndexMap<String, serde_json::Value>,
}

/// Which transport reaches a host: `planrun_connection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    /// Over the network (the default).
    Ssh,
    /// As a process on this machine.
    Local,
    /// In a model.
    Model,
}

impl Inventory {
    /// Returns a host.
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// Returns where a host or group is named first, if that is at hand.
    pub fn place(&self, name: &str) -> Option<Span> {
        self.places.get(name)?.0
    }

    /// Returns the hosts that a group or host name stands for, `None` where there is neither.
    pub fn members(&self, name: &str) -> Option<Vec<HostName>> {
        if let Some(members) = self.groups.get(name) {
            return Some(members.clone());
        }
        let name = HostName::new(name);
        self.hosts.contains_key(&name).then(|| vec![name])
    }
}
