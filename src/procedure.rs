//! A plan as a procedure: a page that an operator can follow by hand.
//!
//! ```text
//!  Plan ----------.
//!                 +--> numbers --> steps, rollback --> Page -> Markdown, HTML
//!  ResolvedPlan --'    values                     '--> Graph -> Mermaid, SVG
//! ```
//!
//! With an inventory, commands have the values of its hosts; without one, and for what only a run can know,
//! they have named placeholders, which the page explains. Nothing is run and no secret is read. The page
//! depends on the plan and on the inventory alone, so a committed page can be compared.

mod action;
mod head;
mod numbers;
mod steps;
mod undo;
mod values;

use crate::inventory::HostName;
use crate::page::{Block, Graph, GraphStep, Page, Text};
use crate::plan::{Action, Plan, Rollback, Step};
use crate::procedure::numbers::Numbers;
use crate::procedure::values::Values;
use crate::resolve::ResolvedPlan;
use crate::task::Stage;

/// What a procedure is made of.
pub(super) struct Source<'a> {
    plan: &'a Plan,
    /// The plan for the hosts of an inventory, if one was given.
    resolved: Option<&'a ResolvedPlan>,
    /// The plan as the user named it.
    path: &'a str,
    numbers: Numbers<'a>,
    values: Values<'a>,
}

/// Returns a plan as a page, for the hosts of an inventory if the plan was resolved for one.
pub fn page(plan: &Plan, resolved: Option<&ResolvedPlan>, path: &str) -> Page {
    let numbers = Numbers::of(plan);
    let values = Values::new(plan, resolved);
    let source = Source { plan, resolved, path, numbers, values };
    let mut body = head::before(&source);
    for (stage, title) in PARTS {
        body.extend(part(&source, stage, title));
    }
    body.push(undo::rollback(&source));
    body.extend(undo::teardown(&source));
    body.extend(head::after(&source));
    // The texts above have shown which placeholders there are.
    let mut blocks = head::top(&source);
    blocks.extend(head::placeholders(&source));
    blocks.extend(body);
    Page { title: plan.name.as_str().into(), blocks }
}

/// The parts of a procedure, in their order.
const PARTS: [(Option<Stage>, &str); 3] = [
    (Some(Stage::Setup), "Once, before the first host"),
    (None, "For each host"),
    (Some(Stage::Finish), "Once, when every host has succeeded"),
];

fn part(source: &Source<'_>, stage: Option<Stage>, title: &str) -> Option<Block> {
    let hosts = hosts(source, stage);
    let mut blocks = Vec::new();
    if stage.is_none() {
        blocks.extend(head::order(source));
    }
    for step in source.plan.steps_of(stage) {
        steps::step(source, step, &hosts, 0, &mut blocks);
    }
    let is_empty = source.plan.steps_of(stage).is_empty();
    (!is_empty).then(|| Block::section(title, blocks))
}

/// Returns the hosts whose values the steps of a part have; a stage is in the place of a host.
fn hosts(source: &Source<'_>, stage: Option<Stage>) -> Vec<HostName> {
    match (stage, source.resolved) {
        (_, None) => Vec::new(),
        (Some(stage), Some(_)) => vec![stage.host()],
        (None, Some(resolved)) => resolved.hosts.clone(),
    }
}

/// Returns the steps of a plan as a drawing.
pub fn graph(plan: &Plan) -> Graph {
    let numbers = Numbers::of(plan);
    let mut parts = Vec::new();
    for (stage, title) in PARTS {
        let mut steps = Vec::new();
        plan.steps_of(stage).iter().for_each(|step| draw(&numbers, step, 0, &mut steps));
        if !steps.is_empty() {
            parts.push((title.to_owned(), steps));
        }
    }
    Graph { title: format!("The steps of {}", plan.name), parts }
}

fn draw(numbers: &Numbers<'_>, step: &Step, depth: usize, out: &mut Vec<GraphStep>) {
    let title = steps::title(step);
    let path = step.path.to_string();
    let mut drawn = GraphStep::new(&path, numbers.of_step(step), &title);
    drawn.depth = depth;
    drawn.kind = match &step.action {
        Action::Effect(_) | Action::Set(_) => "work",
        Action::Wait(_) => "wait",
        Action::Approve(_) => "question",
        Action::Assert { .. } | Action::Fail(_) => "check",
        Action::Block { .. } => "block",
    };
    drawn.is_conditional = step.when.is_some();
    drawn.is_no_return = step.point_of_no_return.is_some();
    if let Rollback::Handler(handler) = &step.rollback {
        let title = values::with_placeholders(&handler.title);
        drawn.rollback = Some(format!("{}. {title}", numbers.of_step(handler)));
    }
    out.push(drawn);
    if let Action::Block { steps, rescue } = &step.action {
        steps.iter().chain(rescue).for_each(|part| draw(numbers, part, depth + 1, out));
    }
}

/// Returns a check as a list item: its sentence, and its condition.
fn check(check: &crate::plan::Check) -> Text {
    let condition = Text::new().code(&check.condition.text);
    if check.text == check.condition.text {
        return condition;
    }
    Text::new().prose(&check.text).plain(": ").then(condition)
}
