//! The names that a text can use, and their values.
//!
//! A plan of thousands of steps has thousands of results, and each step renders several texts: the
//! names are shared, and copied only if one of several owners changes them.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use minijinja::Value;

/// Names and their values; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<BTreeMap<String, Value>>);

impl Names {
    pub fn insert(&mut self, name: String, value: Value) {
        Arc::make_mut(&mut self.0).insert(name, value);
    }

    pub fn remove(&mut self, name: &str) {
        if self.0.contains_key(name) {
            Arc::make_mut(&mut self.0).remove(name);
        }
    }

    /// Adds other names; values of names that exist are replaced.
    pub fn extend(&mut self, names: &Self) {
        if !names.is_empty() {
            let names = names.iter().map(|(name, value)| (name.clone(), value.clone()));
            Arc::make_mut(&mut self.0).extend(names);
        }
    }

    /// Returns the names as a value, without copying them.
    pub(super) fn value(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.0))
    }
}

impl Deref for Names {
    type Target = BTreeMap<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<const N: usize> From<[(String, Value); N]> for Names {
    fn from(names: [(String, Value); N]) -> Self {
        Self(Arc::new(BTreeMap::from(names)))
    }
}

impl FromIterator<(String, Value)> for Names {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(names: I) -> Self {
        Self(Arc::new(names.into_iter().collect()))
    }
}
