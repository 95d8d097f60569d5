//! Names of runs: how they are made, and how a user may shorten them.
//!
//! `20261124-0342-k3f7` is the minute in UTC and four random characters: it sorts by time, can be read
//! aloud, and its end is enough to type. The store checks that a name is unused.

use jiff::Timestamp;

use super::error::StoreError;
use crate::event::RunId;

/// Characters that are hard to confuse.
const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

const MAX_NAME: usize = 64;

/// Maximum number of candidates in a message.
const MAX_CANDIDATES: usize = 5;

/// How similar a suggested name must be (Jaro-Winkler; 1 is equal).
const LIKE: f64 = 0.8;

/// Makes a name for a run that starts `now`. It uses about twenty bits of `random`.
pub fn new_run_id(now: Timestamp, random: u32) -> RunId {
    let mut rest = random as usize;
    let mut name = now.strftime("%Y%m%d-%H%M-").to_string();
    for _ in 0..4 {
        name.push(char::from(LETTERS[rest % LETTERS.len()]));
        rest /= LETTERS.len();
    }
    RunId(name)
}

/// Rejects names that cannot be file names, or that are hard to use in a shell.
pub(super) fn check(run: &RunId) -> Result<(), StoreError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let name = run.0.as_bytes();
    if (1..=MAX_NAME).contains(&name.len())
        && name.iter().all(|&byte| plain(byte))
        && name[0] != b'-'
    {
        return Ok(());
    }
    Err(StoreError::BadName(run.0.clone()))
}

/// Finds the run that a user means: its name, a unique prefix or suffix, or `last`. `runs` are all
/// names, newest first.
pub(super) fn find(runs: &[RunId], word: &str) -> Result<RunId, StoreError> {
    let missing = |near: Vec<RunId>| StoreError::NoSuchRun { word: word.to_owned(), near };
    if word == "last" {
        return runs.first().cloned().ok_or_else(|| missing(Vec::new()));
    }
    if let Some(run) = runs.iter().find(|run| run.0 == word) {
        return Ok(run.clone());
    }
    let fits = |run: &&RunId| run.0.starts_with(word) || run.0.ends_with(word);
    let found: Vec<&RunId> = match word {
        "" => Vec::new(),
        _ => runs.iter().filter(fits).collect(),
    };
    match found.as_slice() {
        [] => Err(missing(near(runs, word))),
        [run] => Ok((*run).clone()),
        several => Err(StoreError::Ambiguous {
            word: word.to_owned(),
            candidates: several.iter().take(MAX_CANDIDATES).map(|run| (*run).clone()).collect(),
            count: several.len(),
        }),
    }
}

fn near(runs: &[RunId], word: &str) -> Vec<RunId> {
    let mut scored: Vec<(f64, &RunId)> = runs
        .iter()
        .map(|run| {
            let end = run.0.rsplit('-').next().unwrap_or_default();
            let whole = strsim::jaro_winkler(&run.0, word);
            (whole.max(strsim::jaro_winkler(end, word)), run)
        })
        .filter(|(score, _)| *score >= LIKE)
        .collect();
    // The sort is stable: of equal names the newest stays first.
    scored.sort_by(|left, right| right.0.total_cmp(&left.0));
    scored.truncate(MAX_CANDIDATES);
    scored.into_iter().map(|(_, run)| run.clone()).collect()
}
