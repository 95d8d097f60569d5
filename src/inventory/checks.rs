//! Checks of a draft as a whole: what is not defined, empty, ambiguous, or of no effect here.
//!
//! They need all files to have been read, and change nothing.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Near, nearest};
use crate::inventory::draft::{Draft, Given};
use crate::inventory::route;
use crate::inventory::route::Way;
use crate::schema::foreign::variables;
use crate::schema::one_of;
use crate::source::Span;

/// planrun's own variables.
const OWN: [&str; 4] =
    ["planrun_connection", "planrun_known_hosts", "planrun_model", "planrun_state"];

/// Most variables that are named in one message.
const MAX_NAMED: usize = 3;

/// Tells which variables do nothing here, each name once.
pub(super) fn tell_ignored(draft: &Draft, found: &mut Diagnostics) {
    let mut told = HashSet::new();
    let mut encrypted: IndexMap<&str, Span> = IndexMap::new();
    for (name, given) in draft.variables() {
        if given.encrypted && !is_of_connection(name) {
            encrypted.entry(name).or_insert(given.name);
            continue;
        }
        let Some(remark) = remark(name, given) else {
            continue;
        };
        if told.insert((name, remark.code)) {
            found.push(remark);
        }
    }
    let Some((_, place)) = encrypted.first() else { return };
    let names: Vec<String> =
        encrypted.keys().take(MAX_NAMED).map(|name| format!("`{name}`")).collect();
    let message = match encrypted.len() {
        1 => format!("{} is encrypted by a vault: it has no value here", names[0]),
        count => {
            let more = if count > MAX_NAMED { ", ..." } else { "" };
            let names = names.join(", ");
            format!("{count} variables are encrypted by a vault and have no value: {names}{more}")
        }
    };
    found.push(
        Diagnostic::warning(Code::VaultValue, message)
            .at(*place, "planrun opens no vault")
            .help("give it to a plan as an input, `sensitive: true`, if a plan needs it"),
    );
}

/// Whether a variable says how a host is reached.
fn is_of_connection(name: &str) -> bool {
    name.starts_with("ansible_") || name.starts_with("planrun_")
}

fn remark(name: &str, given: &Given) -> Option<Diagnostic> {
    let ignored = |why: &str| {
        Diagnostic::warning(Code::VariableNotHonoured, format!("`{name}` is not honoured"))
            .at(given.name, why)
    };
    if let Some((before, _)) = name.split_once(':')
        && given.value.is_null()
        && given.place.range().is_empty()
    {
        let message = format!("`{name}` is one word, not a name and a value");
        let colon = given.name.start + u32::try_from(before.len() + 1).ok()?;
        let behind = Span { start: colon, end: colon, ..given.name };
        Some(
            Diagnostic::error(Code::MissingSpace, message)
                .at(given.name, "no space after the `:`")
                .fix("put a space after the `:`", behind, " "),
        )
    } else if let Some(near) = variables::misspelled(name).filter(|_| !is_collection(given)) {
        let message = format!("unknown variable `{name}`");
        Some(
            Diagnostic::error(Code::MisspelledVariable, message)
                .at(given.name, "not a variable of Ansible")
                .help(format!("did you mean `{near}`?")),
        )
    } else if name != "ansible_connection"
        && let Some(way) = route::way(name, &given.value, None)
    {
        let (message, label) = match way {
            Way::Hop(option) => ("the way to a host leads through another one", option),
            Way::Other(option) => ("the way to a host is changed by an option of ssh", option),
            _ => ("the way to a host is not known here", name.to_owned()),
        };
        let label = format!("`{label}`: no plan can be applied to these hosts");
        let fault = Diagnostic::warning(Code::UnsupportedRoute, message).at(given.place, label);
        Some(fault.help("planrun connects directly: jump hosts are not implemented"))
    } else if let Some(variable) = variables::find(name) {
        Some(ignored(variable.why).help(variable.say))
    } else if name == "ansible_become_method" && *given.value != "sudo" {
        Some(ignored("planrun becomes another user by `sudo -n`").help("let the hosts allow that"))
    } else if name.starts_with("planrun_") && !OWN.contains(&name) {
        let message = format!("`{name}` is none of planrun's variables");
        let unknown = Diagnostic::warning(Code::UnknownPlanrunVariable, message).at(given.name, "");
        Some(match nearest(name, OWN) {
            Some(near) => unknown.help(format!("did you mean `{near}`?")),
            None => unknown.help(format!("use {}", one_of(&OWN))),
        })
    } else {
        None
    }
}

/// Whether a value is a list or a mapping, which says nothing of a connection.
fn is_collection(given: &Given) -> bool {
    given.value.is_array() || given.value.is_object()
}

/// Tells groups that are not defined, empty or named like a host, and an inventory without hosts.
pub(super) fn tell_oddities(draft: &Draft, shown: &str, found: &mut Diagnostics) {
    // A group whose hosts could not be read is not empty.
    let complete = !found.has_errors();
    let mut near = Near::default();
    let groups = draft.groups.iter();
    for (name, group, place) in groups.filter_map(|(name, one)| Some((name, one, one.place?))) {
        if !group.declared {
            if found.gives_up() {
                return;
            }
            let fault = undefined(name, place);
            // A near name is looked for among all: not for a fault that is not shown.
            let is_told = !found.is_full();
            found.push(match is_told.then(|| defined(draft, name, &mut near)).flatten() {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help(format!("define it with a section `[{name}]`")),
            });
            continue;
        }
        if let Some(host) = draft.hosts.get(name) {
            found.push(ambiguous(name, host.place, place));
        }
        let built_in = name == "all" || name == "ungrouped";
        let empty = group.hosts.is_empty() && group.children.is_empty();
        if empty && complete && !built_in && !group.generated {
            found.push(
                Diagnostic::warning(Code::EmptyGroup, format!("the group `{name}` has no hosts"))
                    .at(place, "nothing is in it")
                    .help("put hosts or groups into it, or remove it"),
            );
        }
    }
    if draft.hosts.is_empty() && !found.has_errors() {
        found.push(
            Diagnostic::error(Code::EmptyInventory, format!("`{shown}` has no hosts"))
                .help("write a group with its hosts: `web: {hosts: {web1: {}}}`"),
        );
    }
}

fn undefined(name: &str, place: Span) -> Diagnostic {
    let message = format!("the group `{name}` is not defined");
    Diagnostic::error(Code::UnknownGroup, message).at(place, "no such group")
}

fn defined<'a>(draft: &'a Draft, name: &str, near: &mut Near) -> Option<&'a str> {
    let defined = draft.groups.iter().filter(|(_, group)| group.declared);
    near.find(name, defined.map(|(name, _)| name.as_str()))
}

fn ambiguous(name: &str, host: Span, group: Span) -> Diagnostic {
    let message = format!("`{name}` is the name of a group and of a host");
    let fault = Diagnostic::warning(Code::HostIsGroup, message);
    // The caret is at the later of the two.
    let fault = if host < group {
        fault.at(group, "the group").also(host, "the host")
    } else {
        fault.at(host, "the host").also(group, "the group")
    };
    fault.help("rename one of them: the name stands for the group")
}
