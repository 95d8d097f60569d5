//! Which files are checked: those that were named, and those in folders that were named.
//!
//! A file that was named is checked, whatever it is. In a folder only what shows for sure that it
//! is planrun's is taken, by name and with the folders below; what is hidden, `group_vars` and
//! `host_vars` are passed over. A file is there once, at its first place.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::load;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document;
use crate::report::text::{count, printable};
use crate::schema::foreign::file::recognise;
use crate::schema::kind::{Kind, Sign};
use crate::source::Sources;

/// The name of standard input.
const STDIN: &str = "-";
/// Most files of one invocation.
const MAX_FILES: usize = 100_000;
/// Deepest nesting of folders; a link that leads back to its parent ends here.
const MAX_DEPTH: usize = 16;
/// Folders that hold values only.
const VALUES: [&str; 2] = ["group_vars", "host_vars"];

/// A file to be checked.
#[derive(Debug)]
pub(super) struct File {
    /// Where it is; for standard input, where it would be.
    pub(super) path: PathBuf,
    /// Its name in messages.
    pub(super) shown: String,
    /// What is in it, or why that cannot be had.
    pub(super) text: Result<String, Box<Diagnostic>>,
}

impl File {
    /// Returns its kind, as far as it shows one; an empty file is taken for a plan.
    pub(super) fn kind(&self) -> Option<Kind> {
        let text = self.text.as_ref().ok()?;
        let blank = text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#')
        });
        let ini = self.path.extension().is_some_and(|ending| ending == "ini");
        match Kind::of(text) {
            _ if ini => Some(Kind::Inventory),
            Some((kind, _)) => Some(kind),
            None => blank.then_some(Kind::Plan),
        }
    }
}

/// The files, and what is to be said of the search for them.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The files, in order.
    pub(super) files: Vec<File>,
    /// Lines of talk.
    pub(super) talk: Vec<String>,
}

/// Finds the files that words name; of folders those of planrun, or `all`.
pub(super) fn list(words: &[String], kind: Option<Kind>, stdin: Option<&str>, all: bool) -> Listed {
    let mut listed = Listed::default();
    let mut seen = HashSet::new();
    for word in words {
        if word == STDIN {
            if seen.insert(PathBuf::from(STDIN)) {
                listed.files.push(standard_input(stdin));
            }
            continue;
        }
        let path = Path::new(word);
        // A folder can be an inventory as a whole.
        let is_walked = path.is_dir() && kind != Some(Kind::Inventory);
        if !is_walked {
            if seen.insert(real(path)) {
                listed.files.push(file(path));
            }
            continue;
        }
        let mut paths = Vec::new();
        walk(path, 0, &mut paths);
        let mut passed = Vec::new();
        let before = listed.files.len();
        let mut repeats = false;
        for path in paths {
            if !seen.insert(real(&path)) {
                repeats = true;
                continue;
            }
            // A pipe in a folder would wait for ever; what does not exist is reported where it is read.
            if path.metadata().is_ok_and(|data| !data.is_file() && !data.is_dir()) {
                passed.push(path.display().to_string());
                continue;
            }
            let file = file(&path);
            let text = file.text.as_deref();
            if all || kind.is_some() || text.map_or(true, is_sure) {
                listed.files.push(file);
            } else {
                passed.push(file.shown);
            }
        }
        listed.talk.extend(talk(word, &passed));
        if listed.files.len() == before && !repeats {
            listed.files.push(nothing_in(path, !passed.is_empty()));
        }
    }
    listed
}

/// Stands for a folder in which there is nothing to check: who gives one means that it is checked.
fn nothing_in(folder: &Path, passed: bool) -> File {
    let shown = folder.display().to_string();
    let fault = Diagnostic::error(Code::NothingToCheck, format!("no planrun file in `{shown}`"))
        .help("name the files: a file that is named is always checked");
    let fault = if passed {
        fault.help("or add a modeline: `# yaml-language-server: $schema=.../plan.schema.json`")
    } else {
        fault.help("only files that end in `.yaml` or `.yml` are looked for")
    };
    File { path: folder.to_owned(), shown, text: Err(Box::new(fault)) }
}

/// Whether a text is surely one of planrun, and not of another tool.
fn is_sure(text: &str) -> bool {
    match Kind::of(text) {
        Some((Kind::Plan, Sign::Sure)) => !is_foreign(text),
        Some((_, sign)) => sign == Sign::Sure,
        None => false,
    }
}

fn is_foreign(text: &str) -> bool {
    // What has a version is told for what it is; all others are parsed here and once more later.
    if text.lines().any(|line| line.starts_with("version:")) {
        return false;
    }
    let mut sources = Sources::default();
    let id = sources.add("", text);
    let node = document::parse(&sources, id, &mut Diagnostics::default());
    node.as_ref().and_then(recognise).is_some()
}

fn talk(folder: &str, passed: &[String]) -> Option<String> {
    let folder = printable(folder);
    if passed.is_empty() {
        return None;
    }
    let named: Vec<String> = passed.iter().take(3).map(|name| printable(name)).collect();
    let more = if passed.len() > named.len() { ", ..." } else { "" };
    Some(format!(
        "passed over {} in `{folder}`, nothing of planrun: {}{more}",
        count(passed.len(), "file"),
        named.join(", ")
    ))
}

/// Adds the YAML files below a folder, by name.
fn walk(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        // What cannot be read is told as a file that cannot be read.
        paths.push(folder.to_owned());
        return;
    };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || paths.len() >= MAX_FILES {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_DEPTH && !VALUES.contains(&name.as_ref()) {
                walk(&path, depth + 1, paths);
            }
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
            paths.push(path);
        }
    }
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn file(path: &Path) -> File {
    let shown = path.display().to_string();
    File {
        path: path.to_owned(),
        // A folder that is an inventory has no text of its own.
        text: if path.is_dir() { Ok(String::new()) } else { load::content(path, &shown) },
        shown,
    }
}

fn standard_input(name: Option<&str>) -> File {
    let shown = name.unwrap_or("<stdin>").to_owned();
    let mut bytes = Vec::new();
    let most = document_bytes() + 1;
    let text = match std::io::stdin().lock().take(most).read_to_end(&mut bytes) {
        Ok(_) => load::as_text(bytes, &shown),
        Err(error) => {
            let message = format!("`{shown}` cannot be read: {error}");
            let fault = Diagnostic::error(Code::UnreadableFile, message);
            Err(Box::new(fault.help("name a file instead of `-`")))
        }
    };
    File { path: PathBuf::from(name.unwrap_or_default()), shown, text }
}

fn document_bytes() -> u64 {
    crate::document::parse::MAX_BYTES as u64
}
