//! Tests of `planrun::regexes`.

use planrun::regexes::*;

#[test]
fn a_fault_is_told_in_a_line() {
    assert_eq!(compile("a(").unwrap_err(), "unclosed group");
    assert!(compile("a{1000}").unwrap().is_match(&"a".repeat(1000)));
    let why = "compiles to more than 1048576 bytes";
    assert_eq!(compile("((a{1000}){1000}){1000}").unwrap_err(), why);
    assert_eq!(compile(&"a".repeat(MAX_PATTERN + 1)).unwrap_err(), "longer than 8192 bytes");
}

#[test]
fn many_patterns_are_compiled_together_within_a_bound() {
    let mut compiler = Compiler::default();
    for number in 0..1_000 {
        let fits = compiler.compile(&format!("[a-z]{{1,9}}{number}"));
        assert!(fits.is_ok(), "{fits:?}");
    }
    assert!(compiler.compile("a(").is_err() && !compiler.is_spent());
    let why = loop {
        if let Err(why) = compiler.compile("(b{99}){99}") {
            break why;
        }
    };
    let expected = "all patterns together compile to more than 8388608 bytes";
    assert_eq!(why, expected);
    assert!(compiler.is_spent());
}
