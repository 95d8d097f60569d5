//! Why there is no connection to a host, sorted by what it says about the host.

use std::io;

use crate::inventory::HostName;
use crate::transport::TransportError;

/// How many lines of what `ssh` printed go into a message.
const MAX_LINES: usize = 4;

/// Why there is no connection. What happens to the run depends on the kind, never on the words.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The host was not reached, or lost the connection: that may pass.
    Network(String),
    HostKey(String),
    Denied(String),
    /// A problem on this machine.
    Here(String),
}

impl Failure {
    /// Says that it happened at a jump host.
    pub(super) fn at_jump_host(mut self, name: &str) -> Self {
        let (Self::Network(why) | Self::HostKey(why) | Self::Denied(why) | Self::Here(why)) =
            &mut self;
        *why = format!("jump host {name}: {why}");
        self
    }

    /// Sorts what the program `ssh` printed before it ended. Only its words tell: the two that say
    /// something about the host are recognised, as `sshconnect.c` and `sshconnect2.c` of OpenSSH have them.
    pub(super) fn of_ssh(printed: &str, why: &str) -> Self {
        let is_frame = |line: &&str| line.is_empty() || line.starts_with('@');
        let lines = printed.lines().map(str::trim).filter(|line| !is_frame(line));
        let lines: Vec<&str> = lines.collect();
        // The reason is at the end.
        let said = lines[lines.len().saturating_sub(MAX_LINES)..].join("; ");
        let has = |words: &str| printed.contains(words);
        if has("Host key verification failed") {
            Self::HostKey(said)
        } else if has("Permission denied (") || has("Too many authentication failures") {
            Self::Denied(format!("the login failed: {said}"))
        } else {
            Self::Network(if said.is_empty() { why.to_owned() } else { said })
        }
    }

    pub(super) fn of(self, host: &HostName) -> TransportError {
        let host = host.clone();
        match self {
            Self::Network(why) => TransportError::Unreachable { host, why },
            Self::HostKey(why) => TransportError::HostKey { host, why },
            Self::Denied(why) => TransportError::Denied { host, why },
            Self::Here(why) => TransportError::Controller { host, why },
        }
    }
}

/// Whether the other side closed the connection.
pub(super) fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// Returns what an error of the network means, after the address.
pub(super) fn network(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "refuses the connection: no SSH server listens there".to_owned()
        }
        io::ErrorKind::TimedOut => "does not answer".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "is not routable from here".to_owned()
        }
        _ if is_closed(error) => "closed the connection during the handshake".to_owned(),
        _ => format!("does not accept connections: {error}"),
    }
}
