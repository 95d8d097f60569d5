//! Tests of [`super`].

use serde_json::json;

use super::value;

#[test]
fn literals_get_their_type() {
    for (text, expected) in [
        ("5", json!(5)),
        ("-5", json!(-5)),
        ("0x1F", json!(31)),
        ("0o17", json!(15)),
        ("1_000", json!(1000)),
        ("00", json!(0)),
        ("1.50", json!(1.5)),
        (".5", json!(0.5)),
        ("1e3", json!(1000.0)),
        ("True", json!(true)),
        ("False", json!(false)),
        ("None", json!(null)),
        ("'5'", json!("5")),
        ("\"a b\"", json!("a b")),
        ("'a' \"b\"", json!("ab")),
        (r"'\x41\n\d'", json!("A\n\\d")),
        (r"r'\n'", json!("\\n")),
        ("'''it's'''", json!("it's")),
        ("[1, 'a', [True,],]", json!([1, "a", [true]])),
        ("(1)", json!(1)),
        ("(1,)", json!([1])),
        ("()", json!([])),
        ("1,2", json!([1, 2])),
        ("1,", json!([1])),
        ("{'a': 1, 2: [3]}", json!({"a": 1, "2": [3]})),
        ("{1}", json!([1])),
        ("{}", json!({})),
        ("5 # five", json!(5)),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_literal_stays_text() {
    for text in [
        "",
        "yes",
        "true",
        "null",
        "web1",
        "0644",
        "10.0.0.1",
        "1.2.3",
        "5a",
        "1__0",
        "- -5",
        "'a",
        "[1",
        "[1,,2]",
        "{1: }",
        "1 2",
        "1,,",
        "f'a'",
        "foo # bar",
        "{{ x }}",
        "1j",
        "1e999",
        "99999999999999999999999999",
        "\\",
        "a,b",
        "-",
        ".",
        ",",
        "()x",
    ] {
        assert_eq!(value(text), json!(text), "{text}");
    }
}

#[test]
fn a_literal_nested_without_end_stays_text() {
    let text = "[".repeat(100_000);
    assert_eq!(value(&text), json!(text));
}
