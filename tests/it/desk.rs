//! A folder with files of a user, and what planrun prints for a command line there.
//!
//! A shell with planrun in its path runs the line. Nothing of this machine is visible: the home is the
//! folder, and its own path is replaced in the output.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use tempfile::TempDir;

use crate::harness::program;

/// What stands for the folder where its whole path was told.
const FOLDER: &str = "/desk";

/// See the module.
pub(crate) struct Desk {
    folder: TempDir,
}

/// What was told.
#[derive(Debug)]
pub(crate) struct Told {
    /// The exit status.
    pub(crate) status: i32,
    /// Standard error.
    pub(crate) text: String,
}

impl Desk {
    /// Makes an empty folder.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pr").tempdir().unwrap();
        Self { folder }
    }

    /// Returns the path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, its folders too.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Copies a folder into it, with the rights of the files.
    pub(crate) fn copy(&self, from: &Path) {
        copy(from, self.folder.path());
    }

    /// Types a line, and reads what a terminal would show.
    #[track_caller]
    pub(crate) fn types(&self, line: &str) -> Told {
        let binary = Path::new(env!("CARGO_BIN_EXE_planrun"));
        let folder = binary.parent().unwrap().display();
        let path = std::env::var("PATH").unwrap_or_default();
        let ended = program("sh")
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .current_dir(self.folder.path())
            .env("PATH", format!("{folder}:{path}"))
            .env("HOME", self.folder.path())
            .env("PLANRUN_STATE_DIR", self.path("state"))
            .env("PLANRUN_LOCK_DIR", self.path("locks"))
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        let text = String::from_utf8(ended.stdout).unwrap();
        let here = self.folder.path().to_str().unwrap();
        Told { status: ended.status.code().unwrap(), text: text.replace(here, FOLDER) }
    }
}

/// Returns the codes of the diagnostics in a text.
pub(crate) fn codes(text: &str) -> BTreeSet<String> {
    codes_of(text, "error|warning|note")
}

/// Returns the codes of the errors and warnings in a text.
pub(crate) fn faults(text: &str) -> BTreeSet<String> {
    codes_of(text, "error|warning")
}

fn codes_of(text: &str, severities: &str) -> BTreeSet<String> {
    let headline = Regex::new(&format!(r"(?m)^(?:{severities})\[([a-z0-9-]+)\]")).unwrap();
    let found = headline.captures_iter(text);
    found.map(|found| found[1].to_owned()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
