//! Plans with a mistake each: the whole of what is told about it is expected.
//!
//! A new case is `tests/cases/rejected/NAME.yaml`; `INSTA_UPDATE=always cargo test` writes what is
//! told to `NAME.txt`, to be read as the author of the plan would.

use std::path::Path;

use planrun::diagnostic::Diagnostic;
use planrun::diagnostic::Diagnostics;
use planrun::diagnostic::render;
use planrun::plan;
use planrun::source::Sources;

use crate::files;

/// Returns what is told about a plan.
fn told(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy();
    let mut sources = Sources::default();
    let id = sources.add(name, std::fs::read_to_string(path).unwrap());
    let mut found = Diagnostics::default();
    let plan = plan::read(&sources, id, &mut found);
    assert_eq!(plan.is_none(), found.has_errors(), "{}", path.display());
    let text = render::human(&found, &sources, false);
    format!("{}\n", text.trim_end())
}

#[test]
fn every_mistake_is_told_as_expected() {
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always");
    let mut wrong = Vec::new();
    for path in files("tests/cases/rejected", "yaml") {
        let told = told(&path);
        let expected = path.with_extension("txt");
        if update {
            std::fs::write(&expected, &told).unwrap();
        }
        let name = path.file_stem().unwrap().to_string_lossy();
        match std::fs::read_to_string(&expected) {
            Ok(text) if text == told => {}
            Ok(text) => wrong.push(format!("{name}: expected\n{text}\ntold\n{told}")),
            Err(_) => wrong.push(format!("{name}.txt is missing; told\n{told}")),
        }
        assert_ne!(told.trim(), "", "{name}: nothing is told");
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
    one.primary
        .as_ref()
        .map_or(0, |label| label.span.range().start)
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
                let before = fix
                    .edits
                    .iter()
                    .filter(|edit| edit.span.range().end <= place(&one));
                let at = before.fold(place(&one), |at, edit| {
                    at + edit.text.len() - edit.span.range().len()
                });
                for told in read(&cured) {
                    let same = told.code == one.code && place(&told) == at;
                    assert!(!same, "{about}\nis still told: {}", told.message);
                    let syntax = ["yaml-syntax", "key-not-text", "template-syntax"];
                    let new = syntax.contains(&told.code) && place(&told) <= at;
                    assert!(!new, "{about}\nnew: {}", told.message);
                }
            }
        }
    }
    assert!(fixes >= 20, "only {fixes} fixes were tried");
}

#[test]
fn the_sample_plans_have_no_faults() {
    for path in files("plans", "yaml") {
        assert_eq!(told(&path), "\n", "{}", path.display());
    }
}
