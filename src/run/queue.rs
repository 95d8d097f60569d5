//! Events on their way to the journal.
//!
//! Work on hosts queues its events and waits. The loop of the run stores all that are queued in one
//! commit as soon as no work continues without one. Then the work continues, in the order of the events.
//! So fifty hosts wait for one sync of the disk, and two runs of a model are identical however long
//! commits take.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::event::Record;

#[derive(Debug, Default)]
pub(super) struct Queue {
    records: RefCell<Vec<Record>>,
    /// The number of the last event that is stored.
    stored: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Queue {
    pub(super) fn put(&self, records: impl Iterator<Item = Record>) {
        self.records.borrow_mut().extend(records);
    }

    /// Waits until an event is stored.
    pub(super) async fn stores(&self, last: u64) {
        // Not a channel of tokio: in the process of a run it may return early, and a virtual clock advance.
        poll_fn(|context| {
            if self.stored.get() >= last {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.borrow().is_empty()
    }

    pub(super) fn take(&self) -> Vec<Record> {
        self.records.take()
    }

    /// Notes that all that was taken is stored.
    pub(super) fn stored(&self, last: u64) {
        self.stored.set(last);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}
