//! A journal in memory, which can fail at any event as if its controller died.

use std::cell::{Cell, RefCell};

use async_trait::async_trait;

use crate::event::{Event, Journal, JournalError, Record, TaskEvent};
use crate::task::TaskId;

#[derive(Debug, Default)]
pub struct MemoryJournal {
    pub records: RefCell<Vec<Record>>,
    /// How many commits that took.
    pub commits: Cell<usize>,
    /// So many records are kept at most.
    pub dies_after: Option<usize>,
    /// Nothing is kept once a command was sent for this task.
    pub dies_at: Option<TaskId>,
}

impl MemoryJournal {
    /// Returns the commands that were sent to change something, each with the host it ran on.
    pub fn sent(&self) -> Vec<(String, String)> {
        let records = self.records.borrow();
        let commands = records.iter().filter_map(|record| match &record.event {
            Event::Task { event: TaskEvent::AttemptIntended { on, command, .. }, .. } => {
                Some((on.to_string(), command.clone()))
            }
            _ => None,
        });
        commands.collect()
    }
}

#[async_trait(?Send)]
impl Journal for MemoryJournal {
    async fn append(&self, records: &[Record]) -> Result<(), JournalError> {
        let mut kept = self.records.borrow_mut();
        let is_sent = |task| {
            kept.iter().any(|record| matches!(&record.event, Event::Task { task: it, event: TaskEvent::AttemptIntended { .. } } if it == task))
        };
        if self.dies_after.is_some_and(|limit| kept.len() >= limit)
            || self.dies_at.as_ref().is_some_and(is_sent)
        {
            return Err(JournalError("the controller died".into()));
        }
        kept.extend_from_slice(records);
        self.commits.set(self.commits.get() + 1);
        Ok(())
    }
}
