//! Lists in strings: planrun does not guess how to join their items.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{InputKind, Plan, Purpose, Text};
use crate::template::{Name, Template};

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

pub(super) fn text(template: &Template, plan: &Plan, found: &mut Diagnostics) {
    for Name { name, span } in template.whole_names() {
        if let Some(input) = plan.inputs.get(&name)
            && matches!(input.kind, InputKind::List { .. })
        {
            Diagnostic::error(Code::ListInText, format!("`{name}` is a list, not a string"))
                .at(span, "cannot insert a list into a string")
                .also(input.span, "declared as a list")
                .help(format!("join its items: `{{{{ {name} | join(\",\") }}}}`"))
                .help(format!("or run the step once per item: `for_each: {name}`"))
                .emit(found);
        }
    }
}
