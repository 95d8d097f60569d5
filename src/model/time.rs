//! How time passes in a [`World`]: time rules and later changes.
//!
//! The agenda has the time of the next change of each host. A change affects only its host, so a jump of
//! time costs only as much as its changes, however many hosts there are.

use std::sync::Arc;

use jiff::Timestamp;
use minijinja::Value;

use crate::model::ModelError;
use crate::model::hosts::plus;
use crate::model::world::{World, values_of};

/// Maximum number of changes of one jump of time: a year of a rule that runs every minute.
const MAX_HAPPENINGS: usize = 600_000;

impl World {
    /// Advances the time; a time in the past changes nothing.
    ///
    /// After an error the world stays at the time of the error.
    pub fn advance_to(&mut self, time: Timestamp) -> Result<(), ModelError> {
        let mut happened = 0;
        while let Some(&(due, host)) = self.agenda.first()
            && due <= time
        {
            happened += 1;
            if happened > MAX_HAPPENINGS {
                return Err(ModelError::Impossible(format!(
                    "more than {MAX_HAPPENINGS} changes would happen before this time"
                )));
            }
            self.now = self.now.max(due);
            self.happen(host, due)?;
        }
        self.now = self.now.max(time);
        Ok(())
    }

    /// Makes the next change of a host: a later change precedes a rule at the same time.
    fn happen(&mut self, host: usize, due: Timestamp) -> Result<(), ModelError> {
        let roster = Arc::clone(&self.roster);
        let state = &mut self.hosts[host];
        if let Some(number) = state.later.iter().position(|later| later.due <= due) {
            let later = state.later.remove(number);
            let Some((_, change)) = &roster.response(later.source)?.later else {
                return self.arm(host);
            };
            let entry = roster.entry(later.source)?;
            let captures = Arc::new(later.captures);
            let scope = self.scope(entry, later.here, Some(host), &captures);
            let values = values_of(change, &scope)?;
            drop(scope);
            return self.set_values(host, values);
        }
        let is_due = |next: &Option<Timestamp>| next.is_some_and(|next| next <= due);
        let Some(number) = state.rules.iter().position(is_due) else { return self.arm(host) };
        state.rules[number] = None;
        let rule = &roster.group_of(host).rules[number];
        let values = values_of(&rule.becomes, &Value::from_dyn_object(self.view(host)))?;
        self.set_values(host, values)
    }

    /// Sets values of a host's state, and updates its rules.
    pub(super) fn set_values(
        &mut self,
        host: usize,
        values: Vec<(usize, Value)>,
    ) -> Result<(), ModelError> {
        let state = Arc::make_mut(&mut self.hosts[host].state);
        for (number, value) in values {
            // A saved change may refer to state that does not exist.
            if let Some(slot) = state.get_mut(number) {
                *slot = value;
            }
        }
        self.arm(host)
    }

    /// Updates the active rules of a host: a rule counts from the time its condition became true.
    pub(super) fn arm(&mut self, host: usize) -> Result<(), ModelError> {
        let roster = Arc::clone(&self.roster);
        let rules = &roster.group_of(host).rules;
        if !rules.is_empty() {
            let scope = Value::from_dyn_object(self.view(host));
            for (number, rule) in rules.iter().enumerate() {
                let holds = match &rule.when {
                    Some(when) => when.holds(&scope)?,
                    None => true,
                };
                let next = &mut self.hosts[host].rules[number];
                *next = match *next {
                    _ if !holds => None,
                    None => Some(plus(self.now, rule.every)),
                    same => same,
                };
            }
        }
        self.schedule(host);
        Ok(())
    }

    /// Updates the time of a host in the agenda.
    pub(super) fn schedule(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        let due = state.due();
        let before = std::mem::replace(&mut state.scheduled, due);
        if before != due {
            if let Some(before) = before {
                self.agenda.remove(&(before, host));
            }
            if let Some(due) = due {
                self.agenda.insert((due, host));
            }
        }
    }
}
