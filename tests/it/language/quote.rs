//! Tests of `planrun::quote`.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use planrun::quote::{NulError, readable, shell};

#[expect(clippy::disallowed_methods, reason = "the real shell is the oracle")]
fn through_sh(words: &[String]) -> Vec<String> {
    let mut line = r"printf '%s\0'".to_owned();
    for word in words {
        line.push(' ');
        line.push_str(&shell(word).unwrap());
    }
    let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let text = text.strip_suffix('\0').unwrap();
    text.split('\0').map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(Config::with_cases(64))]
    #[test]
    fn every_word_comes_through_sh_unchanged(words in vec(any::<String>(), 1..20)) {
        let words: Vec<String> = words.iter().map(|word| word.replace('\0', "")).collect();
        prop_assert_eq!(through_sh(&words), words);
    }
}

#[test]
fn every_ascii_byte_comes_through_sh_unchanged() {
    let mut words: Vec<String> = (1..128_u8).map(|byte| char::from(byte).to_string()).collect();
    words.extend(words.clone().iter().map(|word| format!("a{word}'b\n")));
    assert_eq!(through_sh(&words), words);
}

#[test]
fn a_nul_is_refused() {
    assert_eq!(shell("a\0b"), Err(NulError));
}

#[test]
fn people_see_quotes_only_where_they_are_needed() {
    assert_eq!(readable("user=a@example.org"), "user=a@example.org");
    assert_eq!(readable("größe"), "größe");
    assert_eq!(readable(""), "''");
    assert_eq!(readable("a b"), "'a b'");
    assert_eq!(readable("it's"), r"'it'\''s'");
    assert_eq!(readable("$HOME"), "'$HOME'");
}
