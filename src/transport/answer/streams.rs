//! What a command prints, and the lines of the session, which are taken out of it.

use memchr::memmem::Finder;

use crate::transport::answer::Stream;
use crate::transport::wire::prefix;
use crate::transport::{Exit, MAX_OUTPUT, Output};

/// How much of it is kept for a message.
const KEPT_NOISE: usize = 4 * 1024;

/// What the command printed, and the lines of the session in between.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) begun: bool,
    /// What the command needs and does not find: `no-dir`, `no-user`.
    pub(super) missing: Option<String>,
    pub(super) end: Option<Exit>,
    pub(super) left: bool,
    pub(super) noise: Vec<u8>,
    pub(super) kept: [Kept; 2],
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) len: u64,
}

impl Kept {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        let room = MAX_OUTPUT - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl Streams {
    pub(super) fn text(&mut self, stream: Stream, text: &[u8]) {
        if stream == Stream::Err || self.begun {
            self.kept[stream as usize].add(text);
        } else {
            keep_some(&mut self.noise, text);
        }
    }

    /// Takes a line; false if it does not belong to the command.
    pub(super) fn line(&mut self, word: &str, rest: &str) -> bool {
        match word {
            "go" => self.begun = true,
            "no-dir" | "no-user" => self.missing = Some(word.to_owned()),
            "end" => self.end = exit_of(rest),
            "left" => self.left = true,
            _ => return false,
        }
        true
    }

    pub(super) fn output(self, exit: Exit) -> Output {
        let [out, err] = self.kept;
        Output {
            exit,
            stdout: out.bytes,
            stdout_len: out.len,
            stderr: err.bytes,
            stderr_len: err.len,
        }
    }
}

/// Returns what a command has printed up to now, from the answer of `host/printed.sh`: without the lines of the
/// session, and without what came before the command started. A stream of `most` bytes is the end of a longer one.
pub(in crate::transport) fn printed(answer: &[u8], most: usize) -> Vec<u8> {
    let end = answer.iter().position(|&byte| byte == b'\n').unwrap_or(answer.len());
    let (number, stream) = answer.split_at(end);
    let mut rest = stream.get(1..).unwrap_or_default();
    if rest.len() >= most
        && let Some(end) = rest.iter().position(|&byte| byte == b'\n')
    {
        // It may be the end of a line of the session.
        rest = &rest[end + 1..];
    }
    let mut lines = Lines::new(&prefix(&String::from_utf8_lossy(number)));
    let mut out = Vec::new();
    loop {
        let (text, line, after) = lines.take(rest);
        out.extend_from_slice(&text);
        match line.as_deref() {
            Some("go") => out.clear(),
            Some(_) => {}
            None => break,
        }
        rest = after;
    }
    // It may end like the start of such a line.
    if !lines.has_started() {
        out.append(&mut lines.held);
    }
    out
}

pub(super) fn keep_some(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT_NOISE.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// Reads an exit code as shells report it: above 128 it is a signal.
pub(super) fn exit_of(text: &str) -> Option<Exit> {
    if text == "timeout" {
        return Some(Exit::TimedOut);
    }
    let status: i32 = text.parse().ok()?;
    Some(match status - 128 {
        number @ 1..=31 => Exit::Signal(signal_name(number)),
        _ => Exit::Code(status),
    })
}

/// Returns the name of a signal, without `SIG`.
pub(in crate::transport) fn signal_name(number: i32) -> String {
    let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM",
    ];
    let name = usize::try_from(number - 1).ok().and_then(|index| names.get(index));
    name.map_or_else(|| number.to_string(), |&name| name.to_owned())
}

/// Longest line of the session, in bytes: it may contain a path.
const MAX_LINE: usize = 8 * 1024;

/// Takes the lines of the session out of a stream. Every byte is read once.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) prefix: Finder<'static>,
    /// The end of the received bytes, which may be the start of a line.
    pub(super) held: Vec<u8>,
}

impl Lines {
    /// Takes lines that start with this prefix and a colon.
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = format!("{prefix}:");
        Self { prefix: Finder::new(prefix.as_bytes()).into_owned(), held: Vec::new() }
    }

    /// Takes bytes up to the end of the next line. Returns the text before the line, the line, and
    /// what comes after it.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> (Vec<u8>, Option<String>, &'a [u8]) {
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

    /// Whether these bytes are a line whose end is missing.
    fn has_started(&self) -> bool {
        self.held.starts_with(self.prefix.needle())
    }

    /// How many bytes at the end may be the start of the prefix.
    fn partial(&self) -> usize {
        let prefix = self.prefix.needle();
        let longest = self.held.len().min(prefix.len() - 1);
        (1..=longest).rev().find(|&n| self.held.ends_with(&prefix[..n])).unwrap_or(0)
    }
}
