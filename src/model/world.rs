//! Worlds: the hosts of a model in virtual time.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use jiff::Timestamp;
use minijinja::Value;

use crate::inventory::{Host, HostName};
use crate::model::expression::{Expression, Template};
use crate::model::hosts::{HostState, Later, Roster, Source, Which, given_state, plus};
use crate::model::pattern::Captures;
use crate::model::scope::{AllHosts, Scope, View};
use crate::model::{Asked, Change, Entry, Model, ModelError};

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
    /// All hosts as they are now, for expressions that read others.
    pub(super) all: OnceLock<Arc<AllHosts>>,
}

/// New values of hosts.
pub(super) type Changes = Vec<(usize, Vec<(usize, Value)>)>;

/// A command that has started.
#[derive(Clone, Debug)]
pub struct Pending {
    pub(super) here: usize,
    meant: Option<usize>,
    source: Source,
    pub(super) captures: Arc<Captures>,
    /// How often its host had become unreachable when it started.
    downs: u32,
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
            all: OnceLock::new(),
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
        asked: &Asked<'_>,
        fault: Option<&str>,
    ) -> Result<Pending, ModelError> {
        let here = self.index(host)?;
        let number = self.roster.hosts[here].group;
        let group = self.roster.model.group(number);
        let (entry_number, captures) = group.find(asked)?;
        let entry = &group.entries[entry_number];
        let meant = self.roster.meant(entry, here, &captures, asked)?;
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
            downs: self.hosts[here].downs,
            about: meant.map(|meant| self.roster.hosts[meant].name.clone()),
        })
    }

    /// Ends a command: renders its answer, and changes the state at once.
    pub fn finish(&mut self, pending: &Pending) -> Result<Answer, ModelError> {
        let roster = Arc::clone(&self.roster);
        let entry = roster.entry(pending.source)?;
        let response = roster.response(pending.source)?;
        let captures = &pending.captures;
        let (answer, changes) = {
            let scope = self.scope(entry, pending.here, pending.meant, &pending.captures);
            let stderr = response.stderr.as_ref().map(|text| text.text(&scope));
            let answer = Answer {
                exit: response.exit,
                stdout: self.print(&response.stdout, entry, pending, &scope)?,
                stderr: line(stderr.transpose()?.unwrap_or_default()),
            };
            let (here, meant, names) = (pending.here, pending.meant, &entry.names);
            (answer, self.values_of(&response.becomes, meant, here, names, captures)?)
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
            if response.later.is_some() {
                self.touched.insert(meant);
                self.schedule(meant);
            }
        }
        if !changes.is_empty() {
            self.touched.extend(changes.iter().map(|(host, _)| *host));
            self.apply(changes)?;
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
        self.apply(vec![(number, vec![(slot, value)])])
    }

    /// Whether a host can be reached.
    pub fn is_reachable(&self, host: &HostName) -> Result<bool, ModelError> {
        self.is_up(self.index(host)?)
    }

    /// Whether the host of a command could not be reached since the command started: then it has ended
    /// without an effect.
    pub fn is_lost(&self, pending: &Pending) -> bool {
        self.hosts[pending.here].downs != pending.downs
    }

    pub(super) fn is_up(&self, host: usize) -> Result<bool, ModelError> {
        match &self.roster.group_of(host).reachable {
            Some(reachable) => reachable.holds(&Value::from_dyn_object(self.view(host))),
            None => Ok(true),
        }
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
        if self.roster.model.is_connected {
            let all = self.all.get_or_init(|| {
                let states = self.hosts.iter().map(|host| Arc::clone(&host.state));
                AllHosts::new(&self.roster, &states.collect::<Vec<_>>())
            });
            return Arc::clone(&all.views[host]);
        }
        View::new(&self.roster, host, &self.hosts[host].state, Weak::new())
    }

    /// Evaluates all values of a change before any of them is set.
    pub(super) fn values_of(
        &self,
        change: &Change,
        meant: Option<usize>,
        here: usize,
        names: &Arc<[String]>,
        captures: &Arc<Captures>,
    ) -> Result<Changes, ModelError> {
        let mut changes = Changes::new();
        let values = |values: &[(usize, Template)], scope: &Value| {
            let values = values.iter();
            let values = values.map(|(number, template)| Ok((*number, template.value(scope)?)));
            values.collect::<Result<Vec<_>, ModelError>>()
        };
        if let Some(meant) = meant.filter(|_| !change.own.is_empty()) {
            let scope = self.scope_of(names, here, Some(meant), captures);
            changes.push((meant, values(&change.own, &scope)?));
        }
        for also in &change.also {
            for host in self.chosen(also.group, also.filter.as_ref(), names, here, captures)? {
                let scope = self.scope_of(names, here, Some(host), captures);
                changes.push((host, values(&also.becomes, &scope)?));
            }
        }
        Ok(changes)
    }

    /// Returns the hosts of a group for which a condition is true.
    pub(super) fn chosen(
        &self,
        group: usize,
        filter: Option<&Expression>,
        names: &Arc<[String]>,
        here: usize,
        captures: &Arc<Captures>,
    ) -> Result<Vec<usize>, ModelError> {
        let mut chosen = Vec::new();
        for host in &self.roster.members[group] {
            let is_chosen = match filter {
                Some(filter) => filter.holds(&self.scope_of(names, here, Some(*host), captures))?,
                None => true,
            };
            chosen.extend(is_chosen.then_some(*host));
        }
        Ok(chosen)
    }

    pub(super) fn scope(
        &self,
        entry: &Entry,
        here: usize,
        meant: Option<usize>,
        captures: &Arc<Captures>,
    ) -> Value {
        self.scope_of(&entry.names, here, meant, captures)
    }

    pub(super) fn scope_of(
        &self,
        names: &Arc<[String]>,
        here: usize,
        meant: Option<usize>,
        captures: &Arc<Captures>,
    ) -> Value {
        let view = self.view(here);
        Value::from_dyn_object(Arc::new(Scope {
            meant: match meant {
                Some(meant) if meant == here => Some(Arc::clone(&view)),
                other => other.map(|meant| self.view(meant)),
            },
            here: view,
            names: Arc::clone(names),
            captures: Arc::clone(captures),
            now: self.now.as_second(),
        }))
    }
}

/// Ends a text with a newline, as programs do, if it is not empty.
pub(super) fn line(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
