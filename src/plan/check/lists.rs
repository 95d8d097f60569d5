//! Lists in texts: a list is no word and no text.

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::InputKind;
use crate::plan::Plan;
use crate::plan::check::command_templates;
use crate::plan::check::templates;
use crate::template::Template;

/// Tells of inputs that are lists and stand in a text as they are.
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
    for step in &plan.steps {
        step.visit(&mut |step| {
            for template in templates(step) {
                text(template, plan, found);
            }
        });
    }
}

/// Tells of lists in one text.
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
            Diagnostic::error(Code::ListInText, format!("`{word}` is a list, and no text"))
                .at(name.span, "a list cannot stand in a text")
                .also(input.span, "declared as a list")
                .help(format!("join it to one text: `{{{{ {word} | join(\",\") }}}}`"))
                .help(format!("or do the step for each of them: `for_each: {word}`")),
        );
    }
}
