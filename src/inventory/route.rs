//! Routes to a host that an inventory requires and planrun does not support.
//!
//! Another route may lead to another host: a container behind `docker`, or a machine behind a jump host
//! with an address of the operator's own network. So planrun connects to no host whose variables require
//! an unknown route. `resolve` checks the hosts that a plan needs.

use serde_json::Value;

use crate::inventory::{Connection, Host, Link, words};
use crate::source::Span;

/// The variables with options of `ssh`.
const OPTIONS: [&str; 3] =
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
    /// Through another host, with this option.
    Hop(String),
    /// To another address, port or user than the variables of the host have, with this option.
    Other(String),
    /// With another program than `ssh`.
    Program,
    /// Unreadable: a template, a value that a vault has encrypted, an unclosed quote.
    Unknown,
}

impl Host {
    /// Returns the variables that require another route to the host.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        if self.link.connection != Connection::Ssh {
            return Vec::new();
        }
        let open = self.vars.iter().filter_map(|(name, variable)| {
            // planrun's own variable takes precedence.
            let is_settled =
                name == "ansible_connection" && self.vars.contains_key("planrun_connection");
            let way = way(name, &variable.value, Some(&self.link)).filter(|_| !is_settled)?;
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

/// Whether a variable may require a route.
fn is_route(name: &str) -> bool {
    OPTIONS.contains(&name) || PROXIES.contains(&name) || name == "ansible_ssh_executable"
}

/// Returns the unsupported route that the value of a variable requires. `link` is that of the host;
/// without it, options that may agree with the link are allowed.
pub(super) fn way(name: &str, value: &Value, link: Option<&Link>) -> Option<Way> {
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
    let Some(text) = text else {
        return Some(Way::Unknown);
    };
    if name == "ansible_ssh_executable" {
        let program = text.rsplit('/').next();
        return (program != Some("ssh")).then_some(Way::Program);
    }
    if PROXIES.contains(&name) {
        let is_none = text.trim().eq_ignore_ascii_case("none");
        return (!is_none).then(|| Way::Hop(name.to_owned()));
    }
    let way = words::split_all(text).map_or(Some(Way::Unknown), |words| options(&words, link));
    let is_template = text.contains("{{") || text.contains("{%");
    match way {
        Some(Way::Hop(option)) => Some(Way::Hop(option)),
        _ if is_template => Some(Way::Unknown),
        other => other,
    }
}

/// Whether this connection means the same in Ansible and planrun.
pub(super) fn is_known(connection: &str) -> bool {
    let name = connection.strip_prefix("ansible.builtin.");
    let name = name.or_else(|| connection.strip_prefix("ansible.legacy.")).unwrap_or(connection);
    matches!(name, "local" | "ssh" | "smart" | "paramiko" | "paramiko_ssh")
}

/// Reads options like `ssh` does.
fn options(words: &[String], link: Option<&Link>) -> Option<Way> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            // For `ssh` this is the name of a host.
            return Some(Way::Other(word.clone()));
        };
        for (at, letter) in letters.char_indices() {
            if !WITH_ARGUMENT.contains(letter) {
                continue;
            }
            let rest = &letters[at + letter.len_utf8()..];
            let argument = if rest.is_empty() {
                words.next().map(String::as_str).unwrap_or_default()
            } else {
                rest
            };
            if let Some(way) = option(letter, argument, link) {
                return Some(way);
            }
            break;
        }
    }
    None
}

fn option(letter: char, argument: &str, link: Option<&Link>) -> Option<Way> {
    let (name, value) = match letter {
        'J' => ("proxyjump", argument),
        'p' => ("port", argument),
        'l' => ("user", argument),
        'W' => return Some(Way::Hop("-W".to_owned())),
        'F' => {
            let is_empty = matches!(argument, "none" | "/dev/null");
            return (!is_empty).then(|| Way::Other("-F".to_owned()));
        }
        'o' => {
            let sign = |c: char| c == '=' || c.is_ascii_whitespace();
            let (name, value) = argument.trim().split_once(sign).unwrap_or((argument, ""));
            (name, value.trim_start_matches(sign))
        }
        _ => return None,
    };
    let value = value.trim().trim_matches('"');
    let says = |own: Option<&str>| link.is_none() || own == Some(value);
    match name.to_ascii_lowercase().as_str() {
        "proxycommand" | "proxyjump" if value.eq_ignore_ascii_case("none") => None,
        "proxycommand" => Some(Way::Hop("ProxyCommand".to_owned())),
        "proxyjump" => Some(Way::Hop("ProxyJump".to_owned())),
        "hostname" if value == "%h" || says(link.map(|link| link.address.as_str())) => None,
        "hostname" => Some(Way::Other("HostName".to_owned())),
        "port" if says(link.map(|link| link.port.unwrap_or(22).to_string()).as_deref()) => None,
        "port" => Some(Way::Other("Port".to_owned())),
        "user" if says(link.and_then(|link| link.user.as_deref())) => None,
        "user" => Some(Way::Other("User".to_owned())),
        _ => None,
    }
}
