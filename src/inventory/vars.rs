//! `group_vars/` and `host_vars/` next to an inventory.
//!
//! The variables of a group or host NAME are in the first that exists of `NAME`, `NAME.yml`,
//! `NAME.yaml` and `NAME.json`; a directory means all files in it, by name. Files for names that are not
//! in the inventory are ignored: several inventories may share a directory.

use std::collections::HashSet;
use std::path::Path;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::draft::{Vars, some_of};
use crate::inventory::files::Files;
use crate::inventory::yaml;
use crate::source::{SourceId, Sources, Span};

/// What may follow a name, in the order of the search.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// The start of a file that a vault has encrypted.
pub(super) const VAULT: &str = "$ANSIBLE_VAULT;";
/// Maximum number of such files in one message.
const MAX_NAMED: usize = 3;

/// Reports the files that a vault has encrypted, all at once: an inventory may have dozens.
pub(super) fn report_vaults(vaults: &[SourceId], sources: &Sources, found: &mut Diagnostics) {
    let Some(&first) = vaults.first() else { return };
    let message = if vaults.len() == 1 {
        "this file is encrypted by a vault: its variables are missing".to_owned()
    } else {
        let count = vaults.len();
        let paths = some_of(vaults.iter().map(|&id| sources.get(id).path()), MAX_NAMED);
        format!("{count} files are encrypted by a vault: {paths}; their variables are missing")
    };
    let text = sources.get(first).text();
    let line = Span::new(first, 0, text.find('\n').unwrap_or(text.len()));
    Diagnostic::warning(Code::VaultValue, message)
        .at(line, "planrun cannot decrypt vaults")
        .help("pass the values to the plan as inputs with `sensitive: true`")
        .emit(found);
}

pub(super) struct VarsDir<'a> {
    path: &'a Path,
    shown: &'a str,
    names: HashSet<String>,
}

impl<'a> VarsDir<'a> {
    /// Lists a directory; `None` if it does not exist.
    pub(super) fn open(path: &'a Path, shown: &'a str, files: &mut Files<'_>) -> Option<Self> {
        if !files.disk().is_directory(path) {
            return None;
        }
        let names = files.list(path, shown)?.into_iter().collect();
        Some(Self { path, shown, names })
    }

    pub(super) fn read(&self, name: &str, vars: &mut Vars, files: &mut Files<'_>) {
        let there = |ending: &&&str| self.names.contains(&format!("{name}{ending}"));
        let mut present = ENDINGS.iter().filter(there);
        let Some(ending) = present.next() else { return };
        let file = format!("{name}{ending}");
        for unread in present {
            let message = format!("`{}/{name}{unread}` is ignored", self.shown);
            Diagnostic::warning(Code::ShadowedVars, message)
                .help(format!("`{}/{file}` takes precedence: merge the files", self.shown))
                .emit(files.found);
        }
        let path = self.path.join(&file);
        read_path(&path, &format!("{}/{file}", self.shown), vars, files, 0);
    }
}

fn read_path(path: &Path, shown: &str, vars: &mut Vars, files: &mut Files<'_>, depth: usize) {
    if !files.disk().is_directory(path) {
        if !files.is_regular(path, shown) {
            return;
        }
        let Some(id) = files.add(path, shown) else { return };
        if files.sources.get(id).text().starts_with(VAULT) {
            files.vaults.push(id);
        } else {
            files.usable &= yaml::read_vars(id, files.sources, vars, files.found);
        }
        return;
    }
    if files.too_deep(shown, depth) {
        return;
    }
    for name in files.list(path, shown).unwrap_or_default() {
        let inner = path.join(&name);
        let ending = Path::new(&name).extension().map(std::ffi::OsStr::as_encoded_bytes);
        let fits = match ending {
            None => true,
            Some(b"yml" | b"yaml" | b"json") => !files.disk().is_directory(&inner),
            Some(_) => false,
        };
        if fits && !name.starts_with('.') && !name.ends_with('~') {
            read_path(&inner, &format!("{shown}/{name}"), vars, files, depth + 1);
        }
    }
}
