//! The lock of a host: one run at a time may change it.
//!
//! A host keeps the lock itself (`host/lock.sh`), so that all operators meet, wherever they run planrun. A
//! [`LockRequest`] takes it, releases it, or asks who has it. A transport remembers the locks that it has
//! taken (`Fences`) and names them in each attempt: the host starts nothing for a run that has lost its
//! lock meanwhile.
//!
//! Not here: which hosts are locked, and when (`run`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::TransportError;
use crate::inventory::{Host, HostName, Locking, is_lock_dir};
use crate::quote;

/// Longest word of a lock, in bytes: a host prints up to 1000 of a line.
const MAX_WORD: usize = 120;

/// Who has locked a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The name of the lock: the same for all processes of a run, and no other run has it.
    pub id: String,
    /// Which process of the run it is: each one raises it.
    pub epoch: u64,
    pub run: String,
    /// `user@machine`.
    pub by: String,
    pub since: Timestamp,
    pub plan: String,
    /// The host, as the inventory of the run names it.
    pub host: String,
}

/// What is found in the place of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The number of the user who made it.
    pub user: String,
    /// `None` if it is not a lock of planrun.
    pub holder: Option<Holder>,
}

/// What a host is asked about its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockRequest {
    /// Take it, or take it over from an earlier process of the same run.
    Take(Holder),
    /// Release the lock with this name.
    Release { id: String, by: Option<ReleasedBy> },
    /// Who has it?
    Show,
}

/// An operator who releases the lock of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleasedBy {
    /// `user@machine`.
    pub by: String,
    pub at: Timestamp,
    pub reason: String,
}

/// What a host answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockReply {
    /// Locks are not kept for it: it is a model, or its inventory says so.
    Needless,
    /// It is taken, or was taken earlier by the same run.
    Taken {
        /// Whether the run had it already.
        is_kept: bool,
        /// The boot of the host, which the lock belongs to; `None` if it is not known.
        boot: Option<String>,
    },
    /// No one has it.
    Free,
    Released,
    /// Another one has it.
    Held(Found),
}

/// A lock that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    id: String,
    boot: Option<String>,
    /// The words that an attempt carries.
    pub(super) words: String,
}

/// The locks that a transport has taken.
#[derive(Debug, Default)]
pub(super) struct Fences(RefCell<HashMap<HostName, Fence>>);

impl Fences {
    /// Returns the lock of a host.
    pub(super) fn of(&self, host: &Host) -> Option<Fence> {
        self.0.borrow().get(&host.name).cloned()
    }

    /// Interprets the line that answers a request, and remembers the lock if it was taken.
    pub(super) fn learn(
        &self,
        host: &Host,
        request: &LockRequest,
        line: &str,
    ) -> Result<LockReply, TransportError> {
        let host = host.name.clone();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, request) {
            ("free", _) => Ok(LockReply::Free),
            ("released", _) => Ok(LockReply::Released),
            ("taken", LockRequest::Take(_)) => Err(held(host, &Found::parse(rest))),
            ("taken", _) => Ok(LockReply::Held(Found::parse(rest))),
            ("locked", LockRequest::Take(holder)) => {
                let words: Vec<&str> = rest.split(' ').collect();
                let &[is, boot, file, owner] = &words[..] else {
                    let why = "it answers a request for its lock with other words".to_owned();
                    return Err(TransportError::Impossible { host, why });
                };
                // The owner of the file is a number; `-` if that is the login user.
                let Holder { id, epoch, .. } = holder;
                let words = format!("{file} {id} {epoch} {owner}");
                let fence = Fence { id: id.clone(), boot: boot_of(boot), words };
                self.0.borrow_mut().insert(host, fence);
                Ok(LockReply::Taken { is_kept: is == "kept", boot: boot_of(boot) })
            }
            ("not-released", _) => {
                let user = Found::parse(rest).user;
                let why = format!(
                    "the lock belongs to the user with the number {user}: release it as that user \
                     (`ansible_user`), or as root (`ansible_become`)"
                );
                Err(TransportError::Denied { host, why })
            }
            _ => {
                let place = if rest.is_empty() { "its lock directory" } else { rest };
                let why = format!(
                    "it cannot keep a lock in {place}: create `/run/planrun` there with mode 1777, \
                     set `planrun_lock_dir` to a directory that all users of planrun can write, or set \
                     `planrun_locks: none` if no one else works on it"
                );
                Err(TransportError::Impossible { host, why })
            }
        }
    }
}

impl Fence {
    /// Interprets why an attempt was not started: the lock was lost.
    pub(super) fn lost(&self, host: HostName, line: &str) -> TransportError {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "taken" {
            return held(host, &Found::parse(rest));
        }
        let (boot, by) = rest.split_once(' ').unwrap_or((rest, ""));
        if self.boot.is_some() && boot_of(boot) != self.boot {
            let why = "it was restarted, and has lost its lock".to_owned();
            return TransportError::Unreachable { host, why };
        }
        let words: Vec<String> = by.split(' ').map(decoded).collect();
        let why = match &words[..] {
            [id, by, at, reason] if *id == self.id => {
                format!("is no longer locked for this run: {by} released it at {at} ({reason})")
            }
            _ => "is no longer locked for this run: the file of the lock was removed".to_owned(),
        };
        TransportError::Locked { host, why }
    }
}

impl LockRequest {
    /// Returns it as a host reads it: what is asked, and the words that belong to it.
    pub(super) fn words(&self, host: &Host) -> Result<(&'static str, String), TransportError> {
        let dir = match &host.link.locking {
            Locking::Dir(dir) if is_lock_dir(dir) => dir,
            Locking::Dir(dir) => {
                let why = format!("`planrun_lock_dir` is not valid: {}", quote::readable(dir));
                return Err(TransportError::Impossible { host: host.name.clone(), why });
            }
            Locking::Usual | Locking::None => "-",
        };
        Ok(match self {
            Self::Take(holder) => ("lock", format!("{dir} {}", holder.words())),
            Self::Release { id, by: None } => ("unlock", format!("{dir} {}", coded(id))),
            Self::Release { id, by: Some(ReleasedBy { by, at, reason }) } => {
                let link = &host.link;
                let user = link.become_user.as_deref().unwrap_or("root");
                let user = if link.r#become == Some(true) { user } else { "-" };
                let words = [id, user, by, &format!("{at:.0}"), reason];
                ("unlock", format!("{dir} {}", words.map(coded).join(" ")))
            }
            Self::Show => ("holder", dir.to_owned()),
        })
    }
}

impl Holder {
    fn words(&self) -> String {
        let (epoch, since) = (self.epoch.to_string(), format!("{:.0}", self.since));
        let words = [&self.id, &epoch, &self.run, &self.by, &since, &self.plan, &self.host];
        words.map(|word| coded(word)).join(" ")
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<String> = line.split(' ').map(decoded).collect();
        let [id, epoch, run, by, since, plan, host] = <[String; 7]>::try_from(words).ok()?;
        let (epoch, since) = (epoch.parse().ok()?, since.parse().ok()?);
        Some(Self { id, epoch, run, by, since, plan, host })
    }
}

impl Found {
    fn parse(line: &str) -> Self {
        let (user, line) = line.split_once(' ').unwrap_or((line, ""));
        Self { user: user.to_owned(), holder: Holder::parse(line) }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Some(Holder { id, run, by, since, plan, .. }) => {
                write!(out, "run {run} of plan {plan}, by {by} since {since:.0} (lock {id})")
            }
            None => {
                write!(out, "a file of the user with the number {}, which is not a lock", self.user)
            }
        }
    }
}

fn held(host: HostName, found: &Found) -> TransportError {
    TransportError::Locked { host, why: format!("is locked by {found}") }
}

fn boot_of(word: &str) -> Option<String> {
    (word != "-").then(|| word.to_owned())
}

/// Returns a text as one word without a meaning for a shell.
fn coded(text: &str) -> String {
    let mut word = quote::percent(text.as_bytes(), "@._:+-", false);
    if word.len() > MAX_WORD {
        // A code is kept as a whole.
        let code = word[..MAX_WORD].rfind('%').filter(|code| code + 3 > MAX_WORD);
        word.truncate(code.unwrap_or(MAX_WORD));
    }
    if word.is_empty() { "%".to_owned() } else { word }
}

fn decoded(word: &str) -> String {
    let mut parts = word.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(hex::decode(code).unwrap_or_default());
        bytes.extend(rest.bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
