//! Worlds: the hosts of a model in virtual time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use minijinja::Value;

use crate::inventory::{Host, HostName};
use crate::model::hosts::{HostState, Later, Roster, Source, Which, given_state, plus};
use crate::model::pattern::Captures;
use crate::model::scope::{CommandScope, View};
use crate::model::{Act, Change, Entry, Model, ModelError, Printed};

/// The hosts of a model at a time. A clone is cheap: hosts share their state until it changes.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) roster: Arc<Roster>,
    pub(super) start: Timestamp,
    pub(super) now: Timestamp,
    pub(super) hosts: Vec<HostState>,
    /// The time of the next change of each host that has one.
    pub(super) agenda: BTreeSet<(Timestamp, usize)>,
    /// The hosts that commands have changed since the last snapshot of changes.
    pub(super) touched: BTreeSet<usize>,
}

/// A command that has started.
#[derive(Clone, Debug)]
pub struct Pending {
    here: usize,
    meant: Option<usize>,
    source: Source,
    captures: Arc<Captures>,
    pub takes: Duration,
    /// The host whose state is used; `None` if there is none.
    pub about: Option<HostName>,
}

/// The answer to a command when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// Makes the initial world of these hosts: the state of the model, changed by the inventory.
    pub fn new<'a>(
        model: Arc<Model>,
        hosts: impl IntoIterator<Item = &'a Host>,
        start: Timestamp,
    ) -> Result<Self, ModelError> {
        let (roster, states) = Roster::new(model, hosts)?;
        let mut world = Self {
            hosts: states,
            roster: Arc::new(roster),
            start,
            now: start,
            agenda: BTreeSet::new(),
            touched: BTreeSet::new(),
        };
        for host in 0..world.hosts.len() {
            world.arm(host)?;
        }
        Ok(world)
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.roster.model
    }

    /// Returns the time in the world.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Starts a command on a host, normally or with an injected fault of the model.
    ///
    /// Nothing changes yet: [`World::finish`] ends it.
    pub fn begin(
        &self,
        host: &HostName,
        act: &Act<'_>,
        fault: Option<&str>,
    ) -> Result<Pending, ModelError> {
        let here = self.index(host)?;
        let number = self.roster.hosts[here].group;
        let group = self.roster.model.group(number);
        let (entry_number, captures) = group.find(act)?;
        let entry = &group.entries[entry_number];
        let meant = self.roster.meant(entry, here, &captures)?;
        let captures = Arc::new(captures);
        let answer = match (meant, fault) {
            (None, _) => Which::Nobody,
            (_, Some(fault)) => Which::Fault(entry.fault(fault)?),
            (Some(meant), None) => Which::Case(self.case(entry, here, meant, &captures)?),
        };
        let source = Source { group: number, entry: entry_number, answer };
        Ok(Pending {
            here,
            meant,
            takes: self.roster.response(source)?.takes,
            source,
            captures,
            about: meant.map(|meant| self.roster.hosts[meant].name.clone()),
        })
    }

    /// Ends a command: renders its answer, and changes the state at once.
    pub fn finish(&mut self, pending: &Pending) -> Result<Answer, ModelError> {
        let roster = Arc::clone(&self.roster);
        let entry = roster.entry(pending.source)?;
        let response = roster.response(pending.source)?;
        let (answer, values) = {
            let scope = self.scope(entry, pending.here, pending.meant, &pending.captures);
            let stderr = response.stderr.as_ref().map(|text| text.text(&scope));
            let answer = Answer {
                exit: response.exit,
                stdout: self.print(&response.stdout, entry, pending, &scope)?,
                stderr: line(stderr.transpose()?.unwrap_or_default()),
            };
            (answer, values_of(&response.becomes, &scope)?)
        };
        if let Some(meant) = pending.meant {
            if let Some((after, _)) = &response.later {
                self.hosts[meant].later.push(Later {
                    due: plus(self.now, *after),
                    here: pending.here,
                    source: pending.source,
                    captures: pending.captures.to_vec(),
                });
            }
            if response.later.is_some() || !values.is_empty() {
                self.touched.insert(meant);
                self.set_values(meant, values)?;
            }
        }
        Ok(answer)
    }

    /// Returns the names of the faults of a command.
    pub fn faults_of(&self, pending: &Pending) -> Vec<&str> {
        let entry = self.roster.entry(pending.source);
        let faults = entry.map(|entry| entry.faults.keys().map(String::as_str));
        faults.into_iter().flatten().collect()
    }

    pub fn get(&self, host: &HostName, name: &str) -> Result<serde_json::Value, ModelError> {
        let number = self.index(host)?;
        let group = self.roster.group_of(number);
        let slot = group.slots.get(name).ok_or_else(|| group.unknown_state(host, name))?;
        let value = self.view(number).read(*slot)?;
        serde_json::to_value(value).map_err(|error| ModelError::Saved(error.to_string()))
    }

    /// Sets a value of a host's state.
    pub fn set(
        &mut self,
        host: &HostName,
        name: &str,
        value: serde_json::Value,
    ) -> Result<(), ModelError> {
        let number = self.index(host)?;
        let group = Arc::clone(self.roster.group_of(number));
        let (slot, value) = given_state(&group, host, name, value)?;
        self.touched.insert(number);
        self.set_values(number, vec![(slot, value)])
    }

    /// Whether commands have changed anything since the last call of [`World::changes`].
    pub fn has_changes(&self) -> bool {
        !self.touched.is_empty()
    }

    pub(super) fn index(&self, host: &HostName) -> Result<usize, ModelError> {
        let found = self.roster.by_name.get(host);
        let unknown = || ModelError::Impossible(format!("{host} is not a host of the model"));
        found.copied().ok_or_else(unknown)
    }

    fn case(
        &self,
        entry: &Entry,
        here: usize,
        meant: usize,
        captures: &Arc<Captures>,
    ) -> Result<usize, ModelError> {
        let last = entry.cases.len().saturating_sub(1);
        if last == 0 {
            return Ok(0);
        }
        let scope = self.scope(entry, here, Some(meant), captures);
        for (number, (when, _)) in entry.cases.iter().enumerate() {
            match when {
                Some(when) if !when.holds(&scope)? => {}
                _ => return Ok(number),
            }
        }
        // Lowering has checked that the last case has no condition.
        Ok(last)
    }

    pub(super) fn view(&self, host: usize) -> Arc<View> {
        View::new(&self.roster, host, &self.hosts[host].state)
    }

    pub(super) fn scope(
        &self,
        entry: &Entry,
        here: usize,
        meant: Option<usize>,
        captures: &Arc<Captures>,
    ) -> Value {
        let view = self.view(here);
        Value::from_dyn_object(Arc::new(CommandScope {
            meant: match meant {
                Some(meant) if meant == here => Some(Arc::clone(&view)),
                other => other.map(|meant| self.view(meant)),
            },
            here: view,
            names: Arc::clone(&entry.names),
            captures: Arc::clone(captures),
            now: self.now.as_second(),
        }))
    }

    fn print(
        &self,
        printed: &Printed,
        entry: &Entry,
        pending: &Pending,
        scope: &Value,
    ) -> Result<String, ModelError> {
        match printed {
            Printed::Nothing => Ok(String::new()),
            Printed::Text(text) => Ok(line(text.text(scope)?)),
            Printed::Hosts { group, header, columns } => {
                let mut out = format!("{header}\n");
                for host in &self.roster.members[*group] {
                    let scope = self.scope(entry, pending.here, Some(*host), &pending.captures);
                    for (number, column) in columns.iter().enumerate() {
                        out.push_str(if number == 0 { "" } else { "\t" });
                        column.write(&scope, &mut out)?;
                    }
                    out.push('\n');
                }
                Ok(out)
            }
            Printed::Rows { header, rows } => {
                let mut out = format!("{header}\n");
                for row in rows {
                    let cells: Result<Vec<String>, _> =
                        row.iter().map(|cell| cell.text(scope)).collect();
                    out.push_str(&cells?.join("\t"));
                    out.push('\n');
                }
                Ok(out)
            }
        }
    }
}

/// Evaluates all values of a change before any of them is set.
pub(super) fn values_of(change: &Change, scope: &Value) -> Result<Vec<(usize, Value)>, ModelError> {
    change.iter().map(|(number, template)| Ok((*number, template.value(scope)?))).collect()
}

/// Ends a text with a newline, as programs do, if it is not empty.
fn line(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
