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
