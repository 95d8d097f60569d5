//! Expressions as people write them in other languages, and how planrun writes them.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Edit};
use crate::document::Node;
use crate::source::Sources;
use crate::table;
use crate::template::parser;

/// A piece of an expression and what replaces it.
type Change = (Range<usize>, String);

/// Returns the signs or words of other languages, what is written in planrun, and the order.
fn foreign(wanted: &str) -> impl Iterator<Item = [&'static str; 3]> {
    let rows = table::rows::<4>(include_str!("fix.tsv"));
    rows.filter(move |[sort, ..]| *sort == wanted).map(|[_, from, to, order]| [from, to, order])
}

/// Valid tokens that start or end with one of the others.
const RIGHT: [&str; 4] = ["==", "!=", "<=", ">="];
/// Longest text, in bytes, for which a fix is searched: no one reads the fix of a longer one,
/// and making it takes time that grows with the square of its length.
const MAX_CURED: usize = 4 * 1024;

/// Adds the fix of an invalid expression if there is one, else a help.
pub(super) fn advise(
    fault: Diagnostic,
    text: &str,
    node: &Node,
    sources: &Sources,
    words: &str,
) -> Diagnostic {
    let Some((order, changes)) = fix(text) else { return fault.help(words) };
    let places = node.places(sources);
    let edits: Option<Vec<Edit>> =
        changes.into_iter().map(|(range, with)| places.edit(range, &with)).collect();
    fault.fix_all(order, edits.unwrap_or_default())
}

/// Says what an expression is without its braces.
pub(super) fn without_braces(text: &str) -> String {
    if text.len() > MAX_CURED {
        return "remove the `{{ }}`".to_owned();
    }
    let bare = text.replace("{{", " ").replace("}}", " ");
    let words: Vec<_> = bare.split_whitespace().collect();
    format!("remove the `{{{{ }}}}`: `{}`", words.join(" "))
}

/// Returns the changes that make an expression of a text, if those known do, and the order.
fn fix(text: &str) -> Option<(&'static str, Vec<Change>)> {
    if text.len() > MAX_CURED {
        return None;
    }
    let mut changes = Vec::new();
    let mut first = None;
    let mut at = 0;
    while let Some(character) = text.get(at..)?.chars().next() {
        let rest = &text[at..];
        if matches!(character, '"' | '\'') {
            at += 1 + rest[1..].find(character).map_or(rest.len() - 1, |end| end + 1);
        } else if let Some([from, to, order]) = foreign("sign").find(|[sign, ..]| {
            let right = RIGHT.iter().any(|right| rest.starts_with(right));
            rest.starts_with(sign) && (!right || *sign == "===")
        }) {
            first.get_or_insert(order);
            let (mut range, with) = change(text, at, from, to);
            // The spaces between two braces go with the first.
            let taken: usize = changes.last().map_or(0, |(range, _): &Change| range.end);
            range.start = range.start.max(taken);
            changes.push((range, with));
            at += from.len();
        } else if character.is_alphanumeric() || character == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            if let Some([from, to, order]) =
                foreign("word").find(|[word, ..]| *word == &rest[..end])
            {
                first.get_or_insert(order);
                changes.push((at..at + from.len(), to.to_owned()));
            }
            at += end;
        } else {
            let right = RIGHT.iter().find(|right| rest.starts_with(*right));
            at += right.map_or(character.len_utf8(), |right| right.len());
        }
    }
    let mut fixed = text.to_owned();
    for (range, with) in changes.iter().rev() {
        fixed.replace_range(range.clone(), with);
    }
    parser::expression(&fixed).ok()?;
    Some((first?, changes))
}

/// Replaces an operator; braces go with their spaces, words get spaces if they have none.
fn change(text: &str, at: usize, from: &str, to: &str) -> Change {
    let (before, behind) = (&text[..at], &text[at + from.len()..]);
    if to.is_empty() {
        let lead = before.len() - before.trim_end().len();
        let trail = behind.len() - behind.trim_start().len();
        return if from == "{{" {
            (at..at + from.len() + trail, String::new())
        } else {
            (at - lead..at + from.len(), String::new())
        };
    }
    let word = to.starts_with(char::is_alphabetic);
    let mut with = String::new();
    if word && before.ends_with(|c: char| !c.is_whitespace() && c != '(') {
        with.push(' ');
    }
    with.push_str(to);
    if word && !behind.starts_with(char::is_whitespace) {
        with.push(' ');
    }
    (at..at + from.len(), with)
}
