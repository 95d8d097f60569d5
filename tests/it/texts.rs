//! Text from elsewhere: made safe, cut, wrapped; and the names that a misspelled word may mean.

use std::time::Duration;

use planrun::diagnostic::{Suggestions, nearest};
use planrun::report::text::{both_ends, clip, duration, lines, printable, printable_json, wrap};

#[test]
fn a_host_cannot_move_the_cursor_change_colours_or_reverse_text() {
    for (text, safe) in [
        ("\u{1b}[2J\u{1b}]0;x\u{7}", "\\x1b[2J\\x1b]0;x\\x07"),
        ("a\rb\u{8}c\u{7f}", "a\\rb\\x08c\\x7f"),
        ("\u{9b}31m", "\\u{9b}31m"),
        ("safe \u{202e}txt.exe", "safe \\u{202e}txt.exe"),
        ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
        ("Grüße, 日本, ✓", "Grüße, 日本, ✓"),
    ] {
        assert_eq!(printable(text), safe);
    }
}

#[test]
fn printable_json_keeps_its_meaning() {
    let value = serde_json::json!({"a": "x\u{9b}\u{202e}\u{e0041}\u{7f}\u{1b}ü"});
    let text = printable_json(&value.to_string());
    assert_eq!(text, r#"{"a":"x\u009b\u202e\udb40\udc41\u007f\u001bü"}"#);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
}

#[test]
fn a_text_is_clipped_by_columns_and_never_longer_than_its_room() {
    for (text, columns, clipped) in [
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("backend1", 8, "backend1"),
        ("backend1", 4, "bac…"),
        ("backend1", 0, ""),
    ] {
        assert_eq!(clip(text, columns), clipped);
    }
    let wall = format!("a{}", "\u{301}".repeat(10_000));
    assert!(clip(&wall, 10).chars().count() <= 41);
}

#[test]
fn a_long_output_is_shown_by_its_first_lines_or_by_both_ends() {
    assert_eq!(lines("one\r\ntwo\tx\n\n", 3, 80), ["one", "two     x"]);
    assert_eq!(lines("1\n2\n3\n4", 2, 80), ["1", "2", "… 2 more lines"]);
    assert!(lines(" \n", 2, 80).is_empty());
    let numbers = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    assert_eq!(both_ends(numbers, 5, 80, false), ["1", "2", "… 4 more lines", "7", "8", "9"]);
    assert_eq!(both_ends(numbers, 5, 80, true), ["1", "2", "… more lines", "7", "8", "9"]);
    assert_eq!(both_ends(numbers, 1, 80, false), ["… 8 more lines", "9"]);
    assert_eq!(both_ends("1\n2\n", 5, 80, true), ["1", "2"]);
    assert!(both_ends(" \n", 2, 80, false).is_empty());
    assert_eq!(wrap("one two three", 7), ["one two", "three"]);
}

#[test]
fn a_duration_has_at_most_two_units() {
    for (millis, text) in [
        (0, "0s"),
        (3, "<0.1s"),
        (3_140, "3.1s"),
        (5_000, "5s"),
        (9_990, "10s"),
        (45_000, "45s"),
        (750_000, "12m 30s"),
        (900_000, "15m"),
        (3_900_000, "1h 5m"),
        (183_600_000, "2d 3h"),
    ] {
        assert_eq!(duration(Duration::from_millis(millis)), text);
    }
}

#[test]
fn a_misspelled_word_is_found_as_a_full_comparison_finds_it() {
    assert_eq!(nearest("srevice", ["service", "device"]), Some("service"));
    assert_eq!(nearest("größe", ["große", "grösse"]), Some("große"));
    assert_eq!(nearest(&"a".repeat(1_000_000), ["a"]), None);
    let words = ["abc", "acb", "bca", "aabbcc", "", "abcd", "ABC", "aba", "ba", "ccbbaa", "größe"];
    for word in words {
        let reach = (word.chars().count() / 3).clamp(1, 3);
        for other in words {
            let is_near = strsim::damerau_levenshtein(word, other) <= reach;
            assert_eq!(nearest(word, [other]).is_some(), is_near, "{word} {other}");
        }
    }
}

#[test]
fn suggestions_for_one_text_end_at_a_limit() {
    let names = || std::iter::repeat_n("service", 50_001);
    let mut near = Suggestions::default();
    assert_eq!(near.find("srevice", names()), Some("service"));
    assert_eq!(near.find("srevice", names()), Some("service"));
    assert_eq!(near.find("srevice", names()), None);
}
