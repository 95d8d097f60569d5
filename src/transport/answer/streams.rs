//! What a command prints, and the lines of the session in between.

use crate::transport::answer::Stream;
use crate::transport::{Exit, MAX_OUTPUT, Output};

/// How much of it is kept for a message.
const KEPT_NOISE: usize = 4 * 1024;

/// What the command printed, and the lines of the session in between.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) begun: bool,
    pub(super) no_dir: bool,
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
            "no-dir" => self.no_dir = true,
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
