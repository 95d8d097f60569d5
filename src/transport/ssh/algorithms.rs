//! The algorithms of a connection: those of the library, in an order of our own, less those that
//! OpenSSH's configuration excludes.

use std::time::Duration;

use russh::client::Config;
use russh::keys::Algorithm;
use russh::{AlgorithmKind, Preferred, cipher, kex, mac};

use super::settings::Settings;

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

/// Returns how connections are made; `kinds` narrows the host keys that are accepted.
pub(super) fn config(settings: &Settings, kinds: Option<Vec<Algorithm>>) -> Config {
    let set = &settings.algorithms;
    let mut exchanges = Preferred::DEFAULT.kex.to_vec();
    let groups = exchanges.iter().position(|name| *name == kex::DH_GEX_SHA256).unwrap_or(0);
    exchanges.splice(groups..groups, ELLIPTIC);
    let mut preferred = Preferred {
        cipher: CIPHERS.to_vec().into(),
        mac: [&*Preferred::DEFAULT.mac, &OLD_MACS].concat().into(),
        ..Preferred::DEFAULT
    };
    if let Some(set) = &set.kex {
        // Of these names not all are exchanges: they announce extensions.
        exchanges.retain(|name| set.contains(name) || is_extension(*name));
        exchanges.sort_by_key(|name| set.iter().position(|set| set == name));
    }
    preferred.kex = exchanges.into();
    if let Some(set) = &set.cipher {
        preferred.cipher = set.clone().into();
    }
    if let Some(set) = &set.mac {
        preferred.mac = set.clone().into();
    }
    if let Some(kinds) = kinds {
        preferred.key = kinds.into();
    }
    let (interval, most) = settings.alive.unwrap_or((KEEPALIVE, 3));
    Config {
        nodelay: true,
        keepalive_interval: Some(interval),
        keepalive_max: most,
        inactivity_timeout: None,
        preferred,
        ..Config::default()
    }
}

/// Whether this name announces an extension of the protocol.
fn is_extension(name: kex::Name) -> bool {
    name.as_ref().starts_with("ext-info-") || name.as_ref().starts_with("kex-strict-")
}

/// Returns why two sides cannot talk to each other.
pub(super) fn incompatible(
    at: &str,
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
    if ours.is_empty() {
        return format!("planrun has no {what} of those that the ssh configuration sets");
    }
    let names = |names: &[String]| {
        let mut named = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>();
        if names.len() > MAX_NAMES {
            named.push("...");
        }
        named.join(", ")
    };
    format!(
        "{at} and planrun have no {what} in common; the server accepts only {}. Enable one of \
         these on the server: {}",
        names(theirs),
        names(ours)
    )
}
