//! Makes a connection to a host that is verified and logged in.
//!
//! One handshake asks for the kinds of keys that are known of the host, and accepts those keys only. A
//! host that has none of the kinds is asked again which key it shows, for the message. Then one login
//! offers what there is.
//!
//! The usual case (directly, with one key of a file and one known key of the best kind) is made by
//! `async-ssh2-tokio`. It has no other ways, tries one login a connection, and does not say why it was
//! refused: then, and for everything else, the connection is made here.
//!
//! Failures are classified here, once: not reached, not verified, not logged in, or a problem on this
//! machine. In all of them nothing was sent. Only the first is worth another try.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_ssh2_tokio::{AuthMethod, Error as LibraryError, ServerCheckMethod};
use russh::client::{Handle, connect_stream};
use russh::keys::{Algorithm, PublicKey};
use russh::{AlgorithmKind, ChannelOpenFailure, Error};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::auth::{Kind, Offers};
use super::client::{Client, Notes, Verifier};
use super::failure::{Failure, is_closed, network};
use super::known_hosts::HostKeys;
use super::login::{Login, Refused};
use super::proxy::Proxy;
use super::settings::{Settings, Way};
use super::{SshOptions, algorithms, auth, host_key};
use crate::clock::Clock;
use crate::transport::passwords::Passwords;

/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 8;

/// How long a server that drops a connection at its start is left alone before the next try: one with a full
/// `MaxStartups` drops at random, until others are logged in.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// A connection, and the key the host proved itself with.
pub(super) struct Connected {
    pub(super) client: Client,
    /// None if `ssh` verifies the host.
    pub(super) key: Option<PublicKey>,
}

/// Why a handshake failed.
enum Refusal {
    /// The server closed the connection at its start, as one does that has too many.
    Dropped(String),
    OtherKey,
    KindMissing,
    Failed(Failure),
}

/// How a connection is made.
pub(super) struct Connecting<'a> {
    pub(super) settings: &'a Settings,
    pub(super) options: &'a SshOptions,
    pub(super) passwords: &'a Passwords,
    /// The only key that the host may show.
    pub(super) pinned: Option<&'a str>,
    /// The jump host, and its name.
    pub(super) via: Option<(Client, String)>,
    /// Whether the host is a jump host itself.
    pub(super) is_jump: bool,
}

/// How one try gets to the host.
enum Road<'a> {
    Tcp(SocketAddr),
    Via(&'a Client, &'a str),
    Command(&'a str),
}

impl Connecting<'_> {
    /// Connects to the host.
    pub(super) async fn run(&self) -> Result<Connected, Failure> {
        let settings = self.settings;
        let Some(user) = settings.user.as_deref() else {
            return Err(Failure::Here("no login user: set `ansible_user`".to_owned()));
        };
        let roads = self.roads().await?;
        let keys = host_key::known(settings).await.map_err(Failure::Here)?;
        let mut trusted = host_key::candidates(&keys, settings);
        if let Some(pinned) = self.pinned {
            trusted.retain(|key| key.to_openssh().is_ok_and(|key| key == pinned));
        }
        let mut offers = auth::offers(settings, self.options).await;
        if offers.all.is_empty() && offers.faults.is_empty() {
            offers.faults.extend(nothing_to_offer(settings));
        }
        if !trusted.is_empty() && host_key::kinds(&trusted, settings).is_empty() {
            let origin = settings.config.origin();
            let why = format!("`HostKeyAlgorithms` excludes the keys that are known of it{origin}");
            return Err(Failure::Here(why));
        }
        let mut unreached = Vec::new();
        for road in roads {
            let mut made = None;
            if let Road::Tcp(address) = road {
                made = self.by_library(address, user, &trusted, &offers).await?;
            }
            let made = match made {
                Some(connected) => Ok(connected),
                None => self.own(&road, user, &keys, &trusted, &offers).await,
            };
            match made {
                Err(Failure::Network(why)) => unreached.push(why),
                made => return made,
            }
        }
        Err(Failure::Network(unreached.join("; ")))
    }

    /// Returns the keys of these kinds that the host shows; it is not logged in to.
    pub(super) async fn shown(&self, kinds: &[Vec<Algorithm>]) -> Result<Vec<PublicKey>, Failure> {
        let mut unreached = Vec::new();
        for road in self.roads().await? {
            let mut keys = Vec::new();
            for kinds in kinds {
                let notes = Notes::default();
                match self.handshake(&road, Some(kinds.clone()), &[], &notes).await {
                    Err(Refusal::Failed(Failure::Network(why)) | Refusal::Dropped(why)) => {
                        unreached.push(why);
                        break;
                    }
                    Err(Refusal::Failed(failure)) => return Err(failure),
                    _ => keys.extend(notes.shown()),
                }
            }
            if !keys.is_empty() {
                return Ok(keys);
            }
        }
        Err(Failure::Network(unreached.join("; ")))
    }

    async fn roads(&self) -> Result<Vec<Road<'_>>, Failure> {
        Ok(match (&self.settings.way, &self.via) {
            (Way::Jump(_), Some((client, name))) => vec![Road::Via(client, name)],
            (Way::Command(command), _) => vec![Road::Command(command)],
            _ => self.resolve().await?.into_iter().map(Road::Tcp).collect(),
        })
    }

    /// Makes the usual connection; `None` if this is another case, or if it was refused.
    async fn by_library(
        &self,
        address: SocketAddr,
        user: &str,
        trusted: &[PublicKey],
        offers: &Offers,
    ) -> Result<Option<Connected>, Failure> {
        let ([key, others @ ..], [offer]) = (trusted, offers.all.as_slice()) else {
            return Ok(None);
        };
        let Kind::Key(_, text) = &offer.kind else { return Ok(None) };
        let kinds = host_key::kinds(std::slice::from_ref(key), self.settings);
        let is_unique = others.iter().all(|other| other.algorithm() != key.algorithm());
        let is_usual = self.settings.config.one("PubkeyAcceptedAlgorithms").is_none();
        if self.is_jump || kinds.is_empty() || !is_unique || !is_usual {
            return Ok(None);
        }
        let open = key.to_openssh().unwrap_or_default();
        let check = ServerCheckMethod::with_public_key(open.split(' ').nth(1).unwrap_or_default());
        let method = AuthMethod::with_key(text, None);
        let config = algorithms::config(self.settings, Some(kinds));
        let made =
            async_ssh2_tokio::Client::connect_with_config(address, user, method, check, config);
        match timeout(self.settings.patience.get(), made).await {
            Ok(Ok(client)) => {
                Ok(Some(Connected { client: Client::Library(client), key: Some(key.clone()) }))
            }
            Ok(Err(LibraryError::SshError(Error::IO(error)) | LibraryError::IoError(error)))
                if error.kind() == io::ErrorKind::ConnectionRefused =>
            {
                Err(Failure::Network(format!("{address} {}", network(&error))))
            }
            Ok(Err(_)) => Ok(None),
            Err(_late) => Err(Failure::Network(self.silence(address).await)),
        }
    }

    async fn own(
        &self,
        road: &Road<'_>,
        user: &str,
        keys: &HostKeys,
        trusted: &[PublicKey],
        offers: &Offers,
    ) -> Result<Connected, Failure> {
        let mut notes = Notes::default();
        let kinds = host_key::kinds(trusted, self.settings);
        let asked = (!kinds.is_empty()).then_some(kinds);
        let mut made = self.handshake(road, asked.clone(), trusted, &notes).await;
        for pause in PAUSES {
            if !matches!(made, Err(Refusal::Dropped(_))) {
                break;
            }
            Clock::Real.sleep(pause + jitter()).await;
            made = self.handshake(road, asked.clone(), trusted, &notes).await;
        }
        if matches!(made, Err(Refusal::KindMissing)) && asked.is_some() {
            notes = Notes::default();
            made = self.handshake(road, None, &[], &notes).await;
        }
        let mut handle = match made {
            Ok(handle) => handle,
            Err(Refusal::Failed(failure)) => return Err(failure),
            Err(Refusal::Dropped(why)) => return Err(Failure::Network(why)),
            Err(Refusal::OtherKey | Refusal::KindMissing) => {
                return Err(Failure::HostKey(self.why_not(keys, notes.shown().as_ref())));
            }
        };
        let Some(key) = notes.shown() else {
            return Err(Failure::Network("the handshake showed no key".to_owned()));
        };
        let login = Login {
            handle: &mut handle,
            notes: &notes,
            user,
            settings: self.settings,
            passwords: self.passwords,
            whom: format!("{user}@{}", self.settings.address),
            is_asked: false,
        };
        match login.run(offers).await {
            Ok(()) => Ok(Connected { client: Client::Own(Arc::new(handle)), key: Some(key) }),
            Err(Refused::Lost) => {
                let road = self.name(road);
                Err(Failure::Network(format!("{road} closed the connection during the login")))
            }
            Err(Refused::Here(why) | Refused::NotOffered(why)) => Err(Failure::Here(why)),
            Err(Refused::No(tried)) => {
                let why = format!("login as {user} failed: {tried}");
                Err(if offers.is_agent_away { Failure::Here(why) } else { Failure::Denied(why) })
            }
        }
    }

    /// Opens a road and agrees on keys; only the keys in `trusted` are accepted.
    async fn handshake(
        &self,
        road: &Road<'_>,
        kinds: Option<Vec<Algorithm>>,
        trusted: &[PublicKey],
        notes: &Notes,
    ) -> Result<Handle<Verifier>, Refusal> {
        let network = |why: String| Refusal::Failed(Failure::Network(why));
        let mut verifier = Verifier::new(trusted.to_vec(), notes);
        let config = Arc::new(algorithms::config(self.settings, kinds));
        let is_open = Cell::new(false);
        let said = Cell::new(None);
        let made = async {
            match road {
                Road::Tcp(address) => {
                    let stream = TcpStream::connect(address)
                        .await
                        .map_err(|error| network(format!("{address} {}", self::network(&error))))?;
                    stream.set_nodelay(true).ok();
                    is_open.set(true);
                    connect_stream(config, stream, verifier).await
                }
                Road::Via(client, name) => {
                    let channel = self.forward(client, name).await.map_err(Refusal::Failed)?;
                    is_open.set(true);
                    connect_stream(config, channel.into_stream(), verifier).await
                }
                Road::Command(command) => {
                    let proxy = Proxy::start(command).map_err(|error| {
                        Refusal::Failed(Failure::Here(format!(
                            "cannot run `ProxyCommand`: {error}"
                        )))
                    })?;
                    said.set(Some(proxy.said));
                    verifier.leash = Some(proxy.leash);
                    is_open.set(true);
                    connect_stream(config, proxy.stream, verifier).await
                }
            }
            .map_err(|error| self.sorted(error, road))
        };
        let made = timeout(self.settings.patience.get(), made).await;
        let said = match (&made, said.take()) {
            (Ok(Ok(_)), _) | (_, None) => String::new(),
            (_, Some(said)) => said.words().await,
        };
        match made {
            Ok(Err(Refusal::Failed(Failure::Network(why)))) => Err(network(format!("{why}{said}"))),
            Ok(Err(Refusal::Dropped(why))) => Err(Refusal::Dropped(format!("{why}{said}"))),
            Ok(made) => made,
            Err(_late) => Err(network(self.late(&self.name(road), is_open.get()) + &said)),
        }
    }

    async fn forward(
        &self,
        client: &Client,
        name: &str,
    ) -> Result<russh::Channel<russh::client::Msg>, Failure> {
        let Settings { address, port, .. } = self.settings;
        match client.forward(address, *port).await {
            Ok(channel) => Ok(channel),
            Err(Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited)) => {
                Err(Failure::Denied(format!(
                    "the jump host {name} does not forward to {address}:{port}: allow it with \
                     `AllowTcpForwarding` and `PermitOpen` of its SSH server"
                )))
            }
            Err(Error::ChannelOpenFailure(_)) => Err(Failure::Network(format!(
                "the jump host {name} cannot connect to {address}:{port}"
            ))),
            Err(_) => {
                Err(Failure::Network(format!("the connection to the jump host {name} was lost")))
            }
        }
    }

    /// Returns the cause of a silence: a second, short try distinguishes a host that does not answer from
    /// a service that accepts connections and sends nothing.
    async fn silence(&self, address: SocketAddr) -> String {
        let again = timeout(Duration::from_secs(1), TcpStream::connect(address)).await;
        self.late(&address.to_string(), matches!(again, Ok(Ok(_))))
    }

    fn late(&self, at: &str, is_open: bool) -> String {
        let seconds = self.settings.patience.get().as_secs_f32();
        if is_open {
            format!("{at} accepts connections, but the login did not start in {seconds} s")
        } else {
            format!("{at} does not answer ({seconds} s)")
        }
    }

    fn why_not(&self, keys: &HostKeys, shown: Option<&PublicKey>) -> String {
        let is_pinned = |shown: &PublicKey| shown.to_openssh().ok().as_deref() == self.pinned;
        match self.pinned {
            Some(pinned) if !shown.is_some_and(is_pinned) => host_key::changed(pinned, shown),
            _ => host_key::refusal(self.settings, keys, shown),
        }
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let Settings { address, port, patience, config, .. } = self.settings;
        let family = config.one("AddressFamily");
        let is_wanted = |address: &SocketAddr| match family {
            Some("inet") => address.is_ipv4(),
            Some("inet6") => address.is_ipv6(),
            _ => true,
        };
        let why = match timeout(patience.get(), lookup_host((address.as_str(), *port))).await {
            Ok(Ok(addresses)) => {
                let addresses: Vec<_> = addresses.filter(is_wanted).take(MAX_ADDRESSES).collect();
                if !addresses.is_empty() {
                    return Ok(addresses);
                }
                "no address found".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_late) => "no name server answers".to_owned(),
        };
        Err(Failure::Network(format!("cannot resolve the name {address}: {why}")))
    }

    /// Returns how a road is named in a message.
    fn name(&self, road: &Road<'_>) -> String {
        let Settings { address, port, .. } = self.settings;
        match road {
            Road::Tcp(address) => address.to_string(),
            Road::Via(_, name) => format!("{address}:{port} behind {name}"),
            Road::Command(_) => format!("{address}:{port} behind `ProxyCommand`"),
        }
    }

    fn sorted(&self, error: Error, road: &Road<'_>) -> Refusal {
        let at = self.name(road);
        let broken = |text: &str| Refusal::Failed(Failure::Network(format!("{at} {text}")));
        match error {
            Error::UnknownKey => Refusal::OtherKey,
            Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. } => Refusal::KindMissing,
            Error::NoCommonAlgo { kind, ours, theirs } => {
                let mut why = algorithms::incompatible(&at, &kind, &ours, &theirs);
                if matches!(kind, AlgorithmKind::Kex | AlgorithmKind::Cipher | AlgorithmKind::Mac) {
                    why.push_str(&self.settings.config.origin());
                }
                Refusal::Failed(Failure::Denied(why))
            }
            Error::IO(error) if is_closed(&error) => {
                Refusal::Dropped(format!("{at} {}", network(&error)))
            }
            Error::IO(error) => broken(&network(&error)),
            Error::Version => broken("does not speak SSH 2"),
            Error::Disconnect | Error::HUP => Refusal::Dropped(format!(
                "{at} closed the connection before the login (another service, a full MaxStartups, a \
                 blocked address)"
            )),
            other => broken(&format!("ended the handshake: {other}")),
        }
    }
}

/// Returns up to half a second, so that many hosts do not try again at the same moment.
fn jitter() -> Duration {
    Duration::from_millis(uuid::Uuid::now_v7().as_u64_pair().1 % 500)
}

fn nothing_to_offer(settings: &Settings) -> Option<String> {
    settings.accepts("PubkeyAuthentication").then(|| match settings.keys.as_deref() {
        Some(named @ [_, ..]) => {
            format!("no key for the login: {} (`IdentityFile`) does not exist", named.join(", "))
        }
        _ => "no key for the login: no agent (SSH_AUTH_SOCK), and no key in ~/.ssh; set \
              `ansible_ssh_private_key_file`"
            .to_owned(),
    })
}
