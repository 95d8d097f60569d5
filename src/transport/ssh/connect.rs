//! Makes a connection to a host that is verified and logged in.
//!
//! A connection is tried with *one* trusted host key and *one* way to log in at a time: so it is
//! known afterwards which key the host showed, and the same can be asked for at each reconnect. In
//! the usual case the first try is the only one. A host that does not have the kind of the first key
//! is asked for the next kind; one that shows another key of the same kind is refused, as OpenSSH
//! does.
//!
//! Failures are classified here, once: not reached, not verified, not logged in, or a problem on this
//! machine. In all of them nothing was sent. Only the first is worth another try.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_ssh2_tokio::{Client, Error, ServerCheckMethod};
use russh::client::Config;
use russh::keys::{Algorithm, PublicKey};
use russh::{AlgorithmKind, MethodKind, Preferred, cipher, kex, mac};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::auth::{Offer, Offers};
use super::known_hosts::{HostKeys, Listed};
use super::refusal::Login;
use super::{SshOptions, auth, host_key, refusal};
use crate::inventory::{Host, HostName, Link};
use crate::transport::TransportError;

/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 8;

/// A host that does not answer a keepalive is asked again after this time, and given up after the
/// third.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Ciphers by speed; without hardware for AES the third is the fastest, but no server is that small.
const CIPHERS: [cipher::Name; 6] = [
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// What OpenSSH's client offers and the library does not; before the exchanges that agree on a
/// group first.
const ELLIPTIC: [kex::Name; 3] =
    [kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::ECDH_SHA2_NISTP521];

/// Offered last, as by OpenSSH's client, for old servers.
const OLD_MACS: [mac::Name; 2] = [mac::HMAC_SHA1_ETM, mac::HMAC_SHA1];

/// How many names of algorithms a message has.
const MAX_NAMES: usize = 8;

/// A connection, and the key the host proved itself with.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) key: PublicKey,
}

/// Why one try failed. What happens to the run depends on the kind, never on the words.
enum Refusal {
    /// The host was not reached, or lost the connection: that may pass.
    Network(String),
    OtherKey,
    KindMissing,
    /// Nothing in common to speak with, and waiting does not help.
    Incompatible(String),
    /// The library was not let in; whether the host ended the connection is known.
    NotAccepted {
        is_ended: bool,
    },
    /// Nothing that was offered is accepted.
    NotLetIn(String),
    /// A problem on this machine.
    Here(String),
}

/// Connects to a host; if `pinned` is given, with that key only.
pub(super) async fn connect(
    host: &Host,
    user: Option<&str>,
    pinned: Option<&str>,
    options: &SshOptions,
) -> Result<Connected, TransportError> {
    let name = &host.name;
    let user = user.ok_or_else(|| here(name, "no login user: set `ansible_user`".to_owned()))?;
    let addresses = resolve(host, options).await?;
    let keys = host_key::known(&host.link, options).await.map_err(|why| here(name, why))?;
    let mut candidates = host_key::candidates(&keys);
    if let Some(pinned) = pinned {
        candidates.retain(|listed| listed.key.to_openssh().is_ok_and(|key| key == pinned));
    }
    let Offers { all: offers, faults, is_agent_away } = auth::offers(&host.link, options).await;
    if offers.is_empty() && !candidates.is_empty() {
        return Err(here(name, nothing_to_offer(&faults)));
    }

    let mut unreached = Vec::new();
    for address in addresses {
        let target = Target { host, user, address, options };
        match target.try_keys(&candidates, &offers).await {
            Ok(connected) => return Ok(connected),
            Err(Refusal::Network(why)) => unreached.push(why),
            Err(Refusal::OtherKey | Refusal::KindMissing) => {
                return Err(target.tell_key(&keys, &candidates, pinned).await);
            }
            Err(Refusal::Incompatible(why)) => return Err(denied(name, why)),
            Err(Refusal::Here(why)) => return Err(here(name, why)),
            Err(Refusal::NotAccepted { .. }) => {
                return Err(denied(name, "login failed".to_owned()));
            }
            Err(Refusal::NotLetIn(tried)) => {
                let mut said = vec![format!("login as {user} failed: {tried}")];
                said.extend(faults);
                let why = said.join("; ");
                return Err(if is_agent_away { here(name, why) } else { denied(name, why) });
            }
        }
    }
    Err(unreachable(name, &unreached.join("; ")))
}

/// Returns how long one connection to a host may take to be made, login included.
pub(super) fn patience(link: &Link, options: &SshOptions) -> Duration {
    link.connect_timeout.unwrap_or(options.connect_timeout)
}

fn nothing_to_offer(faults: &[String]) -> String {
    if faults.is_empty() {
        "no key for the login: no agent (SSH_AUTH_SOCK), and no key in ~/.ssh; set \
         `ansible_ssh_private_key_file`"
            .to_owned()
    } else {
        faults.join("; ")
    }
}

struct Target<'a> {
    host: &'a Host,
    user: &'a str,
    address: SocketAddr,
    options: &'a SshOptions,
}

impl Target<'_> {
    async fn try_keys(&self, keys: &[Listed], offers: &[Offer]) -> Result<Connected, Refusal> {
        let mut refusal = Refusal::KindMissing;
        let mut refused_kind = None;
        for Listed { key, .. } in keys {
            // After a wrong key of one kind, keys of other kinds are not tried.
            if refused_kind.as_ref().is_some_and(|kind| *kind != key.algorithm()) {
                break;
            }
            match self.try_offers(key, offers).await {
                Err(Refusal::OtherKey) => {
                    refusal = Refusal::OtherKey;
                    refused_kind = Some(key.algorithm());
                }
                Err(Refusal::KindMissing) => {}
                Ok(client) => {
                    let key = key.clone();
                    return Ok(Connected { client, key });
                }
                Err(other) => return Err(other),
            }
        }
        Err(refusal)
    }

    async fn try_offers(&self, key: &PublicKey, offers: &[Offer]) -> Result<Client, Refusal> {
        let mut tried = Vec::new();
        for offer in offers {
            match self.dial(key, offer).await {
                Err(Refusal::NotAccepted { is_ended }) => {
                    let is_only = offers.len() == 1;
                    tried.push(self.tell_refusal(key, offer, is_ended, is_only).await?);
                }
                other => return other,
            }
        }
        let certificates = offers.iter().filter_map(|offer| offer.certificate.as_deref());
        tried.extend(certificates.map(|exists| format!("certificates are not offered: {exists}")));
        Err(Refusal::NotLetIn(tried.join("; ")))
    }

    async fn dial(&self, key: &PublicKey, offer: &Offer) -> Result<Client, Refusal> {
        let text = key.to_openssh().unwrap_or_default();
        let base64 = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let (address, user, method) = (self.address, self.user.to_owned(), offer.method.clone());
        let kinds = host_key::algorithms(key);
        // On a task of its own: the library panics if the agent goes away at the wrong moment.
        let mut dialled = JoinSet::new();
        dialled.spawn(async move {
            let check = ServerCheckMethod::with_public_key(&base64);
            let config = config(Some(kinds));
            Client::connect_with_config(address, &user, method, check, config).await
        });
        match timeout(patience(&self.host.link, self.options), dialled.join_next()).await {
            Ok(Some(Ok(Ok(client)))) => Ok(client),
            Ok(Some(Ok(Err(error)))) => Err(sorted(error, address)),
            Ok(Some(Err(_)) | None) => {
                Err(Refusal::Here("the connection to the agent was lost".to_owned()))
            }
            Err(_late) => Err(Refusal::Network(self.tell_silence().await)),
        }
    }

    /// Finds out why an offer was not accepted; an error if that is not the host's last word.
    async fn tell_refusal(
        &self,
        key: &PublicKey,
        offer: &Offer,
        is_ended: bool,
        is_only: bool,
    ) -> Result<String, Refusal> {
        let Offer { name, keys, .. } = offer;
        let lost =
            || Refusal::Network(format!("{} closed the connection during the login", self.address));
        let patience = patience(&self.host.link, self.options);
        // Servers count refused keys: one of several is not offered twice.
        let again = Some(offer).filter(|_| is_only);
        let asked = refusal::ask(self.address, self.user, key, again, patience).await;
        Ok(match asked {
            Login::Lost | Login::Accepted => return Err(lost()),
            Login::Partial(methods) => format!(
                "{name} (accepted, but the host also requires {})",
                refusal::names(&methods)
            ),
            Login::Refused(methods) if !methods.contains(&MethodKind::PublicKey) => {
                format!("{name} (the host accepts no keys, only {})", refusal::names(&methods))
            }
            Login::Refused(_) if !is_ended => format!("{name} (not accepted)"),
            Login::Refused(_) if *keys < 2 => return Err(lost()),
            Login::Refused(_) => {
                let fix = match &self.host.link.identity_file {
                    None => "set `ansible_ssh_private_key_file` to the right key".to_owned(),
                    Some(file) => format!("put its public key into {file}.pub"),
                };
                format!(
                    "{name} (the host ended the login before all {keys} were tried, as \
                     `MaxAuthTries` of its SSH server demands: {fix})"
                )
            }
        })
    }

    /// Returns the cause of a silence: a second, short try distinguishes a host that does not answer from
    /// a service that accepts connections and sends nothing.
    async fn tell_silence(&self) -> String {
        let seconds = patience(&self.host.link, self.options).as_secs_f32();
        let address = self.address;
        let again = timeout(Duration::from_secs(1), TcpStream::connect(address)).await;
        if matches!(again, Ok(Ok(_))) {
            format!("{address} accepts connections, but the login did not start in {seconds} s")
        } else {
            format!("{address} does not answer ({seconds} s)")
        }
    }

    async fn tell_key(
        &self,
        keys: &HostKeys,
        candidates: &[Listed],
        pinned: Option<&str>,
    ) -> TransportError {
        let name = &self.host.name;
        let kinds: Vec<_> =
            candidates.iter().flat_map(|listed| host_key::algorithms(&listed.key)).collect();
        let patience = patience(&self.host.link, self.options);
        let mut shown = Err(russh::Error::KexInit);
        if !kinds.is_empty() {
            shown = host_key::shown(self.address, patience, Some(kinds)).await;
        }
        if shown.is_err() {
            shown = host_key::shown(self.address, patience, None).await;
        }
        let shown = match shown.map_err(|error| sorted(error.into(), self.address)) {
            Err(Refusal::Network(why)) => return unreachable(name, &why),
            Err(Refusal::Incompatible(why)) => return denied(name, why),
            shown => shown.ok(),
        };
        let is_pinned = |shown: &PublicKey| shown.to_openssh().ok().as_deref() == pinned;
        let why = match pinned {
            Some(pinned) if !shown.as_ref().is_some_and(is_pinned) => {
                host_key::changed(pinned, shown.as_ref())
            }
            _ => host_key::refusal(&self.host.link, keys, shown.as_ref()),
        };
        TransportError::HostKey { host: name.clone(), why }
    }
}

/// Returns how connections are made; `kinds` narrows the host keys that are accepted.
pub(super) fn config(kinds: Option<Vec<Algorithm>>) -> Config {
    let mut exchanges = Preferred::DEFAULT.kex.to_vec();
    let groups = exchanges.iter().position(|name| *name == kex::DH_GEX_SHA256).unwrap_or(0);
    exchanges.splice(groups..groups, ELLIPTIC);
    let mut preferred = Preferred {
        kex: exchanges.into(),
        cipher: CIPHERS.to_vec().into(),
        mac: [&*Preferred::DEFAULT.mac, &OLD_MACS].concat().into(),
        ..Preferred::DEFAULT
    };
    if let Some(kinds) = kinds {
        preferred.key = kinds.into();
    }
    Config {
        nodelay: true,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: 3,
        inactivity_timeout: None,
        preferred,
        ..Config::default()
    }
}

async fn resolve(host: &Host, options: &SshOptions) -> Result<Vec<SocketAddr>, TransportError> {
    let name = &host.link.address;
    let asked = lookup_host((name.as_str(), host_key::port(&host.link)));
    let why = match timeout(patience(&host.link, options), asked).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.take(MAX_ADDRESSES).collect();
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            "no address found".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_late) => "no name server answers".to_owned(),
    };
    Err(unreachable(&host.name, &format!("cannot resolve the name {name}: {why}")))
}

fn sorted(error: Error, address: SocketAddr) -> Refusal {
    let broken = |text: &str| Refusal::Network(format!("{address} {text}"));
    match error {
        Error::SshError(russh::Error::UnknownKey) | Error::ServerCheckFailed => Refusal::OtherKey,
        Error::SshError(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. }) => {
            Refusal::KindMissing
        }
        Error::SshError(russh::Error::NoCommonAlgo { kind, ours, theirs }) => {
            Refusal::Incompatible(incompatible(address, &kind, &ours, &theirs))
        }
        Error::KeyAuthFailed | Error::AgentAuthenticationFailed => {
            Refusal::NotAccepted { is_ended: false }
        }
        // The session is gone, and the handshake was over: `connect` reports its own errors.
        Error::SshError(
            russh::Error::SendError | russh::Error::RecvError | russh::Error::Inconsistent,
        )
        | Error::SendError(_)
        | Error::AgentAuthError(_) => Refusal::NotAccepted { is_ended: true },
        Error::AgentNoIdentities
        | Error::AgentConnectionFailed
        | Error::AgentRequestIdentitiesFailed => {
            Refusal::Here("the agent at SSH_AUTH_SOCK does not answer".to_owned())
        }
        Error::KeyInvalid(error) => Refusal::Here(format!("cannot use the key: {error}")),
        Error::SshError(russh::Error::IO(error)) | Error::IoError(error) => {
            broken(&network(&error))
        }
        Error::SshError(russh::Error::Version) => broken("does not speak SSH 2"),
        Error::SshError(russh::Error::Disconnect | russh::Error::HUP) => broken(
            "closed the connection before the login (another service, a full MaxStartups, an \
             blocked address)",
        ),
        other => broken(&format!("ended the handshake: {other}")),
    }
}

fn incompatible(
    address: SocketAddr,
    kind: &AlgorithmKind,
    ours: &[String],
    theirs: &[String],
) -> String {
    let what = match kind {
        AlgorithmKind::Kex => "key exchange",
        AlgorithmKind::Key => "host key algorithm",
        AlgorithmKind::Cipher => "cipher",
        AlgorithmKind::Compression => "compression",
        AlgorithmKind::Mac => "MAC",
    };
    let names = |names: &[String]| {
        let mut named = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>();
        if names.len() > MAX_NAMES {
            named.push("...");
        }
        named.join(", ")
    };
    format!(
        "{address} and planrun have no {what} in common; the server accepts only {}. Enable one of \
         these on the server: {}",
        names(theirs),
        names(ours)
    )
}

fn network(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "refuses the connection: no SSH server listens there".to_owned()
        }
        io::ErrorKind::TimedOut => "does not answer".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "is not routable from here".to_owned()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
            "closed the connection during the handshake".to_owned()
        }
        _ => format!("does not accept connections: {error}"),
    }
}

pub(super) fn unreachable(host: &HostName, why: &str) -> TransportError {
    TransportError::Unreachable { host: host.clone(), why: why.to_owned() }
}

fn here(host: &HostName, why: String) -> TransportError {
    TransportError::Controller { host: host.clone(), why }
}

fn denied(host: &HostName, why: String) -> TransportError {
    TransportError::Denied { host: host.clone(), why }
}
