//! Finds an inventory by its name or path.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::file::FileSystem;
use crate::inventory::draft::some_of;

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
    find_in(name, &folders(plan_dir), disk)
}

/// Returns the names that [`find`] finds in these places, sorted. Not all of them need be inventories.
pub fn names(plan_dir: Option<&Path>, disk: &dyn FileSystem) -> Vec<String> {
    known(&folders(plan_dir), disk)
}

fn folders(plan_dir: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    folders.extend(plan_dir.map(|dir| dir.join("inventories")));
    folders.push(PathBuf::from("inventories"));
    folders.extend(configuration().map(|dir| dir.join("planrun").join("inventories")));
    folders.dedup();
    folders
}

/// Returns the configuration directory of the user.
pub fn configuration() -> Option<PathBuf> {
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
    folders: &[PathBuf],
    disk: &dyn FileSystem,
) -> Result<PathBuf, Box<Diagnostic>> {
    let path = Path::new(name);
    if is_list(path, disk) {
        return Ok(path.to_owned());
    }
    if name.contains('/') || (path.extension().is_some() && disk.is_file(path)) {
        let fault = || {
            let message = format!("no inventory at `{name}`");
            let help = "pass the path of a file or directory, or a name in `inventories/`";
            Box::new(Diagnostic::error(Code::NoSuchInventory, message).help(help))
        };
        return disk.exists(path).then(|| path.to_owned()).ok_or_else(fault);
    }
    let candidates = folders.iter().flat_map(|folder| {
        let ending = move |ending: &&str| folder.join(format!("{name}{ending}"));
        ENDINGS.iter().map(ending)
    });
    if let Some(found) = candidates.filter(|_| !name.is_empty()).find(|one| disk.exists(one)) {
        return Ok(found);
    }
    if !name.is_empty() && disk.exists(path) {
        return Ok(path.to_owned());
    }
    Err(Box::new(not_found(name, folders, disk)))
}

fn not_found(name: &str, folders: &[PathBuf], disk: &dyn FileSystem) -> Diagnostic {
    let known = known(folders, disk);
    let message = format!("no inventory named `{name}`");
    let mut diagnostic = Diagnostic::error(Code::NoSuchInventory, message);
    let bare =
        ENDINGS.iter().find_map(|ending| name.strip_suffix(ending).filter(|_| !ending.is_empty()));
    let bare = bare.unwrap_or(name);
    if !known.is_empty() {
        let near = nearest(bare, known.iter().map(String::as_str));
        let listed = format!("use one of {}", some_of(&known, MAX_LISTED));
        diagnostic = diagnostic.suggest(near, listed);
    }
    let folders = some_of(folders.iter().map(|folder| folder.display()), usize::MAX);
    diagnostic.help(format!("put `{bare}.yaml` in one of {folders}, or pass a path"))
}

/// Lists the names of existing inventories, sorted and without extensions.
fn known(folders: &[PathBuf], disk: &dyn FileSystem) -> Vec<String> {
    let mut names = Vec::new();
    for name in folders.iter().filter_map(|folder| disk.names(folder).ok()).flatten() {
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
