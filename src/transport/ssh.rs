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
//!     look/attempt -> Node (one a host) -> route: settings, jumps -> session: one channel
//!     recover         slots, connection,   connect: host_key, login   requests of `wire`, read by
//!                     idle sessions, key                              `answer`
//! ```
//!
//! `async-ssh2-tokio` makes the usual connections; commands run on raw channels of the `russh` below it,
//! because its own `execute` loses the difference between a signal and a lost link, reads without
//! bound, and leaves channels open. It has no bound in time either: all are set here. What it cannot do
//! (jump hosts whose names are resolved there, programs as the way, several logins on a connection,
//! certificates) is made with `russh`.
//!
//! The key a host showed first is remembered and expected at each reconnect of this run. The run
//! records it and hands it in again after a resume. All other settings are read again then, as keys are.
//!
//! Never a terminal. Not here: certificates of hosts, keys on tokens (other than through an agent).

mod algorithms;
mod auth;
mod client;
mod config;
mod connect;
mod failure;
pub(super) mod files;
mod host_key;
mod known_hosts;
mod login;
mod openssh;
mod options;
mod pool;
mod proxy;
mod route;
mod scan;
mod session;
mod settings;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, OnceCell, Semaphore};
use tokio::time::timeout;

use self::client::Opened;
use self::connect::Connected;
use self::failure::Failure;
pub use self::options::SshOptions;
use self::pool::{Connection, Kept};
use self::route::Routes;
pub use self::scan::{Scanned, Shown, Trust};
use self::session::SshSession;
use self::settings::Settings;
use super::answer::{Answer, Closing};
use super::exchange::Login;
use super::lock::Fences;
use super::passwords::Passwords;
use super::wire::{Privilege, Wire};
use super::{AttemptId, Exit, Reply, Request, Transport, TransportError};
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

/// Runs commands over SSH.
pub struct SshTransport {
    options: SshOptions,
    routes: Routes,
    nodes: RefCell<HashMap<HostName, Rc<Node>>>,
    fences: Fences,
}

/// What is kept of a host.
struct Node {
    slots: Semaphore,
    settings: OnceCell<Result<Settings, Failure>>,
    connection: Kept,
    /// How many commands have a channel, and the news that one of them ended.
    working: Cell<usize>,
    ended: Notify,
    /// Sessions that wait for a command, each with the number of its connection.
    idle: RefCell<Vec<(SshSession, u64)>>,
    /// The number of the last connection on which a channel was opened.
    opened: Cell<u64>,
    /// Whether a session was ready on it: then the host has a memory of attempts.
    prepared: Cell<bool>,
    /// Attempts whose results are recorded: the host can forget what they printed.
    recorded: RefCell<Vec<AttemptId>>,
}

/// A session that a command has for itself.
struct Held<'n> {
    session: SshSession,
    /// The number of its connection.
    number: u64,
    /// Whether it has served a command before.
    is_used: bool,
    /// Counts it as long as it lives.
    working: Working<'n>,
}

/// A command that has a channel.
struct Working<'n>(&'n Node);

impl SshTransport {
    /// Makes a transport without any connection.
    pub fn new(options: SshOptions) -> Self {
        Self::with(options, Rc::default())
    }

    /// The same, with passwords.
    pub fn with(options: SshOptions, passwords: Rc<Passwords>) -> Self {
        let routes = Routes::new(options.clone(), passwords);
        let (nodes, fences) = (RefCell::default(), Fences::default());
        Self { options, routes, nodes, fences }
    }

    /// Returns the options of OpenSSH's configuration that are set for a host, and the places they come
    /// from. An error is a sentence.
    pub async fn configured(
        &self,
        host: &Host,
    ) -> Result<(Vec<(String, String)>, Vec<String>), String> {
        let node = self.node(&host.name);
        match self.settings(host, &node).await {
            Ok(settings) => Ok((settings.config.shown(), settings.config.places().to_vec())),
            Err(failure) => Err(failure.of(&host.name).to_string()),
        }
    }

    async fn settings<'n>(&self, host: &Host, node: &'n Node) -> Result<&'n Settings, Failure> {
        let link = &host.link;
        let read = async || self.routes.settings(&Settings::asked(link), Some(link)).await;
        let settings = node.settings.get_or_init(read).await.as_ref().map_err(Clone::clone)?;
        settings.patience.set(link.connect_timeout.unwrap_or(settings.usual));
        Ok(settings)
    }

    /// Returns how long one connection to a host may take to be made, login included.
    fn patience(&self, node: &Node) -> Duration {
        let settings = node.settings.get().and_then(|settings| settings.as_ref().ok());
        settings.map_or(self.options.connect_timeout, |settings| settings.patience.get())
    }

    /// Gives a request to a session.
    async fn serve(
        &self,
        host: &Host,
        node: &Node,
        wire: &Wire,
    ) -> Result<(Closing, Answer), TransportError> {
        let _slot = node.slots.acquire().await.map_err(|_| closed(&host.name))?;
        if wire.size() > MAX_SHARED {
            let channel = self.own_channel(host, node).await?;
            let (closing, answer, _) = self.start(host, channel).await?.serve(wire).await;
            return Ok((closing, answer));
        }
        loop {
            let held = self.session(host, node).await?;
            let Held { mut session, number, is_used, working: _working } = held;
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

    /// Connects; then a session that is ready has made the host's memory of attempts.
    async fn prepare(&self, host: &Host, node: &Node) -> Result<(), TransportError> {
        if node.prepared.get() {
            return self.connection(host, node).await.map(|_| ());
        }
        let _slot = node.slots.acquire().await.map_err(|_| closed(&host.name))?;
        let Held { session, number, .. } = self.session(host, node).await?;
        node.idle.borrow_mut().push((session, number));
        Ok(())
    }

    /// Starts a session on a channel. Nothing was asked of one that is killed meanwhile: another one is
    /// started.
    async fn start(&self, host: &Host, mut opened: Opened) -> Result<SshSession, TransportError> {
        let node = self.node(&host.name);
        let patience = self.patience(&node);
        // A short time limit is for hosts that do not answer, and this one does.
        let ready = patience.max(self.options.connect_timeout);
        let open = async || {
            let Connection { client, .. } = self.connection(host, &node).await.ok()?;
            timeout(patience, session::open(&client, false)).await.ok()?.ok()
        };
        let privilege = self.privilege(host).await?;
        let is_program = matches!(opened, Opened::Program(_));
        let (ready, _turn) = match node.settings.get() {
            Some(Ok(settings)) if is_program => {
                (patience + ready, self.routes.starting(settings).await)
            }
            _ => (ready, None),
        };
        let mut killed = 0;
        let (closing, mut greeting) = loop {
            let failure = match session::start(opened, ready, &privilege).await {
                Ok(session) => return Ok(session),
                Err(failure) => failure,
            };
            killed += 1;
            match &failure.0 {
                Closing::Exit(Exit::Signal(_)) if killed < MAX_KILLED => match open().await {
                    Some(another) => opened = another,
                    None => break failure,
                },
                _ => break failure,
            }
        };
        let is_away = is_program && !greeting.is_hopeless();
        if let Closing::Lost(why) = closing
            && is_away
        {
            return Err(Failure::of_ssh(&greeting.stderr(), why).of(&host.name));
        }
        if matches!(closing, Closing::Exit(_))
            && let Some(channel) = open().await
            && let Some(shell) = session::login_shell(channel).await
        {
            greeting.is_login_shell(shell);
        }
        Err(greeting.failure(&host.name, &closing))
    }

    /// Returns how the commands of a session become another user.
    async fn privilege(&self, host: &Host) -> Result<Privilege, TransportError> {
        let Host { name, link, .. } = host;
        let mut privilege = Privilege { method: link.become_method, password: None };
        if let Some(from) = &link.become_password {
            let password = self.routes.passwords.get(from, &question(host)).await;
            privilege.password = Some(password.map_err(|why| Failure::Here(why).of(name))?);
        }
        Ok(privilege)
    }

    /// Finds an idle session, or starts a new one. Nothing has been sent yet, so a dead connection is
    /// replaced once. On a host without room for a channel a session is waited for, as long as there are
    /// any; else it is asked again a few times.
    async fn session<'n>(&self, host: &Host, node: &'n Node) -> Result<Held<'n>, TransportError> {
        let mut refusals = 0;
        let mut replaced = false;
        loop {
            let Connection { client, number } = self.connection(host, node).await?;
            node.idle.borrow_mut().retain(|(_, of)| *of == number);
            if let Some((mut session, _)) = node.idle.borrow_mut().pop() {
                if session.is_alive() {
                    let working = Working::new(node);
                    return Ok(Held { session, number, is_used: true, working });
                }
                continue;
            }
            let patience = self.patience(node);
            let ended = node.ended.notified();
            let is_first = node.opened.replace(number) != number;
            let opened = timeout(patience, session::open(&client, is_first)).await;
            match opened {
                Ok(Ok(channel)) => {
                    let working = Working::new(node);
                    let session = self.start(host, channel).await?;
                    node.prepared.set(true);
                    return Ok(Held { session, number, is_used: false, working });
                }
                Ok(Err(russh::Error::ChannelOpenFailure(_))) => {
                    if node.working.get() > 0 {
                        timeout(LOOK_AGAIN, ended).await.ok();
                        continue;
                    }
                    refusals += 1;
                    if refusals == MAX_OPENS {
                        let why = "too many open sessions (MaxSessions of its SSH server)";
                        return Err(Failure::Network(why.to_owned()).of(&host.name));
                    }
                    Clock::Real.sleep(OPEN_AGAIN).await;
                }
                Ok(Err(_)) | Err(_) => {
                    node.connection.forget(number).await;
                    if replaced {
                        return Err(closed(&host.name));
                    }
                    replaced = true;
                }
            }
        }
    }

    /// Opens a channel on a connection that nothing else uses; it lives as long as the channel.
    async fn own_channel(&self, host: &Host, node: &Node) -> Result<Opened, TransportError> {
        let connected = self.connect(host, node).await.map_err(|failure| failure.of(&host.name))?;
        let patience = self.patience(node);
        let opened = timeout(patience, session::open(&connected.client, true)).await;
        opened.ok().and_then(Result::ok).ok_or_else(|| closed(&host.name))
    }

    async fn connect(&self, host: &Host, node: &Node) -> Result<Connected, Failure> {
        // Another way leads to another host. Plans are refused earlier; a stored run gets here.
        if let Some(obstacle) = host.obstacles().first() {
            let (variable, origin) = (&obstacle.variable, &obstacle.origin);
            let why =
                format!("`{variable}` ({origin}) requires a route that planrun does not support");
            return Err(Failure::Here(why));
        }
        let settings = self.settings(host, node).await?;
        let pinned = node.connection.pinned.borrow().clone();
        self.routes.connect(settings, pinned.as_deref(), 0).await
    }

    /// Returns the connection to a host; makes one if there is none that works.
    async fn connection(&self, host: &Host, node: &Node) -> Result<Connection, TransportError> {
        let made = node.connection.get(self.connect(host, node)).await;
        made.map_err(|failure| failure.of(&host.name))
    }

    fn node(&self, host: &HostName) -> Rc<Node> {
        let mut nodes = self.nodes.borrow_mut();
        let node = nodes.entry(host.clone()).or_insert_with(|| {
            Rc::new(Node {
                slots: Semaphore::new(self.options.commands_per_host.max(1)),
                settings: OnceCell::new(),
                connection: Kept::default(),
                working: Cell::new(0),
                ended: Notify::new(),
                idle: RefCell::default(),
                opened: Cell::new(0),
                prepared: Cell::new(false),
                recorded: RefCell::default(),
            })
        });
        Rc::clone(node)
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

/// Returns the question for the password with which a host lets become another user.
fn question(host: &Host) -> String {
    format!("Password of {} for {}", host.name, host.link.become_method.name())
}

fn closed(host: &HostName) -> TransportError {
    Failure::Network("the connection was lost before the command was sent".to_owned()).of(host)
}

#[async_trait(?Send)]
impl Transport for SshTransport {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        let node = self.node(&host.name);
        match request {
            Request::Reach => self.prepare(host, &node).await.map(|()| Reply::Done),
            Request::Recorded(id) => {
                node.recorded.borrow_mut().push(id.clone());
                let idle = node.idle.borrow_mut().pop();
                if let Some((mut session, number)) = idle {
                    session.forget(&node.recorded.take()).await;
                    node.idle.borrow_mut().push((session, number));
                }
                Ok(Reply::Done)
            }
            _ => {
                let settings = self.settings(host, &node).await;
                let settings = settings.map_err(|failure| failure.of(&host.name))?;
                let (user, grace) = (settings.user.as_deref(), self.options.grace);
                let login = Login { user, grace, fences: &self.fences };
                let serve = async |wire: &Wire| self.serve(host, &node, wire).await;
                let handled = login.handle(host, request, serve);
                let (Some(from), Request::LogIn(Some(_))) = (&host.link.become_password, request)
                else {
                    return handled.await;
                };
                // Others wait for the first try of a password: it must not include a connection.
                self.prepare(host, &node).await?;
                let tried = async {
                    let reply = handled.await;
                    let is_refused = matches!(reply, Err(TransportError::Denied { .. }));
                    let is_good = (reply.is_ok() || is_refused).then_some(!is_refused);
                    (reply, is_good)
                };
                let whom = format!("sudo of {}", user.unwrap_or_default());
                let (passwords, tried) = (&self.routes.passwords, Box::pin(tried));
                let once = passwords.once(from, &whom, &question(host), tried).await;
                once.unwrap_or_else(|why| Err(Failure::Denied(why).of(&host.name)))
            }
        }
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.nodes.borrow().get(host)?.connection.pinned.borrow().clone()
    }

    fn expect_key(&self, host: &HostName, key: &str) {
        self.node(host).connection.pinned.replace(Some(key.to_owned()));
    }
}
