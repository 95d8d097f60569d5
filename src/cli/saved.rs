//! Saved previews on disk: written by `preview -o`, done by `apply`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::cli::observe::observe;
use crate::cli::print;
use crate::cli::subject::{Subject, load};
use crate::cli::values::Values;
use crate::cli::{Context, Exit, Fault, Stream};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::load::Loaded;
use crate::preview::Preview;
use crate::preview::compare::{Difference, given, observed};
use crate::preview::saved::{Request, Saved, is_saved};
use crate::report::Tone;
use crate::report::text::{clip, count, printable};
use crate::source::Sources;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Differences that are shown, and lines of each side.
const MOST_DIFFERENCES: usize = 20;
const MOST_LINES: usize = 12;

/// Writes a preview to a file that only its owner can read; an older file is replaced as a whole.
pub(super) fn save(
    path: &Path,
    subject: &Subject,
    loaded: &Loaded,
    preview: Preview,
) -> Result<(), Fault> {
    let failed = |error: &dyn std::error::Error| {
        Fault::of(Exit::STORE, format!("cannot write {}", path.display()), error)
    };
    if !is_replaceable(path) {
        let message = format!("{} exists and is not a saved preview", path.display());
        let fault = Fault::new(Exit::INVALID, message);
        return Err(fault.help("the preview was not saved; use another name, or remove the file"));
    }
    let directory = std::env::current_dir().map(|at| at.display().to_string());
    let request = Request {
        plan: subject.plan.display().to_string(),
        inventories: subject.inventory.clone(),
        limit: subject.values.limit.clone(),
        serial: subject.values.serial,
        set: subject.values.set.clone(),
        inputs: subject.values.inputs.as_ref().map(|path| path.display().to_string()),
        directory: directory.unwrap_or_default(),
    };
    let saved = Saved::new(request, loaded, preview);
    let text = saved.text().map_err(|error| failed(&error))?;
    if loaded.plan.secrets.redactor.finds(&text) {
        let why =
            "the preview was not saved: it contains a secret, which the plan or the inventory has";
        return Err(Fault::new(Exit::INVALID, why).help("remove the secret from the plan"));
    }
    let name =
        path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let new = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = write(&new, &text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What is left of it is of no use.
        let _gone = fs::remove_file(&new);
    }
    written.map_err(|error| failed(&error))
}

/// Whether a preview may take the place of what a path names: nothing, or another preview. A link, a device or a file
/// of something else is left alone.
fn is_replaceable(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => {
            let mut start = Vec::new();
            let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
            read.is_ok() && is_saved(&start)
        }
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads a file that `apply` was given; `None` if it is not a saved preview, but a plan.
pub(super) fn read(path: &Path, context: &Context) -> Result<Option<Saved>, Fault> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    let mut bytes = Vec::new();
    let mut start = file.take(64);
    if start.read_to_end(&mut bytes).is_err() || !is_saved(&bytes) {
        return Ok(None);
    }
    let shown = path.display();
    let failed =
        |error| Fault::of(Exit::INVALID, format!("cannot read the preview {shown}"), &error);
    start.into_inner().take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    let read = match std::str::from_utf8(&bytes) {
        Ok(text) => Saved::read(text).map_err(|error| error.to_string()),
        Err(_) => Err("the preview is damaged or was edited: it is not UTF-8".to_owned()),
    };
    match read {
        Ok(saved) => Ok(Some(saved)),
        Err(why) => {
            let fault = Diagnostic::error(Code::PreviewUnreadable, format!("`{shown}`: {why}"));
            Err(refused(
                fault.help("make it again with `planrun preview PLAN -i INV -o FILE`"),
                context,
            ))
        }
    }
}

fn refused(fault: Diagnostic, context: &Context) -> Fault {
    let mut found = Diagnostics::default();
    found.push(fault);
    print::refuse(&found, &Sources::default(), "nothing was changed", context);
    Fault::reported(Exit::INVALID)
}

/// Loads what a saved preview is about, and compares it with the present. Refuses if anything has changed.
pub(super) fn again(
    saved: &Saved,
    asked: &Subject,
    context: &Context,
) -> Result<(Subject, Loaded, Preview), Fault> {
    let values = &asked.values;
    if !asked.inventory.is_empty() || values.limit.is_some() || values.serial.is_some() {
        let why = "a saved preview already has its inventory and its hosts";
        let help = "remove `--inventory`, `--limit` and `--serial`, or save another preview";
        return Err(Fault::new(Exit::INVALID, why).help(help));
    }
    let request = &saved.request;
    let set = request.set.iter().chain(&asked.values.set).cloned().collect();
    let inputs = asked.values.inputs.clone().or(request.inputs.as_ref().map(PathBuf::from));
    let subject = Subject {
        plan: PathBuf::from(&request.plan),
        inventory: request.inventories.clone(),
        patience: asked.patience,
        values: Values { limit: request.limit.clone(), serial: request.serial, set, inputs },
    };
    let loaded = load(&subject, context).inspect_err(|_| {
        let here = std::env::current_dir().map(|at| at.display().to_string());
        let shown = printable(&asked.plan.display().to_string());
        let help = if here.is_ok_and(|here| here != request.directory) {
            let directory = printable(&request.directory);
            format!(
                "paths in the preview are relative to the current directory; it was saved in {directory}"
            )
        } else {
            format!(
                "the preview `{shown}` names these files; if one was moved, make the preview again with \
                 `planrun preview PLAN -i INV -o FILE`"
            )
        };
        context.say(&format!("{} {help}", context.strong("help:")));
    })?;
    let now = Saved::new(request.clone(), &loaded, saved.preview.clone());
    let mut differences = given(saved, &now);
    if saved.preview.planrun != env!("CARGO_PKG_VERSION") {
        differences.insert(
            0,
            Difference {
                about: "planrun".to_owned(),
                before: vec![saved.preview.planrun.clone()],
                after: vec![env!("CARGO_PKG_VERSION").to_owned()],
            },
        );
    }
    if !differences.is_empty() {
        return Err(changed(asked, &differences, context));
    }
    let (preview, exit) = observe(&loaded, &subject)?;
    let differences = observed(&saved.preview, &preview);
    if !differences.is_empty() {
        let fault = changed(asked, &differences, context);
        let is_away = exit != Exit::SUCCEEDED && exit != Exit::INVALID;
        return Err(if is_away { Fault::reported(exit) } else { fault });
    }
    Ok((subject, loaded, preview))
}

/// Shows what has changed.
fn changed(asked: &Subject, differences: &[Difference], context: &Context) -> Fault {
    let style = context.style(Stream::Err);
    let line = |mark: &str, text: &str, tone| {
        let text = clip(&printable(text), style.width.saturating_sub(4).max(40));
        context.say(&format!("  {}", style.paint(tone, &format!("{mark} {text}"))));
    };
    for difference in differences.iter().take(MOST_DIFFERENCES) {
        context.say(&format!("{}:", printable(&difference.about)));
        for (mark, lines, tone) in
            [("-", &difference.before, Tone::Bad), ("+", &difference.after, Tone::Good)]
        {
            for text in lines.iter().take(MOST_LINES) {
                line(mark, text, tone);
            }
            if let Some(more @ 1..) = lines.len().checked_sub(MOST_LINES) {
                line(mark, &format!("... {}", count(more, "more line")), Tone::Quiet);
            }
        }
    }
    if let Some(more @ 1..) = differences.len().checked_sub(MOST_DIFFERENCES) {
        context.say(&format!("... {}", count(more, "more difference")));
    }
    let shown = asked.plan.display();
    let message = format!(
        "the preview `{shown}` no longer applies: {} since it was saved",
        count(differences.len(), "change")
    );
    let fault = Diagnostic::error(Code::PreviewChanged, message);
    let help = "make the preview again with `planrun preview PLAN -i INV -o FILE`, and review it";
    refused(fault.help(help), context)
}
