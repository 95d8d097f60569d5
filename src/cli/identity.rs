//! The name of the current user in runs, locks and answers.

use crate::transport::login::controller_user;

/// Returns `user@machine`.
pub(super) fn who() -> String {
    let user = controller_user().unwrap_or_else(|| "unknown".to_owned());
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let machine = if machine.is_empty() { "localhost" } else { &machine };
    format!("{user}@{machine}")
}
