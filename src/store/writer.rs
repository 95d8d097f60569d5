//! The writer: one thread that owns the connection for writing.
//!
//! Whatever is queued when it comes to look goes into one transaction, so that fifty hosts wait
//! for one sync of the disk and not for fifty. Everyone is answered after the commit: with the
//! answer to their own question, or, if the database itself failed, with that failure, for then
//! nothing of the group is kept. It repeats nothing: a write that failed may or may not have
//! reached the disk, and only a reader that comes later can tell.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use super::anchor::Anchor;
use super::error::StoreError;
use super::sqlite;
use super::sqlite::Answer;

/// Most jobs in one transaction: the first of a group waits for the last.
const MAX_GROUP: usize = 512;

/// The way to the thread. Dropping the last one waits until all that is queued is written.
#[derive(Debug)]
pub(super) struct Writer {
    database: PathBuf,
    /// Unbounded, but everyone who sends waits for the answer: it is as long as there are tasks.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

/// A change that waits for its commit, and whoever waits for it.
trait Job: Send {
    /// Makes the change; only a failure of the database is an error here.
    fn work(&mut self, transaction: &Transaction<'_>) -> Result<(), rusqlite::Error>;

    /// Tells what came of it, after the commit; or why there was none.
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
    fn work(&mut self, transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
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
    /// Begins the thread.
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
            .map_err(|error| StoreError::from_io("begin the writer of", database, &error))?;
        Ok(Self { database: database.to_owned(), jobs: Some(jobs), thread: Some(thread), commits })
    }

    /// Makes a change. When this returns it survives a crash.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Answer<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = oneshot::channel();
        // Nobody may wait any more; what was queued is written anyway.
        self.send(work, move |result| drop(sender.send(result)))?;
        answer.await.map_err(|_| self.ended())?
    }

    /// Makes a change and blocks until it is kept.
    pub(super) fn change_now<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Answer<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = mpsc::sync_channel(1);
        self.send(work, move |result| drop(sender.send(result)))?;
        answer.recv().map_err(|_| self.ended())?
    }

    /// Returns how many commits were made.
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
            // A panic of the thread was told to everyone who waited for it.
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
        // Before, so that nothing is written to a lost file; after, so that nothing is acknowledged
        // that was.
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
