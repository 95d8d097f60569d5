//! Circles between files: two files that use each other, directly or by others, cannot be read one
//! after the other. `docs/architecture.md` names those that stay, with the reason.
//!
//! Uses are found in the paths of the code. A file may use its own module files above it: these
//! declare it, and hold the types of the whole.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::support::text;
use crate::tidy::{code, without_comments};

type Uses = BTreeMap<String, BTreeSet<String>>;

/// Returns the file that a path of the code leads to: `a::b::C` is in `a/b`.
fn file_of(path: &str, files: &BTreeSet<String>) -> Option<String> {
    let path = path.replace("::", "/");
    let mut rest = path.as_str();
    loop {
        if files.contains(rest) {
            return Some(rest.to_owned());
        }
        rest = rest.rsplit_once('/')?.0;
    }
}

/// Returns the files that each file uses, by their paths without ending.
fn uses() -> Uses {
    let name = |path: &str| path.trim_start_matches("src/").trim_end_matches(".rs").to_owned();
    let code = code();
    let files: BTreeSet<String> = code.iter().map(|file| name(&file.path)).collect();
    let path = Regex::new(r"\b(crate|super)((?:::\w+)*)(?:::\{([^}]*)\})?").unwrap();
    let mut uses = Uses::new();
    for file in &code {
        let own = name(&file.path);
        let text = without_comments(&file.text);
        let mut used = BTreeSet::new();
        for found in path.captures_iter(&text) {
            let above = own.rsplit_once('/').map_or("", |(above, _)| above).replace('/', "::");
            let start = if &found[1] == "crate" { String::new() } else { above };
            let base = format!("{start}{}", &found[2]);
            let base = base.trim_start_matches("::");
            let names = found.get(3).map_or("", |names| names.as_str()).split(',');
            let names = names.map(|name| format!("{base}::{}", name.trim()));
            used.extend(names.filter_map(|path| file_of(&path, &files)));
        }
        used.retain(|other| *other != own && !own.starts_with(&format!("{other}/")));
        uses.insert(own, used);
    }
    uses
}

/// Returns all files that a file uses, also by others.
fn reached<'a>(from: &'a str, uses: &'a Uses) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in uses.get(file).into_iter().flatten() {
            if reached.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    reached
}

/// Returns the circles, each with its files in order.
fn circles(uses: &Uses) -> BTreeSet<Vec<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|file| (file.as_str(), reached(file, uses))).collect();
    let in_circle = reached.iter().filter(|(file, all)| all.contains(*file));
    in_circle
        .map(|(file, all)| {
            all.iter().copied().filter(|other| reached[other].contains(file)).collect()
        })
        .collect()
}

/// Reads the circles that `docs/architecture.md` names.
fn named(page: &str) -> BTreeSet<Vec<&str>> {
    let (_, rest) = page.split_once("<!-- table: circles -->").unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(cells[2].len() > 20, "a circle needs a reason: {row}");
        let mut files: Vec<&str> = cells[1]
            .split(", ")
            .map(|file| file.trim_matches('`').trim_end_matches(".rs"))
            .collect();
        files.sort_unstable();
        files
    })
    .collect()
}

#[test]
fn files_use_each_other_in_circles_only_where_a_reason_is_given() {
    let page = text("docs/architecture.md");
    assert_eq!(circles(&uses()), named(&page), "see the circles in docs/architecture.md");
}

#[test]
fn a_circle_over_several_files_is_found() {
    let pairs = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")];
    let mut uses = Uses::new();
    for (from, to) in pairs {
        uses.entry(from.to_owned()).or_default().insert(to.to_owned());
    }
    assert_eq!(circles(&uses), BTreeSet::from([vec!["a", "b", "c"]]));
}
