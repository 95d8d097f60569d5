//! Names that users of other tools write in expressions and templates.

use std::sync::LazyLock;

use crate::schema::foreign::Tool;
use crate::table::rows;

/// A name of another tool, and what to write instead.
#[derive(Debug)]
pub struct Name {
    pub tool: Tool,
    pub name: &'static str,
    /// What to write instead, as an imperative.
    pub say: &'static str,
}

pub const TABLE: &str = include_str!("names.tsv");

pub static NAMES: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let name =
        |[tool, name, say]: [&'static str; 3]| Some(Name { tool: Tool::of(tool)?, name, say });
    rows(TABLE).filter_map(name).collect()
});

pub fn find(word: &str) -> Option<&'static Name> {
    let exact = |word: &str| NAMES.iter().find(|name| name.name == word);
    // Any fact: there are hundreds.
    exact(word).or_else(|| exact("ansible_facts").filter(|_| word.starts_with("ansible_")))
}
