//! Reads inventory files into an [`Inventory`].
//!
//! A file is YAML, INI or JSON; a directory is all inventory files in it. `group_vars/` and `host_vars/`
//! next to them are read too. The rules and results are Ansible's;
//! `tests/cases/inventories/DIFFERENCES.md` lists the differences and their reasons. Hosts are in the
//! order in which they are named first; in groups the order is Ansible's. Nothing is decrypted.
//!
//! ```text
//!  files -> ini | yaml -> Draft -> build -> Inventory
//!           vars -----------'       '-- link
//! ```
//!
//! All problems are collected. An inventory with an error is never returned, because a plan must not run
//! on half of the hosts. Processes are not started here: the caller decides whether programs are run, and
//! passes what runs them ([`Programs`]).

use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::file::FileSystem;
use crate::inventory::draft::{Draft, UNGROUPED, Vars};
use crate::inventory::files::{Executable, Files};
use crate::inventory::find::is_list;
use crate::inventory::program::{NoPrograms, Programs};
use crate::inventory::vars::{VAULT, VarsDir};
use crate::inventory::yaml::Shape;
use crate::inventory::{Inventory, build, ini, script, vars, yaml};
use crate::source::{SourceId, Sources, Span};

pub use crate::inventory::find::find;

/// Names in a directory that Ansible does not read as inventories.
const NOT_INVENTORIES: [&str; 3] = ["group_vars", "host_vars", "vars_plugins"];
/// Endings of files in a directory that Ansible does not read as inventories.
const IGNORED_ENDINGS: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// Reads the inventory at a path, a file or a directory; a program is reported and not run.
///
/// `shown` is the path in messages. `None` if there is an error.
pub fn read(
    path: &Path,
    shown: &str,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Inventory> {
    read_with(path, shown, &mut NoPrograms, sources, found)
}

/// Reads an inventory like [`read`]; `programs` runs inventory programs.
pub fn read_with(
    path: &Path,
    shown: &str,
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Inventory> {
    read_each(&[(path, shown)], programs, sources, found)
}

/// Reads several inventories as one, each like [`read_with`]; later ones take precedence. A name with a
/// comma that is not a path is a list of hosts.
pub fn read_all(
    paths: &[PathBuf],
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Inventory> {
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let all: Vec<(&Path, &str)> =
        paths.iter().zip(&shown).map(|(path, shown)| (path.as_path(), shown.as_str())).collect();
    read_each(&all, programs, sources, found)
}

fn read_each(
    all: &[(&Path, &str)],
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Inventory> {
    let shown: Vec<&str> = all.iter().map(|(_, shown)| *shown).collect();
    with_files(&shown.join(", "), programs, sources, found, |draft, files| {
        // If several inventories share a folder of variables, the last one determines when they are read.
        let mut folders = Vec::new();
        for (path, shown) in all {
            let disk = files.disk();
            if is_list(path, &*disk) {
                listed(shown, draft, files);
                continue;
            }
            files.enter(path);
            inventory(path, shown, draft, files, 0);
            let folder = folder(path, shown, &*disk);
            folders.retain(|(known, _)| *known != folder.0);
            folders.push(folder);
        }
        for (path, shown) in folders {
            read_vars(&path, &shown, draft, files);
        }
    })
}

/// Reads a list of hosts from the command line: `web1,web2:2222`.
fn listed(list: &str, draft: &mut Draft, files: &mut Files<'_>) {
    let id = files.sources.add("the list of hosts", list);
    let mut start = 0;
    for part in list.split(',') {
        let name = part.trim();
        let at = start + (part.len() - part.trim_start().len());
        if !name.is_empty() {
            draft.entry(name, UNGROUPED, Span::new(id, at, at + name.len()), &[]);
        }
        start += part.len() + 1;
    }
}

/// Returns the folder of the variables of an inventory, and its path for messages.
fn folder(path: &Path, shown: &str, disk: &dyn FileSystem) -> (PathBuf, PathBuf) {
    if disk.is_directory(path) {
        return (path.to_owned(), shown.into());
    }
    let parent = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
    (parent(path), parent(Path::new(shown)))
}

/// Reads a text as the inventory at a path, which shows its format; there are no other files.
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

/// Builds the inventory from the files that were read into its draft.
fn with_files(
    shown: &str,
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
    read: impl FnOnce(&mut Draft, &mut Files<'_>),
) -> Option<Inventory> {
    let mut own = Diagnostics::default();
    let mut draft = Draft::new();
    let mut files = Files::new(sources, programs, &mut own);
    read(&mut draft, &mut files);
    // Names that are defined in an unreadable file would all be reported as unknown.
    let Files { usable, vaults, .. } = files;
    own.extend(std::mem::take(&mut draft.found));
    vars::report_vaults(&vaults, sources, &mut own);
    let inventory = usable
        .then(|| build::build(&draft, shown, sources, &mut own))
        .flatten()
        .filter(|_| !own.has_errors());
    // A message shows whole lines, and planrun does not use these values.
    for place in draft.secrets() {
        sources.blot(place);
    }
    found.extend(own);
    inventory
}

/// Reads the variables of a folder into groups and hosts.
fn read_vars(base: &Path, shown: &Path, draft: &mut Draft, files: &mut Files<'_>) {
    let named = |name: &str| (base.join(name), shown.join(name).display().to_string());
    let (path, shown) = named("group_vars");
    if let Some(dir) = VarsDir::open(&path, &shown, files) {
        for (name, group) in &mut draft.groups {
            let mut vars = Vars::default();
            dir.read(name, &mut vars, files);
            group.file_vars.push(vars);
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
    if !files.disk().is_directory(path) {
        if depth == 0 || files.is_regular(path, shown) {
            file(path, shown, draft, files);
        }
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

fn file(path: &Path, shown: &str, draft: &mut Draft, files: &mut Files<'_>) {
    match files.executable(path) {
        Executable::Program | Executable::Binary if files.is_elsewhere(path) => {
            let message =
                format!("`{shown}` is a symbolic link to a program outside of the inventory");
            let fault = Diagnostic::error(Code::UnsafeProgram, message);
            files.fault(fault.help("copy the program to the folder, or pass it with `-i`"));
        }
        Executable::Binary if files.root.is_some() => {
            let message = format!("binary program `{shown}` was not run");
            let fault = Diagnostic::error(Code::UnsafeProgram, message);
            files.fault(fault.help("move it out of the folder, or pass it with `-i`"));
        }
        Executable::Program | Executable::Binary => script::read(path, shown, draft, files),
        Executable::No => {
            if let Some(id) = files.add(path, shown) {
                source(path, shown, id, draft, files);
            }
        }
    }
}

/// Reads the text of one inventory file into the draft.
fn source(path: &Path, shown: &str, id: SourceId, draft: &mut Draft, files: &mut Files<'_>) {
    let text = files.sources.get(id).text();
    if text.starts_with(VAULT) {
        files.fault(
            Diagnostic::error(Code::VaultValue, format!("`{shown}` is encrypted by a vault"))
                .help("decrypt it: planrun cannot decrypt vaults"),
        );
        return;
    }
    match format_of(path, text) {
        FileFormat::Yaml(shape) => {
            files.usable &= yaml::read(id, shape, files.sources, draft);
        }
        FileFormat::Ini => ini::read(id, text, draft),
        FileFormat::Toml => files.fault(
            Diagnostic::error(
                Code::InventoryFormat,
                format!("TOML inventories are not supported: `{shown}`"),
            )
            .help("write it as YAML, or save it as JSON: `ansible-inventory -i FILE --list`"),
        ),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileFormat {
    /// YAML or JSON.
    Yaml(Shape),
    Ini,
    Toml,
}

/// Returns the format of a file by its extension, or by its first line that is not empty or a comment.
fn format_of(path: &Path, text: &str) -> FileFormat {
    let (yaml, json) = (FileFormat::Yaml(Shape::Nested), FileFormat::Yaml(Shape::Listed));
    let mut lines = text.lines().map(str::trim);
    let mut first = || lines.find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    match path.extension().map(std::ffi::OsStr::as_encoded_bytes) {
        Some(b"yaml" | b"yml") => yaml,
        Some(b"json") => json,
        Some(b"ini") => FileFormat::Ini,
        Some(b"toml") => FileFormat::Toml,
        _ => match first() {
            Some(line) if line.starts_with('{') => json,
            Some(line) if line.starts_with("---") => yaml,
            Some(line) if line.split_whitespace().next().is_some_and(|w| w.ends_with(':')) => yaml,
            _ => FileFormat::Ini,
        },
    }
}
