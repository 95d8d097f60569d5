//! The files that uploads render: read and checked as the plan's own texts are.
//!
//! A file whose path is written out is checked with the plan, without an inventory. If the path
//! is a template, it is known only with hosts and inputs. A text whose names are all known before
//! the run is rendered once for each host, so that what is missing is found before anything is sent.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::file;
use crate::file::ReadError;
use crate::inventory::HostName;
use crate::plan::check::{Texts, texts};
use crate::plan::{Plan, UploadSource};
use crate::resolve::items::each_upload;
use crate::resolve::{Inputs, ResolvedPlan, files};
use crate::source::{Sources, Span};
use crate::template::{Mode, Names, Template, Written};

/// Maximum size of a file that is rendered, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Checks the files that a plan names by paths that are written out.
pub fn check(plan: &Plan, plan_dir: &Path, sources: &mut Sources, found: &mut Diagnostics) {
    let paths = texts::files(plan).into_iter();
    let paths: BTreeMap<&str, Span> =
        paths.filter(|path| path.is_plain()).map(|path| (path.text.as_str(), path.span)).collect();
    let mut all = Texts::new();
    for (path, span) in paths {
        match sources.files().read_regular(&plan_dir.join(path), MAX_BYTES) {
            Ok(bytes) => {
                all.extend(parse(path, &bytes, span, plan_dir, sources, found));
            }
            Err(error) => found.push(files::unreadable(path, &error, span)),
        }
    }
    texts::check(plan, &all, found);
}

/// Returns the text of a file with its path as in the plan; `None` if it is not text.
fn parse(
    path: &str,
    bytes: &[u8],
    span: Span,
    plan_dir: &Path,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<(String, Template)> {
    let text = match file::text(bytes.to_vec()) {
        Ok(text) => text,
        Err(error) => {
            let fault = files::unreadable(path, &error, span);
            found.push(fault.help("or upload it unchanged with `from`"));
            return None;
        }
    };
    let id = sources.add(plan_dir.join(path).display().to_string(), text);
    Some((path.to_owned(), Template::of_source(id, sources, found)))
}

/// Checks the files whose paths became known by now, and renders what can be rendered. Returns what
/// is in them.
pub(super) fn of_hosts(
    resolved: &ResolvedPlan,
    given: &Inputs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Vec<Template> {
    let mut parsed = Parsed {
        resolved,
        plan_dir: &given.plan_dir,
        texts: BTreeMap::new(),
        reported: HashSet::new(),
    };
    each_upload(resolved, &mut |host, source, names| match source {
        UploadSource::File(_) => {}
        UploadSource::Content(text) => {
            if let Some(fault) = fault(text, names, host) {
                fault.emit(found);
            }
        }
        UploadSource::Rendered(path) => {
            if let Ok(place) = path.render(Mode::Word, names)
                && let Some(text) = parsed.text(&place, path, sources, found)
                && let Some(fault) = fault(text, names, host)
                && parsed.reported.insert(place)
            {
                fault.emit(found);
            }
        }
    });
    parsed.texts.into_values().flatten().collect()
}

/// The files that were parsed.
struct Parsed<'a> {
    resolved: &'a ResolvedPlan,
    plan_dir: &'a Path,
    texts: BTreeMap<String, Option<Template>>,
    /// Files that were reported as not renderable: once is enough.
    reported: HashSet<String>,
}

impl Parsed<'_> {
    fn text(
        &mut self,
        place: &str,
        path: &Template,
        sources: &mut Sources,
        found: &mut Diagnostics,
    ) -> Option<&Template> {
        let bytes = self.resolved.files.get(place)?;
        if !self.texts.contains_key(place) {
            let text = self.parse(place, bytes, path, sources, found);
            self.texts.insert(place.to_owned(), text);
        }
        self.texts.get(place)?.as_ref()
    }

    fn parse(
        &self,
        place: &str,
        bytes: &[u8],
        path: &Template,
        sources: &mut Sources,
        found: &mut Diagnostics,
    ) -> Option<Template> {
        if bytes.len() > MAX_BYTES {
            found.push(files::unreadable(place, &ReadError::TooLarge(MAX_BYTES), path.span));
            return None;
        }
        let mut own = Diagnostics::default();
        let (_, text) = parse(place, bytes, path.span, self.plan_dir, sources, &mut own)?;
        // A path that is written out was checked with the plan.
        if !path.is_plain() {
            let texts = Texts::from([(path.text.clone(), text.clone())]);
            texts::check(&self.resolved.plan, &texts, &mut own);
            let sound = !own.has_errors();
            found.extend(own);
            return sound.then_some(text);
        }
        (!own.has_errors()).then_some(text)
    }
}

/// Renders a text if all its names are known; what comes out is not needed yet. Returns what is wrong.
fn fault(text: &Template, names: &Names, host: &HostName) -> Option<Diagnostic> {
    if !text.names.iter().all(|name| names.contains_key(&name.name)) {
        return None;
    }
    let error = text.render(Mode::Text, names).err()?;
    let span = error.range.clone().and_then(|range| Some(text.bytes()?.span(range)));
    let message = format!("cannot render this template for {host}: {error}");
    let fault = Diagnostic::error(Code::TemplateFails, message)
        .at(span.unwrap_or(text.span), "rendered here");
    Some(fault.help("define the missing value, or check it first: `{% if NAME is defined %}`"))
}
