//! The progress of a run, from the process that works on it to those who watch it.
//!
//! Events are in the store. Progress is in no store: it goes through a socket in the state directory to each
//! `planrun watch` that is connected.
//!
//! ```text
//!   run --progress--> Sharing --one line of JSON a second--> socket --> Shared --progress--> view of `watch`
//!   run --events----> Journal -----------------------------> runs.db -> Reader --events----> view of `watch`
//! ```
//!
//! - On the disk there is only the name of the socket. If no one watches, nothing is sent.
//! - The kernel ends a connection with the process at its other end. So a watcher notices that the process that works
//!   on the run is gone, however it ended, and forgets its progress. It also forgets that of a process that sends
//!   nothing for some time, such as a suspended one: the lines come every second, with news or without.
//! - The run waits for no watcher and depends on none. A watcher that reads too slowly is disconnected; it can connect
//!   again. An error is a line in the log, at level `debug`.
//! - A new watcher gets all that is so at this moment, and later only what is new. A line has the number of the last
//!   event before it. A watcher reads the events up to there before it takes the progress, and leaves out what a later
//!   event has ended.
//! - Progress has no secrets ([`crate::event::Progress::redacted`]) when it comes here. The view that shows it escapes it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read as _, Write as _};
use std::mem::discriminant;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;

use crate::clock::Clock;
use crate::event::{Progress, Record, RunId, TaskId};
use crate::inventory::HostName;
use crate::store::{Reader, Socket};

/// The time between two lines.
const PERIOD: Duration = Duration::from_secs(1);

/// How long a process may send nothing before its progress is forgotten.
const SILENCE: Duration = Duration::from_secs(5);

/// How many values of a wait are kept: a view draws a curve of them.
const MOST_VALUES: usize = 12;

/// The maximum number of watchers; later ones see events only.
const MOST_WATCHERS: usize = 8;

/// The maximum length of the news in a line, in bytes: the rest comes with the next one.
const MAX_NEWS: usize = 32 * 1024;

/// The maximum length of a line, in bytes.
const MAX_LINE: usize = 2 * MAX_NEWS;

/// What a line contains.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Message {
    /// The number of the last event before it.
    pub(super) seq: u64,
    /// The time of the run's clock.
    pub(super) now: Timestamp,
    /// What is new, oldest first.
    pub(super) news: Vec<News>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct News {
    pub(super) at: Timestamp,
    pub(super) progress: Progress,
}

/// The side of the process that works on the run.
pub(super) struct Sharing {
    /// `None` if it could not be made: then nothing is shared.
    socket: Option<(UnixListener, Socket)>,
    clock: Clock,
    seq: Cell<u64>,
    /// All that is so now, by what it is about, each with its number.
    kept: RefCell<BTreeMap<About, VecDeque<(u64, News)>>>,
    newest: Cell<u64>,
    watchers: RefCell<Vec<Watcher>>,
    /// When the last lines were sent.
    sent_at: Cell<Option<Duration>>,
}

/// A host, or a task.
type About = (HostName, Option<TaskId>);

struct Watcher {
    stream: UnixStream,
    /// The number of the last news that it was sent.
    sent: u64,
}

impl Sharing {
    /// Starts to accept watchers, in the runtime. The caller works on the run.
    pub(super) fn new(store: &Reader, run: &RunId, clock: Clock) -> Self {
        let socket = Socket::make(store, run).and_then(|(listener, socket)| {
            listener.set_nonblocking(true)?;
            Ok((UnixListener::from_std(listener)?, socket))
        });
        if let Err(error) = &socket {
            tracing::debug!(%error, "cannot share the progress of the run with those who watch");
        }
        Self {
            socket: socket.ok(),
            clock,
            seq: Cell::default(),
            kept: RefCell::default(),
            newest: Cell::default(),
            watchers: RefCell::default(),
            sent_at: Cell::default(),
        }
    }

    /// Takes an event, which ends the progress before it.
    pub(super) fn event(&self, record: &Record) {
        self.seq.set(record.seq);
        let Some(host) = record.event.host() else { return };
        let mut all = self.kept.borrow_mut();
        let about = (host.clone(), record.event.task().cloned());
        if let Some(kept) = all.get_mut(&about) {
            kept.retain(|(_, news)| !news.progress.is_ended_by(&record.event));
            if kept.is_empty() {
                all.remove(&about);
            }
        }
    }

    pub(super) fn progress(&self, progress: &Progress, at: Timestamp) {
        if self.socket.is_none() {
            return;
        }
        self.newest.set(self.newest.get() + 1);
        let mut all = self.kept.borrow_mut();
        let about = (progress.host().clone(), progress.task().cloned());
        let kept = all.entry(about).or_default();
        let kind = discriminant(progress);
        let most = if matches!(progress, Progress::Waiting { .. }) { MOST_VALUES } else { 1 };
        let is_alike = |(_, news): &(u64, News)| discriminant(&news.progress) == kind;
        if kept.iter().filter(|news| is_alike(news)).count() >= most
            && let Some(oldest) = kept.iter().position(is_alike)
        {
            kept.remove(oldest);
        }
        kept.push_back((self.newest.get(), News { at, progress: progress.clone() }));
    }

    /// Waits for the next watcher, or until a line is due, and sends it. May be cancelled at any time: the next call
    /// does the rest.
    pub(super) async fn serve(&self) {
        let Some((listener, _)) = &self.socket else { return std::future::pending().await };
        let now = Clock::Real.monotonic();
        let due = self.sent_at.get().map(|sent| (sent + PERIOD).saturating_sub(now));
        let has_watchers = !self.watchers.borrow().is_empty();
        tokio::select! {
            come = listener.accept() => match come.and_then(|(stream, _)| stream.into_std()) {
                Ok(stream) => self.accept(stream),
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a watcher");
                    // Such as too many open files: this passes, or not.
                    Clock::Real.sleep(PERIOD).await;
                }
            },
            () = Clock::Real.sleep(due.unwrap_or_default()), if has_watchers => self.send(),
        }
    }

    fn accept(&self, stream: UnixStream) {
        let mut watchers = self.watchers.borrow_mut();
        if watchers.len() < MOST_WATCHERS {
            watchers.push(Watcher { stream, sent: 0 });
        }
    }

    fn send(&self) {
        self.sent_at.set(Some(Clock::Real.monotonic()));
        self.watchers.borrow_mut().retain_mut(|watcher| {
            let sent = self.line(watcher.sent).and_then(|(line, sent)| {
                watcher.sent = sent;
                // It does not block. A part of a line cannot be continued.
                let written = watcher.stream.write(&line)?;
                if written == line.len() { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
            });
            if let Err(error) = &sent {
                tracing::debug!(%error, "a watcher is disconnected");
            }
            sent.is_ok()
        });
    }

    /// Makes a line of what came after a number. Returns it with the number of its last news.
    fn line(&self, after: u64) -> std::io::Result<(Vec<u8>, u64)> {
        let all = self.kept.borrow();
        let mut news: Vec<_> =
            all.values().flatten().filter(|(number, _)| *number > after).collect();
        news.sort_by_key(|(number, _)| *number);
        let mut message = Message { seq: self.seq.get(), now: self.clock.now(), news: Vec::new() };
        let (mut size, mut sent) = (0, after);
        for (number, news) in news {
            let length = serde_json::to_vec(news)?.len();
            if length <= MAX_NEWS {
                size += length;
                if size > MAX_NEWS {
                    break;
                }
                message.news.push(news.clone());
            }
            sent = *number;
        }
        let mut line = serde_json::to_vec(&message)?;
        line.push(b'\n');
        Ok((line, sent))
    }
}

/// The side of a process that watches the run.
#[derive(Default)]
pub(super) struct Shared {
    connection: Option<Connection>,
}

struct Connection {
    stream: UnixStream,
    /// The start of a line that has not come as a whole.
    part: Vec<u8>,
    /// When something came last.
    heard: Duration,
    /// Whether the process was silent, so that its progress was forgotten.
    was_silent: bool,
}

/// The connection has ended, or another one must be made, which gets all that is so.
struct Gone;

impl Shared {
    /// Returns what has come from the process that works on the run, without waiting; `None` if that process is gone
    /// or silent, and nothing that it has said may be shown any more. Tries to connect if it is not connected.
    pub(super) fn take(&mut self, store: &Reader, run: &RunId) -> Option<Vec<Message>> {
        let now = Clock::Real.monotonic();
        if self.connection.is_none() {
            let stream = Socket::connect(store, run).ok()?;
            stream.set_nonblocking(true).ok()?;
            self.connection =
                Some(Connection { stream, part: Vec::new(), heard: now, was_silent: false });
        }
        let come = self.connection.as_mut()?.take(now);
        if come.is_err() {
            self.connection = None;
        }
        come.ok().flatten()
    }
}

impl Connection {
    /// Returns what has come; `None` as long as the process is silent. Its connection is kept then: a suspended
    /// process accepts no other.
    fn take(&mut self, now: Duration) -> Result<Option<Vec<Message>>, Gone> {
        let mut piece = vec![0; MAX_LINE];
        let mut messages = Vec::new();
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(Gone),
                Ok(_) if self.was_silent => return Err(Gone),
                Ok(length) => {
                    self.heard = now;
                    self.part.extend_from_slice(&piece[..length]);
                    while let Some(end) = self.part.iter().position(|&byte| byte == b'\n') {
                        let line: Vec<u8> = self.part.drain(..=end).collect();
                        // Another version may share something else.
                        messages.extend(serde_json::from_slice::<Message>(&line).ok());
                    }
                    if self.part.len() > MAX_LINE {
                        return Err(Gone);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        self.was_silent = now.saturating_sub(self.heard) > SILENCE;
        Ok((!self.was_silent).then_some(messages))
    }
}
