//! Each form on what commands print: as hoped, real, and broken.

use indexmap::IndexMap;
use serde_json::{Value, json};

use planrun::output::{Data, Format, MAX_ROWS, Reading, Type, read};

fn parse(reading: &Reading, text: impl AsRef<[u8]>) -> Result<Value, String> {
    let bytes = text.as_ref();
    read(reading, 0, bytes, bytes.len() as u64, b"")
}

fn types(all: &[(&str, Type)]) -> IndexMap<String, Type> {
    all.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect()
}

fn by(format: Format, key: &str, all: &[(&str, Type)]) -> Reading {
    let key = Some(key.to_owned()).filter(|key| !key.is_empty());
    Reading::Data(Data { format, at: None, key, types: types(all) })
}

fn tsv(key: &str, all: &[(&str, Type)]) -> Reading {
    by(Format::Tsv, key, all)
}

fn json_by(key: &str, all: &[(&str, Type)]) -> Reading {
    by(Format::Json, key, all)
}

fn yaml_by(key: &str, all: &[(&str, Type)]) -> Reading {
    by(Format::Yaml, key, all)
}

fn pairs(all: &[(&str, Type)]) -> Reading {
    by(Format::Pairs, "", all)
}

fn regex(pattern: &str, key: &str, all: &[(&str, Type)]) -> Reading {
    by(Format::Regex(pattern.to_owned()), key, all)
}

/// Holds that a text is refused with exactly this message.
#[track_caller]
fn refuses(reading: &Reading, text: impl AsRef<[u8]>, why: &str) {
    assert_eq!(parse(reading, text), Err(why.to_owned()));
}

fn vhosts() -> Reading {
    tsv("mail server ip", &[("vhosts", Type::Int)])
}

#[test]
fn a_table_becomes_rows_by_its_key() {
    let text = "mail server ip\ttag\tvhosts\n127.0.2.1\t\t100\n127.0.2.2\tx\t0\n";
    let value = parse(&vhosts(), text).unwrap();
    assert_eq!(value["127.0.2.1"]["vhosts"], 100);
    assert_eq!(value["127.0.2.1"]["tag"], "");
    assert_eq!(value["127.0.2.2"]["key"], "127.0.2.2");
}

#[test]
fn a_header_alone_is_an_empty_table() {
    assert_eq!(parse(&vhosts(), "mail server ip\tvhosts\n"), Ok(json!({})));
    assert_eq!(parse(&tsv("", &[]), "a\tb\n"), Ok(json!([])));
}

#[test]
fn a_table_is_read_with_any_line_ends_and_a_byte_order_mark() {
    let text = "\u{feff}mail server ip\tvhosts\r\na\t1\r\n\r\nb\t2";
    let value = parse(&vhosts(), text).unwrap();
    assert_eq!(value["a"]["vhosts"], 1);
    assert_eq!(value["b"]["vhosts"], 2);
}

#[test]
fn what_is_no_sound_table_is_told_with_its_row_and_column() {
    refuses(&vhosts(), "", "expected a header, found no output");
    refuses(
        &vhosts(),
        "mail server ip\tusers\n",
        r#"missing column `vhosts` in the header "mail server ip\tusers""#,
    );
    refuses(
        &vhosts(),
        "mail server ip\tvhosts\na\t1\nb\tmany\n",
        r#"`vhosts` in row 2: expected an integer, found "many""#,
    );
    refuses(
        &vhosts(),
        "mail server ip\tvhosts\na\t\n",
        "`vhosts` in row 1: expected an integer, found nothing",
    );
    refuses(
        &vhosts(),
        "mail server ip\tvhosts\na\n",
        r#"row 1 has 1 columns, the header has 2: "a""#,
    );
    refuses(
        &vhosts(),
        "mail server ip\tvhosts\na\t1\t2\n",
        r#"row 1 has 3 columns, the header has 2: "a\t1\t2""#,
    );
    refuses(
        &vhosts(),
        "mail server ip\tvhosts\na\t1\na\t2\n",
        r#"duplicate `mail server ip` in two rows: "a""#,
    );
    refuses(
        &vhosts(),
        "mail server ip\tvhosts\tvhosts\na\t1\t2\n",
        "duplicate column in the header: `vhosts`",
    );
    refuses(
        &tsv("", &[]),
        "a\t\t\n1\t2\t3\n",
        "duplicate column in the header: a column without a name",
    );
    refuses(
        &vhosts(),
        "mail server ip\tvhosts\tkey\na\t1\t2\n",
        "the rows have a column `key` and are also mapped by `mail server ip`: rename that column, \
         or remove `key` from `parse`",
    );
}

#[test]
fn columns_of_psql_are_a_table() {
    let text = include_str!("../../cases/outputs/psql-A-F.txt");
    let value = parse(&tsv("application_name", &[("behind", Type::Int)]), text).unwrap();
    assert_eq!(value["db3"]["behind"], 524_288);
    assert_eq!(value["db2"]["state"], "streaming");
}

#[test]
fn the_pairs_of_systemctl_show_are_split_at_their_first_sign() {
    let text = include_str!("../../cases/outputs/systemctl-show.txt");
    let value = parse(&pairs(&[("MainPID", Type::Int)]), text).unwrap();
    assert_eq!(value["MainPID"], 1187);
    assert_eq!(value["ActiveState"], "active");
    assert_eq!(value["DropInPaths"], "");
    assert_eq!(value["Environment"], r#"LANG=C.UTF-8 "GREETING=hello world""#);
    assert_eq!(value["ActiveEnterTimestamp"], "Tue 2026-11-24 06:12:51 UTC");
    refuses(
        &pairs(&[("MemoryCurrent", Type::Int)]),
        text,
        "`MemoryCurrent` in line 7: expected an integer of at most 63 bits, found \"18446744073709551615\"",
    );
}

#[test]
fn the_pairs_of_os_release_lose_their_quotes() {
    let text = include_str!("../../cases/outputs/os-release.txt");
    let value = parse(&pairs(&[("VERSION_ID", Type::Int)]), text).unwrap();
    assert_eq!(value["PRETTY_NAME"], "Debian GNU/Linux 12 (bookworm)");
    assert_eq!(value["VERSION_ID"], 12);
    assert_eq!(value["ID"], "debian");
    assert_eq!(value["HOME_URL"], "https://www.debian.org/");
}

#[test]
fn only_a_value_that_is_in_quotes_as_a_whole_loses_them() {
    let text = r#"
# a remark
a="x \"y\" \$z \n"
b='it is "so"'
c="one" "two"
d="open
e='it's'
f: "a header"
g = spaced
h="
i=
"#;
    let expected = json!({
        "a": r#"x "y" $z \n"#, "b": r#"it is "so""#, "c": r#""one" "two""#, "d": "\"open",
        "e": "'it's'", "f": "\"a header\"", "g": "spaced", "h": "\"", "i": "",
    });
    assert_eq!(parse(&pairs(&[]), text), Ok(expected));
}

#[test]
fn what_are_no_sound_pairs_is_told_with_its_line() {
    refuses(
        &pairs(&[]),
        "a=1\nword\n",
        r#"line 2: expected `key=value` or `key: value`, found "word""#,
    );
    refuses(&pairs(&[]), "=1\n", r#"line 1: expected `key=value` or `key: value`, found "=1""#);
    refuses(
        &pairs(&[]),
        include_str!("../../cases/outputs/systemctl-show-of-two.txt"),
        "duplicate key `MainPID` in lines 1 and 5",
    );
    refuses(&pairs(&[("n", Type::Int)]), "a=1\n", "missing key `n` in the output");
    refuses(
        &pairs(&[("n", Type::Int)]),
        "n=\n",
        "`n` in line 1: expected an integer, found nothing",
    );
    assert_eq!(parse(&pairs(&[]), ""), Ok(json!({})));
}

#[test]
fn json_of_real_commands_is_taken_as_it_is_or_by_a_key() {
    let disks = include_str!("../../cases/outputs/lsblk-J.json");
    let value = parse(&json_by("", &[]), disks).unwrap();
    assert_eq!(value["blockdevices"][0]["name"], "vda");
    refuses(
        &json_by("name", &[]),
        disks,
        "expected a list of mappings, found a mapping with a list `blockdevices`: add `at: blockdevices`",
    );
    let links = include_str!("../../cases/outputs/ip-j-addr.json");
    let value = parse(&json_by("ifname", &[("mtu", Type::Int)]), links).unwrap();
    assert_eq!(value["lo"]["mtu"], 65536);
    assert_eq!(value["lo"]["addr_info"][0]["local"], "127.0.0.1");
    assert_eq!(value["lo"]["key"], "lo");
}

#[test]
fn fields_of_json_are_converted_where_types_say_so() {
    let all = [("n", Type::Int), ("f", Type::Float), ("b", Type::Bool), ("s", Type::String)];
    let value =
        parse(&json_by("", &all), r#"[{"n":"5","f":1,"b":"yes","s":7}, {"n":null}, {"b":0}]"#);
    let expected = json!([
        {"n": 5, "f": 1.0, "b": true, "s": "7"}, {"n": null}, {"b": false}
    ]);
    assert_eq!(value, Ok(expected));
    let by_n = json_by("", &[("n", Type::Int)]);
    refuses(&by_n, r#"[{"n":1},{"n":1.5}]"#, r#"`n` in row 2: expected an integer, found "1.5""#);
    refuses(&by_n, r#"[{"n":[]}]"#, "`n` in row 1: expected an integer, found a list");
    refuses(&by_n, r#"[{"n":true}]"#, "`n` in row 1: expected an integer, found a bool");
    refuses(&by_n, r#"[{"m":1}]"#, "no row has a column `n`");
    refuses(&by_n, "[1]", "row 1: expected a mapping, found a number");
    refuses(&by_n, "5", "expected a list of mappings, found a number");
    let by_a = json_by("a", &[]);
    refuses(&by_a, r#"[{"a":"x"},{}]"#, "missing `a` in row 2");
    refuses(
        &by_a,
        r#"[{"a":null}]"#,
        "`a` in row 1: expected a string or a number, found nothing (null)",
    );
    assert_eq!(parse(&by_a, r#"[{"a":7}]"#), Ok(json!({"7": {"a": 7, "key": "7"}})));
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    let any = json_by("", &[]);
    refuses(&any, " \n", "expected JSON, found no output");
    refuses(
        &any,
        "{\"a\": 1}\n{\"a\": 2}\n",
        "the output is not valid JSON: trailing characters at line 2 column 1, found \"{\\\"a\\\": 2}\"",
    );
    refuses(
        &any,
        "Warning: old\n[]",
        "the output is not valid JSON: expected value at line 1 column 1, found \"Warning: old\"",
    );
    let deep = "[".repeat(100_000);
    assert!(parse(&any, deep).unwrap_err().contains("recursion limit"));
}

#[test]
fn a_whole_number_is_never_taken_for_a_near_one() {
    for text in ["99999999999999999999", "[-9223372036854775809]"] {
        let why = parse(&json_by("", &[]), text).unwrap_err();
        assert!(why.starts_with("expected an integer of at most"), "{why}");
        let why = parse(&yaml_by("", &[]), text).unwrap_err();
        assert!(why.starts_with("expected an integer of at most"), "{why}");
    }
    // Not a number, or no whole one.
    let text = r#"{"a": "99999999999999999999 \" 99999999999999999999", "b": 1e30}"#;
    assert!(parse(&json_by("", &[]), text).is_ok());
    assert_eq!(parse(&json_by("", &[]), "18446744073709551615"), Ok(json!(u64::MAX)));
    refuses(
        &Reading::Int,
        "9223372036854775808\n",
        "expected an integer of at most 63 bits, found \"9223372036854775808\"",
    );
}

#[test]
fn yaml_is_one_document_of_plain_values() {
    let any = yaml_by("", &[]);
    assert_eq!(parse(&any, "---\na: [1, yes, 0.5, ~]\n"), Ok(json!({"a": [1, "yes", 0.5, null]})));
    assert_eq!(
        parse(&yaml_by("name", &[("n", Type::Int)]), "- {name: x, n: '5'}\n"),
        Ok(json!({"x": {"name": "x", "n": 5, "key": "x"}}))
    );
    refuses(&any, "\n", "expected YAML, found no output");
    for (text, part) in [
        ("a: 1\na: 2\n", "in line 2"),
        ("a: [1\n", "the output is not valid YAML"),
        ("a: 1\n---\na: 2\n", "in line 2"),
        ("a: !x 1\n", "in line 1"),
    ] {
        let why = parse(&any, text).unwrap_err();
        assert!(why.contains(part), "{text:?}: {why}");
    }
}

#[test]
fn a_pattern_gives_its_first_match_and_with_a_key_all_of_them() {
    let version =
        regex(r"(?P<major>\d+)\.(?P<minor>\d+)(?P<more>-\w+)?", "", &[("major", Type::Int)]);
    assert_eq!(
        parse(&version, "version 2.3 of 1.0\n"),
        Ok(json!({"major": 2, "minor": "3", "more": null}))
    );
    refuses(&version, "", "the output does not match the pattern, found nothing");
    refuses(&version, "none\nat all", "the output does not match the pattern, found \"none\"...");

    let df = regex(
        r"(?m)^.*?\s+(?P<blocks>\d+)\s+\d+\s+(?P<free>\d+)\s+(?P<used>\d+)% (?P<mount>/.*)$",
        "mount",
        &[("free", Type::Int), ("used", Type::Int)],
    );
    let text = include_str!("../../cases/outputs/df-P.txt");
    let value = parse(&df, text).unwrap();
    assert_eq!(value["/"]["used"], 45);
    assert_eq!(value["/srv/mail data"]["free"], 8_388_608);
    assert_eq!(value.as_object().unwrap().len(), 4);
    refuses(&df, "no table", "the output does not match the pattern, found \"no table\"");
    refuses(
        &regex(r"(?P<a>\w)(?P<n>\w)", "a", &[("n", Type::Int)]),
        "x1yy",
        "match 2: `n`: expected an integer, found \"y\"",
    );
}

#[test]
fn texts_lines_and_numbers_are_what_they_say() {
    assert_eq!(parse(&Reading::Text, " \u{feff}a b\r\n"), Ok(json!("\u{feff}a b")));
    assert_eq!(parse(&Reading::Text, "\u{feff}active\n"), Ok(json!("active")));
    assert_eq!(parse(&Reading::Text, ""), Ok(json!("")));
    assert_eq!(parse(&Reading::Int, " 12\r\n"), Ok(json!(12)));
    assert_eq!(parse(&Reading::Int, "-3"), Ok(json!(-3)));
    refuses(&Reading::Int, "", "expected an integer, found nothing");
    for text in ["5 users", "5.0", "1e3", "0x10", "1,000"] {
        let why = format!("expected an integer, found {text:?}");
        refuses(&Reading::Int, text, &why);
    }
    assert_eq!(parse(&Reading::Size, "abc\n"), Ok(json!(4)));
    assert_eq!(parse(&Reading::Size, [0xff, 0]), Ok(json!(2)));
    // What was lost has no size.
    assert_eq!(read(&Reading::Size, 0, b"", 1, b""), Err("its output is lost".to_owned()));
    assert_eq!(parse(&Reading::Lines, "  a \r\n \r\n\nb"), Ok(json!(["  a ", "b"])));
    assert_eq!(parse(&Reading::Lines, ""), Ok(json!([])));
    assert_eq!(parse(&Reading::Lines, "a\0b\n"), Ok(json!(["a\0b"])));
}

#[test]
fn truth_has_many_words_and_numbers_few() {
    let of = |kind, text: &str| {
        let value = parse(&pairs(&[("v", kind)]), format!("v={text}\n"));
        value.map(|value| value["v"].clone())
    };
    for word in ["true", "TRUE", "t", "yes", "Y", "on", "1"] {
        assert_eq!(of(Type::Bool, word), Ok(json!(true)), "{word}");
    }
    for word in ["false", "f", "No", "n", "off", "0"] {
        assert_eq!(of(Type::Bool, word), Ok(json!(false)), "{word}");
    }
    for word in ["", "2", "enabled", "-"] {
        let why = of(Type::Bool, word).unwrap_err();
        assert!(why.contains("expected true or false, found "), "{why}");
    }
    assert_eq!(of(Type::Float, "-1.5e3"), Ok(json!(-1500.0)));
    assert_eq!(of(Type::Float, "2"), Ok(json!(2.0)));
    for word in ["", "inf", "NaN", "infinity", "1e999", "1,5", "5%"] {
        let why = of(Type::Float, word).unwrap_err();
        assert!(why.contains("expected a number, found "), "{why}");
    }
    assert_eq!(of(Type::String, "5"), Ok(json!("5")));
}

#[test]
fn without_a_form_the_status_counts_whatever_was_printed() {
    let value = read(&Reading::Whole, 3, b"a\xff", 2, b"b\xff").unwrap();
    assert_eq!(value, json!({"exit": 3, "stdout": "a\u{fffd}", "stderr": "b\u{fffd}"}));
    let value = read(&Reading::Discard, 3, b"", 1 << 40, b"").unwrap();
    assert_eq!(value, json!({"exit": 3}));
}

#[test]
fn what_is_no_text_or_not_all_there_is_refused() {
    for reading in [
        Reading::Text,
        Reading::Int,
        Reading::Lines,
        pairs(&[]),
        tsv("", &[]),
        json_by("", &[]),
        yaml_by("", &[]),
        regex("(?P<a>.)", "", &[]),
    ] {
        refuses(&reading, b"ok\ncaf\xe9\n", "the output is not valid UTF-8: byte 0xe9 in line 2");
        let cut = read(&reading, 0, b"1", 2_000_000, b"");
        let why = "it printed 2000000 bytes, and only 1 can be read";
        assert_eq!(cut, Err(why.to_owned()));
    }
}

#[test]
fn rows_have_a_bound() {
    let many = |row: &str| row.repeat(MAX_ROWS + 1);
    let why = format!("it printed more than {MAX_ROWS} rows");
    refuses(&Reading::Lines, many("x\n"), &why);
    refuses(&tsv("", &[]), format!("a\n{}", many("x\n")), &why);
    let numbered: Vec<String> = (0..=MAX_ROWS).map(|n| format!("k{n}=")).collect();
    let numbered = numbered.join("\n");
    refuses(&pairs(&[]), numbered, &why);
    refuses(&regex("(?P<a>x)", "a", &[]), many("x"), &why);
    let list = format!("[{}{{}}]", "{},".repeat(MAX_ROWS));
    refuses(&json_by("", &[("a", Type::Int)]), list, &why);
}

#[test]
fn quotes_of_csv_that_would_take_in_other_rows_are_refused() {
    let csv = |text: &str| parse(&by(Format::Csv, "", &[]), text);
    let refuses = |text: &str, why: &str| refuses(&by(Format::Csv, "", &[]), text, why);
    assert_eq!(
        csv("a,b\n\"1\n2\",\"say \"\"x\"\"\"\n"),
        Ok(json!([{"a": "1\n2", "b": "say \"x\""}]))
    );
    assert_eq!(csv("a,b\r\n5\" disk,\"\"\r\n"), Ok(json!([{"a": "5\" disk", "b": ""}])));
    assert_eq!(csv("a,b\n1,\"2\""), Ok(json!([{"a": "1", "b": "2"}])));
    refuses("a,b\n\"1,2\n3,4\n", "the quote in line 2 is not closed");
    refuses("a,b\n1,2\n3,\"\"\"\n5,6\n", "the quote in line 3 is not closed");
    refuses("a,b\n1,\"x\"z\n", "line 2 has text after a closing quote: \"z\"");
}
