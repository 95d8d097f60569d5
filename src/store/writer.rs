//! The writer: one thread that owns the connection for writing.
//!
//! Whatever is queued when it comes to look goes into one transaction, so that fifty hosts wait
//! for one sync of the disk and not for fifty. Everyone is answered after the commit: with the
//! answer to their own question, or, if the database itself failed, with that failure, for then
//! nothing of the group is kept. It repeats nothing: a write that failed may or may not have
//! reached the disk, and only a reader that comes later can tell.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::StoreError;
use super::sqlite;
use crate::event::Record;
use crate::event::RunId;

/// Most jobs in one transaction: the first of a group waits for the last.
const MAX_GROUP: usize = 512;

/// The way to the thread. Dropping the last one waits until all that is queued is written.
#[derive(Debug)]
pub(super) struct Writer {
    database: PathBuf,
    /// Unbounded, but everyone who sends waits for the answer: it is as long as there are tasks.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

struct Job {
    run: RunId,
    work: Work,
    /// Takes the run's epoch, or why not.
    done: Box<dyn FnOnce(Result<u64, StoreError>) + Send>,
}

enum Work {
    Append { epoch: u64, records: Vec<Record> },
    RaiseEpoch,
}

impl Writer {
    /// Begins the thread.
    pub(super) fn begin(database: &Path, connection: Connection) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&commits);
        let path = database.to_owned();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_all(connection, &queue, &path, &count))
            .map_err(|error| StoreError::from_io("begin the writer of", database, &error))?;
        Ok(Self { database: database.to_owned(), jobs: Some(jobs), thread: Some(thread), commits })
    }

    /// Adds records to a run. When this returns they survive a crash.
    pub(super) async fn append(
        &self,
        run: &RunId,
        epoch: u64,
        records: &[Record],
    ) -> Result<(), StoreError> {
        let (sender, answer) = oneshot::channel();
        self.send(Job {
            run: run.clone(),
            work: Work::Append { epoch, records: records.to_vec() },
            // Nobody may wait any more; what was queued is written all the same.
            done: Box::new(move |result| drop(sender.send(result))),
        })?;
        let answer = answer.await.map_err(|_| self.ended())?;
        answer.map(|_| ())
    }

    /// Raises the epoch of a run and returns it; blocks until that is kept.
    pub(super) fn raise_epoch(&self, run: &RunId) -> Result<u64, StoreError> {
        let (sender, answer) = mpsc::sync_channel(1);
        self.send(Job {
            run: run.clone(),
            work: Work::RaiseEpoch,
            done: Box::new(move |result| drop(sender.send(result))),
        })?;
        answer.recv().map_err(|_| self.ended())?
    }

    /// Returns how many commits were made.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or_else(|| self.ended())?;
        jobs.send(job).map_err(|_| self.ended())
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
    queue: &mpsc::Receiver<Job>,
    database: &Path,
    commits: &AtomicU64,
) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(MAX_GROUP - 1));
        let answers = sqlite::in_transaction(&mut connection, |transaction| {
            group
                .iter()
                .map(|job| match &job.work {
                    Work::Append { epoch, records } => {
                        let answer = sqlite::append(transaction, &job.run, *epoch, records)?;
                        Ok(answer.map(|()| *epoch))
                    }
                    Work::RaiseEpoch => sqlite::raise_epoch(transaction, &job.run),
                })
                .collect::<Result<Vec<_>, rusqlite::Error>>()
        });
        match answers {
            Ok(answers) => {
                commits.fetch_add(1, Ordering::Relaxed);
                for (job, answer) in group.into_iter().zip(answers) {
                    (job.done)(answer);
                }
            }
            Err(error) => {
                let fault = StoreError::from_sqlite("write", database, &error);
                for job in group {
                    (job.done)(Err(fault.clone()));
                }
            }
        }
    }
}
