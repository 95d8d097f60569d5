//! YAML and JSON into the [`Draft`].
//!
//! Two shapes are known. Ansible's YAML: a group is a mapping of `hosts`, `children` and `vars`,
//! nested. And, in JSON only, what `ansible-inventory --list` prints: lists of host and group names
//! with the variables of the hosts under `_meta`. Here too are the mappings of `group_vars` and
//! `host_vars`, and the words for what a vault holds.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::nearest;
use crate::document;
use crate::document::Entry;
use crate::document::Node;
use crate::document::Value;
use crate::document::old::Sealed;
use crate::inventory::draft::Draft;
use crate::inventory::draft::Given;
use crate::inventory::draft::Vars;
use crate::schema::foreign::file::recognise;
use crate::source::SourceId;
use crate::source::Sources;
use crate::source::Span;

/// The keys a group may have.
const KEYS: [&str; 3] = ["hosts", "children", "vars"];

/// Which of the two shapes is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Ansible's YAML.
    Nested,
    /// That, and the lists of `ansible-inventory --list`.
    Listed,
}

/// Reads an inventory file. Returns whether its text could be parsed.
pub(super) fn read(
    id: SourceId,
    shape: Shape,
    sources: &Sources,
    draft: &mut Draft,
    found: &mut Diagnostics,
) -> bool {
    let Some((root, sealed)) = parse(sources, id, found) else {
        return false;
    };
    let mut reader = Reader {
        shape,
        sealed,
        draft,
        found,
    };
    match &root.value {
        Value::Null => found.push(
            Diagnostic::error("empty-inventory", "the inventory is empty")
                .at(root.span, "")
                .help("write a group with its hosts: `web: {hosts: {web1: {}}}`"),
        ),
        Value::Map(entries) => reader.groups(entries),
        _ if recognise(&root).is_some() => {
            if let Some(file) = recognise(&root) {
                let message = format!("this is {}, not an inventory", file.what);
                found.push(
                    Diagnostic::error("inventory-shape", message)
                        .at(file.at, "this gives it away")
                        .help(
                            "an inventory names groups and their hosts: `web: {hosts: {web1: {}}}`",
                        ),
                );
            }
        }
        _ => {
            let text = sources.get(id).text();
            let diagnostic = shape_fault("the inventory", &root, "a mapping of groups");
            found.push(if text.contains("\n[") || text.starts_with('[') {
                diagnostic.help("if this is an INI inventory, let its name end in `.ini`")
            } else {
                diagnostic.help("write a group with its hosts: `web: {hosts: {web1: {}}}`")
            });
        }
    }
    true
}

/// Reads a file of `group_vars` or `host_vars` into variables.
pub(super) fn read_vars(
    id: SourceId,
    sources: &Sources,
    vars: &mut Vars,
    found: &mut Diagnostics,
) -> bool {
    let text = sources.get(id).text();
    if text.starts_with("$ANSIBLE_VAULT;") {
        let message = "this file is encrypted by a vault: its variables are missing";
        let whole = Span::new(id, 0, text.find('\n').unwrap_or(text.len()));
        found.push(
            Diagnostic::warning("vault-value", message)
                .at(whole, "planrun opens no vault")
                .help("give the values that a plan needs as its inputs, `sensitive: true`"),
        );
        return true;
    }
    let Some((root, sealed)) = parse(sources, id, found) else {
        return false;
    };
    match &root.value {
        Value::Null => {}
        Value::Map(entries) => vars.extend(given(entries, &sealed)),
        _ => found.push(
            shape_fault("the file", &root, "a mapping of variables")
                .help("write one `name: value` a line"),
        ),
    }
    true
}

/// Parses a text; a tag that Ansible does not know either is told in words of an inventory.
fn parse(sources: &Sources, id: SourceId, found: &mut Diagnostics) -> Option<(Node, Sealed)> {
    let mut own = Diagnostics::default();
    let parsed = document::parse_ansible(sources, id, &mut own);
    for one in own.sorted() {
        let mut one = one.clone();
        if one.code == "yaml-tag" {
            "this tag is not known".clone_into(&mut one.message);
            one.help = vec![
                "remove the `!tag`; `!vault` and `!unsafe` are known, and `!!str` and its like"
                    .to_owned(),
            ];
        }
        found.push(one);
    }
    parsed
}

/// Returns the entries of a mapping as variables.
fn given(entries: &[Entry], sealed: &Sealed) -> impl Iterator<Item = (String, Given)> {
    let one = |entry: &Entry| (entry.key.clone(), Given::of(entry, sealed));
    entries.iter().map(one)
}

/// Words a node that is not what belongs there.
fn shape_fault(what: &str, node: &Node, expected: &str) -> Diagnostic {
    let message = format!("{what} is {}, not {expected}", node.kind());
    Diagnostic::error("inventory-shape", message).at(place(node), "")
}

/// Returns where a node stands; an alias stands where it is used.
fn place(node: &Node) -> Span {
    node.alias.unwrap_or(node.span)
}

struct Reader<'a> {
    shape: Shape,
    sealed: Sealed,
    draft: &'a mut Draft,
    found: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn groups(&mut self, entries: &[Entry]) {
        if let Some(plugin) = entries.iter().find(|entry| entry.key == "plugin") {
            let message = "this configures an inventory plugin, and is no inventory";
            self.found.push(
                Diagnostic::error("inventory-shape", message)
                    .at(plugin.key_span, "")
                    .help("save what it gives: `ansible-inventory -i FILE --list > hosts.json`"),
            );
            return;
        }
        let listed = self.shape == Shape::Listed;
        for entry in entries {
            if KEYS.contains(&entry.key.as_str()) {
                let message = format!("`{}` stands where a group is expected", entry.key);
                self.found.push(
                    Diagnostic::error("inventory-shape", message)
                        .at(
                            entry.key_span,
                            "the first level of an inventory names groups",
                        )
                        .help("put it under the name of a group, or under `all:`"),
                );
            } else if !(listed && entry.key == "_meta") {
                self.group(entry, None);
            }
        }
        // The variables of the hosts come last: they belong to hosts that groups have named.
        let meta = entries.iter().find(|entry| entry.key == "_meta");
        if let Some(meta) = meta.filter(|_| listed) {
            self.meta(&meta.value);
        }
    }

    fn group(&mut self, entry: &Entry, parent: Option<(usize, Span)>) {
        let node = &entry.value;
        let Some(index) = self.draft.group(&entry.key, entry.key_span, self.found) else {
            return;
        };
        self.draft.groups[index].declared = true;
        self.draft.groups[index].generated |= self.shape == Shape::Listed;
        if let Some((parent, place)) = parent {
            self.draft.groups[parent].children.insert(index, place);
        }
        match &node.value {
            Value::Null => {}
            Value::Map(entries) => {
                for part in entries {
                    self.part(&entry.key, index, part);
                }
            }
            Value::List(_) if self.shape == Shape::Listed => self.hosts(&entry.key, index, node),
            _ => self.found.push(
                shape_fault(&format!("the group `{}`", entry.key), node, "a mapping")
                    .help("write its hosts as keys: `hosts: {web1: {}, web2: {}}`"),
            ),
        }
    }

    /// Takes one key of a group.
    fn part(&mut self, name: &str, group: usize, part: &Entry) {
        let node = &part.value;
        match (part.key.as_str(), &node.value) {
            ("hosts" | "children" | "vars", Value::Null) => {}
            ("hosts", _) => self.hosts(name, group, node),
            ("children", _) => self.children(name, group, node),
            ("vars", Value::Map(entries)) => {
                for entry in entries {
                    let given = Given::of(entry, &self.sealed);
                    self.draft
                        .set_group_var(group, &entry.key, given, self.found);
                }
            }
            ("vars", _) => self.found.push(
                shape_fault(&format!("`vars` of `{name}`"), node, "a mapping")
                    .help("write one `name: value` a line"),
            ),
            _ => self.unknown_key(name, part),
        }
    }

    fn unknown_key(&mut self, group: &str, part: &Entry) {
        let message = format!("`{}` is no key of a group", part.key);
        let diagnostic = Diagnostic::error("unknown-group-key", message)
            .at(part.key_span, format!("in the group `{group}`"));
        self.found.push(match nearest(&part.key, KEYS) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(
                "put hosts under `hosts:`, groups under `children:` and variables under `vars:`",
            ),
        });
    }

    fn hosts(&mut self, name: &str, group: usize, node: &Node) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    self.host(group, entry);
                }
            }
            Value::Text(text) => self.named(group, &text.text, place(node), &[]),
            Value::List(items) if self.shape == Shape::Listed => {
                for item in items {
                    if let Some(host) = item.as_text() {
                        self.draft.host(host, group, item.span, self.found);
                    } else {
                        let fault = shape_fault("the name of a host", item, "text");
                        self.found.push(fault.help("put quotes around it"));
                    }
                }
            }
            _ => self.found.push(
                shape_fault(&format!("`hosts` of `{name}`"), node, "a mapping")
                    .help("write each host as a key: `web1:`, without `- `"),
            ),
        }
    }

    fn host(&mut self, group: usize, entry: &Entry) {
        match &entry.value.value {
            Value::Null => self.named(group, &entry.key, entry.key_span, &[]),
            Value::Map(vars) => self.named(group, &entry.key, entry.key_span, vars),
            _ => self.found.push(
                shape_fault(
                    &format!("the host `{}`", entry.key),
                    &entry.value,
                    "a mapping",
                )
                .help("write its variables as a mapping: `web1: {ansible_host: 192.0.2.1}`"),
            ),
        }
    }

    /// Takes a host entry, which may stand for many hosts.
    fn named(&mut self, group: usize, entry: &str, place: Span, vars: &[Entry]) {
        let vars: Vec<(String, Given)> = given(vars, &self.sealed).collect();
        for host in self.draft.entry(entry, group, place, self.found) {
            self.draft.hosts[host].vars.extend(vars.iter().cloned());
        }
    }

    fn children(&mut self, name: &str, group: usize, node: &Node) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    self.group(entry, Some((group, entry.key_span)));
                }
            }
            Value::Text(text) => self.child(group, &text.text, place(node)),
            Value::List(items) if self.shape == Shape::Listed => {
                for item in items {
                    if let Some(child) = item.as_text() {
                        self.child(group, child, item.span);
                    } else {
                        let fault = shape_fault("the name of a group", item, "text");
                        self.found.push(fault.help("put quotes around it"));
                    }
                }
            }
            _ => self.found.push(
                shape_fault(&format!("`children` of `{name}`"), node, "a mapping")
                    .help("write each group as a key: `web:`, without `- `"),
            ),
        }
    }

    fn child(&mut self, group: usize, name: &str, place: Span) {
        if let Some(child) = self.draft.group(name, place, self.found) {
            self.draft.groups[child].declared = true;
            self.draft.groups[child].generated |= self.shape == Shape::Listed;
            self.draft.groups[group].children.insert(child, place);
        }
    }

    /// Takes the variables of the hosts.
    fn meta(&mut self, node: &Node) {
        let Some(all) = node.get("hostvars") else {
            return;
        };
        if !matches!(all.value, Value::Map(_)) {
            self.found.push(
                shape_fault("`_meta.hostvars`", all, "a mapping")
                    .help("write the variables under the name of each host"),
            );
        }
        for entry in all.entries() {
            let Some(host) = self.draft.hosts.get_mut(&entry.key) else {
                let message = format!("`{}` has variables and is in no group", entry.key);
                self.found.push(
                    Diagnostic::warning("vars-without-host", message)
                        .at(entry.key_span, "no group names this host")
                        .help("put it in a group, or under `ungrouped`"),
                );
                continue;
            };
            match &entry.value.value {
                Value::Map(vars) => host.vars.extend(given(vars, &self.sealed)),
                Value::Null => {}
                _ => self.found.push(
                    shape_fault(
                        &format!("the host `{}`", entry.key),
                        &entry.value,
                        "a mapping",
                    )
                    .help("write its variables as a mapping"),
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests;
