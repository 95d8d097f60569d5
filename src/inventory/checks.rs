//! Checks of a whole draft: what is undefined, empty, ambiguous or without effect.
//!
//! They run after all files were read, and change nothing.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Suggestions, nearest};
use crate::inventory::BecomeMethod;
use crate::inventory::draft::{Draft, Given, some_of};
use crate::inventory::route::{self, Way};
use crate::schema::foreign::variables::{self, OWN};
use crate::schema::one_of;
use crate::source::Span;

/// Maximum number of variables in one message.
const MAX_NAMED: usize = 3;

/// Warns of variables without effect, each name once.
pub(super) fn report_ignored(draft: &Draft, found: &mut Diagnostics) {
    let mut reported = HashSet::new();
    let mut encrypted: IndexMap<&str, Span> = IndexMap::new();
    for (name, given) in draft.variables() {
        let is_of_connection = name.starts_with("ansible_") || name.starts_with("planrun_");
        if given.encrypted && !is_of_connection {
            encrypted.entry(name).or_insert(given.name);
            continue;
        }
        let Some(remark) = remark(name, given) else { continue };
        if reported.insert((name, remark.code)) {
            found.push(remark);
        }
    }
    let Some((_, place)) = encrypted.first() else { return };
    let names = some_of(encrypted.keys(), MAX_NAMED);
    let message = match encrypted.len() {
        1 => format!("{names} is encrypted by a vault and has no value"),
        count => format!("{count} variables are encrypted by a vault and have no value: {names}"),
    };
    Diagnostic::warning(Code::VaultValue, message)
        .at(*place, "planrun cannot decrypt vaults")
        .help("pass it to the plan as an input with `sensitive: true`")
        .emit(found);
}

fn remark(name: &str, given: &Given) -> Option<Diagnostic> {
    let ignored = |why: &str| {
        Diagnostic::warning(Code::VariableNotHonoured, format!("`{name}` has no effect"))
            .at(given.name, why)
    };
    if let Some((before, _)) = name.split_once(':')
        && given.value.is_null()
        && given.place.range().is_empty()
    {
        let message = format!("`{name}` is a name without a value");
        let colon = given.name.start + u32::try_from(before.len() + 1).ok()?;
        let behind = Span { start: colon, end: colon, ..given.name };
        Some(
            Diagnostic::error(Code::MissingSpace, message)
                .at(given.name, "no space after the `:`")
                .fix("add a space after the `:`", behind, " "),
        )
    } else if !given.value.is_array()
        && !given.value.is_object()
        && let Some(near) = variables::misspelled(name)
    {
        let message = format!("unknown variable `{name}`");
        Some(
            Diagnostic::error(Code::MisspelledVariable, message)
                .at(given.name, "not a variable of Ansible")
                .help(format!("did you mean `{near}`?")),
        )
    } else if name != "ansible_connection"
        && let Some(way) = route::way(name, &given.value)
    {
        let (message, label) = match way {
            Way::Hop(option) => ("unsupported way through another host", option),
            Way::Other(word) => ("`ssh` would connect to another host", word),
            _ => ("unknown route to this host", name.to_owned()),
        };
        let label = format!("`{label}`: planrun cannot connect to these hosts");
        let fault = Diagnostic::warning(Code::UnsupportedRoute, message).at(given.place, label);
        Some(fault.help("use `-J` or `ProxyCommand` in `ansible_ssh_common_args`"))
    } else if let Some(variable) = variables::find(name) {
        Some(ignored(variable.why).help(variable.say))
    } else if name == "ansible_become_method"
        && given.value.as_str().and_then(BecomeMethod::named).is_none()
    {
        Some(
            ignored("planrun uses `sudo`, `doas` or `su` to become another user")
                .help("configure one of them on the hosts"),
        )
    } else if name.starts_with("planrun_") && !OWN.contains(&name) {
        let message = format!("unknown variable `{name}`");
        let unknown = Diagnostic::warning(Code::UnknownPlanrunVariable, message).at(given.name, "");
        Some(unknown.suggest(nearest(name, OWN.iter().copied()), format!("use {}", one_of(&OWN))))
    } else {
        None
    }
}

/// Reports groups that are undefined, empty or named like a host, and an inventory without hosts.
pub(super) fn report_oddities(draft: &Draft, shown: &str, found: &mut Diagnostics) {
    // A group whose hosts could not be read is not empty.
    let complete = !found.has_errors();
    let mut near = Suggestions::default();
    let groups = draft.groups.iter();
    for (name, group, place) in groups.filter_map(|(name, one)| Some((name, one, one.place?))) {
        if !group.declared {
            if found.gives_up() {
                return;
            }
            let message = format!("undefined group `{name}`");
            let fault = Diagnostic::error(Code::UnknownGroup, message).at(place, "no such group");
            // A similar name is searched among all: not for a problem that is not shown.
            let is_shown = !found.is_full();
            let near = is_shown.then(|| defined(draft, name, &mut near)).flatten();
            found.push(fault.suggest(near, format!("define it with a section `[{name}]`")));
            continue;
        }
        if let Some(host) = draft.hosts.get(name) {
            found.push(ambiguous(name, host.place, place));
        }
        let built_in = name == "all" || name == "ungrouped";
        let empty = group.hosts.is_empty() && group.children.is_empty();
        if empty && complete && !built_in && !group.generated {
            Diagnostic::warning(Code::EmptyGroup, format!("group `{name}` has no hosts"))
                .at(place, "empty")
                .help("add hosts or groups, or remove it")
                .emit(found);
        }
    }
    if draft.hosts.is_empty() && !found.has_errors() {
        Diagnostic::error(Code::EmptyInventory, format!("`{shown}` has no hosts"))
            .help("add a group with its hosts: `web: {hosts: {web1: {}}}`")
            .emit(found);
    }
}

fn defined<'a>(draft: &'a Draft, name: &str, near: &mut Suggestions) -> Option<&'a str> {
    let defined = draft.groups.iter().filter(|(_, group)| group.declared);
    near.find(name, defined.map(|(name, _)| name.as_str()))
}

fn ambiguous(name: &str, host: Span, group: Span) -> Diagnostic {
    let message = format!("`{name}` is both a group and a host");
    let fault = Diagnostic::warning(Code::HostIsGroup, message);
    // The caret is at the later of the two.
    let fault = if host < group {
        fault.at(group, "the group").also(host, "the host")
    } else {
        fault.at(host, "the host").also(group, "the group")
    };
    fault.help("rename one of them: patterns use the group")
}
