//! Templates in separate files: what an upload renders.
//!
//! A plan is read without them, so that it can be read again from its text alone. The stage that
//! reads the files ([`crate::resolve::texts`]) passes their text to this one, which checks it like the
//! templates in the plan: names must exist, and be known when the step runs.

use crate::diagnostic::Diagnostics;
use crate::plan::Plan;
use crate::plan::check::{Texts, known, lists, rendered, secrets, types};
use crate::plan::lower::names;
use crate::template::Template;

/// Returns the paths of the files that uploads render, as the plan has them.
pub fn files(plan: &Plan) -> Vec<&Template> {
    let mut all = Vec::new();
    plan.visit(&mut |step| all.extend(rendered(step)));
    all
}

/// Checks texts; those of paths that are templates are not known yet and may be missing.
pub fn check(plan: &Plan, texts: &Texts, found: &mut Diagnostics) {
    for text in texts.values() {
        names::of_text(plan, text, found);
        lists::text(text, plan, found);
        types::text(plan, text, found);
        secrets::text(text, plan, found);
    }
    known::texts(plan, texts, found);
    if files(plan).iter().all(|path| texts.contains_key(&path.text)) {
        known::unused(plan, &known::used(plan, texts), found);
    }
}
