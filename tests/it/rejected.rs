//! Mistakes of users, one per case: the whole message is expected.
//!
//! `tests/cases/rejected/NAME.yaml` is a plan with a mistake. `tests/cases/rejected/NAME/` is a folder with
//! all files of the mistake (plan, inventory, model, inputs), and the command line in a file `command`;
//! what a repository cannot store is made by [`made`]. `INSTA_UPDATE=always cargo test` writes the message
//! to `NAME.txt`. Read it as the user: can they fix the mistake from it alone?

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use planrun::diagnostic::{Diagnostic, Diagnostics, render};
use planrun::plan;
use planrun::source::Sources;

use crate::desk;
use crate::desk::Desk;
use crate::files;
use crate::tidy;

const CASES: &str = "tests/cases/rejected";

/// Codes without a case, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("too-many-nodes", "takes four million values, which a debug build reads for ten seconds"),
    ("secret-command", "`secrets` has it: it depends on the configuration of the user"),
    ("user-configuration", "`secrets` has it: it depends on the configuration of the user"),
    ("preview-changed", "`saved_previews` has it: it takes a preview that was saved before"),
    ("preview-unreadable", "`saved_previews` has it: it takes a preview that was saved before"),
];

/// Returns what is told about a plan.
fn told(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy();
    let mut sources = Sources::default();
    let id = sources.add(name, fs::read_to_string(path).unwrap());
    let mut found = Diagnostics::default();
    let plan = plan::read(&sources, id, &mut found);
    assert_eq!(plan.is_none(), found.has_errors(), "{}", path.display());
    let text = render::human(&found, &sources, false);
    format!("{}\n", text.trim_end())
}

/// How a plan begins that is made.
const PLAN: &str = "version: 1\nname: p\nhosts: all\nsteps:\n";

/// Makes a text of pieces.
fn pieces(numbers: std::ops::Range<usize>, piece: impl Fn(usize) -> String) -> String {
    numbers.map(piece).collect::<Vec<_>>().concat()
}

/// Makes in a desk what a repository cannot keep.
fn made(name: &str, desk: &Desk) {
    match name {
        "not-utf8" => desk.write("plan.yaml", b"version: 1\nname: caf\xe9\n"),
        "not-utf8-template" => desk.write("motd.tmpl", b"welcome to the caf\xe9\n"),
        "not-utf8-inventory" => desk.write("hosts.ini", b"[web]\nweb1\n# caf\xe9\n"),
        "file-too-large" => desk.write("plan.yaml", "#".repeat(33 * 1024 * 1024)),
        "inventory-file-too-large" => desk.write("hosts.ini", "#".repeat(33 * 1024 * 1024)),
        "command-too-long" => {
            let words = "word ".repeat(30_000);
            let step = format!("  - run: echo {words}\n    rollback: {{none: it prints}}\n");
            desk.write("plan.yaml", format!("{PLAN}{step}"));
        }
        "script-too-long" => {
            let lines = "      echo word\n".repeat(15_000);
            let step = format!("  - shell: |\n{lines}    rollback: {{none: it prints}}\n");
            desk.write("plan.yaml", format!("{PLAN}{step}"));
        }
        "list-too-long" => {
            let items = "        - item\n".repeat(100_001);
            let step = format!("  - for_each:\n{items}    run: echo\n");
            desk.write("plan.yaml", format!("{PLAN}{step}"));
        }
        "mapping-too-long" => {
            let words = pieces(0..20_001, |n| format!("  word{n}: true\n"));
            desk.write("plan.yaml", format!("{PLAN}  - wait: 1s\nlet:\n{words}"));
        }
        "patterns-too-large" => {
            let input = |n| format!("  a{n}: {{type: string, pattern: '(b{{99}}){{99}}'}}\n");
            let inputs = pieces(0..12, input);
            let uses = pieces(0..12, |n| format!("{{{{ a{n} }}}}"));
            let step = format!("  - approve: \"{uses}\"\n");
            desk.write("plan.yaml", format!("{PLAN}{step}inputs:\n{inputs}"));
        }
        "unsafe-program" => {
            desk.write("prod/list-hosts", b"\x7fELF\0");
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(desk.path("prod/list-hosts"), mode).unwrap();
        }
        "line-too-long" => {
            let vars = pieces(0..20_000, |n| format!(" a{n}=b"));
            desk.write("hosts.ini", format!("[web]\nweb1{vars}\n"));
        }
        "executable-inventory"
        | "inventory-program"
        | "program-never-ends"
        | "program-of-deep-json"
        | "program-of-many-hosts"
        | "program-without-end" => {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(desk.path("hosts.sh"), mode).unwrap();
        }
        _ => {}
    }
}

/// Returns what is told where the line of a folder is typed.
fn typed(folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let desk = Desk::new();
    desk.copy(folder);
    made(name, &desk);
    let line = fs::read_to_string(folder.join("command")).unwrap();
    let told = desk.types(&line);
    format!("{line}{}exit: {}\n", told.text, told.status)
}

fn folders() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(CASES);
    let entries = fs::read_dir(folder).unwrap();
    let all = entries.map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = all.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[test]
fn every_mistake_is_told_as_expected() {
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always");
    let mut wrong = Vec::new();
    let plans = files(CASES, "yaml");
    let plans = plans.iter().map(|path| (path.clone(), told(path)));
    let folders = folders();
    let folders = folders.iter().map(|path| (path.clone(), typed(path)));
    for (path, told) in plans.chain(folders) {
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &told).unwrap();
        }
        let name = path.file_stem().unwrap().to_string_lossy();
        match fs::read_to_string(&expected) {
            Ok(text) if text == told => {}
            Ok(text) => wrong.push(format!("{name}: expected\n{text}\ntold\n{told}")),
            Err(_) => wrong.push(format!("{name}.txt is missing; told\n{told}")),
        }
        assert!(!desk::codes(&told).is_empty(), "{name}: nothing is told");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Reads a text as a plan and returns what is told.
fn read(text: &str) -> Vec<Diagnostic> {
    let mut sources = Sources::default();
    let id = sources.add("plan.yaml", text);
    let mut found = Diagnostics::default();
    plan::read(&sources, id, &mut found);
    found.sorted().into_iter().cloned().collect()
}

/// Where a diagnostic begins.
fn place(one: &Diagnostic) -> usize {
    one.primary.as_ref().map_or(0, |label| label.span.range().start)
}

#[test]
fn every_fix_cures_what_it_belongs_to() {
    let mut fixes = 0;
    for path in files("tests/cases/rejected", "yaml") {
        let name = path.file_stem().unwrap().to_string_lossy();
        let text = std::fs::read_to_string(&path).unwrap();
        for one in read(&text) {
            for fix in &one.fixes {
                fixes += 1;
                let cured = fix.apply(&text);
                let about = format!("{name}: {}: {}\n{cured}", one.code, fix.text);
                assert_ne!(cured, text, "{about}");
                // The same fault may stand elsewhere; this one has moved by what was put before it.
                let before = fix.edits.iter().filter(|edit| edit.span.range().end <= place(&one));
                let at = before
                    .fold(place(&one), |at, edit| at + edit.text.len() - edit.span.range().len());
                for told in read(&cured) {
                    let same = told.code == one.code && place(&told) == at;
                    assert!(!same, "{about}\nis still told: {}", told.message);
                    let syntax = ["yaml-syntax", "key-not-text", "template-syntax"];
                    let new = syntax.contains(&told.code.name()) && place(&told) <= at;
                    assert!(!new, "{about}\nnew: {}", told.message);
                }
            }
        }
    }
    assert!(fixes >= 20, "only {fixes} fixes were tried");
}

#[test]
fn every_code_of_a_diagnostic_has_a_case_and_there_are_120_cases() {
    let texts = files(CASES, "txt");
    assert!(texts.len() >= 120, "{} cases", texts.len());
    let mut told = BTreeSet::new();
    for path in &texts {
        let case = path.with_extension("");
        let there = case.is_dir() || path.with_extension("yaml").is_file();
        assert!(there, "{} is of no case", path.display());
        told.extend(desk::codes(&fs::read_to_string(path).unwrap()));
    }
    let codes = tidy::codes();
    let without: BTreeSet<&str> = WITHOUT.iter().map(|(code, _)| *code).collect();
    let missing = codes.iter().filter(|code| !told.contains(**code) && !without.contains(**code));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    let idle: Vec<&&str> = without.iter().filter(|code| told.contains(**code)).collect();
    assert!(idle.is_empty(), "{idle:?} have a case, and need no excuse");
}

#[test]
fn the_sample_plans_have_no_faults() {
    for path in files("plans", "yaml") {
        assert_eq!(told(&path), "\n", "{}", path.display());
    }
}
