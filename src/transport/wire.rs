//! Translates a [`Command`] into a request to the host session.
//!
//! The login shell of a host gets one line, [`LOGIN`], whatever is to be done. The `sh` it starts is
//! given [`session`] over standard input: the scripts in `host/`, which print `ready` and wait. Only then
//! requests are sent, one after the other:
//!
//! ```text
//!     login shell   exec /bin/sh
//!     session       pr_number=..; FUNCTIONS; pr_serve
//!     look          look NUMBER USER LENGTH REST
//!                   { pr_start() { cd -- DIR; export K=V; exec setsid "$@"; }; pr_command 60 .. ARGV; pr_print_end; }
//!     effect        run NUMBER ID USER LENGTH MORE CRC
//!                   { FUNCTIONS; pr_start() ..; pr_attempt ID .. 60 .. ARGV; }, and what the command reads
//! ```
//!
//! - A value is a word in single quotes, read by a POSIX `sh` and by nothing else.
//! - The lines of an answer start with a prefix that contains a number. It cannot be guessed and differs for
//!   each request; [`super::answer`] has all of them.
//! - With `become` the program goes through `sudo -u USER -- /bin/sh`, which is all that sudoers have to
//!   allow (`host/become.sh`).
//! - Time limits are kept on the host (`host/run.sh`): nothing has to get through to end a command.
//!
//! What is in `DIR` and in the arguments can be seen in the host's process list; standard input, very long
//! scripts and uploads cannot. The environment of a process is only visible to its user and to root.
//!
//! Not here: any judgement of what came back, SSH environment requests (servers refuse them), a
//! terminal.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::lock::{Fence, LockRequest};
use super::passwords::text;
use super::{AttemptId, Body, Command, File, TransportError};
use crate::inventory::{BecomeMethod, Host};
use crate::quote::{self, NulError};
use crate::secret::Secret;

/// The one line that a login shell ever sees.
pub const LOGIN: &str = "exec /bin/sh";

/// What a program may take to end after TERM before it is killed.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long a host may take, after a command's time limit and its grace, to report that the command is
/// ended: the check after KILL, and the network.
pub const END_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest script that is handed over as an argument, in bytes: Linux takes 128 KiB in one.
const MAX_ARGUMENT: usize = 64 * 1024;

const RECORDS: &str = include_str!("host/records.sh");
const RUN: &str = include_str!("host/run.sh");
const EFFECT: &str = include_str!("host/effect.sh");
const LOCK: &str = include_str!("host/lock.sh");
const BECOME: &str = include_str!("host/become.sh");
const SERVE: &str = include_str!("host/serve.sh");
const UPLOAD: &str = include_str!("host/upload.sh");
const COMPARE: &str = include_str!("host/compare.sh");

/// One request to a host session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wire {
    /// What is asked, with all that belongs to it.
    pub request: Vec<u8>,
    /// What the command of a probe reads, up to the end of standard input; the session ends with it.
    pub rest: Option<Vec<u8>>,
    /// The prefix of the lines of the answer.
    pub prefix: String,
    /// The user that `sudo` is asked for; `None` if the login user runs the command.
    pub sudo: Option<String>,
    /// How the user is changed, and whether with a password.
    pub method: BecomeMethod,
    pub has_password: bool,
    /// Whether it may be sent again if no answer came: it changes nothing.
    pub is_repeatable: bool,
    /// The lock that an effect needs.
    pub fence: Option<Fence>,
    /// A probe that is sent with an effect, and runs after it.
    pub then: Option<Box<(Command, Self)>>,
    /// How long the host may take to answer.
    pub patience: Duration,
}

/// How the commands of a session become another user.
#[derive(Clone, Debug, Default)]
pub struct Privilege {
    pub method: BecomeMethod,
    pub password: Option<Secret>,
}

/// Why a command cannot be given at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error(transparent)]
    Nul(#[from] NulError),
    #[error("the command is empty")]
    Empty,
    #[error("the name of a program must not start with `-`: {}", quote::readable(.0))]
    Program(String),
    #[error("{} is not the name of an environment variable", quote::readable(.0))]
    Variable(String),
    #[error("{} is not a user name", quote::readable(.0))]
    User(String),
    #[error(
        "the script is {0} bytes long and has lines that start with every letter: put it in a file \
         with `upload`"
    )]
    TooLong(usize),
    #[error("{} is not a file mode: expected octal digits, as in 0644", quote::readable(.0))]
    Mode(String),
}

impl Wire {
    /// Makes the request for a command to a login as `login`, if that is known. An effect carries its
    /// attempt, of which the host makes a record before it starts, and the lock that its run has.
    pub fn new(
        command: &Command,
        login: Option<&str>,
        attempt: Option<&AttemptId>,
        fence: Option<&Fence>,
        grace: Duration,
    ) -> Result<Self, WireError> {
        let number = number();
        let prefix = prefix(&number);
        let sudo = command.r#become.clone().filter(|user| login != Some(user.as_str()));
        let user = user_word(sudo.as_deref())?;
        let id = attempt.map(name_of);
        let (argv, long, stdin) = work(command, &number)?;
        let mark = id.as_ref().unwrap_or(&number);
        let start = start(command, mark, long.as_deref(), &number)?;
        let time = command.timeout;
        let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let (seconds, millis) = (time.as_secs(), time.subsec_millis());
        let mut run = format!("{seconds}.{millis:03} {whole} {} {mark}", grace.as_secs());
        for word in &argv {
            run.push(' ');
            run.push_str(&quote::shell(word)?);
        }
        let input = id.as_ref().map_or(0, |_| stdin.len());
        let of_user = |functions: &str| {
            let set = format!("pr_prefix={prefix} pr_input={input}");
            format!("{{\n{set}\n{functions}{start}pr_command {run}\npr_print_end\n}}\n")
        };
        let (request, rest) = match &id {
            None => {
                let functions = if sudo.is_some() { bare(RUN) } else { String::new() };
                let program = format!("{}# {prefix}", of_user(&functions));
                let rest = if stdin.is_empty() { "-" } else { "rest" };
                let line = format!("look {number} {user} {} {rest}\n{program}", program.len());
                (line.into_bytes(), Some(stdin).filter(|stdin| !stdin.is_empty()))
            }
            Some(id) => {
                let inner = if sudo.is_some() { of_user(&bare(RUN)) } else { String::new() };
                let own = if sudo.is_some() { String::new() } else { format!("{start}\n") };
                let run = if sudo.is_some() { "" } else { &run };
                let r#become = if sudo.is_some() { bare(BECOME) } else { String::new() };
                let (records, functions, effect) = (bare(RECORDS), bare(RUN), bare(EFFECT));
                let day = day_of(&number);
                // A file that contains secrets is removed before the command starts, as one that is read.
                let reads = if command.secret_env && input == 0 { "-" } else { &input.to_string() };
                let words = fence.map_or("", |fence| fence.words.as_str());
                let runner = format!(
                    "{{\npr_records=$2 pr_umask=$3 pr_setsid=$4 pr_unbuffered=$5 pr_method=$6\n\
                     pr_number={number} pr_day={day} pr_prefix={prefix} pr_fence='{words}'\n\
                     {records}{functions}{become}{effect}{own}\
                     pr_attempt {id} {} {} {reads} {run}\n}}\n",
                    quote::shell(user)?,
                    inner.len()
                );
                let content = [runner.as_bytes(), inner.as_bytes(), &stdin].concat();
                let (length, more) = (runner.len(), inner.len() + input);
                let sum = cksum(&content);
                let line = format!("run {number} {id} {user} {length} {more} {sum}\n");
                ([line.into_bytes(), content].concat(), None)
            }
        };
        Ok(Self {
            request,
            rest,
            prefix,
            sudo,
            is_repeatable: id.is_none(),
            fence: fence.cloned(),
            patience: command.timeout + grace + END_TIMEOUT,
            ..Self::default()
        })
    }

    /// Sends a probe along, to a login as `login`. One that reads something would end the session.
    #[must_use]
    pub fn with_probe(mut self, probe: &Command, login: Option<&str>, grace: Duration) -> Self {
        let wire = Self::new(probe, login, None, None, grace).ok();
        let wire = wire.filter(|wire| wire.rest.is_none());
        let (method, has_password) = (self.method, self.has_password);
        let wire = wire.map(|wire| Self { method, has_password, ..wire });
        self.then = wire.map(|wire| Box::new((probe.clone(), wire)));
        self
    }

    /// Makes the question about the outcome of an attempt.
    pub fn ask(attempt: &AttemptId) -> Self {
        Self::ask_for("ask", &name_of(attempt))
    }

    pub fn lock(host: &Host, request: &LockRequest) -> Result<Self, TransportError> {
        let (what, words) = request.words(host)?;
        Ok(Self::ask_for(what, &words))
    }

    /// Makes a request of one line, which may be repeated.
    fn ask_for(what: &str, words: &str) -> Self {
        let number = number();
        Self {
            request: format!("{what} {number} {words}\n").into_bytes(),
            prefix: prefix(&number),
            is_repeatable: true,
            patience: END_TIMEOUT,
            ..Self::default()
        }
    }

    /// Returns how many bytes the host is sent.
    pub fn size(&self) -> usize {
        let then = self.then.as_ref().map_or(0, |then| then.1.request.len());
        self.request.len() + then + self.rest.as_ref().map_or(0, Vec::len)
    }
}

/// Returns the user as a word of a request.
fn user_word(sudo: Option<&str>) -> Result<&str, WireError> {
    let Some(user) = sudo else { return Ok("-") };
    if user.is_empty() || user.starts_with('-') || user.contains(|c: char| c.is_whitespace()) {
        return Err(WireError::User(user.to_owned()));
    }
    // It goes into the request by itself.
    quote::shell(user)?;
    Ok(user)
}

/// Makes the line that what these attempts printed is recorded, and can be removed. It has no answer.
pub fn forget(attempts: &[AttemptId]) -> String {
    if attempts.is_empty() {
        return String::new();
    }
    let names: Vec<String> = attempts.iter().map(name_of).collect();
    format!("forget {}\n", names.join(" "))
}

fn number() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// Returns the prefix of the lines of an answer to a request.
pub fn prefix(number: &str) -> String {
    format!("planrun:{number}")
}

/// Returns the text of a new session, and the prefix of the line that reports it as ready.
pub fn session(privilege: &Privilege) -> Result<(String, String), NulError> {
    let number = number();
    let functions = [RECORDS, RUN, LOCK, BECOME, SERVE].map(bare).concat();
    let password = privilege.password.as_ref().map(text).unwrap_or_default();
    // Its first line break would end the line for `sudo`.
    let password = quote::shell(password.lines().next().unwrap_or_default())?;
    let method = privilege.method.name();
    let day = day_of(&number);
    // An echo of this text must not look like an answer: the prefix is nowhere in it as a whole.
    let text = format!(
        "pr_number={number}\npr_day={day}\npr_lock=-\npr_method={method}\npr_password={password}\n\
         {functions}pr_serve\n"
    );
    Ok((text, prefix(&number)))
}

/// Returns the day on which a request was made, in days since 1970.
fn day_of(number: &str) -> u64 {
    made_at(number).map_or(0, |millis| millis / (24 * 60 * 60 * 1000))
}

/// Returns when a number was made, in milliseconds since 1970, by the clock of the machine that planrun
/// ran on.
pub(super) fn made_at(number: &str) -> Option<u64> {
    let (seconds, nanos) = uuid::Uuid::try_parse(number).ok()?.get_timestamp()?.to_unix();
    Some(seconds * 1000 + u64::from(nanos / 1_000_000))
}

/// Returns a script without comments and indentation, which only people need.
fn bare(script: &str) -> String {
    let lines = script.lines().map(str::trim_start);
    let mut bare = String::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        bare.push_str(line);
        bare.push('\n');
    }
    bare
}

/// Returns the name under which a host keeps the record of an attempt: one word, and a file's name.
pub(super) fn name_of(attempt: &AttemptId) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if attempt.0.starts_with(|c: char| c.is_ascii_alphanumeric())
        && attempt.0.len() <= 128
        && attempt.0.chars().all(plain)
    {
        return attempt.0.clone();
    }
    hex::encode(Sha256::digest(&attempt.0))
}

/// The arguments of a command, a script that is too long for one, and what the command reads.
type Work = (Vec<String>, Option<String>, Vec<u8>);

fn work(command: &Command, number: &str) -> Result<Work, WireError> {
    let stdin = || command.stdin.clone().unwrap_or_default();
    match &command.body {
        Body::Argv(argv) => {
            let program = argv.first().filter(|program| !program.is_empty());
            let program = program.ok_or(WireError::Empty)?;
            // `setsid` or `exec` would read it as an option, and not all know `--`.
            if program.starts_with('-') {
                return Err(WireError::Program(program.clone()));
            }
            Ok((argv.clone(), None, stdin()))
        }
        Body::Script(script) => {
            let script = format!("set -eu\n{script}");
            if script.len() <= MAX_ARGUMENT {
                return Ok((sh(&script, []), None, stdin()));
            }
            let argv = sh("pr_script=$(cat <&9) && exec 9<&- && eval \"$pr_script\"", []);
            Ok((argv, Some(script), stdin()))
        }
        Body::Upload(file) => {
            let [to, length, digest, mode, owner] = words_of(file)?;
            let new = if file.secret { "0600" } else { "0644" }.to_owned();
            let name = number.to_owned();
            let arguments = [bare(UPLOAD), to, length, digest, mode, owner, name, new];
            Ok((sh("eval \"$1\"", arguments), None, file.content.to_vec()))
        }
        Body::Compare(file) => {
            let read = if file.secret { file.content.to_vec() } else { Vec::new() };
            Ok((sh(&bare(COMPARE), words_of(file)?), None, read))
        }
    }
}

/// Returns the words that both scripts about a file take: path, length, digest, mode, owner. The
/// digest of a secret would let others try what it may be.
fn words_of(file: &File) -> Result<[String; 5], WireError> {
    let File { content, secret, to, mode, owner } = file;
    let mode = mode.clone().unwrap_or_default();
    if mode.len() > 5 || !mode.chars().all(|digit| ('0'..='7').contains(&digit)) {
        return Err(WireError::Mode(mode));
    }
    Ok([
        pinned(to),
        content.len().to_string(),
        if *secret { String::new() } else { hex::encode(Sha256::digest(content)) },
        mode,
        owner.clone().unwrap_or_default(),
    ])
}

fn sh<const N: usize>(script: &str, arguments: [String; N]) -> Vec<String> {
    let mut argv = ["/bin/sh", "-c", script, "planrun"].map(str::to_owned).to_vec();
    argv.extend(arguments);
    argv
}

/// Returns the function that takes the place of the last shell with the work.
fn start(
    command: &Command,
    mark: &str,
    long: Option<&str>,
    number: &str,
) -> Result<String, WireError> {
    let mut lines = vec!["pr_start() {".to_owned()];
    if let Some(dir) = &command.dir {
        let dir = quote::shell(&pinned(dir))?;
        lines.push(format!("cd -- {dir} || {{ pr_say no-dir; exit 1; }}"));
    }
    lines.push("pr_say go".to_owned());
    for (variable, value) in &command.env {
        if !is_variable(variable) {
            return Err(WireError::Variable(variable.clone()));
        }
        lines.push(format!("export {variable}={}", quote::shell(value)?));
    }
    lines.push(format!("export PLANRUN_MARK={mark}"));
    let exec = "exec ${pr_setsid:+\"$pr_setsid\"} \"$@\"";
    match long {
        None => lines.push(exec.to_owned()),
        Some(script) => {
            quote::shell(script)?;
            // dash loses a byte above 127 if it follows what may be the start of the delimiter.
            let free = |first: &char| !script.lines().any(|line| line.starts_with(*first));
            let first = ('A'..='Z').find(free).ok_or(WireError::TooLong(script.len()))?;
            lines.push(format!("{exec} 9<<'{first}{number}'\n{script}\n{first}{number}"));
        }
    }
    lines.push("}\n".to_owned());
    Ok(lines.join("\n"))
}

/// Returns the checksum that `cksum` of POSIX prints.
fn cksum(bytes: &[u8]) -> u32 {
    let add = |crc: u32, byte: u8| {
        (0..8).fold(crc ^ (u32::from(byte) << 24), |crc, _| {
            (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    };
    let crc = bytes.iter().fold(0, |crc, &byte| add(crc, byte));
    let length = bytes.len().to_le_bytes();
    let used = length.len() - bytes.len().leading_zeros() as usize / 8;
    !length[..used].iter().fold(crc, |crc, &byte| add(crc, byte))
}

/// Changes a relative path so that no program reads it as an option, and `cd` does not use `CDPATH`.
fn pinned(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("./{path}") }
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
