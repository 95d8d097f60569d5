//! A channel as the two sides of a host session.
//!
//! However a channel is left (its end, a caller that goes away) it is closed: servers allow ten at a
//! time. A probe that continues after its caller has left is ended by its host when its time is up.

use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::client::{Client, Opened};
use super::openssh::{self, NO_CONNECTION};
use crate::transport::Exit;
use crate::transport::answer::{Closing, Greeting, Stream};
use crate::transport::local::{Input, Streams};
use crate::transport::session::{Piece, Reader, Session, Writer};
use crate::transport::wire::{LOGIN, Privilege};

/// How long a host may take to name a login shell.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a server may take to open the first channel before something else is sent.
const ACKNOWLEDGED: Duration = Duration::from_millis(3);

/// A host session on a channel.
pub(super) type SshSession = Session<FromHost, ToHost>;

/// Opens a channel. Giving up in between leaves none behind.
///
/// OpenSSH's server sends its host keys after a login. Until these are acknowledged it sends nothing more, not
/// even that the first channel is open, and the kernel of this machine acknowledges after 40 ms, or when
/// there is something to send. So another channel is asked for, and closed again.
pub(super) async fn open(client: &Client, is_first: bool) -> Result<Opened, russh::Error> {
    let ask = || {
        let (hand_over, handed_over) = oneshot::channel();
        let client = client.clone();
        drop(tokio::spawn(async move {
            if let Err(Ok(Opened::Channel(unwanted))) = hand_over.send(client.session().await) {
                unwanted.close().await.ok();
            }
        }));
        handed_over
    };
    let mut handed_over = ask();
    let channel = match timeout(ACKNOWLEDGED, &mut handed_over).await {
        Err(_late) if is_first => {
            drop(ask());
            handed_over.await
        }
        Err(_late) => handed_over.await,
        Ok(channel) => channel,
    };
    channel.unwrap_or_else(|_| Err(russh::Error::Disconnect))
}

/// Starts a host session. It must be ready in time.
pub(super) async fn start(
    opened: Opened,
    ready: Duration,
    privilege: &Privilege,
) -> Result<SshSession, (Closing, Greeting)> {
    let (reader, writer) = match opened {
        Opened::Channel(channel) => {
            let (reader, writer) = channel.split();
            let writer = ToHost::Channel(Some(writer));
            // A connection that is stuck is found to be so below.
            timeout(ready, writer.exec(LOGIN)).await.ok();
            (FromHost::Channel { reader, closed: None }, writer)
        }
        Opened::Program(arguments) => match openssh::start(&arguments) {
            Ok((streams, input)) => (FromHost::Program(Box::new(streams)), ToHost::Program(input)),
            Err(_) => return Err((Closing::Lost("cannot run `ssh`"), Greeting::new(""))),
        },
    };
    Session::start(reader, writer, ready, privilege).await
}

/// Asks a login that cannot be used what its shell is.
pub(super) async fn login_shell(opened: Opened) -> Option<String> {
    const ENOUGH: usize = 4 * 1024;
    let Opened::Channel(channel) = opened else { return None };
    let (mut reader, writer) = channel.split();
    let mut writer = ToHost::Channel(Some(writer));
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
    timeout(PATIENCE, reading).await.ok();
    let printed = String::from_utf8_lossy(&printed);
    printed.lines().rev().map(str::trim).find(|line| line.starts_with('/')).map(str::to_owned)
}

/// The side of a session that comes from the host.
pub(super) enum FromHost {
    Channel {
        reader: ChannelReadHalf,
        /// How the channel was closed.
        closed: Option<Closing>,
    },
    Program(Box<Streams>),
}

impl Drop for FromHost {
    fn drop(&mut self) {
        if let Self::Program(streams) = self {
            streams.terminate();
        }
    }
}

impl Reader for FromHost {
    async fn next(&mut self) -> Piece {
        let (reader, closed) = match self {
            Self::Channel { reader, closed } => (reader, closed),
            Self::Program(streams) => {
                return match streams.next().await {
                    Piece::Exit(Exit::Code(NO_CONNECTION)) => Piece::Nothing,
                    Piece::Closed(_) => Piece::Closed(Closing::Lost("the connection broke")),
                    piece => piece,
                };
            }
        };
        if let Some(closing) = closed {
            return Piece::Closed(closing.clone());
        }
        let closing = match reader.wait().await {
            Some(ChannelMsg::Data { data }) => return Piece::Bytes(Stream::Out, data.to_vec()),
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                return Piece::Bytes(Stream::Err, data.to_vec());
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                return Piece::Exit(Exit::Code(i32::try_from(exit_status).unwrap_or(i32::MAX)));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                return Piece::Exit(Exit::Signal(name_of(&signal_name)));
            }
            Some(ChannelMsg::Failure) => Closing::Refused,
            Some(ChannelMsg::Close) => Closing::Lost("the host closed the session"),
            None => Closing::Lost("the connection broke"),
            Some(_) => return Piece::Nothing,
        };
        *closed = Some(closing.clone());
        Piece::Closed(closing)
    }
}

fn name_of(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

/// The side of a session that goes to the host; closed when it is dropped. No one waits for that:
/// on a connection that is stuck it takes forever.
pub(super) enum ToHost {
    Channel(Option<ChannelWriteHalf<Msg>>),
    Program(Input),
}

impl ToHost {
    async fn exec(&self, line: &str) {
        if let Self::Channel(Some(channel)) = self {
            channel.exec(true, line).await.ok();
        }
    }
}

impl Writer for ToHost {
    /// A command need not read what it is given.
    async fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Channel(Some(channel)) => {
                channel.data_bytes(bytes.to_vec()).await.ok();
            }
            Self::Channel(None) => {}
            Self::Program(input) => input.send(bytes).await,
        }
    }

    async fn end(&mut self) {
        match self {
            Self::Channel(Some(channel)) => {
                channel.eof().await.ok();
            }
            Self::Channel(None) => {}
            Self::Program(input) => input.end().await,
        }
    }
}

impl Drop for ToHost {
    fn drop(&mut self) {
        if let Self::Channel(channel) = self
            && let Some(channel) = channel.take()
            && let Ok(runtime) = Handle::try_current()
        {
            drop(runtime.spawn(async move { channel.close().await.ok() }));
        }
    }
}
