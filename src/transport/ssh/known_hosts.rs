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
        let Ok(HostPatterns::HashedName { salt, hash }) = patterns.parse() else {
            return false;
        };
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

/// Matches with `*` and `?`, in linear memory and at most quadratic time.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else {
                    return false;
                };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::{HostKeys, UnreadableRevocation, glob, search};

    const A: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const B: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn search_in(text: &str, address: &str, port: u16) -> HostKeys {
        search(&[("hosts".to_owned(), text.to_owned())], address, port).unwrap()
    }

    fn lines(text: &str, address: &str, port: u16) -> Vec<String> {
        let keys = search_in(text, address, port);
        keys.trusted.into_iter().map(|listed| listed.at).collect()
    }

    #[test]
    fn a_host_is_found_by_name_address_wildcard_and_behind_tabs() {
        let text = format!(
            "# comment\n\nimap1,192.0.2.7\t{A} comment\n*.example.org {B}\n  IMAP?.Example.Net {A}\n"
        );
        assert_eq!(lines(&text, "imap1", 22), ["hosts:3"]);
        assert_eq!(lines(&text, "192.0.2.7", 22), ["hosts:3"]);
        assert_eq!(lines(&text, "a.example.org", 22), ["hosts:4"]);
        assert_eq!(lines(&text, "Imap9.example.net", 22), ["hosts:5"]);
        assert!(lines(&text, "imap10.example.net", 22).is_empty());
        assert!(lines(&text, "comment", 22).is_empty());
    }

    #[test]
    fn a_negated_pattern_takes_the_host_out() {
        let text = format!("*.example.org,!bad.example.org {A}\n");
        assert_eq!(lines(&text, "good.example.org", 22), ["hosts:1"]);
        assert!(lines(&text, "bad.example.org", 22).is_empty());
    }

    #[test]
    fn a_hashed_name_is_found() {
        let text = format!(
            "|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= {A}\n|1|x|y {B}\n"
        );
        assert_eq!(lines(&text, "example.com", 22), ["hosts:1"]);
        assert!(lines(&text, "example.org", 22).is_empty());
    }

    #[test]
    fn another_port_is_looked_up_by_itself_then_by_the_name_alone() {
        let text = format!("imap1 {A}\n[imap1]:2222 {B}\n");
        assert_eq!(lines(&text, "imap1", 22), ["hosts:1"]);
        assert_eq!(lines(&text, "imap1", 2222), ["hosts:2"]);
        assert_eq!(lines(&text, "imap1", 2223), ["hosts:1"]);
    }

    #[test]
    fn a_revoked_key_is_trusted_nowhere() {
        let text = format!("imap1 {A}\nimap1 {B}\n@revoked * {A}\n");
        for port in [22, 2222] {
            let keys = search_in(&text, "imap1", port);
            assert_eq!(keys.trusted.len(), 1);
            assert_eq!(keys.trusted[0].at, "hosts:2");
            assert_eq!(keys.revoked[0].at, "hosts:3");
        }
    }

    #[test]
    fn a_revocation_that_cannot_be_read_is_not_passed_over() {
        let texts = [("hosts".to_owned(), format!("imap1 {A}\n@revoked imap1 ssh-rsa AAAA\n"))];
        assert_eq!(search(&texts, "imap1", 22), Err(UnreadableRevocation("hosts:2".to_owned())));
        assert_eq!(search(&texts, "imap2", 22), Ok(HostKeys::default()));
    }

    #[test]
    fn broken_lines_and_unknown_markers_are_passed_over() {
        let text =
            format!("imap1\nimap1 ssh-ed25519\nimap1 x y\n@new imap1 {A}\nimap1 {B}\n@revoked\n");
        assert_eq!(lines(&text, "imap1", 22), ["hosts:5"]);
    }

    #[test]
    fn an_authority_is_noticed_and_no_key() {
        let keys = search_in(&format!("@cert-authority *.example.org {A}\n"), "a.example.org", 22);
        assert!(keys.trusted.is_empty());
        assert_eq!(keys.authorities, ["hosts:1"]);
    }

    #[test]
    fn wildcards_match_as_they_say() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("**a*", "xxa", true),
            ("?", "", false),
            ("[::1]:22??", "[::1]:2222", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
