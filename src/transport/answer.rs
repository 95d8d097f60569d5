//! What came back of a request of [`super::wire`]: taken apart, capped, and reported as what it means.
//!
//! An [`Answer`] is fed the bytes of both streams as they come. The lines of the host session are taken
//! out of standard output wherever they are:
//!
//! | line | meaning |
//! |---|---|
//! | `ready M` | the session waits for a request; M names the host's memory of attempts |
//! | `damaged`, `no-record D`, `taken`, `given-up`, `no-dir` | why the command is not started |
//! | `go` | the command starts; what follows is its output |
//! | `end N`, `end timeout` | how it ended |
//! | `left` | its time was up, and it may still be running |
//! | `absent`, `running`, `over`, `ended N`, `unknown` | what became of an attempt |
//!
//! What a login prints before `ready` is dropped, and a login that prints without end is given up. Of
//! each stream of the command the first [`MAX_OUTPUT`] bytes are kept, the rest is counted.
//! [`Answer::conclude`] says what an end means. That nothing was sent is only said if it is certain:
//! a host that was not ready has received nothing, and one that says why it does not start a command
//! has not started it. Anything else without an end is a lost connection, and the outcome is unknown.

use std::time::Duration;

use jiff::Timestamp;
use memchr::memmem::Finder;

use super::wire::Wire;
use super::{Command, Exit, MAX_OUTPUT, Output, Recovered, TransportError};
use crate::inventory::HostName;
use crate::quote;

/// How much a login may print before the session is ready.
const MAX_NOISE: usize = 1024 * 1024;

/// How much of it is kept for a message.
const KEPT_NOISE: usize = 4 * 1024;

/// Longest line of the session, in bytes: it may hold a path.
const MAX_LINE: usize = 8 * 1024;

/// How long the streams may be silent after the end of the command before they are left: they are
/// still held by something it started (a daemon that was started keeps them for ever).
pub(super) const LINGER: Duration = Duration::from_secs(3);

/// How long they are read after its end at most.
pub(super) const LONGEST_LINGER: Duration = Duration::from_mins(1);

/// How many characters of a host's words go into a message.
const MAX_WORDS: usize = 300;

/// How the exchange with a host ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Closing {
    /// The session said how the command ended.
    Said,
    /// The session ended without saying more.
    Exit(Exit),
    /// The host does not run commands for this user.
    Refused,
    /// The connection is gone, or the host was silent for too long.
    Lost(&'static str),
}

/// The two streams of a session, so far.
#[derive(Debug)]
pub(super) struct Answer {
    lines: Lines,
    noise: Vec<u8>,
    noise_len: usize,
    ready: Option<String>,
    ready_on_stderr: bool,
    login_shell: Option<String>,
    refusal: Option<Line>,
    begun: bool,
    end: Option<Exit>,
    left: bool,
    recovered: Option<Recovered>,
    /// The day since which the host keeps records of attempts, in days since 1970.
    kept_since: Option<i64>,
    stdout: Kept,
    stderr: Kept,
}

/// A line of the session that says why a command is not started.
#[derive(Clone, Debug, PartialEq)]
enum Line {
    Damaged,
    NoRecord(String),
    Taken,
    GivenUp,
    NoDir,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    len: u64,
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        let room = MAX_OUTPUT - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl Answer {
    /// Waits for the answer to a request.
    pub(super) fn new(wire: &Wire) -> Self {
        Self {
            lines: Lines::new(format!("{}:", wire.prefix).as_bytes()),
            noise: Vec::new(),
            noise_len: 0,
            ready: None,
            ready_on_stderr: false,
            login_shell: None,
            refusal: None,
            begun: false,
            end: None,
            left: false,
            recovered: None,
            kept_since: None,
            stdout: Kept::default(),
            stderr: Kept::default(),
        }
    }

    /// Takes bytes of standard output.
    pub(super) fn stdout(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let (text, line, after) = self.lines.take(rest);
            self.text(&text);
            let Some(line) = line else { return };
            self.line(&line);
            rest = after;
        }
    }

    /// Takes bytes of standard error.
    pub(super) fn stderr(&mut self, bytes: &[u8]) {
        self.stderr.add(bytes);
        if self.ready.is_none() {
            self.noise_len += bytes.len();
            // It is looked for once, in what is kept.
            self.ready_on_stderr = self.ready_on_stderr
                || self
                    .lines
                    .prefix
                    .find(&self.stderr.bytes[..self.stderr.bytes.len().min(KEPT_NOISE)])
                    .is_some();
        }
    }

    /// Whether the session waits for its request.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// Notes what the login shell of the user is, for the message that it cannot be used.
    pub(super) fn is_login_shell(&mut self, path: String) {
        self.login_shell = Some(path);
    }

    /// Forgets what a login printed on standard error, now that the request is about to be sent.
    pub(super) fn sent(&mut self) {
        self.stderr = Kept::default();
    }

    /// Whether the login cannot become ready any more.
    pub(super) fn is_hopeless(&self) -> bool {
        !self.is_ready() && (self.noise_len > MAX_NOISE || self.ready_on_stderr)
    }

    /// Whether nothing more is to be said about the command.
    pub(super) fn is_over(&self) -> bool {
        self.end.is_some() || self.left || self.recovered.is_some() || self.refusal.is_some()
    }

    fn text(&mut self, text: &[u8]) {
        if self.begun {
            self.stdout.add(text);
            return;
        }
        if !self.is_ready() {
            self.noise_len = self.noise_len.saturating_add(text.len());
        }
        let room = KEPT_NOISE.saturating_sub(self.noise.len());
        self.noise.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "ready" => {
                self.ready = Some(rest.to_owned());
                self.noise.clear();
            }
            "damaged" => self.refusal = Some(Line::Damaged),
            "no-record" => self.refusal = Some(Line::NoRecord(rest.to_owned())),
            "taken" => self.refusal = Some(Line::Taken),
            "given-up" => self.refusal = Some(Line::GivenUp),
            "no-dir" => self.refusal = Some(Line::NoDir),
            "go" => self.begun = true,
            "left" => self.left = true,
            "end" => self.end = exit_of(rest),
            "absent" => {
                self.recovered = Some(Recovered::Absent);
                self.kept_since = rest.parse().ok();
            }
            "running" => self.recovered = Some(Recovered::Running),
            "over" => self.recovered = Some(Recovered::Over),
            "ended" => self.recovered = exit_of(rest).map(Recovered::Exited),
            "unknown" => self.recovered = Some(Recovered::Unknown),
            _ => {}
        }
    }

    /// Says what the end of a command means.
    pub(super) fn conclude(
        self,
        host: &HostName,
        command: &Command,
        wire: &Wire,
        closing: Closing,
    ) -> Result<Output, TransportError> {
        let host = host.clone();
        if let Some(error) = self.not_ready(&host, &closing) {
            return Err(error);
        }
        let cut = |why: &str| TransportError::Cut { host: host.clone(), why: why.to_owned() };
        let impossible = |why: String| TransportError::Impossible { host: host.clone(), why };
        let said = words(&self.stderr.bytes);
        match self.refusal {
            None => {}
            Some(Line::Damaged) => {
                let why = "the command arrived damaged and was not started: check that `dd` and \
                           `cksum` are in the PATH of its login";
                return Err(TransportError::Denied { host, why: why.to_owned() });
            }
            Some(Line::NoRecord(folder)) => {
                let why = no_record(&folder);
                return Err(TransportError::Denied { host, why });
            }
            Some(Line::Taken) => {
                let why = "it has a record of this attempt from another process: \
                           check whether the state directory of planrun was restored from a copy";
                return Err(TransportError::Repeated { host, why: why.to_owned() });
            }
            Some(Line::GivenUp) => {
                let why = "another process has cancelled this attempt; it was \
                           not started";
                return Err(TransportError::Repeated { host, why: why.to_owned() });
            }
            Some(Line::NoDir) => {
                let dir = quote::readable(command.dir.as_deref().unwrap_or_default());
                return Err(impossible(format!("cannot enter the directory {dir}: {said}")));
            }
        }
        if self.left {
            return Err(cut("the command exceeded its timeout and may still be running"));
        }
        if let Some(exit) = self.end.filter(|_| self.begun) {
            return Ok(Output {
                exit,
                stdout: self.stdout.bytes,
                stdout_len: self.stdout.len,
                stderr: self.stderr.bytes,
                stderr_len: self.stderr.len,
            });
        }
        match (closing, &wire.sudo) {
            (Closing::Exit(_), Some(user)) if !self.begun => {
                let why = refused_user(user, &said);
                Err(TransportError::Denied { host, why })
            }
            (Closing::Lost(why), _) => Err(cut(why)),
            (closing, _) => Err(cut(&format!(
                "the session on the host ended{} without reporting how the command ended",
                how(&closing)
            ))),
        }
    }

    /// Says what a host knows of an attempt that was intended at this time.
    pub(super) fn recovered(
        self,
        host: &HostName,
        intended: Timestamp,
        closing: &Closing,
    ) -> Result<Recovered, TransportError> {
        if let Some(error) = self.not_ready(host, closing) {
            return Err(error);
        }
        let recovered = self.recovered.unwrap_or(Recovered::Unknown);
        let memory = self.ready.unwrap_or_default();
        let day = intended.as_second().div_euclid(24 * 60 * 60);
        let is_kept =
            self.kept_since.is_some_and(|since| since <= day) && is_older(&memory, intended);
        if recovered == Recovered::Absent && !is_kept {
            return Ok(Recovered::Unknown);
        }
        Ok(recovered)
    }

    /// Says why the session was never ready: then nothing was sent.
    pub(super) fn not_ready(&self, host: &HostName, closing: &Closing) -> Option<TransportError> {
        if self.is_ready() {
            return None;
        }
        let host = host.clone();
        let denied = |why: String| Some(TransportError::Denied { host: host.clone(), why });
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
        let said = words(&[self.stderr.bytes.as_slice(), b"\n", &self.noise].concat());
        match closing {
            Closing::Refused => denied("login succeeds, but commands are not allowed".to_owned()),
            // A session that was asked to end, and did: it ran, and was not heard.
            Closing::Exit(Exit::Code(SILENT)) => denied(ELSEWHERE.to_owned()),
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
                if !self.noise.is_empty() || !self.stderr.bytes.is_empty() {
                    why = format!("{why}; it printed: {said}");
                }
                Some(TransportError::Unreachable { host, why })
            }
        }
    }
}

/// How a session ended, as part of a sentence.
fn how(closing: &Closing) -> String {
    match closing {
        Closing::Exit(Exit::Code(code)) => format!(" with status {code}"),
        Closing::Exit(Exit::Signal(name)) => format!(" with signal {name}"),
        _ => String::new(),
    }
}

/// The status of a session that finds the end of its input instead of a request.
pub(super) const SILENT: i32 = 99;

const ELSEWHERE: &str = "`/bin/sh` runs, but its standard output does not arrive: a start-up file of the \
                         login shell or a ForceCommand of the SSH server redirects it";

fn no_record(folder: &str) -> String {
    let folder = if folder.is_empty() { "its state directory" } else { folder };
    format!(
        "it cannot keep a record of the command in {folder}, without which a lost connection could \
         double its effect: free some space, or make it writable (HOME and XDG_STATE_HOME say where \
         it is)"
    )
}

fn refused_user(user: &str, said: &str) -> String {
    let user = quote::readable(user);
    format!(
        "`sudo -n -u {user} -- /bin/sh` failed: allow `/bin/sh` as {user} with NOPASSWD in sudoers (a rule \
         for single commands is not enough). If sudo asks for a terminal, add `Defaults !requiretty`. It \
         printed: {said}"
    )
}

/// Reads an exit status as shells have it: above 128 it is a signal.
fn exit_of(text: &str) -> Option<Exit> {
    if text == "timeout" {
        return Some(Exit::TimedOut);
    }
    let status: i32 = text.parse().ok()?;
    Some(match status - 128 {
        number @ 1..=31 => Exit::Signal(signal_name(number)),
        _ => Exit::Code(status),
    })
}

/// Whether a memory of attempts was there at a time. Its name is the number of the session that made
/// it, which tells when, by the clock of the machine that planrun ran on.
fn is_older(memory: &str, than: Timestamp) -> bool {
    let made = uuid::Uuid::try_parse(memory).ok().and_then(|number| number.get_timestamp());
    made.is_some_and(|made| {
        let millis = i128::from(made.to_unix().0) * 1000 + i128::from(made.to_unix().1 / 1_000_000);
        millis <= i128::from(than.as_millisecond())
    })
}

/// Returns the name of a signal, without `SIG`.
pub(super) fn signal_name(number: i32) -> String {
    let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM",
    ];
    let name = usize::try_from(number - 1).ok().and_then(|index| names.get(index));
    name.map_or_else(|| number.to_string(), |&name| name.to_owned())
}

/// Takes the lines of the session out of a stream. Every byte is looked at once.
#[derive(Debug)]
struct Lines {
    prefix: Finder<'static>,
    /// The end of what came, which may be the beginning of a line.
    held: Vec<u8>,
}

impl Lines {
    fn new(prefix: &[u8]) -> Self {
        Self { prefix: Finder::new(prefix).into_owned(), held: Vec::new() }
    }

    /// Takes bytes up to the end of the next line. Returns the text before the line, the line, and
    /// what comes after it.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> (Vec<u8>, Option<String>, &'a [u8]) {
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        let Some(at) = self.prefix.find(&self.held) else {
            let kept = self.partial();
            let text = self.held.drain(..self.held.len() - kept).collect();
            return (text, None, &[]);
        };
        let start = at + self.prefix.needle().len();
        let Some(length) = self.held[start..].iter().position(|&byte| byte == b'\n') else {
            let too_long = self.held.len() - start > MAX_LINE;
            let end = if too_long { self.held.len() } else { at };
            return (self.held.drain(..end).collect(), None, &[]);
        };
        let line = String::from_utf8_lossy(&self.held[start..start + length]).into_owned();
        let after = &bytes[start + length + 1 - before..];
        let mut text = std::mem::take(&mut self.held);
        text.truncate(at);
        (text, Some(line), after)
    }

    /// How many bytes at the end may be the beginning of the prefix.
    fn partial(&self) -> usize {
        let prefix = self.prefix.needle();
        let longest = self.held.len().min(prefix.len() - 1);
        (1..=longest).rev().find(|&n| self.held.ends_with(&prefix[..n])).unwrap_or(0)
    }
}

/// Returns what a host said as part of a sentence.
pub(super) fn words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let joined = lines.join("; ");
    if joined.is_empty() {
        return "no reason given".to_owned();
    }
    match joined.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}...", &joined[..end]),
        None => joined,
    }
}

#[cfg(test)]
mod tests;
