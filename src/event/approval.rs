//! Approvals: a question that several people answer, and that has a time limit.
//!
//! A *person* is the name in front of the `@` of `user@machine`, so one user on two machines is one person; in
//! `name (user@machine)` it is that of the name. Upper and lower case are the same. What this proves is described
//! in `docs/concepts.md`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an `approve` asks for, and who has approved so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// How many different people must approve.
    pub people: u32,
    /// Until when; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Who does not count: the person who started the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_by: Option<String>,
    /// Who has approved, in order; empty when it is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<String>,
}

/// Why an approval does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uncounted {
    /// The person has approved already.
    Again { person: String, left: u32 },
    /// The person has started the run.
    Starter { person: String },
    /// The time has passed.
    Late { until: Timestamp },
}

impl fmt::Display for Uncounted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again { person, left } => write!(
                out,
                "`{person}` has already approved; {left} more must approve, and each person counts once"
            ),
            Self::Starter { person } => {
                write!(out, "`{person}` has started the run; someone else must approve")
            }
            Self::Late { until } => write!(out, "the time to answer ended at {until:.0}"),
        }
    }
}

/// Returns the person of a `user@machine`, or of a `name (user@machine)`.
pub fn person(by: &str) -> &str {
    let name = by.split_once(" (").map_or(by, |(name, _)| name);
    name.split_once('@').map_or(name, |(person, _)| person)
}

fn are_same(one: &str, other: &str) -> bool {
    person(one).to_lowercase() == person(other).to_lowercase()
}

impl Approval {
    /// Returns how many people are still missing.
    pub fn left(&self) -> u32 {
        self.people.saturating_sub(u32::try_from(self.given.len()).unwrap_or(u32::MAX))
    }

    /// Returns why an approval would not count now.
    pub fn refusal(&self, by: &str) -> Option<Uncounted> {
        let person = person(by).to_owned();
        if self.given.iter().any(|given| are_same(given, by)) {
            return Some(Uncounted::Again { person, left: self.left() });
        }
        let is_starter = self.not_by.as_deref().is_some_and(|starter| are_same(starter, by));
        is_starter.then_some(Uncounted::Starter { person })
    }

    /// Whether its time has passed.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// Takes an approval in, and returns whether all are given.
    pub(crate) fn give(&mut self, by: &str) -> bool {
        if self.refusal(by).is_none() {
            self.given.push(by.to_owned());
        }
        self.left() == 0
    }
}
