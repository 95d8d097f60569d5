//! The key of a host: which keys are trusted, and the message if it shows another one.
//!
//! Strict: nothing is trusted at first sight. The connection itself is made with exactly one key
//! ([`super::connect`]); this file finds the candidates, and after a refusal asks the host which key
//! it shows (a handshake that ends before anyone logs in), so that the message can name it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::client;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::known_hosts::{HostKeys, Listed};
use super::{SshOptions, connect, files, known_hosts};
use crate::inventory::Link;

/// Reads the entries for a host from the files of known hosts. An error is a problem on this machine.
pub(super) async fn known(link: &Link, options: &SshOptions) -> Result<HostKeys, String> {
    let mut texts = Vec::new();
    for path in places(link, options) {
        let shown = path.display().to_string();
        match files::read(&path).await {
            Ok(text) => texts.push((shown, text)),
            Err(error) if error.kind() == ErrorKind::NotFound && link.known_hosts.is_none() => {}
            Err(error) => {
                return Err(format!("cannot read the known_hosts file {shown}: {error}"));
            }
        }
    }
    // Hashed names take a while in a large file, and other hosts are not to wait for that.
    let (address, port) = (link.address.clone(), port(link));
    let search = move || known_hosts::search(&texts, &address, port);
    match spawn_blocking(search).await {
        Ok(found) => found.map_err(|error| error.to_string()),
        Err(error) => Err(format!("cannot search the known_hosts files: {error}")),
    }
}

fn places(link: &Link, options: &SshOptions) -> Vec<PathBuf> {
    if let Some(file) = &link.known_hosts {
        let in_home = file.strip_prefix("~/").zip(options.home.as_ref());
        return vec![in_home.map_or_else(|| PathBuf::from(file), |(rest, home)| home.join(rest))];
    }
    let mut places = Vec::new();
    if let Some(home) = &options.home {
        places.extend(["known_hosts", "known_hosts2"].map(|name| home.join(".ssh").join(name)));
    }
    places.extend(
        ["known_hosts", "known_hosts2"].map(|name| PathBuf::from(format!("/etc/ssh/ssh_{name}"))),
    );
    places
}

pub(super) fn port(link: &Link) -> u16 {
    link.port.unwrap_or(22)
}

/// Returns the names under which a key can prove itself in a handshake, none for kinds that are not
/// supported here (DSA, keys on tokens). SHA-1 signatures are not accepted.
pub(super) fn algorithms(key: &PublicKey) -> Vec<Algorithm> {
    match key.algorithm() {
        Algorithm::Rsa { .. } => [HashAlg::Sha512, HashAlg::Sha256]
            .map(|hash| Algorithm::Rsa { hash: Some(hash) })
            .to_vec(),
        kind @ (Algorithm::Ed25519 | Algorithm::Ecdsa { .. }) => vec![kind],
        _ => Vec::new(),
    }
}

/// Orders candidates as a handshake prefers their kinds; within a kind, they stay in the order of their file.
pub(super) fn candidates(keys: &HostKeys) -> Vec<Listed> {
    let rank = |listed: &Listed| match listed.key.algorithm() {
        Algorithm::Ed25519 => 0,
        Algorithm::Ecdsa { .. } => 1,
        _ => 2,
    };
    let mut candidates: Vec<Listed> = Vec::new();
    for listed in &keys.trusted {
        let new = candidates.iter().all(|known| known.key != listed.key);
        if new && !algorithms(&listed.key).is_empty() {
            candidates.push(listed.clone());
        }
    }
    candidates.sort_by_key(rank);
    candidates
}

/// Returns why a host that shows `shown` is not trusted.
pub(super) fn refusal(link: &Link, keys: &HostKeys, shown: Option<&PublicKey>) -> String {
    let check =
        format!("check it over a trusted path (`ssh-keyscan -p {} {}`)", port(link), link.address);
    let fingerprint = fingerprint(shown);
    let at = |listed: &[Listed]| {
        let places: Vec<&str> = listed.iter().map(|listed| listed.at.as_str()).collect();
        places.join(", ")
    };
    let is_shown = |listed: &&Listed| Some(&listed.key) == shown;
    if let Some(revoked) = keys.revoked.iter().find(is_shown) {
        return format!("its key {fingerprint} is revoked by {}", revoked.at);
    }
    if !keys.trusted.is_empty() {
        return format!(
            "it shows {fingerprint}, but {} has another key. The host was reinstalled, or someone \
             intercepts the connection: {check}, then replace the line",
            at(&keys.trusted)
        );
    }
    if !keys.revoked.is_empty() {
        return format!(
            "it shows {fingerprint}, and {} only revokes: {check}, then add its key",
            at(&keys.revoked)
        );
    }
    if !keys.authorities.is_empty() {
        return format!(
            "it is known only by a certificate authority ({}), and certificates are not supported \
             here: add the host's own key. It shows {fingerprint}: {check}",
            keys.authorities.join(", ")
        );
    }
    format!(
        "its host key is unknown. It shows {fingerprint}: {check}, then add it to the known hosts"
    )
}

/// Returns the error that a host shows another key than earlier in the run.
pub(super) fn changed(earlier: &str, shown: Option<&PublicKey>) -> String {
    let earlier = PublicKey::from_openssh(earlier).ok();
    format!(
        "it shows {}, and earlier in this run it showed {}. It may be another host: planrun sends \
         nothing to it, not even a rollback. If the host was reinstalled, end the run with `abort`",
        fingerprint(shown),
        fingerprint(earlier.as_ref())
    )
}

fn fingerprint(key: Option<&PublicKey>) -> String {
    key.map_or_else(
        || "a key that could not be read".to_owned(),
        |key| format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256)),
    )
}

/// Asks a host for its key, for so long, without logging in. `kinds` narrows what it may show.
pub(super) async fn shown(
    address: SocketAddr,
    patience: Duration,
    kinds: Option<Vec<Algorithm>>,
) -> Result<PublicKey, russh::Error> {
    struct Shown(Arc<Mutex<Option<PublicKey>>>);

    impl client::Handler for Shown {
        type Error = russh::Error;

        async fn check_server_key(&mut self, key: &PublicKey) -> Result<bool, russh::Error> {
            if let Ok(mut seen) = self.0.lock() {
                *seen = Some(key.clone());
            }
            Ok(false)
        }
    }

    let seen = Arc::new(Mutex::new(None));
    let handler = Shown(Arc::clone(&seen));
    let config = Arc::new(connect::config(kinds));
    let end = timeout(patience, client::connect(config, address, handler)).await;
    let seen = seen.lock().ok().and_then(|mut seen| seen.take());
    match (seen, end) {
        (Some(key), _) => Ok(key),
        (None, Ok(Err(error))) => Err(error),
        (None, Ok(Ok(_))) => Err(russh::Error::UnknownKey),
        (None, Err(late)) => Err(late.into()),
    }
}
