//! The options of `ssh` that an inventory has, and routes to a host that planrun does not support.
//!
//! Another route may lead to another host: a container behind `docker`, or a machine with an address of
//! the operator's own network. So planrun connects to no host whose variables require an unknown route.
//! `resolve` checks the hosts that a plan needs. What the options mean is decided by `ssh -G`, when a
//! connection is made.

use serde_json::Value;

use crate::file::absolute;
use crate::inventory::{Host, words};
use crate::source::Span;

/// The variables with options of `ssh`, in Ansible's order: the first value of an option counts.
pub(super) const OPTIONS: [&str; 3] =
    ["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];
/// The variables with a command to connect through.
const PROXIES: [&str; 4] = [
    "ansible_libssh_proxy_command",
    "ansible_paramiko_proxy_command",
    "ansible_paramiko_ssh_proxy_command",
    "ansible_ssh_proxy_command",
];
/// Options of `ssh` that have an argument.
const WITH_ARGUMENT: &str = "BDEFIJLOPQRSWbceilmopw";
/// Those of them that change how a host is reached; the others are for terminals and forwardings.
const KEPT: &str = "BJbclmop";
/// The same of the options without an argument.
const FLAGS: &str = "46";

/// A variable that requires an unsupported route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub variable: String,
    /// The span of its value, if it is available.
    pub place: Option<Span>,
    pub origin: String,
    pub way: Way,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A connection other than `ssh` and `local`.
    Connection(String),
    /// Through another host, in this way that planrun does not know.
    Hop(String),
    /// To the host that this word names.
    Other(String),
    /// With another program than `ssh`.
    Program,
    /// Unreadable: a template, a value that a vault has encrypted, an unclosed quote.
    Unknown,
}

impl Host {
    /// Returns the variables that require another route to the host.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        if !self.link.connection.is_remote() {
            return Vec::new();
        }
        let open = self.vars.iter().filter_map(|(name, variable)| {
            // planrun's own variable takes precedence.
            let is_settled =
                name == "ansible_connection" && self.vars.contains_key("planrun_connection");
            let way = way(name, &variable.value).filter(|_| !is_settled)?;
            let (place, origin) = (variable.place.0, variable.origin.clone());
            Some(Obstacle { variable: name.clone(), place, origin, way })
        });
        let encrypted = self.encrypted.iter().filter(|(name, _)| is_route(name));
        let encrypted = encrypted.map(|(name, origin)| Obstacle {
            variable: name.clone(),
            place: None,
            origin: origin.clone(),
            way: Way::Unknown,
        });
        open.chain(encrypted).collect()
    }
}

fn is_route(name: &str) -> bool {
    OPTIONS.contains(&name) || PROXIES.contains(&name) || name == "ansible_ssh_executable"
}

/// Returns the options of `ssh` in the value of a variable.
pub(super) fn arguments(value: &Value) -> Vec<String> {
    let words = value.as_str().and_then(|text| words::split_all(text).ok());
    words.and_then(|words| options(&words).ok()).unwrap_or_default()
}

/// Returns the unsupported route that the value of a variable requires.
pub(super) fn way(name: &str, value: &Value) -> Option<Way> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) if text.trim().is_empty() => return None,
        Value::String(text) => Some(text.as_str()),
        _ => None,
    };
    if name == "ansible_connection" {
        return text.filter(|text| !is_known(text)).map(|text| Way::Connection(text.to_owned()));
    }
    if !is_route(name) {
        return None;
    }
    let Some(text) = text else { return Some(Way::Unknown) };
    if name == "ansible_ssh_executable" {
        let program = text.rsplit('/').next();
        return (program != Some("ssh")).then_some(Way::Program);
    }
    if PROXIES.contains(&name) {
        let is_none = text.trim().eq_ignore_ascii_case("none");
        return (!is_none).then(|| Way::Hop(name.to_owned()));
    }
    if text.contains("{{") || text.contains("{%") {
        return Some(Way::Unknown);
    }
    words::split_all(text).map_or(Some(Way::Unknown), |words| options(&words).err())
}

/// Whether this connection means the same in Ansible and planrun.
pub(super) fn is_known(connection: &str) -> bool {
    let name = connection.strip_prefix("ansible.builtin.");
    let name = name.or_else(|| connection.strip_prefix("ansible.legacy.")).unwrap_or(connection);
    matches!(name, "local" | "ssh" | "smart" | "paramiko" | "paramiko_ssh")
}

/// Reads options like `ssh` does. Returns those that `ssh -G` is given: what changes how a host is reached.
fn options(words: &[String]) -> Result<Vec<String>, Way> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            // For `ssh` this is the name of a host.
            return Err(Way::Other(word.clone()));
        };
        for (at, letter) in letters.char_indices() {
            if !WITH_ARGUMENT.contains(letter) {
                if FLAGS.contains(letter) {
                    kept.push(format!("-{letter}"));
                }
                continue;
            }
            let rest = &letters[at + letter.len_utf8()..];
            let argument = if rest.is_empty() {
                words.next().map(String::as_str).unwrap_or_default()
            } else {
                rest
            };
            match letter {
                'W' => return Err(Way::Hop("-W".to_owned())),
                'F' | 'i' => kept.extend([format!("-{letter}"), whole_path(argument)]),
                _ if KEPT.contains(letter) => {
                    kept.extend([format!("-{letter}"), argument.to_owned()]);
                }
                _ => {}
            }
            break;
        }
    }
    Ok(kept)
}

/// A relative path is relative to the working directory, and a run may be resumed in another one.
fn whole_path(path: &str) -> String {
    let is_open = path == "none" || path.starts_with(['~', '%', '$']);
    if is_open { path.to_owned() } else { absolute(path) }
}
