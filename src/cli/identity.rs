//! The name of the current user in runs, locks and answers.
//!
//! Nothing here is proved: the account is that of the process, and a name in front of it is what the
//! environment or the user says.

use crate::transport::login::controller_user;

/// Returns `user@machine`; `name (user@machine)` if another user became this one by `sudo`.
pub(super) fn who() -> String {
    let person = std::env::var("SUDO_USER").ok().filter(|name| is_person(name));
    let user = controller_user();
    named(person.filter(|person| user.as_ref() != Some(person)).as_deref())
}

/// Returns `name (user@machine)`; without a name, `user@machine`.
pub(super) fn named(person: Option<&str>) -> String {
    let account = account();
    person.map_or(account.clone(), |person| format!("{person} ({account})"))
}

/// Whether a text can name one person: `ann`, `ann@example.org`.
pub(super) fn is_person(name: &str) -> bool {
    let is_sign = |c: char| c.is_alphanumeric() || "@._+-".contains(c);
    (1..=64).contains(&name.chars().count()) && name.chars().all(is_sign)
}

fn account() -> String {
    let user = controller_user().unwrap_or_else(|| "unknown".to_owned());
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let machine = if machine.is_empty() { "localhost" } else { &machine };
    format!("{user}@{machine}")
}
