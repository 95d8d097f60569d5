//! What the texts and conditions of a step see.

use minijinja::Value;
use minijinja::value::Serde;

use crate::inventory::HostName;
use crate::plan::Action;
use crate::plan::Rollback;
use crate::plan::Step;
use crate::run::Live;
use crate::run::spot::Item;
use crate::run::spot::Spot;
use crate::run::state::HostState;
use crate::template::Names;

/// What the texts of a host see now: its inputs, itself, the results of its steps; at an item of a
/// `for_each` that item, and the results of the parts at it.
pub(in crate::run) fn names(live: &Live<'_, '_>, host: &HostName, item: Option<Item<'_>>) -> Names {
    let plan = live.run.plan;
    let mut names = crate::resolve::names(plan, host);
    names.insert("run".into(), Value::from(live.run.id.0.as_str()));
    let state = live.state.borrow();
    let Some(known) = state.hosts.get(host) else {
        return names;
    };
    if let Some(item) = item {
        let items = known.task(&item.of.path).and_then(|task| task.items.as_ref());
        if let Some(value) = items.and_then(|items| items.get(item.number - 1)) {
            names.insert("item".into(), Value::from(Serde(value.clone())));
        }
    }
    let results = Results { known, item };
    for step in &plan.plan.steps {
        results.of(step.into(), &mut names);
    }
    names
}

struct Results<'a> {
    known: &'a HostState,
    item: Option<Item<'a>>,
}

impl Results<'_> {
    /// Adds the results of a step and of all in it. Those inside of a `for_each` are known at the
    /// same item alone; there its own name is the result of the item, else the list of all.
    fn of(&self, spot: Spot<'_>, names: &mut Names) {
        let step = spot.step;
        let here = match self.item {
            Some(item) if item.of.path == step.path => spot.at_item(item.number),
            _ => spot,
        };
        if let Some(id) = &step.id
            && let Some(task) = self.known.task(&here.path())
            && let Some(result) = &task.result
        {
            names.insert(id.clone(), Value::from(Serde(result.clone())));
        }
        if here.is_whole() {
            return;
        }
        let mut add = |step: &Step| self.of(here.inner(step), names);
        if let Action::Block { steps, rescue } = &step.action {
            steps.iter().chain(rescue).for_each(&mut add);
        }
        if let Rollback::Handler(handler) = &step.rollback {
            add(handler);
        }
    }
}
