//! Texts of models, with values only.

use planrun::template::values::*;

#[test]
fn a_value_ends_at_its_own_braces() {
    let text = "a {b {{ {'k': '}}'}['k'] }} c }} {'";
    let found = pieces(text).unwrap();
    let shown = found.iter().map(|piece| match piece {
        Piece::Literal(range) | Piece::Value(range) => &text[range.clone()],
    });
    let shown: Vec<&str> = shown.collect();
    assert_eq!(shown, ["a {b ", " {'k': '}}'}['k'] ", " c }} {'"]);
}

#[test]
fn other_signs_of_templates_are_faults() {
    for (text, at) in [
        ("x {{ y", 2..4),
        ("{% if x %}", 0..2),
        ("a {# b #} c", 2..4),
        ("{{- x }}", 0..3),
        ("{{ x -}}", 5..8),
        ("{{ 'x", 0..2),
    ] {
        assert_eq!(pieces(text).unwrap_err().range, at, "{text}");
    }
}

#[test]
fn an_expression_that_cannot_be_read_is_still_a_piece() {
    assert_eq!(pieces("a {{ 'b' && c }} {% d %}").unwrap()[1], Piece::Value(4..14));
}

#[test]
fn names_are_found_where_they_are_used_first() {
    let names = |text| compile(text).unwrap().1;
    assert_eq!(
        names("'b' ~ a.b + b[c] + range(3) + b"),
        [("a".to_owned(), 6..7), ("b".to_owned(), 12..13), ("c".to_owned(), 14..15)]
    );
}

#[test]
fn unknown_filters_and_tests_are_found_without_being_run() {
    let range = |text| compile(text).unwrap_err().range;
    assert_eq!(range("a | uper"), 4..8);
    assert_eq!(range("a is not evn"), 9..12);
    assert_eq!(range("a +").end, 3);
    assert!(compile("a is defined and 'x | y' | upper").is_ok());
}
