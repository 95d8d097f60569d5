//! What came back of a line of [`super::wire`]: taken apart, capped, and told as what it means.
//!
//! An [`Answer`] is fed the bytes of both streams as they come. Of standard output everything up to
//! the word `go` is dropped: banners, noise of start-up files, and the words themselves. Of each
//! stream the first [`MAX_OUTPUT`] bytes are kept, the rest is counted. [`Answer::conclude`] then
//! says what an end means: an [`Output`] where the command had begun, else the reason why it had not.

use std::time::Duration;

use super::Command;
use super::Exit;
use super::MAX_OUTPUT;
use super::Output;
use super::TransportError;
use super::wire::Wire;
use crate::inventory::HostName;
use crate::quote;

/// How much of what comes before the command's own output is looked through at once.
const MAX_NOISE: usize = 8 * 1024;

/// How long the streams may be silent after the end of the command before they are left: they are
/// still held by something it began (a daemon that was started keeps them for ever).
pub(super) const LINGER: Duration = Duration::from_secs(3);

/// How long they are read after its end at most.
pub(super) const LONGEST_LINGER: Duration = Duration::from_mins(1);

/// How many characters of a host's words go into a message.
const MAX_WORDS: usize = 300;

/// The two streams of a command, so far.
#[derive(Debug)]
pub(super) struct Answer {
    prefix: Vec<u8>,
    noise: Vec<u8>,
    leader: Option<u32>,
    no_dir: bool,
    taken: bool,
    begun: bool,
    stdout: Kept,
    stderr: Kept,
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
    /// Waits for the answer to a line.
    pub(super) fn new(wire: &Wire) -> Self {
        Self {
            prefix: format!("{}:", wire.prefix).into_bytes(),
            noise: Vec::new(),
            leader: None,
            no_dir: false,
            taken: false,
            begun: false,
            stdout: Kept::default(),
            stderr: Kept::default(),
        }
    }

    /// Takes bytes of standard output.
    pub(super) fn stdout(&mut self, bytes: &[u8]) {
        if self.begun {
            self.stdout.add(bytes);
            return;
        }
        self.noise.extend_from_slice(bytes);
        while !self.begun
            && let Some(word) = self.next_word()
        {
            match word.as_str() {
                "go" => self.begun = true,
                "no-dir" => self.no_dir = true,
                "taken" => self.taken = true,
                number => self.leader = number.parse().ok().or(self.leader),
            }
        }
        if self.begun {
            let rest = std::mem::take(&mut self.noise);
            self.stdout.add(&rest);
        } else if self.noise.len() > MAX_NOISE {
            // A word may lie across the border: its prefix is much shorter than what is left.
            self.noise.drain(..MAX_NOISE / 2);
        }
    }

    /// Takes bytes of standard error.
    pub(super) fn stderr(&mut self, bytes: &[u8]) {
        self.stderr.add(bytes);
    }

    /// Returns the leader of the command's process group, once it is known.
    pub(super) fn leader(&self) -> Option<u32> {
        self.leader
    }

    /// Says what an end means.
    pub(super) fn conclude(
        self,
        host: &HostName,
        command: &Command,
        wire: &Wire,
        exit: Exit,
    ) -> Result<Output, TransportError> {
        if self.begun || exit == Exit::TimedOut {
            return Ok(Output {
                exit,
                stdout: self.stdout.bytes,
                stdout_len: self.stdout.len,
                stderr: self.stderr.bytes,
                stderr_len: self.stderr.len,
            });
        }
        let host = host.clone();
        let said = words(&self.stderr.bytes);
        if self.taken {
            let why = "this very attempt was begun before, or given up".to_owned();
            return Err(TransportError::Impossible { host: host.clone(), why });
        }
        if self.no_dir {
            let dir = quote::readable(command.dir.as_deref().unwrap_or_default());
            let why = format!("the directory {dir} cannot be entered: {said}");
            return Err(TransportError::Impossible { host, why });
        }
        let why = if let (Some(user), Some(_)) = (&wire.sudo, self.leader) {
            let user = quote::readable(user);
            format!(
                "it does not let us become {user}: {said} (`sudo -n` must work without a password)"
            )
        } else {
            let said = words(&[self.stderr.bytes.as_slice(), b"\n", &self.noise].concat());
            let end = match exit {
                Exit::Code(code) => format!("status {code}"),
                Exit::Signal(name) => format!("signal {name}"),
                Exit::TimedOut => "the timeout".to_owned(),
            };
            format!("the login ended with {end} before the command began: {said}")
        };
        Err(TransportError::Denied { host, why })
    }

    /// Takes the next word off the noise, and all that lies before it.
    fn next_word(&mut self) -> Option<String> {
        let at = find(&self.noise, &self.prefix)?;
        let start = at + self.prefix.len();
        let end = start + self.noise[start..].iter().position(|&byte| byte == b'\n')?;
        let word = String::from_utf8_lossy(&self.noise[start..end]).into_owned();
        self.noise.drain(..=end);
        Some(word)
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

/// Returns what a host said as part of a sentence.
pub(super) fn words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let joined = lines.join("; ");
    if joined.is_empty() {
        return "it gave no reason".to_owned();
    }
    match joined.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}...", &joined[..end]),
        None => joined,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indexmap::IndexMap;

    use super::super::Body;
    use super::super::Command;
    use super::super::Exit;
    use super::super::MAX_OUTPUT;
    use super::super::TransportError;
    use super::super::wire::Wire;
    use super::Answer;
    use crate::inventory::HostName;

    fn command() -> (Command, Wire) {
        let command = Command {
            body: Body::Argv(vec!["true".to_owned()]),
            stdin: None,
            env: IndexMap::new(),
            dir: Some("/srv/mail".to_owned()),
            r#become: Some("vmail".to_owned()),
            timeout: Duration::from_secs(10),
            step: "test/step".to_owned(),
        };
        let wire = Wire::new(&command, Some("root"), None).unwrap();
        (command, wire)
    }

    fn conclude(fed: impl Fn(&Wire) -> (String, &'static str), code: i32) -> TransportError {
        let (command, wire) = command();
        let mut answer = Answer::new(&wire);
        let (stdout, stderr) = fed(&wire);
        answer.stdout(stdout.as_bytes());
        answer.stderr(stderr.as_bytes());
        answer.conclude(&HostName::new("imap1"), &command, &wire, Exit::Code(code)).unwrap_err()
    }

    #[test]
    fn noise_before_the_command_is_dropped_wherever_the_pieces_break() {
        let (command, wire) = command();
        let prefix = &wire.prefix;
        let whole = format!("Welcome!\nno newline{prefix}:4711\nlecture\n{prefix}:go\nout\nput");
        for size in 1..whole.len() {
            let mut answer = Answer::new(&wire);
            for piece in whole.as_bytes().chunks(size) {
                answer.stdout(piece);
            }
            assert_eq!(answer.leader(), Some(4711));
            let host = HostName::new("imap1");
            let output = answer.conclude(&host, &command, &wire, Exit::Code(3)).unwrap();
            assert_eq!(output.stdout, b"out\nput");
            assert_eq!(output.stdout_len, 7);
            assert_eq!(output.exit, Exit::Code(3));
        }
    }

    #[test]
    fn endless_noise_takes_no_endless_memory() {
        let (_, wire) = command();
        let mut answer = Answer::new(&wire);
        for _ in 0..1000 {
            answer.stdout(&[b'x'; 4096]);
        }
        assert!(answer.noise.len() <= super::MAX_NOISE);
        answer.stdout(format!("{0}:1\n{0}:go\nreal", wire.prefix).as_bytes());
        assert_eq!(answer.stdout.bytes, b"real");
    }

    #[test]
    fn output_is_capped_and_counted() {
        let (_, wire) = command();
        let mut answer = Answer::new(&wire);
        answer.stderr(&vec![b'e'; MAX_OUTPUT - 1]);
        answer.stderr(b"ab");
        assert_eq!(answer.stderr.bytes.len(), MAX_OUTPUT);
        assert_eq!(answer.stderr.bytes.last(), Some(&b'a'));
        assert_eq!(answer.stderr.len, MAX_OUTPUT as u64 + 1);
    }

    #[test]
    fn a_refusing_sudo_is_told_as_a_refusal() {
        let refusal = "sudo: a password is required\n";
        let error = conclude(|wire| (format!("{}:4711\n", wire.prefix), refusal), 1);
        assert_eq!(
            error.to_string(),
            "imap1 refused: it does not let us become vmail: sudo: a password is required \
             (`sudo -n` must work without a password)"
        );
    }

    #[test]
    fn a_missing_directory_is_not_the_commands_failure() {
        let error =
            conclude(|wire| (format!("{0}:4711\n{0}:no-dir\n", wire.prefix), "sh: cd: no\n"), 1);
        assert_eq!(
            error.to_string(),
            "imap1: the directory /srv/mail cannot be entered: sh: cd: no"
        );
    }

    #[test]
    fn an_account_without_a_shell_is_a_refusal() {
        let text = "This account is currently not available.\n";
        let error = conclude(|_| (text.to_owned(), ""), 1);
        assert_eq!(
            error.to_string(),
            "imap1 refused: the login ended with status 1 before the command began: \
             This account is currently not available."
        );
    }
}
