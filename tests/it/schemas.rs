//! The published schemas: made from the same data as the check, and in agreement with it.
//!
//! `INSTA_UPDATE=always cargo test` writes `schemas/` again.

use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use planrun::diagnostic::{Diagnostics, render};
use planrun::document::Node;
use planrun::schema::Record;
use planrun::schema::kind::{Kind, Sign};
use planrun::source::Sources;
use planrun::{document, schema};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::files;

fn read(text: &str) -> (Option<Node>, Sources, Diagnostics) {
    let mut sources = Sources::default();
    let id = sources.add("file.yaml", text);
    let mut found = Diagnostics::default();
    let node = document::parse(&sources, id, &mut found);
    (node, sources, found)
}

/// Returns what the check finds in a document.
fn checked(node: &Node, kind: Kind) -> Diagnostics {
    let mut found = Diagnostics::default();
    schema::check(node, &kind.shape(), &mut found);
    found
}

fn validator(record: &'static Record) -> Validator {
    jsonschema::validator_for(&schema::json::schema(record, "any")).unwrap()
}

#[test]
fn the_published_schemas_are_those_of_the_check() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always");
    for kind in Kind::ALL {
        let path = folder.join(format!("{}.schema.json", kind.name()));
        let text = kind.schema();
        if update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(published == text, "{} is stale: run with INSTA_UPDATE=always", path.display());
    }
}

#[test]
fn the_sample_files_fit_their_schemas() {
    let samples = [
        ("plans", Kind::Plan),
        ("plans/inventories", Kind::Inventory),
        ("plans/models", Kind::Model),
        ("plans/tests", Kind::Test),
    ];
    for (folder, kind) in samples {
        let record = kind.record();
        let validator = validator(record);
        for path in files(folder, "yaml") {
            let (node, sources, _) = read(&std::fs::read_to_string(&path).unwrap());
            let node = node.unwrap();
            let told = render::human(&checked(&node, kind), &sources, false);
            assert_eq!(told, "", "{}", path.display());
            let faults: Vec<String> = validator
                .iter_errors(&node.to_json())
                .map(|fault| format!("{}: {fault}", fault.instance_path()))
                .collect();
            assert_eq!(faults, Vec::<String>::new(), "{}", path.display());
        }
    }
}

/// Returns the path of a modeline, from the folder of its file.
fn modeline(text: &str) -> Option<&str> {
    let mut lines = text.lines().take_while(|line| line.starts_with('#'));
    lines.find_map(|line| line.strip_prefix("# yaml-language-server: $schema="))
}

#[test]
fn every_shipped_file_has_a_modeline_that_leads_to_the_schema_of_its_kind() {
    let samples = [
        ("plans", Kind::Plan),
        ("plans/inventories", Kind::Inventory),
        ("plans/models", Kind::Model),
        ("plans/tests", Kind::Test),
    ];
    for (folder, kind) in samples {
        for path in files(folder, "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let line = modeline(&text).unwrap_or_else(|| panic!("{}", path.display()));
            let schema = path.parent().unwrap().join(line);
            let schema = schema.canonicalize();
            let schema = schema.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let published = std::fs::read_to_string(schema).unwrap();
            assert!(published == kind.schema(), "{}", path.display());
            assert_eq!(Kind::of(&text), Some((kind, Sign::Sure)));
            // Without the modeline the keys say the same.
            let bare: Vec<&str> = text.lines().filter(|one| !one.starts_with('#')).collect();
            let bare = Kind::of(&bare.join("\n"));
            assert_eq!(bare, Some((kind, Sign::Sure)), "{}", path.display());
        }
    }
}

#[test]
fn check_and_schema_agree_on_every_mistake() {
    let validator = validator(schema::record("plan"));
    for path in files("tests/cases/rejected", "yaml") {
        let (node, sources, _) = read(&std::fs::read_to_string(&path).unwrap());
        let Some(node) = node else { continue };
        let found = checked(&node, Kind::Plan);
        let valid = validator.is_valid(&node.to_json());
        let told = render::human(&found, &sources, false);
        assert_eq!(valid, told.is_empty(), "{}\n{told}", path.display());
    }
}

/// A change to a document: which place (of all), what is done there, with which value.
type Change = (prop::sample::Index, u8, prop::sample::Index);

pub(crate) fn values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(""),
        json!(" "),
        json!("word"),
        json!("Some Words"),
        json!("5m"),
        json!("any"),
        json!("fail"),
        json!("{{ word }}"),
        json!("two\nlines"),
        json!([]),
        json!(["word"]),
        json!([1]),
        json!([{}]),
        json!({}),
        json!({"none": "why"}),
        json!({"one_of": "group"}),
        json!({"each_of": "group"}),
        json!({"format": "tsv"}),
        json!({"until": "a == b", "timeout": "5m"}),
        json!({"run": "true"}),
        json!({"from": "probe", "where": true}),
    ]
}

/// Keys that stand somewhere in a plan, and some that do not.
const KEYS: [&str; 14] = [
    "run",
    "wait",
    "block",
    "rescue",
    "rollback",
    "none",
    "parse",
    "format",
    "delegate_to",
    "retry",
    "defaults",
    "tasks",
    "Key",
    "",
];

pub(crate) fn places(value: &Value, path: &str, all: &mut Vec<String>) {
    all.push(path.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{path}/{index}"), all);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(item, &format!("{path}/{key}"), all);
            }
        }
        _ => {}
    }
}

fn change(document: &mut Value, (place, how, with): &Change) {
    let mut all = Vec::new();
    places(document, "", &mut all);
    let path = place.get(&all);
    let at = document.pointer_mut(path).unwrap();
    match (how % 4, &mut *at) {
        (0, Value::Object(entries)) if !entries.is_empty() => {
            let keys: Vec<String> = entries.keys().cloned().collect();
            entries.shift_remove(with.get(&keys));
        }
        (1, Value::Object(entries)) if !entries.is_empty() => {
            let keys: Vec<String> = entries.keys().cloned().collect();
            let value = entries.shift_remove(with.get(&keys)).unwrap();
            entries.insert((*with.get(&KEYS)).to_owned(), value);
        }
        (2, Value::Object(entries)) => {
            entries.insert((*place.get(&KEYS)).to_owned(), with.get(&values()).clone());
        }
        (2, Value::Array(items)) => items.push(with.get(&values()).clone()),
        _ => *at = with.get(&values()).clone(),
    }
}

static PLANS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let all = files("plans", "yaml");
    all.iter()
        .map(|path| read(&std::fs::read_to_string(path).unwrap()).0.unwrap().to_json())
        .collect()
});
pub(crate) static PLAN_VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| validator(schema::record("plan")));

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20),
        ..ProptestConfig::default()
    })]

    #[test]
    fn check_and_schema_agree_on_changed_plans(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(any::<Change>(), 1..3),
    ) {
        let mut document = which.get(&PLANS).clone();
        for one in &changes {
            change(&mut document, one);
        }
        // JSON is YAML.
        let (node, sources, _) = read(&document.to_string());
        let node = node.unwrap();
        let found = checked(&node, Kind::Plan);
        let valid = PLAN_VALIDATOR.is_valid(&document);
        if valid == found.has_errors() {
            let told = render::human(&found, &sources, false);
            prop_assert!(false, "valid by the schema: {}\n{}\n{}", valid, told, document);
        }
    }
}
