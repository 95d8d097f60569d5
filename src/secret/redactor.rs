//! One redactor for everything that leaves planrun: events, reports, logs, messages.
//!
//! It takes text or bytes and returns them with `«secret NAME»` in place of every encoding of a secret
//! ([`super::writings`]). A stream that was cut off may end in the middle of one, so a possible start
//! of a secret at its end is removed too. Streams are always redacted as a whole: nothing can hide at
//! the border of two pieces.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use aho_corasick::{AhoCorasick, AhoCorasickKind, Match};
use serde_json::Value;

use super::writings::Writing;
use super::{SHORTEST, writings};

/// All clones find the same secrets, also those that are added later.
#[derive(Clone, Default)]
pub struct Redactor {
    finders: Arc<RwLock<Finders>>,
}

#[derive(Default)]
struct Finders {
    plain: Finder,
    packed: Finder,
}

/// Longest prefix in the automaton, in bytes. A byte there takes about 30 bytes of memory, and a secret
/// has about thirty encodings, so the rest is compared where a prefix is found.
const BEGINNING: usize = 16;

#[derive(Clone, Default)]
struct Finder {
    /// Finds the prefixes of the encodings.
    automaton: Option<AhoCorasick>,
    /// The encodings of each prefix; they are sorted, so each is one range.
    begun: Vec<Range<usize>>,
    /// The encodings, and the name of the secret of each.
    writings: Vec<(Writing, String)>,
}

/// A range, and the name of the secret in it.
type Hit<'a> = (Range<usize>, &'a str);

impl Redactor {
    /// Makes a redactor of secrets and their names; those shorter than [`SHORTEST`] are ignored.
    pub fn new<'a, B>(secrets: impl IntoIterator<Item = (&'a str, &'a B)>) -> Self
    where
        B: AsRef<[u8]> + ?Sized + 'a,
    {
        let redactor = Self::default();
        redactor.add(secrets);
        redactor
    }

    /// Adds secrets that became known.
    pub fn add<'a, B>(&self, secrets: impl IntoIterator<Item = (&'a str, &'a B)>)
    where
        B: AsRef<[u8]> + ?Sized + 'a,
    {
        let mut finders = self.finders.write().unwrap_or_else(PoisonError::into_inner);
        let Finders { plain, packed } = &mut *finders;
        let mut plain = std::mem::take(&mut plain.writings);
        let mut packed = std::mem::take(&mut packed.writings);
        for (name, secret) in secrets {
            let secret = secret.as_ref();
            if writings::trimmed(secret).len() < SHORTEST {
                continue;
            }
            let named = |writing| (writing, name.to_owned());
            plain.extend(writings::plain(secret).into_iter().map(named));
            packed.extend(writings::packed(secret).into_iter().map(named));
        }
        *finders = Finders { plain: Finder::new(plain), packed: Finder::new(packed) };
    }

    fn finders(&self) -> RwLockReadGuard<'_, Finders> {
        self.finders.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are no secrets.
    pub fn is_idle(&self) -> bool {
        self.finders().plain.automaton.is_none()
    }

    /// Returns a text without secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.bytes(text.as_bytes(), false) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Whether a text contains a secret.
    pub fn finds(&self, text: &str) -> bool {
        matches!(self.text(text), Cow::Owned(_))
    }

    /// Removes secrets from all strings of a value, with its keys.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.text(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(entries) => {
                if entries.keys().any(|key| self.finds(key)) {
                    let old = std::mem::take(entries);
                    let clean = old.into_iter().map(|(k, v)| (self.text(&k).into_owned(), v));
                    entries.extend(clean);
                }
                entries.values_mut().for_each(|item| self.value(item));
            }
            Value::Number(number) => {
                if let Cow::Owned(clean) = self.text(&number.to_string()) {
                    *value = clean.into();
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Returns bytes without secrets. If more followed and was cut off, a possible start of a secret at
    /// their end is removed too.
    pub fn bytes<'a>(&self, bytes: &'a [u8], is_cut: bool) -> Cow<'a, [u8]> {
        let finders = self.finders();
        if finders.plain.automaton.is_none() {
            return Cow::Borrowed(bytes);
        }
        let mut hits = finders.plain.hits(bytes, is_cut);
        let places: Vec<usize> =
            (0..bytes.len()).filter(|&at| !bytes[at].is_ascii_whitespace()).collect();
        let squeezed: Vec<u8> = places.iter().map(|&at| bytes[at]).collect();
        let packed = finders.packed.hits(&squeezed, is_cut).into_iter();
        hits.extend(
            packed
                .filter(|(range, _)| !range.is_empty())
                .map(|(range, name)| (places[range.start]..places[range.end - 1] + 1, name)),
        );
        if hits.is_empty() {
            return Cow::Borrowed(bytes);
        }
        hits.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        Cow::Owned(replaced(bytes, &hits))
    }
}

/// Writes a mark for each hit; overlapping hits get one.
fn replaced(bytes: &[u8], hits: &[Hit<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut done = 0;
    for (range, name) in hits {
        if range.start >= done {
            out.extend_from_slice(&bytes[done..range.start]);
            out.extend_from_slice(format!("«secret {name}»").as_bytes());
        }
        done = done.max(range.end);
    }
    out.extend_from_slice(&bytes[done..]);
    out
}

impl Finder {
    fn new(mut writings: Vec<(Writing, String)>) -> Self {
        // The same value with two names gets the first.
        writings.sort();
        writings.dedup_by(|a, b| a.0 == b.0);
        let mut begun: Vec<Range<usize>> = Vec::new();
        for (at, (writing, _)) in writings.iter().enumerate() {
            let last = begun.last_mut();
            match last.filter(|last| begin(&writings[last.start].0) == begin(writing)) {
                Some(last) => last.end = at + 1,
                None => begun.push(at..at + 1),
            }
        }
        let patterns = begun.iter().map(|range| begin(&writings[range.start].0));
        let automaton = if writings.is_empty() {
            None
        } else {
            // The other kinds take several times as much memory.
            let mut builder = AhoCorasick::builder();
            let builder = builder.kind(Some(AhoCorasickKind::ContiguousNFA));
            builder.build(patterns).ok()
        };
        Self { automaton, begun, writings }
    }

    /// Returns the encodings that start where a prefix was found.
    fn written<'a>(
        &'a self,
        found: &Match,
        bytes: &[u8],
    ) -> impl Iterator<Item = &'a (Writing, String)> {
        let rest = &bytes[found.start()..];
        let begun = self.begun[found.pattern().as_usize()].clone();
        let writings = self.writings[begun].iter();
        writings.filter(move |(writing, _)| rest.starts_with(&writing.bytes))
    }

    fn hits(&self, bytes: &[u8], is_cut: bool) -> Vec<Hit<'_>> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let mut hits = Vec::new();
        let is_part = |at: usize| bytes.get(at).is_some_and(|byte| !byte.is_ascii_whitespace());
        for found in automaton.find_overlapping_iter(bytes) {
            for (writing, name) in self.written(&found, bytes) {
                let mut range = found.start()..found.start() + writing.bytes.len();
                if writing.before && range.start > 0 {
                    range.start -= 1;
                }
                if writing.behind && is_part(range.end) {
                    range.end += 1;
                }
                hits.push((range, name.as_str()));
            }
        }
        if is_cut {
            hits.extend(self.beginning(bytes));
        }
        hits
    }

    /// Returns the longest suffix of some bytes that is the start of an encoding.
    fn beginning(&self, bytes: &[u8]) -> Option<Hit<'_>> {
        let longest = self.writings.iter().filter_map(|(writing, name)| {
            let most = writing.bytes.len().min(bytes.len());
            let length =
                (1..=most).rev().find(|&length| bytes.ends_with(&writing.bytes[..length]))?;
            Some((length, name))
        });
        let (length, name) = longest.max_by_key(|(length, _)| *length)?;
        Some((bytes.len() - length..bytes.len(), name))
    }
}

/// Returns the prefix of an encoding that is in the automaton.
fn begin(writing: &Writing) -> &[u8] {
    &writing.bytes[..writing.bytes.len().min(BEGINNING)]
}

impl fmt::Debug for Redactor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Redactor({} writings)", self.finders().plain.writings.len())
    }
}
