//! User names that `ssh` and `sudo -u` accept.
//!
//! Only the host knows its users: those of a directory are `ops@example.org` or `CORP\\ops`, those of a
//! gateway `ops%web1`, a number is `#1000`. A name is sent to the host as one quoted argument. Names that
//! a program could mistake for an option, that end a word of a shell, or that are invisible are still
//! rejected, so that a typo is found here.

/// Longest name, in bytes; Linux allows 32, directories 256.
const MAX_BYTES: usize = 256;

/// What a name may contain in addition to letters and digits.
pub(super) const LETTERS: &str = " and `_.-@\\+%:/~=`";

/// Whether a string may be the name of a user.
pub fn is_user(name: &str) -> bool {
    wrong(name).is_none()
}

/// Returns why a string cannot be the name of a user.
pub(super) fn wrong(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("is empty".to_owned());
    }
    if name.len() > MAX_BYTES {
        return Some(format!("is longer than {MAX_BYTES} bytes"));
    }
    if name.starts_with('-') {
        return Some("starts with `-`".to_owned());
    }
    if let Some(number) = name.strip_prefix('#') {
        let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
        return (!is_number).then(|| "has `#` without a number".to_owned());
    }
    // The name of a machine account ends in `$`.
    let body = name.strip_suffix('$').unwrap_or(name);
    let is_allowed = |c: char| c.is_alphanumeric() || "_.-@\\+%:/~=".contains(c);
    let character = body.chars().find(|&c| !is_allowed(c));
    character.map(|character| format!("contains {character:?}"))
}
