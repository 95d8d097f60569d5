//! Transports: how a command reaches a host.
//!
//! A [`Transport`] runs one command on one host and returns its result: an [`Output`], or a
//! [`TransportError`] whose kind is *what is known* (nothing was sent, or the outcome is unknown). It
//! decides nothing: it does not retry, and does not judge an exit code. Probes may be repeated; an
//! effect carries the id of its attempt and is sent at most once for it. It outlives its connection and
//! the process that sent it: [`Transport::recover`] asks for its outcome.

pub mod answer;
mod exchange;
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

use crate::inventory::{Host, HostName};
use crate::transport::lock::{LockReply, LockRequest};

/// The maximum number of bytes kept of each stream of a command; the rest is read, counted and dropped.
pub const MAX_OUTPUT: usize = 1024 * 1024;

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
    /// Whether one of these is a secret: then no file keeps them once the command has started.
    pub secret_env: bool,
    /// The directory it runs in.
    pub dir: Option<String>,
    /// The user it runs as; `None` is the login user.
    pub r#become: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// The step it belongs to, `PLAN/PATH`: models know scripts by it.
    pub step: String,
    /// The host of the run that the step works on, wherever it runs.
    pub host: Option<HostName>,
}

/// The work of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A program and its arguments, each handed over as it is.
    Argv(Vec<String>),
    /// A script for `sh`, under `set -eu`.
    Script(String),
    /// A file is put in place in one step.
    Upload(File),
    /// A check whether a file is as an upload would leave it; by default, any mode and owner will do. It
    /// prints `same`, `other`, or `unsure` if the host cannot determine it.
    Compare(File),
}

/// A file on a host.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub content: Arc<[u8]>,
    /// Whether it contains a secret: then only the host may learn its digest, and only the owner of a
    /// new file may read it by default.
    pub secret: bool,
    /// The path on the host.
    pub to: String,
    /// The mode, in octal; by default that of the file that is replaced, else 0644.
    pub mode: Option<String>,
    /// The owner, `user` or `user:group`; by default the user that runs the step.
    pub owner: Option<String>,
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

/// What a host is asked.
#[derive(Clone, Copy, Debug)]
pub enum Request<'r> {
    /// Run a command that changes nothing.
    Look(&'r Command),
    /// Run a command that changes something, and right after it maybe a probe: in one exchange, if that is
    /// possible, and if the probe is quick. The caller has committed the intent of the effect.
    Attempt(&'r AttemptId, &'r Command, Option<&'r Command>),
    /// Connect ahead of the first command, and have a memory of attempts before the first one is
    /// intended.
    Reach,
    /// Show that commands can run: connect, check who it is, log in, and become a user if one is named.
    LogIn(Option<&'r str>),
    /// Take the lock, release it, or report who has it. An attempt on a host whose lock was taken is
    /// [`TransportError::Locked`] if the lock was lost since.
    Lock(&'r LockRequest),
    /// Note that the outcome of an attempt is recorded: what it printed need not be kept.
    Recorded(&'r AttemptId),
    /// Report the last part of what an attempt has printed, which runs; nothing if that is not known.
    Printed(&'r AttemptId),
    /// Report the outcome of an attempt that an earlier process sent, or meant to send at this time. A
    /// host whose memory is younger has lost it, and cannot report it.
    Recover(&'r AttemptId, Timestamp),
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// There is nothing to report.
    Done,
    /// How a command ended, and the probe after it if that has ended, too.
    Ended(Output, Option<Output>),
    Lock(LockReply),
    Recovered(Recovered),
}

/// How commands reach hosts. A transport has one method, [`Transport::handle`]; the others are
/// requests with the type of their reply.
#[async_trait(?Send)]
pub trait Transport {
    /// Handles a request. [`Reply::Done`] is the reply to one that means nothing to this transport.
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError>;

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

    async fn look(&self, host: &Host, command: &Command) -> Result<Output, TransportError> {
        self.handle(host, Request::Look(command)).await?.output(host)
    }

    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        self.handle(host, Request::Attempt(id, command, None)).await?.output(host)
    }

    async fn reach(&self, host: &Host) -> Result<(), TransportError> {
        self.handle(host, Request::Reach).await.map(|_done| ())
    }

    async fn log_in(&self, host: &Host, r#become: Option<&str>) -> Result<(), TransportError> {
        self.handle(host, Request::LogIn(r#become)).await.map(|_done| ())
    }

    async fn lock(&self, host: &Host, request: &LockRequest) -> Result<LockReply, TransportError> {
        match self.handle(host, Request::Lock(request)).await? {
            Reply::Lock(reply) => Ok(reply),
            _ => Ok(LockReply::Needless),
        }
    }

    async fn recorded(&self, host: &Host, id: &AttemptId) {
        // A host that keeps more than it needs does no harm.
        self.handle(host, Request::Recorded(id)).await.ok();
    }

    async fn recover(
        &self,
        host: &Host,
        id: &AttemptId,
        intended: Timestamp,
    ) -> Result<Recovered, TransportError> {
        match self.handle(host, Request::Recover(id, intended)).await? {
            Reply::Recovered(recovered) => Ok(recovered),
            _ => Ok(Recovered::Unknown),
        }
    }
}

impl Reply {
    fn output(self, host: &Host) -> Result<Output, TransportError> {
        let Self::Ended(output, _) = self else {
            let why = "no command can run there".to_owned();
            return Err(TransportError::Impossible { host: host.name.clone(), why });
        };
        Ok(output)
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
            Body::Upload(File { content, to, .. }) => {
                format!("upload {} bytes to {}", content.len(), crate::quote::readable(to))
            }
            Body::Compare(file) => format!("compare {}", crate::quote::readable(&file.to)),
        }
    }
}
