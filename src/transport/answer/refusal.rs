//! Why a command was not started or has no status, in words.

use crate::inventory::{BecomeMethod, HostName};
use crate::quote;
use crate::transport::TransportError;

/// How many characters of a host's words go into a message.
const MAX_WORDS: usize = 300;

/// Interprets the line of a session that reports why a command is not started.
pub fn refused(host: HostName, line: &str) -> TransportError {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let why = match word {
        "no-record" => {
            let folder = if rest.is_empty() { "its state directory" } else { rest };
            format!(
                "it cannot keep a record of the command in {folder}, without which a lost connection \
                 could double its effect: free some space, or make it writable (HOME and \
                 XDG_STATE_HOME say where it is)"
            )
        }
        "taken" => "it has a record of this attempt from another process: check whether the state \
                    directory of planrun was restored from a copy"
            .to_owned(),
        "given-up" => "another process has cancelled this attempt; it was not started".to_owned(),
        _ => "the command arrived damaged and was not started: check that `dd` and `cksum` are in \
              the PATH of its login"
            .to_owned(),
    };
    match word {
        "taken" | "given-up" => TransportError::Repeated { host, why },
        _ => TransportError::Denied { host, why },
    }
}

pub(super) const NO_STATUS: &str =
    "the host does not know how the command ended: what waited for it was killed";

pub(super) fn refused_user(
    user: &str,
    said: &str,
    method: BecomeMethod,
    has_password: bool,
) -> String {
    const TERMINAL: &str = "If sudo asks for a terminal, add `Defaults !requiretty`";
    let user = quote::readable(user);
    let why = match (method, has_password) {
        (BecomeMethod::Sudo, false) => format!(
            "`sudo -n -u {user} -- /bin/sh` failed: allow `/bin/sh` as {user} with NOPASSWD in sudoers (a \
             rule for single commands is not enough), or set `planrun_become_password`. {TERMINAL}"
        ),
        (BecomeMethod::Sudo, true) => format!(
            "`sudo -A -u {user} -- /bin/sh` failed: check the password (`planrun_become_password`), and \
             that sudoers allow `/bin/sh` as {user}. {TERMINAL}"
        ),
        (BecomeMethod::Doas, _) => format!(
            "`doas -n -u {user} /bin/sh` failed: add `permit nopass` for `/bin/sh` as {user} to doas.conf"
        ),
        (BecomeMethod::Su, _) => {
            format!("`su -s /bin/sh {user}` failed: it needs a login as root; otherwise use `sudo`")
        }
    };
    format!("{why}. It printed: {said}")
}

/// Returns what a host said as part of a sentence.
pub(super) fn words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let joined = lines.join("; ");
    if joined.is_empty() {
        return "no reason given".to_owned();
    }
    quote::shortened(&joined, MAX_WORDS)
}
