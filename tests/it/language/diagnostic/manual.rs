//! The manual of diagnostics.

use planrun::diagnostic::manual::*;

#[test]
fn a_section_is_what_stands_below_its_code() {
    let section = section("no-way-back").unwrap();
    assert_eq!(section.subject, "Rollback");
    assert!(section.text.starts_with("A step makes a change"), "{section:?}");
    assert!(!section.text.contains("\n#"), "{section:?}");
    assert!(section.first_sentence().ends_with('.'), "{section:?}");
}

#[test]
fn every_section_begins_with_a_sentence_that_says_something() {
    for section in sections() {
        let sentence = section.first_sentence();
        let words = sentence.split(' ').count();
        assert!(words > 3 && !sentence.contains('\n'), "{}: {sentence}", section.code);
        assert!(!sentence.contains("]("), "{}: {sentence}", section.code);
    }
}

#[test]
fn links_become_their_text() {
    let text = "See `a[0]` in [the page](page.md#part), [too](b.md).";
    assert_eq!(without_links(text), "See `a[0]` in the page, too.");
    assert_eq!(without_links("`[[ x ]]` alone](x"), "`[[ x ]]` alone](x");
}

#[test]
fn a_word_finds_codes_that_are_near_or_have_it_for_a_part() {
    assert_eq!(like("no-way-bcak")[0], "no-way-back");
    assert_eq!(like("rm"), ["dangerous-rm"]);
    assert_eq!(like("zzzzzz"), Vec::<&str>::new());
    assert_eq!(like(""), Vec::<&str>::new());
}
