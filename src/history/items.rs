//! Items of a `for_each` in the state of a host.

use crate::history::HostState;
use crate::task::StepPath;

impl HostState {
    /// Notes the last item of a `for_each` that was started.
    pub(super) fn reach_item(&mut self, path: &StepPath) {
        let Some(number) = path.item() else {
            return;
        };
        if let Some(task) = self.tasks.get_mut(&path.in_plan()) {
            task.reached = task.reached.max(number);
        }
    }

    /// Returns the results of the items of a task, in their order; `None` if it has no items.
    pub(super) fn results_of_items(&self, path: &StepPath) -> Option<serde_json::Value> {
        let items = self.tasks.get(path)?.items.as_ref()?;
        let result = |number| {
            let item = self.tasks.get(&path.at_item(path, number));
            item.and_then(|item| item.result.clone()).unwrap_or_default()
        };
        Some((1..=items.len()).map(result).collect())
    }
}
