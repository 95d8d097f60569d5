//! What was meant by an invalid value, if only the inputs of the plan show it.
//!
//! A shape sees one value. That `wait: settle` means the value of the input `settle` is known only
//! here, with the whole plan; so the fixes are added to what was found.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Edit, Fix};
use crate::document::{Entry, Node};
use crate::source::{Sources, Span};

/// Amends what the check of the shapes has found.
pub(super) fn amend(node: &Node, sources: &Sources, found: &mut Diagnostics) {
    let inputs = node.entries_of("inputs");
    found.amend(|one| {
        let Some(span) = one.primary.as_ref().map(|label| label.span) else { return };
        let text = sources.slice(span);
        // A value of the wrong form that has no fix may as well be a template.
        if one.code == Code::WrongForm && one.fixes.is_empty() {
            if inputs.iter().any(|input| input.key == text) {
                let order = format!("to use the value of the input, write `\"{{{{ {text} }}}}\"`");
                instead(one, order, vec![Edit::new(span, format!("\"{{{{ {text} }}}}\""))]);
            }
        } else if one.code == Code::WrongType
            && let Some(key) = type_of_items(inputs, span)
        {
            instead(
                one,
                "use `items` for the type of the items".to_owned(),
                vec![Edit::new(key, "items")],
            );
        }
    });
}

/// Returns the key of an `of` with a single word, if that is a faulty value of a list.
fn type_of_items(inputs: &[Entry], span: Span) -> Option<Span> {
    let of_list = inputs.iter().filter(|input| {
        input.value.text("type") == Some("list") && input.value.get("items").is_none()
    });
    let mut of = of_list.filter_map(|input| input.value.entry("of"));
    of.find(|of| of.value.span == span && of.value.as_text().is_some()).map(|of| of.key_span)
}

fn instead(one: &mut Diagnostic, order: String, edits: Vec<Edit>) {
    one.help.clear();
    one.fixes = Fix::new(order, edits).into_iter().collect();
}
