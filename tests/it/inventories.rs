//! Inventories, read like Ansible reads them.
//!
//! A case is a folder below `tests/cases/inventories`: an inventory whose name starts with `hosts` (or a
//! file `sources` with several, one per line: names in the folder, or lists of hosts), and `ansible.json`,
//! the output of `ansible-inventory --list` for it. The quick test compares the reader with the recorded
//! answers; another one, which needs Ansible, compares those with Ansible itself (`UPDATE_ANSIBLE=1` writes
//! them again). Every difference is in `DIFFERENCES.md` with its reason.

mod answer;
mod entries;
mod find;
pub(crate) mod patterns;
mod rejected;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use planrun::diagnostic::Diagnostics;
use planrun::inventory::{Inventory, read};
use planrun::source::Sources;
use planrun::transport::program::{LocalPrograms, PATIENCE};

use crate::inventories::answer::Answer;
use crate::support::{fenced, root, text};

const CASES: &str = "tests/cases/inventories";
const DIFFERENCES: &str = "tests/cases/inventories/DIFFERENCES.md";

/// An inventory, and what Ansible makes of it.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The inventories, relative to the root of the tree, or lists of hosts.
    pub(crate) inventories: Vec<String>,
}

impl Case {
    /// Returns where the answer is kept.
    pub(crate) fn kept(&self) -> PathBuf {
        root().join(CASES).join(&self.name).join("ansible.json")
    }
}

/// Returns all cases, by name.
pub(crate) fn cases() -> Vec<Case> {
    let folders = fs::read_dir(root().join(CASES)).unwrap();
    let mut names: Vec<String> = folders
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let folder = format!("{CASES}/{name}");
            if let Ok(sources) = fs::read_to_string(root().join(&folder).join("sources")) {
                let path = |line: &str| {
                    if line.contains(',') { line.to_owned() } else { format!("{folder}/{line}") }
                };
                return Case { inventories: sources.lines().map(path).collect(), name };
            }
            let inside = fs::read_dir(root().join(CASES).join(&name)).unwrap();
            let mut hosts = inside
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|entry| entry.starts_with("hosts"));
            let file = hosts.next().unwrap_or_else(|| panic!("{name}: no `hosts`"));
            assert_eq!(hosts.next(), None, "{name}: which of them?");
            Case { inventories: vec![format!("{folder}/{file}")], name }
        })
        .collect()
}

/// Reads inventories; `Err` has the codes of the faults.
pub(crate) fn ours(inventories: &[String]) -> Result<Inventory, String> {
    let mut sources = Sources::default();
    let mut found = Diagnostics::default();
    let paths: Vec<PathBuf> = inventories.iter().map(PathBuf::from).collect();
    let mut programs = LocalPrograms::new(PATIENCE);
    let read = read::read_all(&paths, &mut programs, &mut sources, &mut found);
    read.ok_or_else(|| {
        let codes: Vec<&str> = found.sorted().iter().map(|one| one.code.name()).collect();
        codes.join(", ")
    })
}

/// Returns the differences that are listed, by case.
fn listed() -> BTreeMap<String, String> {
    let page = text(DIFFERENCES);
    let mut all = BTreeMap::new();
    for section in page.split("\n## ").skip(1) {
        let name = section.lines().next().unwrap();
        let reason = section.split("```").next().unwrap();
        let reason = reason.lines().skip(1).collect::<String>();
        assert!(!reason.trim().is_empty(), "{name}: no reason is given");
        let blocks = fenced(section, "text");
        assert_eq!(blocks.len(), 1, "{name}: one block of differences");
        let twice = all.insert(name.to_owned(), blocks[0].1.clone());
        assert_eq!(twice, None, "{name} stands there twice");
    }
    all
}

/// Holds what differs against what is listed; `names` are the cases there are.
pub(crate) fn hold(found: &BTreeMap<String, String>, names: &[String]) {
    let mut wrong = Vec::new();
    let listed = listed();
    for name in names {
        let expected = listed.get(name).cloned().unwrap_or_default();
        let found = found.get(name).cloned().unwrap_or_default();
        if found != expected {
            wrong.push(format!("## {name}\nlisted:\n{expected}found:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn inventories_are_read_as_ansible_reads_them() {
    let cases = cases();
    let mut found = BTreeMap::new();
    for case in &cases {
        let kept = fs::read_to_string(case.kept()).unwrap();
        let answer = Answer::read(&kept);
        let differences = match ours(&case.inventories) {
            Ok(inventory) => answer.differences(&inventory),
            Err(codes) => format!("planrun refuses it: {codes}\n"),
        };
        found.insert(case.name.clone(), differences);
    }
    let names: Vec<String> = cases.into_iter().map(|case| case.name).collect();
    assert!(names.len() >= 45, "{} cases", names.len());
    hold(&found, &names);
}

#[test]
fn only_cases_that_are_there_are_listed_as_different() {
    let mut names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    names.push("patterns".to_owned());
    let unknown: Vec<String> = listed().into_keys().filter(|name| !names.contains(name)).collect();
    assert!(unknown.is_empty(), "no such cases: {unknown:?}");
}
