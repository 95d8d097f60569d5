//! Inventory variables of Ansible that planrun does not use, and what to write instead.
//!
//! Variables that concern only Ansible (`ansible_python_interpreter`, `ansible_pipelining`,
//! `ansible_remote_tmp`) are not listed. An inventory that both tools use has them, and warnings about
//! them would be noise.

use std::sync::LazyLock;

use crate::table::rows;

/// A variable that has no effect in planrun.
#[derive(Debug)]
pub struct Variable {
    pub name: &'static str,
    /// The reason, as a label.
    pub why: &'static str,
    /// What to do instead, as an imperative.
    pub say: &'static str,
    /// Whether it is a secret, which is not stored with runs.
    pub secret: bool,
}

pub const TABLE: &str = include_str!("variables.tsv");

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

/// The connection variables of Ansible that planrun reads.
static READ: LazyLock<Vec<&str>> = LazyLock::new(|| named("read").collect());

/// The variables of planrun.
pub static OWN: LazyLock<Vec<&str>> = LazyLock::new(|| named("own").collect());

fn named(wanted: &str) -> impl Iterator<Item = &'static str> {
    let named = move |[kind, name]: [&'static str; 2]| (kind == wanted).then_some(name);
    rows(include_str!("known.tsv")).filter_map(named)
}

/// Returns the variable that an unknown one probably means: it differs by a letter, by the case of
/// letters, or by `-` instead of `_`.
pub fn misspelled(name: &str) -> Option<&'static str> {
    // Most variables need no closer comparison.
    let is_close = name.starts_with(['a', 'A']) && (11..40).contains(&name.len());
    if !is_close || READ.contains(&name) || find(name).is_some() {
        return None;
    }
    let plain = name.to_lowercase().replace('-', "_");
    READ.iter().copied().find(|known| strsim::damerau_levenshtein(&plain, known) <= 1)
}

pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

pub fn is_secret(name: &str) -> bool {
    find(name).is_some_and(|variable| variable.secret)
}

/// Whether the value of a variable may be a password, also by mistake: then it is not shown.
pub fn may_be_secret(name: &str) -> bool {
    let own = ["planrun_password", "planrun_passphrase", "planrun_become_password"];
    is_secret(name) || own.contains(&name)
}
