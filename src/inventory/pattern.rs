//! Host patterns: `web*:!web3,db[0]`, for `--limit` and the `hosts` of a plan.
//!
//! Ansible's language: parts are joined by `,` or `:`, `!` takes hosts away, `&` keeps only those
//! of the part, and both act after all others, wherever they stand. A part is a group or a host, a
//! glob, or a regular expression behind `~`; `[0]`, `[-1]` and `[0:2]` (both ends included) pick
//! from its hosts. What differs: a name that is not there is a fault and not a remark, hosts come
//! in the order of the inventory, and `web[01:20]` is a range of names where `web` is not itself a
//! group or a host. Files of names (`@FILE`) are not read.

use std::collections::HashSet;

use regex::Regex;
use regex::RegexBuilder;

use crate::diagnostic::nearest;
use crate::inventory::HostName;
use crate::inventory::Inventory;
use crate::inventory::ranges;

/// Largest compiled regular expression, in bytes.
const MAX_REGEX: usize = 1024 * 1024;

/// Why a pattern stands for no hosts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A name is neither a host nor a group, or a glob or expression matches none.
    #[error("{}", unknown(.part, .near.as_deref()))]
    Unknown {
        /// The part of the pattern.
        part: String,
        /// The name that was probably meant.
        near: Option<String>,
    },
    /// A part cannot be read.
    #[error("`{part}` is no host pattern: {why}")]
    Malformed {
        /// The part of the pattern.
        part: String,
        /// What is wrong with it.
        why: String,
    },
    /// An index is beyond the hosts it picks from.
    #[error("`{part}` picks none of the {count} hosts of `{base}`")]
    OutOfRange {
        /// The part of the pattern.
        part: String,
        /// The part without its index.
        base: String,
        /// How many hosts there are.
        count: usize,
    },
}

fn unknown(part: &str, near: Option<&str>) -> String {
    let glob = part.starts_with('~') || part.contains(['*', '?', '[']);
    match near {
        _ if glob => format!("`{part}` matches no host and no group of the inventory"),
        Some(near) => {
            format!("`{part}` is no host and no group of the inventory; did you mean `{near}`?")
        }
        None if part == "localhost" => "`localhost` is not in the inventory; add it there with \
             `planrun_connection: local`"
            .to_owned(),
        None => format!("`{part}` is no host and no group of the inventory"),
    }
}

impl PatternError {
    /// Returns the part of the pattern that is at fault.
    pub fn part(&self) -> &str {
        match self {
            Self::Unknown { part, .. }
            | Self::Malformed { part, .. }
            | Self::OutOfRange { part, .. } => part,
        }
    }
}

/// Returns the hosts that a pattern stands for, in the order of the inventory.
///
/// They may be none: `a:&b` of two groups without a common host is no fault.
pub fn resolve(pattern: &str, inventory: &Inventory) -> Result<Vec<HostName>, PatternError> {
    let parts = split(pattern, inventory)?;
    let mut added: Option<Hosts<'_>> = None;
    let mut kept: Vec<Hosts<'_>> = Vec::new();
    let mut taken: Hosts<'_> = HashSet::new();
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
        // Without a part that adds there are all hosts to begin with.
        added.as_ref().is_none_or(|added| added.contains(host))
            && kept.iter().all(|kept| kept.contains(host))
            && !taken.contains(host)
    };
    Ok(inventory.hosts.keys().filter(chosen).cloned().collect())
}

type Hosts<'a> = HashSet<&'a HostName>;

/// Splits a pattern into its parts.
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
        return Err(PatternError::Malformed {
            part: pattern.to_owned(),
            why: "it is empty".to_owned(),
        });
    }
    Ok(parts)
}

/// Whether a name is an IPv6 address, perhaps with ranges.
fn is_address(name: &str) -> bool {
    name.contains(':')
        && ranges::expand_ranges(name)
            .is_ok_and(|names| names.first().is_some_and(|name| ranges::is_ipv6(name)))
}

/// Splits at colons and blanks that are not in brackets.
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
    PatternError::Malformed {
        part: part.to_owned(),
        why: "its brackets do not match".to_owned(),
    }
}

/// Returns the hosts of a part that takes away: there a glob may match nothing, a name may not.
fn excluded<'a>(part: &str, inventory: &'a Inventory) -> Result<Hosts<'a>, PatternError> {
    let glob = part.starts_with('~') || part.contains(['*', '?']);
    match one(part, inventory) {
        Err(PatternError::Unknown { .. }) if glob => Ok(HashSet::new()),
        result => result,
    }
}

/// Returns the hosts of one part.
fn one<'a>(part: &str, inventory: &'a Inventory) -> Result<Hosts<'a>, PatternError> {
    let malformed = |why: &str| PatternError::Malformed {
        part: part.to_owned(),
        why: why.to_owned(),
    };
    if part.is_empty() {
        return Err(malformed("a name is missing"));
    }
    if part.starts_with('@') {
        return Err(malformed("files of names are not read"));
    }
    if part.starts_with(['!', '&']) {
        return Err(malformed("one `!` or `&` is enough"));
    }
    if let Some((host, _)) = inventory.hosts.get_key_value(&HostName::new(part)) {
        return Ok(HashSet::from([host]));
    }
    if !part.starts_with('~')
        && let Some((base, index)) = subscript(part)
    {
        let of_base = matches(base, inventory).map_err(|why| malformed(&why))?;
        if !of_base.is_empty() || inventory.groups.contains_key(base) {
            return picked(part, base, index, &of_base, inventory);
        }
        if let Index::Slice(..) = index {
            let names = ranges::expand_ranges(part).map_err(|why| malformed(&why))?;
            return names.iter().map(|name| known(name, inventory)).collect();
        }
    }
    let hosts = matches(part, inventory).map_err(|why| malformed(&why))?;
    if hosts.is_empty() && !inventory.groups.contains_key(part) {
        return Err(missing(part, inventory));
    }
    Ok(hosts)
}

/// Returns a host that must be there.
fn known<'a>(name: &str, inventory: &'a Inventory) -> Result<&'a HostName, PatternError> {
    let host = inventory.hosts.get_key_value(&HostName::new(name));
    host.map(|(host, _)| host)
        .ok_or_else(|| missing(name, inventory))
}

fn missing(part: &str, inventory: &Inventory) -> PatternError {
    let hosts = inventory.hosts.keys().map(HostName::as_str);
    let groups = inventory.groups.keys().map(String::as_str);
    PatternError::Unknown {
        part: part.to_owned(),
        near: nearest(part, groups.chain(hosts)).map(str::to_owned),
    }
}

/// What stands in brackets behind a part.
#[derive(Clone, Copy)]
enum Index {
    /// One host, counted from 0, or from the end with a minus.
    One(i64),
    /// From one host to another, both included; to the last where there is no end.
    Slice(usize, Option<usize>),
}

/// Splits `base[index]`; `None` where the brackets hold something else.
fn subscript(part: &str) -> Option<(&str, Index)> {
    let (base, index) = part.strip_suffix(']')?.rsplit_once('[')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let index = match index.split_once(':') {
        Some((from, to)) if digits(from) && !from.is_empty() && digits(to) => {
            let end = (!to.is_empty()).then(|| to.parse()).transpose().ok()?;
            Index::Slice(from.parse().ok()?, end)
        }
        Some(_) => return None,
        None if digits(index.strip_prefix('-').unwrap_or(index)) => Index::One(index.parse().ok()?),
        None => return None,
    };
    (!base.is_empty()).then_some((base, index))
}

fn picked<'a>(
    part: &str,
    base: &str,
    index: Index,
    of_base: &Hosts<'a>,
    inventory: &'a Inventory,
) -> Result<Hosts<'a>, PatternError> {
    let keys = inventory.hosts.keys();
    let ordered: Vec<&HostName> = keys.filter(|host| of_base.contains(host)).collect();
    let count = ordered.len();
    let (from, to) = match index {
        Index::One(index) => {
            let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
            let at = if index < 0 {
                count.checked_sub(distance)
            } else {
                Some(distance)
            };
            let at = at.unwrap_or(count);
            (at, at)
        }
        Index::Slice(from, to) => (from, to.unwrap_or(usize::MAX)),
    };
    let to = to.min(count.saturating_sub(1));
    match ordered.get(from..=to) {
        Some(hosts) if !hosts.is_empty() => Ok(hosts.iter().copied().collect()),
        _ => Err(PatternError::OutOfRange {
            part: part.to_owned(),
            base: base.to_owned(),
            count,
        }),
    }
}

/// Returns the hosts of all groups that a name, glob or expression matches; and the hosts it
/// matches, where it is more than a name or there is no such group. `Err` says what is wrong.
fn matches<'a>(part: &str, inventory: &'a Inventory) -> Result<Hosts<'a>, String> {
    if part == "all" || part == "*" {
        return Ok(inventory.hosts.keys().collect());
    }
    if !part.starts_with('~') && !part.contains(['*', '?', '[']) {
        if let Some(members) = inventory.groups.get(part) {
            return Ok(members.iter().collect());
        }
        let host = inventory.hosts.get_key_value(&HostName::new(part));
        return Ok(host.into_iter().map(|(host, _)| host).collect());
    }
    let regex = match part.strip_prefix('~') {
        Some(expression) => compile(&format!("^(?:{expression})"))?,
        None => compile(&glob(part))?,
    };
    let groups = inventory.groups.iter();
    let groups = groups.filter(|(name, _)| regex.is_match(name));
    let mut hosts: Hosts<'a> = groups.flat_map(|(_, members)| members).collect();
    let named = inventory.hosts.keys();
    hosts.extend(named.filter(|host| regex.is_match(host.as_str())));
    Ok(hosts)
}

fn compile(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression)
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the expression is too large".to_owned(),
            // The first lines draw the expression; the last one names the fault.
            other => {
                let text = other.to_string();
                let last = text.lines().next_back().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        })
}

/// Translates a shell glob to an expression, as Python's `fnmatch` does.
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

/// Translates a character class; a `]` that comes first belongs to it.
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

#[cfg(test)]
mod tests {
    use super::resolve;
    use crate::diagnostic::Diagnostics;
    use crate::inventory::Inventory;
    use crate::inventory::read::read;
    use crate::source::Sources;

    /// Reads web1 to web4, db1 and db2, a lone host and an address, in this order.
    fn inventory() -> Inventory {
        let text = "lone\n2001:db8::7\n[web]\nweb[1:4]\n[db]\ndb[1:2].example.org\n\
                    [prod]\nweb2\ndb1.example.org\n[none:children]\nvoid\n[void]\n\
                    [site:children]\nweb\ndb\n";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hosts.ini");
        std::fs::write(&path, text).unwrap();
        let mut found = Diagnostics::default();
        read(&path, "hosts.ini", &mut Sources::default(), &mut found).unwrap()
    }

    #[track_caller]
    fn check(pattern: &str, expected: &str) {
        let shown = match resolve(pattern, &inventory()) {
            Ok(hosts) => {
                let names: Vec<&str> = hosts.iter().map(super::HostName::as_str).collect();
                names.join(" ").replace(".example.org", "")
            }
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(shown, expected, "{pattern}");
    }

    #[test]
    fn names_and_groups_stand_for_their_hosts() {
        check("web3", "web3");
        check("web", "web1 web2 web3 web4");
        check("site", "web1 web2 web3 web4 db1 db2");
        check("all", "lone 2001:db8::7 web1 web2 web3 web4 db1 db2");
        check("*", "lone 2001:db8::7 web1 web2 web3 web4 db1 db2");
        check("ungrouped", "lone 2001:db8::7");
        check("none", "");
    }

    #[test]
    fn unions_are_in_the_order_of_the_inventory_and_without_repetition() {
        check("db,web3,web3,lone", "lone web3 db1 db2");
        check("db:web3 : lone", "lone web3 db1 db2");
        check("web3,db:lone", "lone web3 db1 db2");
    }

    #[test]
    fn exclusion_and_intersection_act_after_everything_else() {
        check("web:!web3", "web1 web2 web4");
        check("!web3:web", "web1 web2 web4");
        check("web:&prod", "web2");
        check("&prod,web,db,!web2", "db1");
        check("!web", "lone 2001:db8::7 db1 db2");
        check("web:&db", "");
        check("web,!nothing*", "web1 web2 web3 web4");
    }

    #[test]
    fn globs_match_hosts_and_groups() {
        check("web*", "web1 web2 web3 web4");
        check("*.example.org", "db1 db2");
        check("web?", "web1 web2 web3 web4");
        check("we[a-c][!13]*", "web2 web4");
        // A number in brackets at the end is an index, as in Ansible.
        check("we[a-c][1]", "web2");
        check("web[!2-4]", "web1");
        check("d*", "db1 db2");
        check("pr*", "web2 db1");
    }

    #[test]
    fn expressions_match_from_the_beginning() {
        check("~web[13]", "web1 web3");
        check("~.*2", "2001:db8::7 web2 db2");
        check(
            "~eb",
            "error: `~eb` matches no host and no group of the inventory",
        );
        check("~web(1|2),lone", "lone web1 web2");
        check("~(", "error: `~(` is no host pattern: unclosed group");
        check(
            "~(a{1000}){1000}",
            "error: `~(a{1000}){1000}` is no host pattern: the expression is too large",
        );
    }

    #[test]
    fn an_index_picks_from_the_hosts_of_a_group() {
        check("web[0]", "web1");
        check("web[-1]", "web4");
        check("web[1:2]", "web2 web3");
        check("web[2:]", "web3 web4");
        check("web[2:99]", "web3 web4");
        check("site[-1],!web[0]", "db2");
        check("web*[0]", "web1");
        check(
            "web[4]",
            "error: `web[4]` picks none of the 4 hosts of `web`",
        );
        check(
            "web[-5]",
            "error: `web[-5]` picks none of the 4 hosts of `web`",
        );
        check(
            "web[4:9]",
            "error: `web[4:9]` picks none of the 4 hosts of `web`",
        );
        check(
            "void[0]",
            "error: `void[0]` picks none of the 0 hosts of `void`",
        );
    }

    #[test]
    fn a_range_of_names_is_one_where_the_base_is_no_group() {
        check(
            "we[0:1]",
            "error: `we0` is no host and no group of the inventory; did you mean `web`?",
        );
        check("db[1:2].example.org", "db1 db2");
        check("lone[0:0]", "lone");
    }

    #[test]
    fn addresses_with_colons_stay_whole() {
        check("2001:db8::7", "2001:db8::7");
        check("2001:db8::7,lone", "lone 2001:db8::7");
        check("all,!2001:db8::7,!site", "lone");
        check("2001:db8::[7:7]", "2001:db8::7");
    }

    #[test]
    fn unknown_names_are_faults_even_where_they_take_away() {
        check(
            "wbe",
            "error: `wbe` is no host and no group of the inventory; did you mean `web`?",
        );
        check(
            "web:!wbe3",
            "error: `wbe3` is no host and no group of the inventory; did you mean `web3`?",
        );
        check(
            "web:&proud",
            "error: `proud` is no host and no group of the inventory; did you mean `prod`?",
        );
        check(
            "nothing*",
            "error: `nothing*` matches no host and no group of the inventory",
        );
        check(
            "localhost",
            "error: `localhost` is not in the inventory; add it there with `planrun_connection: local`",
        );
    }

    #[test]
    fn malformed_patterns_are_told() {
        check("", "error: `` is no host pattern: it is empty");
        check(" , ", "error: ` , ` is no host pattern: it is empty");
        check(
            "web[",
            "error: `web[` is no host pattern: its brackets do not match",
        );
        check(
            "web]",
            "error: `web]` is no host pattern: its brackets do not match",
        );
        check("web:!", "error: `` is no host pattern: a name is missing");
        check(
            "!!web",
            "error: `!web` is no host pattern: one `!` or `&` is enough",
        );
        check(
            "@file",
            "error: `@file` is no host pattern: files of names are not read",
        );
    }
}
