//! Which test files are meant: those that were named, those of a plan, those in a folder.
//!
//! The test files of a plan are next to it or in `tests` next to it, and name it as their plan. In a folder,
//! the folders below it are searched, too.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::file::{FileSystem, directory};
use crate::load::files::{self, File};
use crate::load::scenarios::plan_of;
use crate::schema::kind::Kind;

/// Why a word leads to no test file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoTests {
    /// There is no such file.
    Missing,
    /// The folder has none.
    InFolder,
    /// No test file names this plan.
    OfPlan,
    /// The file is of another kind.
    Other(Option<Kind>),
}

/// Finds the test files that a word means, in the order of their names.
pub fn find(word: &str, disk: &dyn FileSystem) -> Result<Vec<PathBuf>, NoTests> {
    let path = Path::new(word);
    if disk.is_directory(path) {
        let found = of_folder(path, disk);
        return if found.is_empty() { Err(NoTests::InFolder) } else { Ok(found) };
    }
    if !disk.is_file(path) {
        return Err(NoTests::Missing);
    }
    let listed = list(word, disk);
    match listed.first().and_then(File::kind) {
        Some(Kind::Test) => Ok(vec![path.to_owned()]),
        Some(Kind::Plan) => {
            let found = of_plan(path, disk);
            if found.is_empty() { Err(NoTests::OfPlan) } else { Ok(found) }
        }
        other => Err(NoTests::Other(other)),
    }
}

/// Removes the files that were found before.
pub fn distinct(files: Vec<PathBuf>, disk: &dyn FileSystem) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let is_new =
        |path: &PathBuf| seen.insert(disk.canonical(path).unwrap_or_else(|_| path.clone()));
    files.into_iter().filter(is_new).collect()
}

fn list(word: &str, disk: &dyn FileSystem) -> Vec<File> {
    files::list(&[word.to_owned()], None, None, false, disk).files
}

fn of_folder(folder: &Path, disk: &dyn FileSystem) -> Vec<PathBuf> {
    let listed = list(&folder.to_string_lossy(), disk).into_iter();
    let paths = listed.filter(|file| file.kind() == Some(Kind::Test)).map(|file| file.path);
    paths.map(|path| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)).collect()
}

fn of_plan(plan: &Path, disk: &dyn FileSystem) -> Vec<PathBuf> {
    let same = |other: &Path| {
        let (plan, other) = (disk.canonical(plan), disk.canonical(other));
        plan.is_ok_and(|plan| other.is_ok_and(|other| plan == other))
    };
    let folder = directory(plan);
    let mut found = Vec::new();
    for folder in [folder.to_owned(), folder.join("tests")] {
        let names = disk.names(&folder).unwrap_or_default();
        let paths = names.iter().map(|name| folder.join(name));
        let is_yaml = |path: &PathBuf| {
            path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
        };
        for path in paths.filter(is_yaml).filter(|path| disk.is_file(path)) {
            let Some(text) = disk.text(&path).ok() else { continue };
            if Kind::of(&text).is_some_and(|(kind, _)| kind == Kind::Test)
                && plan_of(&path, &text, disk).is_some_and(|other| same(&other))
            {
                found.push(path);
            }
        }
    }
    found
}
