//! Steps that are done for each item of a list.

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::Action;
use crate::plan::ForEach;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::Work;
use crate::plan::check::listed;
use crate::plan::lower::ITEM;

/// Tells of a `for_each` inside of another one, and of files that depend on an item of which
/// nothing is known before the run.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    for step in &plan.steps {
        step.visit(&mut |outer| {
            if let Some(for_each) = &outer.for_each {
                outer.visit(&mut |inner| {
                    nested(for_each, outer, inner, found);
                    uploaded(plan, outer, inner, found);
                });
            }
        });
    }
}

fn nested(for_each: &ForEach, outer: &Step, inner: &Step, found: &mut Diagnostics) {
    let Some(second) = inner.for_each.as_ref().filter(|_| outer.path != inner.path) else {
        return;
    };
    found.push(
        Diagnostic::error(Code::NestedForEach, "a `for_each` stands inside of another one")
            .at(second.span, "which of the two would `item` mean?")
            .also(for_each.span, "all of this is done for each already")
            .help(
                "write one list of both, a mapping for each, and use its parts: `item.host`, \
                 `item.port`",
            ),
    );
}

/// The files of an upload are read before the run: so the list must be known by then.
fn uploaded(plan: &Plan, outer: &Step, step: &Step, found: &mut Diagnostics) {
    let Action::Effect(effect) = &step.action else {
        return;
    };
    let Work::Upload(upload) = &effect.command.work else {
        return;
    };
    let names = upload.source.path().map(|path| path.names.iter());
    let Some(item) = names.into_iter().flatten().find(|name| name.name == ITEM) else {
        return;
    };
    for name in listed(outer) {
        if !plan.inputs.contains_key(&name.name) && name.name != "host" {
            let message = format!("`item` is not known before the run, for `{}` is not", name.name);
            found.push(
                Diagnostic::error(Code::NotKnownYet, message)
                    .at(item.span, "files are read before the run begins")
                    .also(name.span, "known only in the run")
                    .help("write the list out, or take it from an input"),
            );
            return;
        }
    }
}
