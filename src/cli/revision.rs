//! The git commit that has a plan, for the record of a run.
//!
//! The commit that is checked out counts if the blob at the path of the plan has the text that was read. So
//! it is true whatever else has changed in the repository. `git rev-parse` starts no hook and no program
//! of the repository. Without git, without a repository or with a plan that was edited there is none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::file::absolute;
use crate::inventory::program::Programs as _;
use crate::transport::program::LocalPrograms;

/// How long git may take; a run does not wait longer for a note.
const PATIENCE: Duration = Duration::from_secs(2);

/// Returns the commit that is checked out and has this text at this path.
pub(super) fn commit_of(path: &Path, text: &str) -> Option<String> {
    let path = PathBuf::from(absolute(&path.display().to_string()));
    let blob = format!("HEAD:./{}", path.file_name()?.to_str()?);
    let arguments = ["-C", path.parent()?.to_str()?, "rev-parse", "--verify", "--quiet"];
    let mut git = LocalPrograms::new(PATIENCE);
    let program = git_program()?;
    let mut ask = |revision: &str| {
        let answer = git.run(&program, &[&arguments[..], &[revision]].concat()).ok()?;
        Some(String::from_utf8(answer).ok()?.trim().to_owned())
    };
    let written = ask(&blob)?;
    let object = format!("blob {}\0{text}", text.len());
    let read = match written.len() {
        40 => hex::encode(Sha1::digest(&object)),
        _ => hex::encode(Sha256::digest(&object)),
    };
    (read == written).then(|| ask("HEAD"))?
}

fn git_program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join("git"))
        .find(|path| path.is_absolute() && path.is_file())
}
