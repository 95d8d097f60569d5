//! Heuristics about the commands of a plan: what they do is guessed from their words.
//!
//! Each problem has a code of its own. Warnings can be allowed where they are, with a reason:
//! `# planrun: allow(CODE) REASON` ([`allow`](crate::diagnostic::allow)).

mod commands;
mod privileges;
mod probe_effects;
mod rollbacks;
mod sleeps;
mod words;

use crate::diagnostic::Diagnostics;
use crate::document::Node;
use crate::plan::Plan;
use crate::plan::check::placed;
use crate::source::Sources;

/// Checks the commands of a plan; the node is the document it was made of.
pub(super) fn check(node: &Node, plan: &Plan, sources: &Sources, found: &mut Diagnostics) {
    let steps = placed(node, plan);
    for placed in &steps {
        commands::check(placed.step, sources, found);
    }
    probe_effects::check(plan, found);
    privileges::check(plan, sources, found);
    rollbacks::check(plan, found);
    for placed in &steps {
        sleeps::check(placed, found);
    }
}
