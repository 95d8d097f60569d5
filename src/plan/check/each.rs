//! Steps that run once per item of a list.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::check::listed;
use crate::plan::lower::ITEM;
use crate::plan::{Action, ForEach, Plan, Step, Work};

/// Reports a `for_each` inside another one, and files that depend on an item that is not known
/// before the run.
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
        Diagnostic::error(Code::NestedForEach, "`for_each` cannot be nested")
            .at(second.span, "`item` would be ambiguous here")
            .also(for_each.span, "the outer `for_each`")
            .help(
                "use one list of mappings that combine both, and their values: `item.host`, \
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
            let message =
                format!("`item` is not known before the run: it depends on `{}`", name.name);
            found.push(
                Diagnostic::error(Code::NotKnownYet, message)
                    .at(item.span, "files are read before the run starts")
                    .also(name.span, "known only during the run")
                    .help("write the items themselves, or take the list from an input"),
            );
            return;
        }
    }
}
