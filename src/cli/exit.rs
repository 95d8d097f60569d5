//! Exit statuses: every way the process can end, in one table.

use std::fmt::Write as _;
use std::process::ExitCode;

/// The exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit(pub(super) u8);

impl Exit {
    /// What was asked for is done.
    pub(super) const SUCCEEDED: Self = Self(0);
    /// Warnings were denied, and there are some. For a run: failed, and every
    /// host that had to be rolled back is.
    pub(super) const FAILED: Self = Self(1);
    /// The command line or a text is wrong; nothing was done.
    pub(super) const INVALID: Self = Self(2);
    /// Another process holds the run, or has taken it over.
    pub(super) const HELD: Self = Self(7);
    /// A fault of planrun itself.
    pub(super) const INTERNAL: Self = Self(70);
    /// The runs cannot be read or written, or data did not arrive at standard output.
    pub(super) const STORE: Self = Self(74);
    /// Ended by HUP before a run began.
    pub(super) const HUP: Self = Self(129);
    /// Left at once by INT.
    pub(super) const INT: Self = Self(130);
    /// Left at once by TERM.
    pub(super) const TERM: Self = Self(143);
}

/// Every status and what it means: the one source for `--help`, the README and the manual.
const TABLE: [(u8, &str); 14] = [
    (0, "succeeded; for `rollback`: every host it names is rolled back"),
    (
        1,
        "failed, and every host that had to be rolled back is rolled back; for `validate`: there \
         are warnings and they are denied",
    ),
    (
        2,
        "the command line, a plan or an inventory is invalid, or a run or a rollback was refused: \
         nothing was changed",
    ),
    (3, "failed or aborted, and not everything is rolled back"),
    (4, "a host was unreachable before the first change"),
    (5, "stuck: a rollback failed, an operator must look at the host"),
    (6, "paused: the run waits for an operator; `resume` continues it"),
    (7, "another process holds the run or has taken it over"),
    (70, "an internal error of planrun"),
    (74, "the runs could not be read or written, or the output could not be written"),
    (77, "a host key, a login or a privilege was refused before the first change"),
    (129, "ended by HUP before a run began; a run goes on without a terminal"),
    (130, "ended at once by INT: a second one, or one before a run began"),
    (143, "ended at once by TERM: a second one, or one before a run began"),
];

/// Returns the table as text.
pub(super) fn table() -> String {
    let mut out = String::from("Exit statuses:");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning_once_and_in_order() {
        let statuses: Vec<u8> = TABLE.iter().map(|(status, _)| *status).collect();
        let mut sorted = statuses.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(statuses, sorted);
        for exit in [
            Exit::SUCCEEDED,
            Exit::FAILED,
            Exit::INVALID,
            Exit(3),
            Exit::HELD,
            Exit::INTERNAL,
            Exit::STORE,
            Exit::HUP,
            Exit::INT,
            Exit::TERM,
        ] {
            assert!(statuses.contains(&exit.0), "{exit:?} is not in the table");
        }
        // A shell gives these two meanings of its own: ssh's failure, and KILL.
        assert!(!statuses.contains(&255) && !statuses.contains(&137));
    }
}
