//! Models: simulated hosts.
//!
//! A model file (`plans/models/dovecot.yaml`) says how the hosts of each group answer commands and how
//! they change. It becomes a [`Model`]; a model and the hosts of an inventory become a [`World`], which
//! has virtual time. Demo inventories and the scenarios of a plan use the same model.
//!
//! Theory of operation. A host has values (`state`); `derived` are named expressions over them. When a
//! command *starts*, the first matching entry is used, and of its cases the first whose `when` is true
//! now. After the time it `takes`, it *ends*: its texts are rendered, then all values of `becomes` are
//! computed from the current state, then all are set. In between, the world may change; a command that
//! never ends changes nothing. Time rules and `later` changes affect one host each, at times that depend
//! on that host alone. So hosts can be brought up to date in any order, and two worlds with the same
//! history are equal.
//!
//! All expressions are compiled and all names are resolved when the model is read ([`Model::lower`]), so
//! that the author gets all errors there. Models know no clock and no transport: time is passed to
//! [`World::advance_to`]. The code contains nothing about any product.

mod expression;
mod fault;
mod hosts;
mod lower;
mod names;
mod pattern;
mod scope;
mod snapshot;
mod time;
mod world;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use minijinja::Value;

use crate::diagnostic::Diagnostics;
use crate::document::Node;
use crate::inventory::{Host, HostName};
use crate::model::expression::{Expression, Template};
use crate::model::pattern::Pattern;
use crate::quote;
use crate::source::Sources;

pub use crate::model::fault::FaultKind;
pub use crate::model::snapshot::Snapshot;
pub use crate::model::world::{Answer, Pending, World};

/// How hosts answer and change.
#[derive(Debug)]
pub struct Model {
    pub name: String,
    /// The SHA-256 of its text, in hex.
    pub digest: String,
    groups: IndexMap<String, Arc<Group>>,
}

/// What a host is asked to do, as far as models distinguish commands. A word or a path of a plan is
/// `None` if it has values that are not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act<'a> {
    Run(Vec<Option<&'a str>>),
    /// A script, identified by its step: `PLAN/STEP`.
    Step(&'a str),
    /// A file, uploaded to a path.
    Upload(Option<&'a str>),
}

/// Why a world could not answer, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The model has no answer to what it is asked, or cannot evaluate it.
    #[error("{0}")]
    Impossible(String),
    /// A host is in none of the groups of the model, or in several.
    #[error("{0}")]
    WrongGroups(String),
    /// A value of a different type than in the model.
    #[error("{0}")]
    WrongKind(String),
    /// A saved world does not match the model.
    #[error("the saved state does not match the model: {0}")]
    Saved(String),
}

#[derive(Debug)]
struct Group {
    name: String,
    slots: HashMap<String, Slot>,
    /// The initial state, in the order of the file.
    state: IndexMap<String, Value>,
    derived: Vec<Expression>,
    entries: Vec<Entry>,
    rules: Vec<Rule>,
}

/// Where the value of a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    State(usize),
    Derived(usize),
}

/// A command of a group.
#[derive(Debug)]
struct Entry {
    pattern: Pattern,
    /// The pattern, as it is written.
    text: String,
    place: String,
    names: Arc<[String]>,
    of: Option<Of>,
    nobody: Option<Response>,
    cases: Vec<(Option<Expression>, Response)>,
    faults: IndexMap<String, Response>,
}

/// The host whose state a command uses.
#[derive(Clone, Copy, Debug)]
struct Of {
    group: usize,
    /// The index of the capture with the address.
    capture: usize,
}

/// The answer to a command, before it is rendered.
#[derive(Debug)]
struct Response {
    exit: i32,
    stdout: Printed,
    stderr: Option<Template>,
    takes: Duration,
    becomes: Change,
    later: Option<(Duration, Change)>,
}

/// New values, by their index in the state.
type Change = Vec<(usize, Template)>;

#[derive(Debug)]
enum Printed {
    Nothing,
    Text(Template),
    /// A row for each host of a group.
    Hosts {
        group: usize,
        header: String,
        columns: Vec<Expression>,
    },
    Rows {
        header: String,
        rows: Vec<Vec<Template>>,
    },
}

/// A change that repeats while a condition is true.
#[derive(Debug)]
struct Rule {
    every: Duration,
    when: Option<Expression>,
    becomes: Change,
}

impl Model {
    /// Converts a document; `None` if it has errors, which are reported.
    ///
    /// The document has passed [`crate::schema::check`] as a model.
    pub fn lower(node: &Node, sources: &Sources, found: &mut Diagnostics) -> Option<Self> {
        lower::model(node, sources, found)
    }

    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// Returns the names of all faults of commands, sorted.
    pub fn faults(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .groups
            .values()
            .flat_map(|group| &group.entries)
            .flat_map(|entry| entry.faults.keys())
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the group of a host, if it has no entry that may match a command of a plan.
    pub fn lacks(&self, host: &Host, act: &Act<'_>) -> Option<&str> {
        let group = host.groups.iter().find_map(|group| self.groups.get(group))?;
        let known = group.entries.iter().any(|entry| entry.pattern.matches(act).is_some());
        (!known).then_some(group.name.as_str())
    }

    fn group(&self, number: usize) -> &Arc<Group> {
        &self.groups[number]
    }
}

impl Group {
    /// Returns the first entry that matches, and the values of its placeholders.
    fn find(&self, act: &Act<'_>) -> Result<(usize, pattern::Captures), ModelError> {
        let mut entries = self.entries.iter().enumerate();
        entries
            .find_map(|(number, entry)| Some((number, entry.pattern.matches(act)?)))
            .ok_or_else(|| self.no_entry(act))
    }

    #[cold]
    fn no_entry(&self, act: &Act<'_>) -> ModelError {
        let text = act.text();
        let same_kind = |entry: &&Entry| {
            matches!(
                (&entry.pattern, act),
                (Pattern::Run(_), Act::Run(_))
                    | (Pattern::Step(_), Act::Step(_))
                    | (Pattern::Upload(_), Act::Upload(_))
            )
        };
        let nearest = self
            .entries
            .iter()
            .filter(same_kind)
            .min_by_key(|entry| strsim::damerau_levenshtein(&text, &entry.text))
            .map(|Entry { text, place, .. }| format!("; the most similar is `{text}` ({place})"));
        let (group, nearest) = (&self.name, nearest.unwrap_or_default());
        ModelError::Impossible(format!("the model has no entry for `{text}` on {group}{nearest}"))
    }

    /// Reports that a name is not part of the state of a host.
    fn unknown_state(&self, host: &HostName, name: &str) -> ModelError {
        let (group, known) = (&self.name, listed(self.state.keys()));
        ModelError::Impossible(format!(
            "unknown state `{name}` of {host}; its group {group} has {known}"
        ))
    }
}

impl Entry {
    fn fault(&self, name: &str) -> Result<usize, ModelError> {
        self.faults.get_index_of(name).ok_or_else(|| {
            let (text, known) = (&self.text, listed(self.faults.keys()));
            ModelError::Impossible(format!(
                "unknown fault `{name}` of `{text}`; known faults: {known}"
            ))
        })
    }
}

/// Returns names for a message.
fn listed<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

impl<'a> Act<'a> {
    /// A command whose words are known.
    pub fn run(argv: &'a [String]) -> Self {
        Self::Run(argv.iter().map(|word| Some(word.as_str())).collect())
    }

    /// Returns it for a message; a long one is shortened.
    fn text(&self) -> String {
        let full = match self {
            Self::Run(words) => {
                words.iter().map(|word| word.unwrap_or("<word>")).collect::<Vec<_>>().join(" ")
            }
            Self::Step(step) => format!("the script of {step}"),
            Self::Upload(path) => format!("upload to {}", path.unwrap_or("<path>")),
        };
        quote::shortened(&full, 200)
    }
}
