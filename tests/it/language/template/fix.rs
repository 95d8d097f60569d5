//! Expressions as people write them in other languages are corrected.

use planrun::diagnostic::{Diagnostic, Diagnostics};
use planrun::document::parse;
use planrun::source::Sources;
use planrun::template::expression::Expression;

/// Returns the text of a file with an expression, and what is reported of it.
fn reported(text: &str) -> (String, Option<Diagnostic>) {
    let mut sources = Sources::default();
    let file = format!("key: |-\n  {text}\n");
    let id = sources.add("plan.yaml", file.clone());
    let mut found = Diagnostics::default();
    let node = parse(&sources, id, &mut found).unwrap();
    Expression::parse(node.get("key").unwrap(), &sources, &mut found);
    (file, found.sorted().first().map(|one| (*one).clone()))
}

fn fixed(text: &str) -> Option<String> {
    let (file, one) = reported(text);
    let fixed = one?.fixes.first()?.apply(&file);
    Some(fixed.strip_prefix("key: |-\n  ")?.trim_end_matches('\n').to_owned())
}

#[test]
fn signs_of_other_languages_are_replaced() {
    for (text, expected) in [
        ("a = 1", "a == 1"),
        ("a=1 && b||c", "a==1 and b or c"),
        ("!a", "not a"),
        ("x and !(a != b)", "x and not (a != b)"),
        ("a === 'x = y'", "a == 'x = y'"),
        ("{{ a }} == 1", "a == 1"),
        ("{{a}}", "a"),
        ("{{  }}a", "a"),
        ("a <> b AND NOT c", "a != b and not c"),
        ("a <= 1 && b >= 2", "a <= 1 and b >= 2"),
        ("a eq 1", "a == 1"),
        ("a == 'x' && b == 'y'", "a == 'x' and b == 'y'"),
        ("a == 'x' & b", "a == 'x' and b"),
    ] {
        assert_eq!(fixed(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn a_text_that_nobody_reads_is_not_fixed() {
    assert!(fixed("a = 1").is_some());
    assert_eq!(fixed(&format!("a = 1 {}", "+ 1 ".repeat(1024))), None);
    let (_, one) = reported(&"{{ a }}".repeat(1024));
    assert_eq!(one.unwrap().help, ["remove the `{{ }}`"]);
}

#[test]
fn what_stays_unreadable_has_no_fix() {
    for text in ["a ==", "((", "a b", "'", "!", "é = ", "\"é"] {
        assert_eq!(fixed(text), None, "{text}");
    }
}
