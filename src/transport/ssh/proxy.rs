//! A program as the way to a host: `ProxyCommand`.
//!
//! It is run by the shell, in a process group of its own that ends with the connection. What it writes to
//! standard error is kept for a message.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How much of its standard error is kept.
const MAX_SAID: usize = 1024;

/// How long its standard error is waited for after it was ended.
const LINGER: Duration = Duration::from_secs(1);

/// Both directions of a program.
pub(super) struct Proxy {
    stream: UnixStream,
    child: Child,
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
    #[expect(clippy::disallowed_methods, reason = "processes are started in `transport`")]
    pub(super) fn start(command: &str) -> io::Result<(Self, Said)> {
        let (ours, its) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let mut child = tokio::process::Command::new("/bin/sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(OwnedFd::from(its.try_clone()?))
            .stdout(OwnedFd::from(its))
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
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
        Ok((Self { stream: UnixStream::from_std(ours)?, child }, said))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

impl AsyncRead for Proxy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Proxy {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
