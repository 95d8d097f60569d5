//! Which files are checked: those that were named, and those in directories that were named.
//!
//! A file that was named is checked, whatever it is. In a directory only files that are surely
//! planrun's are taken, by name and with the directories below; hidden files, `group_vars` and
//! `host_vars` are skipped. Each file is checked once, at its first place.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document;
use crate::file::{self, FileSystem, FileType};
use crate::schema::foreign::file::recognise;
use crate::schema::kind::{Kind, Sign};
use crate::source::Sources;

/// The name of standard input.
pub const STDIN: &str = "-";
/// Maximum files of one invocation.
const MAX_FILES: usize = 100_000;
/// Deepest nesting of directories; a link that leads back to its parent ends here.
const MAX_DEPTH: usize = 16;
/// Directories that contain values only.
const VALUES: [&str; 2] = ["group_vars", "host_vars"];

#[derive(Clone, Debug)]
pub struct File {
    /// Where it is; for standard input, where it would be.
    pub path: PathBuf,
    pub shown: String,
    /// What is in it, or why it cannot be read.
    pub text: Result<String, Box<Diagnostic>>,
}

impl File {
    /// Makes the file that is read from standard input; the name is where it would be.
    pub fn standard_input(name: Option<&str>, bytes: io::Result<Vec<u8>>) -> Self {
        let shown = name.unwrap_or("<stdin>").to_owned();
        let text = bytes.map_err(Into::into).and_then(file::text);
        let text = text.map_err(|error| Box::new(Diagnostic::unreadable(&shown, &error)));
        Self { path: PathBuf::from(name.unwrap_or_default()), shown, text }
    }

    /// Returns its kind, if it shows one; an empty file counts as a plan.
    pub fn kind(&self) -> Option<Kind> {
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

#[derive(Clone, Debug, Default)]
pub struct Listed {
    pub files: Vec<File>,
    /// The files that were skipped, directory by directory.
    pub skipped: Vec<Skipped>,
}

/// The files of a directory that are not planrun's.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// The directory as it was named.
    pub folder: String,
    pub files: Vec<String>,
}

/// Finds the files that words name; of directories those of planrun, or `all`. `stdin` is what comes
/// on standard input, if a word names that.
pub fn list(
    words: &[String],
    kind: Option<Kind>,
    stdin: Option<File>,
    all: bool,
    disk: &dyn FileSystem,
) -> Listed {
    let mut listed = Listed::default();
    let mut seen = HashSet::new();
    let mut stdin = stdin;
    for word in words {
        if word == STDIN {
            listed.files.extend(stdin.take());
            continue;
        }
        let path = Path::new(word);
        // A directory can be an inventory as a whole.
        let is_walked = disk.is_directory(path) && kind != Some(Kind::Inventory);
        if !is_walked {
            if seen.insert(real(path, disk)) {
                listed.files.push(file(path, disk));
            }
            continue;
        }
        let mut paths = Vec::new();
        walk(path, 0, &mut paths, disk);
        let mut skipped = Vec::new();
        let before = listed.files.len();
        let mut repeats = false;
        for path in paths {
            if !seen.insert(real(&path, disk)) {
                repeats = true;
                continue;
            }
            // A pipe would block forever; a missing file is reported where it is read.
            if disk.file_type(&path).is_ok_and(|kind| kind == FileType::Other) {
                skipped.push(path.display().to_string());
                continue;
            }
            let file = file(&path, disk);
            let text = file.text.as_deref();
            if all || kind.is_some() || text.map_or(true, is_sure) {
                listed.files.push(file);
            } else {
                skipped.push(file.shown);
            }
        }
        if listed.files.len() == before && !repeats {
            listed.files.push(nothing_in(path, !skipped.is_empty()));
        }
        if !skipped.is_empty() {
            listed.skipped.push(Skipped { folder: word.clone(), files: skipped });
        }
    }
    listed
}

/// Represents a directory without files to check, which is an error.
fn nothing_in(folder: &Path, passed: bool) -> File {
    let shown = folder.display().to_string();
    let fault = Diagnostic::error(Code::NothingToCheck, format!("no planrun file in `{shown}`"))
        .help("pass the files themselves: they are always checked");
    let fault = if passed {
        fault.help("or add a modeline: `# yaml-language-server: $schema=.../plan.schema.json`")
    } else {
        fault.help("only files that end in `.yaml` or `.yml` are found")
    };
    File { path: folder.to_owned(), shown, text: Err(Box::new(fault)) }
}

/// Whether a text is surely planrun's, and not of another tool.
fn is_sure(text: &str) -> bool {
    match Kind::of(text) {
        Some((Kind::Plan, Sign::Sure)) => !is_foreign(text),
        Some((_, sign)) => sign == Sign::Sure,
        None => false,
    }
}

fn is_foreign(text: &str) -> bool {
    // A file with a version is reported for what it is; all others are parsed here, and again later.
    if text.lines().any(|line| line.starts_with("version:")) {
        return false;
    }
    let mut sources = Sources::default();
    let id = sources.add("", text);
    let node = document::parse(&sources, id, &mut Diagnostics::default());
    node.as_ref().and_then(recognise).is_some()
}

/// Adds the YAML files below a directory, by name.
fn walk(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>, disk: &dyn FileSystem) {
    let Ok(names) = disk.names(folder) else {
        // A directory that cannot be read is reported like a file.
        paths.push(folder.to_owned());
        return;
    };
    for name in names {
        let path = folder.join(&name);
        if name.starts_with('.') || paths.len() >= MAX_FILES {
            continue;
        }
        if disk.is_directory(&path) {
            if depth < MAX_DEPTH && !VALUES.contains(&name.as_str()) {
                walk(&path, depth + 1, paths, disk);
            }
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
            paths.push(path);
        }
    }
}

fn real(path: &Path, disk: &dyn FileSystem) -> PathBuf {
    disk.canonical(path).unwrap_or_else(|_| path.to_owned())
}

fn file(path: &Path, disk: &dyn FileSystem) -> File {
    let shown = path.display().to_string();
    // A directory that is an inventory has no text of its own.
    let text = if disk.is_directory(path) { Ok(String::new()) } else { disk.text(path) };
    let text = text.map_err(|error| Box::new(Diagnostic::unreadable(&shown, &error)));
    File { path: path.to_owned(), shown, text }
}
