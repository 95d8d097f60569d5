//! Tests of [`super`]: programs that answer from a table.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{Reading, members, read_programs, var};
use planrun::diagnostic::Code;
use planrun::inventory::program::*;

/// Answers by the words it is asked with, and remembers them.
struct Table<'a> {
    answers: &'a [(&'a str, Result<&'a str, Failure>)],
    asked: Vec<String>,
}

impl Programs for Table<'_> {
    fn run(&mut self, program: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        assert!(program.ends_with("hosts.py"), "{}", program.display());
        let words = arguments.join(" ");
        let (_, answer) = self.answers.iter().find(|(asked, _)| *asked == words).unwrap();
        self.asked.push(words);
        answer.clone().map(|text| text.as_bytes().to_vec())
    }
}

fn ask(answers: &[(&str, Result<&str, Failure>)]) -> (Reading, Vec<String>) {
    let mut table = Table { answers, asked: Vec::new() };
    let files = [("hosts.py*", "#!/bin/false\n")];
    let reading = read_programs("hosts.py", &files, &mut table);
    (reading, table.asked)
}

fn told(answer: Result<&str, Failure>) -> Reading {
    let (reading, _) = ask(&[("--list", answer)]);
    assert!(reading.inventory.is_none());
    reading
}

#[test]
fn a_program_with_meta_is_asked_once() {
    let list = r#"{"web": {"hosts": ["a", "b"], "vars": {"x": 1e3}}, "db": ["c"],
        "site": {"children": ["web", "db"]},
        "_meta": {"hostvars": {"a": {"y": {"__ansible_unsafe": "{{ z }}"}}}}}"#;
    let (reading, asked) = ask(&[("--list", Ok(list))]);
    let inventory = reading.clean();
    assert_eq!(asked, ["--list"]);
    assert_eq!(members(&inventory, "site"), "a b c");
    assert_eq!(var(&inventory, "b", "x"), json!(1000.0));
    assert_eq!(var(&inventory, "a", "y"), json!("{{ z }}"));
}

#[test]
fn a_program_without_meta_is_asked_for_each_host() {
    let answers = [
        ("--list", Ok(r#"{"web": {"hosts": ["a", "b"]}, "db": ["a"]}"#)),
        ("--host a", Ok(r#"{"ansible_port": 2222}"#)),
        ("--host b", Ok("\n")),
    ];
    let (reading, asked) = ask(&answers);
    let inventory = reading.clean();
    assert_eq!(asked, ["--list", "--host a", "--host b"]);
    assert_eq!(var(&inventory, "a", "ansible_port"), json!(2222));
}

#[test]
fn what_a_vault_holds_is_no_value() {
    let list = r#"{"web": ["a"], "_meta": {"hostvars":
        {"a": {"s": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n61"}}}}}"#;
    let (reading, _) = ask(&[("--list", Ok(list))]);
    assert_eq!(reading.diagnostics[0].code, Code::VaultValue);
    let inventory = reading.inventory.unwrap();
    assert_eq!(var(&inventory, "a", "s"), json!(null));
}

#[test]
fn what_is_not_json_is_told_at_its_place() {
    let reading = told(Ok("{\n  \"web\": [a]\n}\n"));
    assert_eq!(
        reading.told(),
        "inventory-program 2:11 the output of `hosts.py --list` is not valid JSON | expected value"
    );
    let reading = told(Ok("warning: old\n{}\n"));
    assert!(reading.told().contains(" 1:1 "), "{}", reading.told());
    let reading = told(Ok(""));
    assert!(reading.help().contains("`{}`"), "{}", reading.help());
    let reading = told(Ok("{\"web\": [\"a\""));
    assert!(reading.told().contains(" 1:12 "), "{}", reading.told());
    let reading = told(Ok("[]"));
    assert!(reading.told().contains("must print a mapping"), "{}", reading.told());
    let reading = told(Ok("{\"web\": {\"hsots\": []}}"));
    assert!(reading.told().contains("unknown-group-key 1:10"), "{}", reading.told());
}

#[test]
fn a_program_that_fails_is_told_with_what_it_said() {
    let reading =
        told(Err(Failure::Ended { how: "with 3".to_owned(), said: "no credentials\n".to_owned() }));
    assert_eq!(reading.told(), "inventory-program `hosts.py --list` failed with 3");
    assert_eq!(reading.help(), "see its standard error:\nno credentials");
    let reading = told(Err(Failure::Late(Duration::from_secs(30))));
    assert!(reading.told().contains("its timeout of 30s"), "{}", reading.told());
    let reading = told(Err(Failure::TooLong(9)));
    assert!(reading.told().contains("more than 9 bytes"), "{}", reading.told());
    let reading = told(Err(Failure::NotStarted("no such file".to_owned())));
    assert!(
        reading.told().ends_with("cannot run `hosts.py --list`: no such file"),
        "{}",
        reading.told()
    );
}

#[test]
fn the_first_host_that_fails_ends_the_questions() {
    let answers = [("--list", Ok(r#"{"web": {"hosts": ["a", "b"]}}"#)), ("--host a", Ok("[1]"))];
    let (reading, asked) = ask(&answers);
    assert_eq!(asked, ["--list", "--host a"]);
    assert!(
        reading.told().contains("`hosts.py --host a` must print a mapping, not a list"),
        "{}",
        reading.told()
    );
}
