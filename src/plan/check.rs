//! Checks that need the whole plan: a missing rollback, a name that is not known yet, a key that
//! cannot be combined with an action.
//!
//! A plan comes in whose names are all resolved, with its document, which has what was written
//! out and what is a default. Nothing goes out but diagnostics. Whether hosts and groups exist is
//! not known here: [`crate::resolve`] knows that.

mod claims;
mod each;
mod handlers;
mod keys;
mod known;
mod lists;
mod logic;
mod min_duration;
mod rollback;
mod rounds;
mod secrets;
pub mod texts;
mod types;
pub mod uninterruptible;
mod waits;

use std::collections::{BTreeMap, HashSet};

use crate::diagnostic::Diagnostics;
use crate::document::Node;
use crate::plan::{Action, ItemList, Plan, Rollback, Step, UploadSource, Work};
use crate::source::Sources;
use crate::template::expression::Expression;
use crate::template::{Name, Template};

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
    rounds::check(plan, found);
    types::check(plan, found);
    logic::check(plan, found);
    claims::check(plan, found);
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

/// Returns the expressions of a step itself, its parts, its handlers and the list of its
/// `for_each` left out.
pub(crate) fn expressions(step: &Step) -> Vec<&Expression> {
    let mut all: Vec<&Expression> = step.when.iter().map(AsRef::as_ref).collect();
    all.extend(step.requires.iter().map(|claim| claim.condition.as_ref()));
    match &step.action {
        Action::Effect(effect) => all.extend(effect.done_when.as_deref()),
        Action::Wait(wait) => {
            if let super::Wait::Until { until, .. } = wait.as_ref() {
                all.push(until);
            }
        }
        Action::Assert { claims, .. } => {
            all.extend(claims.iter().map(|claim| claim.condition.as_ref()));
        }
        Action::Set(values) => all.extend(values.iter().map(|(_, value)| value.as_ref())),
        Action::Approve(_) | Action::Block { .. } | Action::Fail(_) => {}
    }
    all
}

/// Returns the names that the list of a `for_each` is made of.
fn listed(step: &Step) -> Vec<&Name> {
    let list = step.for_each.as_ref().map(|each| &each.list);
    let templates = list.into_iter().flat_map(ItemList::templates);
    let names = templates.flat_map(|template| &template.names);
    let expression = list.and_then(ItemList::expression);
    let expression = expression.into_iter().flat_map(|list| &list.names);
    expression.chain(names).collect()
}

/// Returns the texts of a step itself, its parts, its handlers and the list of its
/// `for_each` left out.
pub(crate) fn templates(step: &Step) -> Vec<&Template> {
    use super::Deferred;
    let mut all = Vec::new();
    let rounds = step.rounds.as_ref();
    all.extend(rounds.and_then(|rounds| rounds.delay.template()));
    all.extend(step.timeout.as_ref().and_then(Deferred::template));
    match &step.action {
        Action::Effect(effect) => {
            all.extend(command_templates(&effect.command));
            all.extend(
                [&effect.within, &effect.retry.delay].into_iter().filter_map(Deferred::template),
            );
        }
        Action::Wait(wait) => match wait.as_ref() {
            super::Wait::For(time) => all.extend(time.template()),
            super::Wait::Until { at_least, timeout, every, stable_for, on_timeout, .. } => {
                let times = [at_least, timeout, every, stable_for];
                all.extend(times.into_iter().filter_map(Deferred::template));
                all.extend(on_timeout.template());
            }
        },
        Action::Assert { within, .. } => all.extend(within.template()),
        Action::Approve(text) | Action::Fail(text) => all.push(text),
        Action::Set(_) | Action::Block { .. } => {}
    }
    all
}

/// Returns the texts of a command.
pub(crate) fn command_templates(command: &super::CommandSpec) -> Vec<&Template> {
    let mut all: Vec<&Template> = match &command.work {
        Work::Run(words) => words.iter().collect(),
        Work::Shell(script) => vec![script],
        Work::Upload(upload) => vec![upload.source.template(), &upload.to],
    };
    all.extend(command.env.values());
    all.extend(&command.dir);
    all.extend(&command.stdin);
    all.extend(command.circumstances());
    all.extend(command.timeout.template());
    all
}

/// Returns the path of the file that a step renders, as the plan has it.
fn rendered(step: &Step) -> Option<&Template> {
    match &step.upload()?.source {
        UploadSource::Rendered(path) => Some(path),
        UploadSource::File(_) | UploadSource::Content(_) => None,
    }
}
