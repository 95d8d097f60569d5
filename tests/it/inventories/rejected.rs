//! Inventories with one mistake each: the whole message is expected.
//!
//! A new case is a file of `tests/cases/rejected-inventories`; `INSTA_UPDATE=always cargo test` writes the
//! message next to it (`NAME.yaml.txt`). Read it as the author of the inventory.

use std::fs;
use std::path::{Path, PathBuf};

use planrun::diagnostic::{Diagnostics, render};
use planrun::inventory::read;
use planrun::source::Sources;

use crate::support::root;

fn told(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy();
    let mut sources = Sources::default();
    let mut found = Diagnostics::default();
    let inventory = read::read(path, &name, &mut sources, &mut found);
    assert_eq!(inventory.is_none(), found.has_errors(), "{name}");
    let text = render::human(&found, &sources, false);
    format!("{}\n", text.trim_end())
}

#[test]
fn every_mistake_of_an_inventory_is_told_as_expected() {
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always");
    let folder = root().join("tests/cases/rejected-inventories");
    let entries = fs::read_dir(folder).unwrap();
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|ending| ending != "txt"));
    cases.sort();
    assert!(cases.len() >= 25, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for path in cases {
        let told = told(&path);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = path.with_file_name(format!("{name}.txt"));
        if update {
            fs::write(&expected, &told).unwrap();
        }
        match fs::read_to_string(&expected) {
            Ok(text) if text == told => {}
            Ok(text) => wrong.push(format!("{name}: expected\n{text}\ntold\n{told}")),
            Err(_) => wrong.push(format!("{name}.txt is missing; told\n{told}")),
        }
        assert_ne!(told.trim(), "", "{name}: nothing is told");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
