//! The answer to a request of [`super::wire`]: parsed, limited in size, and interpreted.
//!
//! A [`Greeting`] reads what a login prints until its session is ready. An [`Answer`] is fed the bytes of both
//! streams as they come, for one request. The lines of the host session are taken out of them:
//!
//! | line | meaning |
//! |---|---|
//! | `ready` | the session waits for requests |
//! | `damaged`, `no-record D`, `taken`, `given-up`, `no-dir`, `no-user` | why the command is not started |
//! | `go` | the command starts; what follows is its output |
//! | `end N`, `end timeout` | how it ended |
//! | `left` | its time was up, and it may still be running |
//! | `ended N NUMBER OUT MORE ERR MORE` | how an effect ended; then so many bytes of its streams |
//! | `lock ...` | about the lock of the host ([`super::lock`]); for an effect: why it is not started |
//! | `absent DAY MEMORY`, `unbegun`, `running`, `over`, `unknown` | the outcome of an attempt |
//! | `done` | on both streams: the answer is complete |
//!
//! The streams of an effect come from files of the host, in which its own lines have the number of the
//! request that sent it. What a login prints before `ready` is dropped, and a login that prints without end
//! is given up. Of each stream of the command the first [`super::MAX_OUTPUT`] bytes are kept, the rest is counted.
//! [`Answer::conclude`] interprets an end. It reports that nothing was sent only if that is certain:
//! a host that was not ready has received nothing, and one that reports why it does not start a command
//! has not started it. Anything else without an end is a lost connection, and the outcome is unknown.

mod greeting;
mod refusal;
mod streams;

use std::time::Duration;

use jiff::Timestamp;

pub use self::greeting::Greeting;
pub use self::refusal::refused;
use self::refusal::{NO_STATUS, refused_user, words};
use self::streams::{Lines, Streams, exit_of, keep_some};
pub(super) use self::streams::{printed, signal_name};
use super::wire::{Wire, made_at, prefix};
use super::{Command, Exit, Output, Recovered, TransportError};
use crate::inventory::HostName;
use crate::quote;

/// How long the streams may be silent after the end of the command before they are left: something that
/// the command started keeps them open (a daemon keeps them open forever).
pub const LINGER: Duration = Duration::from_secs(3);

/// How long the streams are read after the end of the command at most.
pub const LONGEST_LINGER: Duration = Duration::from_mins(1);

/// How the exchange with a host ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Closing {
    /// The answer is complete.
    Said,
    /// The session ended without saying more.
    Exit(Exit),
    /// The host does not run commands for this user.
    Refused,
    /// The connection is gone, or the host was silent for too long.
    Lost(&'static str),
}

/// One of the two streams of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// The answer to a request, so far.
#[derive(Debug)]
pub struct Answer {
    /// The lines of the session in each stream.
    lines: [Lines; 2],
    /// What an effect printed comes in one piece after a line: so many bytes of each stream.
    content: Option<Content>,
    is_touched: bool,
    done: [bool; 2],
    /// Why the command is not started.
    refusal: Option<String>,
    /// What the host reports about an attempt that has not ended.
    fate: Option<String>,
    ended: Option<Ended>,
    /// What the host reports about its lock.
    lock: Option<String>,
    output: Streams,
    /// The answer to the probe that was sent along.
    next: Option<Box<Self>>,
}

/// The streams of an effect, on their way.
#[derive(Debug)]
struct Content {
    lines: [Lines; 2],
    missing: [usize; 2],
}

/// How an effect ended.
#[derive(Clone, Debug, PartialEq)]
struct Ended {
    /// The exit code; that of `sudo` if `sudo` started the command.
    exit: Option<Exit>,
    is_of_sudo: bool,
    /// Whether it comes with all that it printed.
    streams: Completeness,
}

/// What is known of the streams of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completeness {
    /// They were not kept.
    Gone,
    /// Something may be missing.
    Partial,
    Whole,
}

impl Answer {
    /// Waits for the answer to a request.
    pub fn new(wire: &Wire) -> Self {
        Self {
            lines: [Lines::new(&wire.prefix), Lines::new(&wire.prefix)],
            content: None,
            is_touched: false,
            done: [false; 2],
            refusal: None,
            fate: None,
            ended: None,
            lock: None,
            output: Streams::default(),
            next: wire.then.as_ref().map(|then| Box::new(Self::new(&then.1))),
        }
    }

    pub fn take(&mut self, stream: Stream, bytes: &[u8]) {
        self.is_touched = true;
        let mut rest = bytes;
        loop {
            if let Some(next) = self.next.as_mut().filter(|_| self.done[stream as usize]) {
                next.take(stream, rest);
                return;
            }
            if stream == Stream::Out && self.content.is_some() {
                rest = self.take_content(rest);
                if rest.is_empty() {
                    return;
                }
            }
            let (text, line, after) = self.lines[stream as usize].take(rest);
            self.output.text(stream, &text);
            let Some(line) = line else { return };
            self.line(stream, &line);
            rest = after;
        }
    }

    /// Takes the missing bytes of the streams of an effect. Returns the bytes after them.
    fn take_content<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let mut rest = bytes;
        let Some(content) = &mut self.content else { return rest };
        for stream in [Stream::Out, Stream::Err] {
            let missing = &mut content.missing[stream as usize];
            let (now, after) = rest.split_at(rest.len().min(*missing));
            *missing -= now.len();
            let lines = &mut content.lines[stream as usize];
            let mut now = now;
            loop {
                let (text, line, after) = lines.take(now);
                self.output.text(stream, &text);
                let Some(line) = line else { break };
                let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
                self.output.line(word, rest);
                now = after;
            }
            if *missing == 0 {
                let held = std::mem::take(&mut lines.held);
                self.output.text(stream, &held);
            }
            rest = after;
        }
        if content.missing == [0, 0] {
            self.content = None;
        }
        rest
    }

    /// Whether nothing has come.
    pub fn is_untouched(&self) -> bool {
        !self.is_touched
    }

    /// Whether all has come.
    pub fn is_complete(&self) -> bool {
        self.done == [true, true]
    }

    /// Whether the session can be asked more. One that could not receive a request ends.
    pub fn leaves_session(&self) -> bool {
        self.is_complete() && self.refusal.is_none()
    }

    /// Whether the answer to the probe that was sent along has come, too, or none was sent.
    pub fn has_next(&self) -> bool {
        self.next.as_ref().is_none_or(|next| next.is_complete())
    }

    /// Whether the result of the command is complete.
    pub fn is_over(&self) -> bool {
        self.is_complete() || self.output.left
    }

    /// Whether it is known how the command ended. The end of its streams may still be missing.
    pub fn has_ended(&self) -> bool {
        self.output.end.is_some()
    }

    fn line(&mut self, stream: Stream, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "done" {
            self.done[stream as usize] = true;
        }
        if stream == Stream::Err || self.output.line(word, rest) {
            return;
        }
        match word {
            "damaged" | "no-record" | "taken" | "given-up" => self.refusal = Some(line.to_owned()),
            "absent" | "unbegun" | "running" | "over" | "unknown" => {
                self.fate = Some(line.to_owned());
            }
            "ended" => self.ended(rest),
            "lock" => self.lock = Some(rest.to_owned()),
            _ => {}
        }
    }

    /// Takes how an effect ended, and how much of its streams follows.
    fn ended(&mut self, rest: &str) {
        let words: Vec<&str> = rest.split(' ').collect();
        let (status, is_of_sudo) = match words[0].strip_suffix("/sudo") {
            Some(status) => (status, true),
            None => (words[0], false),
        };
        let mut ended = Ended { exit: exit_of(status), is_of_sudo, streams: Completeness::Gone };
        if let [_, number, out, out_more, err, err_more] = words[..]
            && let (Ok(out), Ok(err)) = (out.parse(), err.parse())
        {
            let prefix = prefix(number);
            ended.streams = Completeness::Whole;
            for (stream, more) in [(Stream::Out, out_more), (Stream::Err, err_more)] {
                match more.parse::<u64>() {
                    Ok(more) => self.output.kept[stream as usize].len += more,
                    Err(_) => ended.streams = Completeness::Partial,
                }
                // The output was lost: it must not be mistaken for an empty one.
                self.output.kept[stream as usize].len += u64::from(more == "lost");
            }
            self.content = Some(Content {
                lines: [Lines::new(&prefix), Lines::new(&prefix)],
                missing: [out, err],
            });
            self.take_content(&[]);
        }
        self.ended = Some(ended);
    }

    /// Interprets the end of an effect, and of the probe that was sent along, if that has ended.
    pub fn conclude_both(
        mut self,
        host: &HostName,
        command: &Command,
        wire: &Wire,
        closing: &Closing,
    ) -> Result<(Output, Option<Output>), TransportError> {
        let next = self.next.take().filter(|next| next.is_complete());
        let seen = next.zip(wire.then.as_deref()).and_then(|(next, (probe, wire))| {
            next.conclude(host, probe, wire, &Closing::Said).ok()
        });
        self.conclude(host, command, wire, closing).map(|output| (output, seen))
    }

    /// Interprets the end of a command.
    pub fn conclude(
        self,
        host: &HostName,
        command: &Command,
        wire: &Wire,
        closing: &Closing,
    ) -> Result<Output, TransportError> {
        let host = host.clone();
        let cut = |why: &str| TransportError::Cut { host: host.clone(), why: why.to_owned() };
        let said = words(&self.output.kept[Stream::Err as usize].bytes);
        if let Some(line) = &self.refusal {
            return Err(refused(host, line));
        }
        if let (Some(line), Some(fence)) = (&self.lock, &wire.fence) {
            return Err(fence.lost(host, line));
        }
        let missing = self.output.missing.as_deref();
        if missing == Some("no-dir") {
            let dir = quote::readable(command.dir.as_deref().unwrap_or_default());
            let why = format!("cannot enter the directory {dir}: {said}");
            return Err(TransportError::Impossible { host, why });
        }
        let denied = |user: &str| {
            let why = if missing == Some("no-user") {
                format!("the user {} does not exist on it", quote::readable(user))
            } else {
                refused_user(user, &said, wire.method, wire.has_password)
            };
            TransportError::Denied { host: host.clone(), why }
        };
        if self.output.left {
            return Err(cut("the command exceeded its timeout and may still be running"));
        }
        if let Some(ended) = self.ended {
            return match (ended.settled(&self.output), &wire.sudo) {
                (Settled::Exit(exit), _) => Ok(self.output.output(exit)),
                (Settled::NeverStarted, Some(user)) => Err(denied(user)),
                _ => Err(cut(NO_STATUS)),
            };
        }
        if self.fate.is_some() {
            return Err(cut(NO_STATUS));
        }
        if let Some(exit) = self.output.end.clone().filter(|_| self.output.begun) {
            return Ok(self.output.output(exit));
        }
        match (closing, &wire.sudo) {
            (Closing::Said, Some(user)) if wire.is_repeatable && !self.output.begun => {
                Err(denied(user))
            }
            (Closing::Lost(why), _) => Err(cut(why)),
            (closing, _) => Err(cut(&format!(
                "the session on the host ended{} without reporting how the command ended",
                how(closing)
            ))),
        }
    }

    /// Returns what a host reports about its lock.
    pub fn about_lock(self, host: &HostName, closing: &Closing) -> Result<String, TransportError> {
        self.need_all(host, closing)?;
        Ok(self.lock.unwrap_or_default())
    }

    /// Refuses an answer that is not complete.
    fn need_all(&self, host: &HostName, closing: &Closing) -> Result<(), TransportError> {
        let why = match closing {
            _ if self.is_complete() => return Ok(()),
            Closing::Lost(why) => (*why).to_owned(),
            _ => format!("the session on the host ended{}", how(closing)),
        };
        Err(TransportError::Unreachable { host: host.clone(), why })
    }

    /// Returns what a host knows about an attempt that was intended at this time.
    pub fn recovered(
        self,
        host: &HostName,
        intended: Timestamp,
        closing: &Closing,
    ) -> Result<Recovered, TransportError> {
        self.need_all(host, closing)?;
        if let Some(ended) = self.ended {
            return Ok(match ended.settled(&self.output) {
                Settled::Exit(exit) if ended.streams == Completeness::Gone => {
                    Recovered::Exited(exit)
                }
                Settled::Exit(exit) => Recovered::Ended(self.output.output(exit)),
                Settled::NeverStarted => Recovered::Absent,
                Settled::Unknown if ended.exit.is_some() => Recovered::Over,
                Settled::Unknown => Recovered::Unknown,
            });
        }
        let fate = self.fate.unwrap_or_default();
        Ok(match fate.split(' ').collect::<Vec<_>>()[..] {
            // The day since which records are kept, and the name of the memory.
            ["absent", since, memory] => {
                let day = intended.as_second().div_euclid(24 * 60 * 60);
                let is_kept = since.parse::<i64>().is_ok_and(|since| since <= day);
                let is_certain = is_kept && is_older(memory, intended);
                if is_certain { Recovered::Absent } else { Recovered::Unknown }
            }
            ["unbegun"] => Recovered::Absent,
            ["running"] => Recovered::Running,
            ["over"] => Recovered::Over,
            _ => Recovered::Unknown,
        })
    }
}

/// What an end of an effect means.
enum Settled {
    Exit(Exit),
    /// `sudo` refused.
    NeverStarted,
    /// It is over, and its status is not known.
    Unknown,
}

impl Ended {
    fn settled(&self, output: &Streams) -> Settled {
        match &self.exit {
            None => Settled::Unknown,
            Some(exit) if !self.is_of_sudo => Settled::Exit(exit.clone()),
            // A result of an earlier version, or one that did not fit on the disk, proves nothing.
            Some(_) if !output.begun && self.streams == Completeness::Whole => {
                Settled::NeverStarted
            }
            // A larger exit code may be that of sudo, and not that of the command.
            Some(exit) => match (&output.end, exit) {
                (Some(end), _) => Settled::Exit(end.clone()),
                (None, Exit::Code(0..=128)) if output.begun => Settled::Exit(exit.clone()),
                _ => Settled::Unknown,
            },
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

/// Whether a memory of attempts existed at a time. Its name is the number of the session that made
/// it.
fn is_older(memory: &str, than: Timestamp) -> bool {
    made_at(memory).is_some_and(|made| i128::from(made) <= i128::from(than.as_millisecond()))
}
