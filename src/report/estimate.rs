//! How long a run still takes: from earlier runs of its plan, else from the waits that its plan makes anyway.
//!
//! A time of its own for each step, so that it also fits a run in its middle. Only steps of the plan count that
//! are not inside of others. A rollback has no estimate.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::event::HostStatus;
use crate::history::{HostState, RunState, between};
use crate::task::{Stage, StepPath};

/// The times of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The steps whose time is not known are missing, and count as nothing.
    steps: IndexMap<StepPath, Duration>,
    basis: Basis,
}

/// What an estimate is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// The least that the waits of the plan take.
    #[default]
    Waits,
    /// The median of so many earlier runs.
    Runs(usize),
}

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub time: Duration,
    pub basis: Basis,
}

impl Basis {
    pub fn word(self) -> &'static str {
        match self {
            Self::Waits => "at least",
            Self::Runs(_) => "about",
        }
    }
}

impl Estimate {
    /// Makes an estimate from the least that steps take.
    pub fn of_waits(steps: impl IntoIterator<Item = (StepPath, Duration)>) -> Self {
        Self { steps: steps.into_iter().collect(), basis: Basis::Waits }
    }

    /// Makes an estimate from earlier runs: the median time of each step, on all hosts that succeeded. `None` if
    /// there are none.
    pub fn of_runs<'s>(runs: impl IntoIterator<Item = &'s RunState>) -> Option<Self> {
        let mut times: IndexMap<StepPath, Vec<Duration>> = IndexMap::new();
        let mut number = 0;
        for run in runs {
            number += 1;
            for host in run.hosts.values() {
                let is_done = host.shown_status() == HostStatus::Succeeded;
                for step in run.planned.outer_steps(host.stage).filter(|_| is_done) {
                    let task = host.tasks.get(step);
                    let took = task.map(|task| between(task.begun, task.ended));
                    times.entry(step.clone()).or_default().extend(took);
                }
            }
        }
        let median = |mut times: Vec<Duration>| {
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        let steps = times.into_iter().map(|(step, times)| (step, median(times))).collect();
        (number > 0).then_some(Self { steps, basis: Basis::Runs(number) })
    }

    /// Returns the time that steps take one after the other, and what it is from.
    pub fn sum<'s>(&self, steps: impl IntoIterator<Item = &'s StepPath>) -> Left {
        let time = steps.into_iter().map(|step| self.of(step)).sum();
        Left { time, basis: self.basis }
    }

    /// Returns what is left at a moment; `None` if nothing is known, or the run does not go forward.
    pub fn left(&self, state: &RunState, now: Timestamp) -> Option<Left> {
        let is_forward = state.rollback.is_none() && state.abort.is_none() && !state.stop_requested;
        let is_well = |host: &HostState| {
            matches!(
                host.shown_status(),
                HostStatus::NotStarted | HostStatus::Active | HostStatus::Succeeded
            )
        };
        if !is_forward || !state.hosts.values().all(is_well) {
            return None;
        }
        let (started, total) = (
            state.real_hosts().filter(|(_, host)| host.begun_at > 0).count(),
            state.real_hosts().count(),
        );
        let batches = batches(&state.planned.serial, started, total)?;
        let at_work = state.hosts.values().filter(|host| host.shown_status() == HostStatus::Active);
        let at_work = at_work.map(|host| self.rest_of(state, host, now)).max().unwrap_or_default();
        let to_come = Stage::ALL.iter().filter(|stage| {
            let host = state.stage(**stage).map(|(_, host)| host);
            host.is_some_and(|host| host.shown_status() == HostStatus::NotStarted)
        });
        let to_come = to_come.map(|stage| self.steps_of(state, Some(*stage))).sum::<Duration>();
        self.left_of(at_work + self.steps_of(state, None) * batches + to_come)
    }

    fn left_of(&self, time: Duration) -> Option<Left> {
        (!time.is_zero()).then_some(Left { time, basis: self.basis })
    }

    fn of(&self, step: &StepPath) -> Duration {
        self.steps.get(step).copied().unwrap_or_default()
    }

    fn steps_of(&self, state: &RunState, stage: Option<Stage>) -> Duration {
        state.planned.outer_steps(stage).map(|step| self.of(step)).sum()
    }

    /// Returns what is left of the steps of a host.
    fn rest_of(&self, state: &RunState, host: &HostState, now: Timestamp) -> Duration {
        let rest = state.planned.outer_steps(host.stage).map(|step| match host.tasks.get(step) {
            Some(task) if task.status.is_some() => Duration::ZERO,
            Some(task) => self.of(step).saturating_sub(between(task.begun, Some(now))),
            None => self.of(step),
        });
        rest.sum()
    }
}

/// Returns how many batches are to come; `None` if that is not known, because each group has its own.
fn batches(serial: &[usize], started: usize, total: usize) -> Option<u32> {
    let mut sizes = serial.iter().copied();
    let mut size = sizes.next()?.max(1);
    let (mut at, mut batches) = (0_usize, 0_u32);
    while at < total {
        batches += u32::from(at >= started);
        at = at.saturating_add(size);
        size = sizes.next().map_or(size, |size| size.max(1));
    }
    Some(batches)
}
