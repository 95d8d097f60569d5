//! Files that exist only in memory.

use std::collections::BTreeMap;
use std::io;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use planrun::file::{FileSystem, FileType};

/// Files that exist only here. A directory exists if a file is below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    /// Makes the files of paths and contents.
    pub(crate) fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter();
        Self(files.map(|(path, text)| (plain(Path::new(path)), text.into())).collect())
    }
}

/// Returns a path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

impl FileSystem for Memory {
    fn file_type(&self, path: &Path) -> io::Result<FileType> {
        let path = plain(path);
        if self.0.contains_key(&path) {
            return Ok(FileType::File { executable: false });
        }
        let below = self.0.keys().any(|file| file.starts_with(&path));
        if below { Ok(FileType::Directory) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn start(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        match (self.file_type(path)?, self.0.get(&plain(path))) {
            (_, Some(bytes)) => Ok(bytes.iter().copied().take(most).collect()),
            _ => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        let path = plain(path);
        let below = self.0.keys().filter_map(|file| file.strip_prefix(&path).ok());
        let first = below.filter_map(|rest| rest.iter().next()?.to_str().map(str::to_owned));
        let mut names: Vec<String> = first.collect();
        names.dedup();
        if names.is_empty() { Err(ErrorKind::NotFound.into()) } else { Ok(names) }
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.file_type(path)?;
        Ok(Path::new("/").join(plain(path)))
    }
}
