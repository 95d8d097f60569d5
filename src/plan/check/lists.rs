//! Lists in strings: planrun does not guess how to join their items.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{InputKind, Plan, Purpose, Text};
use crate::template::Template;

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let is_list = |kind: &InputKind| matches!(kind, InputKind::List { .. });
    if !plan.inputs.values().any(|input| is_list(&input.kind)) {
        return;
    }
    plan.each_sound_use(&mut |one| match (one.text, one.purpose) {
        // The value of a single template keeps its type.
        (_, Purpose::Default(_) | Purpose::Item) | (Text::Expression(_), _) => {}
        (Text::Template(template), _) => text(template, plan, found),
    });
}

/// Reports the lists in one string.
pub(super) fn text(template: &Template, plan: &Plan, found: &mut Diagnostics) {
    for name in template.whole_names() {
        let word = &name.name;
        let Some(input) = plan.inputs.get(word) else {
            continue;
        };
        if !matches!(input.kind, InputKind::List { .. }) {
            continue;
        }
        Diagnostic::error(Code::ListInText, format!("`{word}` is a list, not a string"))
            .at(name.span, "cannot insert a list into a string")
            .also(input.span, "declared as a list")
            .help(format!("join its items: `{{{{ {word} | join(\",\") }}}}`"))
            .help(format!("or run the step once per item: `for_each: {word}`"))
            .emit(found);
    }
}
