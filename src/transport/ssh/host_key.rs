//! The key of a host: which keys are trusted, and the message if it shows another one.
//!
//! Strict: nothing is trusted at first sight. The connection itself is made in [`super::connect`]; this
//! file finds the keys that the host may show, and says why another one is refused.

use std::io::ErrorKind;
use std::path::Path;

use russh::keys::{Algorithm, HashAlg, PublicKey};
use tokio::task::spawn_blocking;

use super::known_hosts::{HostKeys, Listed};
use super::settings::Settings;
use super::{files, known_hosts};

/// Reads the entries for a host from the files of known hosts. An error is a problem on this machine.
pub(super) async fn known(settings: &Settings) -> Result<HostKeys, String> {
    let mut texts = Vec::new();
    for path in &settings.known_hosts {
        let shown = path.display().to_string();
        match files::read(path).await {
            Ok(text) => texts.push((shown, text)),
            // OpenSSH's way to have none.
            Err(_) if path == Path::new("/dev/null") => {}
            Err(error) if error.kind() == ErrorKind::NotFound && !settings.is_known_hosts_named => {
            }
            Err(error) => {
                return Err(format!("cannot read the known_hosts file {shown}: {error}"));
            }
        }
    }
    // Hashed names take a while in a large file, and other hosts are not to wait for that.
    let (name, port) = settings.known_as();
    let name = name.to_owned();
    let search = move || known_hosts::search(&texts, &name, port);
    match spawn_blocking(search).await {
        Ok(found) => found.map_err(|error| error.to_string()),
        Err(error) => Err(format!("cannot search the known_hosts files: {error}")),
    }
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

/// Returns the keys that a host may show, in the order in which a handshake prefers their kinds; within a
/// kind, they stay in the order of their file.
pub(super) fn candidates(keys: &HostKeys, settings: &Settings) -> Vec<PublicKey> {
    let set = settings.algorithms.host_key.as_deref();
    let rank = |key: &PublicKey| match (set, key.algorithm()) {
        (Some(set), _) => {
            let of_key = algorithms(key);
            set.iter().position(|kind| of_key.contains(kind)).unwrap_or(usize::MAX)
        }
        (None, Algorithm::Ed25519) => 0,
        (None, Algorithm::Ecdsa { .. }) => 1,
        (None, _) => 2,
    };
    let mut candidates: Vec<PublicKey> = Vec::new();
    for Listed { key, .. } in &keys.trusted {
        if !candidates.contains(key) && !algorithms(key).is_empty() {
            candidates.push(key.clone());
        }
    }
    candidates.sort_by_key(rank);
    candidates
}

/// Returns the kinds of keys that a host is asked for.
pub(super) fn kinds(trusted: &[PublicKey], settings: &Settings) -> Vec<Algorithm> {
    let mut kinds: Vec<Algorithm> = Vec::new();
    for kind in trusted.iter().flat_map(algorithms) {
        let is_set = settings.algorithms.host_key.as_ref().is_none_or(|set| set.contains(&kind));
        if is_set && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// Returns why a host that shows `shown` is not trusted.
pub(super) fn refusal(settings: &Settings, keys: &HostKeys, shown: Option<&PublicKey>) -> String {
    let (name, port) = settings.known_as();
    let kind = match shown.map(PublicKey::algorithm) {
        Some(Algorithm::Ecdsa { .. }) => "ecdsa",
        Some(Algorithm::Rsa { .. }) => "rsa",
        _ => "ed25519",
    };
    let check = format!(
        "compare it with what the host itself shows (`ssh-keygen -l -f \
         /etc/ssh/ssh_host_{kind}_key.pub` there)"
    );
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
    let port = if port == 22 { String::new() } else { format!(":{port}") };
    format!(
        "its host key is unknown: the known hosts have none for {name}{port}. It shows {fingerprint}: \
         {check}, then add it with `planrun hosts trust -i INVENTORY`"
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
