//! How time passes in a [`World`]: time rules and later changes.
//!
//! The agenda has the time of the next change of each host. A change affects only its host, so a jump of
//! time costs only as much as its changes, however many hosts there are; unless the model is connected: then
//! rules may depend on other hosts, and all of them are updated after each change.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use minijinja::Value;

use crate::model::ModelError;
use crate::model::hosts::plus;
use crate::model::world::{Changes, World};

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
            let names = Arc::clone(&roster.entry(later.source)?.names);
            let captures = Arc::new(later.captures);
            let values = self.values_of(change, Some(host), later.here, &names, &captures)?;
            return self.apply(values);
        }
        let is_due = |next: &Option<Timestamp>| next.is_some_and(|next| next <= due);
        let Some(number) = state.rules.iter().position(is_due) else { return self.arm(host) };
        state.rules[number] = None;
        let rule = &roster.group_of(host).rules[number];
        let (names, captures) = (Arc::default(), Arc::default());
        let values = self.values_of(&rule.becomes, Some(host), host, &names, &captures)?;
        // The rule starts again, also if it changes nothing of its host.
        self.apply(if values.is_empty() { vec![(host, Vec::new())] } else { values })
    }

    /// Sets values of hosts, all at once, and updates the rules that may depend on them.
    pub(super) fn apply(&mut self, changes: Changes) -> Result<(), ModelError> {
        // The states are shared with it.
        self.all.take();
        let mut changed = BTreeSet::new();
        for (host, values) in changes {
            changed.insert(host);
            let state = Arc::make_mut(&mut self.hosts[host].state);
            for (number, value) in values {
                // A saved change may refer to state that does not exist.
                if let Some(slot) = state.get_mut(number) {
                    *slot = value;
                }
            }
        }
        if self.roster.model.is_connected {
            changed.extend(0..self.hosts.len());
        }
        changed.into_iter().try_for_each(|host| self.arm(host))
    }

    /// Updates the active rules of a host: a rule counts from the time its condition became true. A host
    /// that cannot be reached any more has ended its commands.
    pub(super) fn arm(&mut self, host: usize) -> Result<(), ModelError> {
        let roster = Arc::clone(&self.roster);
        let group = roster.group_of(host);
        let is_up = self.is_up(host)?;
        let was_up = std::mem::replace(&mut self.hosts[host].is_up, is_up);
        self.hosts[host].downs += u32::from(was_up && !is_up);
        let rules = &group.rules;
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
