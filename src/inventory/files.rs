//! The files of one inventory, while it is read: how many, how deep, and which may be run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::file::{FileSystem, FileType, ReadError};
use crate::inventory::program::Programs;
use crate::source::{SourceId, Sources};

/// Deepest nesting of directories; a link that leads back to its parent ends here.
const MAX_DEPTH: usize = 8;
/// Maximum number of files of one inventory: two for each of 50,000 hosts.
const MAX_FILES: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Executable {
    /// Text: it is not executable, or would not run.
    No,
    /// It starts with `#!`.
    Program,
    /// It is machine code.
    Binary,
}

pub(super) struct Files<'a> {
    pub(super) sources: &'a mut Sources,
    /// Runs programs, if that is allowed.
    pub(super) programs: &'a mut dyn Programs,
    pub(super) found: &'a mut Diagnostics,
    /// Whether every file so far was usable.
    pub(super) usable: bool,
    /// Files of variables that a vault has encrypted.
    pub(super) vaults: Vec<SourceId>,
    /// The directory that is being read, if the inventory is one.
    pub(super) root: Option<PathBuf>,
    count: usize,
}

impl<'a> Files<'a> {
    pub(super) fn new(
        sources: &'a mut Sources,
        programs: &'a mut dyn Programs,
        found: &'a mut Diagnostics,
    ) -> Self {
        Self { sources, programs, found, usable: true, vaults: Vec::new(), root: None, count: 0 }
    }

    pub(super) fn disk(&self) -> Arc<dyn FileSystem> {
        self.sources.files()
    }

    /// Starts with the inventory at a path.
    pub(super) fn enter(&mut self, path: &Path) {
        let disk = self.disk();
        self.root = disk.is_directory(path).then(|| disk.canonical(path).ok()).flatten();
    }

    /// Reads a text and stores it; `None` (and a diagnostic) if that fails.
    pub(super) fn add(&mut self, path: &Path, shown: &str) -> Option<SourceId> {
        self.count += 1;
        if self.count > MAX_FILES {
            if self.count == MAX_FILES + 1 {
                let message = format!("the inventory has more than {MAX_FILES} files");
                let diagnostic = Diagnostic::error(Code::UnreadableInventory, message);
                self.fault(diagnostic.help("move the variables of several hosts to one file"));
            }
            return None;
        }
        match self.sources.read(path, shown) {
            Ok(id) => Some(id),
            Err(error) => {
                self.fault(Diagnostic::unreadable(shown, &error));
                None
            }
        }
    }

    /// Lists a directory by name; `None` (and a diagnostic) if that fails.
    pub(super) fn list(&mut self, path: &Path, shown: &str) -> Option<Vec<String>> {
        match self.disk().names(path) {
            Ok(names) => Some(names),
            Err(error) => {
                self.fault(Diagnostic::unreadable(shown, &error.into()));
                None
            }
        }
    }

    /// Returns whether a file would run; like Ansible, everything else is read as text.
    pub(super) fn executable(&self, path: &Path) -> Executable {
        let disk = self.disk();
        let may = disk
            .file_type(path)
            .is_ok_and(|kind| matches!(kind, FileType::File { executable: true }));
        let start = may.then(|| disk.start(path, 4).ok()).flatten().unwrap_or_default();
        match start.as_slice() {
            [b'#', b'!', ..] => Executable::Program,
            b"\x7fELF" => Executable::Binary,
            _ => Executable::No,
        }
    }

    /// Whether a file of a directory is a link to a file outside.
    pub(super) fn is_elsewhere(&self, path: &Path) -> bool {
        let disk = self.disk();
        let inside = |root| disk.canonical(path).is_ok_and(|path| path.starts_with(root));
        self.root.as_ref().is_some_and(|root| !inside(root))
    }

    /// Whether a file of a directory can be read, which is reported if not: a pipe there would block forever.
    /// A pipe that the user named is read.
    pub(super) fn is_regular(&mut self, path: &Path, shown: &str) -> bool {
        // A missing file is reported where it is read.
        let is_regular = !self.disk().file_type(path).is_ok_and(|kind| kind == FileType::Other);
        if !is_regular {
            let fault = Diagnostic::unreadable(shown, &ReadError::NotRegular);
            self.fault(fault.help("or move it out of the directory"));
        }
        is_regular
    }

    /// Whether a directory is nested too deep, which is reported.
    pub(super) fn too_deep(&mut self, shown: &str, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            let message = format!("`{shown}` is nested deeper than {MAX_DEPTH} directories");
            let diagnostic = Diagnostic::error(Code::UnreadableInventory, message);
            self.fault(
                diagnostic.help("remove a link to a parent directory, or nest fewer directories"),
            );
        }
        depth > MAX_DEPTH
    }

    pub(super) fn fault(&mut self, diagnostic: Diagnostic) {
        self.usable = false;
        self.found.push(diagnostic);
    }
}
