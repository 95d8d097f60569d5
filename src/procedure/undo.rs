//! What undoes the steps, in the order in which a rollback does it, and what runs at the end of a run.

use crate::page::{Block, Text, Tone};
use crate::plan::{Rollback, Step};
use crate::procedure::steps::title;
use crate::procedure::{Source, hosts, steps};

pub(super) fn rollback(source: &Source<'_>) -> Block {
    let mut blocks = Vec::new();
    let all = &source.numbers.undos;
    let none = nothing_to_undo(source);
    if all.is_empty() {
        blocks.push(Block::paragraph(
            "If a step fails, stop and start no other host: no step has a rollback.",
        ));
    } else {
        let text = "If a step fails, undo the steps that may have run on this host, in this order. Leave out what \
                    belongs to steps that have not started, were skipped, or changed nothing. Start no other host.";
        blocks.push(Block::paragraph(text));
    }
    let points = no_returns(source);
    if !points.is_empty() {
        let text = Text::new().strong("Point of no return").plain(": once step ").then(points);
        let text = text.plain(" is done, undo nothing on this host; decide about each failure.");
        blocks.push(Block::Note(Tone::Warn, text));
    }
    undos(source, all, &mut blocks);
    if let Some(list) = Block::list(none) {
        blocks.push(Block::paragraph("These steps need no rollback:"));
        blocks.push(list);
    }
    Block::section("If a step fails: rollback", blocks)
}

pub(super) fn teardown(source: &Source<'_>) -> Option<Block> {
    let text =
        "Do this at the end, also after a failure, if the step that it belongs to may have run.";
    let mut blocks = vec![Block::paragraph(text)];
    undos(source, &source.numbers.teardowns, &mut blocks);
    (!source.numbers.teardowns.is_empty()).then(|| Block::section("Teardown", blocks))
}

fn undos(source: &Source<'_>, all: &[(&Step, &Step)], blocks: &mut Vec<Block>) {
    for (step, handler) in all {
        let hosts = hosts(source, source.plan.stage_of(&step.path));
        let at = blocks.len();
        steps::step(source, handler, &hosts, 0, blocks);
        if let Some(Block::Step(first)) = blocks.get_mut(at) {
            let number = source.numbers.of_step(step);
            let of = Text::new().plain("undoes step ").link(number, &step.path.to_string());
            first.title = Text::new().plain("Undo: ").plain(&title(step));
            first.about = of.and(" · ", std::mem::take(&mut first.about));
        }
    }
}

fn nothing_to_undo(source: &Source<'_>) -> Vec<Text> {
    let mut out = Vec::new();
    source.plan.visit(&mut |step| {
        if let Rollback::None(why) = &step.rollback {
            let number = source.numbers.of_step(step);
            let text = Text::new().link(number, &step.path.to_string()).plain(": ").prose(why);
            out.extend((!number.is_empty()).then_some(text));
        }
    });
    out
}

/// The steps after which nothing is undone.
pub(super) fn no_returns(source: &Source<'_>) -> Text {
    let mut out = Text::new();
    source.plan.visit(&mut |step| {
        if step.point_of_no_return.is_some() {
            let number = Text::new().link(source.numbers.of_step(step), &step.path.to_string());
            out = std::mem::take(&mut out).and(" or ", number);
        }
    });
    out
}
