//! The program `ssh` as the way to a host: `planrun_connection: openssh`.
//!
//! Each host session is an `ssh` with `/bin/sh` at its other end. `ssh` finds the way, verifies the host and
//! logs in, so it does whatever it can do: certificates of hosts, GSSAPI, keys on tokens, a connection that
//! another `ssh` shares. It never asks, and never trusts a key that is not known. What goes over its pipes,
//! and what is promised, is the same as on a channel.
//!
//! Why it did not connect is only in what it prints: [`super::failure::Failure::of_ssh`] sorts it.

use std::io;
use std::time::Duration;

use super::config::{Asked, Config};
use crate::inventory::Link;
use crate::transport::local::{Input, Streams, process};
use crate::transport::wire::LOGIN;

/// The status of an `ssh` that has no connection, or lost it.
pub(super) const NO_CONNECTION: i32 = 255;

/// Options that the plan and the promises rely on: the first value of each counts.
const FIXED: [&str; 9] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "ControlMaster=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "EscapeChar=none",
    "LogLevel=ERROR",
];

/// Returns the arguments of `ssh` for a host.
pub(super) fn arguments(
    asked: &Asked,
    link: &Link,
    config: &Config,
    patience: Duration,
    alive: Option<(Duration, usize)>,
) -> Vec<String> {
    let mut options = FIXED.map(str::to_owned).to_vec();
    options.push(format!("ConnectTimeout={}", patience.as_secs().max(1)));
    if let Some((interval, most)) = alive {
        options.push(format!("ServerAliveInterval={}", interval.as_secs()));
        options.push(format!("ServerAliveCountMax={most}"));
    }
    if asked.key.is_some() {
        options.push("IdentitiesOnly=yes".to_owned());
    }
    if let Some(file) = &link.known_hosts {
        options.push(format!("UserKnownHostsFile=\"{}\"", file.replace('%', "%%")));
        options.push("GlobalKnownHostsFile=/dev/null".to_owned());
    }
    let options = options.into_iter().flat_map(|option| ["-o".to_owned(), option]);
    let words = ["-T", "-a", "-x"].map(str::to_owned).into_iter().chain(options);
    words.chain(config.words().iter().cloned()).chain([LOGIN.to_owned()]).collect()
}

/// Starts it.
pub(super) fn start(arguments: &[String]) -> io::Result<(Streams, Input)> {
    let mut command = process("ssh");
    command.args(arguments);
    Streams::of(command).map(|(streams, input, _)| (streams, input))
}
