//! What may differ between users and tests.

use std::path::PathBuf;
use std::time::Duration;

use crate::transport::login::controller_user;
use crate::transport::wire::GRACE;

/// The options of a transport; see [`SshOptions::default`].
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// How long a connection may take to be made, login included; also the time limit for a channel, and
    /// for a host session on it to be ready. A host's own `connect_timeout` comes first.
    pub connect_timeout: Duration,
    /// How many commands run on a host at a time. OpenSSH's server allows ten sessions.
    pub commands_per_host: usize,
    /// How long a command may take to end after TERM.
    pub grace: Duration,
    /// The login user if the inventory names none.
    pub user: Option<String>,
    /// The directory with `.ssh/known_hosts` and the usual keys.
    pub home: Option<PathBuf>,
    /// Whether there is an agent to ask.
    pub agent: bool,
}

impl Default for SshOptions {
    /// Ten seconds, eight commands; user, home and agent are this process's.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            commands_per_host: 8,
            grace: GRACE,
            user: controller_user(),
            home: std::env::home_dir(),
            agent: std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty()),
        }
    }
}
