//! Previews: what a run would do now, before anything is done.
//!
//! ```text
//!  ResolvedPlan + Survey -> Preview -> human, markdown, JSON
//!                                '---> saved: a file that `apply` does exactly, or refuses
//! ```
//!
//! Everything here is pure: [`crate::run::survey`] has observed the hosts. A preview shows nothing that was not
//! observed. What an earlier step may change is *may run*, and what depends on the result of a step is known
//! only after it; `decide` has the rules.

mod build;
pub mod compare;
mod decide;
pub mod human;
pub mod markdown;
pub mod saved;
mod steps;
mod text;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::event::{Seen, Truth};
use crate::inventory::HostName;
use crate::resolve::ResolvedPlan;
use crate::run::survey::Survey;

/// The version of this data.
pub const FORMAT: u32 = 1;

/// What a run would do now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// [`FORMAT`].
    pub format: u32,
    pub planrun: String,
    pub plan: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    pub path: String,
    pub inventory: String,
    /// Whether the hosts are model hosts.
    pub model: bool,
    /// The hosts, in the order in which they start.
    pub batches: Vec<Batch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    pub inputs: Vec<Input>,
    /// The hosts that cannot be worked on, and why.
    pub unreachable: IndexMap<HostName, String>,
    /// The checks before the first change.
    pub preflight: Vec<Observed>,
    pub setup: Vec<Step>,
    pub steps: Vec<Step>,
    pub finish: Vec<Step>,
    pub waits: Waits,
    /// How long the run is expected to take, if there were runs like it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    pub counts: Counts,
    /// The probes that ran.
    pub probes: Vec<Probe>,
}

/// Hosts that start together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The group of its section, if the plan has sections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub hosts: Vec<HostName>,
}

/// The condition by which hosts start first or last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub last: bool,
    pub observed: Vec<Observed>,
}

/// A value of an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub name: String,
    /// `None` if it is a secret, or has no value.
    pub value: Option<serde_json::Value>,
    pub secret: bool,
    /// Where it comes from.
    pub from: String,
    /// The hosts that have this value.
    pub hosts: Vec<HostName>,
}

/// What a condition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    Preflight,
    Order,
    When,
    Requires,
    DoneWhen,
    Until,
    Assert,
}

/// A condition that was evaluated, with the hosts on which it gave this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    pub role: Role,
    #[serde(flatten)]
    pub seen: Seen,
    /// The steps on whose results it depends, if it is unknown because of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_after: Vec<String>,
    /// The hosts; an item follows the host.
    pub hosts: Vec<String>,
}

/// What would happen to a command; the last one of several is the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Skipped,
    /// Its `done_when` is true: it would not be run.
    AlreadyDone,
    MayRun,
    WouldRun,
}

/// A step, and what it would do on each host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// `7.2`: its place; empty for a rollback.
    pub number: String,
    pub path: String,
    pub title: String,
    pub action: String,
    /// Hosts with the same decision and the same command.
    pub groups: Vec<Group>,
    pub observed: Vec<Observed>,
    /// What it says of itself: how long it waits, that it asks, what it would record.
    pub notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Self>,
    /// Its parts that only run if another part fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rescue: Vec<Self>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Box<Self>>,
    /// Why there is nothing to roll back, if the plan says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_rollback: Option<String>,
    /// Whether it is a teardown, which also runs if nothing is rolled back.
    pub teardown: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The hosts; an item follows the host.
    pub hosts: Vec<String>,
    /// `None` if nothing would be run, or it only runs after a failure.
    pub decision: Option<Decision>,
    /// Why the decision may change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub text: String,
    /// What it reads from its standard input, unless there is a secret in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Where it runs, if that is not the host itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The user that it runs as, if that is not the login user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The steps on whose results its text depends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_after: Vec<String>,
    /// Why it cannot be rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How long a run waits, as far as the plan says so. Commands take their time besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    pub steps: Vec<WaitOf>,
    /// The sum on a host, in milliseconds: of the host on which it is the largest.
    pub host_least_ms: u64,
    pub host_most_ms: u64,
    /// The sum of all batches, with setup and finish.
    pub run_least_ms: u64,
    pub run_most_ms: u64,
    /// How much the pauses between the attempts of commands may add on a host.
    pub host_retries_ms: u64,
    /// Whether a time of a wait is not known yet; it is not in these sums.
    pub is_partial: bool,
}

/// The time of a run, from earlier runs of its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    pub run_ms: u64,
    /// How many earlier runs.
    pub runs: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitOf {
    pub step: String,
    pub least_ms: u64,
    pub most_ms: u64,
}

/// How many commands there are of each decision, on all hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub would_run: usize,
    pub may_run: usize,
    pub already_done: usize,
    pub skipped: usize,
}

/// A probe that ran on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub name: String,
    pub on: HostName,
    pub command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its exit code, or how else it ended.
    pub ended: String,
}

/// What is known of a plan besides its text.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub path: &'a str,
    pub inventory: &'a str,
    pub is_model: bool,
}

/// Makes the preview of a plan from what was observed.
pub fn preview(plan: &ResolvedPlan, survey: &Survey, about: About<'_>) -> Preview {
    build::build(plan, survey, about)
}

impl Preview {
    /// Whether a run would start: every host is reached, and every check of the preflight passes.
    pub fn can_start(&self) -> bool {
        self.unreachable.is_empty() && self.failing().next().is_none()
    }

    /// Returns the checks of the preflight that do not pass.
    pub fn failing(&self) -> impl Iterator<Item = &Observed> {
        self.preflight.iter().filter(|check| check.seen.truth != Truth::True)
    }

    /// Returns all steps of the run with their parts, without rescues and rollbacks.
    pub fn all_steps(&self) -> Vec<&Step> {
        let mut all = Vec::new();
        let mut open: Vec<&Step> =
            self.setup.iter().chain(&self.steps).chain(&self.finish).rev().collect();
        while let Some(step) = open.pop() {
            all.push(step);
            open.extend(step.parts.iter().rev());
        }
        all
    }
}

impl Decision {
    /// Returns the mark before it, as in a diff.
    pub fn mark(self) -> char {
        match self {
            Self::Skipped => '-',
            Self::AlreadyDone => '=',
            Self::MayRun => '~',
            Self::WouldRun => '+',
        }
    }
}
