//! What an expression of a model can read while it is evaluated.
//!
//! Values are read on demand, and a derived value is evaluated at most once per view of a host. A view shares
//! the state and does not copy it; it must be dropped before the state changes, or the change makes a copy.
//! If a model reads other hosts (`hosts.GROUP`), the views of all hosts at one moment belong together
//! ([`AllHosts`]): their derived values may read each other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

use crate::model::hosts::Roster;
use crate::model::pattern::Captures;
use crate::model::{ModelError, Slot};

/// Maximum nesting of derived values that read those of other hosts: each level is a nested call.
const MAX_DEPTH: usize = 32;

/// A host, as an expression reads it.
#[derive(Debug)]
pub(super) struct View {
    roster: Arc<Roster>,
    host: usize,
    state: Arc<Vec<Value>>,
    derived: Box<[Derived]>,
    all: Weak<AllHosts>,
}

/// A derived value, once it was evaluated.
#[derive(Debug, Default)]
struct Derived {
    value: OnceLock<Value>,
    is_open: AtomicBool,
}

/// All hosts at one moment.
#[derive(Debug)]
pub(super) struct AllHosts {
    roster: Arc<Roster>,
    pub(super) views: Vec<Arc<View>>,
    /// How many derived values are being evaluated.
    depth: AtomicUsize,
}

/// The value of `hosts`.
#[derive(Debug)]
struct Groups(Arc<AllHosts>);

/// A host, the command or the rule that uses it, and where that runs.
#[derive(Debug)]
pub(super) struct Scope {
    /// The host whose state is used.
    pub(super) meant: Option<Arc<View>>,
    /// The host where the command runs, or whose rule it is.
    pub(super) here: Arc<View>,
    pub(super) names: Arc<[String]>,
    pub(super) captures: Arc<Captures>,
    /// Seconds since 1970.
    pub(super) now: i64,
}

impl AllHosts {
    pub(super) fn new(roster: &Arc<Roster>, states: &[Arc<Vec<Value>>]) -> Arc<Self> {
        Arc::new_cyclic(|all| {
            let states = states.iter().enumerate();
            let views = states.map(|(host, state)| View::new(roster, host, state, all.clone()));
            let (roster, views) = (Arc::clone(roster), views.collect());
            Self { roster, views, depth: AtomicUsize::new(0) }
        })
    }
}

impl View {
    pub(super) fn new(
        roster: &Arc<Roster>,
        host: usize,
        state: &Arc<Vec<Value>>,
        all: Weak<AllHosts>,
    ) -> Arc<Self> {
        let derived = roster.group_of(host).derived.iter().map(|_| Derived::default()).collect();
        Arc::new(Self { roster: Arc::clone(roster), host, state: Arc::clone(state), derived, all })
    }

    /// Returns a state or derived value.
    pub(super) fn read(self: &Arc<Self>, slot: Slot) -> Result<Value, ModelError> {
        let number = match slot {
            Slot::State(number) => return Ok(self.state[number].clone()),
            Slot::Derived(number) => number,
        };
        let derived = &self.derived[number];
        if let Some(value) = derived.value.get() {
            return Ok(value.clone());
        }
        // In its own group a derived value never depends on itself: lowering has checked this.
        let all = self.all.upgrade();
        let depth = all.as_ref().map_or(0, |all| all.depth.fetch_add(1, Ordering::Relaxed));
        let is_open = derived.is_open.swap(true, Ordering::Relaxed);
        let expression = &self.roster.group_of(self.host).derived[number];
        let value = if is_open || depth >= MAX_DEPTH {
            let why = "depends on itself by `hosts`, or on too many values of other hosts";
            Err(expression.fails(why))
        } else {
            expression.eval(&Value::from_dyn_object(Arc::clone(self)))
        };
        derived.is_open.store(is_open, Ordering::Relaxed);
        if let Some(all) = all {
            all.depth.fetch_sub(1, Ordering::Relaxed);
        }
        let value = value?;
        Ok(derived.value.get_or_init(|| value).clone())
    }
}

impl Object for View {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "name" => Some(self.roster.hosts[self.host].shown_name.clone()),
            "address" => Some(self.roster.hosts[self.host].shown_address.clone()),
            "hosts" => Some(Value::from_object(Groups(self.all.upgrade()?))),
            _ => {
                let slot = *self.roster.group_of(self.host).slots.get(key)?;
                Some(self.read(slot).unwrap_or_else(|error| invalid(&error)))
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let state = self.roster.group_of(self.host).state.keys().map(String::as_str);
        Enumerator::Values(["name", "address"].into_iter().chain(state).map(Value::from).collect())
    }
}

impl Object for Groups {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let group = self.0.roster.model.groups.get_index_of(key)?;
        let members = self.0.roster.members[group].iter();
        let views = members.map(|host| Arc::clone(&self.0.views[*host]));
        Some(views.map(Value::from_dyn_object).collect::<Vec<Value>>().into())
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "here" => Some(Value::from_dyn_object(Arc::clone(&self.here))),
            "hosts" => self.here.get_value_by_str(key),
            "now" => Some(Value::from(self.now)),
            _ => match self.names.iter().position(|name| name == key) {
                Some(number) => self.captures.get(number).cloned(),
                None => self.meant.as_ref()?.get_value_by_str(key),
            },
        }
    }
}

/// Makes a value whose use fails: this passes an error through the engine.
fn invalid(error: &ModelError) -> Value {
    minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, error.to_string()).into()
}
