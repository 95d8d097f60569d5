//! Words of `let` that are made of each other.

use std::collections::HashSet;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::Plan;
use crate::plan::Word;

/// Tells of words that are made of each other, and returns them.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) -> HashSet<String> {
    let mut told: HashSet<&str> = HashSet::new();
    for name in plan.words.keys() {
        let mut trail = vec![name.as_str()];
        let mut done = HashSet::new();
        if told.contains(name.as_str()) || !leads_back(plan, name, name, &mut trail, &mut done) {
            continue;
        }
        told.extend(trail.iter().copied());
        let span = match &plan.words[name] {
            Word::Expression(_, span) | Word::Rows { span, .. } => *span,
        };
        trail.push(name);
        found.push(
            Diagnostic::error("circular-let", format!("`{name}` is made of itself"))
                .at(span, trail.join(" -> "))
                .help("take one of them out of the circle"),
        );
    }
    told.into_iter().map(str::to_owned).collect()
}

/// Whether a word is among those that another one is made of; the trail leads there.
fn leads_back<'a>(
    plan: &'a Plan,
    from: &'a str,
    goal: &str,
    trail: &mut Vec<&'a str>,
    done: &mut HashSet<&'a str>,
) -> bool {
    let Some(
        Word::Expression(expression, _)
        | Word::Rows {
            filter: expression, ..
        },
    ) = plan.words.get(from)
    else {
        return false;
    };
    for name in &expression.names {
        if name.name == goal {
            return true;
        }
        let Some((next, _)) = plan.words.get_key_value(&name.name) else {
            continue;
        };
        if done.insert(next) {
            trail.push(next);
            if leads_back(plan, next, goal, trail, done) {
                return true;
            }
            trail.pop();
        }
    }
    false
}
