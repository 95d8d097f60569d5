//! What runs the programs that print an inventory.
//!
//! Nothing is run here: the reader of an inventory passes [`Programs`], and those who must not run
//! anything pass [`NoPrograms`]. The one who runs a program limits its time and its output.

use std::path::Path;
use std::time::Duration;

use crate::file::MAX_BYTES;

/// Maximum bytes of all answers of a program: as many as of an inventory file.
pub const MAX_ANSWER: usize = MAX_BYTES;

/// Runs programs that print an inventory.
pub trait Programs {
    /// Runs a program in its own directory, with nothing to read and without a shell, and returns
    /// what it printed. `Err` also where it ended otherwise than with 0.
    fn run(&mut self, program: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failure>;
}

/// Why a program gave no inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Whoever reads the inventory runs no programs.
    NotRun,
    /// It could not be begun, for this reason.
    NotStarted(String),
    /// All its calls together took longer than they may.
    Late(Duration),
    /// It printed more than this many bytes.
    TooLong(usize),
    /// It ended badly.
    Ended {
        /// How: `with 1`, `by KILL`.
        how: String,
        /// What it said on standard error, or the end of that.
        said: String,
    },
}

/// Runs no program, whatever is asked.
#[derive(Clone, Copy, Debug)]
pub struct NoPrograms;

impl Programs for NoPrograms {
    fn run(&mut self, _program: &Path, _arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        Err(Failure::NotRun)
    }
}
