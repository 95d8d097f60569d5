//! The writer: one thread that owns the connection for writing.
//!
//! It writes all queued changes in one transaction, so that fifty hosts wait for one sync of the disk,
//! not for fifty. After the commit each caller gets the answer to its own change. If the database
//! itself failed, all callers get that failure, because nothing of the group is stored. The writer
//! never repeats a write: a failed one may have reached the disk, and only a later reader knows.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use super::anchor::Anchor;
use super::error::StoreError;
use super::sqlite::{self, Answer};

/// Maximum number of changes in one transaction: the first one waits for the last.
const MAX_GROUP: usize = 512;

/// A handle to the thread. Dropping the last one waits until all queued changes are written.
#[derive(Debug)]
pub(super) struct Writer {
    database: PathBuf,
    /// Unbounded, but every sender waits for its answer: it is at most as long as there are tasks.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

/// A change that waits for its commit, and its caller.
trait Job: Send {
    /// Makes the change; an error here is a failure of the database.
    fn work(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;

    /// Sends the result after the commit, or the failure.
    fn done(self: Box<Self>, fault: Option<StoreError>);
}

struct Change<T, W, D> {
    work: Option<W>,
    answer: Option<Result<T, StoreError>>,
    done: D,
}

impl<T, W, D> Job for Change<T, W, D>
where
    T: Send,
    W: FnOnce(&Transaction<'_>) -> Answer<T> + Send,
    D: FnOnce(Result<T, StoreError>) + Send,
{
    fn work(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.answer = Some(work(transaction)?);
        }
        Ok(())
    }

    fn done(self: Box<Self>, fault: Option<StoreError>) {
        match (fault, self.answer) {
            (Some(fault), _) => (self.done)(Err(fault)),
            (None, Some(answer)) => (self.done)(answer),
            (None, None) => {}
        }
    }
}

impl Writer {
    pub(super) fn begin(
        database: &Path,
        connection: Connection,
        anchor: Anchor,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&commits);
        let path = database.to_owned();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_all(connection, &anchor, &queue, &path, &count))
            .map_err(|error| StoreError::from_io("start the writer of", database, &error))?;
        Ok(Self { database: database.to_owned(), jobs: Some(jobs), thread: Some(thread), commits })
    }

    /// Makes a change. When this returns, the change survives a crash.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Answer<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = oneshot::channel();
        // The caller may be gone; what was queued is written anyway.
        self.send(work, move |result| drop(sender.send(result)))?;
        answer.await.map_err(|_| self.ended())?
    }

    /// Makes a change and blocks until it is stored.
    pub(super) fn change_now<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Answer<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = mpsc::sync_channel(1);
        self.send(work, move |result| drop(sender.send(result)))?;
        answer.recv().map_err(|_| self.ended())?
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn send<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Answer<T> + Send + 'static,
        done: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or_else(|| self.ended())?;
        let job = Change { work: Some(work), answer: None, done };
        jobs.send(Box::new(job)).map_err(|_| self.ended())
    }

    fn ended(&self) -> StoreError {
        StoreError::WriterEnded { path: self.database.clone() }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported to all callers that waited for it.
            drop(thread.join());
        }
    }
}

fn write_all(
    mut connection: Connection,
    anchor: &Anchor,
    queue: &mpsc::Receiver<Box<dyn Job>>,
    database: &Path,
    commits: &AtomicU64,
) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(MAX_GROUP - 1));
        // Before, so that nothing is written to a lost file; after, so that no lost event is acknowledged.
        let written = anchor.check().and_then(|()| {
            let written = sqlite::in_transaction(&mut connection, |transaction| {
                group.iter_mut().try_for_each(|job| job.work(transaction))
            });
            written.map_err(|error| StoreError::from_sqlite("write", database, &error))?;
            anchor.check()
        });
        if written.is_ok() {
            commits.fetch_add(1, Ordering::Relaxed);
        }
        for job in group {
            job.done(written.as_ref().err().cloned());
        }
    }
}
