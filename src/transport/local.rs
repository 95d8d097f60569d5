//! Commands as processes of this machine.
//!
//! The same line as over SSH (`wire`) goes to `sh`, in a process group of its own, so that
//! all of it can be ended: by its timeout (TERM, grace, KILL, and it is looked that nothing is left),
//! or at once when whoever waits for it goes away. What a command left running when it ended by
//! itself, a daemon say, is not touched; and a process that made itself a session of its own has
//! left the group. Where a command runs by `sudo` and its waiter goes away, only what belongs to
//! planrun's user can be killed.
//!
//! Not here: a session of its own (a command may see planrun's terminal; reading from it stops it).

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::process::ChildStderr;
use tokio::process::ChildStdout;
use tokio::time::timeout;

use super::AttemptId;
use super::Command;
use super::Exit;
use super::Output;
use super::Recovered;
use super::Transport;
use super::TransportError;
use super::answer::Answer;
use super::answer::LINGER;
use super::answer::LONGEST_LINGER;
use super::login::controller_user;
use super::run_true;
use super::wire::END_TIMEOUT;
use super::wire::GRACE;
use super::wire::Wire;
use super::witness;
use crate::inventory::Host;
use crate::inventory::HostName;

/// What the names of environment variables begin with that give inputs their values.
const INPUTS: &[u8] = b"PLANRUN_INPUT_";

/// Runs commands on this machine.
#[derive(Clone, Debug)]
pub struct LocalTransport {
    login: Option<String>,
    grace: Duration,
}

impl LocalTransport {
    /// Makes a transport that runs commands as the user of this process.
    pub fn new() -> Self {
        Self { login: controller_user(), grace: GRACE }
    }

    async fn run(
        &self,
        host: &Host,
        command: &Command,
        attempt: Option<&AttemptId>,
    ) -> Result<Output, TransportError> {
        let impossible = |why: String| TransportError::Impossible { host: host.name.clone(), why };
        let wire = Wire::new(command, self.login.as_deref(), attempt)
            .map_err(|error| impossible(error.to_string()))?;
        let mut running = Running::spawn(&wire)
            .map_err(|error| impossible(format!("no process can be begun: {error}")))?;
        let exit = match timeout(command.timeout, running.until_exit(&wire.stdin)).await {
            Ok(exit) => exit,
            Err(_late) => self.end(&host.name, &wire, &mut running).await?,
        };
        // Elapsed is no fault: something else holds the streams.
        let _in_time = timeout(LONGEST_LINGER, running.drain()).await;
        running.answer.conclude(&host.name, command, &wire, exit)
    }

    /// Ends a command that took too long.
    async fn end(
        &self,
        host: &HostName,
        wire: &Wire,
        running: &mut Running,
    ) -> Result<Exit, TransportError> {
        let line = wire.end_line(running.group.0.as_raw_nonzero().get().unsigned_abs(), self.grace);
        let printed = async {
            let output = timeout(END_TIMEOUT, shell(&line).stdin(Stdio::null()).output()).await;
            output.ok().and_then(Result::ok).map(|output| output.stdout)
        };
        // It is read on meanwhile: a program that cannot write cannot end in good order either.
        let (printed, exit) = tokio::join!(printed, timeout(END_TIMEOUT, running.until_exit(&[])));
        match wire.ended(&printed.unwrap_or_default()) {
            Some(true) => Ok(Exit::TimedOut),
            None if exit.is_ok() => Ok(Exit::TimedOut),
            _ => Err(TransportError::Cut {
                host: host.clone(),
                why: "the command did not end in time, and could not be ended".to_owned(),
            }),
        }
    }
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

    async fn recover(&self, host: &Host, id: &AttemptId) -> Result<Recovered, TransportError> {
        let question = witness::question(id).map_err(|error| TransportError::Impossible {
            host: host.name.clone(),
            why: error.to_string(),
        })?;
        Ok(witness::answer(&self.run(host, &question, None).await?))
    }
}

/// A process group that is killed when it is dropped while its leader lives.
#[derive(Debug)]
struct Group(Pid, bool);

impl Drop for Group {
    fn drop(&mut self) {
        if self.1 {
            // Nothing can be done about a failure: it is gone, or not ours.
            kill_process_group(self.0, Signal::KILL).ok();
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
        let mut child = shell(&wire.line).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
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

    /// Feeds the command and reads from it until its leader ends.
    async fn until_exit(&mut self, stdin: &[u8]) -> Exit {
        let pipe = self.child.stdin.take();
        let feed = async {
            if let Some(mut pipe) = pipe {
                // A command need not read what it is given.
                pipe.write_all(stdin).await.ok();
            }
        };
        tokio::pin!(feed);
        let mut fed = false;
        loop {
            let [out, err] = &mut self.pieces;
            tokio::select! {
                () = &mut feed, if !fed => fed = true,
                piece = read(&mut self.stdout, out) => self.answer.stdout(piece),
                piece = read(&mut self.stderr, err) => self.answer.stderr(piece),
                status = self.child.wait() => {
                    self.group.1 = false;
                    return status.map_or_else(|_| Exit::Signal("?".to_owned()), exit_of);
                }
            }
        }
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
fn shell(line: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("/bin/sh");
    // Values for inputs, secrets among them, are planrun's and not the command's.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(INPUTS) {
            command.env_remove(name);
        }
    }
    command.args(["-c", line]).process_group(0).kill_on_drop(true).stdout(Stdio::piped());
    command
}

pub(super) fn exit_of(status: ExitStatus) -> Exit {
    if let Some(code) = status.code() {
        return Exit::Code(code);
    }
    let number = status.signal().unwrap_or_default();
    let names = [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::ILL, "ILL"),
        (Signal::ABORT, "ABRT"),
        (Signal::BUS, "BUS"),
        (Signal::FPE, "FPE"),
        (Signal::KILL, "KILL"),
        (Signal::USR1, "USR1"),
        (Signal::SEGV, "SEGV"),
        (Signal::USR2, "USR2"),
        (Signal::PIPE, "PIPE"),
        (Signal::ALARM, "ALRM"),
        (Signal::TERM, "TERM"),
    ];
    let name = names.iter().find(|(signal, _)| signal.as_raw() == number);
    Exit::Signal(name.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned()))
}

#[cfg(test)]
mod tests;
