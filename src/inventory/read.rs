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
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::parse::MAX_BYTES;
use crate::inventory::draft::{Draft, UNGROUPED, Vars};
use crate::inventory::find::is_list;
use crate::inventory::program::{NoPrograms, Programs};
use crate::inventory::vars::{VAULT, VarsDir};
use crate::inventory::yaml::Shape;
use crate::inventory::{Inventory, build, ini, program, vars, yaml};
use crate::source::{SourceId, Sources, Span};

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
    read_each(&[(path, shown)], programs, sources, found)
}

/// Reads several inventories as one, each as [`read_with`] does; what a later one says counts before
/// what an earlier one says. A name with a comma that is no path is a list of hosts.
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
        // Of several inventories beside the same variables the last one says when these are read.
        let mut folders = Vec::new();
        for (path, shown) in all {
            if is_list(path) {
                listed(shown, draft, files);
                continue;
            }
            files.root = path.is_dir().then(|| path.canonicalize().ok()).flatten();
            inventory(path, shown, draft, files, 0);
            let folder = folder(path, shown);
            folders.retain(|(known, _)| *known != folder.0);
            folders.push(folder);
        }
        for (path, shown) in folders {
            read_vars(&path, &shown, draft, files);
        }
    })
}

/// Takes a list of hosts, `web1,web2:2222`, as it stands on the command line.
fn listed(list: &str, draft: &mut Draft, files: &mut Files<'_>) {
    let id = files.sources.add("the list of hosts", list);
    let mut start = 0;
    for part in list.split(',') {
        let name = part.trim();
        let at = start + (part.len() - part.trim_start().len());
        if !name.is_empty() {
            draft.entry(name, UNGROUPED, Span::new(id, at, at + name.len()), &[], files.found);
        }
        start += part.len() + 1;
    }
}

/// Returns the folder whose variables belong to an inventory, and how it is shown.
fn folder(path: &Path, shown: &str) -> (PathBuf, PathBuf) {
    if path.is_dir() {
        return (path.to_owned(), shown.into());
    }
    let parent = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
    (parent(path), parent(Path::new(shown)))
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
    let (root, vaults) = (None, Vec::new());
    let mut files =
        Files { sources, programs, found: &mut own, usable: true, root, vaults, count: 0 };
    read(&mut draft, &mut files);
    // Names that stand in a file which could not be read would all be told as unknown.
    let Files { usable, vaults, .. } = files;
    vars::tell_vaults(&vaults, sources, &mut own);
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
    if !path.is_dir() {
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

/// Reads one inventory file into the draft.
fn file(path: &Path, shown: &str, draft: &mut Draft, files: &mut Files<'_>) {
    match kind_of(path) {
        Executable::Program | Executable::Binary if files.is_elsewhere(path) => {
            let message = format!("`{shown}` is a link to a program outside of the inventory");
            let fault = Diagnostic::error(Code::UnsafeProgram, message);
            files.fault(fault.help("copy the program into the folder, or name it by `-i` itself"));
        }
        Executable::Binary if files.root.is_some() => {
            let message = format!("`{shown}` is a binary program, and is not run");
            let fault = Diagnostic::error(Code::UnsafeProgram, message);
            files.fault(fault.help("move it out of the folder, or name it by `-i` itself"));
        }
        Executable::Program | Executable::Binary => program::read(path, shown, draft, files),
        Executable::No => text_file(path, shown, draft, files),
    }
}

/// Reads one inventory file that is text.
fn text_file(path: &Path, shown: &str, draft: &mut Draft, files: &mut Files<'_>) {
    if let Some(id) = files.add(path, shown) {
        source(path, shown, id, draft, files);
    }
}

/// Reads the text of one inventory file into the draft.
fn source(path: &Path, shown: &str, id: SourceId, draft: &mut Draft, files: &mut Files<'_>) {
    let text = files.sources.get(id).text();
    if text.starts_with(VAULT) {
        files.fault(
            Diagnostic::error(Code::VaultValue, format!("`{shown}` is encrypted by a vault"))
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
            Diagnostic::error(Code::InventoryFormat, format!("`{shown}` is TOML"))
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

/// What a file is that may be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Executable {
    /// Text: it may not be executed, or would not run.
    No,
    /// It begins with `#!`.
    Program,
    /// It is machine code.
    Binary,
}

/// Tells whether a file would run: Ansible too reads what cannot be executed as text.
fn kind_of(path: &Path) -> Executable {
    let executable =
        path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    let mut start = Vec::new();
    let read = executable
        && File::open(path).and_then(|file| file.take(4).read_to_end(&mut start)).is_ok();
    match start.as_slice() {
        [b'#', b'!', ..] if read => Executable::Program,
        b"\x7fELF" if read => Executable::Binary,
        _ => Executable::No,
    }
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
    /// The folder that is being read, if the inventory is one.
    root: Option<PathBuf>,
    /// Files of variables that a vault has encrypted.
    pub(super) vaults: Vec<SourceId>,
    count: usize,
}

impl Files<'_> {
    /// Reads a text and keeps it; `None` (and a diagnostic) where that cannot be done.
    pub(super) fn add(&mut self, path: &Path, shown: &str) -> Option<SourceId> {
        self.count += 1;
        if self.count > MAX_FILES {
            if self.count == MAX_FILES + 1 {
                let message = format!("the inventory has more than {MAX_FILES} files");
                let diagnostic = Diagnostic::error(Code::UnreadableInventory, message);
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
            let diagnostic = Diagnostic::error(Code::FileTooLarge, message);
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
                let diagnostic = Diagnostic::error(Code::UnreadableInventory, message);
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

    /// Whether a file of a folder is a link that leads out of it.
    fn is_elsewhere(&self, path: &Path) -> bool {
        let inside = |root: &PathBuf| path.canonicalize().is_ok_and(|path| path.starts_with(root));
        self.root.as_ref().is_some_and(|root| !inside(root))
    }

    /// Whether a file that was found in a folder can be read: a pipe there would wait for ever. It is
    /// reported if not. A pipe that was named itself is read.
    pub(super) fn is_regular(&mut self, path: &Path, shown: &str) -> bool {
        // What does not exist is reported where it is read.
        let is_regular = path.metadata().map_or(true, |data| data.is_file());
        if !is_regular {
            let message = format!("`{shown}` is not a regular file");
            let fault = Diagnostic::error(Code::UnreadableInventory, message);
            self.fault(fault.help("move it out of the folder"));
        }
        is_regular
    }

    /// Whether a directory is nested too deep, which is told.
    pub(super) fn too_deep(&mut self, shown: &str, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            let message = format!("`{shown}` is nested deeper than {MAX_DEPTH} directories");
            let diagnostic = Diagnostic::error(Code::UnreadableInventory, message);
            self.fault(diagnostic.help("look for a link that leads back, or make it flatter"));
        }
        depth > MAX_DEPTH
    }

    fn unreadable(&mut self, shown: &str, error: &std::io::Error) {
        let message = format!("`{shown}` cannot be read: {error}");
        let diagnostic = Diagnostic::error(Code::UnreadableInventory, message);
        self.fault(diagnostic.help("look at the path and its permissions"));
    }

    /// Tells that a file is of no use.
    pub(super) fn fault(&mut self, diagnostic: Diagnostic) {
        self.usable = false;
        self.found.push(diagnostic);
    }
}
