//! Commands over SSH.
//!
//! One connection a host, made with the first command and kept for the whole run. On it are a few host
//! sessions, each on a channel of its own: as many as there are commands at a time, and one is enough. A
//! session serves one command after the other: one round trip each. A connection or a session that is
//! found dead is replaced for the next command. An effect that may have been sent is never sent again: what
//! is lost in its middle is [`TransportError::Cut`], and the caller's to settle. A probe is sent again if an
//! idle session turns out to be dead.
//!
//! ```text
//!     look/attempt -> Node (one a host) -> connect: host_key, auth -> session: one channel
//!     recover         slots, connection,                              requests of `wire`, read by
//!                     idle sessions, key                              `answer`
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

use self::session::SshSession;
use super::answer::{Answer, Closing};
use super::login::controller_user;
use super::wire::{GRACE, Wire};
use super::{AttemptId, Command, Exit, Output, Recovered, Transport, TransportError, run_true};
use crate::clock::Clock;
use crate::inventory::{Host, HostName};

/// The maximum size of a request on the shared connection, in bytes. `russh` can send more than a
/// command's window allows, and then sends nothing more on *any* channel until that command reads more;
/// a command that ends without reading blocks the connection forever. Up to the window OpenSSH's server
/// opens with (2 MiB) that cannot happen; larger inputs get a connection of their own.
const MAX_SHARED: usize = (1024 + 256) * 1024;

/// How often a host is asked for a channel that it has no room for: about ten seconds.
const MAX_OPENS: u32 = 50;

/// How long between two such questions.
const OPEN_AGAIN: Duration = Duration::from_millis(200);

/// How many logins in a row may be killed while they start a session.
const MAX_KILLED: u32 = 3;

/// How long a command waits at most for the end of another, before it asks for room again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What may differ between users and tests; see [`SshOptions::default`].
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// How long a connection may take to be made, login included; also the time limit for a channel, and
    /// for a host session on it to be ready. A host's own `connect_timeout` comes first.
    pub connect_timeout: Duration,
    /// How many commands run on a host at a time. OpenSSH's server allows ten sessions.
    pub commands_per_host: usize,
    /// How long a command may take to end after TERM.
    pub grace: Duration,
    /// The login user if the inventory names none.
    pub user: Option<String>,
    /// The directory with `.ssh/known_hosts` and the usual keys.
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
    /// Locked while a connection is being made, so that one is made for all callers.
    connection: Mutex<Option<Connection>>,
    /// The key it showed first, as `known_hosts` has it.
    pinned: RefCell<Option<String>>,
    /// How many connections were tried, and how the last try failed.
    tries: Cell<u64>,
    failure: RefCell<Option<TransportError>>,
    /// How many commands have a channel, and the news that one of them ended.
    working: Cell<usize>,
    ended: Notify,
    /// Sessions that wait for a command, each with the number of its connection.
    idle: RefCell<Vec<(SshSession, u64)>>,
    /// Whether a session was ready on it: then the host has a memory of attempts.
    prepared: Cell<bool>,
    /// Attempts whose results are recorded: the host can forget what they printed.
    recorded: RefCell<Vec<AttemptId>>,
}

/// What a command can run on.
enum Room {
    Idle(SshSession, u64),
    New(Channel<Msg>, u64),
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
        answer.conclude(name, command, &wire, &closing)
    }

    /// Gives a request to a session.
    async fn serve(&self, host: &Host, wire: &Wire) -> Result<(Closing, Answer), TransportError> {
        let node = self.node(&host.name);
        let _slot = node.slots.acquire().await.map_err(|_| closed(&host.name))?;
        if wire.size() > MAX_SHARED {
            let channel = self.own_channel(host, &node).await?;
            let (closing, answer, _) = self.start(host, channel).await?.serve(wire).await;
            return Ok((closing, answer));
        }
        loop {
            let room = self.room(host, &node).await?;
            let _working = Working::new(&node);
            let is_used = matches!(room, Room::Idle(..));
            let (mut session, number) = self.session(host, &node, room).await?;
            session.forget(&node.recorded.take()).await;
            let (closing, answer, session) = session.serve(wire).await;
            if let Some(session) = session {
                node.idle.borrow_mut().push((session, number));
            } else if is_used && wire.is_repeatable && answer.is_untouched() {
                continue;
            }
            return Ok((closing, answer));
        }
    }

    /// Returns an idle session, or starts one.
    async fn session(
        &self,
        host: &Host,
        node: &Node,
        room: Room,
    ) -> Result<(SshSession, u64), TransportError> {
        match room {
            Room::Idle(session, number) => Ok((session, number)),
            Room::New(channel, number) => {
                let session = self.start(host, channel).await?;
                node.prepared.set(true);
                Ok((session, number))
            }
        }
    }

    /// Starts a session on a channel. Nothing was asked of one that is killed meanwhile: another one is
    /// started.
    async fn start(
        &self,
        host: &Host,
        mut channel: Channel<Msg>,
    ) -> Result<SshSession, TransportError> {
        let node = self.node(&host.name);
        let patience = connect::patience(&host.link, &self.options);
        // A short time limit is for hosts that do not answer, and this one does.
        let ready = patience.max(self.options.connect_timeout);
        let open = async || {
            let Connection { client, .. } = self.connection(host, &node).await.ok()?;
            timeout(patience, session::open(&client)).await.ok()?.ok()
        };
        let mut killed = 0;
        let (closing, mut greeting) = loop {
            let failure = match session::start(channel, ready).await {
                Ok(session) => return Ok(session),
                Err(failure) => failure,
            };
            killed += 1;
            match &failure.0 {
                Closing::Exit(Exit::Signal(_)) if killed < MAX_KILLED => match open().await {
                    Some(another) => channel = another,
                    None => break failure,
                },
                _ => break failure,
            }
        };
        if matches!(closing, Closing::Exit(_))
            && let Some(channel) = open().await
            && let Some(shell) = session::login_shell(channel).await
        {
            greeting.is_login_shell(shell);
        }
        Err(greeting.failure(&host.name, &closing))
    }

    /// Finds an idle session, or opens a channel for a new one. Nothing has been sent yet, so a dead
    /// connection is replaced once. On a host without room for a channel a session is waited for, as long as
    /// there are any; else it is asked again a few times.
    async fn room(&self, host: &Host, node: &Node) -> Result<Room, TransportError> {
        let mut refusals = 0;
        let mut replaced = false;
        loop {
            let Connection { client, number } = self.connection(host, node).await?;
            node.idle.borrow_mut().retain(|(_, of)| *of == number);
            if let Some((mut session, _)) = node.idle.borrow_mut().pop() {
                if session.is_alive() {
                    return Ok(Room::Idle(session, number));
                }
                continue;
            }
            let patience = connect::patience(&host.link, &self.options);
            let ended = node.ended.notified();
            let opened = timeout(patience, session::open(&client)).await;
            match opened {
                Ok(Ok(channel)) => return Ok(Room::New(channel, number)),
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

    /// Returns the connection to a host; makes one if there is none that works.
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
                idle: RefCell::default(),
                prepared: Cell::new(false),
                recorded: RefCell::default(),
            })
        });
        Rc::clone(node)
    }
}

impl Node {
    /// Drops a broken connection, unless a newer one has replaced it.
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
        let _slot = node.slots.acquire().await.map_err(|_| closed(&host.name))?;
        let room = self.room(host, &node).await?;
        let _working = Working::new(&node);
        let session = self.session(host, &node, room).await?;
        node.idle.borrow_mut().push(session);
        Ok(())
    }

    async fn recorded(&self, host: &Host, id: &AttemptId) {
        let node = self.node(&host.name);
        node.recorded.borrow_mut().push(id.clone());
        let idle = node.idle.borrow_mut().pop();
        if let Some((mut session, number)) = idle {
            session.forget(&node.recorded.take()).await;
            node.idle.borrow_mut().push((session, number));
        }
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
