//! Templates in separate files: what an upload renders.
//!
//! A plan is read without them, so that it can be read again from its text alone. The stage that
//! reads the files ([`crate::resolve::texts`]) passes their text to this one, which checks it like the
//! templates in the plan: names must exist, and be known when the step runs.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostics;
use crate::plan::check::{known, lists, secrets, types};
use crate::plan::lower::names;
use crate::plan::{Action, Plan, Step, UploadSource, Work};
use crate::source::Sources;
use crate::template::Template;

/// Texts by the paths that the plan names them by.
pub type Texts = BTreeMap<String, Template>;

/// Returns the paths of the files that uploads render, as the plan has them.
pub fn files(plan: &Plan) -> Vec<&Template> {
    let mut all = Vec::new();
    for step in &plan.steps {
        step.visit(&mut |step| all.extend(rendered(step)));
    }
    all
}

/// Checks texts; those of paths that are templates are not known yet and may be missing.
pub fn check(plan: &Plan, texts: &Texts, sources: &Sources, found: &mut Diagnostics) {
    for text in texts.values() {
        names::of_text(plan, text, found);
        lists::text(text, plan, found);
        types::text(plan, text, found);
        secrets::text(text, plan, sources, found);
    }
    known::texts(plan, texts, found);
    if files(plan).iter().all(|path| texts.contains_key(&path.text)) {
        known::unused(plan, texts, found);
    }
}

/// Returns the path of the file that a step renders, as the plan has it.
pub(super) fn rendered_file(step: &Step) -> Option<&str> {
    rendered(step).map(|path| path.text.as_str())
}

fn rendered(step: &Step) -> Option<&Template> {
    match &step.action {
        Action::Effect(effect) => match &effect.command.work {
            Work::Upload(upload) => match &upload.source {
                UploadSource::Rendered(path) => Some(path),
                UploadSource::File(_) | UploadSource::Content(_) => None,
            },
            Work::Run(_) | Work::Shell(_) => None,
        },
        _ => None,
    }
}
