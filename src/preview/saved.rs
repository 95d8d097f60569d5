//! Saved previews: a file that `apply` does exactly, or refuses with what has changed.
//!
//! The file is JSON with a format version and a digest of its content, so that a damaged or edited one is
//! noticed. It has what a run would depend on: the text of the plan, the hosts with their variables, the
//! inputs, digests of the files that are uploaded, and the preview itself. Secrets are not in it, and neither
//! are digests of them: only whether each is given.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::inventory::Host;
use crate::load::Loaded;
use crate::preview::Preview;
use crate::resolve::{ResolvedPlan, secrets};

/// The version of the file.
pub const FORMAT: u32 = 1;

/// How every saved preview starts; nothing else does.
const START: &str = "{\"planrun_preview\": ";
/// What is between its header and its content.
const CONTENT: &str = ",\n\"content\": ";
/// What follows the content.
const END: &str = "\n}\n";

/// Values by their name and host. All hosts that share one are reported together.
pub type Values = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub request: Request,
    pub plan_text: String,
    pub plan_digest: String,
    /// The hosts with their variables, and the groups.
    pub inventory: Values,
    pub inventory_digest: String,
    pub inputs: Values,
    pub inputs_digest: String,
    /// The digests of other files: those that are uploaded, and the model.
    pub files: Values,
    pub preview: Preview,
}

/// What the plan is applied to; paths as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub plan: String,
    pub inventories: Vec<String>,
    pub limit: Option<String>,
    pub serial: Option<NonZeroUsize>,
    /// Without secrets.
    pub set: Vec<(String, String)>,
    pub inputs: Option<String>,
    /// The directory that relative paths are relative to.
    pub directory: String,
}

/// A file is not a preview that this planrun can apply.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    #[error("the preview has format {0}, this planrun knows {FORMAT}")]
    Format(u64),
    #[error("the preview is damaged or was edited: {0}")]
    Damaged(String),
}

#[derive(Deserialize)]
struct Header {
    planrun_preview: u64,
    digest: String,
}

/// Whether a text is a saved preview, or the start of one.
pub fn is_saved(text: &[u8]) -> bool {
    text.starts_with(START.as_bytes())
}

impl Saved {
    /// Brings together what a run would depend on.
    pub fn new(request: Request, loaded: &Loaded, preview: Preview) -> Self {
        let plan = &loaded.plan;
        let (inventory, inputs) = (inventory(plan), inputs(plan));
        let mut request = request;
        let hidden: BTreeSet<&String> = secrets::hidden(&plan.plan).map(|(name, _)| name).collect();
        request.set.retain(|(name, _)| !hidden.contains(name));
        Self {
            request,
            plan_digest: digest(loaded.text.as_bytes()),
            plan_text: loaded.text.clone(),
            inventory_digest: digest_of(&inventory),
            inventory,
            inputs_digest: digest_of(&inputs),
            inputs,
            files: files(loaded),
            preview,
        }
    }

    /// Writes it as the text of a file.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let content = serde_json::to_string_pretty(self)?;
        let version = serde_json::to_string(env!("CARGO_PKG_VERSION"))?;
        let digest = digest(content.as_bytes());
        let header = format!("{FORMAT}, \"planrun\": {version}, \"digest\": \"{digest}\"");
        Ok(format!("{START}{header}{CONTENT}{content}{END}"))
    }

    pub fn read(text: &str) -> Result<Self, SavedError> {
        let damaged = |why: &str| SavedError::Damaged(why.to_owned());
        let (header, rest) =
            text.split_once(CONTENT).ok_or_else(|| damaged("it has no content"))?;
        let header: Header = serde_json::from_str(&format!("{header}}}"))
            .map_err(|_| damaged("its first line cannot be read"))?;
        if header.planrun_preview != u64::from(FORMAT) {
            return Err(SavedError::Format(header.planrun_preview));
        }
        let content = rest.strip_suffix(END).ok_or_else(|| damaged("its end is missing"))?;
        if digest(content.as_bytes()) != header.digest {
            return Err(damaged("its content does not match its digest"));
        }
        serde_json::from_str(content).map_err(|error| damaged(&error.to_string()))
    }
}

/// Returns the values of a plan's inputs; of secrets only whether they are given.
fn inputs(plan: &ResolvedPlan) -> Values {
    let mut all = Values::new();
    for (name, input) in &plan.plan.inputs {
        let values = all.entry(name.clone()).or_default();
        for host in &plan.hosts {
            let is_given = || plan.origins.get(host).is_some_and(|it| it.contains_key(name));
            let value = plan.inputs.get(host).and_then(|values| values.get(name));
            let text = match value {
                _ if input.is_hidden() && is_given() => "a secret is given".to_owned(),
                None => "no value".to_owned(),
                Some(value) => value.to_string(),
            };
            values.insert(host.to_string(), text);
        }
    }
    all
}

fn inventory(plan: &ResolvedPlan) -> Values {
    let mut all = Values::new();
    let mut put = |name: String, host: &str, value: &serde_json::Value| {
        all.entry(name).or_default().insert(host.to_owned(), value.to_string());
    };
    for (name, host) in &plan.inventory.hosts {
        let Host { link, vars, encrypted, groups, .. } = host;
        if let Ok(serde_json::Value::Object(link)) = serde_json::to_value(link) {
            for (key, value) in link {
                put(format!("connection: {key}"), name.as_str(), &value);
            }
        }
        for (key, variable) in vars {
            put(key.clone(), name.as_str(), variable.as_written());
        }
        for key in encrypted.keys() {
            put(key.clone(), name.as_str(), &"(encrypted)".into());
        }
        put("groups".to_owned(), name.as_str(), &serde_json::json!(groups));
    }
    for (group, hosts) in &plan.inventory.groups {
        put(format!("group {group}"), "", &serde_json::json!(hosts));
    }
    put("hosts of the run".to_owned(), "", &serde_json::json!(plan.hosts));
    all
}

fn files(loaded: &Loaded) -> Values {
    let mut all = Values::new();
    let mut put = |path: &str, bytes: &[u8]| {
        let value = format!("{} bytes, sha256 {}", bytes.len(), digest(bytes));
        all.insert(path.to_owned(), BTreeMap::from([(String::new(), value)]));
    };
    for (path, bytes) in &loaded.plan.files {
        put(path, bytes);
    }
    if let Some(model) = &loaded.model {
        put(&model.name, model.text.as_bytes());
    }
    all
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn digest_of(values: &Values) -> String {
    digest(serde_json::to_string(values).unwrap_or_default().as_bytes())
}
