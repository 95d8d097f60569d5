//! Which keys a mapping has already: each is looked for before it is put in.
//!
//! Most mappings have a few keys, and comparing those takes less than hashing one. Of greater ones
//! the hashes are kept, not the keys, which are in the entries.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::document::Entry;
use crate::source::Span;

/// Up to so many keys are compared one by one.
const FEW: usize = 8;

/// The keys of a mapping that is being read.
#[derive(Default)]
pub(super) struct Seen {
    /// Of a mapping with more than a few keys: the last entry whose key has this hash.
    entries: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    hashes: RandomState,
}

impl Seen {
    /// Adds a key after these entries; returns the position of the last one with this name.
    pub(super) fn add(&mut self, key: &str, entries: &[Entry]) -> Option<Span> {
        let is_same = |entry: &&Entry| entry.key == key;
        let earlier =
            if entries.len() < FEW {
                entries.iter().rfind(is_same)
            } else {
                if entries.len() == FEW {
                    for (at, entry) in entries.iter().enumerate() {
                        self.entries.insert(self.hashes.hash_one(&entry.key), at);
                    }
                }
                let hash = self.hashes.hash_one(key);
                let last = self.entries.insert(hash, entries.len());
                let last = last.and_then(|at| entries.get(at));
                // Two keys may have the same hash, in theory.
                last.and_then(|last| {
                    if is_same(&last) { Some(last) } else { entries.iter().rfind(is_same) }
                })
            };
        earlier.map(|entry| entry.key_span)
    }
}

/// Takes a hash for its own hash.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Node, Value};
    use crate::source::Sources;

    #[test]
    fn the_last_of_several_is_found_among_few_keys_and_among_many() {
        let mut sources = Sources::default();
        let id = sources.add("keys.yaml", "");
        let (mut seen, mut entries) = (Seen::default(), Vec::new());
        for number in 0..100 {
            let span = Span::new(id, number, number + 1);
            let key = format!("key{}", number % 30);
            let earlier = number.checked_sub(30);
            let earlier = earlier.map(|earlier| Span::new(id, earlier, earlier + 1));
            assert_eq!(seen.add(&key, &entries), earlier, "{key}");
            entries.push(Entry {
                key,
                key_span: span,
                bare: false,
                value: Node { value: Value::Null, span, alias: None },
            });
        }
        let (mut seen, few) = (Seen::default(), &entries[..5]);
        assert_eq!(seen.add("key3", few), Some(Span::new(id, 3, 4)));
        assert_eq!(seen.add("key9", few), None);
    }
}
