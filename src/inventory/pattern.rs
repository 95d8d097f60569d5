//! Host patterns: `web*:!web3,db[0]`, for `--limit` and the `hosts` of a plan.
//!
//! This is Ansible's language. Parts are joined by `,` or `:`. `!` removes hosts, `&` keeps only those of
//! its part, and both apply after all other parts, wherever they are. A part is a group or host, a glob,
//! or a regular expression after `~`. `[0]`, `[-1]` and `[0:2]` (both ends included) select from its
//! hosts, in the order of the group.
//!
//! Differences: an unknown name is an error, not a warning; hosts are in the order of the inventory; a
//! name of both a group and a host is the group; `web[01:20]` is a range of names unless `web` is a group
//! or host. Files of names (`@FILE`) are not supported.

use indexmap::IndexSet;

use crate::diagnostic::nearest;
use crate::inventory::{HostName, Inventory, ranges};
use crate::regexes;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A name is not a host or group, or a glob or expression matches none.
    #[error("{}", unknown(.part, .near.as_deref()))]
    Unknown { part: String, near: Option<String> },
    #[error("invalid host pattern `{part}`: {why}")]
    Malformed { part: String, why: String },
    #[error("`{part}` is out of range: `{base}` has {count} hosts")]
    OutOfRange {
        part: String,
        /// The part without its index.
        base: String,
        count: usize,
    },
}

fn unknown(part: &str, near: Option<&str>) -> String {
    let glob = part.starts_with('~') || part.contains(['*', '?', '[']);
    match near {
        _ if glob => format!("no host or group matches `{part}`"),
        Some(near) => {
            format!("no host or group named `{part}` in the inventory; did you mean `{near}`?")
        }
        None if part == "localhost" => "`localhost` is not in the inventory; add it there with \
             `planrun_connection: local`"
            .to_owned(),
        None => format!("no host or group named `{part}` in the inventory"),
    }
}

impl PatternError {
    pub fn part(&self) -> &str {
        match self {
            Self::Unknown { part, .. }
            | Self::Malformed { part, .. }
            | Self::OutOfRange { part, .. } => part,
        }
    }
}

/// Returns the hosts of a pattern, in the order of the inventory.
///
/// There may be none: `a:&b` of two groups without a common host is valid.
pub fn resolve(pattern: &str, inventory: &Inventory) -> Result<Vec<HostName>, PatternError> {
    let parts = split(pattern, inventory)?;
    let mut added: Option<Hosts<'_>> = None;
    let mut kept: Vec<Hosts<'_>> = Vec::new();
    let mut taken: Hosts<'_> = IndexSet::new();
    for part in &parts {
        if let Some(part) = part.strip_prefix('!') {
            taken.extend(excluded(part, inventory)?);
        } else if let Some(part) = part.strip_prefix('&') {
            kept.push(one(part, inventory)?);
        } else {
            let hosts = one(part, inventory)?;
            added.get_or_insert_default().extend(hosts);
        }
    }
    let chosen = |host: &&HostName| {
        // Without a part that adds hosts, it starts with all of them.
        added.as_ref().is_none_or(|added| added.contains(*host))
            && kept.iter().all(|kept| kept.contains(*host))
            && !taken.contains(*host)
    };
    Ok(inventory.hosts.keys().filter(chosen).cloned().collect())
}

/// Hosts in the order of the part of the pattern.
type Hosts<'a> = IndexSet<&'a HostName>;

fn split(pattern: &str, inventory: &Inventory) -> Result<Vec<String>, PatternError> {
    let mut parts = Vec::new();
    for piece in pattern.split(',') {
        let piece = piece.trim();
        let name = piece.trim_start_matches(['!', '&']);
        let whole = inventory.hosts.contains_key(&HostName::new(name))
            || name.starts_with('~') && pattern.contains(',')
            || is_address(name);
        if whole {
            parts.push(piece.to_owned());
        } else {
            split_at_colons(piece, &mut parts)?;
        }
    }
    if parts.is_empty() {
        return Err(PatternError::Malformed { part: pattern.to_owned(), why: "empty".to_owned() });
    }
    Ok(parts)
}

/// Whether a name is an IPv6 address, possibly with ranges.
fn is_address(name: &str) -> bool {
    name.contains(':')
        && ranges::expand_ranges(name)
            .is_ok_and(|names| names.first().is_some_and(|name| ranges::is_ipv6(name)))
}

/// Splits at colons and white space outside of brackets.
fn split_at_colons(piece: &str, parts: &mut Vec<String>) -> Result<(), PatternError> {
    let mut inside = false;
    let mut part = String::new();
    for character in piece.chars() {
        match character {
            '[' if !inside => inside = true,
            ']' if inside => inside = false,
            ']' => return Err(brackets(piece)),
            _ => {}
        }
        if !inside && (character == ':' || character.is_whitespace()) {
            parts.extend(Some(std::mem::take(&mut part)).filter(|part| !part.is_empty()));
        } else {
            part.push(character);
        }
    }
    if inside {
        return Err(brackets(piece));
    }
    parts.extend(Some(part).filter(|part| !part.is_empty()));
    Ok(())
}

fn brackets(part: &str) -> PatternError {
    PatternError::Malformed { part: part.to_owned(), why: "unbalanced brackets".to_owned() }
}

/// Returns the hosts of a part that removes hosts: its glob may match nothing; a name must exist.
fn excluded<'a>(part: &str, inventory: &'a Inventory) -> Result<Hosts<'a>, PatternError> {
    let glob = part.starts_with('~') || part.contains(['*', '?']);
    match one(part, inventory) {
        Err(PatternError::Unknown { .. }) if glob => Ok(IndexSet::new()),
        result => result,
    }
}

fn one<'a>(part: &str, inventory: &'a Inventory) -> Result<Hosts<'a>, PatternError> {
    let malformed =
        |why: &str| PatternError::Malformed { part: part.to_owned(), why: why.to_owned() };
    if part.is_empty() {
        return Err(malformed("missing name after `:`, `!` or `&`"));
    }
    if part.starts_with('@') {
        return Err(malformed("files of names are not supported"));
    }
    if part.starts_with(['!', '&']) {
        return Err(malformed("duplicate `!` or `&`"));
    }
    if !part.starts_with('~')
        && let Some((base, index)) = subscript(part)
    {
        let of_base = matches(base, inventory).map_err(|why| malformed(&why))?;
        if !of_base.is_empty() || inventory.groups.contains_key(base) {
            return picked(part, base, index, &of_base);
        }
        if let Index::One(_) = index {
            // As a glob it would match hosts that were not meant.
            return Err(missing(base, inventory));
        }
        let names = ranges::expand_ranges(part).map_err(|why| malformed(&why))?;
        return names.iter().map(|name| known(name, inventory)).collect();
    }
    if let Some((base, from, to)) = old_slice(part) {
        return Err(malformed(&format!("write a slice as `{base}[{from}:{to}]`")));
    }
    let hosts = matches(part, inventory).map_err(|why| malformed(&why))?;
    if hosts.is_empty() && !inventory.groups.contains_key(part) {
        return Err(missing(part, inventory));
    }
    Ok(hosts)
}

/// Returns a host, which must exist.
fn known<'a>(name: &str, inventory: &'a Inventory) -> Result<&'a HostName, PatternError> {
    let host = inventory.hosts.get_key_value(&HostName::new(name));
    host.map(|(host, _)| host).ok_or_else(|| missing(name, inventory))
}

fn missing(part: &str, inventory: &Inventory) -> PatternError {
    let hosts = inventory.hosts.keys().map(HostName::as_str);
    let groups = inventory.groups.keys().map(String::as_str);
    PatternError::Unknown {
        part: part.to_owned(),
        near: nearest(part, groups.chain(hosts)).map(str::to_owned),
    }
}

/// The brackets after a part.
#[derive(Clone, Copy)]
enum Index {
    /// One host, counted from 0, or from the end if negative.
    One(i64),
    /// From one host to another, both included; to the last if there is no end.
    Slice(usize, Option<usize>),
}

/// Splits `base[index]`; `None` if the brackets contain something else.
fn subscript(part: &str) -> Option<(&str, Index)> {
    let (base, index) = part.strip_suffix(']')?.rsplit_once('[')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let index = match index.split_once(':') {
        Some((from, to)) if digits(from) && !from.is_empty() && digits(to) => {
            let end = (!to.is_empty()).then(|| to.parse()).transpose().ok()?;
            Index::Slice(from.parse().ok()?, end)
        }
        None if digits(index.strip_prefix('-').unwrap_or(index)) => Index::One(index.parse().ok()?),
        _ => return None,
    };
    (!base.is_empty()).then_some((base, index))
}

/// Splits `base[from-to]`, which was a slice in old versions of Ansible: as a glob it would match other
/// hosts.
fn old_slice(part: &str) -> Option<(&str, &str, &str)> {
    let (base, slice) = part.strip_suffix(']')?.rsplit_once('[')?;
    let (from, to) = slice.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (!base.is_empty() && !part.starts_with('~') && digits(from) && digits(to))
        .then_some((base, from, to))
}

fn picked<'a>(
    part: &str,
    base: &str,
    index: Index,
    of_base: &Hosts<'a>,
) -> Result<Hosts<'a>, PatternError> {
    let count = of_base.len();
    let (from, to) = match index {
        Index::One(index) => {
            let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
            let at = if index < 0 { count.checked_sub(distance) } else { Some(distance) };
            let at = at.unwrap_or(count);
            (at, at)
        }
        Index::Slice(from, to) => (from, to.unwrap_or(usize::MAX)),
    };
    let to = to.min(count.saturating_sub(1));
    match of_base.get_range(from..to.saturating_add(1)) {
        Some(hosts) if !hosts.is_empty() => Ok(hosts.iter().copied().collect()),
        _ => Err(PatternError::OutOfRange { part: part.to_owned(), base: base.to_owned(), count }),
    }
}

/// Returns the hosts of all groups that a name, glob or expression matches, and the hosts it matches,
/// if it is more than a name or there is no such group.
fn matches<'a>(part: &str, inventory: &'a Inventory) -> Result<Hosts<'a>, String> {
    if part == "all" || part == "*" {
        let all = inventory.groups.get("all").into_iter().flatten();
        return Ok(all.chain(inventory.hosts.keys()).collect());
    }
    if !part.starts_with('~') && !part.contains(['*', '?', '[']) {
        if let Some(members) = inventory.groups.get(part) {
            return Ok(members.iter().collect());
        }
        let host = inventory.hosts.get_key_value(&HostName::new(part));
        return Ok(host.into_iter().map(|(host, _)| host).collect());
    }
    let regex = match part.strip_prefix('~') {
        Some(expression) => regexes::compile(&format!("^(?:{expression})"))?,
        None => regexes::compile(&glob(part))?,
    };
    let groups = inventory.groups.iter();
    let groups = groups.filter(|(name, _)| regex.is_match(name));
    let mut hosts: Hosts<'a> = groups.flat_map(|(_, members)| members).collect();
    let named = inventory.hosts.keys();
    hosts.extend(named.filter(|host| regex.is_match(host.as_str())));
    Ok(hosts)
}

/// Converts a shell glob to a regular expression, as Python's `fnmatch` does.
fn glob(pattern: &str) -> String {
    let mut expression = String::from("^(?s:");
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => match class(rest) {
                Some((inside, behind)) => {
                    expression.push_str(&inside);
                    rest = behind;
                }
                None => expression.push_str("\\["),
            },
            other => expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push_str(")$");
    expression
}

/// Converts a character class; a `]` that comes first belongs to it.
fn class(rest: &str) -> Option<(String, &str)> {
    let negated = rest.starts_with('!');
    let inside = &rest[usize::from(negated)..];
    let skipped = usize::from(inside.starts_with(']'));
    let close = skipped + inside[skipped..].find(']')?;
    let mut class = String::from(if negated { "[^" } else { "[" });
    for character in inside[..close].chars() {
        if matches!(character, '\\' | '[' | ']' | '^' | '&' | '~') {
            class.push('\\');
        }
        class.push(character);
    }
    class.push(']');
    Some((class, &inside[close + 1..]))
}
