//! Rules of the tree, checked by tests: dependencies, module heads, file sizes, codes, plans, prose.

mod circles;
mod prose;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use planrun::diagnostic::{Code, manual};
use regex::Regex;
use strum::VariantArray as _;

use crate::support::{faults_of_plan, fenced, files, root, shown, text};

/// The most lines of a file, its tests not counted.
const MAX_LINES: usize = 500;

/// A Rust file of `src` that is part of the program.
struct File {
    /// `src/run/decide.rs`.
    path: String,
    /// `run`.
    module: String,
    /// Its text without its tests.
    text: String,
}

/// Reads all code of the program. Tests are left out: `mod tests { ... }` at the end of a file, and
/// the files of modules that are declared under `#[cfg(test)]`.
fn code() -> Vec<File> {
    let inline = Regex::new(r"\n#\[cfg\(test\)\]\n(?:pub\(crate\) )?mod \w+ \{").unwrap();
    let declared = Regex::new(r"#\[cfg\(test\)\]\n(?:pub\(crate\) )?mod (\w+);").unwrap();
    let all = files("src", ".rs");
    let mut tests = BTreeSet::new();
    for path in &all {
        for found in declared.captures_iter(&text(&shown(path))) {
            tests.insert(shown(&path.with_extension("").join(&found[1])));
        }
    }
    let is_test =
        |path: &Path| path.with_extension("").ancestors().any(|part| tests.contains(&shown(part)));
    all.iter()
        .filter(|path| !is_test(path))
        .map(|path| {
            let path = shown(path);
            let whole = text(&path);
            let end = inline.find(&whole).map_or(whole.len(), |found| found.start());
            let module = path.trim_start_matches("src/").trim_end_matches(".rs");
            File {
                module: module.split('/').next().unwrap().to_owned(),
                text: whole[..end].to_owned(),
                path,
            }
        })
        .collect()
}

/// Returns the lines of a file that are not comments.
fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads who may use whom from the table in `docs/architecture.md`.
fn dependency_table() -> BTreeMap<String, BTreeSet<String>> {
    let page = text("docs/architecture.md");
    let (_, rest) = page.split_once("<!-- table: modules -->").unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let module = cells[1].trim_matches('`').to_owned();
        let mut may = BTreeSet::new();
        for word in cells[3].split(", ").filter(|word| *word != "nothing") {
            match word.strip_prefix('`') {
                Some(name) => {
                    may.insert(name.trim_end_matches('`').to_owned());
                }
                // A group means those of its modules that have a row further up.
                None => may.extend(groups.get(word).unwrap_or_else(|| panic!("{word}")).clone()),
            }
        }
        groups.entry(cells[2].to_owned()).or_default().insert(module.clone());
        rows.insert(module, may);
    }
    rows
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let table = dependency_table();
    let used = Regex::new(r"\bcrate::([a-z_]+)\b").unwrap();
    let mut faults = Vec::new();
    for code in code() {
        if ["lib", "main"].contains(&code.module.as_str()) {
            continue;
        }
        let Some(may) = table.get(&code.module) else {
            faults.push(format!("{}: `{}` has no row", code.path, code.module));
            continue;
        };
        for found in used.captures_iter(&without_comments(&code.text)) {
            let other = &found[1];
            if other != code.module && !may.contains(other) {
                faults.push(format!("{}: `{}` may not use `{other}`", code.path, code.module));
            }
        }
    }
    faults.dedup();
    assert!(
        faults.is_empty(),
        "see the table of modules in docs/architecture.md\n{}",
        faults.join("\n")
    );
}

#[test]
fn the_table_of_modules_has_no_circles() {
    let table = dependency_table();
    let mut settled: BTreeSet<&String> = BTreeSet::new();
    loop {
        let next: Vec<&String> = table
            .iter()
            .filter(|(module, may)| {
                !settled.contains(module) && may.iter().all(|one| settled.contains(one))
            })
            .map(|(module, _)| module)
            .collect();
        if next.is_empty() {
            break;
        }
        settled.extend(next);
    }
    let circle: Vec<&String> = table.keys().filter(|one| !settled.contains(one)).collect();
    assert!(circle.is_empty(), "these wait for each other, or use what has no row: {circle:?}");
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let headless: Vec<String> = files("src", ".rs")
        .iter()
        .chain(&files("tests/it", ".rs"))
        .map(|path| shown(path))
        .filter(|path| !text(path).starts_with("//!"))
        .collect();
    assert!(headless.is_empty(), "no head comment: {headless:?}");
}

#[test]
fn files_have_a_size_that_can_be_read() {
    let mut faults = Vec::new();
    for code in code() {
        let lines = code.text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{}: {lines} lines; divide it by subject", code.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_file_is_called_mod() {
    let found: Vec<String> = files("src", "/mod.rs").iter().map(|path| shown(path)).collect();
    assert!(found.is_empty(), "write `NAME.rs` next to `NAME/`: {found:?}");
}

#[test]
fn the_code_knows_nothing_of_mail() {
    let mail = Regex::new("(?i)dovecot|doveadm").unwrap();
    let mut found = Vec::new();
    for code in code() {
        for (number, line) in code.text.lines().enumerate() {
            if mail.is_match(&without_comments(line)) {
                found.push(format!("{}:{}: {}", code.path, number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "this belongs into plans and models:\n{}", found.join("\n"));
}

/// Returns the names of all codes of diagnostics.
pub(crate) fn codes() -> BTreeSet<&'static str> {
    Code::VARIANTS.iter().map(|code| code.name()).collect()
}

#[test]
fn every_code_of_a_diagnostic_is_used_and_documented() {
    let sections: Vec<Code> = manual::sections()
        .map(|section| {
            section.code.parse().unwrap_or_else(|_| panic!("no code `{}`", section.code))
        })
        .collect();
    assert_eq!(
        sections,
        Code::VARIANTS,
        "docs/diagnostics.md has another list of codes, or another order"
    );
    let text: Vec<String> = code().iter().map(|code| without_comments(&code.text)).collect();
    for code in Code::VARIANTS {
        let used = Regex::new(&format!(r"\bCode::{code:?}\b")).unwrap();
        assert!(text.iter().any(|text| used.is_match(text)), "no diagnostic has the code `{code}`");
    }
}

#[test]
fn every_section_of_a_diagnostic_says_how_to_cure_it() {
    let page = text("docs/diagnostics.md");
    for section in page.split("\n### ").skip(1) {
        let code = section.lines().next().unwrap();
        let body = section.split("\n## ").next().unwrap();
        assert!(body.contains("\nFix: "), "{code} has no fix");
    }
}

#[test]
fn every_plan_that_is_shown_is_valid() {
    let mut shown_plans = Vec::new();
    for path in files("plans", ".yaml") {
        let path = shown(&path);
        // Models, inventories and scenarios have folders of their own.
        if path.matches('/').count() == 1 {
            shown_plans.push((path.clone(), text(&path)));
        }
    }
    for page in files("docs", ".md") {
        let page = shown(&page);
        for (line, plan) in fenced(&text(&page), "yaml plan") {
            shown_plans.push((format!("{page}:{line}"), plan));
        }
    }
    assert!(shown_plans.len() > 2, "only {} plans found", shown_plans.len());
    for (name, plan) in shown_plans {
        if let Some(faults) = faults_of_plan(&name, &plan) {
            panic!("{name}\n{faults}");
        }
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)").unwrap();
    let mut pages = files("docs", ".md");
    pages.push(root().join("README.md"));
    for page in pages {
        let folder = page.parent().unwrap();
        for found in link.captures_iter(&text(&shown(&page))) {
            let target = folder.join(&found[1]);
            assert!(target.exists(), "{}: {} does not exist", shown(&page), &found[1]);
        }
    }
}

#[test]
fn the_picture_of_the_program_names_what_is_there() {
    let page = text("docs/architecture.md");
    let path = Regex::new(r"`([a-z_]+(?:::[A-Za-z_]+)+)`").unwrap();
    for found in path.captures_iter(&page) {
        let parts: Vec<&str> = found[1].split("::").collect();
        let (item, modules) = parts.split_last().unwrap();
        let place = modules.join("/");
        let as_module = root().join(format!("src/{place}/{item}.rs")).is_file();
        let code = fs::read_to_string(root().join(format!("src/{place}.rs"))).unwrap_or_default();
        let defined =
            Regex::new(&format!(r"\b(?:fn|struct|enum|trait|type|mod) {item}\b")).unwrap();
        assert!(as_module || defined.is_match(&code), "`{}` does not exist", &found[1]);
    }
    let file = Regex::new(r"`([a-z_]+/[a-z_/]+\.rs)`").unwrap();
    for found in file.captures_iter(&page) {
        let there = ["src", "."].iter().any(|base| root().join(base).join(&found[1]).is_file());
        assert!(there, "`{}` does not exist", &found[1]);
    }
}

#[test]
fn no_code_branches_on_the_words_of_a_message() {
    let words = r#"(?:contains|starts_with|ends_with|strip_prefix|strip_suffix|find)\(""#;
    let of = r"\b(?:message|headline|help|info|info\(\)|why|about|to_string\(\)|error\.text)\.";
    let branch = Regex::new(&format!("{of}{words}")).unwrap();
    let mut found = Vec::new();
    for code in code() {
        for (number, line) in code.text.lines().enumerate() {
            if branch.is_match(&without_comments(line)) {
                found.push(format!("{}:{}: {}", code.path, number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "use a code, a kind or a state:\n{}", found.join("\n"));
}
