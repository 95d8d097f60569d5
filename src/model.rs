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
//! never ends changes nothing, and one whose host became unreachable never ends. Time rules and `later`
//! changes affect one host each, at times that depend on that host alone. So hosts can be brought up to date
//! in any order, and two worlds with the same history are equal. A *connected* model, one that uses `hosts`
//! or `also`, gives this up: its hosts read and change each other, changes happen in the order of their times
//! and then of the hosts, and every snapshot has all hosts.
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
mod print;
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
use crate::model::pattern::{Pattern, StdinPattern};
use crate::model::print::Printed;
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
    /// Whether hosts read or change each other.
    is_connected: bool,
}

/// A command, as far as models distinguish commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    pub act: Act<'a>,
    /// What it reads; `None` if that is not known yet.
    pub stdin: Option<&'a str>,
    /// The host of the run that it belongs to, wherever it runs.
    pub host: Option<&'a HostName>,
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
    /// Whether a host can be reached; always, if there is none.
    reachable: Option<Expression>,
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
    stdin: Option<StdinPattern>,
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
    by: By,
}

/// How the host is found.
#[derive(Clone, Copy, Debug)]
enum By {
    /// By an address, in this capture.
    Address(usize),
    /// By a name, in this capture.
    Name(usize),
    /// It is the host that the step works on.
    Task,
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

/// New values of the host, and of others.
#[derive(Debug, Default)]
struct Change {
    own: NewValues,
    also: Vec<Also>,
}

/// New values, by their index in the state.
type NewValues = Vec<(usize, Template)>;

/// Hosts of a group that change, too.
#[derive(Debug)]
struct Also {
    group: usize,
    filter: Option<Expression>,
    becomes: NewValues,
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
    pub fn lacks(&self, host: &Host, asked: &Asked<'_>) -> Option<&str> {
        let group = host.groups.iter().find_map(|group| self.groups.get(group))?;
        let known = group.entries.iter().any(|entry| entry.matches(asked).is_some());
        (!known).then_some(group.name.as_str())
    }

    fn group(&self, number: usize) -> &Arc<Group> {
        &self.groups[number]
    }
}

impl Group {
    /// Returns the first entry that matches, and the values of its placeholders.
    fn find(&self, asked: &Asked<'_>) -> Result<(usize, pattern::Captures), ModelError> {
        let mut entries = self.entries.iter().enumerate();
        entries
            .find_map(|(number, entry)| Some((number, entry.matches(asked)?)))
            .ok_or_else(|| self.no_entry(asked))
    }

    #[cold]
    fn no_entry(&self, Asked { act, .. }: &Asked<'_>) -> ModelError {
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
            .map(|Entry { text, place, stdin, .. }| match stdin {
                Some(stdin) => {
                    let stdin = quote::shortened(&stdin.text, 80);
                    format!("; the most similar is `{text}` with the input `{stdin}` ({place})")
                }
                None => format!("; the most similar is `{text}` ({place})"),
            });
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
    /// Returns the values of the placeholders if a command matches.
    fn matches(&self, asked: &Asked<'_>) -> Option<pattern::Captures> {
        let fits = match (&self.stdin, asked.stdin) {
            (Some(pattern), Some(input)) => pattern.matches(input),
            _ => true,
        };
        self.pattern.matches(&asked.act).filter(|_| fits)
    }

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

impl<'a> From<Act<'a>> for Asked<'a> {
    /// A command that reads nothing, and belongs to no run.
    fn from(act: Act<'a>) -> Self {
        Self { act, stdin: Some(""), host: None }
    }
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
