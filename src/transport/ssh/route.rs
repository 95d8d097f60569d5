//! The way to a host: its settings, and the jump hosts before it.
//!
//! A jump host is connected to once for all hosts behind it, and each of these has a channel of its own
//! on that connection. It is verified and logged in to like any other host, with its own configuration;
//! the host behind it is verified over the channel, so a jump host cannot pretend to be it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::SshOptions;
use super::client::Client;
use super::config::{Asked, Config};
use super::connect::{Connected, Connecting};
use super::failure::Failure;
use super::pool::Kept;
use super::settings::{Settings, Way};
use crate::inventory::{Connection, Link};
use crate::transport::passwords::Passwords;

/// How many programs ask for a configuration at a time.
const MAX_ASKING: usize = 8;

/// How many connections to one server are set up at a time: servers refuse more than ten.
const MAX_STARTING: usize = 8;

/// How many jump hosts may be on the way to a host.
pub(super) const MAX_JUMPS: usize = 16;

/// A configuration that is asked for once.
type Once = OnceCell<Result<Config, String>>;

/// Makes connections.
pub(super) struct Routes {
    pub(super) options: SshOptions,
    pub(super) passwords: Rc<Passwords>,
    asking: Semaphore,
    defaults: Once,
    configs: RefCell<HashMap<Asked, Rc<Once>>>,
    /// The jump hosts, each with those before it.
    jumps: RefCell<HashMap<Vec<Asked>, Rc<Kept>>>,
    starting: RefCell<HashMap<(String, u16), Arc<Semaphore>>>,
}

impl Routes {
    pub(super) fn new(options: SshOptions, passwords: Rc<Passwords>) -> Self {
        Self {
            options,
            passwords,
            asking: Semaphore::new(MAX_ASKING),
            defaults: OnceCell::new(),
            configs: RefCell::default(),
            jumps: RefCell::default(),
            starting: RefCell::default(),
        }
    }

    /// Returns how a host is reached.
    pub(super) async fn settings(
        &self,
        asked: &Asked,
        link: Option<&Link>,
    ) -> Result<Settings, Failure> {
        let by_ssh = link.is_some_and(|link| link.connection == Connection::OpenSsh);
        let config = self.config(asked, by_ssh).await.map_err(Failure::Here)?;
        Settings::new(asked, link, config, &self.options).map_err(Failure::Here)
    }

    async fn config(&self, asked: &Asked, by_ssh: bool) -> Result<Config, String> {
        let home = self.options.home.as_deref();
        if !by_ssh && home.is_none() && asked.words.is_empty() {
            return Ok(Config::default());
        }
        let cell = Rc::clone(self.configs.borrow_mut().entry(asked.clone()).or_default());
        let ask = async || {
            let defaults = self.defaults.get_or_init(Config::defaults).await.clone()?;
            let _turn = self.asking.acquire().await;
            Config::of(asked, home, &defaults).await
        };
        cell.get_or_init(ask).await.clone()
    }

    /// Connects to a host, by way of its jump hosts.
    pub(super) async fn connect(
        &self,
        settings: &Settings,
        pinned: Option<&str>,
        depth: usize,
    ) -> Result<Connected, Failure> {
        if depth == 0 {
            self.check(settings).await?;
        }
        let via = match &settings.way {
            Way::Jump(hops) => Some(Box::pin(self.jump(hops, depth + 1)).await?),
            // It connects when a session starts.
            Way::OpenSsh(arguments) => {
                return Ok(Connected { client: Client::Program(Arc::clone(arguments)), key: None });
            }
            _ => None,
        };
        let _turn = self.starting(settings).await;
        let passwords = &self.passwords;
        Connecting { settings, options: &self.options, passwords, pinned, via, is_jump: depth > 0 }
            .run()
            .await
    }

    /// Waits until another connection can be set up. It is unknown which servers `ssh` uses.
    pub(super) async fn starting(&self, settings: &Settings) -> Option<OwnedSemaphorePermit> {
        let server = match &settings.way {
            Way::OpenSsh(_) => (String::new(), 0),
            _ => (settings.address.clone(), settings.port),
        };
        let new = || Arc::new(Semaphore::new(MAX_STARTING));
        let starting = Arc::clone(self.starting.borrow_mut().entry(server).or_insert_with(new));
        starting.acquire_owned().await.ok()
    }

    /// Refuses a way that leads back to a host on it, before one connection waits for another.
    pub(super) async fn check(&self, settings: &Settings) -> Result<(), Failure> {
        let (mut way, mut passed) = (settings.way.clone(), Vec::new());
        // Only the nearest jump host has a way of its own.
        while let Way::Jump(hops) = &way
            && let Some(nearest) = hops.first().cloned()
        {
            let next = self.settings(&nearest, None).await?;
            passed.push(nearest);
            if matches!(&next.way, Way::Jump(hops) if hops.iter().any(|hop| passed.contains(hop))) {
                let (name, origin) = (&passed[passed.len() - 1].address, next.config.origin());
                let why = format!("`ProxyJump` of {name} leads back to a host on the way{origin}");
                return Err(Failure::Here(why));
            }
            way = next.way;
        }
        Ok(())
    }

    /// Returns the connection to the last of some jump hosts, and its name.
    pub(super) async fn jump(
        &self,
        hops: &[Asked],
        depth: usize,
    ) -> Result<(Client, String), Failure> {
        let Some((last, before)) = hops.split_last() else {
            return Err(Failure::Here("`ProxyJump` names no host".to_owned()));
        };
        let name = last.address.clone();
        if depth > MAX_JUMPS {
            let why =
                format!("more than {MAX_JUMPS} jump hosts, at {name}: does one jump to itself?");
            return Err(Failure::Here(why));
        }
        let kept = Rc::clone(self.jumps.borrow_mut().entry(hops.to_vec()).or_default());
        let made = kept.get(async {
            let mut settings = self.settings(last, None).await?;
            if !before.is_empty() {
                settings.way = Way::Jump(before.to_vec());
            }
            let pinned = kept.pinned.borrow().clone();
            self.connect(&settings, pinned.as_deref(), depth).await
        });
        match made.await {
            Ok(connection) => Ok((connection.client, name)),
            Err(failure) => Err(failure.at_jump_host(&name)),
        }
    }
}
