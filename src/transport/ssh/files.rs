//! Small files of this machine, read within bounds of size and time.
//!
//! A file is opened without waiting, and must be a regular one: a FIFO would wait for a writer. It
//! is read on a thread that no one waits for. On a dead mount that thread never returns; it must
//! delay neither the hosts nor the end of the process.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;
use std::{io, thread};

use rustix::fs::OFlags;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Largest file that is read: known hosts of a large site have a few MiB.
const MAX_FILE: u64 = 32 * 1024 * 1024;

/// How long the file system may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads a text file; bytes that are not UTF-8 become replacement characters.
pub(in crate::transport) async fn read(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    within(PATIENCE, move || read_regular(&path)).await
}

/// Reads a file that is secret if it contains this text. A secret one of this user that others can read is
/// an error, as it is to `ssh`.
pub(in crate::transport) async fn read_secret(path: &Path, mark: &str) -> io::Result<String> {
    let text = read(path).await?;
    let metadata = std::fs::metadata(path)?;
    let is_own = metadata.uid() == rustix::process::getuid().as_raw();
    if is_own && metadata.mode() & 0o077 != 0 && text.contains(mark) {
        let why = "it can be read by other users, and is not used: run `chmod 600` on it";
        return Err(io::Error::other(why));
    }
    Ok(text)
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

fn read_regular(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let count = open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if count as u64 > MAX_FILE {
        return Err(io::Error::other("it is larger than 32 MiB"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Does work that may never return, and waits for it no longer than `patience`.
async fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, answer) = oneshot::channel();
    let work = move || drop(done.send(work()));
    drop(thread::Builder::new().name("planrun-file".to_owned()).spawn(work)?);
    match timeout(patience, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(io::Error::other("reading it failed")),
        Err(_) => {
            let seconds = patience.as_secs();
            let why = format!("its file system does not answer ({seconds} s)");
            Err(io::Error::new(ErrorKind::TimedOut, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::within;

    #[tokio::test]
    async fn a_file_system_that_does_not_answer_is_not_waited_for() {
        let (_open, never) = mpsc::channel::<()>();
        let dead = move || {
            never.recv().ok();
            Ok(())
        };
        let error = within(Duration::from_millis(50), dead).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
}
