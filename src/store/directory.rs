//! The state directory: its path, and whether it is safe to use.
//!
//! [`prepare`] takes the path from the user or the environment. It returns a path without links to a
//! directory that only this user can enter, on a local disk, and creates the files of the store with
//! the right permissions. Existing files are checked and never changed: a `chmod` of a directory that
//! was named by mistake (`/tmp`) would do harm.

use std::fs::{DirBuilder, File, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{Access, Mode, OFlags};

use super::error::{StoreError, Unfit};
use super::sqlite::beside;

const DATABASE: &str = "runs.db";

const LOCKS: &str = "locks";

/// The environment variable that names the state directory.
pub const STATE_DIR: &str = "PLANRUN_STATE_DIR";

/// The paths of a store, without links.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) dir: PathBuf,
    pub(super) database: PathBuf,
    pub(super) locks: PathBuf,
}

impl Places {
    pub(super) fn in_dir(dir: PathBuf) -> Self {
        Self { database: dir.join(DATABASE), locks: dir.join(LOCKS), dir }
    }
}

/// Returns the path in an environment variable; an empty one counts as not set.
fn of_environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns the state directory that the environment names.
pub fn named_dir() -> Option<PathBuf> {
    of_environment(STATE_DIR)
}

/// Returns the state directory if none is named: `$XDG_STATE_HOME/planrun`, else `~/.local/state/planrun`.
pub fn default_dir() -> PathBuf {
    // The XDG specification says to ignore a relative path.
    if let Some(base) = of_environment("XDG_STATE_HOME")
        && base.is_absolute()
    {
        return base.join("planrun");
    }
    // A missing home is reported later, with the path.
    std::env::home_dir().unwrap_or_else(|| PathBuf::from("/")).join(".local/state/planrun")
}

/// Creates missing parts of the state directory, and checks the existing ones.
pub(super) fn prepare(named: &Path) -> Result<Places, StoreError> {
    // With a slash at the end, the system would follow a link before it is detected.
    let named: PathBuf = named.components().collect();
    make_dir(&named)?;
    let dir = local(&named)?;
    // SQLite must create files next to the database; its own message is less clear.
    rustix::fs::access(&dir, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| StoreError::from_io("write in", &dir, &error.into()))?;

    let places = Places::in_dir(dir);
    make_dir(&places.locks)?;
    make_database(&places.database)?;
    check_beside(&places.database)?;
    Ok(places)
}

/// Checks a state directory for reading, and creates nothing; `None` if it does not exist.
pub(super) fn find(named: &Path) -> Result<Option<Places>, StoreError> {
    let named: PathBuf = named.components().collect();
    if !exists(&named, FileKind::Directory)? {
        return Ok(None);
    }
    let places = Places::in_dir(local(&named)?);
    if !exists(&places.database, FileKind::Regular)? {
        return Ok(None);
    }
    check_beside(&places.database)?;
    Ok(Some(places))
}

/// Returns the path of a directory without links; it must be on a local disk.
fn local(named: &Path) -> Result<PathBuf, StoreError> {
    let dir = fs::canonicalize(named)
        .map_err(|error| StoreError::from_io("open the state directory", named, &error))?;
    check_file_system(&dir)?;
    Ok(dir)
}

/// Checks the files that SQLite keeps next to the database, if they exist.
fn check_beside(database: &Path) -> Result<(), StoreError> {
    for suffix in ["-wal", "-shm"] {
        exists(&beside(database, suffix), FileKind::Regular)?;
    }
    Ok(())
}

/// Whether a path exists; if so, it is checked.
fn exists(path: &Path, kind: FileKind) -> Result<bool, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(found) => check(path, &found, kind).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::from_io("read", path, &error)),
    }
}

/// Opens or creates a file that only this user can read; does not follow links.
pub(super) fn open_private(path: &Path, doing: &'static str) -> Result<File, StoreError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(File::from(file)),
        Err(rustix::io::Errno::LOOP) => Err(StoreError::unfit(path, Unfit::Link)),
        Err(error) => Err(StoreError::from_io(doing, path, &error.into())),
    }
}

fn make_dir(path: &Path) -> Result<(), StoreError> {
    if fs::symlink_metadata(path).is_err() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| StoreError::from_io("create the state directory", path, &error))?;
    }
    let found = fs::symlink_metadata(path)
        .map_err(|error| StoreError::from_io("open the state directory", path, &error))?;
    check(path, &found, FileKind::Directory)
}

/// Creates the database as an empty file before `SQLite` does: `SQLite` gives its permissions to the
/// other files.
fn make_database(path: &Path) -> Result<(), StoreError> {
    let file = open_private(path, "open the database")?;
    let found = file.metadata().map_err(|error| StoreError::from_io("read", path, &error))?;
    check(path, &found, FileKind::Regular)
}

#[derive(Clone, Copy)]
enum FileKind {
    Directory,
    Regular,
}

fn check(path: &Path, found: &Metadata, kind: FileKind) -> Result<(), StoreError> {
    let refuse = |why| Err(StoreError::unfit(path, why));
    if found.is_symlink() {
        return refuse(Unfit::Link);
    }
    let (fits, wanted) = match kind {
        FileKind::Directory => (found.is_dir(), "directory"),
        FileKind::Regular => (found.is_file(), "regular file"),
    };
    if !fits {
        return refuse(Unfit::WrongKind(wanted));
    }
    let (owner, user) = (found.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return refuse(Unfit::Owner { owner, user });
    }
    let (mode, shown) = (found.mode() & 0o7777, path.display().to_string());
    if mode & 0o077 != 0 { refuse(Unfit::Exposed { mode, shown }) } else { Ok(()) }
}

fn check_file_system(dir: &Path) -> Result<(), StoreError> {
    let found = rustix::fs::statfs(dir)
        .map_err(|error| StoreError::from_io("read the file system of", dir, &error.into()))?;
    // The kernel's numbers have 32 bits; the type of the field differs between architectures.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "only the low 32 bits are the number"
    )]
    let magic = found.f_type as u32;
    let kind = network_kind(magic);
    kind.map_or(Ok(()), |kind| Err(StoreError::unfit(dir, Unfit::Network(kind))))
}

/// Returns the name of a file system that other machines, or a process, may serve.
fn network_kind(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517B | 0xFE53_4D42 | 0xFF53_4D42 => "SMB",
        0x6573_5546 => "FUSE",
        0x0102_1997 => "9P",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x00C3_6400 => "Ceph",
        0x0BD0_0BD0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636F => "OCFS2",
        0x7375_7245 => "Coda",
        _ => return None,
    })
}
