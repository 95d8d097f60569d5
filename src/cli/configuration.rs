//! The configuration of the user: `planrun/config.yaml` in their configuration directory.
//!
//! It names commands that print secrets, and planrun runs these. So it is never read from the working
//! directory, or from next to a plan: a repository that was checked out must not start programs. It must
//! belong to the user, or to root, and no one else may write to it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document;
use crate::document::Node;
use crate::inventory::find::configuration;
use crate::schema;
use crate::schema::{RecordId, Shape};
use crate::source::Sources;

/// Returns the commands that print secrets, by the names of inputs.
pub(super) fn secret_commands(
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Vec<(String, Vec<String>)> {
    let file = configuration().map(|directory| directory.join("planrun/config.yaml"));
    let Some(file) = file.filter(|file| file.exists()) else { return Vec::new() };
    if let Some(why) = unsafe_file(&file) {
        let message = format!("`{}` {why}", file.display());
        Diagnostic::error(Code::UserConfiguration, message)
            .help("planrun runs the commands in it; make sure that only you can write to it")
            .help(format!("`chmod go-w {}`", file.display()))
            .emit(found);
        return Vec::new();
    }
    let shown = file.display().to_string();
    let id = match sources.read(&file, &shown) {
        Ok(id) => id,
        Err(error) => {
            found.push(Diagnostic::unreadable(&shown, &error));
            return Vec::new();
        }
    };
    let Some(node) = document::parse(sources, id, found) else { return Vec::new() };
    if let Some(record) = RecordId::named("configuration") {
        schema::check(&node, &Shape::Record(record), found);
    }
    let entries = node.get("secrets").map(Node::entries).unwrap_or_default().iter();
    entries.map(|entry| (entry.key.clone(), words(&entry.value))).collect()
}

/// Returns the words of a command; the program by its path.
fn words(node: &Node) -> Vec<String> {
    let mut words: Vec<String> =
        node.items().iter().filter_map(Node::as_text).map(str::to_owned).collect();
    if let Some(program) = words.first_mut().filter(|program| !program.contains('/'))
        && let Some(path) = in_path(program)
    {
        *program = path.display().to_string();
    }
    words
}

/// Returns the path of a program.
fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders.find_map(|folder| {
        let file = folder.join(program);
        let mode = fs::metadata(&file).ok().filter(fs::Metadata::is_file)?.mode();
        (mode & 0o111 != 0).then_some(file)
    })
}

/// Returns why a file must not be used, if another user could have written to it.
fn unsafe_file(file: &Path) -> Option<&'static str> {
    let found = fs::metadata(file).ok()?;
    let is_own = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
    match (is_own, found.mode() & 0o022 == 0) {
        (true, true) => None,
        (false, _) => Some("belongs to another user"),
        (true, false) => Some("can be written by other users"),
    }
}
