//! What the texts and conditions of a step see.

use minijinja::Value;
use minijinja::value::Serde;

use crate::event::RunStatus;
use crate::history::{HostState, TaskState};
use crate::inventory::HostName;
use crate::plan::{Action, Rollback};
use crate::run::Live;
use crate::run::step_ref::{Item, StepRef};
use crate::task::Stage;
use crate::template::{Names, parts_value};

/// What the texts of a host see outside of any `for_each`, and from how many results it was made.
#[derive(Default)]
pub(in crate::run) struct Known {
    names: Names,
    results: usize,
    /// From how many results of the setup.
    of_setup: usize,
}

/// What the texts of a host see now: its inputs, itself, the results of its steps; at an item of a
/// `for_each` that item, and the results of the parts at it.
pub(in crate::run) fn names(live: &Live<'_, '_>, host: &HostName, item: Option<Item<'_>>) -> Names {
    let state = live.state.borrow();
    let known = state.hosts.get(host);
    let setup = state.stage(Stage::Setup).filter(|(name, _)| *name != host);
    let mut names = common(live, host, setup.map(|(_, setup)| setup), known);
    if let Some(known) = known.filter(|known| known.is_undoing() && known.stage.is_some()) {
        let status = known.teardown.map_or(RunStatus::RolledBack, |(status, _)| status);
        let status = status.word().replace(' ', "_");
        let id = live.run.id.0.as_str().into();
        names.insert("run".into(), parts_value(vec![("id", id), ("status", status.into())]));
    }
    let (Some(item), Some(known)) = (item, known) else { return names };
    let items = known.task(&item.of.path).and_then(|task| task.items.as_ref());
    if let Some(value) = items.and_then(|items| items.get(item.number - 1)) {
        names.insert("item".into(), Value::from(Serde(value.clone())));
    }
    if let Some(id) = &item.of.id {
        names.remove(id);
    }
    add_results(known, StepRef { step: item.of, item: Some(item) }, &mut names);
    names
}

/// The names that all steps of a host see. Only results that are new since the last time are added:
/// a plan of many steps has many.
fn common(
    live: &Live<'_, '_>,
    host: &HostName,
    setup: Option<&HostState>,
    known: Option<&HostState>,
) -> Names {
    let plan = live.run.plan;
    let mut all = live.known.borrow_mut();
    let Known { names, results, of_setup } = all.entry(host.clone()).or_insert_with(|| {
        let mut names = crate::resolve::names(plan, host);
        names.insert("run".into(), parts_value(vec![("id", live.run.id.0.as_str().into())]));
        Known { names, ..Known::default() }
    });
    for (known, seen) in [(setup, of_setup), (known, results)] {
        let Some(known) = known else { continue };
        for path in &known.results[*seen..] {
            let at = StepRef::at(&plan.plan, path).filter(|at| at.item.is_none());
            let id = at.and_then(|at| at.step.id.as_ref());
            let result = known.task(path).and_then(TaskState::value);
            if let (Some(id), Some(result)) = (id, result) {
                names.insert(id.clone(), Value::from(Serde(result)));
            }
        }
        *seen = known.results.len();
    }
    names.clone()
}

/// Adds the results of a step and of all in it, at an item.
fn add_results(known: &HostState, at: StepRef<'_>, names: &mut Names) {
    if let Some(id) = &at.step.id
        && let Some(task) = known.task(&at.path())
        && let Some(result) = task.value()
    {
        names.insert(id.clone(), Value::from(Serde(result)));
    }
    if let Action::Block { steps, rescue } = &at.step.action {
        steps.iter().chain(rescue).for_each(|part| add_results(known, at.inner(part), names));
    }
    if let Rollback::Handler(handler) = &at.step.rollback {
        add_results(known, at.inner(handler), names);
    }
}
