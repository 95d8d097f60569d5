//! The redactor finds secrets however they are written.

use std::borrow::Cow;

use planrun::secret::{Redactor, Secret, SecretFile};

fn redactor() -> Redactor {
    Redactor::new([("token", "hunter2/+é'x"), ("pin", "1234"), ("other", "swordfish")])
}

#[test]
fn a_secret_is_replaced_by_its_name() {
    let redactor = redactor();
    assert_eq!(redactor.text("a hunter2/+é'x b"), "a «secret token» b");
    assert_eq!(redactor.text("swordfishswordfish!"), "«secret other»«secret other»!");
    assert_eq!(redactor.text("pin 1234, hunter2"), "pin 1234, hunter2");
    assert!(matches!(redactor.text("nothing"), Cow::Borrowed(_)));
    assert!(Redactor::new([("pin", "1234")]).is_idle());
}

#[test]
fn secrets_that_begin_alike_are_told_apart() {
    let redactor = Redactor::new([
        ("one", "a-long-beginning-of-many/one"),
        ("two", "a-long-beginning-of-many/two"),
        ("short", "a-long-beginning-of-many"),
    ]);
    for (text, clean) in [
        ("a-long-beginning-of-many/one", "«secret one»"),
        ("a-long-beginning-of-many/two", "«secret two»"),
        ("a-long-beginning-of-many/six", "«secret short»/six"),
        ("a-long-beginning-of-all", "a-long-beginning-of-all"),
        ("a-long-begina-long-beginning-of-many/two", "a-long-begin«secret two»"),
    ] {
        assert_eq!(redactor.text(text), clean);
    }
}

#[test]
fn folded_base64_and_hex_are_found() {
    let secret = "a-rather-long-secret-that-is-folded-into-several-lines-by-base64-and-xxd";
    let redactor = Redactor::new([("long", secret)]);
    let folded = "YS1yYXRoZXItbG9uZy1zZWNyZXQtdGhhdC1pcy1mb2xkZWQtaW50by1zZXZlcmFsLWxpbmVzLWJ5\n\
                  LWJhc2U2NC1hbmQteHhk\n";
    assert_eq!(redactor.text(&format!("x {folded}")), "x «secret long»\n");
    let hex: Vec<String> = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<String> = hex.chunks(30).map(|line| line.join("")).collect();
    assert_eq!(redactor.text(&lines.join("\n")), "«secret long»");
    assert_eq!(redactor.text(&hex.join(" ").to_uppercase()), "«secret long»");
}

#[test]
fn base64_goes_whole_whatever_stands_around_it() {
    let redactor = Redactor::new([("s", "hunter2!")]);
    // Made by `base64` of the secret with 0, 1 and 2 bytes before, and some behind.
    for (text, left) in [
        ("aHVudGVyMiE=", "="),
        ("eGh1bnRlcjIh", "e"),
        ("eHhodW50ZXIyIQ==", "eH=="),
        ("aHVudGVyMiF6eg==", "6eg=="),
    ] {
        let clean = redactor.text(text).replace("«secret s»", "");
        assert_eq!(clean, left, "{text}");
    }
}

#[test]
fn what_was_cut_does_not_end_in_a_part_of_a_secret() {
    let redactor = Redactor::new([("s", "hunter2!")]);
    let cut = |text: &str| {
        let clean = redactor.bytes(text.as_bytes(), true).into_owned();
        String::from_utf8(clean).unwrap()
    };
    assert_eq!(cut("abc hunt"), "abc «secret s»");
    assert_eq!(cut("abc 68756e74"), "abc «secret s»");
    assert_eq!(cut("abc hunter2! "), "abc «secret s» ");
    assert_eq!(redactor.text("abc hunt"), "abc hunt");
}

#[test]
fn bytes_that_are_no_text_are_searched_too() {
    let redactor = Redactor::new([("s", "hunter2!")]);
    let clean = redactor.bytes(b"\xff\xfehunter2!\xff", false).into_owned();
    assert_eq!(clean, [&b"\xff\xfe"[..], "«secret s»".as_bytes(), b"\xff"].concat());
}

#[test]
fn all_texts_of_a_value_are_searched() {
    let redactor = Redactor::new([("s", "hunter2!"), ("n", "1234567")]);
    let mut value = serde_json::json!({"hunter2!": ["a", "b hunter2!"], "n": 1_234_567});
    redactor.value(&mut value);
    let clean = serde_json::json!({"«secret s»": ["a", "b «secret s»"], "n": "«secret n»"});
    assert_eq!(value, clean);
}

#[test]
fn a_secret_is_found_in_every_usual_encoding() {
    let redactor = Redactor::new([("s", "it's \"a/b\" é")]);
    for written in [
        "it's \"a/b\" é",
        "it's \\\"a/b\\\" é",
        "it's \\\"a\\/b\\\" é",
        "it's \\\"a/b\\\" \\u00e9",
        "it'\\''s \"a/b\" é",
        "it\\'s\\ \\\"a/b\\\"\\ é",
        "it%27s%20%22a%2Fb%22%20%C3%A9",
        "it%27s+%22a/b%22+%C3%A9",
        "it's%20%22a/b%22%20%c3%a9",
        "it&#39;s &quot;a/b&quot; é",
        "69:74:27:73:20:22:61:2f:62:22:20:c3:a9",
        r#"it's \"a/b\" \303\251"#,
        r#"it\'s "a/b" \xc3\xa9"#,
        "it&#039;s \"a/b\" é",
        "it&apos;s &#34;a/b&#34; é",
    ] {
        assert_eq!(redactor.text(written), "«secret s»", "{written}");
    }
    // JSON of Go, of templates, of Gson and of .NET.
    let redactor = Redactor::new([("s", "<it's=\"é\"&+>")]);
    for written in [
        r#"\u003cit's=\"é\"\u0026+\u003e"#,
        r#"\u003cit\u0027s=\"\u00e9\"\u0026+\u003e"#,
        r#"\u003cit\u0027s\u003d\"é\"\u0026+\u003e"#,
        r"\u003Cit\u0027s=\u0022\u00E9\u0022\u0026\u002B\u003E",
    ] {
        assert_eq!(redactor.text(written), "«secret s»", "{written}");
    }
    // Both alphabets of base64.
    let redactor = Redactor::new([("s", &[0xfb, 0xff, 0xfe, 0xfb, 0xff, 0xfe])]);
    assert_eq!(redactor.text("-__--__- +//++//+"), "«secret s» «secret s»");
}

#[test]
fn long_lines_of_a_secret_are_secrets_and_short_ones_are_not() {
    let key = "-----BEGIN PRIVATE KEY-----\nabc\nMIIEvQIBADAN\n-----END PRIVATE KEY-----\n";
    let redactor = Redactor::new([("key", key)]);
    let text = "abc MIIEvQIBADAN -----BEGIN PRIVATE KEY-----";
    assert_eq!(redactor.text(text), "abc «secret key» -----BEGIN PRIVATE KEY-----");
    for coded in
        ["TUlJRXZRSUJBREFO", "4d494945765149424144414e", "4D 49 49 45 76 51 49 42 41 44 41 4E"]
    {
        assert_eq!(redactor.text(coded), "«secret key»", "{coded}");
    }
}

#[test]
fn a_secret_that_is_not_text_is_found_as_it_is_in_hex_and_in_base64() {
    let key = b"\x30\x82\xff\x00 key\xfe";
    let redactor = Redactor::new([("key", key)]);
    for written in [&key[..], b"3082ff00206b6579fe", b"MIL/ACBrZXn+"] {
        let clean = redactor.bytes(written, false);
        assert_eq!(String::from_utf8_lossy(&clean), "«secret key»");
    }
}

#[test]
fn a_secret_is_not_in_its_debug_form() {
    let secret = Secret::list(["hunter2!".to_owned(), "other-one".to_owned()]);
    let file = SecretFile::new(b"hunter2!");
    assert_eq!(format!("{secret:?} {file:?}"), "Secret SecretFile");
    assert!(!format!("{:?}", redactor()).contains("hunter2"));
    assert_eq!(secret.expose().collect::<Vec<_>>(), ["hunter2!", "other-one"]);
}
