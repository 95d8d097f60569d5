//! The names that an expression of a model may use, by its location.

use std::collections::HashMap;

use crate::model::Slot;

pub(super) const OWN: [&str; 5] = ["here", "name", "address", "now", "hosts"];

#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    /// State and derived values of the host; `None` if there is no host.
    pub(super) host: Option<&'a HashMap<String, Slot>>,
    pub(super) captures: &'a [String],
    /// Whether it belongs to a command, which has `now`.
    pub(super) command: bool,
    /// Whether there is a host from which a change or a command comes.
    pub(super) here: bool,
}

impl<'a> Names<'a> {
    /// Returns the names of a host outside of commands.
    pub(super) fn of_host(slots: &'a HashMap<String, Slot>) -> Self {
        Self { host: Some(slots), captures: &[], command: false, here: false }
    }

    /// Returns the same names for another host.
    pub(super) fn for_host(self, slots: &'a HashMap<String, Slot>) -> Self {
        Self { host: Some(slots), here: true, ..self }
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.captures.iter().any(|capture| capture == name)
            || match name {
                "here" => self.here,
                "now" => self.command,
                "hosts" => true,
                "name" | "address" => self.host.is_some(),
                _ => self.host.is_some_and(|slots| slots.contains_key(name)),
            }
    }

    pub(super) fn all(&self) -> Vec<&'a str> {
        let mut all: Vec<&str> = self.captures.iter().map(String::as_str).collect();
        all.extend(self.host.into_iter().flat_map(HashMap::keys).map(String::as_str));
        all.extend(OWN.into_iter().filter(|name| self.knows(name)));
        all.sort_unstable();
        all
    }
}
