//! A connection that is logged in, however it was made, and how one is verified.

use std::future::{Future, ready};
use std::io::PipeWriter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_ssh2_tokio::Error as LibraryError;
use russh::client::{DisconnectReason, Handle, Handler, Msg};
use russh::keys::PublicKey;
use russh::{Channel, Error};

/// A connection.
#[derive(Clone)]
pub(super) enum Client {
    /// Made by the library: directly, with one key.
    Library(async_ssh2_tokio::Client),
    /// Made here: in all other ways.
    Own(Arc<Handle<Verifier>>),
    /// `ssh` with these arguments, which connects for each session.
    Program(Arc<[String]>),
}

impl Client {
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Library(client) => client.is_closed(),
            Self::Own(handle) => handle.is_closed(),
            Self::Program(_) => false,
        }
    }

    /// Opens a channel for a session.
    pub(super) async fn session(&self) -> Result<Opened, Error> {
        Ok(Opened::Channel(match self {
            Self::Library(client) => match client.get_channel().await {
                Err(LibraryError::SshError(error)) => return Err(error),
                result => result.map_err(|_| Error::Disconnect)?,
            },
            Self::Own(handle) => handle.channel_open_session().await?,
            Self::Program(arguments) => return Ok(Opened::Program(Arc::clone(arguments))),
        }))
    }

    /// Opens a channel to another host, whose name the host at the other end resolves.
    pub(super) async fn forward(&self, host: &str, port: u16) -> Result<Channel<Msg>, Error> {
        match self {
            // It resolves names here; a jump host is never connected to by these.
            Self::Library(_) | Self::Program(_) => Err(Error::Inconsistent),
            Self::Own(handle) => {
                handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await
            }
        }
    }
}

/// What a session can be started on.
pub(super) enum Opened {
    Channel(Channel<Msg>),
    Program(Arc<[String]>),
}

/// Accepts the host keys that are trusted, and notes what happens.
pub(super) struct Verifier {
    trusted: Vec<PublicKey>,
    notes: Notes,
    /// The program that is the way ends when this is closed, with the connection.
    pub(super) leash: Option<PipeWriter>,
}

/// What became known of a host during a handshake and a login.
#[derive(Clone, Default)]
pub(super) struct Notes {
    shown: Arc<OnceLock<PublicKey>>,
    is_ended: Arc<AtomicBool>,
}

impl Verifier {
    pub(super) fn new(trusted: Vec<PublicKey>, notes: &Notes) -> Self {
        Self { trusted, notes: notes.clone(), leash: None }
    }
}

impl Notes {
    /// Returns the key that the host showed.
    pub(super) fn shown(&self) -> Option<PublicKey> {
        self.shown.get().cloned()
    }

    /// Whether the host said that it ends the connection.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed)
    }
}

impl Handler for Verifier {
    type Error = Error;

    fn check_server_key(
        &mut self,
        key: &PublicKey,
    ) -> impl Future<Output = Result<bool, Error>> + Send {
        let _same = self.notes.shown.set(key.clone());
        ready(Ok(self.trusted.iter().any(|trusted| trusted.key_data() == key.key_data())))
    }

    fn disconnected(
        &mut self,
        reason: DisconnectReason<Error>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        ready(match reason {
            DisconnectReason::ReceivedDisconnect(_) => {
                self.notes.is_ended.store(true, Ordering::Relaxed);
                Ok(())
            }
            DisconnectReason::Error(error) => Err(error),
        })
    }
}
