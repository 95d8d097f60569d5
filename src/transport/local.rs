//! Commands as processes of this machine.
//!
//! The same host session as over SSH (`wire`) goes to a `sh`, in a process group of its own. It keeps the
//! time limit, and ends everything the command started. If whoever waits for a command goes away, the
//! session is told so by a signal and ends the command at once. What a command left running when it
//! ended by itself, a daemon say, is not touched. If a command runs by `sudo` and its waiter goes away,
//! only its time limit ends it.

use std::cell::Cell;
use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::answer::{Answer, Closing, LINGER, LONGEST_LINGER, signal_name};
use super::login::controller_user;
use super::wire::{GRACE, LOGIN, Wire};
use super::{AttemptId, Command, Exit, Output, Recovered, Transport, TransportError, run_true};
use crate::inventory::Host;

/// What the names of environment variables begin with that give inputs their values.
const INPUTS: &[u8] = b"PLANRUN_INPUT_";

/// How long a shell of this machine may take to start the session.
const READY: Duration = Duration::from_secs(30);

/// Runs commands on this machine.
#[derive(Clone, Debug)]
pub struct LocalTransport {
    login: Option<String>,
    grace: Duration,
    prepared: Cell<bool>,
}

impl LocalTransport {
    /// Makes a transport that runs commands as the user of this process.
    pub fn new() -> Self {
        Self { login: controller_user(), grace: GRACE, prepared: Cell::new(false) }
    }

    async fn run(
        &self,
        host: &Host,
        command: &Command,
        attempt: Option<&AttemptId>,
    ) -> Result<Output, TransportError> {
        let wire = Wire::new(command, self.login.as_deref(), attempt, self.grace)
            .map_err(|error| impossible(host, error.to_string()))?;
        let (closing, answer) = serve(host, &wire).await?;
        answer.conclude(&host.name, command, &wire, closing)
    }
}

fn impossible(host: &Host, why: String) -> TransportError {
    TransportError::Impossible { host: host.name.clone(), why }
}

/// Gives a request to a host session of its own.
async fn serve(host: &Host, wire: &Wire) -> Result<(Closing, Answer), TransportError> {
    let mut running = Running::spawn(wire)
        .map_err(|error| impossible(host, format!("cannot start a process: {error}")))?;
    let closing = running.until_end(wire).await;
    if closing == Closing::Said {
        // Elapsed is not a fault: something else holds the streams.
        let _in_time = timeout(LONGEST_LINGER, running.drain()).await;
    }
    running.group.1 = false;
    Ok((closing, running.answer))
}

impl Default for LocalTransport {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait(?Send)]
impl Transport for LocalTransport {
    async fn look(&self, host: &Host, command: &Command) -> Result<Output, TransportError> {
        self.run(host, command, None).await
    }

    async fn log_in(&self, host: &Host, r#become: Option<&str>) -> Result<(), TransportError> {
        run_true(self, host, r#become).await
    }

    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        self.run(host, command, Some(id)).await
    }

    async fn reach(&self, host: &Host) -> Result<(), TransportError> {
        if !self.prepared.get() {
            // A session that is ready has made this machine's memory of attempts.
            let (closing, answer) = serve(host, &Wire::hello()).await?;
            if let Some(error) = answer.not_ready(&host.name, &closing) {
                return Err(error);
            }
            self.prepared.set(true);
        }
        Ok(())
    }

    async fn recover(
        &self,
        host: &Host,
        id: &AttemptId,
        intended: Timestamp,
    ) -> Result<Recovered, TransportError> {
        let (closing, answer) = serve(host, &Wire::ask(id)).await?;
        answer.recovered(&host.name, intended, &closing)
    }
}

/// The process group of a session, which is told when nobody waits for it any more.
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

struct Running {
    group: Group,
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    answer: Answer,
    pieces: [Vec<u8>; 2],
}

impl Running {
    fn spawn(wire: &Wire) -> std::io::Result<Self> {
        let mut child = shell().spawn()?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
            .ok_or_else(|| std::io::Error::other("the process has no number"))?;
        Ok(Self {
            group: Group(pid, true),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
            answer: Answer::new(wire),
            pieces: [vec![0; 64 * 1024], vec![0; 64 * 1024]],
        })
    }

    /// Feeds the session and reads from it until nothing more is to be said about the command.
    async fn until_end(&mut self, wire: &Wire) -> Closing {
        let mut pipe = self.child.stdin.take();
        self.until(write(&mut pipe, wire.session.as_bytes()), READY, Answer::is_ready).await;
        if !self.answer.is_ready() {
            return Closing::Lost("`/bin/sh` did not start the session");
        }
        self.answer.sent();
        let request = async {
            write(&mut pipe, wire.request.as_bytes()).await;
            write(&mut pipe, &wire.stdin).await;
            pipe = None;
        };
        self.until(request, wire.patience, Answer::is_over).await;
        if self.answer.is_over() {
            return Closing::Said;
        }
        match self.child.try_wait() {
            Ok(Some(status)) => Closing::Exit(exit_of(status)),
            _ => Closing::Lost("the session did not report in time how the command ended"),
        }
    }

    /// Reads for so long at most, until the answer is far enough or both streams and the session have
    /// ended.
    async fn until(
        &mut self,
        feed: impl Future<Output = ()>,
        longest: Duration,
        enough: impl Fn(&Answer) -> bool,
    ) {
        let reading = async {
            tokio::pin!(feed);
            let (mut fed, mut ended) = (false, false);
            while !enough(&self.answer)
                && (!ended || self.stdout.is_some() || self.stderr.is_some())
            {
                let [out, err] = &mut self.pieces;
                tokio::select! {
                    () = &mut feed, if !fed => fed = true,
                    piece = read(&mut self.stdout, out) => self.answer.stdout(piece),
                    piece = read(&mut self.stderr, err) => self.answer.stderr(piece),
                    _status = self.child.wait(), if !ended => ended = true,
                }
            }
        };
        // What is missing then is found by the caller.
        let _in_time = timeout(longest, reading).await;
    }

    /// Reads what is still to come, until both streams end or are silent for long.
    async fn drain(&mut self) {
        while self.stdout.is_some() || self.stderr.is_some() {
            let [out, err] = &mut self.pieces;
            let next = async {
                tokio::select! {
                    piece = read(&mut self.stdout, out) => self.answer.stdout(piece),
                    piece = read(&mut self.stderr, err) => self.answer.stderr(piece),
                }
            };
            if timeout(LINGER, next).await.is_err() {
                return;
            }
        }
    }
}

/// Writes bytes. A command need not read what it is given.
async fn write(pipe: &mut Option<ChildStdin>, bytes: &[u8]) {
    if let Some(pipe) = pipe {
        pipe.write_all(bytes).await.ok();
    }
}

/// Reads a piece, empty at the end; waits for ever on a stream that has ended.
async fn read<'a>(pipe: &mut Option<impl AsyncRead + Unpin>, piece: &'a mut [u8]) -> &'a [u8] {
    let Some(stream) = pipe else {
        return std::future::pending().await;
    };
    let count = stream.read(piece).await.unwrap_or(0);
    if count == 0 {
        *pipe = None;
    }
    &piece[..count]
}

#[expect(clippy::disallowed_methods, reason = "this is the home of local processes")]
fn shell() -> tokio::process::Command {
    let mut command = tokio::process::Command::new("/bin/sh");
    // Values for inputs, secrets among them, are planrun's and not the command's.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(INPUTS) {
            command.env_remove(name);
        }
    }
    command.args(["-c", LOGIN]).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) fn exit_of(status: ExitStatus) -> Exit {
    match status.code() {
        Some(code) => Exit::Code(code),
        None => Exit::Signal(signal_name(status.signal().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests;
