//! Scalars of inventories, and characters that look like those of YAML.

use planrun::diagnostic::{Code, Diagnostics};
use planrun::document::lookalike::Lookalike;
use planrun::document::{parse, parse_ansible};
use planrun::source::Sources;

#[test]
fn plain_scalars_are_what_ansible_takes_them_for() {
    for (text, expected) in [
        ("yes", "true"),
        ("Off", "false"),
        ("y", "\"y\""),
        ("nUll", "\"nUll\""),
        ("Null", "null"),
        ("0644", "420"),
        ("0899", "\"0899\""),
        ("0o17", "\"0o17\""),
        ("0xFF", "255"),
        ("-0b101", "-5"),
        ("1_000", "1000"),
        ("1:30", "90"),
        ("-1:30", "-90"),
        ("12:75", "\"12:75\""),
        ("1:30.5", "90.5"),
        ("00:16:3e:00:00:01", "\"00:16:3e:00:00:01\""),
        ("1.50", "1.5"),
        ("-.5", "\"-.5\""),
        (".5", "0.5"),
        ("5.", "5.0"),
        ("1.5e3", "\"1.5e3\""),
        ("1.5e+3", "1500.0"),
        ("1e3", "\"1e3\""),
        ("+", "\"+\""),
        (".inf", "\".inf\""),
        ("2001-12-14", "\"2001-12-14\""),
        ("99999999999999999999", "\"99999999999999999999\""),
        ("0b", "\"0b\""),
        ("0x_", "\"0x_\""),
    ] {
        let mut sources = Sources::default();
        let id = sources.add("hosts.yaml", format!("key: {text}\n"));
        let (node, _) = parse_ansible(&sources, id, &mut Diagnostics::default()).unwrap();
        assert_eq!(node.get("key").unwrap().to_json().to_string(), expected, "{text}");
    }
}

#[test]
fn the_last_of_several_equal_keys_is_the_first_occurrence_of_the_next() {
    let mut sources = Sources::default();
    let keys: Vec<String> = (0..100).map(|number| format!("key{}: 1\n", number % 30)).collect();
    let id = sources.add("plan.yaml", keys.concat());
    let mut found = Diagnostics::default();
    assert!(parse(&sources, id, &mut found).is_none());
    let place = |number: usize| keys[..number].concat().len();
    let found = found.sorted();
    assert_eq!(found.len(), 70);
    for (number, one) in found.into_iter().enumerate() {
        assert_eq!(one.code, Code::DuplicateKey);
        assert_eq!(one.primary.as_ref().unwrap().span.range().start, place(number + 30));
        assert_eq!(one.secondary[0].span.range().start, place(number));
    }
}

#[test]
fn no_plain_character_is_a_lookalike() {
    assert!((0_u8..0xa0).all(|byte| Lookalike::of(char::from(byte)).is_none()));
    assert!(Lookalike::of('é').is_none());
    let title = Lookalike::space('\u{a0}').map(Lookalike::a_title);
    assert_eq!(title.as_deref(), Some("a no-break space (U+00A0)"));
    assert!(Lookalike::space('“').is_none());
    let (quote, dash) = (Lookalike::of('“').unwrap(), Lookalike::of('–').unwrap());
    assert_eq!((quote.meant, dash.meant), ("\"", "--"));
}
