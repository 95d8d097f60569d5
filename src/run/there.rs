//! The host that a command runs on: `there` in its texts.

use crate::inventory::{Host, HostName};
use crate::plan::Target;
use crate::resolve::host_value;
use crate::template::Names;

/// Returns the host on which a command runs, if there is only one.
pub(super) fn place(target: &Target, here: &HostName, names: &Names) -> Option<HostName> {
    match target {
        Target::Here => Some(here.clone()),
        Target::Host(name, _) => Some(HostName::new(name)),
        Target::Item(_) => names.get("item")?.as_str().map(HostName::new),
        Target::OneOf(..) | Target::EachOf(..) | Target::RowsOf(..) => None,
    }
}

/// Adds what a command sees of the host that it runs on.
pub(super) fn add_there(names: &mut Names, about: &HostName, on: &Host) {
    let value = match names.get("host").filter(|_| on.name == *about) {
        Some(host) => host.clone(),
        None => host_value(on),
    };
    names.insert("there".into(), value);
}
