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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::{find, find_in};
    use crate::diagnostic::Code;
    use crate::file::Disk;

    /// Makes two places of inventories with these files in the first and the second.
    fn places(first: &[&str], second: &[&str]) -> (TempDir, [PathBuf; 2]) {
        let root = tempfile::tempdir().unwrap();
        let places = ["a", "b"].map(|name| root.path().join(name));
        for (place, files) in places.iter().zip([first, second]) {
            fs::create_dir(place).unwrap();
            for file in files {
                fs::write(place.join(file), "").unwrap();
            }
        }
        (root, places)
    }

    #[test]
    fn a_name_with_its_ending_is_told_without() {
        let (_root, places) = places(&["demo.yaml"], &[]);
        let fault = find_in("demmo.yaml", &places, &Disk).unwrap_err();
        let help = format!("{:?}", fault.help);
        assert!(help.contains("did you mean `demo`?"), "{help}");
        assert!(help.contains("put `demmo.yaml` in"), "{help}");
    }

    #[test]
    fn a_bare_name_is_found_in_the_first_place_that_has_it() {
        let (_root, places) = places(&["demo.yaml"], &["demo.ini", "prod.ini", "lab.json"]);
        assert_eq!(find_in("demo", &places, &Disk).unwrap(), places[0].join("demo.yaml"));
        assert_eq!(find_in("prod", &places, &Disk).unwrap(), places[1].join("prod.ini"));
        assert_eq!(find_in("lab", &places, &Disk).unwrap(), places[1].join("lab.json"));
    }

    #[test]
    fn within_a_place_yaml_comes_before_ini_before_a_directory() {
        let (_root, places) = places(&["x.yml", "x.ini", "y.ini"], &[]);
        fs::create_dir(places[0].join("y")).unwrap();
        fs::create_dir(places[0].join("z")).unwrap();
        assert_eq!(find_in("x", &places, &Disk).unwrap(), places[0].join("x.yml"));
        assert_eq!(find_in("y", &places, &Disk).unwrap(), places[0].join("y.ini"));
        assert_eq!(find_in("z", &places, &Disk).unwrap(), places[0].join("z"));
    }

    #[test]
    fn a_name_with_its_extension_is_found_too() {
        let (_root, places) = places(&["demo.yaml"], &[]);
        assert_eq!(find_in("demo.yaml", &places, &Disk).unwrap(), places[0].join("demo.yaml"));
    }

    #[test]
    fn what_has_a_slash_is_a_path() {
        let (root, places) = places(&["demo.yaml"], &[]);
        let path = root.path().join("a/demo.yaml");
        assert_eq!(find_in(path.to_str().unwrap(), &places, &Disk).unwrap(), path);
        let error = find_in("./demo", &places, &Disk).unwrap_err();
        assert_eq!(error.message, "no inventory at `./demo`");
    }

    #[test]
    fn a_name_that_is_nowhere_is_told_with_near_names_and_places() {
        let (_root, places) = places(&["demo.yaml", "prod.ini"], &[]);
        let error = find_in("prdo", &places, &Disk).unwrap_err();
        assert_eq!(error.code, Code::NoSuchInventory);
        assert_eq!(error.help[0], "did you mean `prod`?");
        for place in &places {
            assert!(error.help[1].contains(place.to_str().unwrap()), "{error:?}");
        }
        let error = find_in("something", &places, &Disk).unwrap_err();
        assert_eq!(error.help[0], "use one of `demo`, `prod`");
        assert_eq!(find_in("", &places, &Disk).unwrap_err().code, Code::NoSuchInventory);
    }

    #[test]
    fn the_directory_of_the_plan_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("inventories")).unwrap();
        let file = root.path().join("inventories/beside-this-plan.yaml");
        fs::write(&file, "").unwrap();
        assert_eq!(find("beside-this-plan", Some(root.path()), &Disk).unwrap(), file);
        assert!(find("beside-this-plan", None, &Disk).is_err());
    }
}
