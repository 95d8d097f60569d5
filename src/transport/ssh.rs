//! Commands over SSH.
//!
//! One connection a host, made with the first command and kept for the whole run; commands run
//! beside each other on channels of it, a few at a time. A connection that is found dead is made
//! anew for the next command. A command that may have been sent is never sent again: what is lost
//! in its middle is [`TransportError::Cut`], and the caller's to settle.
//!
//! ```text
//!     look/attempt -> Node (one a host) -> connect: host_key, auth -> session: one channel
//!     recover         slots, connection,                              request of `wire`, read by
//!                     pinned key                                      `answer`
//! ```
//!
//! `async-ssh2-tokio` connects and logs in; commands run on raw channels of the `russh` below it,
//! because its own `execute` loses the difference between a signal and a lost link, reads without
//! bound, and leaves channels open. It has no bound in time either: all are set here.
//!
//! The key a host showed first is remembered and expected at each reconnect of this run. The run
//! records it and hands it in again after a resume.
//!
//! Never a terminal. Not here: jumps, `ssh_config`, certificates, passwords, keys on tokens
//! (other than through an agent). A host whose variables ask for such a way is never connected to.

mod auth;
mod connect;
mod files;
mod host_key;
mod known_hosts;
mod refusal;
mod session;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use async_ssh2_tokio::Client;
use async_trait::async_trait;
use jiff::Timestamp;
use russh::Channel;
use russh::client::Msg;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::time::timeout;

use super::answer::{Answer, Closing};
use super::login::controller_user;
use super::wire::{GRACE, Wire};
use super::{AttemptId, Command, Output, Recovered, Transport, TransportError, run_true};
use crate::clock::Clock;
use crate::inventory::{Host, HostName};

/// Most bytes that are fed to a command on the shared connection. `russh` can send more than a
/// command's window holds, and then sends nothing more on *any* channel until that command reads on;
/// one that ends without reading blocks the connection for ever. Up to the window OpenSSH's server
/// opens with (2 MiB) that cannot happen; larger inputs get a connection of their own.
const MAX_SHARED_STDIN: usize = 1024 * 1024;

/// How often a host is asked for a channel that it has no room for: about ten seconds.
const MAX_OPENS: u32 = 50;

/// How long between two such questions.
const OPEN_AGAIN: Duration = Duration::from_millis(200);

/// How long a command waits at most for the end of another, before it asks for room again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What may differ between users and tests; see [`SshOptions::default`].
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// How long a connection may take to be made, login included; also the patience for a channel, and
    /// for the host session on it to be ready. A host's own `connect_timeout` comes first.
    pub connect_timeout: Duration,
    /// How many commands run on a host at a time. OpenSSH's server allows ten sessions.
    pub commands_per_host: usize,
    /// How long a command may take to end after TERM.
    pub grace: Duration,
    /// The login user where the inventory names none.
    pub user: Option<String>,
    /// Where `.ssh/known_hosts` and the usual keys are looked for.
    pub home: Option<PathBuf>,
    /// Whether there is an agent to ask.
    pub agent: bool,
}

impl Default for SshOptions {
    /// Ten seconds, eight commands; user, home and agent are this process's.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            commands_per_host: 8,
            grace: GRACE,
            user: controller_user(),
            home: std::env::home_dir(),
            agent: std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty()),
        }
    }
}

/// Runs commands over SSH.
pub struct SshTransport {
    options: SshOptions,
    nodes: RefCell<HashMap<HostName, Rc<Node>>>,
}

/// What is kept of a host.
struct Node {
    slots: Semaphore,
    /// Held while a connection is being made, so that one is made for all who wait.
    connection: Mutex<Option<Connection>>,
    /// The key it showed first, as `known_hosts` has it.
    pinned: RefCell<Option<String>>,
    /// How many connections were tried, and how the last try failed.
    tries: Cell<u64>,
    failure: RefCell<Option<TransportError>>,
    /// How many commands have a channel, and the news that one of them ended.
    working: Cell<usize>,
    ended: Notify,
    /// Whether a session was ready on it: then the host has a memory of attempts.
    prepared: Cell<bool>,
}

/// A command that has a channel.
struct Working<'n>(&'n Node);

/// A connection and the number of the try it came from.
#[derive(Clone)]
struct Connection {
    client: Client,
    number: u64,
}

impl SshTransport {
    /// Makes a transport without any connection.
    pub fn new(options: SshOptions) -> Self {
        Self { options, nodes: RefCell::new(HashMap::new()) }
    }

    async fn run(
        &self,
        host: &Host,
        command: &Command,
        attempt: Option<&AttemptId>,
    ) -> Result<Output, TransportError> {
        let name = &host.name;
        let wire =
            Wire::new(command, self.user(host), attempt, self.options.grace).map_err(|error| {
                TransportError::Impossible { host: name.clone(), why: error.to_string() }
            })?;
        let (closing, answer) = self.serve(host, &wire).await?;
        answer.conclude(name, command, &wire, closing)
    }

    /// Gives a request to a host session of its own.
    async fn serve(&self, host: &Host, wire: &Wire) -> Result<(Closing, Answer), TransportError> {
        let node = self.node(&host.name);
        let _slot = node.slots.acquire().await.map_err(|_| closed(&host.name))?;
        let channel = if wire.stdin.len() > MAX_SHARED_STDIN {
            self.own_channel(host, &node).await?
        } else {
            self.channel(host, &node).await?
        };
        let _working = Working::new(&node);
        let patience = connect::patience(&host.link, &self.options);
        // Who is in a hurry is so for hosts that are away, and this one is there.
        let ready = patience.max(self.options.connect_timeout);
        let (closing, mut answer) = session::run(channel, wire, ready).await;
        if !answer.is_ready()
            && matches!(closing, Closing::Exit(_))
            && let Ok(channel) = self.channel(host, &node).await
            && let Some(shell) = session::login_shell(channel).await
        {
            answer.is_login_shell(shell);
        }
        node.prepared.set(node.prepared.get() || answer.is_ready());
        Ok((closing, answer))
    }

    /// Opens a channel. Nothing has been sent yet, so a dead connection is replaced once. A host
    /// without room is asked again: for as long as commands of ours fill it, else a few times.
    async fn channel(&self, host: &Host, node: &Node) -> Result<Channel<Msg>, TransportError> {
        let mut refusals = 0;
        let mut replaced = false;
        loop {
            let Connection { client, number } = self.connection(host, node).await?;
            let patience = connect::patience(&host.link, &self.options);
            let ended = node.ended.notified();
            let opened = timeout(patience, session::open(&client)).await;
            match opened {
                Ok(Ok(channel)) => return Ok(channel),
                Ok(Err(async_ssh2_tokio::Error::SshError(russh::Error::ChannelOpenFailure(_)))) => {
                    if node.working.get() > 0 {
                        timeout(LOOK_AGAIN, ended).await.ok();
                        continue;
                    }
                    refusals += 1;
                    if refusals == MAX_OPENS {
                        let why = "too many open sessions (MaxSessions of its SSH server)";
                        return Err(connect::unreachable(&host.name, why));
                    }
                    Clock::Real.sleep(OPEN_AGAIN).await;
                }
                Ok(Err(_)) | Err(_) => {
                    node.forget(number).await;
                    if replaced {
                        return Err(closed(&host.name));
                    }
                    replaced = true;
                }
            }
        }
    }

    /// Opens a channel on a connection that nothing else uses; it lives as long as the channel.
    async fn own_channel(&self, host: &Host, node: &Node) -> Result<Channel<Msg>, TransportError> {
        let connected = self.connect(host, node).await?;
        let patience = connect::patience(&host.link, &self.options);
        let opened = timeout(patience, session::open(&connected.client)).await;
        opened.ok().and_then(Result::ok).ok_or_else(|| closed(&host.name))
    }

    async fn connect(
        &self,
        host: &Host,
        node: &Node,
    ) -> Result<connect::Connected, TransportError> {
        // Another way leads to another host. Plans are refused earlier; a stored run gets here.
        if let Some(obstacle) = host.obstacles().first() {
            let why = format!(
                "`{}` ({}) requires a route that planrun does not support",
                obstacle.variable, obstacle.origin
            );
            return Err(TransportError::Controller { host: host.name.clone(), why });
        }
        let pinned = node.pinned.borrow().clone();
        let connected =
            connect::connect(host, self.user(host), pinned.as_deref(), &self.options).await?;
        node.pinned.replace(connected.key.to_openssh().ok());
        Ok(connected)
    }

    /// Returns the connection to a host; makes it where there is none that lives.
    async fn connection(&self, host: &Host, node: &Node) -> Result<Connection, TransportError> {
        let tries = node.tries.get();
        let mut kept = node.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|kept| !kept.client.is_closed()) {
            return Ok(connection.clone());
        }
        // Another one tried while this one waited, and failed: it would fail again.
        if node.tries.get() != tries
            && let Some(failure) = &*node.failure.borrow()
        {
            return Err(failure.clone());
        }
        *kept = None;
        let number = node.tries.get() + 1;
        let connected = self.connect(host, node).await;
        node.tries.set(number);
        node.failure.replace(connected.as_ref().err().cloned());
        let client = connected?.client;
        let connection = Connection { client, number };
        *kept = Some(connection.clone());
        Ok(connection)
    }

    fn user<'a>(&'a self, host: &'a Host) -> Option<&'a str> {
        host.link.user.as_deref().or(self.options.user.as_deref())
    }

    fn node(&self, host: &HostName) -> Rc<Node> {
        let mut nodes = self.nodes.borrow_mut();
        let node = nodes.entry(host.clone()).or_insert_with(|| {
            Rc::new(Node {
                slots: Semaphore::new(self.options.commands_per_host.max(1)),
                connection: Mutex::new(None),
                pinned: RefCell::new(None),
                tries: Cell::new(0),
                failure: RefCell::new(None),
                working: Cell::new(0),
                ended: Notify::new(),
                prepared: Cell::new(false),
            })
        });
        Rc::clone(node)
    }
}

impl Node {
    /// Drops a connection that is no good, unless a newer one has taken its place.
    async fn forget(&self, number: u64) {
        let mut kept = self.connection.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.number == number) {
            *kept = None;
        }
    }
}

impl<'n> Working<'n> {
    fn new(node: &'n Node) -> Self {
        node.working.set(node.working.get() + 1);
        Self(node)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.working.set(self.0.working.get() - 1);
        self.0.ended.notify_waiters();
    }
}

fn closed(host: &HostName) -> TransportError {
    connect::unreachable(host, "the connection was lost before the command was sent")
}

#[async_trait(?Send)]
impl Transport for SshTransport {
    async fn look(&self, host: &Host, command: &Command) -> Result<Output, TransportError> {
        self.run(host, command, None).await
    }

    async fn log_in(&self, host: &Host, r#become: Option<&str>) -> Result<(), TransportError> {
        run_true(self, host, r#become).await
    }

    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        self.run(host, command, Some(id)).await
    }

    async fn reach(&self, host: &Host) -> Result<(), TransportError> {
        let node = self.node(&host.name);
        if node.prepared.get() {
            return self.connection(host, &node).await.map(|_| ());
        }
        // A session that is ready has made the host's memory of attempts.
        let (closing, answer) = self.serve(host, &Wire::hello()).await?;
        answer.not_ready(&host.name, &closing).map_or(Ok(()), Err)
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.nodes.borrow().get(host)?.pinned.borrow().clone()
    }

    fn hold_key(&self, host: &HostName, key: &str) {
        self.node(host).pinned.replace(Some(key.to_owned()));
    }

    async fn recover(
        &self,
        host: &Host,
        id: &AttemptId,
        intended: Timestamp,
    ) -> Result<Recovered, TransportError> {
        let (closing, answer) = self.serve(host, &Wire::ask(id)).await?;
        answer.recovered(&host.name, intended, &closing)
    }
}

#[cfg(test)]
mod tests;
