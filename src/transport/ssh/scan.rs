//! Asks hosts for all their keys, so that the operator can compare and trust them.
//!
//! Nothing is trusted here. A host behind a jump host can only be asked if the jump host is known: so the
//! first host on the way that is not known is the one that is asked.

use std::path::PathBuf;

use russh::keys::ssh_key::EcdsaCurve;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::SshTransport;
use super::connect::Connecting;
use super::failure::Failure;
use super::host_key;
use super::known_hosts::Listed;
use super::settings::{Settings, Way};
use crate::inventory::{Connection, Host, HostName, Link};
use crate::transport::TransportError;

/// A host, or a jump host before it, and the keys that it shows.
pub struct Scanned {
    /// Its name in the files of known hosts.
    pub name: String,
    /// The host, if it is not a jump host before it.
    pub host: Option<HostName>,
    /// The file that its keys belong in: the first one of the user.
    pub file: Option<PathBuf>,
    pub keys: Vec<Shown>,
}

/// A key that a host shows.
pub struct Shown {
    /// The key, as a line of known hosts has it.
    pub key: String,
    /// Its kind and its fingerprint.
    pub fingerprint: String,
    pub state: Trust,
}

/// What the files of known hosts say about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    Known,
    /// They have no key of this kind for the host.
    New,
    /// They have another key of this kind, at this line.
    Changed(String),
    /// At this line.
    Revoked(String),
}

impl SshTransport {
    /// Asks a host for its keys, or the first jump host on the way that is not known.
    pub async fn scan(&self, host: &Host) -> Result<Scanned, TransportError> {
        let failed = |failure: Failure| failure.of(&host.name);
        if !host.link.connection.is_remote() {
            let why = "it is not reached over SSH".to_owned();
            return Err(TransportError::Impossible { host: host.name.clone(), why });
        }
        // The program `ssh` shows no keys; it reads the same files.
        let link = Link { connection: Connection::Ssh, ..host.link.clone() };
        let settings = self.routes.settings(&Settings::asked(&link), Some(&link)).await;
        let settings = settings.map_err(failed)?;
        self.routes.check(&settings).await.map_err(failed)?;
        let found = Box::pin(self.first_unknown(&settings, 0)).await.map_err(failed)?;
        let own = found.is_none().then(|| host.name.clone());
        let mut settings = found.unwrap_or(settings);
        // The first key makes the file.
        settings.is_known_hosts_named = false;
        self.keys(settings, own).await.map_err(failed)
    }

    /// Returns the first host on the way that is not known.
    async fn first_unknown(
        &self,
        settings: &Settings,
        depth: usize,
    ) -> Result<Option<Settings>, Failure> {
        let Way::Jump(hops) = &settings.way else { return Ok(None) };
        for (at, hop) in hops.iter().enumerate() {
            let mut jump = self.routes.settings(hop, None).await?;
            if at > 0 {
                jump.way = Way::Jump(hops[..at].to_vec());
            } else if depth < hops.len() + super::route::MAX_JUMPS
                && let Some(before) = Box::pin(self.first_unknown(&jump, depth + 1)).await?
            {
                return Ok(Some(before));
            }
            let known = host_key::known(&jump).await.map_err(Failure::Here)?;
            if known.trusted.is_empty() {
                return Ok(Some(jump));
            }
        }
        Ok(None)
    }

    async fn keys(&self, settings: Settings, host: Option<HostName>) -> Result<Scanned, Failure> {
        let known = host_key::known(&settings).await.map_err(Failure::Here)?;
        let via = match &settings.way {
            Way::Jump(hops) => Some(self.routes.jump(hops, 1).await?),
            _ => None,
        };
        let connecting = Connecting {
            settings: &settings,
            options: &self.options,
            passwords: &self.routes.passwords,
            pinned: None,
            via,
            is_jump: false,
        };
        let mut keys = Vec::new();
        for key in connecting.shown(&kinds()).await? {
            let listed = |listed: &&Listed| listed.key.key_data() == key.key_data();
            let same_kind = |listed: &&Listed| listed.key.algorithm() == key.algorithm();
            let state = if let Some(revoked) = known.revoked.iter().find(listed) {
                Trust::Revoked(revoked.at.clone())
            } else if known.trusted.iter().any(|one| listed(&one)) {
                Trust::Known
            } else if let Some(other) = known.trusted.iter().find(same_kind) {
                Trust::Changed(other.at.clone())
            } else {
                Trust::New
            };
            keys.push(shown(&key, state));
        }
        let (name, port) = settings.known_as();
        let name = if port == 22 { name.to_owned() } else { format!("[{name}]:{port}") };
        Ok(Scanned { name, host, file: settings.own_known_hosts.clone(), keys })
    }
}

fn shown(key: &PublicKey, state: Trust) -> Shown {
    let text = key.to_openssh().unwrap_or_default();
    Shown {
        // Without the comment, of which a host sends none.
        key: text.split(' ').take(2).collect::<Vec<_>>().join(" "),
        fingerprint: format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256)),
        state,
    }
}

/// Returns the kinds that a host is asked for, one after the other.
fn kinds() -> [Vec<Algorithm>; 5] {
    let ecdsa = |curve| vec![Algorithm::Ecdsa { curve }];
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    [
        vec![Algorithm::Ed25519],
        ecdsa(EcdsaCurve::NistP256),
        ecdsa(EcdsaCurve::NistP384),
        ecdsa(EcdsaCurve::NistP521),
        vec![rsa(HashAlg::Sha512), rsa(HashAlg::Sha256)],
    ]
}
