//! Commands as processes of this machine.
//!
//! The same host sessions as over SSH (`wire`) run in a `sh`, in a process group of its own. The session
//! keeps the time limit of a probe, and ends everything the command started. If the caller of a probe
//! goes away, the session gets a signal and ends the probe at once. An effect continues. Processes that a
//! command leaves running when it ends by itself, such as a daemon, are not touched. A probe that runs with
//! `sudo` and whose caller goes away is ended only by its time limit.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::answer::{Answer, Closing, Stream, signal_name};
use super::exchange::Login;
use super::lock::Fences;
use super::login::controller_user;
use super::session::{Piece, Reader, Session, Writer};
use super::wire::{GRACE, LOGIN, Privilege, Wire};
use super::{Exit, Reply, Request, Transport, TransportError};
use crate::inventory::{BecomeMethod, Host};

/// The prefix of environment variables that give inputs their values.
const INPUTS: &[u8] = b"PLANRUN_INPUT_";

/// How long a shell of this machine may take to start the session.
const READY: Duration = Duration::from_secs(30);

/// Runs commands on this machine.
#[derive(Debug)]
pub struct LocalTransport {
    login: Option<String>,
    grace: Duration,
    idle: RefCell<Vec<(LocalSession, Group)>>,
    fences: Fences,
}

impl LocalTransport {
    /// Makes a transport that runs commands as the user of this process.
    pub fn new() -> Self {
        Self::with_grace(GRACE)
    }

    /// Makes a transport whose commands may take so long to end after TERM.
    pub fn with_grace(grace: Duration) -> Self {
        Self {
            login: controller_user(),
            grace,
            idle: RefCell::default(),
            fences: Fences::default(),
        }
    }

    /// Gives a request to a session, and reads its answer. A session that ended while nothing was asked of it is
    /// replaced. A host on which no process starts is [`TransportError::Impossible`].
    pub async fn serve(
        &self,
        host: &Host,
        wire: &Wire,
    ) -> Result<(Closing, Answer), TransportError> {
        let link = &host.link;
        let is_plain = link.become_method == BecomeMethod::Sudo && link.become_password.is_none();
        if wire.sudo.is_some() && !is_plain {
            let why = "on this machine, only `sudo` without a password is supported";
            return Err(impossible(host, why.to_owned()));
        }
        loop {
            let idle = self.idle.borrow_mut().pop();
            let idle = idle.and_then(|mut idle| idle.0.is_alive().then_some(idle));
            let is_used = idle.is_some();
            let (session, mut group) = match idle {
                Some(idle) => idle,
                None => start(host).await?,
            };
            group.1 = true;
            let (closing, answer, session) = session.serve(wire).await;
            group.1 = false;
            if let Some(session) = session {
                self.idle.borrow_mut().push((session, group));
            } else if is_used && wire.is_repeatable && answer.is_untouched() {
                continue;
            }
            return Ok((closing, answer));
        }
    }
}

fn impossible(host: &Host, why: String) -> TransportError {
    TransportError::Impossible { host: host.name.clone(), why }
}

type LocalSession = Session<Streams, Input>;

async fn start(host: &Host) -> Result<(LocalSession, Group), TransportError> {
    let failed = |error| impossible(host, format!("cannot start a process: {error}"));
    let mut shell = process("/bin/sh");
    shell.args(["-c", LOGIN]);
    let (streams, input, pid) = Streams::of(shell).map_err(failed)?;
    match Session::start(streams, input, READY, &Privilege::default()).await {
        Ok(session) => Ok((session, Group(pid, false))),
        Err((closing, greeting)) => Err(greeting.failure(&host.name, &closing)),
    }
}

impl Default for LocalTransport {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait(?Send)]
impl Transport for LocalTransport {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        match request {
            Request::Reach if self.idle.borrow().is_empty() => {
                // A session that is ready has made this machine's memory of attempts.
                let session = start(host).await?;
                self.idle.borrow_mut().push(session);
            }
            Request::Recorded(id) => {
                let idle = self.idle.borrow_mut().pop();
                if let Some((mut session, group)) = idle {
                    session.forget(std::slice::from_ref(id)).await;
                    self.idle.borrow_mut().push((session, group));
                }
            }
            _ => {
                let (user, grace, fences) = (self.login.as_deref(), self.grace, &self.fences);
                let login = Login { user, grace, fences };
                return login
                    .handle(host, request, async |wire| self.serve(host, wire).await)
                    .await;
            }
        }
        Ok(Reply::Done)
    }
}

/// The process group of a session, and whether a caller waits for an answer: if the caller goes away, the
/// group gets a signal.
#[derive(Debug)]
struct Group(Pid, bool);

impl Drop for Group {
    fn drop(&mut self) {
        if self.1 {
            // Nothing can be done about a failure: it is gone, or not ours.
            kill_process_group(self.0, Signal::USR1).ok();
        }
    }
}

/// What a process prints.
#[derive(Debug)]
pub(super) struct Streams {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    has_ended: bool,
    pieces: [Vec<u8>; 2],
}

impl Streams {
    /// Starts a process.
    pub(super) fn of(mut command: tokio::process::Command) -> io::Result<(Self, Input, Pid)> {
        let mut child = command.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.ok_or_else(|| io::Error::other("the process has no number"))?;
        let input = Input(child.stdin.take());
        let streams = Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
            has_ended: false,
            pieces: [vec![0; 64 * 1024], vec![0; 64 * 1024]],
        };
        Ok((streams, input, pid))
    }

    /// Ends the process group of a process that has not ended.
    pub(super) fn terminate(&self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            kill_process_group(group, Signal::TERM).ok();
        }
    }
}

impl Reader for Streams {
    async fn next(&mut self) -> Piece {
        if self.has_ended && self.stdout.is_none() && self.stderr.is_none() {
            return Piece::Closed(Closing::Lost("the session ended"));
        }
        let [out, err] = &mut self.pieces;
        tokio::select! {
            piece = read(&mut self.stdout, out) => Piece::Bytes(Stream::Out, piece),
            piece = read(&mut self.stderr, err) => Piece::Bytes(Stream::Err, piece),
            status = self.child.wait(), if !self.has_ended => {
                self.has_ended = true;
                status.map_or(Piece::Nothing, |status| Piece::Exit(exit_of(status)))
            }
        }
    }
}

/// Reads a piece, empty at the end; waits forever on a stream that has ended.
async fn read(pipe: &mut Option<impl AsyncRead + Unpin>, piece: &mut [u8]) -> Vec<u8> {
    let Some(stream) = pipe else { return std::future::pending().await };
    let count = stream.read(piece).await.unwrap_or(0);
    if count == 0 {
        *pipe = None;
    }
    piece[..count].to_vec()
}

/// What a process reads.
#[derive(Debug)]
pub(super) struct Input(Option<ChildStdin>);

impl Writer for Input {
    /// A command need not read what it is given.
    async fn send(&mut self, bytes: &[u8]) {
        if let Some(pipe) = &mut self.0 {
            pipe.write_all(bytes).await.ok();
        }
    }

    async fn end(&mut self) {
        self.0 = None;
    }
}

/// Prepares a process of this machine. Values for inputs, secrets among them, are planrun's and not the process's.
#[expect(clippy::disallowed_methods, reason = "this is the home of local processes")]
pub(super) fn program(path: impl AsRef<OsStr>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(INPUTS) {
            command.env_remove(name);
        }
    }
    command
}

/// Prepares a process with pipes, in a process group of its own.
pub(super) fn process(path: &str) -> tokio::process::Command {
    let mut command = program(path);
    command.process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) fn exit_of(status: ExitStatus) -> Exit {
    match status.code() {
        Some(code) => Exit::Code(code),
        None => Exit::Signal(signal_name(status.signal().unwrap_or_default())),
    }
}
