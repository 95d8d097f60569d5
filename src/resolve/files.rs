//! The files that a plan sends: read once, before the run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{Action, InputKind, Step, UploadSource, Work};
use crate::resolve::items::names_at_items;
use crate::resolve::{Given, ResolvedPlan, secrets};
use crate::source::Span;
use crate::template::{Mode, Template};

/// Maximum size of a file, in bytes: all of them are stored with the run, and kept in memory.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Maximum size of all files together, in bytes.
const MAX_SUM: usize = 64 * 1024 * 1024;

/// Reads the files of a plan, by their paths as rendered.
pub(super) fn read(
    resolved: &ResolvedPlan,
    given: &Given,
    found: &mut Diagnostics,
) -> BTreeMap<String, Arc<[u8]>> {
    let mut files = BTreeMap::new();
    let mut sum = 0;
    for (path, span) in paths(resolved, found) {
        match content(&given.plan_dir.join(&path), MAX_BYTES) {
            Ok(bytes) => {
                sum += bytes.len();
                files.insert(path, bytes);
            }
            Err(why) => found.push(unreadable(&path, &why, span)),
        }
        if sum > MAX_SUM {
            found.push(
                Diagnostic::error(
                    Code::FileTooLarge,
                    format!("the files of the plan have more than {MAX_SUM} bytes in total"),
                )
                .at(span, "exceeds the limit")
                .help("copy large files to the hosts in another way, or download them in a step"),
            );
            break;
        }
    }
    files
}

/// Returns the paths and who names each.
fn paths(resolved: &ResolvedPlan, found: &mut Diagnostics) -> BTreeMap<String, Span> {
    let mut paths = BTreeMap::new();
    let mut uploads: Vec<(&Step, &UploadSource, &Template)> = Vec::new();
    for step in &resolved.plan.steps {
        step.visit(&mut |step| {
            if let Action::Effect(effect) = &step.action
                && let Work::Upload(upload) = &effect.command.work
            {
                let source = &upload.source;
                uploads.extend(source.path().map(|path| (step, source, path)));
            }
        });
    }
    let secret = secrets::files::Paths::new(resolved);
    for host in &resolved.hosts {
        for (name, input) in &resolved.plan.inputs {
            if input.kind == InputKind::File
                && !input.sensitive
                && let Some(path) = resolved.inputs[host].get(name).and_then(|one| one.as_str())
            {
                paths.entry(path.to_owned()).or_insert(input.span);
            }
        }
        for (step, source, upload) in &uploads {
            for names in &names_at_items(resolved, host, step) {
                let path = upload.render(Mode::Word, names);
                let known = path.as_ref().ok().map(String::as_str);
                if secret.are_sent(source, known, names) {
                    continue;
                }
                match path {
                    Ok(path) => {
                        paths.entry(path).or_insert(upload.span);
                    }
                    Err(error) => found.push(
                        Diagnostic::error(
                            Code::NoSuchFile,
                            format!("cannot determine the file for {host}: {error}"),
                        )
                        .at(upload.span, "cannot be rendered")
                        .help("use only inputs and `host` in the path"),
                    ),
                }
            }
        }
    }
    paths
}

/// Reports a file that cannot be read.
pub(super) fn unreadable(path: &str, why: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code::NoSuchFile, format!("cannot read `{path}`: {why}"))
        .at(span, "this file")
        .help("check the path: it is relative to the plan (with `--set`, to the current directory)")
}

/// Reads a file; the error is the reason why it cannot be used.
pub(super) fn content(path: &Path, max_bytes: u64) -> Result<Arc<[u8]>, String> {
    // Before it is opened: a pipe without a writer would never open.
    let kind = path.metadata().map_err(|error| words(&error))?;
    if kind.is_dir() {
        return Err("it is a directory".into());
    }
    if !kind.is_file() {
        return Err("it is not a regular file".into());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| words(&error))?;
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|error| words(&error))?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(max_bytes));
    }
    Ok(bytes.into())
}

/// Returns the reason of a file that is too large.
pub(super) fn too_large(max_bytes: u64) -> String {
    let (size, unit) = match max_bytes / 1024 {
        kib @ ..1024 => (kib, "KiB"),
        kib => (kib / 1024, "MiB"),
    };
    format!("it is larger than {size} {unit}")
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}
