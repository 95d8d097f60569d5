//! Regular expressions that people write, compiled within a bound.

use regex::Regex;
use regex::RegexBuilder;

/// Most bytes of a regular expression as it is compiled.
pub const MAX_REGEX: usize = 1024 * 1024;
/// Most bytes of a regular expression as it is written: its parser takes far more memory than that.
pub const MAX_PATTERN: usize = 16 * 1024;

/// Compiles a regular expression within [`MAX_REGEX`]; `Err` says in a line what is wrong.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("it has more than {MAX_PATTERN} bytes"));
    }
    RegexBuilder::new(pattern)
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                format!("it takes more than {MAX_REGEX} bytes when it is compiled")
            }
            // The first lines draw the expression; the last one names the fault.
            other => {
                let text = other.to_string();
                let last = text.lines().next_back().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_in_a_line() {
        assert_eq!(compile("a(").unwrap_err(), "unclosed group");
        assert!(compile("a{1000}").unwrap().is_match(&"a".repeat(1000)));
        let why = "it takes more than 1048576 bytes when it is compiled";
        assert_eq!(compile("((a{1000}){1000}){1000}").unwrap_err(), why);
        assert_eq!(
            compile(&"a".repeat(MAX_PATTERN + 1)).unwrap_err(),
            "it has more than 16384 bytes"
        );
    }
}
