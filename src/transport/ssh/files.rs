//! Small files, read away from the runtime's thread and within a bound.

use std::io;
use std::path::Path;

use tokio::io::AsyncReadExt;

/// Largest file that is read: known hosts of a large site have a few MiB.
const MAX_FILE: u64 = 32 * 1024 * 1024;

/// Reads a text file; bytes that are no UTF-8 become replacement characters.
pub(super) async fn read(path: &Path) -> io::Result<String> {
    let file = tokio::fs::File::open(path).await?;
    let mut bytes = Vec::new();
    let count = file.take(MAX_FILE + 1).read_to_end(&mut bytes).await?;
    if count as u64 > MAX_FILE {
        return Err(io::Error::other("it is larger than 32 MiB"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
