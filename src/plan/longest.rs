//! The longest time that a step can take.
//!
//! The sum: for an effect its attempts, each with its `timeout` and `within`, and the `delay` between
//! two; for a wait its time or `timeout`; for assertions `within`; for a
//! block all of its parts, in each of its rounds with the `delay` between two, though no more than its
//! `timeout`, and then of its rescue.
//! A step with `for_each` counts once for each item of a literal list; the length of another list is
//! only known during the run. Probes are not counted, nor are handlers, which belong to the rollback.
//! A time that is an input counts with the `max` of the input.

use std::time::Duration;

use crate::plan::{Action, Deferred, InputKind, ItemList, Plan, Step, Wait};

/// The longest time of a step, as far as the plan limits it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    /// All times that are known, summed up.
    pub known: Duration,
    /// The texts of times that have no upper bound.
    pub unbounded: Vec<String>,
}

/// Returns the longest time of several steps, one after the other.
pub fn longest<'a>(plan: &Plan, steps: impl IntoIterator<Item = &'a Step>) -> Longest {
    let mut longest = Longest::default();
    steps.into_iter().for_each(|step| add(plan, step, &mut longest));
    longest
}

/// Returns the longest time of a step for one item of its `for_each`: each is a section of its own.
pub fn of_one(plan: &Plan, step: &Step) -> Longest {
    let mut longest = Longest::default();
    add_one(plan, step, &mut longest);
    longest
}

/// Returns the longest time of the parts of a block, its rescue left out.
pub fn of_parts(plan: &Plan, block: &Step) -> Longest {
    let Action::Block { steps, .. } = &block.action else { return longest(plan, [block]) };
    let mut parts = Longest::default();
    let rounds = block.retry.as_ref().map_or(1, |rounds| rounds.attempts.max(1));
    parts.add_all(longest(plan, steps), rounds);
    if let Some(retry) = &block.retry {
        parts.add(plan, &retry.delay, rounds - 1);
    }
    match block.timeout.as_ref().and_then(|timeout| greatest(plan, timeout)) {
        Some(most) if !parts.unbounded.is_empty() || parts.known > most => {
            Longest { known: most, unbounded: Vec::new() }
        }
        _ => parts,
    }
}

fn add(plan: &Plan, step: &Step, to: &mut Longest) {
    match step.for_each.as_ref().map(|each| &each.list) {
        None => add_one(plan, step, to),
        Some(ItemList::Written(items)) => {
            let items = u32::try_from(items.len()).unwrap_or(u32::MAX);
            to.add_all(of_one(plan, step), items);
        }
        Some(ItemList::Expression(_) | ItemList::HostsOf(..)) => {
            // The number of items is only known during the run.
            to.add_all(of_one(plan, step), 1);
            to.add_all(Longest { unbounded: vec!["for_each".into()], ..Longest::default() }, 1);
        }
    }
}

fn add_one(plan: &Plan, step: &Step, to: &mut Longest) {
    match &step.action {
        Action::Effect(effect) => {
            let attempts = effect.retry.attempts.max(1);
            to.add(plan, &effect.command.timeout, attempts);
            if effect.done_when.is_some() {
                to.add(plan, &effect.within, attempts);
            }
            to.add(plan, &effect.retry.delay, attempts - 1);
        }
        Action::Wait(wait) => match wait.as_ref() {
            Wait::For(time) | Wait::Until { timeout: time, .. } => to.add(plan, time, 1),
        },
        Action::Assert { within, .. } => to.add(plan, within, 1),
        Action::Block { rescue, .. } => {
            to.add_all(of_parts(plan, step), 1);
            to.add_all(longest(plan, rescue), 1);
        }
        Action::Approve(_) | Action::Set(_) | Action::Fail(_) => {}
    }
}

impl Longest {
    /// Adds the time of something that is done so many times.
    fn add_all(&mut self, one: Self, times: u32) {
        self.known = self.known.saturating_add(one.known.saturating_mul(times));
        for text in one.unbounded {
            if !self.unbounded.contains(&text) {
                self.unbounded.push(text);
            }
        }
    }

    fn add(&mut self, plan: &Plan, time: &Deferred<Duration>, times: u32) {
        if times == 0 {
            return;
        }
        match (greatest(plan, time), time) {
            (Some(bound), _) => {
                self.known = self.known.saturating_add(bound.saturating_mul(times));
            }
            (None, Deferred::Template(template)) if !self.unbounded.contains(&template.text) => {
                self.unbounded.push(template.text.clone());
            }
            (None, _) => {}
        }
    }
}

/// The maximum of a time, if the plan has one.
fn greatest(plan: &Plan, time: &Deferred<Duration>) -> Option<Duration> {
    match time {
        Deferred::Now(time) => Some(*time),
        Deferred::Template(template) => match plan.inputs.get(&template.whole_variable()?)?.kind {
            InputKind::Duration { max, .. } => max,
            _ => None,
        },
    }
}
