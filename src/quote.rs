//! Quoting of words for `sh`, and of bytes for URIs; texts that are too long.
//!
//! There are two readers: [`shell`] is for the machine, always quotes, and is the only way for a word
//! to get into a line that is executed; [`readable`] is for users and quotes only if it must. In every
//! POSIX shell, single quotes keep all bytes but NUL; a single quote itself is written `'\''`. Shells
//! that interpret backslashes inside single quotes (fish) are only used as login shells, and login
//! shells never receive such a word.

use std::fmt::Write as _;

/// A word has a NUL byte, which cannot be passed to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a NUL byte cannot be passed to a program")]
pub struct NulError;

/// Returns a word for users: quoted only if a shell would change it.
pub fn readable(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    quoted(word)
}

/// Returns a word as a shell needs it to keep it unchanged.
pub fn shell(word: &str) -> Result<String, NulError> {
    if word.contains('\0') {
        return Err(NulError);
    }
    Ok(quoted(word))
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns the first characters of a text, at most so many, with dots after them if some are missing.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Encodes bytes for a URI: all but ASCII letters, digits and those in `kept`.
pub fn percent(bytes: &[u8], kept: &str, upper: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        // Writing to a string cannot fail.
        let _written = match char::from(byte) {
            c if c.is_ascii_alphanumeric() || c.is_ascii() && kept.contains(c) => out.write_char(c),
            _ if upper => write!(out, "%{byte:02X}"),
            _ => write!(out, "%{byte:02x}"),
        };
    }
    out
}
