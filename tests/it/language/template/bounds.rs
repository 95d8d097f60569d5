//! What is too large is refused before it is parsed.

use planrun::template::bounds::{MAX_LEVELS, MAX_TAGS, MAX_TOKENS};
use planrun::template::expression::Expression;
use planrun::template::parser::names_of_template;

fn why(text: &str) -> String {
    match Expression::parse_text(text) {
        Ok(_) => "fits".to_owned(),
        Err(fault) => fault.text,
    }
}

#[test]
fn a_long_chain_is_refused_and_a_long_list_is_not() {
    let chain = |count: usize| vec!["a"; count].join(" and ");
    assert_eq!(why(&chain(MAX_LEVELS)), "fits");
    assert_eq!(why(&chain(MAX_LEVELS + 2)), "nested more than 64 levels deep");
    assert_eq!(why(&chain(1_000_000)), "5999995 bytes, the maximum is 1048576");
    let list = |count: usize| format!("a in [{}]", vec!["1"; count].join(", "));
    assert_eq!(why(&list(MAX_TOKENS / 2 - 2)), "fits");
    assert_eq!(why(&list(MAX_TOKENS)), "more than 1000 tokens");
}

#[test]
fn what_nests_by_signs_before_a_value_is_refused_too() {
    for sign in ["not ", "-", "(", "[", "{1:", "a if ", "a[", "a|b("] {
        assert_ne!(why(&sign.repeat(900)), "fits", "{sign}");
        let text = format!("{{{{ {}", sign.repeat(900));
        assert!(names_of_template(&text).is_err(), "{sign}");
    }
    for sign in [".b", "|trim", " ~ a", "[0]", " is a"] {
        let text = format!("a{}", sign.repeat(300));
        assert_ne!(why(&text), "fits", "{sign}");
    }
}

#[test]
fn a_text_has_a_bounded_number_of_templates() {
    let text = |count: usize| "{{ a }}".repeat(count);
    assert_eq!(names_of_template(&text(MAX_TAGS)).unwrap().len(), MAX_TAGS);
    let fault = names_of_template(&text(MAX_TAGS + 1)).unwrap_err();
    assert_eq!(fault.text, "more than 10000 templates");
}
