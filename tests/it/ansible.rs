//! Compares the recorded answers of the cases in `inventories.rs` with Ansible itself.
//!
//! The answers are next to the cases, so that all other tests need no Ansible. `UPDATE_ANSIBLE=1` writes
//! them again.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::inventories::{Case, cases, patterns};
use crate::support::root;

/// What a command of Ansible gave.
struct Said {
    stdout: String,
    stderr: String,
}

/// Gives command lines to Ansible, which `tests/ansible/install` has put below `target`.
fn ask(commands: &[Vec<String>]) -> Vec<Said> {
    let python = root().join("target/ansible/bin/python");
    assert!(python.is_file(), "run tests/ansible/install");
    #[expect(clippy::disallowed_methods, reason = "Ansible is a program of its own")]
    let mut child = Command::new(python)
        .arg("tests/ansible/ask")
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = serde_json::to_vec(commands).unwrap();
    child.stdin.take().unwrap().write_all(&asked).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), commands.len());
    let said = |answer: &Value| Said {
        stdout: answer["stdout"].as_str().unwrap().to_owned(),
        stderr: answer["stderr"].as_str().unwrap().to_owned(),
    };
    answers.iter().map(said).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Compares a kept answer with a new one, or keeps the new one where that is wanted.
fn keep(path: &Path, said: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("UPDATE_ANSIBLE").is_some() {
        fs::write(path, said).unwrap();
    }
    if fs::read_to_string(path).unwrap_or_default() != said {
        wrong.push(path.display().to_string());
    }
}

#[test]
#[ignore = "needs ansible-core: tests/run installs it"]
fn the_kept_answers_are_those_of_ansible() {
    let cases = cases();
    let list = |case: &Case| {
        let sources = case.inventories.iter().flat_map(|one| ["-i", one]);
        let all: Vec<&str> = ["ansible-inventory", "--list"].into_iter().chain(sources).collect();
        words(&all)
    };
    let asked: Vec<Vec<String>> = cases.iter().map(list).collect();
    let mut wrong = Vec::new();
    for (case, said) in cases.iter().zip(ask(&asked)) {
        assert_ne!(said.stdout, "", "{}: {}", case.name, said.stderr);
        keep(&case.kept(), &said.stdout, &mut wrong);
    }
    assert!(wrong.is_empty(), "Ansible says something else: {wrong:#?}");
}

#[test]
#[ignore = "needs ansible-core: tests/run installs it"]
fn the_kept_hosts_of_patterns_are_those_of_ansible() {
    let list =
        |pattern: &&str| words(&["ansible", "-i", patterns::INVENTORY, "--list-hosts", pattern]);
    let asked: Vec<Vec<String>> = patterns::PATTERNS.iter().map(list).collect();
    let mut lines = Vec::new();
    for (pattern, said) in patterns::PATTERNS.iter().zip(ask(&asked)) {
        let hosts: Vec<&str> = said.stdout.lines().skip(1).map(str::trim).collect();
        let answer = if said.stdout.starts_with("  hosts (") {
            hosts.join(" ")
        } else {
            assert!(said.stderr.contains("ERROR"), "{pattern}: {}", said.stderr);
            "(an error)".to_owned()
        };
        lines.push(format!("{pattern} => {answer}"));
    }
    lines.push(String::new());
    let mut wrong = Vec::new();
    keep(&root().join(patterns::KEPT), &lines.join("\n"), &mut wrong);
    assert!(wrong.is_empty(), "Ansible says something else: {wrong:#?}");
}
