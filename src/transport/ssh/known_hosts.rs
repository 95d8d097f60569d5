//! Which keys a host may show, by the files of known hosts.
//!
//! The files are read by us, not by the SSH library, which knows no `@revoked`, no wildcards, no
//! negation and no tabs. The rules are OpenSSH's (`sshd(8)`, on its file format): names
//! are compared in lower case; a port other than 22 is looked up as `[host]:port`, and if that has
//! no key, as `host` alone; a revoked key is refused even if another line lists it. A line that cannot
//! be read is skipped, unless it revokes.
//!
//! In goes the text of the files, out come [`HostKeys`]. Not here: host certificates. A
//! `@cert-authority` line is recognized, so that the message about a refused host can name it.

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::PublicKey;
use russh::keys::ssh_key::known_hosts::HostPatterns;
use sha1::Sha1;

/// A key and its line, as `FILE:LINE`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    pub(super) key: PublicKey,
    pub(super) at: String,
}

/// The entries of the files for a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HostKeys {
    /// The keys it may show, revoked ones left out.
    pub(super) trusted: Vec<Listed>,
    /// The keys that are refused.
    pub(super) revoked: Vec<Listed>,
    /// The lines of authorities that vouch for it.
    pub(super) authorities: Vec<String>,
}

/// A line that revokes a key for the host, which cannot be read: nothing can be trusted then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the key that {0} revokes")]
pub(super) struct UnreadableRevocation(pub(super) String);

/// Looks a host up in the texts of files, each with its name.
pub(super) fn search(
    texts: &[(String, String)],
    address: &str,
    port: u16,
) -> Result<HostKeys, UnreadableRevocation> {
    let bare = address.to_lowercase();
    if port == 22 {
        return search_name(texts, &bare);
    }
    let mut keys = search_name(texts, &format!("[{bare}]:{port}"))?;
    let by_name = search_name(texts, &bare)?;
    keys.revoked.extend(by_name.revoked);
    if keys.trusted.is_empty() && keys.authorities.is_empty() {
        keys.trusted = by_name.trusted;
        keys.authorities = by_name.authorities;
    }
    drop_revoked(&mut keys);
    Ok(keys)
}

fn search_name(texts: &[(String, String)], name: &str) -> Result<HostKeys, UnreadableRevocation> {
    let mut found = HostKeys::default();
    for (file, text) in texts {
        for (number, line) in text.lines().enumerate() {
            let at = format!("{file}:{}", number + 1);
            read_line(line, name, at, &mut found)?;
        }
    }
    drop_revoked(&mut found);
    Ok(found)
}

fn drop_revoked(keys: &mut HostKeys) {
    let HostKeys { trusted, revoked, .. } = keys;
    trusted.retain(|listed| !revoked.iter().any(|other| other.key == listed.key));
}

fn read_line(
    line: &str,
    name: &str,
    at: String,
    found: &mut HostKeys,
) -> Result<(), UnreadableRevocation> {
    let mut fields = line.split_whitespace().peekable();
    let marker = fields.next_if(|field| field.starts_with('@'));
    let Some(patterns) = fields.next().filter(|field| !field.starts_with('#')) else {
        return Ok(());
    };
    if !matches(patterns, name) {
        return Ok(());
    }
    let key = match (fields.next(), fields.next()) {
        (Some(kind), Some(key)) => PublicKey::from_openssh(&format!("{kind} {key}")).ok(),
        _ => None,
    };
    match (marker, key) {
        (None, Some(key)) => found.trusted.push(Listed { key, at }),
        (Some("@revoked"), Some(key)) => found.revoked.push(Listed { key, at }),
        (Some("@revoked"), None) => return Err(UnreadableRevocation(at)),
        (Some("@cert-authority"), Some(_)) => found.authorities.push(at),
        _ => {}
    }
    Ok(())
}

/// Whether the first field of a line matches a name.
fn matches(patterns: &str, name: &str) -> bool {
    if patterns.starts_with('|') {
        let Ok(HostPatterns::HashedName { salt, hash }) = patterns.parse() else { return false };
        return Hmac::<Sha1>::new_from_slice(&salt)
            .is_ok_and(|hmac| hmac.chain_update(name).verify_slice(&hash).is_ok());
    }
    let mut matched = false;
    for pattern in patterns.to_lowercase().split(',') {
        if let Some(pattern) = pattern.strip_prefix('!') {
            if glob(pattern.as_bytes(), name.as_bytes()) {
                return false;
            }
        } else {
            matched |= glob(pattern.as_bytes(), name.as_bytes());
        }
    }
    matched
}

/// Matches with `*` and `?`, in linear memory and quadratic time.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // Whether the pattern so far matches so many bytes of the text.
    let mut matched = vec![false; text.len() + 1];
    matched[0] = true;
    for &wanted in pattern {
        if wanted == b'*' {
            let first = matched.iter().position(|&is| is);
            matched[first.unwrap_or(text.len() + 1)..].fill(true);
            continue;
        }
        for (at, &byte) in text.iter().enumerate().rev() {
            matched[at + 1] = matched[at] && (wanted == b'?' || wanted == byte);
        }
        matched[0] = false;
    }
    matched[text.len()]
}
