//! From a [`Command`] to the one line that is executed, and the bytes it reads.
//!
//! The line is the same for every real transport and needs a POSIX `sh` (dash, bash, busybox) and
//! a login shell that knows single quotes and `exec`:
//!
//! ```text
//!     exec /bin/sh -c 'echo PREFIX:$$; cd -- DIR; echo PREFIX:go; export K=V; exec "$@"' planrun ARGV
//!     exec /bin/sh -c 'echo PREFIX:$$; exec sudo -n -u USER -- "$@"' planrun /bin/sh -c 'cd ...' ..
//! ```
//!
//! - Every shell on the way is replaced by the next (`exec`), so the command's own end is what the
//!   other side reports: a death by signal stays one.
//! - The words behind `PREFIX` (a name nobody guesses) come on standard output before the
//!   command's own ([`super::answer`] takes them off again, with all that a noisy start-up file
//!   printed before). `$$` is the leader of the process group: an SSH server, and
//!   [`super::local`], begin a command in a group of its own, and `exec` keeps the id. `go` says
//!   that the command begins: without it a status is `sudo`'s or a start-up file's, and nothing
//!   was done. That holds in any language `sudo` may speak.
//! - Ending a command ([`Wire::end_line`]) is a second line, run as the same user: it signals the
//!   group, looks for it, and says whether it is gone. This was preferred to `timeout` on the host
//!   (busybox's ends only the leader, and its status 124 may be the command's) and to SSH's own
//!   signals (not allowed on a process of another user).
//!
//! What is in the environment, in `DIR` and in the arguments can be seen in the host's process
//! list; only standard input and uploads cannot.
//!
//! Not here: any judgement of what came back, SSH environment requests (servers refuse them), a
//! terminal.

use std::time::Duration;

use sha2::Digest;
use sha2::Sha256;

use super::AttemptId;
use super::Body;
use super::Command;
use super::witness;
use crate::quote;
use crate::quote::NulError;

/// Longest line, in bytes: Linux takes 128 KiB in one argument, and the login shell gets the line
/// as one.
const MAX_LINE: usize = 120 * 1024;

/// What a program may take to end after TERM before it is killed.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How long the line that ends a command may itself take: grace, the look after KILL, the way.
pub(super) const END_TIMEOUT: Duration = Duration::from_secs(20);

const UPLOAD: &str = include_str!("wire/upload.sh");
const COMPARE: &str = include_str!("wire/compare.sh");
const END: &str = include_str!("wire/end.sh");

/// A command as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wire {
    /// The line to be executed.
    pub(super) line: String,
    /// What it reads; empty means an end at once.
    pub(super) stdin: Vec<u8>,
    /// What stands before the words that do not belong to the command's output.
    pub(super) prefix: String,
    /// The user that `sudo` is asked for; `None` where the login user runs the command.
    pub(super) sudo: Option<String>,
    name: String,
}

/// Why a command cannot be given at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error(transparent)]
    Nul(#[from] NulError),
    #[error("the command is empty")]
    Empty,
    #[error("a program's name cannot begin with `-`: {}", quote::readable(.0))]
    Program(String),
    #[error("{} is no name of an environment variable", quote::readable(.0))]
    Variable(String),
    #[error("{} is no file mode: octal digits are expected, as in 0644", quote::readable(.0))]
    Mode(String),
    #[error(
        "the command is {0} bytes long, {MAX_LINE} are possible: put the text into a file with \
         `upload` or hand it over by `stdin`"
    )]
    TooLong(usize),
}

impl Wire {
    /// Makes the line of a command for a login as `login`, where that is known. An effect carries
    /// its attempt, which the host marks before it begins ([`super::witness`]).
    pub(super) fn new(
        command: &Command,
        login: Option<&str>,
        attempt: Option<&AttemptId>,
    ) -> Result<Self, WireError> {
        let name = uuid::Uuid::now_v7().simple().to_string();
        let prefix = format!("planrun:{name}");
        let sudo = command.r#become.clone().filter(|user| login != Some(user.as_str()));

        let (argv, stdin) = work(command, &name)?;
        let begin = beginning(command, &prefix)?;
        let mark = attempt.map_or(Ok(String::new()), |id| witness::mark(id, &prefix))?;
        let mut words = vec!["exec".to_owned(), "/bin/sh".to_owned(), "-c".to_owned()];
        if let Some(user) = &sudo {
            let user = quote::shell(user)?;
            let outer = format!("echo {prefix}:$$; {mark}exec sudo -n -u {user} -- \"$@\"");
            words.push(quote::shell(&outer)?);
            words.extend(["planrun", "/bin/sh", "-c"].map(str::to_owned));
            words.push(quote::shell(&begin)?);
        } else {
            words.push(quote::shell(&format!("echo {prefix}:$$; {mark}{begin}"))?);
        }
        words.push("planrun".to_owned());
        for word in &argv {
            words.push(quote::shell(word)?);
        }
        let line = words.join(" ");
        if line.len() > MAX_LINE {
            return Err(WireError::TooLong(line.len()));
        }
        Ok(Self { line, stdin, prefix, sudo, name })
    }

    /// Returns the line that ends the process group of the command, led by `leader`.
    pub(super) fn end_line(&self, leader: u32, grace: Duration) -> String {
        let sudo = self.sudo.as_deref().map_or_else(String::new, |user| {
            let user = quote::shell(user).expect("the user was quoted for the command itself");
            format!("sudo -n -u {user} -- ")
        });
        let end = quote::shell(END).expect("the script is ours and holds no NUL");
        let (grace, prefix) = (grace.as_secs(), self.end_prefix());
        format!("exec {sudo}/bin/sh -c {end} planrun {leader} {grace} {prefix}")
    }

    /// Tells from what [`Self::end_line`] printed whether the group is gone; `None` where it does
    /// not say.
    pub(super) fn ended(&self, printed: &[u8]) -> Option<bool> {
        let printed = String::from_utf8_lossy(printed);
        let says = |word: &str| printed.contains(&format!("{}:{word}\n", self.end_prefix()));
        if says("gone") {
            return Some(true);
        }
        says("left").then_some(false)
    }

    fn end_prefix(&self) -> String {
        format!("planrun-end:{}", self.name)
    }
}

/// Returns the argument list of the work itself and what it reads.
fn work(command: &Command, name: &str) -> Result<(Vec<String>, Vec<u8>), WireError> {
    let stdin = || command.stdin.clone().unwrap_or_default();
    match &command.body {
        Body::Argv(argv) => {
            let program = argv.first().ok_or(WireError::Empty)?;
            if program.is_empty() {
                return Err(WireError::Empty);
            }
            // Some shells' `exec` would take it for an option, and not all know `--`.
            if program.starts_with('-') {
                return Err(WireError::Program(program.clone()));
            }
            Ok((argv.clone(), stdin()))
        }
        Body::Script(script) => Ok((sh(&format!("set -eu\n{script}"), []), stdin())),
        Body::Upload { content, secret, to, mode, owner } => {
            let words = file(content, *secret, to, mode.as_deref(), owner.as_deref())?;
            let [to, length, digest, mode, owner] = words;
            let new = if *secret { "0600" } else { "0644" }.to_owned();
            let arguments = [to, length, digest, mode, owner, name.to_owned(), new];
            Ok((sh(UPLOAD, arguments), content.to_vec()))
        }
        Body::Compare { content, secret, to, mode, owner } => {
            let words = file(content, *secret, to, mode.as_deref(), owner.as_deref())?;
            let read = if *secret { content.to_vec() } else { Vec::new() };
            Ok((sh(COMPARE, words), read))
        }
    }
}

/// Returns the words that both scripts about a file take: path, length, digest, mode, owner. The
/// digest of a secret would let others try what it may be.
fn file(
    content: &[u8],
    secret: bool,
    to: &str,
    mode: Option<&str>,
    owner: Option<&str>,
) -> Result<[String; 5], WireError> {
    let mode = mode.unwrap_or_default().to_owned();
    if mode.len() > 5 || !mode.chars().all(|digit| ('0'..='7').contains(&digit)) {
        return Err(WireError::Mode(mode));
    }
    Ok([
        pinned(to),
        content.len().to_string(),
        if secret { String::new() } else { hex(&Sha256::digest(content)) },
        mode,
        owner.unwrap_or_default().to_owned(),
    ])
}

fn sh<const N: usize>(script: &str, arguments: [String; N]) -> Vec<String> {
    let mut argv = ["/bin/sh", "-c", script, "planrun"].map(str::to_owned).to_vec();
    argv.extend(arguments);
    argv
}

/// Returns what the last shell does before the command takes its place.
fn beginning(command: &Command, prefix: &str) -> Result<String, WireError> {
    let mut parts = Vec::new();
    if let Some(dir) = &command.dir {
        let dir = quote::shell(&pinned(dir))?;
        parts.push(format!("cd -- {dir} || {{ echo {prefix}:no-dir; exit 1; }}"));
    }
    parts.push(format!("echo {prefix}:go"));
    for (variable, value) in &command.env {
        if !is_variable(variable) {
            return Err(WireError::Variable(variable.clone()));
        }
        parts.push(format!("export {variable}={}", quote::shell(value)?));
    }
    parts.push("exec \"$@\"".to_owned());
    Ok(parts.join("; "))
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// Makes a relative path one that no program takes for an option, and `cd` not for `CDPATH`.
fn pinned(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("./{path}") }
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indexmap::IndexMap;

    use super::super::Body;
    use super::super::Command;
    use super::MAX_LINE;
    use super::Wire;
    use super::WireError;

    fn command(body: Body) -> Command {
        Command {
            body,
            stdin: None,
            env: IndexMap::new(),
            dir: None,
            r#become: None,
            timeout: Duration::from_secs(10),
            step: "test/step".to_owned(),
        }
    }

    fn argv(words: &[&str]) -> Command {
        command(Body::Argv(words.iter().map(|&word| word.to_owned()).collect()))
    }

    #[test]
    fn the_login_user_needs_no_sudo() {
        let mut command = argv(&["true"]);
        command.r#become = Some("root".to_owned());
        let as_root = Wire::new(&command, Some("root"), None).unwrap();
        assert!(!as_root.line.contains("sudo"), "{}", as_root.line);
        assert_eq!(as_root.sudo, None);
        for login in [Some("mail"), None] {
            let wire = Wire::new(&command, login, None).unwrap();
            assert!(wire.line.contains("sudo -n -u "), "{}", wire.line);
            assert!(wire.end_line(7, Duration::ZERO).starts_with("exec sudo -n -u 'root' -- "));
        }
    }

    #[test]
    fn what_cannot_be_given_is_refused_before_it_is_sent() {
        let refused = |command: &Command| Wire::new(command, None, None).unwrap_err();
        assert!(matches!(refused(&argv(&["a", "b\0"])), WireError::Nul(_)));
        assert_eq!(refused(&argv(&[])), WireError::Empty);
        assert_eq!(refused(&argv(&[""])), WireError::Empty);
        assert!(matches!(refused(&argv(&["-l"])), WireError::Program(_)));
        let mut with_env = argv(&["true"]);
        with_env.env.insert("A;B".to_owned(), String::new());
        assert!(matches!(refused(&with_env), WireError::Variable(_)));
        let long = "x".repeat(MAX_LINE);
        assert!(matches!(refused(&argv(&["echo", &long])), WireError::TooLong(_)));
        let upload = command(Body::Upload {
            content: b"a".as_slice().into(),
            secret: false,
            to: "/tmp/a".to_owned(),
            mode: Some("u+x".to_owned()),
            owner: None,
        });
        assert!(matches!(refused(&upload), WireError::Mode(_)));
    }

    #[test]
    fn only_the_line_that_ends_a_command_says_that_it_is_gone() {
        let wire = Wire::new(&argv(&["true"]), None, None).unwrap();
        let other = Wire::new(&argv(&["true"]), None, None).unwrap();
        let says = |word: &str| format!("noise\n{}:{word}\n", wire.end_prefix());
        assert_eq!(wire.ended(says("gone").as_bytes()), Some(true));
        assert_eq!(wire.ended(says("left").as_bytes()), Some(false));
        assert_eq!(wire.ended(b"gone\n"), None);
        assert_eq!(other.ended(says("gone").as_bytes()), None);
    }
}
