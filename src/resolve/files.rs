//! The files that a plan sends: read once, before the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::file::{FileSystem, ReadError};
use crate::resolve::items::each_upload;
use crate::resolve::{Inputs, ResolvedPlan, secrets};
use crate::source::Span;
use crate::template::Mode;

/// Maximum size of a file, in bytes: all of them are stored with the run, and kept in memory.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Maximum size of all files together, in bytes.
const MAX_SUM: usize = 64 * 1024 * 1024;

/// What to do about a file that does not exist.
pub(super) const RELATIVE: &str =
    "check the path: it is relative to the plan (with `--set`, to the current directory)";

/// Reads the files of a plan, by their paths as rendered.
pub(super) fn read(
    resolved: &ResolvedPlan,
    given: &Inputs,
    disk: &dyn FileSystem,
    found: &mut Diagnostics,
) -> BTreeMap<String, Arc<[u8]>> {
    let mut files = BTreeMap::new();
    let mut sum = 0;
    for (path, span) in paths(resolved, found) {
        match disk.read_regular(&given.plan_dir.join(&path), MAX_BYTES) {
            Ok(bytes) => {
                sum += bytes.len();
                files.insert(path, bytes.into());
            }
            Err(error) => found.push(unreadable(&path, &error, span)),
        }
        if sum > MAX_SUM {
            Diagnostic::error(
                Code::FileTooLarge,
                format!("the files of the plan have more than {MAX_SUM} bytes in total"),
            )
            .at(span, "exceeds the limit")
            .help("copy large files to the hosts in another way, or download them in a step")
            .emit(found);
            break;
        }
    }
    files
}

/// Returns the paths and who names each.
fn paths(resolved: &ResolvedPlan, found: &mut Diagnostics) -> BTreeMap<String, Span> {
    let named = secrets::files::paths(&resolved.plan, &resolved.inputs, false).into_iter();
    let mut paths: BTreeMap<String, Span> =
        named.map(|(path, (_, span))| (path.to_owned(), span)).collect();
    let secret = secrets::files::Paths::new(resolved);
    each_upload(resolved, &mut |host, source, names| {
        let Some(upload) = source.path() else { return };
        let path = upload.render(Mode::Word, names);
        if secret.are_sent(source, path.as_deref().ok(), names) {
            return;
        }
        match path {
            Ok(path) => {
                paths.entry(path).or_insert(upload.span);
            }
            Err(error) => {
                let message = format!("cannot determine the file for {host}: {error}");
                Diagnostic::error(Code::NoSuchFile, message)
                    .at(upload.span, "cannot be rendered")
                    .help("use only inputs and `host` in the path")
                    .emit(found);
            }
        }
    });
    paths
}

/// Returns the error about a file that the plan names and that cannot be read.
pub(super) fn unreadable(path: &str, error: &ReadError, span: Span) -> Diagnostic {
    let fault = Diagnostic::unreadable(path, error).at(span, "this file");
    match error {
        ReadError::Missing => Diagnostic { help: vec![RELATIVE.to_owned()], ..fault },
        _ => fault,
    }
}
