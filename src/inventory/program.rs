//! The interface to what runs inventory programs.
//!
//! Nothing is run here: a caller that allows programs passes [`Programs`], which also limits time and
//! size; all others pass [`NoPrograms`].

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::duration;
use crate::file::MAX_BYTES;

/// Maximum size of all output of a program, in bytes: the same as of an inventory file.
pub const MAX_ANSWER: usize = MAX_BYTES;

pub trait Programs {
    /// Runs a program in its own directory, without input and without a shell, and returns its output.
    /// A non-zero exit code is an error too.
    fn run(&mut self, program: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failure>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The caller does not allow programs.
    NotRun,
    /// It could not be started, for this reason.
    NotStarted(String),
    /// All its calls together exceeded this time limit.
    Late(Duration),
    /// It printed more than this many bytes.
    TooLong(usize),
    Ended {
        /// The outcome: `with 1`, `by KILL`.
        how: String,
        /// Its standard error, or the end of it.
        said: String,
    },
}

/// What happened, after the name of the program.
impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRun => out.write_str("was not run"),
            Self::NotStarted(why) => write!(out, "cannot be run: {why}"),
            Self::Late(limit) => write!(out, "exceeded its timeout of {}", duration::show(*limit)),
            Self::TooLong(bytes) => write!(out, "printed more than {bytes} bytes"),
            Self::Ended { how, said } => match said.trim() {
                "" => write!(out, "failed {how}, without a message"),
                said => write!(out, "failed {how}: {said}"),
            },
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct NoPrograms;

impl Programs for NoPrograms {
    fn run(&mut self, _program: &Path, _arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        Err(Failure::NotRun)
    }
}
