//! Lowers changes: of the host of a command or a rule, and of others.

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::document::Node;
use crate::model::lower::{Lowering, written};
use crate::model::names::Names;
use crate::model::print::Chosen;
use crate::model::{Also, Change, NewValues, Slot};

impl Lowering<'_> {
    /// Lowers `becomes` and `also` of a node; `slots` are those of its host, `None` if there is no host.
    pub(super) fn change(
        &mut self,
        node: &Node,
        slots: Option<&HashMap<String, Slot>>,
        names: &Names<'_>,
    ) -> Change {
        let own = match (slots, node.get("becomes")) {
            (Some(slots), becomes) => self.new_values(becomes, slots, names),
            (None, Some(becomes)) => {
                self.refuse(
                    Code::UnknownState,
                    "`nobody` cannot change its host",
                    (written(becomes), "there is no host"),
                    "remove it, or change others: `also`",
                );
                Vec::new()
            }
            (None, None) => Vec::new(),
        };
        let also = node.get("also").map(Node::items).unwrap_or_default();
        Change { own, also: also.iter().filter_map(|also| self.also(also, names)).collect() }
    }

    fn also(&mut self, node: &Node, names: &Names<'_>) -> Option<Also> {
        self.is_connected = true;
        let Chosen { group, filter } = self.chosen(node, names)?;
        let slots = self.slots(group);
        let becomes = self.new_values(node.get("becomes"), slots, &names.for_host(slots));
        Some(Also { group, filter, becomes })
    }

    /// Lowers `for` and `where`: the hosts of a group for which a condition is true.
    pub(super) fn chosen(&mut self, node: &Node, names: &Names<'_>) -> Option<Chosen> {
        let group = node.get("for").and_then(|name| self.expect_group(name))?;
        let names = names.for_host(self.slots(group));
        let filter = node.get("where").and_then(|filter| self.expression(filter, &names));
        Some(Chosen { group, filter })
    }

    /// Refuses what is to change, and changes nothing.
    pub(super) fn need_change(&mut self, node: &Node, what: &str) {
        if node.get("becomes").is_none() && node.get("also").is_none() {
            self.refuse(
                Code::MissingKey,
                format!("{what} changes nothing"),
                (written(node), "neither `becomes` nor `also`"),
                "add `becomes: {NAME: VALUE}`",
            );
        }
    }

    /// Lowers a `becomes`: each name must be in the state.
    fn new_values(
        &mut self,
        node: Option<&Node>,
        slots: &HashMap<String, Slot>,
        names: &Names<'_>,
    ) -> NewValues {
        let mut change = Vec::new();
        for entry in node.map_or(&[][..], Node::entries) {
            let value = self.template(&entry.value, names);
            match slots.get(&entry.key) {
                Some(Slot::State(number)) => change.extend(value.map(|value| (*number, value))),
                Some(Slot::Derived(_)) => {
                    let message = format!("cannot set derived value `{}`", entry.key);
                    self.refuse(
                        Code::UnknownState,
                        message,
                        (entry.key_span, "evaluated from the state"),
                        "set the state that it depends on",
                    );
                }
                None => {
                    let fault = Diagnostic::error(
                        Code::UnknownState,
                        format!("unknown state variable `{}`", entry.key),
                    )
                    .at(entry.key_span, "not in the state of this group");
                    let near = nearest(&entry.key, slots.keys().map(String::as_str));
                    let add = "add it to the `state` of the group, or remove it here";
                    self.fault(fault.suggest(near, add));
                }
            }
        }
        change
    }
}
