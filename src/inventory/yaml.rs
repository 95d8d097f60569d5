//! Reads YAML and JSON into the [`Draft`].
//!
//! There are two formats. In Ansible's YAML, a group is a mapping of `hosts`, `children` and `vars`,
//! nested. In JSON only, there is also the output of `ansible-inventory --list`: lists of host and group
//! names, and the variables of hosts under `_meta`. The mappings of `group_vars` and `host_vars` are
//! read here too.

mod meant;

use std::path::Path;

use serde_json::Value as Json;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::document;
use crate::document::yaml11::Sealed;
use crate::document::{Entry, Node, Value};
use crate::inventory::draft::{ALL, Draft, Given, Vars, give};
use crate::inventory::yaml::meant::{place, shape_fault};
use crate::schema::foreign::file::recognise;
use crate::schema::kind::{Kind, Sign};
use crate::source::{SourceId, Sources, Span};

/// The first key of an inventory that planrun has printed. Its groups list all hosts, also those of
/// their children, and precedence was already applied to its variables.
pub const PRINTED: &str = "planrun_inventory";
/// The start of such a text, if it is YAML.
const MARK: &str = "planrun_inventory:";

const KEYS: [&str; 3] = ["hosts", "children", "vars"];

/// The format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Nested,
    /// Also the lists of `ansible-inventory --list`.
    Listed,
}

/// Reads an inventory file. Returns whether its syntax is valid.
pub(super) fn read(id: SourceId, shape: Shape, sources: &Sources, draft: &mut Draft) -> bool {
    let Some((root, sealed)) = parse(sources, id, &mut draft.found) else { return false };
    take(id, root, sealed, shape, sources, draft);
    true
}

/// Reads the groups of a file or of a program's output into the draft.
#[expect(clippy::needless_pass_by_value, reason = "it is not needed afterwards")]
pub(super) fn take(
    id: SourceId,
    root: Node,
    sealed: Sealed,
    shape: Shape,
    sources: &Sources,
    draft: &mut Draft,
) {
    let text = sources.get(id).text();
    let other = match &root.value {
        Value::Map(entries) => other_kind(entries, text)
            .map(|kind| (format!("a planrun {}", kind.name()), entries[0].key_span)),
        _ => recognise(&root).map(|file| (file.what.to_owned(), file.at)),
    };
    if let Some((what, at)) = other {
        let message = format!("this is {what}, not an inventory");
        let help = "an inventory names groups and their hosts: `web: {hosts: {web1: {}}}`";
        let fault = Diagnostic::error(Code::InventoryShape, message);
        draft.found.push(fault.at(at, "identified by this key").help(help));
        return;
    }
    match &root.value {
        Value::Null => draft.found.push(
            Diagnostic::error(Code::EmptyInventory, "the inventory is empty")
                .at(root.span, "")
                .help("add a group with its hosts: `web: {hosts: {web1: {}}}`"),
        ),
        Value::Map(entries) => {
            YamlReader { shape, sealed, sources, draft }.groups(entries);
        }
        _ => {
            let is_ini = text.contains("\n[") || text.starts_with('[');
            let rename = "if this is an INI inventory, rename it to end in `.ini`";
            let write = "write a group with its hosts: `web: {hosts: {web1: {}}}`";
            let fault = shape_fault("the inventory", &root, "a mapping of groups");
            draft.found.push(fault.help(if is_ini { rename } else { write }));
        }
    }
}

/// Returns the kind of a file that has the keys of another kind, and a version: groups have none.
fn other_kind(entries: &[Entry], text: &str) -> Option<Kind> {
    let is_version =
        |entry: &Entry| entry.key == "version" && matches!(entry.value.value, Value::Int(_));
    let (kind, sign) = Kind::of(text).filter(|_| entries.iter().any(is_version))?;
    (kind != Kind::Inventory && sign == Sign::Sure).then_some(kind)
}

pub(super) fn read_vars(
    id: SourceId,
    sources: &Sources,
    vars: &mut Vars,
    found: &mut Diagnostics,
) -> bool {
    let Some((root, sealed)) = parse(sources, id, found) else { return false };
    match &root.value {
        Value::Null => {}
        Value::Map(entries) => give(vars, given(entries, &sealed, sources, Shape::Nested)),
        _ => found.push(
            shape_fault("the file", &root, "a mapping of variables")
                .help("write one `name: value` per line"),
        ),
    }
    true
}

/// Parses a text. As in Ansible, JSON is read by the rules of JSON; so is text that planrun has printed.
/// A tag that Ansible does not know is reported in terms of an inventory.
fn parse(sources: &Sources, id: SourceId, found: &mut Diagnostics) -> Option<(Node, Sealed)> {
    let text = sources.get(id).text();
    if text.starts_with(MARK) || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        let root = document::parse_data(sources, id, found);
        return root.map(|root| (root, Sealed::default()));
    }
    let mut own = Diagnostics::default();
    let parsed = document::parse_ansible(sources, id, &mut own);
    for one in own.sorted() {
        let mut one = one.clone();
        if one.code == Code::YamlSyntax {
            let path = Path::new(sources.get(id).path());
            let is_json = path.extension().is_some_and(|ending| ending == "json");
            if is_json {
                "invalid JSON".clone_into(&mut one.message);
                let help = "put `,` between items, and double quotes around strings";
                one.help = vec![help.to_owned()];
            } else if text.starts_with('[') || text.contains("\n[") {
                one.help = vec!["if it is an INI inventory, rename it to end in `.ini`".to_owned()];
            }
        }
        if one.code == Code::YamlTag {
            "unknown tag".clone_into(&mut one.message);
            one.help = vec![
                "remove the `!tag`; `!vault` and `!unsafe` are known, and `!!str` and its like"
                    .to_owned(),
            ];
        }
        found.push(one);
    }
    parsed
}

pub(super) fn given(
    entries: &[Entry],
    sealed: &Sealed,
    sources: &Sources,
    shape: Shape,
) -> impl Iterator<Item = (String, Given)> {
    entries.iter().map(move |entry| {
        let mut given = Given::of(entry, sealed, sources);
        if shape == Shape::Listed {
            given.encrypted |= holds_vault(&given.value);
            if given.encrypted {
                given.value = serde_json::Value::Null.into();
                given.written = None;
            } else {
                given.value = unwrapped(&given.value).into();
                given.written = given.written.map(|written| unwrapped(&written).into());
            }
        }
        (entry.key.clone(), given)
    })
}

/// Whether a value contains what Ansible prints for an encrypted one.
fn holds_vault(value: &Json) -> bool {
    match value {
        Json::Object(map) => map.contains_key("__ansible_vault") || map.values().any(holds_vault),
        Json::Array(items) => items.iter().any(holds_vault),
        _ => false,
    }
}

/// Removes what Ansible prints around a string that is not a template.
fn unwrapped(value: &Json) -> Json {
    match value {
        Json::Object(map) => match map.get("__ansible_unsafe") {
            Some(text) if map.len() == 1 => text.clone(),
            _ => {
                let pairs = map.iter();
                let pairs = pairs.map(|(key, value)| (key.clone(), unwrapped(value)));
                pairs.collect::<serde_json::Map<_, _>>().into()
            }
        },
        Json::Array(items) => items.iter().map(unwrapped).collect(),
        other => other.clone(),
    }
}

struct YamlReader<'a> {
    shape: Shape,
    sealed: Sealed,
    sources: &'a Sources,
    draft: &'a mut Draft,
}

impl YamlReader<'_> {
    fn groups(&mut self, entries: &[Entry]) {
        if let Some(plugin) = entries.iter().find(|entry| entry.key == "plugin") {
            let message = "this is the configuration of an inventory plugin, not an inventory";
            Diagnostic::error(Code::InventoryShape, message)
                .at(plugin.key_span, "")
                .help("save its output: `ansible-inventory -i FILE --list > hosts.json`")
                .emit(&mut self.draft.found);
            return;
        }
        if entries.first().is_some_and(|entry| entry.key == PRINTED) {
            self.printed(entries);
            return;
        }
        let listed = self.shape == Shape::Listed;
        for entry in entries {
            if self.draft.is_full() {
                return;
            }
            if KEYS.contains(&entry.key.as_str()) {
                let message = format!("expected a group, found `{}`", entry.key);
                Diagnostic::error(Code::InventoryShape, message)
                    .at(entry.key_span, "the top level of an inventory has groups")
                    .help("put it in a group, or under `all:`")
                    .emit(&mut self.draft.found);
            } else if !(listed && entry.key == "_meta") {
                self.group(entry, None);
            }
        }
        // The variables of hosts are read last: their hosts are in groups.
        let meta = entries.iter().find(|entry| entry.key == "_meta");
        if let Some(meta) = meta.filter(|_| listed) {
            self.meta(&meta.value);
        }
    }

    fn group(&mut self, entry: &Entry, parent: Option<(usize, Span)>) {
        let node = &entry.value;
        let Some(index) = self.draft.group(&entry.key, entry.key_span) else { return };
        self.draft.groups[index].declared = true;
        self.draft.groups[index].generated |= self.shape == Shape::Listed;
        if let Some((parent, place)) = parent {
            self.draft.groups[parent].children.insert(index, place);
        }
        match &node.value {
            Value::Null => {}
            Value::Map(entries) => {
                for part in entries {
                    if self.draft.found.gives_up() {
                        return;
                    }
                    self.part(&entry.key, index, part);
                }
            }
            Value::List(_) if self.shape == Shape::Listed => self.hosts(&entry.key, index, node),
            _ => self.draft.found.push(
                shape_fault(&format!("the group `{}`", entry.key), node, "a mapping")
                    .help(format!("write hosts as keys: `{}`", meant::hosts(node))),
            ),
        }
    }

    fn part(&mut self, name: &str, group: usize, part: &Entry) {
        let node = &part.value;
        match (part.key.as_str(), &node.value) {
            ("hosts" | "children" | "vars", Value::Null) => {}
            ("hosts", _) => self.hosts(name, group, node),
            ("children", _) => self.children(name, group, node),
            ("vars", Value::Map(entries)) => {
                for (name, given) in given(entries, &self.sealed, self.sources, self.shape) {
                    self.draft.set_group_var(group, &name, given);
                }
            }
            ("vars", _) => self.draft.found.push(
                shape_fault(&format!("`vars` of `{name}`"), node, "a mapping")
                    .help("write one `name: value` per line"),
            ),
            _ => self.unknown_key(name, part),
        }
    }

    fn unknown_key(&mut self, group: &str, part: &Entry) {
        let message = format!("unknown key `{}` in a group", part.key);
        let diagnostic = Diagnostic::error(Code::UnknownGroupKey, message)
            .at(part.key_span, format!("in the group `{group}`"));
        let is_group = |entry: &Entry| KEYS.contains(&entry.key.as_str());
        let or = if part.value.entries().iter().any(is_group) {
            format!("put the group under `children:`: `children: {{{}: ...}}`", part.key)
        } else {
            "put hosts under `hosts:`, groups under `children:` and variables under `vars:`".into()
        };
        self.draft.found.push(diagnostic.suggest(nearest(&part.key, KEYS), or));
    }

    fn hosts(&mut self, name: &str, group: usize, node: &Node) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    if self.draft.found.gives_up() {
                        return;
                    }
                    self.host(group, entry);
                }
            }
            Value::Text(text) => self.named(group, &text.text, place(node), &[]),
            Value::List(items) if self.shape == Shape::Listed => {
                for (host, place) in self.names(items, "the name of a host") {
                    self.draft.host(host, group, place);
                }
            }
            _ => self.draft.found.push(
                shape_fault(&format!("`hosts` of `{name}`"), node, "a mapping")
                    .help(format!("write each host as a key: `{}`", meant::hosts(node))),
            ),
        }
    }

    /// Returns the names in a list; anything else is reported.
    fn names<'n>(&mut self, items: &'n [Node], what: &str) -> Vec<(&'n str, Span)> {
        let mut names = Vec::new();
        for item in items {
            if let Some(name) = item.as_text() {
                names.push((name, item.span));
            } else {
                let fault = shape_fault(what, item, "a string");
                self.draft.found.push(fault.help("put quotes around it"));
            }
        }
        names
    }

    fn host(&mut self, group: usize, entry: &Entry) {
        match &entry.value.value {
            Value::Null => self.named(group, &entry.key, entry.key_span, &[]),
            Value::Map(vars) => self.named(group, &entry.key, entry.key_span, vars),
            _ => {
                let what = format!("the host `{}`", entry.key);
                let meant = meant::host(&entry.key, &entry.value);
                let help = format!("write its variables as a mapping: `{meant}`");
                self.draft.found.push(shape_fault(&what, &entry.value, "a mapping").help(help));
            }
        }
    }

    /// Reads a host entry, which may be several hosts.
    fn named(&mut self, group: usize, entry: &str, place: Span, vars: &[Entry]) {
        let vars: Vec<(String, Given)> =
            given(vars, &self.sealed, self.sources, self.shape).collect();
        self.draft.entry(entry, group, place, &vars);
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
                for (child, place) in self.names(items, "the name of a group") {
                    self.child(group, child, place);
                }
            }
            _ => self.draft.found.push(
                shape_fault(&format!("`children` of `{name}`"), node, "a mapping")
                    .help("write each group as a key: `web:`, without `- `"),
            ),
        }
    }

    fn child(&mut self, group: usize, name: &str, place: Span) {
        if let Some(child) = self.draft.group(name, place) {
            self.draft.groups[child].declared = true;
            self.draft.groups[child].generated |= self.shape == Shape::Listed;
            self.draft.groups[group].children.insert(child, place);
        }
    }

    fn printed(&mut self, entries: &[Entry]) {
        let part = |name: &str| entries.iter().find(|entry| entry.key == name);
        if let Some(groups) = part("groups") {
            self.shape = Shape::Listed;
            for entry in groups.value.entries() {
                self.group(entry, None);
            }
        }
        for entry in part("hosts").map(|part| part.value.entries()).unwrap_or_default() {
            let place = entry.key_span;
            let host = self.draft.host(&entry.key, ALL, place);
            let Some(vars) = host.and_then(|_| entry.value.get("variables")) else { continue };
            let written = entry.value.get("written");
            let vars = given(vars.entries(), &self.sealed, self.sources, Shape::Nested);
            let vars = vars.map(|(name, mut given)| {
                let written = written.and_then(|all| all.get(&name));
                given.written = written.map(|one| one.to_json().into()).or(given.written);
                (name, given)
            });
            if let Some(host) = self.draft.hosts.get_mut(&entry.key) {
                give(&mut host.vars, vars);
            }
        }
    }

    fn meta(&mut self, node: &Node) {
        let Some(all) = node.get("hostvars") else { return };
        if !matches!(all.value, Value::Map(_)) {
            shape_fault("`_meta.hostvars`", all, "a mapping")
                .help("write the variables under the name of each host")
                .emit(&mut self.draft.found);
        }
        for entry in all.entries() {
            let Some(host) = self.draft.hosts.get_mut(&entry.key) else {
                let message = format!("host `{}` has variables but is not in a group", entry.key);
                Diagnostic::warning(Code::VarsWithoutHost, message)
                    .at(entry.key_span, "not in a group")
                    .help("add it to a group, or under `ungrouped`")
                    .emit(&mut self.draft.found);
                continue;
            };
            match &entry.value.value {
                Value::Map(vars) => {
                    give(&mut host.vars, given(vars, &self.sealed, self.sources, self.shape));
                }
                Value::Null => {}
                _ => self.draft.found.push(
                    shape_fault(&format!("the host `{}`", entry.key), &entry.value, "a mapping")
                        .help("write its variables as a mapping"),
                ),
            }
        }
    }
}
