//! The kinds of files that planrun reads, and how it recognises them.

use serde_json::Value;

use crate::diagnostic::nearest;
use crate::schema::{Record, RecordId, Shape, foreign, json, table};

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    Plan,
    Model,
    /// The expected results of a plan on its model.
    Test,
    Inventory,
}

/// How certain the kind of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It has a modeline, or the keys that identify the kind.
    Sure,
    /// It has one key of the kind.
    Weak,
}

/// Keys below a group of an inventory.
const GROUP_KEYS: [&str; 3] = ["hosts:", "children:", "vars:"];
/// Keys of plans that other files have too.
const COMMON: [&str; 4] = ["version", "name", "summary", "description"];
/// Maximum number of keys that are checked: only inventories, models and other tools' files have more.
const MAX_KEYS: usize = 200;
/// Keys that identify a kind together with one more key of it. They may be misspelt.
const TELLING: [(Kind, &[&str]); 3] = [
    (
        Kind::Plan,
        &["hosts", "steps", "probes", "preflight", "serial", "max_failures", "invariants"],
    ),
    (Kind::Model, &["model"]),
    (Kind::Test, &["tests", "plan"]),
];

impl Kind {
    pub const ALL: [Self; 4] = [Self::Plan, Self::Model, Self::Test, Self::Inventory];

    /// Returns its name, which is also that of its schema.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the shape of a whole file.
    ///
    /// # Panics
    /// The tables have no such record.
    pub fn shape(self) -> Shape {
        Shape::Record(RecordId::named(self.record_name()).expect("a file is a record"))
    }

    pub fn record(self) -> &'static Record {
        table::record(self.record_name())
    }

    fn record_name(self) -> &'static str {
        match self {
            Self::Test => "file_of_scenarios",
            other => other.name(),
        }
    }

    pub fn schema(self) -> String {
        let mut schema = json::schema(self.record(), &format!("planrun {}", self.name()));
        if let Value::Object(keys) = &mut schema {
            // A name, not an address: nothing is fetched from it.
            let id = format!("urn:planrun:schema:{}", self.name());
            keys.shift_insert(1, "$id".into(), id.into());
        }
        let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        format!("{text}\n")
    }

    /// Returns the kind of a text by its modeline or its keys; `None` if neither shows one. The text may
    /// be invalid.
    pub fn of(text: &str) -> Option<(Self, Sign)> {
        if let Some(kind) = by_modeline(text) {
            return Some((kind, Sign::Sure));
        }
        if is_ini(text) {
            return Some((Self::Inventory, Sign::Sure));
        }
        let keys = keys(text);
        let has = |key: &str| keys.contains(&key);
        let plan = Self::Plan.record();
        let of_plan = |key: &&str| {
            !COMMON.contains(key)
                && (plan.field(key).is_some() || foreign::find(plan, key).is_some())
        };
        let sure = |kind| Some((kind, Sign::Sure));
        let weak = |kind| Some((kind, Sign::Weak));
        if let Some(kind) = by_two_keys(&keys) {
            sure(kind)
        } else if (has("all") || has("ungrouped")) && has_groups(text) || all_are_groups(text) {
            sure(Self::Inventory)
        } else if has("_meta") || has("plugin") {
            weak(Self::Inventory)
        } else if has("tests") || has("plan") {
            weak(Self::Test)
        } else if has("model") {
            weak(Self::Model)
        } else if keys.iter().any(of_plan) || text.lines().any(|line| line.starts_with("- ")) {
            weak(Self::Plan)
        } else if !keys.is_empty() && has_groups(text) {
            weak(Self::Inventory)
        } else {
            None
        }
    }
}

/// Returns the kind that two keys identify, one of them in [`TELLING`]; each may be misspelt.
fn by_two_keys(keys: &[&str]) -> Option<Kind> {
    let keys = &keys[..keys.len().min(MAX_KEYS)];
    let near = |key: &str, name: &str| nearest(key, [name]).is_some();
    let has = |name: &str| keys.iter().any(|key| *key == name || near(key, name));
    // Too many other words are similar to a short name.
    let tells = |name: &str| has(name) && (name.len() > 4 || keys.contains(&name));
    let kind = TELLING.iter().find(|(kind, telling)| {
        let names = kind.record().fields.iter().map(|field| field.name);
        telling.iter().any(|name| tells(name)) && names.filter(|name| has(name)).count() >= 2
    });
    kind.map(|(kind, _)| *kind)
}

/// Whether everything below the keys of the top level is what groups of an inventory have: no key of a
/// plan, and a key of a group below each, possibly misspelt.
fn all_are_groups(text: &str) -> bool {
    let names = GROUP_KEYS.map(|key| key.trim_end_matches(':'));
    let mut indent = None;
    let mut exact = false;
    for line in text.lines() {
        let inner = line.trim_start();
        let depth = line.len() - inner.len();
        let key = if depth > 0 {
            (*indent.get_or_insert(depth) == depth).then_some(inner)
        } else {
            line.split_once(": {").map(|(_, flow)| flow.trim_start_matches('}'))
        };
        let comment = inner.is_empty() || inner.starts_with('#');
        let Some((key, _)) = key.filter(|_| !comment).and_then(|key| key.split_once(':')) else {
            continue;
        };
        exact |= names.contains(&key);
        if nearest(key, names).is_none() && !names.contains(&key) {
            return false;
        }
    }
    exact && !keys(text).is_empty()
}

/// Reads `# yaml-language-server: $schema=.../plan.schema.json` in the comments at the top.
fn by_modeline(text: &str) -> Option<Kind> {
    let comments = text.lines().take_while(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    });
    let schema = comments
        .filter(|line| line.contains("yaml-language-server:"))
        .find_map(|line| line.split_once("$schema="))?
        .1;
    let path = schema.split_whitespace().next()?;
    let name = path.rsplit(['/', ':']).next()?;
    Kind::ALL.into_iter().find(|kind| {
        let rest = name.strip_prefix(kind.name());
        rest.is_some_and(|rest| rest == ".schema.json")
    })
}

/// Whether the first line that is not empty or a comment is a section of an INI file.
fn is_ini(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty() && !line.starts_with(['#', ';'])).is_some_and(|line| {
        line.starts_with('[') && line.ends_with(']') && !line.contains([',', '{', '"'])
    })
}

/// Returns the keys of the top level, read line by line: the text may not be valid YAML yet.
fn keys(text: &str) -> Vec<&str> {
    let starts = text.trim_start();
    if starts.starts_with('{') {
        return flow_keys(starts);
    }
    let outer = text.lines().filter(|line| !line.starts_with([' ', '\t', '#', '-', '"', '%']));
    outer.filter_map(|line| line.split_once(':')).map(|(key, _)| key.trim()).collect()
}

/// Returns the keys of a mapping in braces, as JSON has them.
fn flow_keys(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut start = 0;
    let mut keys = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '[' => {
                depth += 1;
                start = at + 1;
            }
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 1 => start = at + 1,
            ':' if depth == 1 => keys.push(text[start..at].trim().trim_matches('"')),
            _ => {}
        }
    }
    keys
}

/// Whether a line has a key of an inventory group.
fn has_groups(text: &str) -> bool {
    text.lines().any(|line| {
        let inner = line.trim_start();
        let is_key = |text: &str| GROUP_KEYS.iter().any(|key| text.starts_with(key));
        let below = inner.len() < line.len() && is_key(inner);
        below || line.match_indices('{').any(|(at, _)| is_key(&line[at + 1..]))
    })
}
