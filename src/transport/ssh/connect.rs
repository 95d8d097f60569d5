//! From a host to a connection that is logged in, and proved to lead there.
//!
//! A connection is tried with *one* trusted host key and *one* way to log in at a time: so it is
//! known afterwards which key the host showed, and the same can be asked for at each reconnect. In
//! the usual case the first try is the only one. A host that does not have the kind of the first key
//! is asked for the next kind; one that shows another key of the same kind is refused, as OpenSSH
//! does.
//!
//! What went wrong is sorted here, once: not reached, not proved, not let in. In all of them nothing
//! was sent.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_ssh2_tokio::Client;
use async_ssh2_tokio::Error;
use async_ssh2_tokio::ServerCheckMethod;
use russh::AlgorithmKind;
use russh::Preferred;
use russh::cipher;
use russh::client::Config;
use russh::keys::Algorithm;
use russh::keys::PublicKey;
use tokio::net::TcpStream;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::SshOptions;
use super::auth;
use super::auth::Offer;
use super::auth::Offers;
use super::host_key;
use super::known_hosts::HostKeys;
use super::known_hosts::Listed;
use crate::inventory::Host;
use crate::inventory::HostName;
use crate::inventory::Link;
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

/// A connection, and the key the host proved itself with.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) key: PublicKey,
}

/// Why one try failed.
enum Refusal {
    Network(String),
    OtherKey,
    KindMissing,
    NotLetIn(String),
}

/// Connects to a host; where `pinned` is given, with that key only.
pub(super) async fn connect(
    host: &Host,
    user: Option<&str>,
    pinned: Option<&PublicKey>,
    options: &SshOptions,
) -> Result<Connected, TransportError> {
    let name = &host.name;
    let user = user.ok_or_else(|| TransportError::Denied {
        host: name.clone(),
        why: "there is no user to log in as: set `ansible_user`".to_owned(),
    })?;
    let addresses = resolve(host, options).await?;
    let keys = host_key::known(&host.link, options).await.map_err(|why| untrusted(name, why))?;
    let mut candidates = host_key::candidates(&keys);
    if let Some(pinned) = pinned {
        candidates.retain(|listed| listed.key == *pinned);
    }
    let Offers { offers, faults } = auth::offers(&host.link, options).await;
    if offers.is_empty() && !candidates.is_empty() {
        return Err(denied(name, user, &faults));
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
            Err(Refusal::NotLetIn(tried)) => {
                let mut tried = vec![tried];
                tried.extend(faults);
                return Err(denied(name, user, &tried));
            }
        }
    }
    Err(unreachable(name, &unreached.join("; ")))
}

/// Returns how long one connection to a host may take to be made, login included.
pub(super) fn patience(link: &Link, options: &SshOptions) -> Duration {
    link.connect_timeout.unwrap_or(options.connect_timeout)
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
            // Another kind is no way round a key that does not fit.
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
                Err(Refusal::NotLetIn(why)) => tried.push(format!("{} ({why})", offer.name)),
                other => return other,
            }
        }
        Err(Refusal::NotLetIn(tried.join(", ")))
    }

    async fn dial(&self, key: &PublicKey, offer: &Offer) -> Result<Client, Refusal> {
        let text = key.to_openssh().unwrap_or_default();
        let base64 = text.split(' ').nth(1).unwrap_or_default();
        let dialled = Client::connect_with_config(
            self.address,
            self.user,
            offer.method.clone(),
            ServerCheckMethod::with_public_key(base64),
            config(Some(host_key::algorithms(key))),
        );
        match timeout(patience(&self.host.link, self.options), dialled).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(refusal(error, self.address)),
            Err(_late) => Err(Refusal::Network(self.tell_silence().await)),
        }
    }

    /// Says what kind of silence it is: a second, short try tells a host that is not there from a
    /// service that accepts and says nothing.
    async fn tell_silence(&self) -> String {
        let seconds = patience(&self.host.link, self.options).as_secs_f32();
        let address = self.address;
        let again = timeout(Duration::from_secs(1), TcpStream::connect(address)).await;
        if matches!(again, Ok(Ok(_))) {
            format!(
                "{address} accepts connections but did not get as far as a login in {seconds} s"
            )
        } else {
            format!("{address} does not answer ({seconds} s)")
        }
    }

    async fn tell_key(
        &self,
        keys: &HostKeys,
        candidates: &[Listed],
        pinned: Option<&PublicKey>,
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
        match shown {
            Err(error) if candidates.is_empty() => match refusal(error.into(), self.address) {
                Refusal::Network(why) => unreachable(name, &why),
                _ => untrusted(name, host_key::refusal(&self.host.link, keys, None)),
            },
            shown => {
                let shown = shown.ok();
                let mut why = host_key::refusal(&self.host.link, keys, shown.as_ref());
                if pinned.is_some() {
                    why = format!("not the key it had at the beginning of this run: {why}");
                }
                untrusted(name, why)
            }
        }
    }
}

/// Returns how connections are made; `kinds` narrows the host keys that are accepted.
pub(super) fn config(kinds: Option<Vec<Algorithm>>) -> Config {
    let mut preferred = Preferred { cipher: CIPHERS.to_vec().into(), ..Preferred::DEFAULT };
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
            "it has no address".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_late) => "no name server answers".to_owned(),
    };
    Err(unreachable(&host.name, &format!("the name {name} cannot be resolved: {why}")))
}

fn refusal(error: Error, address: SocketAddr) -> Refusal {
    let broken = |text: &str| Refusal::Network(format!("{address} {text}"));
    match error {
        Error::SshError(russh::Error::UnknownKey) | Error::ServerCheckFailed => Refusal::OtherKey,
        Error::SshError(russh::Error::NoCommonAlgo { kind, theirs, .. }) => match kind {
            AlgorithmKind::Key => Refusal::KindMissing,
            _ => broken(&format!("offers no {kind:?} that is safe, only {}", theirs.join(", "))),
        },
        Error::KeyAuthFailed | Error::AgentAuthenticationFailed => {
            Refusal::NotLetIn("not accepted".to_owned())
        }
        Error::AgentNoIdentities => Refusal::NotLetIn("there are none".to_owned()),
        Error::AgentConnectionFailed | Error::AgentRequestIdentitiesFailed => {
            Refusal::NotLetIn("the agent at SSH_AUTH_SOCK does not answer".to_owned())
        }
        Error::KeyInvalid(error) => Refusal::NotLetIn(error.to_string()),
        Error::SshError(russh::Error::IO(error)) | Error::IoError(error) => {
            broken(&network(&error))
        }
        Error::SshError(russh::Error::Version) => broken("does not speak SSH 2"),
        Error::SshError(russh::Error::Disconnect | russh::Error::HUP) => broken(
            "closed the connection before the login (another service, a full MaxStartups, an \
             address that is shut out)",
        ),
        other => broken(&format!("broke off the handshake: {other}")),
    }
}

fn network(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "refuses the connection: no SSH server listens there".to_owned()
        }
        io::ErrorKind::TimedOut => "does not answer".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "has no route from here".to_owned()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
            "cut the connection during the handshake".to_owned()
        }
        _ => format!("cannot be connected to: {error}"),
    }
}

pub(super) fn unreachable(host: &HostName, why: &str) -> TransportError {
    TransportError::Unreachable { host: host.clone(), why: why.to_owned() }
}

fn untrusted(host: &HostName, why: String) -> TransportError {
    TransportError::HostKey { host: host.clone(), why }
}

fn denied(host: &HostName, user: &str, tried: &[String]) -> TransportError {
    let tried = if tried.is_empty() {
        "there is no agent (SSH_AUTH_SOCK), and no key in ~/.ssh".to_owned()
    } else {
        tried.join("; ")
    };
    TransportError::Denied { host: host.clone(), why: format!("no login as {user}: {tried}") }
}
