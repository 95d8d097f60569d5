//! The table of faults in `docs/guarantees.md`: every test that it names exists.

use regex::Regex;

use crate::support::{files, shown, text};

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let page = text("docs/guarantees.md");
    let name = Regex::new("`((?:[a-z_]+::)+)([a-z_0-9]+)`").unwrap();
    let mut count = 0;
    for found in name.captures_iter(&page) {
        let module = found[1].trim_end_matches("::").replace("::", "/");
        let function = format!("fn {}(", &found[2]);
        let places = [
            format!("tests/it/{module}"),
            format!("tests/sim/{module}"),
            format!("src/{module}/tests"),
        ];
        let is_there =
            ["tests", "src"].iter().flat_map(|folder| files(folder, ".rs")).any(|path| {
                let path = shown(&path);
                let is_place = |place: &String| {
                    path == format!("{place}.rs") || path.starts_with(&format!("{place}/"))
                };
                places.iter().any(is_place) && text(&path).contains(&function)
            });
        assert!(is_there, "docs/guarantees.md: {} is not a test", &found[0]);
        count += 1;
    }
    assert!(count > 40, "only {count} tests are named");
}

#[test]
fn a_fault_without_a_test_is_named_as_such() {
    let page = text("docs/guarantees.md");
    let (_, rest) = page.split_once("<!-- faults -->").unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    for row in table.lines().skip(3) {
        let cells: Vec<&str> = row.split(" | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        for cell in &cells[1..] {
            let cell = cell.trim_end_matches(" |");
            let says_why = cell.starts_with("not modelled: ") || cell == "not tested yet";
            assert!(says_why || cell.starts_with('`'), "{row}");
        }
    }
}
