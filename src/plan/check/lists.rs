//! Lists in strings: planrun does not guess how to join their items. And the lists of groups.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{InputKind, Plan, Purpose, Text};
use crate::template::expression::{Expr, ExprKind};
use crate::template::{Name, Template, Written};

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    plan.each_sound_use(&mut |one| groups(one.text, found));
    plan.each_sound_use(&mut |one| match (one.text, one.purpose) {
        // The value of a single template keeps its type.
        (_, Purpose::Default(_) | Purpose::Item) | (Text::Expression(_), _) => {}
        (Text::Template(template), purpose) => {
            text(template, plan, found);
            each(template, purpose, found);
        }
    });
}

/// Reports `groups` without the name of a group.
fn groups(text: Text<'_>, found: &mut Diagnostics) {
    for root in text.roots() {
        let parts = root.all();
        let starts = |part: &&&Expr, at| part.group().is_some() && part.range.start == at;
        let is_named = |at: usize| parts.iter().any(|part| starts(&part, at));
        let alone = |part: &&&Expr| part.is_name("groups") && !is_named(part.range.start);
        let Some(part) = parts.iter().find(alone) else { continue };
        Diagnostic::error(Code::UnknownName, "`groups` is followed by the name of a group")
            .at(text.written().place(part), "which group?")
            .help("write `groups.NAME`: the list of the hosts of that group")
            .emit(found);
    }
}

/// Reports an `each` that is not a word of a command of its own.
fn each(template: &Template, purpose: Purpose<'_>, found: &mut Diagnostics) {
    let is_word = match purpose {
        Purpose::Script => true,
        Purpose::Argument => template.is_several(),
        _ => false,
    };
    let is_each = |part: &&Expr| matches!(&part.kind, ExprKind::Filter(name, ..) if name == "each");
    for used in template.expressions() {
        let part = used.expr.all().into_iter().find(is_each);
        let Some(part) = part.filter(|_| !(is_word && used.shown && used.expr.is_each())) else {
            continue;
        };
        Diagnostic::error(Code::ListInText, "`each` must be a whole argument of a command")
            .at(template.place(part), "part of something else")
            .help("write it as a word of `run` or `shell`: `{{ names | each }}`")
            .help("or join the items: `{{ names | join(\",\") }}`")
            .emit(found);
    }
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
