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
//! ([`Model::lower`]): the author gets all errors there. Nothing here knows a clock or
//! a transport: time comes in by [`World::advance_to`]. Nothing of any product is in the code.

mod expression;
mod fault;
mod hosts;
mod lower;
mod names;
mod pattern;
mod scope;
mod snapshot;
mod state;
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
use crate::source::Sources;

pub use crate::model::fault::FaultKind;
pub use crate::model::snapshot::Snapshot;
pub use crate::model::world::{Answer, Pending, World};

/// How hosts answer and change.
#[derive(Debug)]
pub struct Model {
    name: String,
    digest: String,
    groups: IndexMap<String, Arc<Group>>,
}

/// What a host is asked to do, as far as models distinguish commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act<'a> {
    Run(&'a [String]),
    /// A script, identified by its step: `PLAN/STEP`.
    Step(&'a str),
    /// A file, uploaded to a path.
    Upload(&'a str),
}

/// What a plan will ask hosts to do: a word is `None` if it has values that are not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    Run(Vec<Option<&'a str>>),
    /// A script, identified by its step: `PLAN/STEP`.
    Step(String),
    /// A file, uploaded to a path.
    Upload(Option<&'a str>),
}

/// Why a world could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// An expression of the model failed with the current values.
    #[error("the model cannot evaluate `{expression}` ({place}): {why}")]
    Evaluation {
        /// Its location: `plans/models/dovecot.yaml:61`.
        place: String,
        expression: String,
        /// The message of the engine.
        why: String,
    },
    /// No entry matches a command.
    #[error("the model has no entry for `{act}` on {group}{}", nearest_entry(.nearest.as_ref()))]
    NoEntry {
        act: String,
        group: String,
        /// The most similar entry, and its location.
        nearest: Option<(String, String)>,
    },
    /// `of` finds no host, and the entry has no `nobody`.
    #[error("no host of {group} has the address `{address}`, and `{entry}` has no `nobody`")]
    Nobody { entry: String, group: String, address: String },
    /// A command does not have an injected fault.
    #[error("unknown fault `{fault}` of `{entry}`; known faults: {known}")]
    NoFault {
        entry: String,
        fault: String,
        /// The faults it has.
        known: String,
    },
    /// A host that is not in the world.
    #[error("{0} is not a host of the model")]
    UnknownHost(HostName),
    /// A host is in none of the groups of the model, or in several.
    #[error("{host} must be in exactly one of the model's groups ({groups}), but is in {found}")]
    WrongGroups {
        host: HostName,
        /// The groups of the model.
        groups: String,
        /// The groups of the host.
        found: String,
    },
    /// A name that is not part of the state of a host, or cannot be set.
    #[error("unknown state `{name}` of {host}; its group {group} has {known}")]
    UnknownState {
        host: HostName,
        name: String,
        group: String,
        /// The names of its state.
        known: String,
    },
    /// A value of a different type than in the model.
    #[error("{host}: the state `{name}` must be of type {expected}, not {found}")]
    WrongKind {
        host: HostName,
        name: String,
        /// The type of the value in the model.
        expected: String,
        /// The type of the new value.
        found: String,
    },
    /// Too many changes in one jump of time.
    #[error("more than {0} changes would happen before this time")]
    TooMuch(usize),
    /// A saved world does not match the model.
    #[error("the saved state does not match the model: {0}")]
    Saved(String),
}

fn nearest_entry(nearest: Option<&(String, String)>) -> String {
    nearest.map_or_else(String::new, |(entry, place)| {
        format!("; the most similar is `{entry}` ({place})")
    })
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

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the SHA-256 of its text, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the names of its groups.
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
    pub fn lacks(&self, host: &Host, asked: &Asked<'_>) -> Option<&str> {
        let group = host.groups.iter().find_map(|group| self.groups.get(group))?;
        let known = group.entries.iter().any(|entry| entry.pattern.may_match(asked));
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
            .map(|entry| (entry.text.clone(), entry.place.clone()));
        ModelError::NoEntry { act: text, group: self.name.clone(), nearest }
    }

    fn state_names(&self) -> String {
        let names: Vec<String> = self.state.keys().map(|name| format!("`{name}`")).collect();
        match names.as_slice() {
            [] => "none".into(),
            _ => names.join(", "),
        }
    }
}

impl Entry {
    fn fault(&self, name: &str) -> Result<usize, ModelError> {
        self.faults.get_index_of(name).ok_or_else(|| {
            let known: Vec<String> = self.faults.keys().map(|name| format!("`{name}`")).collect();
            ModelError::NoFault {
                entry: self.text.clone(),
                fault: name.to_owned(),
                known: if known.is_empty() { "none".into() } else { known.join(", ") },
            }
        })
    }
}

impl Act<'_> {
    /// Returns it for a message; a long one is shortened.
    fn text(&self) -> String {
        let full = match self {
            Self::Run(argv) => argv.join(" "),
            Self::Step(step) => format!("the script of {step}"),
            Self::Upload(path) => format!("upload to {path}"),
        };
        match full.char_indices().nth(200) {
            Some((at, _)) => format!("{}...", &full[..at]),
            None => full,
        }
    }
}
