//! What an expression of a model can read while it is evaluated.
//!
//! Values are read on demand, and a derived value is evaluated at most once per scope. A scope shares the
//! state and does not copy it; it must be dropped before the state changes, or the change makes a copy.

use std::sync::{Arc, OnceLock};

use minijinja::Value;
use minijinja::value::Object;

use crate::model::hosts::Roster;
use crate::model::pattern::Captures;
use crate::model::{ModelError, Slot};

/// A host, as an expression reads it.
#[derive(Debug)]
pub(super) struct View {
    roster: Arc<Roster>,
    host: usize,
    state: Arc<Vec<Value>>,
    derived: Box<[OnceLock<Value>]>,
}

/// A host, the command that uses it, and where that runs.
#[derive(Debug)]
pub(super) struct CommandScope {
    /// The host whose state is used.
    pub(super) meant: Option<Arc<View>>,
    /// The host where the command runs.
    pub(super) here: Arc<View>,
    pub(super) names: Arc<[String]>,
    pub(super) captures: Arc<Captures>,
    /// Seconds since 1970.
    pub(super) now: i64,
}

impl View {
    pub(super) fn new(roster: &Arc<Roster>, host: usize, state: &Arc<Vec<Value>>) -> Arc<Self> {
        let derived = roster.group_of(host).derived.iter().map(|_| OnceLock::new()).collect();
        Arc::new(Self { roster: Arc::clone(roster), host, state: Arc::clone(state), derived })
    }

    /// Returns a state or derived value.
    pub(super) fn read(self: &Arc<Self>, slot: Slot) -> Result<Value, ModelError> {
        match slot {
            Slot::State(number) => Ok(self.state[number].clone()),
            Slot::Derived(number) => {
                if let Some(value) = self.derived[number].get() {
                    return Ok(value.clone());
                }
                // A derived value never depends on itself: lowering has checked this.
                let scope = Value::from_dyn_object(Arc::clone(self));
                let value = self.roster.group_of(self.host).derived[number].eval(&scope)?;
                Ok(self.derived[number].get_or_init(|| value).clone())
            }
        }
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
            _ => {
                let slot = *self.roster.group_of(self.host).slots.get(key)?;
                Some(self.read(slot).unwrap_or_else(|error| invalid(&error)))
            }
        }
    }
}

impl Object for CommandScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "here" => Some(Value::from_dyn_object(Arc::clone(&self.here))),
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
