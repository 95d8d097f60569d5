//! One command on one channel.
//!
//! The channel is read without a break until it ends: a channel that nobody reads stalls the whole
//! connection. What is fed to the command goes out beside that, followed by an end of file. An end
//! with a status or a signal is the command's own; an end without either is a lost connection, and the
//! outcome is unknown.
//!
//! However a channel is left (its end, a timeout, a caller that goes away) it is closed: servers
//! allow ten at a time. A command that goes on behind a channel its caller left is not ended: what
//! is known of it is for the caller to say.

use std::future::Future;
use std::time::Duration;

use async_ssh2_tokio::Client;
use russh::Channel;
use russh::ChannelMsg;
use russh::ChannelReadHalf;
use russh::ChannelWriteHalf;
use russh::Sig;
use russh::client::Msg;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::transport::Exit;
use crate::transport::answer::Answer;
use crate::transport::answer::LINGER;
use crate::transport::answer::LONGEST_LINGER;
use crate::transport::wire::END_TIMEOUT;
use crate::transport::wire::Wire;

/// How long the library may take to put a request on its way.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a host may take to end a shell that had not come to the command.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// How a channel ended.
#[derive(Debug, PartialEq)]
pub(super) enum Ended {
    /// The command ended.
    Exit(Exit),
    /// The host does not run commands for this user; nothing was done.
    Refused,
    /// The connection was gone before anything was sent.
    Unsent,
    /// Unknown, for this reason.
    Lost(&'static str),
}

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

/// Runs a command on a channel, for so long; `beside` opens the channel it is ended by.
pub(super) async fn run(
    beside: impl AsyncFn() -> Option<Channel<Msg>>,
    channel: Channel<Msg>,
    wire: &Wire,
    longest: Duration,
    grace: Duration,
) -> (Ended, Answer) {
    let (reader, writer) = channel.split();
    let writer = Writer(Some(writer));
    let mut reading = Reading { reader, answer: Answer::new(wire), end: None, closed: false };
    // A request that waits when time is up is taken back.
    if timeout(SEND_TIMEOUT, writer.exec(&wire.line)).await != Ok(true) {
        return (Ended::Unsent, reading.answer);
    }
    let ended = match timeout(longest, reading.until_end(writer.feed(&wire.stdin))).await {
        Ok(ended) => ended,
        Err(_late) => end(beside, &mut reading, &writer, wire, grace).await,
    };
    if matches!(ended, Ended::Exit(_)) {
        // Elapsed is no fault: something else holds the streams.
        let _in_time = timeout(LONGEST_LINGER, reading.drain()).await;
    }
    (ended, reading.answer)
}

/// Ends a command that took too long, by a line on a channel of its own.
async fn end(
    beside: impl AsyncFn() -> Option<Channel<Msg>>,
    reading: &mut Reading,
    writer: &Writer,
    wire: &Wire,
    grace: Duration,
) -> Ended {
    const LEFT: &str = "the command did not end in time, and could not be ended";
    let Some(leader) = reading.answer.leader() else {
        // The login has not come to the command, and must not come to it later.
        let killed = reading.until_end(writer.kill());
        return match timeout(KILL_TIMEOUT, killed).await {
            Ok(Ended::Exit(_)) => Ended::Exit(Exit::TimedOut),
            _ => Ended::Lost("the login did not come to the command in time, and may yet do so"),
        };
    };
    let line = wire.end_line(leader, grace);
    let printed = timeout(END_TIMEOUT, print(beside, &line));
    // It is read on meanwhile: an unread channel would stall the other one.
    let read_on = timeout(END_TIMEOUT, reading.until_end(async {}));
    let (printed, read) = tokio::join!(printed, read_on);
    let gone = printed.ok().flatten().and_then(|printed| wire.ended(&printed));
    match (gone, read) {
        (Some(true), _) | (None, Ok(Ended::Exit(_))) => Ended::Exit(Exit::TimedOut),
        _ => Ended::Lost(LEFT),
    }
}

/// Runs a line of our own and returns what it prints, within reason.
async fn print(beside: impl AsyncFn() -> Option<Channel<Msg>>, line: &str) -> Option<Vec<u8>> {
    const ENOUGH: usize = 64 * 1024;
    let (mut reader, writer) = beside().await?.split();
    let writer = Writer(Some(writer));
    let mut printed = Vec::new();
    if writer.exec(line).await {
        writer.feed(&[]).await;
        while let Some(message) = reader.wait().await {
            match message {
                ChannelMsg::Data { data } => printed.extend_from_slice(&data),
                ChannelMsg::Close | ChannelMsg::Failure => break,
                _ => {}
            }
            // What is awaited comes last.
            let surplus = printed.len().saturating_sub(ENOUGH);
            printed.drain(..surplus);
        }
    }
    Some(printed)
}

/// The side of a channel that comes from the host.
struct Reading {
    reader: ChannelReadHalf,
    answer: Answer,
    end: Option<Ended>,
    closed: bool,
}

impl Reading {
    /// Reads until the end of the command is known, while `feed` does its part.
    async fn until_end(&mut self, feed: impl Future<Output = ()>) -> Ended {
        tokio::pin!(feed);
        let mut fed = false;
        loop {
            if let Some(end) = self.end.take() {
                return end;
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
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                let code = i32::try_from(exit_status).unwrap_or(i32::MAX);
                self.end = Some(Ended::Exit(Exit::Code(code)));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                self.end = Some(Ended::Exit(Exit::Signal(name_of(&signal_name))));
            }
            Some(ChannelMsg::Failure) => self.end = Some(Ended::Refused),
            Some(ChannelMsg::Close) => {
                self.closed = true;
                self.end.get_or_insert(Ended::Lost("the host closed it and told no end"));
            }
            None => {
                self.closed = true;
                self.end.get_or_insert(Ended::Lost("it broke"));
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
/// on a connection that is stuck it takes for ever.
struct Writer(Option<ChannelWriteHalf<Msg>>);

impl Writer {
    /// Sends a line; false where there is no connection to send it on.
    async fn exec(&self, line: &str) -> bool {
        match &self.0 {
            Some(channel) => channel.exec(true, line).await.is_ok(),
            None => false,
        }
    }

    /// Sends what the command reads, and its end. A command need not read what it is given.
    async fn feed(&self, bytes: &[u8]) {
        if let Some(channel) = &self.0 {
            channel.data_bytes(bytes.to_vec()).await.ok();
            channel.eof().await.ok();
        }
    }

    async fn kill(&self) {
        if let Some(channel) = &self.0 {
            channel.signal(Sig::KILL).await.ok();
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
