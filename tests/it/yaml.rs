//! planrun's YAML reader and another one: what both accept must be the same value.
//!
//! The other reader is `serde_yaml` (its maintained fork), based on a port of libyaml. All YAML files of the
//! repository are given to both. Differences are listed here, with their reasons.

use std::collections::BTreeMap;

use planrun::diagnostic::{Code, Diagnostics};
use planrun::document;
use planrun::document::lookalike::Lookalike;
use planrun::source::Sources;
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::support::{fenced, files, shown, text};

/// What differs: the place of the text, and why.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "tests/cases/inventories/yaml-infinite/hosts.yaml",
        "an infinity is text here: JSON, in which values are kept, has none",
    ),
    (
        "tests/cases/rejected/octal-mode.yaml",
        "what begins with a zero is text here: a mode is no number",
    ),
    (
        "tests/cases/inventories/yaml-old-words/hosts.yaml",
        "what begins with a zero is text here (`0644`, `0x1f`, `0o17`): a mode is no number",
    ),
];

/// Returns what our reader makes of a text; `None` where it refuses.
fn ours(text: &str) -> Option<Json> {
    let mut sources = Sources::default();
    let id = sources.add("text.yaml", text);
    let mut found = Diagnostics::default();
    document::parse(&sources, id, &mut found).map(|node| node.to_json())
}

/// Returns what the other reader makes of a text; `None` where it refuses.
fn theirs(text: &str) -> Option<Json> {
    serde_yaml::from_str(text).ok()
}

/// Brings numbers to one form: a whole number may be written with a fraction of nothing.
fn alike(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| alike(value, other)))
        }
        (one, other) => one == other,
    }
}

/// Returns all YAML of the tree, by the place where it stands.
fn fixtures() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for folder in ["plans", "tests/cases"] {
        for ending in [".yaml", ".yml"] {
            for path in files(folder, ending) {
                all.insert(shown(&path), text(&shown(&path)));
            }
        }
    }
    for page in files("docs", ".md").iter().chain(&files("tests/cases", ".md")) {
        let page = shown(page);
        for info in ["yaml", "yaml plan", "yaml step", "yaml top", "yaml inventory"] {
            for (line, block) in fenced(&text(&page), info) {
                all.insert(format!("{page}:{line}"), block);
            }
        }
    }
    for (line, block) in fenced(&text("README.md"), "yaml") {
        all.insert(format!("README.md:{line}"), block);
    }
    all
}

#[test]
fn all_yaml_of_the_tree_has_one_meaning() {
    let mut wrong = Vec::new();
    let mut met = Vec::new();
    let mut both = 0;
    for (place, text) in fixtures() {
        let (Some(our), Some(their)) = (ours(&text), theirs(&text)) else {
            continue;
        };
        both += 1;
        let differs = !alike(&our, &their);
        match DIFFERENT.iter().find(|(one, _)| *one == place) {
            Some(_) if differs => met.push(place),
            Some(_) => wrong.push(format!("{place} is listed, and does not differ")),
            None if differs => {
                wrong.push(format!("{place}: planrun {our}, serde_yaml {their}"));
            }
            None => {}
        }
    }
    assert!(both > 200, "only {both} texts are read by both");
    assert_eq!(met.len(), DIFFERENT.len(), "listed, and not there: {met:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_our_reader_refuses_is_what_the_language_leaves_out() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (place, text) in fixtures() {
        if theirs(&text).is_none() || ours(&text).is_some() {
            continue;
        }
        let mut sources = Sources::default();
        let id = sources.add("text.yaml", &*text);
        let mut found = Diagnostics::default();
        let none = document::parse(&sources, id, &mut found);
        assert!(none.is_none());
        for one in found.sorted() {
            let known = [
                "alias-in-itself",
                "duplicate-key",
                "key-not-text",
                "merge-key",
                "nested-too-deep",
                "odd-character",
                "too-many-aliases",
                "too-many-nodes",
                "yaml-tag",
            ];
            // Read in inventories only, as Ansible's reader does: the closing bracket is at the margin.
            let at_margin =
                ["flow-closed-at-the-margin", "bracket-at-the-margin", "brace-at-its-key"];
            let at_margin = at_margin.iter().any(|name| place.contains(name));
            let known =
                known.contains(&one.code.name()) || (at_margin && one.code == Code::YamlSyntax);
            assert!(known, "{place}: {} {}", one.code, one.message);
            *counts.entry(one.code.name().to_owned()).or_default() += 1;
        }
    }
    assert!(counts.contains_key("merge-key"), "{counts:?}");
}

/// Generates a value as a plan could hold it.
fn value() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        "[a-zA-Z0-9_ ]{0,12}",
        "[ -~]{0,16}",
        "\\PC{0,8}",
        "(yes|no|on|off|true|null|~|0644|1:30|1e3|0x1f|<<|=|-|\\? a|a: b|# a|- a|\\{\\{ x \\}\\}|!a|&a|\\*a)",
        "[a\n\t'\"\\\\:#]{0,8}",
    ];
    // The emitter takes these for line breaks, as YAML 1.1 did; in YAML 1.2 they are none.
    let text = text.prop_filter("a line break of YAML 1.1", |text| {
        !text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
    });
    // The emitter puts no quotes around these, and without quotes they are refused (`odd-character`).
    let text = text.prop_filter("characters that look like others", |text| {
        text.chars().all(|c| Lookalike::of(c).is_none())
    });
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e15..1e15_f64).prop_map(Json::from),
        text.clone().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        // Emitted as it is, though it means something as a key.
        let key = text.clone().prop_filter("a merge", |key| key != "<<");
        let pair = (key, inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Json::from),
            prop::collection::vec(pair, 0..6)
                .prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_emitted_is_read_back(value in value()) {
        let emitted = serde_yaml::to_string(&value).unwrap();
        let read = ours(&emitted);
        prop_assert!(
            read.as_ref().is_some_and(|read| alike(read, &value)),
            "emitted {emitted:?}, read {read:?}"
        );
    }

    #[test]
    fn json_is_yaml(value in value()) {
        let printed = serde_json::to_string_pretty(&value).unwrap();
        let read = ours(&printed);
        prop_assert!(
            read.as_ref().is_some_and(|read| alike(read, &value)),
            "printed {printed:?}, read {read:?}"
        );
    }
}
