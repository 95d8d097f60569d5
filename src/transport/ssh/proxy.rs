//! A program as the way to a host: `ProxyCommand`.
//!
//! It is run by the shell, in a process group of its own. A watcher in the group reads a pipe that only this
//! process can write to, and never does: when it is closed, with the connection or because this process was
//! killed, the watcher ends the group. What the program writes to standard error is kept for a message.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::transport::local::program;

/// How much of its standard error is kept.
const MAX_SAID: usize = 1024;

/// How long its standard error is waited for after it was ended.
const LINGER: Duration = Duration::from_secs(1);

/// Starts the watcher; the program comes after it. The pipe is standard input, the connection is standard output.
const WATCHED: &str = "exec 3<&0 <&1
{ read -r line; kill -KILL 0; } <&3 >/dev/null 2>&1 3<&- &
exec 3<&-
exec ";

/// A program that runs.
pub(super) struct Proxy {
    pub(super) stream: UnixStream,
    /// It may run as long as this is open.
    pub(super) leash: io::PipeWriter,
    pub(super) said: Said,
}

/// What a program writes to standard error.
pub(super) struct Said(JoinHandle<Vec<u8>>);

impl Said {
    /// Returns it as the end of a message, once the program has ended.
    pub(super) async fn words(self) -> String {
        let Ok(Ok(said)) = timeout(LINGER, self.0).await else { return String::new() };
        let text = String::from_utf8_lossy(&said);
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() { String::new() } else { format!("; it printed: {}", lines.join("; ")) }
    }
}

impl Proxy {
    /// Starts a program.
    pub(super) fn start(command: &str) -> io::Result<Self> {
        let (ours, its) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let (watched, leash) = io::pipe()?;
        let mut child = program("/bin/sh")
            .args(["-c", &format!("{WATCHED}{command}")])
            .stdin(watched)
            .stdout(OwnedFd::from(its))
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let stderr = child.stderr.take();
        let said = Said(tokio::spawn(async move {
            let (mut said, mut piece) = (Vec::new(), [0; 512]);
            if let Some(mut stderr) = stderr {
                while let Ok(count @ 1..) = stderr.read(&mut piece).await {
                    let room = MAX_SAID.saturating_sub(said.len());
                    said.extend_from_slice(&piece[..count.min(room)]);
                }
            }
            said
        }));
        Ok(Self { stream: UnixStream::from_std(ours)?, leash, said })
    }
}
