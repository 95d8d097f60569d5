//! The socket of a run: the process that works on the run listens there as long as it has the lock.
//!
//! It is in the folder of the locks, which only this user can enter. The file that a killed process leaves is harmless:
//! no one listens, and the next process replaces it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::reader::Reader;
use crate::event::RunId;

/// Removes the file of a socket when it is dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
}

impl Socket {
    /// Listens at the socket of a run. The caller has the lock of the run.
    ///
    /// # Errors
    /// The file system has no sockets, or no room for one.
    pub fn make(store: &Reader, run: &RunId) -> io::Result<(UnixListener, Self)> {
        let path = path_of(&store.places.locks, run);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = short(&path, |path| UnixListener::bind(path))?;
        let socket = Self { path };
        fs::set_permissions(&socket.path, fs::Permissions::from_mode(0o600))?;
        Ok((listener, socket))
    }

    /// Connects to the process that works on a run.
    ///
    /// # Errors
    /// There is none, or it does not listen.
    pub fn connect(store: &Reader, run: &RunId) -> io::Result<UnixStream> {
        short(&path_of(&store.places.locks, run), |path| UnixStream::connect(path))
    }

    /// Removes what a killed process has left.
    pub(super) fn clear(locks: &Path, run: &RunId) {
        // A file that remains is harmless.
        drop(fs::remove_file(path_of(locks, run)));
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

/// Returns the path of a socket. The name of a run has no dot, so this is not a lock.
fn path_of(locks: &Path, run: &RunId) -> PathBuf {
    locks.join(format!("{}.socket", run.0))
}

/// Calls `work` with a path to the same file that is short enough: the address of a socket has 108 bytes.
fn short<T>(path: &Path, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return work(path);
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = File::from(rustix::fs::open(folder, flags, Mode::empty())?);
    let folder_now = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
    work(&if folder_now.exists() { folder_now.join(name) } else { path.to_owned() })
}
