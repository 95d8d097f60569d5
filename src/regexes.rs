//! Regular expressions that people write, compiled within a bound.

use regex::{Regex, RegexBuilder};

/// Most bytes of a regular expression as it is compiled.
pub const MAX_REGEX: usize = 1024 * 1024;
/// Most bytes of a regular expression as it is written: its parser takes far more memory than that.
pub const MAX_PATTERN: usize = 8 * 1024;
/// Most bytes of all regular expressions of one plan as they are compiled.
pub const MAX_SUM: usize = 8 * 1024 * 1024;

/// Compiles a regular expression within [`MAX_REGEX`]; `Err` says in a line what is wrong.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    within(pattern, MAX_REGEX)?.ok_or_else(too_large)
}

/// Compiles the regular expressions of one plan, within [`MAX_SUM`].
#[derive(Debug)]
pub struct Compiler {
    left: usize,
    /// Whether one was refused because of all of them.
    spent: bool,
}

impl Default for Compiler {
    fn default() -> Self {
        Self { left: MAX_SUM, spent: false }
    }
}

impl Compiler {
    /// Compiles one more; `Err` says in a line what is wrong with it. Where it is the one that all of
    /// them are too large with, [`Self::is_spent`] is so from then on.
    pub fn compile(&mut self, pattern: &str) -> Result<Regex, String> {
        // How much one takes is not told. So it is tried with little, then with more.
        let mut limit = 4 * 1024;
        while limit <= MAX_REGEX {
            if limit > self.left {
                self.spent = true;
                return Err(format!("all patterns together compile to more than {MAX_SUM} bytes"));
            }
            if let Some(regex) = within(pattern, limit)? {
                self.left -= limit;
                return Ok(regex);
            }
            limit *= 4;
        }
        self.left = self.left.saturating_sub(MAX_REGEX);
        Err(too_large())
    }

    /// Whether there was no room for one of them.
    pub fn is_spent(&self) -> bool {
        self.spent
    }
}

fn too_large() -> String {
    format!("compiles to more than {MAX_REGEX} bytes")
}

/// Compiles a regular expression that may take so many bytes; `None` where it takes more.
fn within(pattern: &str, limit: usize) -> Result<Option<Regex>, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("longer than {MAX_PATTERN} bytes"));
    }
    match RegexBuilder::new(pattern).size_limit(limit).build() {
        Ok(regex) => Ok(Some(regex)),
        Err(regex::Error::CompiledTooBig(_)) => Ok(None),
        // The first lines draw the expression; the last one names the fault.
        Err(other) => {
            let text = other.to_string();
            let last = text.lines().next_back().unwrap_or_default();
            Err(last.trim_start_matches("error: ").to_owned())
        }
    }
}
