//! Paths as candidates: plans and saved previews before other files.

use std::path::Path;

use clap_complete::engine::CompletionCandidate;

use super::line::at_home;
use super::{PATH, about};
use crate::file::{Disk, FileSystem};
use crate::preview::saved::is_saved;
use crate::schema::kind::Kind;

/// How much of a file is read to find out what it is, and of how many.
const START: usize = 64 << 10;
const MOST_READ: usize = 500;
/// How deep and in how many folders plans are searched, and how many are offered.
const MOST_DEPTH: usize = 3;
const MOST_FOLDERS: usize = 200;
const MOST_BELOW: usize = 50;
/// Folders that contain what programs make.
const MADE: [&str; 3] = ["node_modules", "target", "venv"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Plans, and saved previews.
    Plans,
    Files,
    Folders,
}

/// Returns the paths that start with a word. What the user typed before the last slash is kept.
pub(super) fn paths(word: &str, wanted: Wanted) -> Vec<CompletionCandidate> {
    let (typed, start) = word.split_at(word.rfind('/').map_or(0, |at| at + 1));
    let folder = if typed.is_empty() { "./".to_owned() } else { at_home(typed) };
    let names = Disk.names(Path::new(&folder)).unwrap_or_default();
    let fits = |name: &&String| {
        name.starts_with(start) && (!name.starts_with('.') || start.starts_with('.'))
    };
    let (folders, files): (Vec<&String>, Vec<&String>) =
        names.iter().filter(fits).partition(|name| Path::new(&folder).join(name).is_dir());
    let folders: Vec<CompletionCandidate> =
        folders.iter().map(|name| path(format!("{typed}{name}/"), None)).collect();
    let found = match wanted {
        Wanted::Folders => Vec::new(),
        Wanted::Files => files.iter().map(|name| path(format!("{typed}{name}"), None)).collect(),
        Wanted::Plans => {
            let found = plans(typed, &folder, &files);
            if found.is_empty() {
                let below = below(word);
                if (1..=MOST_BELOW).contains(&below.len()) {
                    return below;
                }
            }
            found
        }
    };
    found.into_iter().chain(folders).collect()
}

fn path(path: String, help: Option<String>) -> CompletionCandidate {
    CompletionCandidate::new(path).help(help.map(Into::into)).tag(Some(PATH.into()))
}

/// Returns the plans and previews of a folder; other YAML files only if it has none.
fn plans(typed: &str, folder: &str, names: &[&String]) -> Vec<CompletionCandidate> {
    let (mut plans, mut others) = (Vec::new(), Vec::new());
    for name in names.iter().take(MOST_READ) {
        let shown = format!("{typed}{name}");
        match look(&Path::new(folder).join(name)) {
            Some(help) => plans.push(path(shown, Some(help))),
            None if is_yaml(name) => others.push(path(shown, None)),
            None => {}
        }
    }
    if plans.is_empty() { others } else { plans }
}

fn is_yaml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// Returns what a plan or a saved preview is about; `None` if the file is neither.
fn look(path: &Path) -> Option<String> {
    let disk: &dyn FileSystem = &Disk;
    // A pipe would block.
    if !disk.is_file(path) {
        return None;
    }
    let start = disk.start(path, START).ok()?;
    if is_saved(&start) {
        return Some("a saved preview".to_owned());
    }
    let text = String::from_utf8_lossy(&start);
    if !is_yaml(&path.to_string_lossy()) || Kind::of(&text)?.0 != Kind::Plan {
        return None;
    }
    let line = text.lines().find_map(|line| line.strip_prefix("summary:"));
    let summary = line.map(|line| line.trim().trim_matches(['"', '\'', '>', '|', '-']));
    Some(summary.filter(|text| !text.is_empty()).map_or_else(|| "a plan".to_owned(), about))
}

/// Returns the plans in the folders below this one whose paths start with a word.
fn below(word: &str) -> Vec<CompletionCandidate> {
    if word.starts_with(['/', '~', '.']) {
        return Vec::new();
    }
    let (mut found, mut open, mut read) = (Vec::new(), vec![(String::new(), 0)], 0);
    let mut seen = 0;
    while let Some((folder, depth)) = open.pop() {
        seen += 1;
        if seen > MOST_FOLDERS || read > MOST_READ || found.len() > MOST_BELOW {
            break;
        }
        let names = Disk.names(&Path::new("./").join(&folder)).unwrap_or_default();
        for name in names.iter().filter(|name| !name.starts_with('.')) {
            let shown = format!("{folder}{name}");
            let inside = format!("{shown}/");
            if Path::new(&shown).is_dir() {
                let fits = inside.starts_with(word) || word.starts_with(&inside);
                if fits && depth < MOST_DEPTH && !MADE.contains(&name.as_str()) {
                    open.push((inside, depth + 1));
                }
            } else if shown.starts_with(word) && is_yaml(name) {
                read += 1;
                found.extend(look(Path::new(&shown)).map(|help| path(shown, Some(help))));
            }
        }
    }
    found.sort();
    found
}
