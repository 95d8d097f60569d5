//! Finds an inventory by its name or path.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::file::FileSystem;

/// What may follow a bare name, in the order of the search; the last one is a directory, or a file whose
/// extension is part of the name.
const ENDINGS: [&str; 5] = [".yaml", ".yml", ".ini", ".json", ""];
/// Maximum number of names that are listed if none is similar.
const MAX_LISTED: usize = 10;

/// Finds the inventory that a user named.
///
/// A bare name (`prod`) is searched in `inventories/` next to the plan, in the working directory and in
/// the configuration of the user, in this order; any other name is a path. `Err` is the diagnostic
/// `no-such-inventory`, which lists the searched places and the inventories.
pub fn find(
    name: &str,
    plan_dir: Option<&Path>,
    disk: &dyn FileSystem,
) -> Result<PathBuf, Box<Diagnostic>> {
    let mut places = Vec::new();
    places.extend(plan_dir.map(|dir| dir.join("inventories")));
    places.push(PathBuf::from("inventories"));
    places.extend(configuration().map(|dir| dir.join("planrun").join("inventories")));
    places.dedup();
    find_in(name, &places, disk)
}

/// Returns the configuration directory of the user.
fn configuration() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    // The standard says to ignore a relative path.
    let own = set("XDG_CONFIG_HOME").map(PathBuf::from);
    own.filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".config")))
}

/// Whether a name is a list of hosts and not a path: `web1,web2`, or `web1,` for one host.
pub(super) fn is_list(path: &Path, disk: &dyn FileSystem) -> bool {
    path.to_str().is_some_and(|name| name.contains(',')) && !disk.exists(path)
}

fn find_in(
    name: &str,
    places: &[PathBuf],
    disk: &dyn FileSystem,
) -> Result<PathBuf, Box<Diagnostic>> {
    let path = Path::new(name);
    if is_list(path, disk) {
        return Ok(path.to_owned());
    }
    if name.contains('/') || (path.extension().is_some() && disk.is_file(path)) {
        return if disk.exists(path) {
            Ok(path.to_owned())
        } else {
            let message = format!("no inventory at `{name}`");
            let diagnostic = Diagnostic::error(Code::NoSuchInventory, message);
            Err(Box::new(
                diagnostic
                    .help("pass the path of a file or directory, or a name in `inventories/`"),
            ))
        };
    }
    let candidates = places.iter().flat_map(|place| {
        let ending = move |ending: &&str| place.join(format!("{name}{ending}"));
        ENDINGS.iter().map(ending)
    });
    if let Some(found) = candidates.filter(|_| !name.is_empty()).find(|one| disk.exists(one)) {
        return Ok(found);
    }
    if !name.is_empty() && disk.exists(path) {
        return Ok(path.to_owned());
    }
    Err(Box::new(not_found(name, places, disk)))
}

fn not_found(name: &str, places: &[PathBuf], disk: &dyn FileSystem) -> Diagnostic {
    let known = known(places, disk);
    let message = format!("no inventory named `{name}`");
    let mut diagnostic = Diagnostic::error(Code::NoSuchInventory, message);
    let bare =
        ENDINGS.iter().find_map(|ending| name.strip_suffix(ending).filter(|_| !ending.is_empty()));
    let bare = bare.unwrap_or(name);
    if let Some(near) = nearest(bare, known.iter().map(String::as_str)) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    } else if !known.is_empty() {
        let listed: Vec<String> =
            known.iter().take(MAX_LISTED).map(|name| format!("`{name}`")).collect();
        let more = if known.len() > MAX_LISTED { ", ..." } else { "" };
        diagnostic = diagnostic.help(format!("use one of {}{more}", listed.join(", ")));
    }
    let looked: Vec<String> = places.iter().map(|place| format!("`{}`", place.display())).collect();
    diagnostic.help(format!("put `{bare}.yaml` in one of {}, or pass a path", looked.join(", ")))
}

/// Lists the names of existing inventories, sorted and without extensions.
fn known(places: &[PathBuf], disk: &dyn FileSystem) -> Vec<String> {
    let mut names = Vec::new();
    for name in places.iter().filter_map(|place| disk.names(place).ok()).flatten() {
        if name.starts_with('.') || name == "group_vars" || name == "host_vars" {
            continue;
        }
        let mut endings = ENDINGS.iter().filter(|ending| !ending.is_empty());
        let bare = endings.find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
        names.push(bare.to_owned());
    }
    names.sort();
    names.dedup();
    names
}
