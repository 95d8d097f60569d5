//! The names that an expression of a model may use, by where it stands.

use std::collections::HashMap;

use crate::model::Slot;

/// Names that the model itself gives.
pub(super) const OWN: [&str; 4] = ["here", "name", "address", "now"];

/// What an expression may use.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    /// State and derived values of the host meant; `None` where there is no host.
    pub(super) host: Option<&'a HashMap<String, Slot>>,
    /// The placeholders of the command.
    pub(super) captures: &'a [String],
    /// Whether a command runs somewhere: `here` and `now`.
    pub(super) command: bool,
}

impl<'a> Names<'a> {
    /// Returns the names of a host that does nothing.
    pub(super) fn of_host(slots: &'a HashMap<String, Slot>) -> Self {
        Self { host: Some(slots), captures: &[], command: false }
    }

    /// Whether a name is known.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.captures.iter().any(|capture| capture == name)
            || match name {
                "here" | "now" => self.command,
                "name" | "address" => self.host.is_some(),
                _ => self.host.is_some_and(|slots| slots.contains_key(name)),
            }
    }

    /// Returns all of them, sorted.
    pub(super) fn all(&self) -> Vec<&'a str> {
        let mut all: Vec<&str> = self.captures.iter().map(String::as_str).collect();
        all.extend(self.host.into_iter().flat_map(HashMap::keys).map(String::as_str));
        all.extend(OWN.into_iter().filter(|name| self.knows(name)));
        all.sort_unstable();
        all
    }
}
