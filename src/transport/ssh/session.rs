//! One host session on one channel.
//!
//! The login shell is given its one line, and the `sh` behind it the scripts of the session. Only when
//! the session is ready the request follows, and what the command reads. The channel is read without a
//! break until it ends: a channel that nobody reads stalls the whole connection. How a command ended
//! is what the session says, not the status of the channel: a start-up file, `sudo` and the SSH server
//! have statuses of their own.
//!
//! However a channel is left (its end, a caller that goes away) it is closed: servers allow ten at a
//! time. A command that goes on behind a channel its caller left is ended by its host when its time is
//! up.

use std::future::Future;
use std::time::Duration;

use async_ssh2_tokio::Client;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::transport::Exit;
use crate::transport::answer::{Answer, Closing, LINGER, LONGEST_LINGER};
use crate::transport::wire::{LOGIN, Wire};

/// How long a session that is not heard may take to end.
const SILENCE: Duration = Duration::from_secs(3);

/// Opens a channel. Giving up in between leaves none behind.
pub(super) async fn open(client: &Client) -> Result<Channel<Msg>, async_ssh2_tokio::Error> {
    let (hand_over, handed_over) = oneshot::channel();
    let client = client.clone();
    drop(tokio::spawn(async move {
        if let Err(Ok(unwanted)) = hand_over.send(client.get_channel().await) {
            unwanted.close().await.ok();
        }
    }));
    let channel = handed_over.await;
    channel.unwrap_or_else(|_| Err(russh::Error::Disconnect.into()))
}

/// Runs a request on a channel. The session must be ready within `ready`.
pub(super) async fn run(channel: Channel<Msg>, wire: &Wire, ready: Duration) -> (Closing, Answer) {
    const SILENT: &str = "its login did not start `/bin/sh` in time: a start-up file of the login \
                          shell waits, or the host is under load";
    let (reader, writer) = channel.split();
    let writer = Writer(Some(writer));
    let answer = Answer::new(wire);
    let mut reading = Reading { reader, answer, ended: None, closed: false };
    let begin = async {
        writer.exec(LOGIN).await;
        writer.feed(wire.session.as_bytes()).await;
    };
    let until_ready = |answer: &Answer| answer.is_ready() || answer.is_hopeless();
    let started = timeout(ready, reading.until(begin, until_ready)).await;
    if !reading.answer.is_ready() {
        let closing = match started {
            Ok(Some(closing)) => closing,
            Ok(None) => Closing::Lost("its login is not usable"),
            // At the end of its input a session ends, even if it is not heard. A login that hangs does not.
            Err(_late) => match timeout(SILENCE, reading.until(writer.end(), |_| false)).await {
                Ok(Some(Closing::Exit(exit))) => Closing::Exit(exit),
                _ => Closing::Lost(SILENT),
            },
        };
        return (closing, reading.answer);
    }
    reading.answer.sent();
    let request = async {
        writer.feed(wire.request.as_bytes()).await;
        writer.feed(&wire.stdin).await;
        writer.end().await;
    };
    let closing = match timeout(wire.patience, reading.until(request, Answer::is_over)).await {
        Ok(None) => Closing::Said,
        Ok(Some(closing)) => closing,
        Err(_late) => Closing::Lost("the host did not report in time how the command ended"),
    };
    if closing == Closing::Said {
        // Elapsed is not a fault: something else holds the streams.
        let _in_time = timeout(LONGEST_LINGER, reading.drain()).await;
    }
    (closing, reading.answer)
}

/// Asks a login that cannot be used what its shell is.
pub(super) async fn login_shell(channel: Channel<Msg>) -> Option<String> {
    const ENOUGH: usize = 4 * 1024;
    let (mut reader, writer) = channel.split();
    let writer = Writer(Some(writer));
    writer.exec("echo $SHELL").await;
    writer.end().await;
    let mut printed = Vec::new();
    let reading = async {
        while let Some(message) = reader.wait().await
            && printed.len() < ENOUGH
        {
            match message {
                ChannelMsg::Data { data } => printed.extend_from_slice(&data),
                ChannelMsg::Close | ChannelMsg::Failure => break,
                _ => {}
            }
        }
    };
    // It is a kindness only.
    timeout(SILENCE, reading).await.ok();
    let printed = String::from_utf8_lossy(&printed);
    printed.lines().rev().map(str::trim).find(|line| line.starts_with('/')).map(str::to_owned)
}

/// The side of a channel that comes from the host.
struct Reading {
    reader: ChannelReadHalf,
    answer: Answer,
    ended: Option<Closing>,
    closed: bool,
}

impl Reading {
    /// Reads until the answer is far enough, while `feed` does its part. Returns how the channel ended
    /// if it does so before.
    async fn until(
        &mut self,
        feed: impl Future<Output = ()>,
        enough: impl Fn(&Answer) -> bool,
    ) -> Option<Closing> {
        tokio::pin!(feed);
        let mut fed = false;
        loop {
            if enough(&self.answer) {
                return None;
            }
            if self.closed {
                return self.ended.clone();
            }
            tokio::select! {
                () = &mut feed, if !fed => fed = true,
                message = self.reader.wait() => self.take(message),
            }
        }
    }

    /// Reads what is still to come, until the channel ends or is silent for long.
    async fn drain(&mut self) {
        while !self.closed
            && let Ok(message) = timeout(LINGER, self.reader.wait()).await
        {
            self.take(message);
        }
    }

    fn take(&mut self, message: Option<ChannelMsg>) {
        match message {
            Some(ChannelMsg::Data { data }) => self.answer.stdout(&data),
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => self.answer.stderr(&data),
            // The streams may still be on their way.
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                let code = i32::try_from(exit_status).unwrap_or(i32::MAX);
                self.ended = Some(Closing::Exit(Exit::Code(code)));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                self.ended = Some(Closing::Exit(Exit::Signal(name_of(&signal_name))));
            }
            Some(ChannelMsg::Failure) => {
                self.ended = Some(Closing::Refused);
                self.closed = true;
            }
            Some(ChannelMsg::Close) => {
                self.closed = true;
                self.ended.get_or_insert(Closing::Lost("the host closed the session"));
            }
            None => {
                self.closed = true;
                self.ended.get_or_insert(Closing::Lost("the connection broke"));
            }
            Some(_) => {}
        }
    }
}

fn name_of(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

/// The side of a channel that goes to the host; closed when it is dropped. Nobody waits for that:
/// on a connection that is stuck it takes for ever. A connection that breaks is seen by the reader.
struct Writer(Option<ChannelWriteHalf<Msg>>);

impl Writer {
    async fn exec(&self, line: &str) {
        if let Some(channel) = &self.0 {
            channel.exec(true, line).await.ok();
        }
    }

    /// Sends bytes. A command need not read what it is given.
    async fn feed(&self, bytes: &[u8]) {
        if let Some(channel) = &self.0 {
            channel.data_bytes(bytes.to_vec()).await.ok();
        }
    }

    async fn end(&self) {
        if let Some(channel) = &self.0 {
            channel.eof().await.ok();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(channel) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            drop(runtime.spawn(async move { channel.close().await.ok() }));
        }
    }
}
