//! The items of a step with a `for_each`.
//!
//! The list is evaluated once, when the step starts on a host, and recorded before the first item:
//! a retry and a resume continue with the same items, whatever a probe returns by then.

use serde_json::Value;

use crate::event::{JournalError, Reason, TaskStatus};
use crate::plan::{Deferred, ForEach, ItemList};
use crate::quote;
use crate::run::perform::{Conclusion, Task};
use crate::template::{Mode, Template};

/// The most items of a step.
const MAX_ITEMS: usize = 1_000;
/// Longest item that is shown with the title of a step, in characters.
const MAX_SHOWN: usize = 60;

impl Task<'_, '_, '_> {
    /// Works out the items and records them. What is done for each is up to the walk.
    pub(super) async fn list_items(&self, for_each: &ForEach) -> Result<Conclusion, JournalError> {
        if let Some(conclusion) = self.answered() {
            return Ok(conclusion);
        }
        let items = match &for_each.list {
            ItemList::Written(items) => self.written(items).await,
            ItemList::Expression(list) => self.observer().value(list).await.and_then(as_list),
            ItemList::HostsOf(group, _) => {
                let hosts = self.live.run.plan.inventory.members(group).unwrap_or_default();
                Ok(hosts.iter().map(|host| host.as_str().into()).collect())
            }
        };
        let text = match items {
            Ok(items) if items.len() <= MAX_ITEMS => {
                // A stop may have been requested while they were evaluated.
                if !self.is_halted() {
                    self.begin(Some(items)).await?;
                }
                return Ok(Conclusion::Stopped);
            }
            Ok(items) => {
                format!("`for_each` has {} items; the maximum is {MAX_ITEMS}", items.len())
            }
            Err(why) => format!("the items of `for_each` are unknown: {why}"),
        };
        Ok(self.failed(TaskStatus::Failed, Reason::of(text)))
    }

    async fn written(&self, items: &[Deferred<Value>]) -> Result<Vec<Value>, String> {
        let mut values = Vec::new();
        for item in items {
            values.push(match item {
                Deferred::Now(value) => value.clone(),
                Deferred::Template(template) => self.rendered(template).await?,
            });
        }
        Ok(values)
    }

    async fn rendered(&self, template: &Template) -> Result<Value, String> {
        match template.whole() {
            Some(whole) => self.observer().value(&whole).await,
            None => template
                .render(Mode::Text, &self.names)
                .map(Value::String)
                .map_err(|error| error.to_string()),
        }
    }

    /// The title of the step, with the item it is done for.
    pub(super) fn title(&self) -> String {
        let title = &self.step.title;
        let Some(item) = self.names.get("item").filter(|_| self.at.item.is_some()) else {
            return title.clone();
        };
        format!("{title} [{}]", quote::shortened(&item.to_string(), MAX_SHOWN))
    }
}

fn as_list(value: Value) -> Result<Vec<Value>, String> {
    let what = match value {
        Value::Array(items) => return Ok(items),
        Value::Null => "no value",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Object(_) => "a mapping",
    };
    Err(format!("expected a list, found {what}"))
}
