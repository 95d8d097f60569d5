//! Exit codes: every way the process can end, in one table.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::transport::TransportError;

/// The exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit(pub(super) u8);

impl Exit {
    pub(super) const SUCCEEDED: Self = Self(0);
    /// For `validate`: there are denied warnings. For a run: it failed, and every host that had to be
    /// rolled back was.
    pub(super) const FAILED: Self = Self(1);
    /// The command line or a file is invalid; nothing was changed.
    pub(super) const INVALID: Self = Self(2);
    /// Another process works on the run, or has taken it over, or another run has locked a host.
    pub(super) const HELD: Self = Self(7);
    /// An internal error of planrun.
    pub(super) const INTERNAL: Self = Self(70);
    /// The store cannot be read or written, or the output could not be written.
    pub(super) const STORE: Self = Self(74);
    /// Ended by HUP before a run started.
    pub(super) const HUP: Self = Self(129);
    /// Ended immediately by INT.
    pub(super) const INT: Self = Self(130);
    /// Ended immediately by TERM.
    pub(super) const TERM: Self = Self(143);
}

impl Exit {
    /// Returns the exit code of a command, or of a run before its first change, to which hosts gave these
    /// errors.
    pub(super) fn of_hosts<'e>(errors: impl Iterator<Item = &'e TransportError>) -> Self {
        let errors: Vec<&TransportError> = errors.collect();
        let is_refusal = |error: &&TransportError| {
            matches!(error, TransportError::HostKey { .. } | TransportError::Denied { .. })
        };
        if errors.is_empty() {
            Self::SUCCEEDED
        } else if errors.iter().any(is_refusal) {
            Self(77)
        } else if errors.iter().any(|error| error.is_away()) {
            Self(4)
        } else {
            Self::INVALID
        }
    }
}

/// Every exit code and its meaning: the only source for `--help`, the README and the manual.
const TABLE: [(u8, &str); 14] = [
    (0, "succeeded; for `rollback`: all selected hosts are rolled back"),
    (
        1,
        "failed, and every host that had to be rolled back is rolled back; for `validate`: there \
         are denied warnings",
    ),
    (
        2,
        "the command line, a plan or an inventory is invalid, or a run or a rollback was refused: \
         nothing was changed",
    ),
    (3, "failed or aborted, and not everything is rolled back"),
    (4, "a host was unreachable before the first change"),
    (5, "stuck: a rollback failed, an operator must repair the host"),
    (6, "paused: the run waits for an operator; `resume` continues it"),
    (7, "locked: another run has locked a host, or another process works on the run"),
    (70, "an internal error of planrun"),
    (74, "the run store or the output could not be read or written"),
    (77, "a host key, a login or a privilege was refused before the first change"),
    (129, "ended by HUP before a run started; a started run continues without a terminal"),
    (130, "ended immediately by INT: by a second one, or before a run started"),
    (143, "ended immediately by TERM: by a second one, or before a run started"),
];

pub(super) fn table() -> String {
    let mut out = String::from("Exit codes:");
    for (status, meaning) in TABLE {
        // Writing to a string cannot fail.
        let _written = write!(out, "\n  {status:>3}  {meaning}");
    }
    out
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}
