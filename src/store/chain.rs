//! The chain of a run's events: detects changed, lost and swapped events.
//!
//! Each link has an event as text, and the SHA-256 of the previous link and of everything that is
//! stored with the event. [`extend`] makes the links of new records and rejects records that do not
//! follow; [`read`] verifies stored ones. Both are pure. The chain detects accidents and careless edits;
//! anyone who can write the database can also compute a new chain.

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::error::StoreError;
use crate::event::{Event, Record, RunEvent, RunId};

/// Maximum size of an event as text, in bytes. The largest is the first, with all files of the inputs.
pub(super) const MAX_EVENT: usize = 64 * 1024 * 1024;

/// The hash before the first link of a run.
pub(super) const ROOT: [u8; 32] = [0; 32];

/// The end of the chain of a run.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The process that writes now.
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) hash: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) epoch: u64,
    /// RFC 3339, UTC.
    pub(super) at: String,
    /// The hash of the previous link and of the other fields of this one.
    pub(super) hash: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

/// Makes the links for records after `head` (`None` for a new run), written by a process with this
/// epoch.
pub(super) fn extend(
    run: &RunId,
    head: Option<&Head>,
    epoch: u64,
    records: &[Record],
) -> Result<Vec<Link>, StoreError> {
    let current = head.map_or(1, |head| head.epoch);
    let mut seq = head.map_or(0, |head| head.seq);
    let mut hash = head.map_or_else(|| ROOT.to_vec(), |head| head.hash.clone());
    let starts_well = matches!(
        records.first().map(|record| &record.event),
        Some(Event::Run(RunEvent::Planned(_))) | None
    );
    if head.is_none() && !starts_well {
        return Err(StoreError::NotPlanned { run: run.clone() });
    }

    let mut links = Vec::with_capacity(records.len());
    for record in records {
        if epoch != current || record.epoch != current {
            return Err(StoreError::Fenced {
                run: run.clone(),
                epoch: epoch.min(record.epoch),
                current,
            });
        }
        seq += 1;
        if record.seq != seq {
            return Err(StoreError::OutOfOrder {
                run: run.clone(),
                expected: seq,
                found: record.seq,
            });
        }
        let payload = to_text(run, record)?;
        let at = record.at.to_string();
        hash = digest(&hash, run, seq, record.epoch, &at, &payload);
        links.push(Link { seq, epoch: record.epoch, at, hash: hash.clone(), payload });
    }
    Ok(links)
}

/// The events of a run, as far as they are readable.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub records: Vec<Record>,
    /// The problems of the others, in order; empty for a run that can be continued.
    pub damage: Vec<StoreError>,
}

impl Reading {
    /// Returns the events if all are undamaged, else the first problem.
    pub fn whole(self) -> Result<Vec<Record>, StoreError> {
        match self.damage.into_iter().next() {
            Some(damage) => Err(damage),
            None => Ok(self.records),
        }
    }
}

/// Verifies the links after the one with the hash `previous` and the number `after`, up to `head`.
/// Each link is compared with the stored hash of the one before, so that a damaged one affects only
/// itself. `refused` are those that the database could not return.
pub(super) fn read(
    run: &RunId,
    head: &Head,
    after: u64,
    previous: Option<Vec<u8>>,
    links: &[Link],
    refused: &[(u64, String)],
) -> Reading {
    let damaged = |seq: u64, detail: &str| StoreError::Damaged {
        run: run.clone(),
        seq,
        detail: detail.to_owned(),
    };
    let lost = |first, last| match refused.iter().find(|(refused, _)| *refused == first) {
        Some((_, why)) => damaged(first, why),
        None => match last - first {
            0 => damaged(first, "it is missing"),
            more => damaged(first, &format!("it and the {more} after it are missing")),
        },
    };
    let mut reading = Reading::default();
    if previous.is_none() {
        reading.damage.push(damaged(after, "it is missing"));
    }
    // The possible hashes before the next link: unknown after a missing link; after a damaged one, its
    // stored hash or the hash of its content.
    let mut previous: Vec<Vec<u8>> = previous.into_iter().collect();
    let mut seq = after;
    for link in links {
        if link.seq != seq + 1 {
            reading.damage.push(lost(seq + 1, link.seq - 1));
            previous.clear();
        }
        seq = link.seq;
        let hashes = previous.iter();
        let mut hashes: Vec<Vec<u8>> = hashes
            .map(|previous| digest(previous, run, seq, link.epoch, &link.at, &link.payload))
            .collect();
        if hashes.is_empty() || hashes.contains(&link.hash) {
            match to_record(run, link) {
                Ok(record) => reading.records.push(record),
                Err(unreadable) => reading.damage.push(unreadable),
            }
            hashes.clear();
        } else {
            reading.damage.push(damaged(seq, "its content or hash was changed"));
            hashes.truncate(1);
        }
        hashes.push(link.hash.clone());
        previous = hashes;
    }
    if seq < head.seq {
        reading.damage.push(lost(seq + 1, head.seq));
    } else if (seq > head.seq || !previous.is_empty() && !previous.contains(&head.hash))
        && reading.damage.is_empty()
    {
        reading.damage.push(damaged(seq, "the last event was changed or removed"));
    }
    reading
}

/// Returns what the first event of a run says, if its content is as it was stored.
pub(super) fn first<T: DeserializeOwned>(run: &RunId, link: &Link) -> Option<T> {
    let hash = digest(&ROOT, run, link.seq, link.epoch, &link.at, &link.payload);
    (hash == link.hash).then(|| serde_json::from_slice(&link.payload).ok()).flatten()
}

fn digest(previous: &[u8], run: &RunId, seq: u64, epoch: u64, at: &str, payload: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new_with_prefix(previous);
    // Only `run` and `at` vary in length before the payload, and neither contains a NUL.
    hash.update(run.0.as_bytes());
    hash.update([0]);
    hash.update(seq.to_be_bytes());
    hash.update(epoch.to_be_bytes());
    hash.update(at.as_bytes());
    hash.update([0]);
    hash.update(payload);
    hash.finalize().to_vec()
}

fn to_text(run: &RunId, record: &Record) -> Result<Vec<u8>, StoreError> {
    let payload = serde_json::to_vec(&record.event).map_err(|error| StoreError::Unreadable {
        run: run.clone(),
        seq: record.seq,
        detail: error.to_string(),
    })?;
    if payload.len() > MAX_EVENT {
        return Err(StoreError::TooLarge {
            run: run.clone(),
            seq: record.seq,
            bytes: payload.len(),
            limit: MAX_EVENT,
        });
    }
    Ok(payload)
}

fn to_record(run: &RunId, link: &Link) -> Result<Record, StoreError> {
    let unreadable =
        |detail: String| StoreError::Unreadable { run: run.clone(), seq: link.seq, detail };
    Ok(Record {
        seq: link.seq,
        epoch: link.epoch,
        at: link.at.parse().map_err(|error: jiff::Error| unreadable(error.to_string()))?,
        event: serde_json::from_slice(&link.payload)
            .map_err(|error| unreadable(error.to_string()))?,
    })
}
