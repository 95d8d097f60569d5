//! Regular expressions of users, compiled within limits.

use regex::{Regex, RegexBuilder};

/// Maximum size of a compiled regular expression, in bytes.
pub const MAX_REGEX: usize = 1024 * 1024;
/// Maximum length of a regular expression, in bytes: its parser takes far more memory than that.
pub const MAX_PATTERN: usize = 8 * 1024;
/// Maximum size of all compiled regular expressions of a plan, in bytes.
pub const MAX_SUM: usize = 8 * 1024 * 1024;

/// Compiles a regular expression within [`MAX_REGEX`]; `Err` has the reason, in one line.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    within(pattern, MAX_REGEX)?.ok_or_else(too_large)
}

/// Compiles the regular expressions of a plan, within [`MAX_SUM`].
#[derive(Debug)]
pub struct Compiler {
    left: usize,
    /// Whether one was rejected because of their sum.
    spent: bool,
}

impl Default for Compiler {
    fn default() -> Self {
        Self { left: MAX_SUM, spent: false }
    }
}

impl Compiler {
    /// Compiles another one; `Err` has the reason, in one line. If their sum is too large,
    /// [`Self::is_spent`] is true from then on.
    pub fn compile(&mut self, pattern: &str) -> Result<Regex, String> {
        // The crate does not report the size, so a small limit is tried before a large one.
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

    /// Whether there was not enough room for one of them.
    pub fn is_spent(&self) -> bool {
        self.spent
    }
}

fn too_large() -> String {
    format!("compiles to more than {MAX_REGEX} bytes")
}

/// Compiles a regular expression within a size; `None` if it is larger.
fn within(pattern: &str, limit: usize) -> Result<Option<Regex>, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("longer than {MAX_PATTERN} bytes"));
    }
    match RegexBuilder::new(pattern).size_limit(limit).build() {
        Ok(regex) => Ok(Some(regex)),
        Err(regex::Error::CompiledTooBig(_)) => Ok(None),
        // The first lines draw the expression; the last one has the error.
        Err(other) => {
            let text = other.to_string();
            let last = text.lines().next_back().unwrap_or_default();
            Err(last.trim_start_matches("error: ").to_owned())
        }
    }
}
