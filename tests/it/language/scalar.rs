//! Where a position in a value is in the file.

use proptest::prelude::*;

use planrun::diagnostic::Diagnostics;
use planrun::document::{Node, parse};
use planrun::source::Sources;

/// Parses a document and returns the value of its `key`, with its sources.
fn text_of(document: &str) -> (Sources, Node) {
    let mut sources = Sources::default();
    let id = sources.add("p.yaml", document);
    let mut found = Diagnostics::default();
    let node = parse(&sources, id, &mut found);
    let node = node.unwrap_or_else(|| panic!("{document:?}: {:?}", found.sorted()));
    let text = node.get("key").expect("has the key").clone();
    (sources, text)
}

/// Asserts that a needle in the text is found at the same needle in the file.
#[track_caller]
fn assert_places(document: &str, needle: &str, written: &str) {
    let (sources, node) = text_of(document);
    let text = node.as_text().expect("is text").to_owned();
    let at = text.find(needle).unwrap_or_else(|| panic!("{text:?}"));
    let places = node.places(&sources);
    let span = places.exact(at..at + needle.len());
    let span = span.unwrap_or_else(|| panic!("{document:?} gave {text:?}"));
    assert_eq!(sources.slice(span), written, "{document:?}");
}

#[test]
fn a_place_is_exact_in_every_style() {
    for (document, needle, written) in [
        ("key: one two three\n", "two", "two"),
        ("key: one\n  four   \n  two three\n", "two", "two"),
        ("key: one\n\n\n  two\n", "two", "two"),
        ("key: 'it''s two'\n", "two", "two"),
        ("key: 'it''s two'\n", "t's", "t''s"),
        ("key: 'one  \n\n  two three '\n", "two", "two"),
        ("key: \"a\\tb \\u00e9 two\"\n", "two", "two"),
        ("key: \"a\\tb \\u00e9 two\"\n", "é", "\\u00e9"),
        ("key: \"one \\\n    two\"\n", "two", "two"),
        ("key: \"one\n  two\"\n", "two", "two"),
        ("key: |\n  one\n    two\n\n  three\n", "two", "two"),
        ("key: |\n  one\n\n  three two\n\n\n", "two", "two"),
        ("key: |2-\n    one\n  two\n", "two", "two"),
        ("key: |+\n  one\n  two\n\n\n", "two", "two"),
        ("key: |\n\n  one\n  two\n", "two", "two"),
        ("key: >\n  one\n  two\n", "two", "two"),
        ("key: >-\n  one\n\n  more\n    kept\n   so\n  two\n", "two", "two"),
        ("key: >\n\n  one\n  two\n\n\n", "two", "two"),
        ("key: |\r\n  one\r\n  two\r\n", "two", "two"),
        ("key: >\r\n  one\r\n  two\r\n", "two", "two"),
        ("key: 'one\r\n  two'\r\n", "two", "two"),
        ("key: é ü\n  ß two\n", "two", "two"),
        ("key: >\n  one\n   \n  two\n", "two", "two"),
    ] {
        assert_places(document, needle, written);
    }
}

/// A text of words and lines, and a way to write it.
fn written() -> impl Strategy<Value = (Vec<String>, u8, bool)> {
    let word = "[a-zé'\"\\\\ {}:#|>-]{0,8}";
    (proptest::collection::vec(word, 1..6), 0_u8..6, any::<bool>())
}

proptest! {
    #[test]
    fn every_text_that_is_read_has_exact_places((lines, style, crlf) in written()) {
        let newline = if crlf { "\r\n" } else { "\n" };
        let joined = |indent: &str| lines.join(&format!("{newline}{indent}"));
        let document = match style {
            0 => format!("key: {}{newline}", joined("  ")),
            1 => format!("key: '{}'{newline}", joined("  ").replace('\'', "''")),
            2 => format!("key: \"{}\"{newline}", joined("  ")),
            3 => format!("key: |{newline}  {}{newline}", joined("  ")),
            4 => format!("key: >{newline}  {}{newline}", joined("  ")),
            _ => format!("key: >-{newline}   {}{newline}{newline}", joined("   ")),
        };
        let mut sources = Sources::default();
        let id = sources.add("p.yaml", document.clone());
        let Some(root) = parse(&sources, id, &mut Diagnostics::default()) else {
            return Ok(());
        };
        let Some(node) = root.get("key") else { return Ok(()) };
        let Some(text) = node.as_text() else { return Ok(()) };
        let places = node.places(&sources);
        for (at, character) in text.char_indices() {
            let span = places.exact(at..at + character.len_utf8());
            prop_assert!(span.is_some(), "{document:?} gave {text:?}");
            let written = sources.slice(span.unwrap());
            // Letters are written as they are; the rest may be folded or escaped.
            if character.is_alphabetic() && style != 2 {
                prop_assert_eq!(written, character.to_string(), "{:?}", document);
            }
        }
    }
}
