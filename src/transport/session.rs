//! One host session, over SSH or as a process of this machine: it is started once and serves one request
//! after the other.
//!
//! The two streams are read without a break while a request is being sent: a channel that no one reads
//! stalls the whole connection. The session reports how a command ended, not the status of the
//! channel: a start-up file, `sudo` and the SSH server have statuses of their own.
//!
//! A session that gave a complete answer can be used again. Any other is dropped, and with it its channel.

use std::future::Future;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::answer::{Answer, Closing, Greeting, LINGER, LONGEST_LINGER, Stream};
use super::wire::{Privilege, Wire, forget, session};
use super::{AttemptId, Exit};

/// How long a session that sends nothing may take to end.
const SILENCE: Duration = Duration::from_secs(3);

/// How long the result of an effect waits for that of the probe after it.
const LOOK_AHEAD: Duration = Duration::from_secs(1);

/// What comes from a session.
pub(super) enum Piece {
    Bytes(Stream, Vec<u8>),
    /// Its `sh` ended. The streams may still be on their way.
    Exit(Exit),
    Closed(Closing),
    Nothing,
}

/// The side of a session that comes from the host.
pub(super) trait Reader {
    async fn next(&mut self) -> Piece;
}

/// The side of a session that goes to the host. It reports no failures: the reader does.
pub(super) trait Writer {
    async fn send(&mut self, bytes: &[u8]);
    async fn end(&mut self);
}

/// A session that is ready.
#[derive(Debug)]
pub(super) struct Session<R, W> {
    reading: Reading<R>,
    writer: W,
}

impl<R: Reader, W: Writer> Session<R, W> {
    /// Starts a session in the `sh` of a login. It must be ready in time.
    pub(super) async fn start(
        reader: R,
        mut writer: W,
        ready: Duration,
        privilege: &Privilege,
    ) -> Result<Self, (Closing, Greeting)> {
        const SILENT: &str = "its login did not start `/bin/sh` in time: a start-up file of the login \
                              shell waits, or the host is under load";
        let Ok((text, prefix)) = session(privilege) else {
            let closing = Closing::Lost("its password for another user contains a NUL");
            return Err((closing, Greeting::new("")));
        };
        let mut greeting = Greeting::new(&prefix);
        let mut reading = Reading { reader, exit: None };
        let come = {
            let begin = writer.send(text.as_bytes());
            let is_enough = |greeting: &Greeting| greeting.is_ready() || greeting.is_hopeless();
            let reading = reading.until(begin, &mut greeting, Greeting::take, is_enough);
            timeout(ready, reading).await
        };
        let closing = match come {
            _ if greeting.is_ready() => return Ok(Self { reading, writer }),
            Ok(Some(closing)) => closing,
            Ok(None) => Closing::Lost("its login is not usable"),
            // At the end of its input a session ends, even if it is not heard. A login that hangs does not,
            // and one that is late is heard now.
            Err(_late) => {
                let end = writer.end();
                let reading = reading.until(end, &mut greeting, Greeting::take, |_| false);
                match timeout(SILENCE, reading).await {
                    Ok(Some(Closing::Exit(exit))) if !greeting.is_ready() => Closing::Exit(exit),
                    _ => Closing::Lost(SILENT),
                }
            }
        };
        Err((closing, greeting))
    }

    /// Whether it still exists, as far as is known, so that no effect is sent without success.
    pub(super) fn is_alive(&mut self) -> bool {
        while let Some(piece) = self.reading.reader.next().now_or_never() {
            if matches!(piece, Piece::Exit(_) | Piece::Closed(_)) {
                return false;
            }
        }
        true
    }

    /// Reports that the output of these attempts is recorded. There is no answer to wait for.
    pub(super) async fn forget(&mut self, attempts: &[AttemptId]) {
        let line = forget(attempts);
        if !line.is_empty() {
            self.writer.send(line.as_bytes()).await;
        }
    }

    /// Serves a request. Returns the session if it can be used again.
    pub(super) async fn serve(self, wire: &Wire) -> (Closing, Answer, Option<Self>) {
        let Self { mut reading, mut writer } = self;
        let mut answer = Answer::new(wire);
        let sending = async {
            match &wire.then {
                Some(then) => writer.send(&[&*wire.request, &then.1.request].concat()).await,
                None => writer.send(&wire.request).await,
            }
            if let Some(rest) = &wire.rest {
                writer.send(rest).await;
                writer.end().await;
            }
        };
        let is_enough = |answer: &Answer| answer.is_over() || answer.has_ended();
        let come = reading.until(sending, &mut answer, Answer::take, is_enough);
        let closing = match timeout(wire.patience, come).await {
            Ok(None) => Closing::Said,
            Ok(Some(closing)) => closing,
            Err(_late) => Closing::Lost("the host did not report in time how the command ended"),
        };
        if closing == Closing::Said && !answer.is_over() {
            // Elapsed is not an error: another process keeps the streams open.
            let _in_time = timeout(LONGEST_LINGER, reading.linger(&mut answer)).await;
        }
        if answer.leaves_session() && !answer.has_next() {
            // The result of the effect must not wait for long. The host ends a probe that is left in time.
            let next = reading.until(async {}, &mut answer, Answer::take, Answer::has_next);
            let _in_time = timeout(LOOK_AHEAD, next).await;
        }
        let is_good = answer.leaves_session()
            && answer.has_next()
            && wire.rest.is_none()
            && reading.exit.is_none();
        (closing, answer, is_good.then_some(Self { reading, writer }))
    }
}

#[derive(Debug)]
struct Reading<R> {
    reader: R,
    /// How the `sh` of the session ended.
    exit: Option<Exit>,
}

impl<R: Reader> Reading<R> {
    /// Reads until there is enough, while `feed` does its part. Returns how the session ended if it does so
    /// before.
    async fn until<T>(
        &mut self,
        feed: impl Future<Output = ()>,
        taker: &mut T,
        take: impl Fn(&mut T, Stream, &[u8]),
        is_enough: impl Fn(&T) -> bool,
    ) -> Option<Closing> {
        tokio::pin!(feed);
        let mut fed = false;
        while !is_enough(taker) {
            tokio::select! {
                () = &mut feed, if !fed => fed = true,
                piece = self.reader.next() => match piece {
                    Piece::Bytes(stream, bytes) => take(taker, stream, &bytes),
                    Piece::Exit(exit) => self.exit = Some(exit),
                    Piece::Closed(closing) => {
                        return Some(self.exit.clone().map_or(closing, Closing::Exit));
                    }
                    Piece::Nothing => {}
                },
            }
        }
        None
    }

    /// Reads what is still to come, until the answer is complete or nothing comes for long.
    async fn linger(&mut self, answer: &mut Answer) {
        while !answer.is_complete()
            && let Ok(piece) = timeout(LINGER, self.reader.next()).await
        {
            match piece {
                Piece::Bytes(stream, bytes) => answer.take(stream, &bytes),
                Piece::Exit(exit) => self.exit = Some(exit),
                Piece::Closed(_) => return,
                Piece::Nothing => {}
            }
        }
    }
}
