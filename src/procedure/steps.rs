//! One step of a procedure: what to do, what to observe, and what if it fails.

use crate::inventory::HostName;
use crate::page::{Block, Step as PageStep, Text, anchor};
use crate::plan::{
    Action, Become, Deferred, ForEach, ItemList, OnFailure, OnUnknown, Rollback, Step, Target,
};
use crate::procedure::values::{shown, with_placeholders};
use crate::procedure::{Source, action, check};

/// Adds a step and all that is in it.
pub(super) fn step(
    source: &Source<'_>,
    step: &Step,
    hosts: &[HostName],
    depth: usize,
    out: &mut Vec<Block>,
) {
    let mut blocks = action::blocks(source, step, hosts);
    let mut items = Vec::new();
    items.extend(
        step.requires
            .iter()
            .map(|one| Text::new().strong("First check").plain(" ").then(check(one))),
    );
    items.extend(action::observe(source, step, hosts));
    items.extend(failure(source, step, hosts));
    blocks.extend(Block::list(items));
    out.push(Block::Step(PageStep {
        id: anchor(&step.path.to_string()),
        number: source.numbers.of_step(step).to_owned(),
        title: Text::new().plain(&title(step)),
        about: about(source, step),
        blocks,
        depth,
    }));
    if let Action::Block { steps, rescue } = &step.action {
        for part in steps {
            self::step(source, part, hosts, depth + 1, out);
        }
        if !rescue.is_empty() {
            let number = source.numbers.of_step(step);
            let text = format!("If a part of step {number} fails, do this:");
            out.push(Block::paragraph(Text::new().strong(&text)));
            for part in rescue {
                self::step(source, part, hosts, depth + 1, out);
            }
        }
    }
}

/// Returns the name of a step. One without a name that the reader can use gets one by its action.
pub(super) fn title(step: &Step) -> String {
    let is_word = step.title == step.action_word();
    let title = match &step.action {
        Action::Fail(_) if is_word => "Stop",
        Action::Block { .. } if is_word => "Do these steps",
        Action::Effect(_) if step.title.contains("{{") => "Run this command",
        Action::Approve(_) if step.title.contains("{{") => "Ask for approval",
        _ => step.title.as_str(),
    };
    with_placeholders(title)
}

/// Under which condition, for what, where and as whom.
fn about(source: &Source<'_>, step: &Step) -> Text {
    let mut out = Text::new();
    out = out.and("", step.id.as_deref().map(|id| Text::new().code(id)).unwrap_or_default());
    if let Some(each) = &step.for_each {
        out = out.and(" · ", for_each(each));
    }
    if let Some(effect) = step.effect() {
        out = out.and(" · ", place(&effect.target));
        out = out.and(" · ", user(source, effect.command.r#become.as_ref()));
    }
    if let Some(when) = &step.when {
        out = out.and(" · ", Text::new().strong("only if ").code(&when.text));
    }
    out
}

fn for_each(each: &ForEach) -> Text {
    match &each.list {
        ItemList::Written(items) => {
            let shown = |item: &Deferred<serde_json::Value>| match item {
                Deferred::Now(value) => {
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                }
                Deferred::Template(template) => with_placeholders(&template.text),
            };
            let items: Vec<String> = items.iter().map(shown).collect();
            Text::new().plain("once for each of ").code(&items.join(", "))
        }
        ItemList::Expression(list) => Text::new().plain("once for each item of ").code(&list.text),
        ItemList::HostsOf(group, _) => Text::new().plain("once for each host of ").code(group),
    }
}

/// Returns where a command runs; nothing if it is the host itself.
pub(super) fn place(target: &Target) -> Text {
    match target {
        Target::Here => Text::new(),
        Target::Host(name, _) => Text::new().plain("on ").code(name),
        Target::Item(_) => Text::new().plain("on the host that is the item"),
        Target::OneOf(group, _) => Text::new().plain("on any one of ").code(group),
        Target::EachOf(group, _) => Text::new().plain("on each of ").code(group),
        Target::RowsOf(group, _) => {
            Text::new().plain("on each of ").code(group).plain(" that answers")
        }
    }
}

pub(super) fn user(source: &Source<'_>, becomes: Option<&Become>) -> Text {
    match becomes {
        Some(Become::Yes(None)) => "as root".into(),
        Some(Become::Yes(Some(user))) => {
            let user = source.values.deferred(user, None, Clone::clone);
            match user.as_str() {
                "true" => "as root".into(),
                "false" => Text::new(),
                user => Text::new().plain("as ").code(user),
            }
        }
        Some(Become::No) => "as the login user".into(),
        None => Text::new(),
    }
}

/// What if it fails, and what undoes it.
fn failure(source: &Source<'_>, step: &Step, hosts: &[HostName]) -> Vec<Text> {
    let mut out = Vec::new();
    if let Some(why) = &step.uninterruptible {
        out.push(Text::new().strong("Do not stop inside of this step").plain(": ").prose(why));
    }
    if let Some(retry) = &step.retry {
        let delay = source.values.deferred_on(&retry.delay, hosts, shown);
        let text = format!(" {} attempts in all, ", retry.attempts);
        out.push(Text::new().strong("If a part fails").plain(&text).then(delay).plain(" apart"));
    }
    if let Some(timeout) = &step.timeout {
        let timeout = source.values.deferred_on(timeout, hosts, shown);
        out.push(Text::new().strong("Time limit").plain(" of all its parts: ").then(timeout));
    }
    match &step.on_failure {
        Some(OnFailure::Continue(why)) => {
            out.push(Text::new().strong("If it fails").plain(", continue: ").prose(why));
        }
        Some(OnFailure::Hold) => {
            out.push(Text::new().strong("If it fails").plain(", stop and decide"));
        }
        Some(OnFailure::Rollback) => {
            out.push(Text::new().strong("If it fails").plain(", roll back this host"));
        }
        None => {}
    }
    if step.effect().is_some() && step.on_unknown == OnUnknown::Fail {
        out.push(
            Text::new()
                .strong("If you cannot tell whether it took effect")
                .plain(", it has failed"),
        );
    }
    match &step.rollback {
        Rollback::Handler(handler) => {
            let word = if handler.is_teardown { "Teardown" } else { "Rollback" };
            let number = source.numbers.of_step(handler);
            out.push(Text::new().strong(word).plain(": ").link(number, &handler.path.to_string()));
        }
        Rollback::None(why) => {
            out.push(Text::new().strong("Rollback").plain(": nothing to undo; ").prose(why));
        }
        Rollback::Unsaid => {}
    }
    if let Some(point) = &step.point_of_no_return {
        let of = if point.all_hosts { " of all hosts" } else { "" };
        let text = Text::new().strong("Point of no return").plain(of).plain(": ").prose(&point.why);
        out.push(text.plain(". After this step, undo nothing"));
    }
    out
}
