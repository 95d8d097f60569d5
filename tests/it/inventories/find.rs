//! An inventory is found by its name or path.

use std::path::{Path, PathBuf};

use planrun::diagnostic::{Code, Diagnostic};
use planrun::inventory::read;

use crate::support::memory::Memory;

/// Finds a name for a plan in `ops`, with these files.
fn find(name: &str, files: &[&str]) -> Result<PathBuf, Box<Diagnostic>> {
    let files = Memory::new(files.iter().map(|path| (*path, "")));
    read::find(name, Some(Path::new("ops")), &files)
}

#[test]
fn a_bare_name_is_searched_next_to_the_plan_first_and_by_the_order_of_endings() {
    let files = [
        "ops/inventories/demo.yaml",
        "inventories/demo.ini",
        "inventories/prod.ini",
        "inventories/lab.json",
        "ops/inventories/x.yml",
        "ops/inventories/x.ini",
        "ops/inventories/y.ini",
        "ops/inventories/y/hosts",
        "ops/inventories/z/hosts",
    ];
    for (name, path) in [
        ("demo", "ops/inventories/demo.yaml"),
        ("demo.yaml", "ops/inventories/demo.yaml"),
        ("prod", "inventories/prod.ini"),
        ("lab", "inventories/lab.json"),
        ("x", "ops/inventories/x.yml"),
        ("y", "ops/inventories/y.ini"),
        ("z", "ops/inventories/z"),
        ("ops/inventories/demo.yaml", "ops/inventories/demo.yaml"),
        ("web1,web2", "web1,web2"),
    ] {
        assert_eq!(find(name, &files).unwrap(), Path::new(path), "{name}");
    }
    let error = find("./demo", &files).unwrap_err();
    assert_eq!(error.message, "no inventory at `./demo`");
    let files = Memory::new([("ops/inventories/demo.yaml", "")]);
    assert!(read::find("demo", None, &files).is_err());
}

#[test]
fn a_name_that_does_not_exist_is_reported_with_similar_names_and_the_searched_folders() {
    let files = ["ops/inventories/demo.yaml", "ops/inventories/prod.ini"];
    let error = find("prdo", &files).unwrap_err();
    assert_eq!(error.code, Code::NoSuchInventory);
    assert_eq!(error.help[0], "did you mean `prod`?");
    for folder in ["put `prdo.yaml` in", "`ops/inventories`", "`inventories`"] {
        assert!(error.help[1].contains(folder), "{error:?}");
    }
    let error = find("something", &files).unwrap_err();
    assert_eq!(error.help[0], "use one of `demo`, `prod`");
    let error = find("demmo.yaml", &files).unwrap_err();
    assert_eq!(error.help[0], "did you mean `demo`?");
    assert!(error.help[1].contains("put `demmo.yaml` in"), "{error:?}");
    assert_eq!(find("", &files).unwrap_err().code, Code::NoSuchInventory);
}
