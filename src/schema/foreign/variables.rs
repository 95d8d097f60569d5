//! Variables of other tools in an inventory, and what planrun has instead.
//!
//! Not here: what concerns Ansible alone (`ansible_python_interpreter`, `ansible_pipelining`,
//! `ansible_remote_tmp`). An inventory that both tools read has such variables, and to tell of them
//! would be noise.

use std::sync::LazyLock;

use crate::schema::foreign::table::rows;

/// A variable that does nothing in planrun.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What is at its place.
    pub why: &'static str,
    /// What to do instead, as an order.
    pub say: &'static str,
    /// Whether it is a secret, which is not kept with runs.
    pub secret: bool,
}

/// The rows, separated by tabs.
pub const TABLE: &str = include_str!("variables.tsv");

/// The variables.
pub static VARIABLES: LazyLock<Vec<Variable>> = LazyLock::new(|| {
    let variable = |[kind, name, why, say]: [&'static str; 4]| {
        (kind == "secret" || kind == "ignored").then(|| Variable {
            name,
            why,
            say,
            secret: kind == "secret",
        })
    };
    rows(TABLE).filter_map(variable).collect()
});

/// The variables of Ansible that say how a host is reached, and that planrun reads.
const READ: [&str; 14] = [
    "ansible_become",
    "ansible_become_user",
    "ansible_connection",
    "ansible_group_priority",
    "ansible_host",
    "ansible_port",
    "ansible_private_key_file",
    "ansible_ssh_host",
    "ansible_ssh_port",
    "ansible_ssh_private_key_file",
    "ansible_ssh_timeout",
    "ansible_ssh_user",
    "ansible_timeout",
    "ansible_user",
];

/// Returns the variable that was probably meant by one that no tool knows: one that differs from it
/// by a letter, or by the case of letters, or by `-` for `_`.
pub fn misspelled(name: &str) -> Option<&'static str> {
    // Most variables are looked at no closer.
    let is_close = name.starts_with(['a', 'A']) && (11..40).contains(&name.len());
    if !is_close || READ.contains(&name) || find(name).is_some() {
        return None;
    }
    let plain = name.to_lowercase().replace('-', "_");
    READ.into_iter().find(|known| strsim::damerau_levenshtein(&plain, known) <= 1)
}

/// Finds a variable.
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// Whether a variable is a secret, which is not kept.
pub fn is_secret(name: &str) -> bool {
    find(name).is_some_and(|variable| variable.secret)
}
