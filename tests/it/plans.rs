//! The shipped plans are written as the guide says, and the main plan follows the vendor's page.

use std::collections::{BTreeMap, BTreeSet};

use planrun::diagnostic::Diagnostics;
use planrun::document;
use planrun::document::{Node, Value};
use planrun::source::Sources;
use regex::Regex;

use crate::support::{files, shown, text};

/// The longest line of a plan.
const WIDTH: usize = 110;

/// The position of a key in a step, as `docs/guide.md` numbers it.
fn position(key: &str) -> u8 {
    match key {
        "id" | "name" => 1,
        "for_each" | "when" | "requires" => 2,
        "delegate_to" | "become" => 3,
        "run" | "shell" | "wait" | "assert" | "approve" | "set" | "upload" | "fail" => 4,
        "done_when" => 6,
        "rollback" | "point_of_no_return" => 7,
        "block" => 8,
        "rescue" => 9,
        _ => 5,
    }
}

#[test]
fn the_guide_gives_the_order_of_keys() {
    let guide = text("docs/guide.md");
    let (_, list) = guide.split_once("in the same order everywhere").unwrap();
    let (list, _) = list.split_once("planrun accepts any order").unwrap();
    let item = Regex::new(r"(?m)^(\d)\. (.*)$").unwrap();
    let key = Regex::new("`([a-z_]+)`").unwrap();
    let mut positions = BTreeSet::new();
    for item in item.captures_iter(list) {
        let number: u8 = item[1].parse().unwrap();
        for key in key.captures_iter(&item[2]) {
            let is = if &key[1] == "rescue" { 9 } else { number };
            assert_eq!(position(&key[1]), is, "{}", &key[1]);
        }
        positions.insert(number);
    }
    assert_eq!(positions, (1..=8).collect());
}

#[test]
fn the_shipped_plans_have_short_lines_and_one_order_of_keys() {
    let mut plans: Vec<String> = files("plans", ".yaml").iter().map(|path| shown(path)).collect();
    plans.retain(|name| name.matches('/').count() == 1);
    assert_eq!(plans.len(), 7, "{plans:?}");
    let mut wrong = Vec::new();
    for name in plans {
        let text = text(&name);
        for (index, line) in text.lines().enumerate() {
            if line.chars().count() > WIDTH {
                wrong.push(format!("{name}:{}: longer than {WIDTH} columns", index + 1));
            }
        }
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let id = sources.add(name.as_str(), text);
        let plan = document::parse(&sources, id, &mut found).unwrap();
        dense_mappings(&plan, &name, &sources, &mut wrong);
        unordered_keys(plan.get("steps").unwrap(), &name, &sources, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Finds mappings of three keys or more that are written in `{ }`.
fn dense_mappings(node: &Node, name: &str, sources: &Sources, wrong: &mut Vec<String>) {
    if let Value::Map(entries) = &node.value {
        let written = sources.slice(node.span);
        if entries.len() > 2 && written.starts_with('{') {
            wrong.push(format!("{name}: write one key per line: {written}"));
        }
        for entry in entries {
            dense_mappings(&entry.value, name, sources, wrong);
        }
    }
    for item in node.items() {
        dense_mappings(item, name, sources, wrong);
    }
}

/// Finds steps and handlers whose keys have another order than the guide's.
fn unordered_keys(node: &Node, name: &str, sources: &Sources, wrong: &mut Vec<String>) {
    let keys: Vec<&str> = node.entries().iter().map(|entry| entry.key.as_str()).collect();
    if !keys.is_sorted_by_key(|key| position(key)) {
        wrong.push(format!("{name}: keys out of order: {}", sources.slice(node.span)));
    }
    for entry in node.entries() {
        if matches!(entry.key.as_str(), "block" | "rescue" | "rollback") {
            unordered_keys(&entry.value, name, sources, wrong);
        }
    }
    for item in node.items() {
        unordered_keys(item, name, sources, wrong);
    }
}

/// Returns the rows between two markers of a page, without the header: the first cell, and the ids
/// in the cell that has them.
fn rows(page: &str, of: &str, ids_in: usize) -> Vec<(String, BTreeSet<String>)> {
    let (_, rest) = page.split_once(&format!("<!-- steps of the {of} -->\n")).expect(of);
    let (table, _) = rest.split_once(&format!("<!-- end of the {of} -->")).expect(of);
    let id = Regex::new("`([a-z_]+)`").unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let ids = id.captures_iter(cells[ids_in]).map(|id| id[1].to_owned());
        (cells[0].to_owned(), ids.collect())
    };
    table.lines().skip(2).map(row).collect()
}

#[test]
fn every_step_of_the_vendors_page_is_in_the_plan_and_every_step_of_the_plan_is_explained() {
    let plan = text("plans/obox-restart.yaml");
    let page = text("docs/dovecot.md");
    // The numbers in the name of each step: `Shutdown 6 and 7: stop the backend`.
    let step = Regex::new(r#"(?m)^ +- id: ([a-z_]+)\n(?: +name: "?(.*?)"?$)?"#).unwrap();
    let numbered = Regex::new(r"^(Shutdown|Startup) (\d)(?: and (\d))?: ").unwrap();
    let mut steps: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for step in step.captures_iter(&plan) {
        let name = step.get(2).map_or("", |name| name.as_str());
        let numbers = numbered.captures(name).map_or_else(BTreeSet::new, |found| {
            let numbers = [found.get(2), found.get(3)].into_iter().flatten();
            numbers.map(|number| format!("{} {}", &found[1], number.as_str())).collect()
        });
        steps.insert(step[1].to_owned(), numbers);
    }

    let rows_of_the_page = rows(&page, "page", 1);
    let is: Vec<&str> =
        rows_of_the_page.iter().filter_map(|(cell, _)| cell.split(':').next()).collect();
    let expected: Vec<String> = (1..=8)
        .map(|number| format!("Shutdown {number}"))
        .chain((1..=5).map(|number| format!("Startup {number}")))
        .collect();
    assert_eq!(is, expected);

    let mut on_the_page: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (cell, ids) in &rows_of_the_page {
        let number = cell.split(':').next().unwrap();
        let line = page.lines().find(|line| line.starts_with(&format!("| {cell} |"))).unwrap();
        let is_explained = line.contains("| not a step: ");
        assert!(is_explained || !ids.is_empty(), "{line}");
        for id in ids.iter().filter(|id| *id != "remaining_users") {
            assert!(steps.contains_key(id), "`{id}` is not a step of the plan: {line}");
            if !is_explained {
                on_the_page.entry(id.clone()).or_default().insert(number.to_owned());
            }
        }
    }
    let only_in_the_plan: BTreeSet<String> =
        rows(&page, "plan", 0).into_iter().flat_map(|(_, ids)| ids).collect();
    for (id, numbers) in steps {
        assert_eq!(on_the_page.get(&id).cloned().unwrap_or_default(), numbers, "`{id}`");
        let is_extra = only_in_the_plan.contains(&id);
        assert_eq!(is_extra, numbers.is_empty(), "`{id}` is in exactly one of the two tables");
    }
}
