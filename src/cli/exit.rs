//! Exit codes: every way the process can end, in one table.

use std::process::ExitCode;

use crate::table;
use crate::transport::TransportError;

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
    pub(super) const INTERNAL: Self = Self(70);
    /// The store cannot be read or written, or the output could not be written.
    pub(super) const STORE: Self = Self(74);
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
const TABLE: &str = include_str!("exit.tsv");

/// Returns the exit codes and their meanings.
pub(super) fn rows() -> impl Iterator<Item = [&'static str; 2]> {
    table::rows(TABLE)
}

pub(super) fn table() -> String {
    let rows = rows().map(|[status, meaning]| format!("\n  {status:>3}  {meaning}"));
    rows.fold("Exit codes:".to_owned(), |table, row| table + &row)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}
