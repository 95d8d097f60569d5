//! Quoting of words for `sh`.
//!
//! Two ways, for two readers: [`shell`] for the machine, always quoted and the only way a word
//! gets into a line that is executed; [`readable`] for people, quoted only where it must be.
//! Single quotes keep every byte but NUL as it is in every POSIX shell; a single quote itself is
//! written `'\''`. Shells that read backslashes inside single quotes (fish) are login
//! shells at most, and those never see such a word.

/// A word holds a NUL byte, which cannot be handed to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a NUL byte cannot be handed to a program")]
pub struct NulError;

/// Returns a word as people read it: quoted only where a shell would not take it as it is.
pub fn readable(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    quoted(word)
}

/// Returns a word as a shell takes it, unchanged whatever is in it.
pub fn shell(word: &str) -> Result<String, NulError> {
    if word.contains('\0') {
        return Err(NulError);
    }
    Ok(quoted(word))
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
