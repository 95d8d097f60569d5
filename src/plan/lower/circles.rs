//! Named expressions that use each other: never in a cycle, and not through too many levels, because a
//! condition is evaluated by recursion through all of them.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{NamedExpression, Plan};
use crate::template::bounds::MAX_NAMED_LEVELS;

/// The state of a named expression during the walk.
enum Mark {
    /// On the current path.
    Open,
    /// Done: so many levels are below it.
    Done(usize),
}

/// A named expression on the way, and which of those it is made of come next.
struct Walk<'a> {
    name: &'a str,
    inner: Vec<&'a str>,
    next: usize,
    /// The levels below it, as far as they are known.
    below: usize,
}

/// Reports named expressions that are defined by themselves, or nested too deeply. Returns all of
/// them: without these, following the names always ends.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) -> HashSet<String> {
    let mut marks: HashMap<&str, Mark> = HashMap::new();
    let mut reported = HashSet::new();
    for name in plan.named.keys() {
        if !marks.contains_key(name.as_str()) {
            walk(plan, name, &mut marks, &mut reported, found);
        }
    }
    reported
}

/// Goes through a named expression and all it is made of. Without recursion: a chain may be as long as the plan.
fn walk<'a>(
    plan: &'a Plan,
    first: &'a str,
    marks: &mut HashMap<&'a str, Mark>,
    reported: &mut HashSet<String>,
    found: &mut Diagnostics,
) {
    let mut way = vec![begin(plan, first, marks)];
    while let Some(last) = way.last_mut() {
        if found.gives_up() {
            // The plan is not used, so no one follows the remaining names.
            return;
        }
        let Some(&inner) = last.inner.get(last.next) else {
            let levels = last.below + own_levels(plan, last.name);
            if levels > MAX_NAMED_LEVELS {
                too_deep(plan, last.name, found);
                reported.insert(last.name.to_owned());
            }
            // Reported once: the expressions above it start counting again.
            let levels = if levels > MAX_NAMED_LEVELS { 0 } else { levels };
            marks.insert(last.name, Mark::Done(levels));
            way.pop();
            if let Some(above) = way.last_mut() {
                above.below = above.below.max(levels);
            }
            continue;
        };
        last.next += 1;
        match marks.get(inner) {
            Some(Mark::Done(levels)) => last.below = last.below.max(*levels),
            Some(Mark::Open) => {
                let start = way.iter().position(|one| one.name == inner);
                let circle = way[start.unwrap_or(0)..].iter().map(|one| one.name);
                let circle: Vec<&str> = circle.collect();
                reported.extend(circle.iter().map(|name| (*name).to_owned()));
                circular(plan, circle, found);
            }
            None => way.push(begin(plan, inner, marks)),
        }
    }
}

fn begin<'a>(plan: &'a Plan, name: &'a str, marks: &mut HashMap<&'a str, Mark>) -> Walk<'a> {
    marks.insert(name, Mark::Open);
    let names = plan.named.get(name).map(NamedExpression::names).unwrap_or_default();
    Walk {
        name,
        inner: names.into_iter().filter(|inner| plan.named.contains_key(*inner)).collect(),
        next: 0,
        below: 0,
    }
}

fn own_levels(plan: &Plan, name: &str) -> usize {
    1 + plan.named.get(name).map_or(0, |named| named.expression.root.levels())
}

/// Reports a cycle, at the name in it that is declared first.
fn circular(plan: &Plan, mut circle: Vec<&str>, found: &mut Diagnostics) {
    let first = circle
        .iter()
        .enumerate()
        .min_by_key(|(_, name)| plan.named.get_index_of(**name))
        .map_or(0, |(at, _)| at);
    circle.rotate_left(first);
    let name = circle[0];
    circle.push(name);
    Diagnostic::error(Code::CircularLet, format!("`{name}` is defined by itself"))
        .at(plan.named[name].span, circle.join(" -> "))
        .help("break the cycle")
        .emit(found);
}

fn too_deep(plan: &Plan, name: &str, found: &mut Diagnostics) {
    let message = format!("`{name}` is nested more than {MAX_NAMED_LEVELS} levels deep");
    Diagnostic::error(Code::LetTooDeep, message)
        .at(plan.named[name].span, "too deep")
        .help("shorten the chain of named expressions, or record values with `set`")
        .emit(found);
}
