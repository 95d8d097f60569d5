//! Models: hosts that exist only as data.
//!
//! A model file (`plans/models/dovecot.yaml`) says what the hosts of each group answer to commands
//! and how they change. From it comes a [`Model`]; from a model and the hosts of an inventory comes
//! a [`World`], which lives in virtual time. The same model serves a demonstration inventory, the
//! scenarios of a plan and its proof.
//!
//! Theory of operation. A host holds values (`state`); `derived` are words for expressions over
//! them. A command *begins*: the first entry that matches it is taken, and of its cases the first
//! whose `when` holds now. When what it `takes` has gone by it *ends*: its texts are rendered, then
//! all values of `becomes` are computed from the state as it is, then all are set. Between the two
//! the world may change, and a command that never ends has changed nothing. Time rules and `later`
//! changes touch one host each, at instants that depend on that host alone; so hosts can be brought
//! up to date in any order, and two worlds with the same past are alike.
//!
//! All expressions are compiled, and all names in them are looked up, when the model is read
//! ([`Model::lower`]): what can be told to the author is told there. Nothing here knows a clock or
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

/// What hosts answer and how they change.
#[derive(Debug)]
pub struct Model {
    name: String,
    digest: String,
    groups: IndexMap<String, Arc<Group>>,
}

/// What a host is asked to do, as far as models tell commands apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act<'a> {
    /// A command: its words.
    Run(&'a [String]),
    /// A script, known by its step: `PLAN/STEP`.
    Step(&'a str),
    /// A file that is put at a path.
    Upload(&'a str),
}

/// What a plan asks hosts to do: a word is `None` if it is made of values that are not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A command: its words.
    Run(Vec<Option<&'a str>>),
    /// A script, known by its step: `PLAN/STEP`.
    Step(String),
    /// A file that is put at a path.
    Upload(Option<&'a str>),
}

/// Why a world gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// An expression of the model failed on the values it met.
    #[error("the model cannot tell: `{expression}` ({place}): {why}")]
    Evaluation {
        /// Where it is written: `plans/models/dovecot.yaml:61`.
        place: String,
        /// The expression.
        expression: String,
        /// What the engine says.
        why: String,
    },
    /// No entry matches a command.
    #[error("the model has no entry for `{act}` on {group}{}", nearest_entry(.nearest.as_ref()))]
    NoEntry {
        /// The command.
        act: String,
        /// The group of the host.
        group: String,
        /// The entry that is most like it, and where it is written.
        nearest: Option<(String, String)>,
    },
    /// `of` finds no host, and the entry has no `nobody`.
    #[error("no host of {group} has the address `{address}`, and `{entry}` has no `nobody`")]
    Nobody {
        /// The entry.
        entry: String,
        /// The group.
        group: String,
        /// The address.
        address: String,
    },
    /// A command does not know a fault.
    #[error("`{entry}` has no fault `{fault}`: it has {known}")]
    NoFault {
        /// The entry.
        entry: String,
        /// The fault asked for.
        fault: String,
        /// Those it has.
        known: String,
    },
    /// A host is not in the world.
    #[error("{0} is not a host of the model")]
    UnknownHost(HostName),
    /// A host is in none of the model's groups, or in several.
    #[error("{host} must be in exactly one of the model's groups ({groups}), but is in {found}")]
    WrongGroups {
        /// The host.
        host: HostName,
        /// The groups of the model.
        groups: String,
        /// Those the host is in.
        found: String,
    },
    /// A name is not part of a host's state, or cannot be set.
    #[error("{host} has no state `{name}`: its group {group} has {known}")]
    UnknownState {
        /// The host.
        host: HostName,
        /// The name.
        name: String,
        /// The group of the host.
        group: String,
        /// What there is.
        known: String,
    },
    /// A value is of another kind than the model's.
    #[error("{host}: the state `{name}` is {expected} in the model, but {found} was given")]
    WrongKind {
        /// The host.
        host: HostName,
        /// The name.
        name: String,
        /// The kind of the model's value.
        expected: String,
        /// The kind given.
        found: String,
    },
    /// More happens in one jump of time than can be worked out.
    #[error("more than {0} changes would happen by themselves before this time")]
    TooMuch(usize),
    /// A saved world does not fit.
    #[error("the saved state does not fit: {0}")]
    Saved(String),
}

fn nearest_entry(nearest: Option<&(String, String)>) -> String {
    nearest
        .map_or_else(String::new, |(entry, place)| format!("; the nearest is `{entry}` ({place})"))
}

/// A group of a model.
#[derive(Debug)]
struct Group {
    name: String,
    /// The names of state and derived values.
    slots: HashMap<String, Slot>,
    /// The state at the start, in the order of the file.
    state: IndexMap<String, Value>,
    derived: Vec<Expression>,
    entries: Vec<Entry>,
    rules: Vec<Rule>,
}

/// Where a name of a group is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    State(usize),
    Derived(usize),
}

/// A command that a group knows.
#[derive(Debug)]
struct Entry {
    pattern: Pattern,
    /// The pattern as it is written.
    text: String,
    place: String,
    names: Arc<[String]>,
    of: Option<Of>,
    nobody: Option<Response>,
    cases: Vec<(Option<Expression>, Response)>,
    faults: IndexMap<String, Response>,
}

/// Whose state a command means.
#[derive(Clone, Copy, Debug)]
struct Of {
    group: usize,
    /// The number of the capture that holds the address.
    capture: usize,
}

/// What a command answers, not yet rendered.
#[derive(Debug)]
struct Response {
    exit: i32,
    stdout: Printed,
    stderr: Option<Template>,
    takes: Duration,
    becomes: Change,
    later: Option<(Duration, Change)>,
}

/// Values that are set, by their place in the state.
type Change = Vec<(usize, Template)>;

/// What is printed.
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

/// What happens while a condition holds.
#[derive(Debug)]
struct Rule {
    every: Duration,
    when: Option<Expression>,
    becomes: Change,
}

impl Model {
    /// Gives a document its meaning; `None` where something is wrong, which is told.
    ///
    /// The document has passed [`crate::schema::check`] with [`crate::schema::model::MODEL`].
    pub fn lower(node: &Node, sources: &Sources, found: &mut Diagnostics) -> Option<Self> {
        lower::model(node, sources, found)
    }

    /// Returns its name.
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

    /// Returns the names of all faults that commands are known for, sorted.
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

    /// Returns the group of a host, if it has no entry that may match what a plan asks for.
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
    /// Returns the first entry that matches, and what its placeholders stood for.
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

    /// Returns the names of its state, for a message.
    fn state_names(&self) -> String {
        let names: Vec<String> = self.state.keys().map(|name| format!("`{name}`")).collect();
        match names.as_slice() {
            [] => "none".into(),
            _ => names.join(", "),
        }
    }
}

impl Entry {
    /// Looks a fault up by name.
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
    /// Returns it as people read it; long ones are cut.
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
