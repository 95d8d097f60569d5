//! The draft of an inventory: the content of its files, before precedence.
//!
//! Every reader ([`super::ini`], [`super::yaml`], [`super::vars`]) adds to one draft, in the order of
//! the files; [`super::build`] makes the inventory of it. Names are validated here, where they are
//! added. Variables are not interpreted here.

use std::fmt::Display;
use std::rc::Rc;

use indexmap::IndexMap;
use indexmap::map::Entry as Slot;
use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::Entry;
use crate::document::yaml11::Sealed;
use crate::inventory::ranges;
use crate::schema::foreign::variables;
use crate::source::{Sources, Span};

pub(super) const ALL: usize = 0;
pub(super) const UNGROUPED: usize = 1;

/// Maximum number of times that hosts are named in one inventory.
const MAX_MENTIONS: usize = 1_000_000;
/// Maximum number of hosts of all ranges of an inventory: a few bytes of text can be many hosts.
const MAX_RANGED: usize = 200_000;
/// Maximum number of variables that ranges give to their hosts, counted for each host.
const MAX_RANGED_VARS: usize = 300_000;
const MAX_GROUPS: usize = 50_000;

/// Variables by name; a later value replaces an earlier one. Most groups and hosts have none, and then
/// they take no memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Vars(Option<Box<IndexMap<String, Given>>>);

impl Vars {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Given)> {
        self.0.iter().flat_map(|vars| vars.iter())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Given> {
        self.iter().map(|(_, given)| given)
    }

    fn all(&mut self) -> &mut IndexMap<String, Given> {
        self.0.get_or_insert_default()
    }
}

/// The value of a variable, as it was written.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// The value, which all hosts of one entry share.
    pub(super) value: Rc<Value>,
    /// The value with its numbers as they are written, if that differs.
    pub(super) written: Option<Rc<Value>>,
    pub(super) name: Span,
    pub(super) place: Span,
    /// Whether a vault has encrypted it or a part of it; then there is no value.
    pub(super) encrypted: bool,
    /// For a password, the locations of the values that it replaced.
    pub(super) earlier: Vec<Span>,
}

/// Sets variables of a group or a host; a later value replaces an earlier one.
pub(super) fn give(vars: &mut Vars, new: impl IntoIterator<Item = (String, Given)>) {
    let mut new = new.into_iter().peekable();
    if new.peek().is_none() {
        return;
    }
    let vars = vars.all();
    for (name, mut given) in new {
        if let Some(old) = vars.get_mut(&name).filter(|_| variables::may_be_secret(&name)) {
            given.earlier.append(&mut old.earlier);
            given.earlier.push(old.place);
        }
        vars.insert(name, given);
    }
}

impl Given {
    /// Returns the value with its numbers as they are written.
    pub(super) fn as_written(&self) -> &Value {
        self.written.as_deref().unwrap_or(&self.value)
    }

    /// Makes it from a value, and the locations of its name and of the value.
    pub(super) fn new(value: Value, name: Span, place: Span) -> Self {
        let value = Rc::new(value);
        Self { value, written: None, name, place, encrypted: false, earlier: Vec::new() }
    }

    pub(super) fn of(entry: &Entry, sealed: &Sealed, sources: &Sources) -> Self {
        let encrypted = sealed.is_in(&entry.value);
        let value = if encrypted { Value::Null } else { entry.value.to_json() };
        let written = entry.value.written(sources).filter(|_| !encrypted).map(Rc::new);
        Self { written, encrypted, ..Self::new(value, entry.key_span, entry.value.span) }
    }
}

/// All groups and hosts so far; they refer to each other by index.
#[derive(Debug)]
pub(super) struct Draft {
    /// The groups by name; `all` and `ungrouped` are first.
    pub(super) groups: IndexMap<String, GroupDraft>,
    /// The hosts by name, in the order in which they are named first.
    pub(super) hosts: IndexMap<String, HostDraft>,
    mentions: usize,
    ranged: usize,
    /// The number of variables that ranges gave to their hosts.
    ranged_vars: usize,
    /// The problems of what was added.
    pub(super) found: Diagnostics,
}

#[derive(Debug, Default)]
pub(super) struct GroupDraft {
    /// Where it is named first; `None` for built-in groups that are not named.
    pub(super) place: Option<Span>,
    /// Whether it is defined, not only referred to.
    pub(super) declared: bool,
    /// Whether a program wrote the file; then an empty group needs no warning.
    pub(super) generated: bool,
    /// Its child groups and their locations.
    pub(super) children: IndexMap<usize, Span>,
    /// Its own hosts, in this order, each once.
    pub(super) hosts: Vec<usize>,
    /// `ansible_group_priority`.
    pub(super) priority: i64,
    pub(super) vars: Vars,
    /// The variables of each `group_vars` folder, in order.
    pub(super) file_vars: Vec<Vars>,
}

#[derive(Debug)]
pub(super) struct HostDraft {
    /// Where it is named first.
    pub(super) place: Span,
    /// Its groups without their parents, ordered by index.
    pub(super) groups: Vec<usize>,
    pub(super) vars: Vars,
    pub(super) file_vars: Vars,
}

impl Draft {
    /// Whether something was left out because of a limit, which was reported.
    pub(super) fn is_full(&self) -> bool {
        self.mentions > MAX_MENTIONS || self.groups.len() > MAX_GROUPS
    }

    /// Returns all variables, those of groups first.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&String, &Given)> {
        let groups = self.groups.values();
        let of_groups = groups
            .flat_map(|group| group.vars.iter().chain(group.file_vars.iter().flat_map(Vars::iter)));
        let hosts = self.hosts.values();
        let of_hosts = hosts.flat_map(|host| host.vars.iter().chain(host.file_vars.iter()));
        of_groups.chain(of_hosts)
    }

    /// Returns the locations of the values of Ansible's passwords, also of replaced ones.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Span> {
        let secrets = self.variables().filter(|(name, _)| variables::may_be_secret(name));
        secrets.flat_map(|(_, given)| given.earlier.iter().copied().chain([given.place]))
    }

    /// Makes a draft with the two built-in groups.
    pub(super) fn new() -> Self {
        let built_in = || GroupDraft { declared: true, priority: 1, ..GroupDraft::default() };
        let groups = [("all", built_in()), ("ungrouped", built_in())];
        Self {
            groups: groups.map(|(name, group)| (name.to_owned(), group)).into(),
            hosts: IndexMap::new(),
            mentions: 0,
            ranged: 0,
            ranged_vars: 0,
            found: Diagnostics::default(),
        }
    }

    /// Returns the index of a group and adds it if it is new; `None` (and a diagnostic) if the name is
    /// invalid.
    pub(super) fn group(&mut self, name: &str, place: Span) -> Option<usize> {
        if let Some((index, _, group)) = self.groups.get_full_mut(name) {
            group.place.get_or_insert(place);
            return Some(index);
        }
        if self.groups.len() >= MAX_GROUPS {
            // Reported once.
            if self.groups.len() == MAX_GROUPS {
                let message = format!("too many groups: the maximum is {MAX_GROUPS}");
                let help = "remove unused groups, or split the inventory";
                self.found.push(too_large(message, place, help));
                self.groups.insert(String::new(), GroupDraft::default());
            }
            return None;
        }
        let bad = |c: char| c.is_whitespace() || c.is_control() || ":,[]*?!&~@/\\".contains(c);
        if let Some(character) = name.chars().find(|&c| bad(c)) {
            let message = format!("invalid group name `{name}`");
            Diagnostic::error(Code::UnsafeName, message)
                .at(place, format!("contains {character:?}"))
                .help("use letters, digits, `_`, `-` and `.`: other characters have a meaning in patterns")
                .emit(&mut self.found);
            return None;
        }
        if name.is_empty() {
            Diagnostic::error(Code::UnsafeName, "empty group name")
                .at(place, "")
                .help("add a name")
                .emit(&mut self.found);
            return None;
        }
        let group = GroupDraft { place: Some(place), priority: 1, ..GroupDraft::default() };
        Some(self.groups.insert_full(name.to_owned(), group).0)
    }

    /// Adds the hosts of an entry, with their port and variables, to a group; none (and a diagnostic) if
    /// the entry is invalid.
    pub(super) fn entry(
        &mut self,
        entry: &str,
        group: usize,
        place: Span,
        vars: &[(String, Given)],
    ) {
        if self.mentions > MAX_MENTIONS {
            return;
        }
        let (names, first_port) = match ranges::expand(entry) {
            Ok(expanded) => expanded,
            Err(why) => {
                let message = format!("invalid host entry `{entry}`");
                Diagnostic::error(Code::HostEntry, message)
                    .at(place, why)
                    .help("write a name, an address, or a range such as `web[01:20]`")
                    .help("add a port after the name: `web1:2222`, `[2001:db8::1]:2222`")
                    .emit(&mut self.found);
                return;
            }
        };
        let count = names.len();
        if count > 1 && !self.takes_range(count, vars.len(), place) {
            return;
        }
        self.hosts.reserve(count - 1);
        self.groups[group].hosts.reserve(count - 1);
        for name in names {
            let Some((index, known)) = self.take_host(name, group, place) else {
                // The other names of a range have the same problem.
                break;
            };
            let host = &mut self.hosts[index];
            // Ansible takes a port only where a host is named first.
            if let Some(port) = first_port.filter(|_| !known) {
                let port = Given::new(port.into(), place, place);
                host.vars.all().insert("ansible_port".to_owned(), port);
            }
            give(&mut host.vars, vars.iter().cloned());
        }
    }

    /// Whether a range with this many hosts and variables is within the limits; reports it once if not.
    fn takes_range(&mut self, hosts: usize, vars: usize, place: Span) -> bool {
        self.ranged += hosts;
        self.ranged_vars += hosts * vars;
        let (message, help) = if self.ranged > MAX_RANGED {
            (
                format!("ranges have more than {MAX_RANGED} hosts"),
                "correct a range that is too wide, or split the inventory",
            )
        } else if self.ranged_vars > MAX_RANGED_VARS {
            (
                format!("ranges give more than {MAX_RANGED_VARS} variables to their hosts"),
                "set shared variables once, in their group",
            )
        } else {
            return true;
        };
        if self.mentions <= MAX_MENTIONS {
            self.found.push(too_large(message, place, help));
        }
        // Nothing more is added.
        self.mentions = MAX_MENTIONS + 1;
        false
    }

    /// Returns the index of a host, adds it if it is new, and adds it to a group; `None` (and a diagnostic)
    /// if the name is invalid, or there are too many.
    pub(super) fn host(&mut self, name: &str, group: usize, place: Span) -> Option<usize> {
        self.take_host(name.to_owned(), group, place).map(|(index, _)| index)
    }

    /// Does what [`Self::host`] does, and returns whether the host was known.
    fn take_host(&mut self, name: String, group: usize, place: Span) -> Option<(usize, bool)> {
        self.mentions += 1;
        if self.mentions > MAX_MENTIONS {
            if self.mentions == MAX_MENTIONS + 1 {
                let message = format!("too many host entries: the maximum is {MAX_MENTIONS}");
                let help = "correct a range that is too wide, or split the inventory";
                self.found.push(too_large(message, place, help));
            }
            return None;
        }
        let (index, known) = match self.hosts.entry(name) {
            Slot::Occupied(slot) => (slot.index(), true),
            Slot::Vacant(slot) => {
                if let Some(why) = wrong(slot.key()) {
                    self.found.push(unsafe_name("host name", slot.key(), place, why, LETTERS));
                    return None;
                }
                let index = slot.index();
                slot.insert(HostDraft {
                    place,
                    groups: Vec::new(),
                    vars: Vars::default(),
                    file_vars: Vars::default(),
                });
                (index, false)
            }
        };
        let groups = &mut self.hosts[index].groups;
        if let Err(at) = groups.binary_search(&group) {
            groups.insert(at, group);
            self.groups[group].hosts.push(index);
        }
        Some((index, known))
    }

    /// Sets a variable of the inventory file for a group.
    pub(super) fn set_group_var(&mut self, group: usize, name: &str, given: Given) {
        if name != "ansible_group_priority" {
            give(&mut self.groups[group].vars, [(name.to_owned(), given)]);
            return;
        }
        let priority = match &*given.value {
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_i64(),
        };
        if let Some(priority) = priority {
            self.groups[group].priority = priority;
        } else {
            let message = "`ansible_group_priority` is not an integer";
            Diagnostic::error(Code::InventoryValue, message)
                .at(given.place, "")
                .help("write an integer: of two groups at the same depth, the larger one wins")
                .emit(&mut self.found);
        }
    }
}

/// Lists the first names, in backquotes.
pub(super) fn some_of(names: impl IntoIterator<Item = impl Display>, most: usize) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(most).map(|name| format!("`{name}`")).collect();
    let more = if names.next().is_some() { ", ..." } else { "" };
    first.join(", ") + more
}

fn too_large(message: String, place: Span, help: &str) -> Diagnostic {
    Diagnostic::error(Code::InventoryTooLarge, message)
        .at(place, "the limit is exceeded here")
        .help(help)
}

/// What a name may contain in addition to letters and digits.
pub(super) const LETTERS: &str = ", `_`, `.`, `:`, `%` and `-`";

/// Returns why a string cannot be a host name or an address.
///
/// The names are passed as arguments to programs and shown in prompts: a name such as
/// `-oProxyCommand=x` must be rejected.
pub(super) fn wrong(name: &str) -> Option<String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_.:%-".contains(c);
    match name.chars().find(|&character| !is_allowed(character)) {
        _ if name.starts_with('-') => Some("starts with `-`".to_owned()),
        Some(character) => Some(format!("contains {character:?}")),
        None => name.is_empty().then(|| "is empty".to_owned()),
    }
}

/// Returns the error of a name that is wrong, and why; `what` is what it names.
pub(super) fn unsafe_name(
    what: &str,
    name: &str,
    place: Span,
    why: String,
    letters: &str,
) -> Diagnostic {
    Diagnostic::error(Code::UnsafeName, format!("invalid {what} `{name}`"))
        .at(place, why)
        .help(format!("use letters, digits{letters}, and do not start with `-`"))
        .help("a program must not mistake a name for an option")
}
