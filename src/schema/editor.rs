//! What editors show and insert in addition to the shapes: snippets, defaults, meanings of values.
//!
//! The data is in `editor.yaml`, by the names of the records; [`json`](crate::schema::json) adds it to
//! the schemas. The check does not use it, so it may be incomplete. Tests insert every snippet and
//! require a valid result.

use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::diagnostic::Diagnostics;
use crate::document;
use crate::source::Sources;

/// The data; the comments in the file explain it.
#[derive(Deserialize)]
struct Editor {
    snippets: Vec<Snippet>,
    defaults: Vec<DefaultValue>,
    meanings: Vec<IndexMap<String, String>>,
}

#[derive(Deserialize)]
struct Snippet {
    at: String,
    label: String,
    about: String,
    body: String,
}

#[derive(Deserialize)]
struct DefaultValue {
    r#in: Vec<String>,
    key: String,
    value: Value,
}

static EDITOR: LazyLock<Editor> = LazyLock::new(|| {
    serde_json::from_value(yaml(include_str!("editor.yaml"))).expect("the file is a constant")
});

/// Returns the snippets of a record or of one of its keys, as `defaultSnippets`.
pub(super) fn snippets(at: &str) -> Option<Value> {
    let all = EDITOR.snippets.iter().filter(|snippet| snippet.at == at);
    let all: Vec<Value> = all
        .map(|snippet| {
            json!({
                "label": snippet.label,
                "description": snippet.about,
                "markdownDescription": snippet.about,
                "body": yaml(&snippet.body),
            })
        })
        .collect();
    (!all.is_empty()).then_some(Value::Array(all))
}

/// Returns the value of a key that is not set.
pub(super) fn default(record: &str, key: &str) -> Option<Value> {
    let mut all = EDITOR.defaults.iter();
    let found = all.find(|one| one.key == key && one.r#in.iter().any(|word| word == record))?;
    Some(found.value.clone())
}

/// Returns the meaning of each value; `None` if one has none.
pub(super) fn meanings(words: &[&str]) -> Option<Vec<&'static str>> {
    let mut all = EDITOR.meanings.iter();
    all.find_map(|list| words.iter().map(|word| list.get(*word).map(String::as_str)).collect())
}

fn yaml(text: &str) -> Value {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add("snippet", text);
    let node = document::parse(&sources, id, &mut found);
    node.map(|node| node.to_json()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::diagnostic::render;
    use crate::plan;
    use crate::schema;
    use crate::schema::kind::Kind;
    use crate::schema::{Record, Shape};

    /// Returns a snippet as it is inserted, its places filled with what stands there at first.
    fn inserted(snippet: &Snippet) -> String {
        let place = Regex::new(r"\$\{\d+:([^}]*)\}").unwrap();
        place.replace_all(&snippet.body, "$1").into_owned()
    }

    /// Returns every record of every kind of file.
    fn records() -> Vec<&'static Record> {
        let mut all: Vec<&'static Record> = Vec::new();
        let mut open: Vec<&'static Record> = Kind::ALL.map(Kind::record).to_vec();
        while let Some(record) = open.pop() {
            if !all.iter().any(|one| std::ptr::eq(*one, record)) {
                all.push(record);
                let shapes = record.fields.iter().map(|field| &field.shape);
                shapes.chain(record.rest).for_each(|shape| below(shape, &mut open));
            }
        }
        all
    }

    fn below(shape: &'static Shape, open: &mut Vec<&'static Record>) {
        match shape {
            Shape::Record(record) => open.push(record),
            Shape::Late(inner) | Shape::List(inner, _) | Shape::Map(_, inner, _) => {
                below(inner, open);
            }
            Shape::OneOf(all) => all.iter().for_each(|(_, inner)| below(inner, open)),
            _ => {}
        }
    }

    fn indented(text: &str, by: &str) -> String {
        let lines: Vec<String> = text.lines().map(|line| format!("{by}{line}")).collect();
        format!("{}\n", lines.join("\n"))
    }

    #[test]
    fn every_snippet_fits_where_it_is_offered() {
        for snippet in &EDITOR.snippets {
            let (record, key) = match snippet.at.split_once('.') {
                Some((record, key)) => (record, Some(key)),
                None => (snippet.at.as_str(), None),
            };
            let records = records();
            let record = records.iter().find(|one| one.word() == record).unwrap();
            let shape = match key {
                Some(key) => record.field(key).unwrap().shape,
                None => Shape::Record(record),
            };
            let shape = match shape {
                Shape::List(inner, _) => *inner,
                other => other,
            };
            let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
            let id = sources.add("snippet", inserted(snippet));
            let node = document::parse(&sources, id, &mut found).unwrap();
            schema::check(&node, &shape, &mut found);
            let told = render::human(&found, &sources, false);
            assert!(told.is_empty(), "{}:\n{told}", snippet.label);
        }
    }

    #[test]
    fn plans_made_of_snippets_are_sound() {
        const HEAD: &str = "version: 1\nname: made\nhosts: web\n";
        const PROBE: &str = "probes: {state: {run: systemctl is-active nginx, parse: text}}\n";
        for snippet in &EDITOR.snippets {
            let text = inserted(snippet);
            let plan = match snippet.at.as_str() {
                "plan" => text,
                "step" => {
                    let step = format!("  -\n{}", indented(&text, "    "));
                    format!("{HEAD}{PROBE}steps:\n{step}")
                }
                "step.rollback" => {
                    let step = "  - run: touch /tmp/a\n    idempotent: true\n    rollback:\n";
                    format!("{HEAD}{PROBE}steps:\n{step}{}", indented(&text, "      "))
                }
                "plan.inputs" | "plan.probes" => {
                    let key = snippet.at.trim_start_matches("plan.");
                    format!("{HEAD}{key}:\n{}steps: [{{wait: 1s}}]\n", indented(&text, "  "))
                }
                _ => continue,
            };
            let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
            let id = sources.add("plan", plan);
            let plan = plan::read(&sources, id, &mut found);
            let told = render::human(&found, &sources, false);
            assert!(plan.is_some(), "{}:\n{told}", snippet.label);
        }
    }

    #[test]
    fn every_default_fits_its_key() {
        for one in &EDITOR.defaults {
            for word in &one.r#in {
                let records = records();
                let record = records.iter().find(|record| record.word() == *word).unwrap();
                let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
                let id = sources.add("default", one.value.to_string());
                let node = document::parse(&sources, id, &mut found).unwrap();
                schema::check(&node, &record.field(&one.key).unwrap().shape, &mut found);
                let told = render::human(&found, &sources, false);
                assert!(told.is_empty(), "{word}.{}:\n{told}", one.key);
            }
        }
    }

    /// Adds the choices of a shape that are not explained.
    fn choices(shape: &Shape, missing: &mut Vec<String>) {
        match shape {
            Shape::Choice(words) if meanings(words).is_none() => {
                missing.push(words.join(", "));
            }
            Shape::Late(inner) | Shape::List(inner, _) | Shape::Map(_, inner, _) => {
                choices(inner, missing);
            }
            Shape::OneOf(all) => all.iter().for_each(|(_, inner)| choices(inner, missing)),
            _ => {}
        }
    }

    #[test]
    fn the_words_of_a_plan_are_explained() {
        let mut missing = Vec::new();
        let of_plans = ["plan", "step", "probe", "wait", "input", "parse", "rollback_handler"];
        for record in records() {
            if of_plans.contains(&record.word().as_str()) {
                record.fields.iter().for_each(|field| choices(&field.shape, &mut missing));
            }
        }
        assert!(missing.is_empty(), "explain these in editor.yaml: {missing:?}");
    }
}
