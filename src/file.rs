//! Files: read within a limit, from the disk or, in tests, from memory.
//!
//! Every stage that reads a file of a user (plans, inventories, models, inputs, uploads) reads it by
//! [`FileSystem`], which [`Sources`](crate::source::Sources) carries. So the rules exist once: what is
//! too large, what is not a file, what is not text. Deliberately not here: writing, and the files of
//! planrun itself.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Maximum size of a file that is text, in bytes.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;

/// What is at a path; links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file, and whether it may be executed.
    File {
        executable: bool,
    },
    Directory,
    /// A pipe, a device, a socket.
    Other,
}

/// Reads files; nothing is ever written.
pub trait FileSystem: fmt::Debug + Send + Sync {
    fn file_type(&self, path: &Path) -> io::Result<FileType>;
    /// Returns the first bytes of a file, at most so many.
    fn start(&self, path: &Path, most: usize) -> io::Result<Vec<u8>>;
    /// Returns the names in a directory, sorted. Names that are not UTF-8 are left out.
    fn names(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Returns the absolute path without links.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("no such file")]
    Missing,
    #[error("it is a directory")]
    Directory,
    /// It is a pipe or a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// It has more bytes than this.
    #[error("it is larger than {}", size(*.0))]
    TooLarge(usize),
    /// It is not text, from this line on.
    #[error("line {0} is not UTF-8")]
    NotUtf8(usize),
    /// The system refuses, for this reason.
    #[error("{0}")]
    Refused(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Missing,
            ErrorKind::IsADirectory => Self::Directory,
            ErrorKind::PermissionDenied => Self::Refused("permission denied".to_owned()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// Returns `16 MiB`.
fn size(bytes: usize) -> String {
    match bytes >> 10 {
        kib @ ..1024 => format!("{kib} KiB"),
        kib => format!("{} MiB", kib >> 10),
    }
}

impl dyn FileSystem + '_ {
    pub fn exists(&self, path: &Path) -> bool {
        self.file_type(path).is_ok()
    }

    pub fn is_directory(&self, path: &Path) -> bool {
        self.file_type(path).is_ok_and(|kind| kind == FileType::Directory)
    }

    /// Whether a regular file is at a path.
    pub fn is_file(&self, path: &Path) -> bool {
        self.file_type(path).is_ok_and(|kind| matches!(kind, FileType::File { .. }))
    }

    /// Reads a file whole. A pipe that a user named is read, too.
    pub fn read(&self, path: &Path, max_bytes: usize) -> Result<Vec<u8>, ReadError> {
        within(self.start(path, max_bytes + 1)?, max_bytes)
    }

    /// Reads a file whole that must be a regular one: a pipe without a writer would never open.
    pub fn read_regular(&self, path: &Path, max_bytes: usize) -> Result<Vec<u8>, ReadError> {
        match self.file_type(path)? {
            FileType::File { .. } => self.read(path, max_bytes),
            FileType::Directory => Err(ReadError::Directory),
            FileType::Other => Err(ReadError::NotRegular),
        }
    }

    pub fn text(&self, path: &Path) -> Result<String, ReadError> {
        text(self.start(path, MAX_BYTES + 1)?)
    }
}

fn within(bytes: Vec<u8>, max_bytes: usize) -> Result<Vec<u8>, ReadError> {
    if bytes.len() > max_bytes { Err(ReadError::TooLarge(max_bytes)) } else { Ok(bytes) }
}

/// Returns the text that the bytes of a file are.
pub fn text(bytes: Vec<u8>) -> Result<String, ReadError> {
    String::from_utf8(within(bytes, MAX_BYTES)?).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        ReadError::NotUtf8(valid.split(|byte| *byte == b'\n').count())
    })
}

/// Returns the directory that a file is in, `.` for a bare name.
pub fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Returns a path that means the same in another directory.
pub fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl FileSystem for Disk {
    fn file_type(&self, path: &Path) -> io::Result<FileType> {
        let data = path.metadata()?;
        Ok(if data.is_dir() {
            FileType::Directory
        } else if data.is_file() {
            FileType::File { executable: data.permissions().mode() & 0o111 != 0 }
        } else {
            FileType::Other
        })
    }

    fn start(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        let names: io::Result<Vec<_>> =
            path.read_dir()?.map(|entry| Ok(entry?.file_name().into_string().ok())).collect();
        let mut names: Vec<String> = names?.into_iter().flatten().collect();
        names.sort();
        Ok(names)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        path.canonicalize()
    }
}
