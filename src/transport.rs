//! Transports: how a command reaches a host.
//!
//! A [`Transport`] runs one command on one host and returns its result: an [`Output`], or a
//! [`TransportError`] whose kind is *what is known* (nothing was sent, or the outcome is unknown). It
//! decides nothing: it does not retry, and does not judge an exit code. Probes may be repeated; an
//! effect carries the id of its attempt and is sent at most once for it. It outlives its connection and
//! the process that sent it: [`Transport::recover`] asks for its outcome.

pub mod answer;
pub mod hosts;
pub mod local;
pub mod lock;
pub mod login;
pub mod model;
pub mod passwords;
pub mod program;
pub mod redacting;
mod session;
pub mod ssh;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::duration;
use crate::inventory::{Host, HostName};
use crate::transport::lock::{LockReply, LockRequest};

/// The maximum number of bytes kept of each stream of a command; the rest is read, counted and dropped.
pub const MAX_OUTPUT: usize = 1024 * 1024;

/// How long a host may take to show that it runs commands, once it is connected.
const REACH_TIMEOUT: Duration = Duration::from_secs(30);

/// The name of one attempt at one task: the same for everyone who computes it, before or after a
/// crash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub String);

/// What is to be done on a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    pub body: Body,
    /// What the command reads; nothing by default.
    pub stdin: Option<Vec<u8>>,
    /// Environment variables set for it.
    pub env: IndexMap<String, String>,
    /// The directory it runs in.
    pub dir: Option<String>,
    /// The user it runs as; `None` is the login user.
    pub r#become: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// The step it belongs to, `PLAN/PATH`: models know scripts by it.
    pub step: String,
}

/// The work of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A program and its arguments, each handed over as it is.
    Argv(Vec<String>),
    /// A script for `sh`, under `set -eu`.
    Script(String),
    /// A file that is put in place in one step.
    Upload {
        content: Arc<[u8]>,
        /// Whether it contains a secret: then only the host may learn its digest, and only the owner of a
        /// new file may read it by default.
        secret: bool,
        /// The path on the host.
        to: String,
        /// The mode, in octal; by default that of the file that is replaced, else 0644.
        mode: Option<String>,
        /// The owner, `user` or `user:group`; by default the user that runs the step.
        owner: Option<String>,
    },
    /// A check whether a file is as an upload with the same fields would leave it. It prints `same`,
    /// `other`, or `unsure` if the host cannot determine it.
    Compare {
        content: Arc<[u8]>,
        /// Whether it contains a secret: then only the host may learn its digest, and only the owner of a
        /// new file may read it by default.
        secret: bool,
        /// The path on the host.
        to: String,
        /// The mode, in octal; any by default.
        mode: Option<String>,
        /// The owner, `user` or `user:group`; any by default.
        owner: Option<String>,
    },
}

/// The result of a command that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub exit: Exit,
    /// The first [`MAX_OUTPUT`] bytes of its standard output.
    pub stdout: Vec<u8>,
    /// How many bytes it wrote there.
    pub stdout_len: u64,
    /// The first [`MAX_OUTPUT`] bytes of its standard error.
    pub stderr: Vec<u8>,
    /// How many bytes it wrote there.
    pub stderr_len: u64,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    Code(i32),
    /// By a signal, named without `SIG`.
    Signal(String),
    /// It exceeded its timeout, got a signal, and is known to have ended.
    TimedOut,
}

/// Why a command gave no [`Output`]. The variants differ in what is known of the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportError {
    /// The host was not reached; nothing was sent.
    #[error("{host} is unreachable: {why}")]
    Unreachable { host: HostName, why: String },
    /// The host's key is unknown, changed or revoked; nothing was sent.
    #[error("{host} fails host key verification: {why}")]
    HostKey {
        host: HostName,
        /// The reason, with the line or the fingerprint.
        why: String,
    },
    /// The host refused the login or the change of user; nothing was done.
    #[error("{host} refused: {why}")]
    Denied { host: HostName, why: String },
    /// The connection was lost after the command was handed over, or it may still be running
    /// after its timeout: the outcome is unknown.
    #[error("the connection to {host} was lost while a command was running: {why}")]
    Cut { host: HostName, why: String },
    /// A problem on this machine: a key, a file of known hosts or a source cannot be read. Nothing is
    /// known about the host; nothing was sent.
    #[error("cannot connect to {host}: {why}")]
    Controller {
        host: HostName,
        /// The reason, and how to fix it.
        why: String,
    },
    /// The host already started an attempt with this id, which this run has no record of (its state
    /// directory may be an older copy). This time nothing was sent; what the earlier one did is
    /// unknown.
    #[error("{host} already started this attempt: {why}")]
    Repeated {
        host: HostName,
        /// What the host reports.
        why: String,
    },
    /// Another run has locked the host, or this run has lost its lock. Nothing was sent.
    #[error("{host} {why}")]
    Locked {
        host: HostName,
        /// Who has it, as the rest of the sentence.
        why: String,
    },
    /// The command cannot be given at all: a NUL in an argument, no entry in the model. Nothing
    /// was sent.
    #[error("{host}: {why}")]
    Impossible { host: HostName, why: String },
}

/// What a host reports about an attempt whose end was not recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Recovered {
    /// It never started there, and cannot start any more.
    Absent,
    Running,
    /// It started and is over; its outcome is unknown.
    Over,
    /// It ended like this; what it printed is lost.
    Exited(Exit),
    Ended(Output),
    /// The host cannot determine it.
    Unknown,
}

/// How commands reach hosts.
#[async_trait(?Send)]
pub trait Transport {
    /// Runs a command that changes nothing.
    async fn look(&self, host: &Host, command: &Command) -> Result<Output, TransportError>;

    /// Runs a command that changes something. The caller has committed its intent.
    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError>;

    /// Runs an effect, and right after it a probe on the same host: in one exchange, if that is possible, and
    /// if the probe is quick. The caller has committed the intent of the effect.
    async fn attempt_and_look(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
        probe: &Command,
    ) -> Result<(Output, Option<Output>), TransportError> {
        let _ = probe;
        self.attempt(host, id, command).await.map(|output| (output, None))
    }

    /// Connects to a host ahead of its first command, and sees to it that the host has a memory of
    /// attempts before the first one is intended.
    async fn reach(&self, host: &Host) -> Result<(), TransportError> {
        let _ = host;
        Ok(())
    }

    /// Shows that commands can run on a host: connects, checks who it is, logs in, and becomes a
    /// user if one is named.
    async fn log_in(&self, host: &Host, r#become: Option<&str>) -> Result<(), TransportError> {
        let _ = r#become;
        self.reach(host).await
    }

    /// Returns the host key that a host has shown, as `known_hosts` has it; `None` if it was not
    /// reached, or has none.
    fn shown_key(&self, host: &HostName) -> Option<String> {
        let _ = host;
        None
    }

    /// Requires that a host shows the key that it showed earlier in the run.
    fn expect_key(&self, host: &HostName, key: &str) {
        let _ = (host, key);
    }

    /// Asks a host about its lock: takes it, releases it, or reports who has it. An attempt on a host whose
    /// lock was taken is [`TransportError::Locked`] if the lock was lost since.
    async fn lock(&self, host: &Host, request: &LockRequest) -> Result<LockReply, TransportError> {
        let _ = (host, request);
        Ok(LockReply::Needless)
    }

    /// Reports that the outcome of an attempt is recorded: its host need not keep what it printed.
    async fn recorded(&self, host: &Host, id: &AttemptId) {
        let _ = (host, id);
    }

    /// Asks for the outcome of an attempt that an earlier process sent, or meant to send. A host whose
    /// memory is younger than the intent has lost it, and cannot report it.
    async fn recover(
        &self,
        host: &Host,
        id: &AttemptId,
        intended: Timestamp,
    ) -> Result<Recovered, TransportError> {
        let _ = (host, id, intended);
        Ok(Recovered::Unknown)
    }
}

/// Logs in by a command that does nothing.
async fn run_true(
    transport: &dyn Transport,
    host: &Host,
    r#become: Option<&str>,
) -> Result<(), TransportError> {
    let command = Command {
        body: Body::Argv(vec!["true".to_owned()]),
        stdin: None,
        env: IndexMap::new(),
        dir: None,
        r#become: r#become.map(str::to_owned),
        timeout: REACH_TIMEOUT,
        step: String::new(),
    };
    let output = transport.look(host, &command).await?;
    let host = host.name.clone();
    match output.exit {
        Exit::Code(0) => Ok(()),
        Exit::TimedOut => {
            let why = format!("`true` took longer than {}", duration::show(REACH_TIMEOUT));
            Err(TransportError::Unreachable { host, why })
        }
        Exit::Code(_) | Exit::Signal(_) => {
            let why = "login succeeds, but `true` fails there".to_owned();
            Err(TransportError::Denied { host, why })
        }
    }
}

impl Output {
    /// Makes an output that was read as a whole.
    pub fn new(exit: Exit, stdout: impl Into<Vec<u8>>, stderr: impl Into<Vec<u8>>) -> Self {
        let (stdout, stderr) = (stdout.into(), stderr.into());
        Self {
            exit,
            stdout_len: stdout.len() as u64,
            stderr_len: stderr.len() as u64,
            stdout,
            stderr,
        }
    }
}

impl TransportError {
    /// Whether it is not a result of a step: only the operator can fix it, and until then nothing more
    /// is sent to the host.
    pub fn blocks(&self) -> bool {
        matches!(self, Self::Controller { .. } | Self::Repeated { .. } | Self::Locked { .. })
    }

    /// Whether the host was not reached, or not for long enough. Otherwise it was reached, and refuses.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Cut { .. })
    }

    /// Returns the error for a line that already names this host.
    pub fn on(&self, host: &HostName) -> String {
        match self {
            other if other.host() != host => other.to_string(),
            Self::Unreachable { why, .. }
            | Self::Denied { why, .. }
            | Self::Locked { why, .. }
            | Self::Impossible { why, .. } => why.clone(),
            Self::HostKey { why, .. } => format!("fails host key verification: {why}"),
            Self::Cut { why, .. } => {
                format!("the connection was lost while a command was running: {why}")
            }
            Self::Controller { why, .. } => format!("cannot be reached: {why}"),
            Self::Repeated { why, .. } => format!("already started this attempt: {why}"),
        }
    }

    /// Returns the host it is about.
    pub fn host(&self) -> &HostName {
        match self {
            Self::Unreachable { host, .. }
            | Self::HostKey { host, .. }
            | Self::Denied { host, .. }
            | Self::Cut { host, .. }
            | Self::Controller { host, .. }
            | Self::Repeated { host, .. }
            | Self::Locked { host, .. }
            | Self::Impossible { host, .. } => host,
        }
    }
}

impl Command {
    /// Returns the command as people read it: one line, arguments quoted if they need it.
    pub fn display(&self) -> String {
        match &self.body {
            Body::Argv(argv) => {
                argv.iter().map(|word| crate::quote::readable(word)).collect::<Vec<_>>().join(" ")
            }
            Body::Script(script) => script.trim_end().to_owned(),
            Body::Upload { content, to, .. } => {
                format!("upload {} bytes to {}", content.len(), crate::quote::readable(to))
            }
            Body::Compare { to, .. } => {
                format!("compare {}", crate::quote::readable(to))
            }
        }
    }
}
