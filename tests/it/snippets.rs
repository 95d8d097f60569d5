//! What editors insert and show: every snippet, default and explanation of `src/schema/editor.yaml`.

use planrun::diagnostic::{Diagnostics, render};
use planrun::schema::kind::Kind;
use planrun::schema::{RecordId, Shape, record};
use planrun::source::Sources;
use planrun::{document, plan, schema};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::support;

#[derive(Deserialize)]
struct Editor {
    snippets: Vec<Snippet>,
    defaults: Vec<DefaultValue>,
}

#[derive(Deserialize)]
struct Snippet {
    at: String,
    label: String,
    body: String,
}

#[derive(Deserialize)]
struct DefaultValue {
    r#in: Vec<String>,
    key: String,
    value: Value,
}

fn editor() -> Editor {
    serde_yaml::from_str(&support::text("src/schema/editor.yaml")).unwrap()
}

/// Returns a snippet as it is inserted, with the initial text of its placeholders.
fn inserted(snippet: &Snippet) -> String {
    let placeholder = Regex::new(r"\$\{\d+:([^}]*)\}").unwrap();
    placeholder.replace_all(&snippet.body, "$1").into_owned()
}

#[track_caller]
fn assert_fits(name: &str, text: String, shape: &Shape) {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add(name, text);
    let node = document::parse(&sources, id, &mut found).unwrap();
    schema::check(&node, shape, &mut found);
    assert_eq!(render::human(&found, &sources, false), "", "{name}");
}

#[test]
fn every_snippet_and_default_fits_where_it_is_offered() {
    let editor = editor();
    for snippet in &editor.snippets {
        let shape = match snippet.at.split_once('.') {
            Some((word, key)) => record(word).field(key).unwrap().shape.clone(),
            None => Shape::Record(RecordId::named(&snippet.at).unwrap()),
        };
        let shape = if let Shape::List(inner, _) = shape { *inner } else { shape };
        assert_fits(&snippet.label, inserted(snippet), &shape);
    }
    for one in &editor.defaults {
        for word in &one.r#in {
            let shape = &record(word).field(&one.key).unwrap().shape;
            assert_fits(&format!("{word}.{}", one.key), one.value.to_string(), shape);
        }
    }
}

#[test]
fn plans_made_of_snippets_are_valid() {
    const HEAD: &str = "version: 1\nname: made\nhosts: web\n\
                        probes: {state: {run: systemctl is-active nginx, parse: text}}\n";
    let indented = |text: &str, by: &str| {
        let lines: Vec<String> = text.lines().map(|line| format!("{by}{line}\n")).collect();
        lines.concat()
    };
    for snippet in &editor().snippets {
        let text = inserted(snippet);
        let text = match snippet.at.as_str() {
            "plan" => text,
            "step" => format!("{HEAD}steps:\n  -\n{}", indented(&text, "    ")),
            "step.rollback" => format!(
                "{HEAD}steps:\n  - run: touch /tmp/a\n    idempotent: true\n    rollback:\n{}",
                indented(&text, "      ")
            ),
            "step.teardown" => format!(
                "{HEAD}setup:\n  - delegate_to: controller\n    run: touch /tmp/a\n    idempotent: true\n    \
                 teardown:\n{}steps: [{{wait: 1s}}]\n",
                indented(&text, "      ").replace("condition", "'true'")
            ),
            "plan.inputs" | "plan.probes" | "plan.order" | "plan.serial" => {
                let key = snippet.at.trim_start_matches("plan.");
                let head = HEAD.lines().take(3).collect::<Vec<_>>().join("\n");
                format!(
                    "{head}\n{key}:\n{}steps: [{{wait: 1s}}]\n",
                    indented(&text, "  ").replace("condition", "host.name == \"a\"")
                )
            }
            _ => continue,
        };
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let id = sources.add("plan", text);
        let plan = plan::read(&sources, id, &mut found);
        let shown = render::human(&found, &sources, false);
        assert!(plan.is_some(), "{}:\n{shown}", snippet.label);
    }
}

#[test]
fn the_keywords_of_a_plan_are_explained() {
    fn enums<'a>(value: &'a Value, all: &mut Vec<&'a Value>) {
        all.extend(value.get("enum").map(|_| value));
        let items = value.as_array().into_iter().flatten();
        let values = value.as_object().into_iter().flat_map(|map| map.values());
        items.chain(values).for_each(|inner| enums(inner, all));
    }
    let schema: Value = serde_json::from_str(&Kind::Plan.schema()).unwrap();
    let mut all = Vec::new();
    enums(&schema, &mut all);
    assert!(all.len() > 8, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|one| one.get("enumDescriptions").is_none()).collect();
    assert!(missing.is_empty(), "explain these in editor.yaml: {missing:#?}");
}
