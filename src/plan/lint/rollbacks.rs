//! Rollbacks that cannot work where they are: a rollback undoes the steps of a host in reverse order.
//!
//! - A command that puts files into effect (a restart) is undone before a file that was uploaded earlier is put
//!   back, so the new file stays in effect. Which commands do that is known if the step and its rollback run the
//!   same command, or by a word of it (`words.tsv`).
//! - A rollback checks every host of a group that the run works on. The others are rolled back later, and so are
//!   the earlier steps of this host.
//! - The `when` of a rollback uses a probe that fails if what it asks is down. An unknown `when` fails, and the
//!   host is stuck.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::lint::words::commands;
use crate::plan::{
    Action, ExitCodes, NamedExpression, Plan, Probe, Rollback, Step, Target, Wait, Work,
};
use crate::source::Span;
use crate::table::lines;
use crate::template::expression::{Expr, ExprKind, Expression};

const WORDS: &str = include_str!("words.tsv");

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    sequence(&plan.steps, &mut Vec::new(), found);
    plan.visit_sound(&mut |step| {
        if let Rollback::Handler(handler) = &step.rollback {
            handler.visit(&mut |part| {
                all_hosts(plan, part, found);
                unknown_when(plan, part, found);
            });
        }
    });
}

/// Walks through steps in order; `before` are uploads that are undone later than the present step.
fn sequence<'p>(steps: &'p [Step], before: &mut Vec<&'p Step>, found: &mut Diagnostics) {
    for step in steps.iter().filter(|step| !step.is_poisoned) {
        too_early(step, before, found);
        match &step.action {
            // Its own rollback comes after those of its parts, so it may put their files into effect.
            Action::Block { steps, .. } if !undoes_with(step, puts_into_effect) => {
                sequence(steps, before, found);
            }
            Action::Block { .. } => {}
            _ => before.extend(Some(step).filter(|step| {
                let has_handler = matches!(step.rollback, Rollback::Handler(_));
                step.upload().is_some() && has_handler && !undoes_with(step, puts_into_effect)
            })),
        }
    }
}

/// Reports a step whose rollback puts files into effect before they are put back.
fn too_early(step: &Step, before: &[&Step], found: &mut Diagnostics) {
    let Rollback::Handler(handler) = &step.rollback else { return };
    let Some(effect) = step.effect() else { return };
    let again = |part: &Step| {
        part.effect().is_some_and(|undo| {
            puts_into_effect(part) || is_same(&effect.command.work, &undo.command.work)
        })
    };
    // What a rollback does before may put the file back itself.
    let mut first = None;
    handler.visit(&mut |part| first = first.or(part.effect().map(|_| again(part))));
    if step.upload().is_some() || first != Some(true) {
        return;
    }
    let is_there = |upload: &&&Step| {
        upload.effect().is_some_and(|upload| is_same_place(&upload.target, &effect.target))
    };
    let Some(upload) = before.iter().rev().find(is_there) else { return };
    let message = format!("rollback of `{}` runs before the old file is put back", step.title);
    Diagnostic::warning(Code::RollbackOrder, message)
        .at(handler.span, "the new file stays in effect")
        .also(upload.span, "put back later: a rollback goes in reverse order")
        .help("put it into the rollback of the upload: `rollback: {block: [RESTORE, RESTART]}`")
        .help("or into the rollback of a block around both, which runs after those of its parts")
        .emit(found);
}

/// Whether a step or a part of it fits.
fn contains(step: &Step, fits: impl Fn(&Step) -> bool) -> bool {
    let mut is_found = false;
    step.visit(&mut |part| is_found |= fits(part));
    is_found
}

/// Whether the rollback of a step has a part that fits.
fn undoes_with(step: &Step, fits: impl Fn(&Step) -> bool) -> bool {
    match &step.rollback {
        Rollback::Handler(handler) => contains(handler, fits),
        Rollback::Unsaid | Rollback::None(_) => false,
    }
}

/// Whether a command makes a program read its files again, by a word of it.
fn puts_into_effect(step: &Step) -> bool {
    let Some(effect) = step.effect() else { return false };
    let is_one = |word: &&str| lines(WORDS).any(|known| known == *word);
    commands(&effect.command.work).iter().any(|command| command.words.iter().skip(1).any(&is_one))
}

fn is_same(work: &Work, other: &Work) -> bool {
    let text = |work: &Work| -> Option<String> {
        match work {
            Work::Run(words) => {
                Some(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("\0"))
            }
            Work::Shell(script) => Some(script.text.clone()),
            Work::Upload(_) => None,
        }
    };
    text(work).is_some_and(|one| text(other) == Some(one))
}

fn is_same_place(one: &Target, other: &Target) -> bool {
    match (one, other) {
        (Target::Here, Target::Here) | (Target::Item(_), Target::Item(_)) => true,
        (one, other) => one.name().is_some() && one.name() == other.name(),
    }
}

/// Reports a part of a rollback that checks all hosts of the run.
fn all_hosts(plan: &Plan, part: &Step, found: &mut Diagnostics) {
    let is_of_run =
        |probe: &Probe| matches!(&probe.target, Target::EachOf(group, _) if *group == plan.hosts.0);
    for condition in conditions(part) {
        let Some((name, span)) = using(plan, condition, &is_of_run) else { continue };
        let message = format!("a rollback checks every host of `{}`", plan.hosts.0);
        Diagnostic::warning(Code::RollbackOfAll, message)
            .at(span, format!("`{name}` runs on each of them"))
            .help("the others may not be rolled back yet: check only this host")
            .help("or put the condition into `invariants`, if it must be true at the end")
            .emit(found);
    }
}

/// Reports a `when` in a rollback that may be unknown.
fn unknown_when(plan: &Plan, part: &Step, found: &mut Diagnostics) {
    let Some(when) = part.when.as_deref().filter(|when| !when.is_poisoned()) else { return };
    let may_fail =
        |probe: &Probe| matches!(&probe.exit_codes, ExitCodes::These(codes) if *codes == [0]);
    if is_tested(&when.root) {
        return;
    }
    let Some((name, span)) = using(plan, when, &may_fail) else { return };
    let message = format!("`when` of a rollback is unknown if `{name}` fails");
    Diagnostic::warning(Code::UnknownWhen, message)
        .at(span, "an unknown `when` fails, and the host is stuck")
        .help(format!("record it before the first change: `set: {{{name}: {name}}}`, and use that"))
        .help(format!("or say what happens then: `{name} is unknown or ...`"))
        .help("or use the exit code as the answer: `exit_codes: any`")
        .emit(found);
}

/// Returns the conditions that a step checks.
fn conditions(step: &Step) -> Vec<&Expression> {
    let mut all: Vec<&Expression> = step.requires.iter().map(|check| &*check.condition).collect();
    match &step.action {
        Action::Effect(effect) => all.extend(effect.done_when.as_deref()),
        Action::Assert { checks, .. } => all.extend(checks.iter().map(|check| &*check.condition)),
        Action::Wait(wait) => {
            if let Wait::Until { until, .. } = wait.as_ref() {
                all.push(until);
            }
        }
        _ => {}
    }
    all
}

/// Whether an expression says what an unknown value leads to.
fn is_tested(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Test(test, ..) if test == "unknown")
        || expr.parts().into_iter().any(is_tested)
}

/// Returns the name by which an expression uses a probe that fits, also through named expressions.
fn using<'p>(
    plan: &'p Plan,
    expression: &'p Expression,
    fits: &dyn Fn(&Probe) -> bool,
) -> Option<(&'p str, Option<Span>)> {
    let mut seen = HashSet::new();
    let first = expression.names.iter().find(|name| reaches(plan, &name.name, fits, &mut seen))?;
    Some((&first.name, Some(first.span)))
}

fn reaches<'p>(
    plan: &'p Plan,
    name: &'p str,
    fits: &dyn Fn(&Probe) -> bool,
    seen: &mut HashSet<&'p str>,
) -> bool {
    if !seen.insert(name) {
        return false;
    }
    if let Some(probe) = plan.probes.get(name) {
        return fits(probe);
    }
    let inner = plan.named.get(name).map(NamedExpression::names).unwrap_or_default();
    inner.into_iter().any(|name| reaches(plan, name, fits, seen))
}
