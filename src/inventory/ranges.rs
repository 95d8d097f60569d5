//! Host entries: `web[01:20].example.org`, `mail:2222`, `[2001:db8::1]:22`.
//!
//! The rules are Ansible's, with two exceptions: an empty range is an error, and so is a colon that is
//! not part of a range, a port or an IPv6 address.

use std::net::Ipv6Addr;

/// Maximum number of names of one entry.
pub(super) const MAX_NAMES: usize = 100_000;

/// Returns the names of an entry, and the port after them; `Err` has the reason if it is invalid.
pub(super) fn expand(entry: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (host, port) = split_port(entry)?;
    let names = expand_ranges(host)?;
    for name in &names {
        if name.contains(':') && !is_ipv6(name) {
            return Err(if name.ends_with(':') {
                "missing port after `:`".to_owned()
            } else {
                "unexpected `:` outside of a port or an IPv6 address".to_owned()
            });
        }
    }
    Ok((names, port))
}

/// Whether a name is an IPv6 address, with or without a zone.
pub(super) fn is_ipv6(name: &str) -> bool {
    let address = name.split_once('%').map_or(name, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

/// Splits off the port after a bracketed address, or after a name without other colons.
fn split_port(entry: &str) -> Result<(&str, Option<u16>), String> {
    let Some((head, digits)) = entry.rsplit_once(':') else { return Ok((entry, None)) };
    let bracketed = head.strip_prefix('[').and_then(|head| head.strip_suffix(']'));
    if entry.starts_with('[') && entry.ends_with(']') && is_ipv6(&entry[1..entry.len() - 1]) {
        return Err("an IPv6 address without a port must not have brackets".to_owned());
    }
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok((entry, None));
    }
    let host = match bracketed {
        Some(inner) => inner,
        None if colon_outside_brackets(head) => return Ok((entry, None)),
        None => head,
    };
    match digits.parse() {
        Ok(port) if port > 0 => Ok((host, Some(port))),
        _ => Err(format!("port {digits} is not between 1 and 65535")),
    }
}

fn colon_outside_brackets(text: &str) -> bool {
    let mut inside = false;
    text.chars().any(|character| {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        character == ':' && !inside
    })
}

/// Expands all ranges of a name; a name without ranges is returned as it is.
pub(super) fn expand_ranges(text: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = text;
    while let Some((head, range, tail)) = next_range(rest) {
        let values = values(range)?;
        if names.len().saturating_mul(values.len()) > MAX_NAMES {
            return Err(too_many());
        }
        // The rest after the last range is added to each name.
        let more = match next_range(tail) {
            Some(_) => 0,
            None => tail.len(),
        };
        let mut all = Vec::with_capacity(names.len() * values.len());
        for name in &names {
            for value in &values {
                let length = name.len() + head.len() + value.len() + more;
                let mut one = String::with_capacity(length);
                for part in [name, head, value] {
                    one.push_str(part);
                }
                all.push(one);
            }
        }
        names = all;
        rest = tail;
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok(names)
}

/// Splits at the first brackets that contain a colon.
fn next_range(text: &str) -> Option<(&str, &str, &str)> {
    let open = text.find('[')?;
    let close = open + text[open..].find(']')?;
    let inside = &text[open + 1..close];
    inside.contains(':').then(|| (&text[..open], inside, &text[close + 1..]))
}

/// Lists the values of `begin:end` or `begin:end:step`.
fn values(range: &str) -> Result<Vec<String>, String> {
    let bounds: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match bounds[..] {
        [begin, end] => (begin, end, 1),
        [begin, end, step] => match step.parse::<u64>() {
            Ok(step) if step > 0 => (begin, end, step),
            _ => {
                return Err(format!("the step of `[{range}]` is not a positive integer"));
            }
        },
        _ => {
            return Err(format!("`[{range}]` must be `[begin:end]` or `[begin:end:step]`"));
        }
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    if end.is_empty() {
        return Err(format!("`[{range}]` has no end"));
    }
    let nothing = || format!("`[{range}]` ends before it starts");
    if let (Some(first), Some(last)) = (letter(begin), letter(end)) {
        if first > last {
            return Err(nothing());
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let letters = (first..=last).step_by(step);
        return Ok(letters.map(|index| LETTERS[index..=index].to_owned()).collect());
    }
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (Some(first), Some(last)) = (number(begin), number(end)) else {
        return Err(format!("the bounds of `[{range}]` must be two numbers or two letters"));
    };
    let padded = begin.len() > 1 && begin.starts_with('0');
    if padded && begin.len() != end.len() {
        return Err(format!("the bounds of `[{range}]` are padded to different widths"));
    }
    if first > last {
        return Err(nothing());
    }
    if (last - first) / step >= MAX_NAMES as u64 {
        return Err(too_many());
    }
    let width = if padded { begin.len() } else { 0 };
    let count = (last - first) / step;
    Ok((0..=count).map(|index| format!("{:0width$}", first + index * step)).collect())
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Returns the index of a single letter in Python's `ascii_letters`.
fn letter(text: &str) -> Option<usize> {
    (text.len() == 1).then(|| LETTERS.find(text)).flatten()
}

fn too_many() -> String {
    format!("it has more than {MAX_NAMES} hosts")
}
