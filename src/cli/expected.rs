//! How long a run is expected to take: from the earlier runs in the store.
//!
//! Reading them may take a moment, so a thread does it for a live view: no run waits for it, and a store that
//! cannot be read means no estimate.

use std::path::PathBuf;

use crate::cli::Context;
use crate::cli::view::View;
use crate::event::{RunId, RunStatus};
use crate::history::RunState;
use crate::preview::{Expected, Preview};
use crate::report::estimate::{Basis, Estimate};
use crate::resolve::ResolvedPlan;
use crate::run::survey::least_times;
use crate::store::{Reader, StoreError};

/// How many earlier runs are read: the newest ones are the most alike.
const MOST_RUNS: usize = 5;

/// The runs that an estimate may be from.
#[derive(Clone, Debug)]
pub(super) struct Alike {
    /// The directory of the store.
    pub(super) dir: PathBuf,
    /// The name of the plan.
    pub(super) plan: String,
    /// Whether its hosts are models: their time has nothing to do with that of real ones.
    pub(super) is_model: bool,
    /// The run that the estimate is for, which is not one of them.
    pub(super) run: Option<RunId>,
}

impl Alike {
    /// Returns an estimate from the newest runs that succeeded; `None` if there are none.
    pub(super) fn estimate(&self) -> Result<Option<Estimate>, StoreError> {
        let runs = Reader::open(&self.dir)?;
        let mut rows = runs.runs()?;
        rows.retain(|row| {
            row.plan == self.plan
                && row.state == Some(RunStatus::Succeeded)
                && self.run.as_ref() != Some(&row.id)
        });
        rows.sort_by_key(|row| std::cmp::Reverse(row.begun_at));
        let mut alike = Vec::new();
        for row in rows {
            let state = RunState::for_report(&runs.records(&row.id)?);
            if state.planned.is_model == self.is_model {
                alike.push(state);
            }
            if alike.len() == MOST_RUNS {
                break;
            }
        }
        Ok(Estimate::of_runs(&alike))
    }
}

/// Returns how long a run of a plan is expected to take; `None` if there were no runs like it, or the store cannot
/// be read.
pub(super) fn of_preview(
    preview: &Preview,
    plan: &ResolvedPlan,
    context: &Context,
) -> Option<Expected> {
    let alike = Alike {
        dir: context.dir().ok()?,
        plan: preview.plan.clone(),
        is_model: preview.model,
        run: None,
    };
    let estimate = alike.estimate().ok()??;
    let paths = |stage| plan.plan.steps_of(stage).iter().map(|step| &step.path);
    let host = estimate.sum(paths(None));
    let batches = u32::try_from(preview.batches.len()).ok()?;
    let stages = plan.plan.stages().map(|stage| estimate.sum(paths(Some(stage))).time);
    let time = host.time * batches + stages.sum();
    let Basis::Runs(runs) = host.basis else { return None };
    Some(Expected { run_ms: u64::try_from(time.as_millis()).ok()?, runs })
}

/// Returns the least that the waits of a plan take.
pub(super) fn least(plan: &ResolvedPlan) -> Estimate {
    Estimate::of_waits(least_times(plan))
}

/// Lets a view show what is expected, as soon as that is known.
pub(super) fn tell(view: &View, alike: Alike, least: Option<Estimate>) {
    let Some(expect) = view.expecter() else { return };
    if let Some(least) = least {
        expect(least);
    }
    let reader = std::thread::Builder::new().name("estimate".to_owned());
    // Without a thread, there is none.
    let _reader = reader.spawn(move || {
        if let Ok(Some(estimate)) = alike.estimate() {
            expect(estimate);
        }
    });
}
