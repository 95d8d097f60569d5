//! What the tests of models and of their transport share.

mod clusters;
mod commands;
mod dovecot;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use planrun::diagnostic::Diagnostics;
use planrun::document;
use planrun::inventory::{Connection, Host, HostName, Link};
use planrun::model::Model;
use planrun::schema;
use planrun::schema::kind::Kind;
use planrun::source::Sources;

/// Reads a model from its text, with what is wrong with it.
pub(crate) fn read(text: &str) -> (Option<Model>, Vec<String>) {
    let mut sources = Sources::default();
    let id = sources.add("model.yaml", text);
    let mut found = Diagnostics::default();
    let node = document::parse(&sources, id, &mut found);
    let model = node.and_then(|node| {
        schema::check(&node, &Kind::Model.shape(), &mut found);
        if found.has_errors() {
            return None;
        }
        Model::lower(&node, &sources, &mut found)
    });
    let shown = found
        .sorted()
        .into_iter()
        .map(|one| {
            let at = one.primary.as_ref().map(|label| sources.slice(label.span));
            format!("{} at `{}`: {}", one.code, at.unwrap_or_default(), one.message)
        })
        .collect();
    (model, shown)
}

pub(crate) fn model_of(text: &str) -> Arc<Model> {
    let (model, faults) = read(text);
    Arc::new(model.unwrap_or_else(|| panic!("{faults:#?}")))
}

/// Reads the sample model.
pub(crate) fn dovecot() -> Arc<Model> {
    model_of(&std::fs::read_to_string(plans().join("models/dovecot.yaml")).unwrap())
}

pub(crate) fn host(name: &str, group: &str, address: &str, state: Json) -> Host {
    let state: IndexMap<String, Json> = serde_json::from_value(state).unwrap();
    Host {
        name: HostName::new(name),
        link: Link {
            connection: Connection::Model,
            address: address.into(),
            model: Some("models/dovecot.yaml".into()),
            state,
            ..Link::default()
        },
        vars: IndexMap::new(),
        encrypted: indexmap::IndexMap::new(),
        groups: vec![group.into()],
    }
}

/// Reads the hosts of the demonstration inventory: as much of it as models look at.
pub(crate) fn cluster() -> Vec<Host> {
    let text = std::fs::read_to_string(plans().join("inventories/demo.yaml")).unwrap();
    let mut sources = Sources::default();
    let id = sources.add("demo.yaml", text);
    let node = document::parse(&sources, id, &mut Diagnostics::default()).unwrap();
    let all = node.get("all").unwrap();
    let model = all.get("vars").and_then(|vars| vars.get("planrun_model"));
    let model = model.and_then(document::Node::as_text).unwrap();
    assert!(plans().join(model).is_file(), "{model} is beside the folder of the inventory");
    let mut hosts = Vec::new();
    for group in all.get("children").unwrap().entries() {
        for member in group.value.get("hosts").unwrap().entries() {
            let address = member.value.get("ansible_host").unwrap().as_text().unwrap();
            let state = member.value.get("planrun_state");
            let state = state.map_or(json!({}), document::Node::to_json);
            hosts.push(host(&member.key, &group.key, address, state));
        }
    }
    hosts
}

fn plans() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plans")
}

pub(crate) fn start() -> Timestamp {
    "2026-01-05T08:00:00Z".parse().unwrap()
}
