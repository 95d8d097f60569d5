//! A command line is split into words.

use planrun::template::words::*;

fn words(line: &str) -> Vec<String> {
    let (words, faults) = split(line);
    assert_eq!(faults, [], "{line}");
    words.into_iter().map(|word| word.text).collect()
}

#[test]
fn a_command_line_is_split_as_a_shell_would() {
    assert_eq!(words("a  b\tc\n d"), ["a", "b", "c", "d"]);
    assert_eq!(
        words(r#"say "two words" 'and $these' un\ quoted"#),
        ["say", "two words", "and $these", "un quoted"]
    );
    assert_eq!(
        words(r#"find . -name "*" -exec x {} \;"#),
        ["find", ".", "-name", "*", "-exec", "x", "{}", ";"]
    );
    assert_eq!(words("date +%s ''"), ["date", "+%s", ""]);
    assert_eq!(
        words("curl -w %{http_code} -d {'a,b'}"),
        ["curl", "-w", "%{http_code}", "-d", "{a,b}"]
    );
    assert_eq!(words(r#""a\"b\n""#), ["a\"b\\n"]);
}

#[test]
fn every_byte_of_a_word_knows_its_place() {
    let line = r#"say "a \"é\" {{ x }}"'b'\ c é"#;
    let (words, _) = split(line);
    for word in &words {
        for (at, character) in word.text.char_indices() {
            let place = word.place(at..at + character.len_utf8());
            assert_eq!(&line[place], character.to_string(), "{word:?}");
        }
    }
    assert_eq!(words[1].text, "a \"é\" {{ x }}b c");
}

#[test]
fn a_template_is_one_atom() {
    assert_eq!(words("rm {{ dir }}/x"), ["rm", "{{ dir }}/x"]);
    assert_eq!(
        words(r#"x {{ "a }} b" | raw }} "{{ c }} d""#),
        ["x", r#"{{ "a }} b" | raw }}"#, "{{ c }} d"]
    );
}

#[test]
fn what_a_shell_would_act_upon_is_a_fault() {
    for line in [
        "a | b",
        "a && b",
        "a; b",
        "a > b",
        "a $HOME",
        "a `b`",
        "a $(b)",
        "ls *",
        "ls ~",
        "ls [ab]",
        "(a)",
        "! a",
        "a # b",
        "a \"$b\"",
        "touch {a,b}",
        "x-{1..3}",
    ] {
        let (_, faults) = split(line);
        assert!(matches!(faults[0], SplitError::ShellSyntax { .. }), "{line}");
    }
}

#[test]
fn what_is_opened_is_closed() {
    for line in ["a 'b", "a \"b", "a {{ b }", "{{", "'", "\"{{"] {
        let (_, faults) = split(line);
        assert!(faults.iter().any(|f| matches!(f, SplitError::Unclosed { .. })), "{line}");
    }
}

#[test]
fn no_line_makes_it_panic() {
    for line in ["\\", "a\\", "\"\\", "é\\é", "'é", "{{'", "\u{2003}x", "$", "a$", "[", "\"$"] {
        let (words, _) = split(line);
        assert!(words.len() < 4);
    }
}
