//! Inventory files to an [`Inventory`].
//!
//! A file is YAML, INI or JSON; a directory is all inventory files in it. `group_vars/` and
//! `host_vars/` beside them are read too. The rules are Ansible's: what it gives for an inventory
//! is what comes out here; `tests/cases/inventories/DIFFERENCES.md` lists what is otherwise, with
//! the reasons. The order of hosts is that of their first mention, in groups it is Ansible's.
//! Nothing is decrypted.
//!
//! ```text
//!  files -> ini | yaml -> Draft -> build -> Inventory
//!           vars -----------'       '-- link
//! ```
//!
//! All faults are collected; an inventory with an error is not given out, because a plan must not
//! run on half of the hosts. Deliberately not here: processes. Who reads an inventory says whether
//! programs are run, and brings along what runs them ([`Programs`]).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::document::parse::MAX_BYTES;
use crate::inventory::Inventory;
use crate::inventory::build;
use crate::inventory::draft::Draft;
use crate::inventory::ini;
use crate::inventory::program;
use crate::inventory::program::NoPrograms;
use crate::inventory::program::Programs;
use crate::inventory::vars::VarsDir;
use crate::inventory::yaml;
use crate::inventory::yaml::Shape;
use crate::source::SourceId;
use crate::source::Sources;

pub use crate::inventory::find::find;

/// Deepest nesting of directories; a link that leads back to its parent ends here.
const MAX_DEPTH: usize = 8;
/// Most files of one inventory: two for each of 50,000 hosts.
const MAX_FILES: usize = 100_000;
/// Names in a directory that Ansible does not take for inventories.
const NOT_INVENTORIES: [&str; 3] = ["group_vars", "host_vars", "vars_plugins"];
/// Endings of files in a directory that Ansible does not take for inventories.
const IGNORED_ENDINGS: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// Reads the inventory at a path, a file or a directory; a program is told of, and not run.
///
/// `shown` is the path as messages name it. `None` where there is an error among the diagnostics.
pub fn read(
    path: &Path,
    shown: &str,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Inventory> {
    read_with(path, shown, &mut NoPrograms, sources, found)
}

/// Reads an inventory as [`read`] does, and runs what is a program by `programs`.
pub fn read_with(
    path: &Path,
    shown: &str,
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Inventory> {
    with_files(shown, programs, sources, found, |draft, files| {
        inventory(path, shown, draft, files, 0);
        read_vars(path, shown, draft, files);
    })
}

/// Reads a text as the inventory at a path that tells its format: there are no files beside it.
pub fn text(
    path: &Path,
    text: &str,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Inventory> {
    let shown = path.display().to_string();
    let id = sources.add(shown.as_str(), text);
    with_files(&shown, &mut NoPrograms, sources, found, |draft, files| {
        source(path, &shown, id, draft, files);
    })
}

/// Builds the inventory of what is read into its draft.
fn with_files(
    shown: &str,
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
    read: impl FnOnce(&mut Draft, &mut Files<'_>),
) -> Option<Inventory> {
    let mut own = Diagnostics::default();
    let mut draft = Draft::new();
    let mut files = Files { sources, programs, found: &mut own, usable: true, count: 0 };
    read(&mut draft, &mut files);
    // Names that stand in a file which could not be read would all be told as unknown.
    let usable = files.usable;
    let inventory = usable
        .then(|| build::build(&draft, shown, sources, &mut own))
        .flatten()
        .filter(|_| !own.has_errors());
    // A message shows whole lines, and planrun has no use for these values.
    for place in draft.secrets() {
        sources.blot(place);
    }
    found.extend(own);
    inventory
}

/// Reads the variables beside an inventory into its groups and hosts.
fn read_vars(path: &Path, shown: &str, draft: &mut Draft, files: &mut Files<'_>) {
    let parent = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
    let (base, shown) = if path.is_dir() {
        (path.to_owned(), Path::new(shown).to_owned())
    } else {
        (parent(path), parent(Path::new(shown)))
    };
    let named = |name: &str| (base.join(name), shown.join(name).display().to_string());
    let (path, shown) = named("group_vars");
    if let Some(dir) = VarsDir::open(&path, &shown, files) {
        for (name, group) in &mut draft.groups {
            dir.read(name, &mut group.file_vars, files);
        }
    }
    let (path, shown) = named("host_vars");
    if let Some(dir) = VarsDir::open(&path, &shown, files) {
        for (name, host) in &mut draft.hosts {
            dir.read(name, &mut host.file_vars, files);
        }
    }
}

/// Reads the inventory files at a path into the draft.
fn inventory(path: &Path, shown: &str, draft: &mut Draft, files: &mut Files<'_>, depth: usize) {
    if !path.is_dir() {
        file(path, shown, draft, files);
        return;
    }
    if files.too_deep(shown, depth) {
        return;
    }
    for name in files.list(path, shown).unwrap_or_default() {
        let ignored = name.starts_with('.')
            || NOT_INVENTORIES.contains(&name.as_str())
            || IGNORED_ENDINGS.iter().any(|ending| name.ends_with(ending));
        if !ignored {
            let shown = format!("{}/{name}", shown.trim_end_matches('/'));
            inventory(&path.join(&name), &shown, draft, files, depth + 1);
        }
    }
}

/// Reads one inventory file into the draft.
fn file(path: &Path, shown: &str, draft: &mut Draft, files: &mut Files<'_>) {
    if is_program(path) {
        program::read(path, shown, draft, files);
        return;
    }
    if let Some(id) = files.add(path, shown) {
        source(path, shown, id, draft, files);
    }
}

/// Reads the text of one inventory file into the draft.
fn source(path: &Path, shown: &str, id: SourceId, draft: &mut Draft, files: &mut Files<'_>) {
    let text = files.sources.get(id).text();
    if text.starts_with("$ANSIBLE_VAULT;") {
        files.fault(
            Diagnostic::error("vault-value", format!("`{shown}` is encrypted by a vault"))
                .help("decrypt it: planrun opens no vault"),
        );
        return;
    }
    match format_of(path, text) {
        Format::Yaml => {
            files.usable &= yaml::read(id, Shape::Nested, files.sources, draft, files.found);
        }
        Format::Json => {
            files.usable &= yaml::read(id, Shape::Listed, files.sources, draft, files.found);
        }
        Format::Ini => ini::read(id, text, draft, files.found),
        Format::Toml => files.fault(
            Diagnostic::error("inventory-format", format!("`{shown}` is TOML"))
                .help("write it as YAML, or save it as JSON: `ansible-inventory -i FILE --list`"),
        ),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Yaml,
    Json,
    Ini,
    Toml,
}

/// Tells the format of a file by its extension, or else by the first line that says something.
fn format_of(path: &Path, text: &str) -> Format {
    match path.extension().map(std::ffi::OsStr::as_encoded_bytes) {
        Some(b"yaml" | b"yml") => return Format::Yaml,
        Some(b"json") => return Format::Json,
        Some(b"ini") => return Format::Ini,
        Some(b"toml") => return Format::Toml,
        _ => {}
    }
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    match first {
        Some(line) if line.starts_with('{') => Format::Json,
        Some(line) if line.starts_with("---") => Format::Yaml,
        Some(line) if line.split_whitespace().next().is_some_and(|w| w.ends_with(':')) => {
            Format::Yaml
        }
        _ => Format::Ini,
    }
}

/// Whether a file is executable and would run: Ansible too reads what cannot be executed as text.
fn is_program(path: &Path) -> bool {
    let executable =
        path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    let mut start = Vec::new();
    executable
        && File::open(path)
            .and_then(|file| file.take(4).read_to_end(&mut start))
            .is_ok_and(|_| start.starts_with(b"#!") || start == b"\x7fELF")
}

/// The files of one inventory.
pub(super) struct Files<'a> {
    /// Where their texts go.
    pub(super) sources: &'a mut Sources,
    /// What runs programs, if they are run.
    pub(super) programs: &'a mut dyn Programs,
    /// Where their faults go.
    pub(super) found: &'a mut Diagnostics,
    /// Whether every file so far gave something that can be used.
    pub(super) usable: bool,
    count: usize,
}

impl Files<'_> {
    /// Reads a text and keeps it; `None` (and a diagnostic) where that cannot be done.
    pub(super) fn add(&mut self, path: &Path, shown: &str) -> Option<SourceId> {
        self.count += 1;
        if self.count > MAX_FILES {
            if self.count == MAX_FILES + 1 {
                let message = format!("the inventory has more than {MAX_FILES} files");
                let diagnostic = Diagnostic::error("unreadable-inventory", message);
                self.fault(diagnostic.help("put the variables of several hosts into one file"));
            }
            return None;
        }
        let mut bytes = Vec::new();
        let most = MAX_BYTES as u64 + 1;
        let result = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
        if let Err(error) = result {
            self.unreadable(shown, &error);
            return None;
        }
        if bytes.len() > MAX_BYTES {
            let message = format!("`{shown}` has more than {MAX_BYTES} bytes");
            let diagnostic = Diagnostic::error("file-too-large", message);
            self.fault(diagnostic.help("split it: a directory of files is an inventory too"));
            return None;
        }
        match String::from_utf8(bytes) {
            Ok(text) => Some(self.sources.add(shown, text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&error.as_bytes()[..at]);
                let line = before.matches('\n').count() + 1;
                let message = format!("`{shown}` is not UTF-8 text: line {line}");
                let diagnostic = Diagnostic::error("unreadable-inventory", message);
                self.fault(diagnostic.help("save the file as UTF-8"));
                None
            }
        }
    }

    /// Lists a directory in the order of names; `None` (and a diagnostic) where that cannot be
    /// done. Names that are not UTF-8 are left out.
    pub(super) fn list(&mut self, path: &Path, shown: &str) -> Option<Vec<String>> {
        let names: std::io::Result<Vec<_>> = path
            .read_dir()
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
        match names {
            Ok(names) => {
                let mut names: Vec<String> =
                    names.into_iter().filter_map(|name| name.into_string().ok()).collect();
                names.sort();
                Some(names)
            }
            Err(error) => {
                self.unreadable(shown, &error);
                None
            }
        }
    }

    /// Whether a directory is nested too deep, which is told.
    pub(super) fn too_deep(&mut self, shown: &str, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            let message = format!("`{shown}` is nested deeper than {MAX_DEPTH} directories");
            let diagnostic = Diagnostic::error("unreadable-inventory", message);
            self.fault(diagnostic.help("look for a link that leads back, or make it flatter"));
        }
        depth > MAX_DEPTH
    }

    fn unreadable(&mut self, shown: &str, error: &std::io::Error) {
        let message = format!("`{shown}` cannot be read: {error}");
        let diagnostic = Diagnostic::error("unreadable-inventory", message);
        self.fault(diagnostic.help("look at the path and its permissions"));
    }

    /// Tells that a file is of no use.
    pub(super) fn fault(&mut self, diagnostic: Diagnostic) {
        self.usable = false;
        self.found.push(diagnostic);
    }
}

#[cfg(test)]
mod tests;
