//! Names of users, as `ssh` logs them in and `sudo -u` takes them.
//!
//! Which users there are is the host's to say: those of a directory are `ops@example.org` or
//! `CORP\\ops`, those of a gateway `ops%web1`, a number is `#1000`. A name goes to the host as one
//! quoted argument; what could be taken as an option, ends a word of a shell or cannot be seen is
//! refused nevertheless, so that a slip of the pen is found here.

use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// Longest name, in bytes; Linux takes 32, directories 256.
const MAX_BYTES: usize = 256;

/// Whether a text may be the name of a user.
pub fn is_user(name: &str) -> bool {
    wrong(name).is_none()
}

/// Returns what keeps a text from being the name of a user.
fn wrong(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("is empty".to_owned());
    }
    if name.len() > MAX_BYTES {
        return Some(format!("is longer than {MAX_BYTES} bytes"));
    }
    if name.starts_with('-') {
        return Some("begins with `-`".to_owned());
    }
    if let Some(number) = name.strip_prefix('#') {
        let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
        return (!is_number).then(|| "`#` and no number".to_owned());
    }
    // The account of a machine ends in `$`.
    let body = name.strip_suffix('$').unwrap_or(name);
    let is_allowed = |c: char| c.is_alphanumeric() || "_.-@\\+%:/~=".contains(c);
    let character = body.chars().find(|&c| !is_allowed(c));
    character.map(|character| format!("holds {character:?}"))
}

/// Words the fault of a name that is not [allowed](is_user); `what` is what it was to be.
pub(super) fn unsafe_user(name: &str, what: &str, place: Span) -> Diagnostic {
    let message = format!("`{name}` cannot be {what}");
    Diagnostic::error(Code::UnsafeName, message)
        .at(place, wrong(name).unwrap_or_default())
        .help("use letters, digits and `_.-@\\+%:/~=`, and no `-` at the beginning")
        .help("this keeps a name from being taken as an option by a program it is handed to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_directories_gateways_and_numbers_are_users() {
        for name in [
            "root",
            "ops@corp.example",
            "CORP\\ops",
            "corp+ops",
            "web1$",
            "#1000",
            "_apt",
            "0day",
            "ops%web1:22",
            "ops/admin@EXAMPLE.ORG",
            "größe",
            "a=b",
        ] {
            assert!(is_user(name), "{name}");
        }
        for name in [
            "",
            "-u",
            "-oProxyCommand=x",
            "a b",
            "$(id)",
            "a$b",
            "`id`",
            "a;b",
            "#",
            "#1a",
            "a\n",
            "\u{201c}ops\u{201d}",
            "ops\u{a0}",
            "'ops'",
            "a|b",
            "a\u{202e}b",
            "a\0",
        ] {
            assert!(!is_user(name), "{name:?}");
        }
    }
}
