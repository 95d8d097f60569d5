//! `group_vars/` and `host_vars/` beside an inventory.
//!
//! For a group or host NAME that is the first there is of `NAME`, `NAME.yml`, `NAME.yaml` and
//! `NAME.json`; a directory stands for all files in it, in the order of their names. Files for
//! names that are not in the inventory are left alone: several inventories may share a directory.

use std::collections::HashSet;
use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::inventory::draft::Vars;
use crate::inventory::read::Files;
use crate::inventory::yaml;

/// What may stand behind a name, in the order it is tried.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// A directory of variables and what is in it.
pub(super) struct VarsDir<'a> {
    path: &'a Path,
    shown: &'a str,
    names: HashSet<String>,
}

impl<'a> VarsDir<'a> {
    /// Lists a directory; `None` where there is none.
    pub(super) fn open(path: &'a Path, shown: &'a str, files: &mut Files<'_>) -> Option<Self> {
        if !path.is_dir() {
            return None;
        }
        let names = files.list(path, shown)?.into_iter().collect();
        Some(Self { path, shown, names })
    }

    /// Reads what is there for a group or a host.
    pub(super) fn read(&self, name: &str, vars: &mut Vars, files: &mut Files<'_>) {
        let there = |ending: &&&str| self.names.contains(&format!("{name}{ending}"));
        let mut present = ENDINGS.iter().filter(there);
        let Some(ending) = present.next() else {
            return;
        };
        let file = format!("{name}{ending}");
        for unread in present {
            let message = format!("`{}/{name}{unread}` is not read", self.shown);
            files
                .found
                .push(Diagnostic::warning("shadowed-vars", message).help(format!(
                    "`{}/{file}` comes first: put all of it into one of them",
                    self.shown
                )));
        }
        let path = self.path.join(&file);
        read_path(&path, &format!("{}/{file}", self.shown), vars, files, 0);
    }
}

/// Reads a file, or all files of a directory.
fn read_path(path: &Path, shown: &str, vars: &mut Vars, files: &mut Files<'_>, depth: usize) {
    if !path.is_dir() {
        if let Some(id) = files.add(path, shown) {
            files.usable &= yaml::read_vars(id, files.sources, vars, files.found);
        }
        return;
    }
    if files.too_deep(shown, depth) {
        return;
    }
    for name in files.list(path, shown).unwrap_or_default() {
        let inner = path.join(&name);
        let ending = Path::new(&name)
            .extension()
            .map(std::ffi::OsStr::as_encoded_bytes);
        let fits = match ending {
            None => true,
            Some(b"yml" | b"yaml" | b"json") => !inner.is_dir(),
            Some(_) => false,
        };
        if fits && !name.starts_with('.') && !name.ends_with('~') {
            read_path(&inner, &format!("{shown}/{name}"), vars, files, depth + 1);
        }
    }
}
