//! `uninterruptible` blocks: no questions, no unknown outcomes, and fast rescues and rollbacks.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::duration;
use crate::plan::check::{ADD_DONE_WHEN, OR_IDEMPOTENT};
use crate::plan::longest::Longest;
use crate::plan::{
    Action, Deferred, InputKind, OnFailure, OnTimeout, Plan, Rollback, Step, Wait, longest,
};
use crate::schema::one_of;

/// Reports questions and uncertain effects in blocks that must be completed.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    blocks(plan, &mut |block, longest| {
        block.visit_sound(&mut |step| inside(plan, block, step, longest, found));
        if !longest.unbounded.is_empty() {
            let texts: Vec<&str> = longest.unbounded.iter().map(String::as_str).collect();
            let (known, texts) = (duration::show(longest.known), one_of(&texts));
            let message = "this uninterruptible block has no upper time limit";
            Diagnostic::warning(Code::UnboundedUninterruptible, message)
                .at(block.span, format!("takes {known} plus {texts}, which has no maximum"))
                .help("add `max` to the input, or write a fixed time")
                .emit(found);
        }
        ways_out(plan, block, found);
    });
}

/// Reports for how long each block cannot be interrupted; without a limit it is a warning.
pub fn notes(plan: &Plan, found: &mut Diagnostics) {
    blocks(plan, &mut |block, longest| {
        if longest.unbounded.is_empty() {
            longest_time(plan, block, longest).emit(found);
        }
    });
}

/// Calls a function on every block that cannot be interrupted, with the longest time that it takes.
fn blocks<'a>(plan: &'a Plan, see: &mut dyn FnMut(&'a Step, &Longest)) {
    plan.visit_sound(&mut |block| {
        if block.uninterruptible.is_some() && matches!(block.action, Action::Block { .. }) {
            see(block, &longest::of_one(plan, block));
        }
    });
}

fn longest_time(plan: &Plan, block: &Step, longest: &Longest) -> Diagnostic {
    let time = duration::show(longest.known);
    let each = if block.for_each.is_some() { " for each item" } else { "" };
    let parts = longest::of_parts(plan, block).known;
    let rescue = longest.known.saturating_sub(parts);
    let mut shares = String::new();
    if !rescue.is_zero() {
        let (parts, rescue) = (duration::show(parts), duration::show(rescue));
        shares = format!("{parts} for its steps, then {rescue} for `rescue`; ");
    }
    let message = format!("`{}` cannot be interrupted for up to {time}{each}", block.title);
    Diagnostic::note(Code::UninterruptibleTime, message)
        .at(block.span, format!("{shares}probes and lost connections can add to it"))
}

/// Reports a rescue or a handler that can take longer than the block it belongs to: users wait for
/// it, too.
fn ways_out(plan: &Plan, block: &Step, found: &mut Diagnostics) {
    let parts = longest::of_parts(plan, block);
    if !parts.unbounded.is_empty() {
        return;
    }
    let mut ways = Vec::new();
    if let Action::Block { rescue, .. } = &block.action
        && let Some(first) = rescue.first()
    {
        ways.push((first.span, "the rescue".to_owned(), longest::longest(plan, rescue)));
    }
    block.visit_sound(&mut |step| {
        if let Rollback::Handler(handler) = &step.rollback {
            let name = format!("the rollback of `{}`", step.title);
            ways.push((handler.span, name, longest::longest(plan, [&**handler])));
        }
    });
    for (span, name, way) in ways {
        if way.known <= parts.known {
            continue;
        }
        let (way, bound) = (duration::show(way.known), duration::show(parts.known));
        Diagnostic::warning(
            Code::SlowWayOut,
            format!("{name} can take {way}, longer than its uninterruptible block"),
        )
        .at(span, format!("up to {way}, including all attempts"))
        .also(block.span, format!("this block cannot be interrupted for up to {bound}"))
        .help("lower its `timeout`, `within` or `retry`, or raise the `timeout` of the block")
        .emit(found);
    }
}

fn inside(plan: &Plan, block: &Step, step: &Step, longest: &Longest, found: &mut Diagnostics) {
    let what = match &step.action {
        Action::Approve(_) => Some("`approve` waits for the operator".to_owned()),
        Action::Wait(wait) => match wait.as_ref() {
            Wait::Until { on_timeout, .. } => asks(plan, on_timeout),
            Wait::For(_) => None,
        },
        Action::Effect(effect) if effect.done_when.is_none() && !effect.idempotent => {
            let title = &step.title;
            let message = format!("a lost connection could leave the outcome of `{title}` unknown");
            Diagnostic::error(Code::UncertainInUninterruptible, message)
                .at(step.span, "no `done_when` or `idempotent`")
                .also(block.span, "this block cannot be interrupted")
                .help(ADD_DONE_WHEN)
                .help(OR_IDEMPOTENT)
                .emit(found);
            None
        }
        _ => None,
    };
    let asked = match &step.action {
        Action::Effect(effect) => plan.asked(&effect.command).next(),
        _ => None,
    };
    let what = what.or(asked.map(|name| format!("waits until the secret `{name}` is typed")));
    let hold = step.on_failure == Some(OnFailure::Hold);
    let hold = hold.then(|| "`on_failure: hold` waits for the operator".to_owned());
    if let Some(what) = what.or(hold) {
        let known = duration::show(longest.known);
        let time = match longest.unbounded.as_slice() {
            [] => format!("up to {known}"),
            _ => format!("{known} or more"),
        };
        let message =
            format!("`{}` may wait for an operator inside an uninterruptible block", step.title);
        Diagnostic::error(Code::QuestionInUninterruptible, message)
            .at(step.span, what)
            .also(block.span, format!("this block cannot be interrupted for {time}"))
            .help("ask before or after the block")
            .emit(found);
    }
}

fn asks(plan: &Plan, on_timeout: &Deferred<OnTimeout>) -> Option<String> {
    match on_timeout {
        Deferred::Now(OnTimeout::Ask) => {
            Some("`on_timeout: ask` waits for the operator".to_owned())
        }
        Deferred::Now(_) => None,
        Deferred::Template(template) => {
            let name = template.whole_variable()?;
            let InputKind::Enum(words) = &plan.inputs.get(&name)?.kind else { return None };
            let asks = words.iter().any(|word| word == "ask");
            asks.then(|| format!("waits for the operator if `{name}` is `ask`"))
        }
    }
}
