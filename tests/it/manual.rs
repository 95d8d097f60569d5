//! `docs/diagnostics.md` is tested: every bad example has its code and no other, and its fix has none.
//!
//! What precedes `Fix:` in a section is bad, what follows it is the fix. The examples of one side are the
//! files of one desk: parts of a plan (`yaml step`, `yaml top`), whole files (`yaml file`, `yaml
//! inventory`, `ini inventory`, `json inventory`, `yaml inputs`), the groups of a model (`yaml model`), and
//! the command line (`sh`). A fix uses files of the bad side that it does not show.

use std::collections::BTreeMap;

use planrun::diagnostic::manual;
use planrun::diagnostic::manual::Section;

use crate::desk;
use crate::desk::Desk;
use crate::support::fenced;

/// Codes without an example, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("secret-command", "is about the configuration of the user"),
    ("user-configuration", "is about the configuration of the user"),
    ("preview-changed", "takes a preview that was saved before"),
    ("preview-unreadable", "takes a preview that was saved before"),
    ("too-many-aliases", "takes a bomb"),
    ("too-many-nodes", "takes millions of values"),
    ("file-too-large", "takes 32 MiB"),
    ("not-utf8", "a page is UTF-8"),
    ("unreadable-inventory", "takes ten directories"),
    ("executable-inventory", "takes rights of files"),
    ("shadowed-vars", "takes several folders"),
    ("too-many-entries", "takes thousands of keys"),
    ("command-too-long", "takes a command of 120 KiB"),
    ("too-many-faults", "takes two hundred faults"),
    ("let-too-deep", "takes a chain of a hundred words"),
    ("inventory-program", "takes a program that is run"),
    ("vars-beside-plan", "takes several folders"),
    ("nothing-to-check", "takes a folder"),
    ("unsafe-program", "takes a folder with machine code in it"),
];

/// The infos of examples, and the file each becomes; a line is no file.
const INFOS: [(&str, &str); 10] = [
    ("yaml step", "plan.yaml"),
    ("yaml top", "plan.yaml"),
    ("yaml file", "plan.yaml"),
    ("yaml inventory", "hosts.yaml"),
    ("ini inventory", "hosts.ini"),
    ("json inventory", "hosts.json"),
    ("yaml inputs", "inputs.yaml"),
    ("yaml model", "model.yaml"),
    ("yaml test", "plan.test.yaml"),
    ("sh", "line"),
];

/// The files of a side, by their names.
type Files = BTreeMap<&'static str, String>;

fn files(text: &str) -> Files {
    let mut files = Files::new();
    for (info, name) in INFOS {
        for (_, part) in fenced(text, info) {
            let whole = match info {
                "yaml step" => format!("version: 1\nname: tried\nhosts: web\nsteps:\n{part}"),
                "yaml top" => top(&part),
                "yaml model" => {
                    let lines = part.lines().map(|line| format!("  {line}\n"));
                    format!("version: 1\nmodel: tried\nweb:\n{}", lines.collect::<String>())
                }
                _ => part,
            };
            files.insert(name, whole);
        }
    }
    files
}

/// Completes a part of the top level of a plan.
fn top(part: &str) -> String {
    let mut plan = String::new();
    for (key, line) in
        [("version", "version: 1\n"), ("name", "name: tried\n"), ("hosts", "hosts: web\n")]
    {
        if !part.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            plan.push_str(line);
        }
    }
    plan.push_str(part);
    if !part.lines().any(|line| line.starts_with("steps:")) {
        plan.push_str("steps: [{wait: 1s}]\n");
    }
    plan
}

/// Returns the line that is typed where none is shown.
fn line(files: &Files) -> &'static str {
    let has = |name: &str| files.contains_key(name);
    if has("plan.test.yaml") {
        "planrun validate plan.test.yaml"
    } else if has("plan.yaml") && has("hosts.yaml") {
        "planrun validate plan.yaml -i ./hosts.yaml"
    } else if has("plan.yaml") {
        "planrun validate plan.yaml"
    } else if has("hosts.ini") {
        "planrun validate hosts.ini"
    } else if has("hosts.json") {
        "planrun validate hosts.json"
    } else if has("hosts.yaml") {
        "planrun validate --kind inventory hosts.yaml"
    } else {
        "planrun validate model.yaml"
    }
}

/// Returns what is told of some files, and the same with the line that was typed.
fn told(files: &Files) -> (String, String) {
    let desk = Desk::new();
    for (name, text) in files.iter().filter(|(name, _)| **name != "line") {
        desk.write(name, text);
    }
    let line = files.get("line").map_or_else(|| line(files), String::as_str);
    let told = desk.types(line);
    (told.text.clone(), format!("{line}{}", told.text))
}

fn sides(section: &Section) -> (Files, Files) {
    let (bad, cure) = section.text.split_once("\nFix: ").unwrap();
    (files(bad), files(cure))
}

#[test]
fn every_bad_example_gives_its_code_and_no_other() {
    let mut wrong = Vec::new();
    for section in manual::sections() {
        let (bad, _) = sides(&section);
        if bad.is_empty() {
            continue;
        }
        let (told, text) = told(&bad);
        let others = desk::faults(&told).into_iter().any(|code| code != section.code);
        if others || !desk::codes(&told).contains(section.code) {
            wrong.push(format!("### {}\n{bad:?}\n{text}", section.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_cure_cures() {
    let mut wrong = Vec::new();
    for section in manual::sections() {
        let (bad, cure) = sides(&section);
        if cure.is_empty() {
            continue;
        }
        let mut files = bad;
        files.extend(cure);
        let (told, text) = told(&files);
        if desk::codes(&told).contains(section.code) {
            wrong.push(format!("### {}\n{files:?}\n{text}", section.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_an_example_and_its_cure() {
    let excused = |code: &str| WITHOUT.iter().any(|(without, _)| *without == code);
    let mut missing = Vec::new();
    for section in manual::sections() {
        let (bad, cure) = sides(&section);
        let complete = !bad.is_empty() && !cure.is_empty();
        if complete == excused(section.code) {
            missing.push(section.code);
        }
    }
    assert!(missing.is_empty(), "write an example and its cure, or say why not: {missing:?}");
}

#[test]
fn the_order_of_the_page_is_its_index() {
    let page = crate::support::text("docs/diagnostics.md");
    let mut subjects: Vec<&str> = manual::sections().map(|section| section.subject).collect();
    subjects.dedup();
    let index: Vec<&str> = page
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("- [")?.split(']').next())
        .collect();
    assert_eq!(index, subjects);
}
