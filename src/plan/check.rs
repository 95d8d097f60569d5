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
mod min_duration;
mod retries;
mod rollback;
mod secrets;
pub mod texts;
mod types;
pub mod uninterruptible;
mod waits;

use std::collections::{BTreeMap, HashSet};

use crate::diagnostic::Diagnostics;
use crate::document::Node;
use crate::plan::{Action, Plan, Rollback, Step, UploadSource};
use crate::source::Sources;
use crate::template::Template;

/// The files that uploads render, by the paths that the plan names them by.
pub type Texts = BTreeMap<String, Template>;

/// Checks a plan; the node is the document it was made of, `used` are the names that it
/// uses, as far as it could be read.
pub(super) fn check(
    node: &Node,
    plan: &Plan,
    used: &HashSet<String>,
    sources: &Sources,
    found: &mut Diagnostics,
) {
    for placed in placed(node, plan) {
        keys::check(&placed, found);
        waits::check(&placed, found);
        min_duration::check(&placed, found);
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
    secrets::check(plan, sources, found);
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
}

/// Returns all steps that could be read, handlers and rescues included, with their nodes.
pub(super) fn placed<'a>(node: &'a Node, plan: &'a Plan) -> Vec<Placed<'a>> {
    let mut all = Vec::new();
    pair_list(node.get("steps"), &plan.steps, false, &mut all);
    all
}

fn pair_list<'a>(
    nodes: Option<&'a Node>,
    steps: &'a [Step],
    handler: bool,
    all: &mut Vec<Placed<'a>>,
) {
    let nodes = nodes.map(Node::items).unwrap_or_default();
    for (node, step) in nodes.iter().zip(steps) {
        pair(node, step, handler, all);
    }
}

fn pair<'a>(node: &'a Node, step: &'a Step, handler: bool, all: &mut Vec<Placed<'a>>) {
    if step.is_poisoned {
        return;
    }
    all.push(Placed { node, step, handler });
    if let Action::Block { steps, rescue } = &step.action {
        pair_list(node.get("block"), steps, handler, all);
        pair_list(node.get("rescue"), rescue, handler, all);
    }
    if let (Rollback::Handler(way_back), Some(node)) = (&step.rollback, node.get("rollback")) {
        pair(node, way_back, true, all);
    }
}

/// Returns the path of the file that a step renders, as the plan has it.
fn rendered(step: &Step) -> Option<&Template> {
    match &step.upload()?.source {
        UploadSource::Rendered(path) => Some(path),
        UploadSource::File(_) | UploadSource::Content(_) => None,
    }
}
