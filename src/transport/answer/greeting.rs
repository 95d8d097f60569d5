//! What a login prints until its session is ready, and why it never is.

use crate::inventory::HostName;
use crate::quote;
use crate::transport::answer::refusal::words;
use crate::transport::answer::streams::Lines;
use crate::transport::answer::{Closing, Stream, how, keep_some};
use crate::transport::{Exit, TransportError};

/// How much a login may print before the session is ready.
const MAX_NOISE: usize = 1024 * 1024;

/// The status of a session that finds the end of its input instead of a request.
const SILENT: i32 = 99;

const ELSEWHERE: &str = "`/bin/sh` runs, but its standard output does not arrive: a start-up file of the \
                         login shell or a ForceCommand of the SSH server redirects it";

/// What a login prints until its session is ready.
#[derive(Debug)]
pub struct Greeting {
    lines: Lines,
    noise: Vec<u8>,
    noise_len: usize,
    is_ready: bool,
    ready_on_stderr: bool,
    login_shell: Option<String>,
    stderr: Vec<u8>,
}

impl Greeting {
    /// Waits for the line with this prefix.
    pub fn new(prefix: &str) -> Self {
        Self {
            lines: Lines::new(prefix),
            noise: Vec::new(),
            noise_len: 0,
            is_ready: false,
            ready_on_stderr: false,
            login_shell: None,
            stderr: Vec::new(),
        }
    }

    pub fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Err {
            self.noise_len = self.noise_len.saturating_add(bytes.len());
            keep_some(&mut self.stderr, bytes);
            self.ready_on_stderr = self.lines.prefix.find(&self.stderr).is_some();
            return;
        }
        let mut rest = bytes;
        loop {
            let (text, line, after) = self.lines.take(rest);
            self.noise_len = self.noise_len.saturating_add(text.len());
            keep_some(&mut self.noise, &text);
            let Some(line) = line else { return };
            self.is_ready |= line == "ready";
            rest = after;
        }
    }

    /// Whether the session waits for its first request.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether the login cannot become ready any more.
    pub fn is_hopeless(&self) -> bool {
        !self.is_ready && (self.noise_len > MAX_NOISE || self.ready_on_stderr)
    }

    /// Stores the login shell of the user, for the message that it cannot be used.
    pub fn is_login_shell(&mut self, path: String) {
        self.login_shell = Some(path);
    }

    /// Returns what came on standard error.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Reports why the session was never ready: then nothing was sent.
    pub fn failure(&self, host: &HostName, closing: &Closing) -> TransportError {
        let host = host.clone();
        let denied = |why: String| TransportError::Denied { host: host.clone(), why };
        if self.noise_len > MAX_NOISE {
            return denied(format!(
                "its login prints more than {} MiB before `/bin/sh` starts: check the start-up files \
                 of its login shell",
                MAX_NOISE / (1024 * 1024)
            ));
        }
        if self.ready_on_stderr {
            return denied(format!("{ELSEWHERE} (it goes to standard error)"));
        }
        let said = words(&[self.stderr.as_slice(), b"\n", &self.noise].concat());
        match closing {
            Closing::Refused => denied("login succeeds, but commands are not allowed".to_owned()),
            // A session that was asked to end, and did: it ran, and its output was lost.
            Closing::Exit(Exit::Code(SILENT)) => denied(ELSEWHERE.to_owned()),
            // Another process killed it: the next one may be ready.
            Closing::Exit(Exit::Signal(signal)) => {
                let why = format!("its login was killed by signal {signal}: {said}");
                TransportError::Unreachable { host, why }
            }
            Closing::Said | Closing::Exit(_) => {
                let end = how(closing);
                let shell = match &self.login_shell {
                    Some(path) => format!("the login shell {}", quote::readable(path)),
                    None => "the login shell of this user".to_owned(),
                };
                denied(format!(
                    "its login ended{end} before `/bin/sh` started: {said} ({shell} must run \
                     `exec /bin/sh`; `sh`, bash, zsh, ksh, tcsh and fish do)"
                ))
            }
            Closing::Lost(why) => {
                let mut why = (*why).to_owned();
                if !self.noise.is_empty() || !self.stderr.is_empty() {
                    why = format!("{why}; it printed: {said}");
                }
                TransportError::Unreachable { host, why }
            }
        }
    }
}
