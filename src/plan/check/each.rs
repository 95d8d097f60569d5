//! Steps that run once per item of a list, and files whose paths depend on the run.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::lower::ITEM;
use crate::plan::{ForEach, Plan, Purpose, Step};
use crate::template::Name;

/// Reports a `for_each` inside another one, and files that depend on an item that is not known
/// before the run.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let ids = plan.ids();
    let is_late = |name: &&Name| {
        ["run", "there"].contains(&name.name.as_str()) || ids.contains_key(name.name.as_str())
    };
    plan.visit_sound(&mut |outer| {
        if let Some(for_each) = &outer.for_each {
            outer.visit_sound(&mut |inner| {
                nested(for_each, outer, inner, found);
                of_item(plan, outer, inner, found);
            });
        }
        for name in paths(outer).filter(is_late) {
            let message = format!("`{}` is not known before the run", name.name);
            Diagnostic::error(Code::NotKnownYet, message)
                .at(name.span, "files are read before the run starts")
                .help("use only inputs and `host` in the path")
                .emit(found);
        }
    });
}

fn nested(for_each: &ForEach, outer: &Step, inner: &Step, found: &mut Diagnostics) {
    let Some(second) = inner.for_each.as_ref().filter(|_| outer.path != inner.path) else { return };
    Diagnostic::error(Code::NestedForEach, "`for_each` cannot be nested")
        .at(second.span, "`item` would be ambiguous here")
        .also(for_each.span, "the outer `for_each`")
        .help(
            "use one list of mappings that combine both, and their values: `item.host`, \
                 `item.port`",
        )
        .emit(found);
}

/// Returns the names in the path of the file that a step uploads. It is read before the run.
fn paths(step: &Step) -> impl Iterator<Item = &Name> {
    let path = step.upload().and_then(|upload| upload.source.path());
    path.into_iter().flat_map(|path| &path.names)
}

/// Reports a file whose path depends on an item that is not known before the run.
fn of_item(plan: &Plan, outer: &Step, step: &Step, found: &mut Diagnostics) {
    let Some(item) = paths(step).find(|name| name.name == ITEM) else { return };
    let is_late = |name: &&Name| !plan.inputs.contains_key(&name.name) && name.name != "host";
    let uses = outer.uses().into_iter().filter(|one| one.purpose == Purpose::Item);
    if let Some(name) = uses.flat_map(|one| one.text.names()).find(is_late) {
        let message = format!("`item` is not known before the run: it depends on `{}`", name.name);
        Diagnostic::error(Code::NotKnownYet, message)
            .at(item.span, "files are read before the run starts")
            .also(name.span, "known only during the run")
            .help("write the items themselves, or take the list from an input")
            .emit(found);
    }
}
