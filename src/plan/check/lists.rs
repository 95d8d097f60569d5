//! Lists in strings: planrun does not guess how to join their items.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::check::{command_templates, templates};
use crate::plan::{InputKind, Plan};
use crate::template::Template;

/// Reports list inputs that are inserted into a string.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let is_list = |kind: &InputKind| matches!(kind, InputKind::List { .. });
    if !plan.inputs.values().any(|input| is_list(&input.kind)) {
        return;
    }
    for probe in plan.probes.values() {
        for template in command_templates(&probe.command) {
            text(template, plan, found);
        }
    }
    plan.visit_sound(&mut |step| {
        for template in templates(step) {
            text(template, plan, found);
        }
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
        found.push(
            Diagnostic::error(Code::ListInText, format!("`{word}` is a list, not a string"))
                .at(name.span, "cannot insert a list into a string")
                .also(input.span, "declared as a list")
                .help(format!("join its items: `{{{{ {word} | join(\",\") }}}}`"))
                .help(format!("or run the step once per item: `for_each: {word}`")),
        );
    }
}
