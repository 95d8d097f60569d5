//! The inventory: the hosts, how to connect to them, and their variables.
//!
//! Ansible's files are read unchanged ([`read`]). The result is plain data that is stored with a run, so
//! that a resume does not depend on a file that was edited since.

mod build;
mod checks;
mod draft;
mod files;
pub mod find;
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

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Inventory {
    pub path: String,
    pub hosts: IndexMap<HostName, Host>,
    /// The hosts of each group and of its children, in Ansible's order: first its own hosts, then those of
    /// its children, then of theirs. `all` always exists; `ungrouped` has the hosts of no other group.
    pub groups: IndexMap<String, Vec<HostName>>,
    /// Where hosts and groups are named first, while the text is available and may be shown.
    #[serde(skip)]
    pub places: HashMap<String, Location>,
}

/// Equal inventories may have their names at different locations.
impl PartialEq for Inventory {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.hosts, &self.groups) == (&other.path, &other.hosts, &other.groups)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    pub name: HostName,
    pub link: Link,
    /// All its variables and those of its groups, by precedence, with Ansible's and planrun's own.
    pub vars: IndexMap<String, Variable>,
    /// The variables that a vault has encrypted, each with its location. They have no value here, and
    /// replace weaker ones of the same name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub encrypted: IndexMap<String, String>,
    /// Its groups without `all`, nearest last.
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    pub value: serde_json::Value,
    /// The value with its numbers as they are written (`0644`, `3.10`), if that differs from
    /// [`Self::value`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<serde_json::Value>,
    /// Its location, for a message: `inventories/prod.yaml:14`.
    pub origin: String,
    /// The span of its value, while the text is available: not in a stored run.
    #[serde(skip)]
    pub place: Location,
}

impl Variable {
    /// Returns the value for strings: with its numbers as they are written.
    pub fn as_written(&self) -> &serde_json::Value {
        self.written.as_ref().unwrap_or(&self.value)
    }
}

/// A location in a text, if it is available. All are equal, so that equal variables may differ in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Location(pub Option<Span>);

impl PartialEq for Location {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// How to connect to a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub connection: Connection,
    /// The address or name to connect to: `ansible_host`, by default the name of the host.
    pub address: String,
    pub port: Option<u16>,
    /// The login user: `ansible_user`, by default the user of the controller.
    pub user: Option<String>,
    /// The time limit for connecting and logging in: `ansible_timeout`, by default that of the transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
    /// The private key: `ansible_ssh_private_key_file`, with `~` expanded.
    pub identity_file: Option<String>,
    /// The file of known host keys: `planrun_known_hosts`, by default those of the user and the system.
    pub known_hosts: Option<String>,
    /// Options of `ssh` that change how the host is reached: `ansible_ssh_args` and its like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_args: Vec<String>,
    /// The password for the login: `planrun_password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretFrom>,
    /// The passphrase of the private key: `planrun_passphrase`, by default the terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<SecretFrom>,
    /// How commands become another user: `ansible_become_method`.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub become_method: BecomeMethod,
    /// The password for becoming another user: `planrun_become_password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_password: Option<SecretFrom>,
    /// Whether commands run as another user if the plan does not set it: `ansible_become`.
    pub r#become: Option<bool>,
    /// That user: `ansible_become_user`, by default root.
    pub become_user: Option<String>,
    #[serde(default, skip_serializing_if = "is_usual")]
    pub locking: Locking,
    /// The model of a model host: `planrun_model`, unchanged.
    pub model: Option<String>,
    /// What differs from the initial state of the model: `planrun_state`.
    pub state: IndexMap<String, serde_json::Value>,
}

/// How runs lock a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Locking {
    /// In the place that the host itself has for it.
    #[default]
    Usual,
    /// In this directory of the host: `planrun_lock_dir`.
    Dir(String),
    /// Not at all: `planrun_locks: none`.
    None,
}

/// Whether a value is that of hosts that set none; it is not stored.
fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Whether a path can be the directory of locks: it is absolute, and no shell reads anything into it.
pub fn is_lock_dir(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-@:+".contains(c);
    path.starts_with('/') && path.len() <= 512 && path.chars().all(is_plain)
}

/// The transport of a host: `planrun_connection`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Connection {
    /// Over the network (the default).
    #[default]
    Ssh,
    /// Over the network, by the program `ssh`.
    OpenSsh,
    Local,
    Model,
}

impl Connection {
    /// Whether it is over the network.
    pub fn is_remote(self) -> bool {
        matches!(self, Self::Ssh | Self::OpenSsh)
    }
}

/// The program by which commands become another user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BecomeMethod {
    #[default]
    Sudo,
    /// Without a password.
    Doas,
    /// From root.
    Su,
}

impl BecomeMethod {
    /// Returns the method with this name, also with the collection that Ansible has it in.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.rsplit('.').next().unwrap_or(name);
        [Self::Sudo, Self::Doas, Self::Su].into_iter().find(|method| method.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Doas => "doas",
            Self::Su => "su",
        }
    }
}

/// Where a password comes from. The password itself is in no inventory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretFrom {
    /// The operator, once.
    Ask,
    Env(String),
    /// The first line of a file.
    File(String),
}

impl Inventory {
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// Returns the location where a host or group is named first, if it is available.
    pub fn place(&self, name: &str) -> Option<Span> {
        self.places.get(name)?.0
    }

    /// Returns the hosts of a group or host name; `None` if there is neither.
    pub fn members(&self, name: &str) -> Option<Vec<HostName>> {
        if let Some(members) = self.groups.get(name) {
            return Some(members.clone());
        }
        let name = HostName::new(name);
        self.hosts.contains_key(&name).then(|| vec![name])
    }
}
