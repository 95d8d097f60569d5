//! Checks that need the whole plan: a missing rollback, a name that is not known yet, a key that
//! cannot be combined with an action.
//!
//! A plan comes in whose names are all resolved, with its document, which has what was written
//! out and what is a default. Nothing goes out but diagnostics. Whether hosts and groups exist is
//! not known here: [`crate::resolve`] knows that.

mod constant;
mod each;
mod handlers;
mod keys;
mod known;
mod lists;
mod logic;
mod retries;
mod rollback;
mod secrets;
mod stages;
pub mod texts;
mod times;
mod types;
pub mod uninterruptible;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::diagnostic::Diagnostics;
use crate::document::Node;
use crate::plan::{Plan, Role, Step, UploadSource};
use crate::source::Span;
use crate::task::Stage;
use crate::template::Template;

/// The helps for an effect of which nothing shows whether it has worked.
pub(super) const ADD_DONE_WHEN: &str =
    "add `done_when: CONDITION`, the condition that is true once the step has worked";
const OR_IDEMPOTENT: &str = "or add `idempotent: true` if running it twice is harmless";

/// The files that uploads render, by the paths that the plan names them by.
pub type Texts = BTreeMap<String, Template>;

/// Checks a plan; the node is the document it was made of, `used` are the names that it
/// uses, as far as it could be read.
pub(super) fn check(node: &Node, plan: &Plan, used: &HashSet<String>, found: &mut Diagnostics) {
    for placed in placed(node, plan) {
        keys::check(&placed, found);
        times::check(&placed, found);
    }
    rollback::check(plan, found);
    each::check(plan, found);
    known::check(plan, found);
    uninterruptible::check(plan, found);
    retries::check(plan, found);
    types::check(plan, found);
    logic::check(plan, found);
    constant::check(plan, found);
    handlers::check(plan, found);
    lists::check(plan, found);
    stages::check(plan, found);
    secrets::check(plan, found);
    // A name may be used by a text that is read later, or by steps that could not be read.
    if texts::files(plan).is_empty() && !plan.steps.is_empty() {
        known::unused(plan, used, found);
    }
}

/// A step with the node it was made of.
pub(super) struct Placed<'a> {
    pub(super) node: &'a Node,
    pub(super) step: &'a Step,
    /// Whether it belongs to a rollback.
    handler: bool,
    /// The stage it is in.
    stage: Option<Stage>,
}

/// Returns all steps that could be read, handlers and rescues included, with their nodes.
pub(super) fn placed<'a>(node: &'a Node, plan: &'a Plan) -> Vec<Placed<'a>> {
    let mut nodes = HashMap::new();
    let lists = ["setup", "steps", "finish"].into_iter().filter_map(|key| node.get(key));
    lists.for_each(|steps| mappings(steps, &mut nodes));
    let mut all = Vec::new();
    plan.visit_sound(&mut |step| {
        let around = plan.around(&step.path);
        let handler = around.iter().any(|(_, role)| *role == Role::Handler);
        let stage = plan.stage_of(&step.path);
        all.extend(nodes.get(&step.span).map(|node| Placed { node, step, handler, stage }));
    });
    all
}

/// Collects the mappings in a node, by their first keys.
fn mappings<'a>(node: &'a Node, all: &mut HashMap<Span, &'a Node>) {
    all.extend(node.entries().first().map(|entry| (entry.key_span, node)));
    let values = node.entries().iter().map(|entry| &entry.value);
    values.chain(node.items()).for_each(|inner| mappings(inner, all));
}

/// Returns the path of the file that a step renders, as the plan has it.
fn rendered(step: &Step) -> Option<&Template> {
    match &step.upload()?.source {
        UploadSource::Rendered(path) => Some(path),
        UploadSource::File(_) | UploadSource::Content(_) => None,
    }
}
