//! The file of a world: what commands have changed, line by line.
//!
//! The first line names the model and the start of the world; each further one is a [`Snapshot`] of
//! the hosts that a command has changed, or the name of an attempt that was started or given up. A line is
//! written at the end of the file, so that a change costs the same in a world of ten hosts and of ten
//! thousand. An incomplete last line was written by a process that was killed meanwhile: it is ignored.
//! When the file is opened again, a new one is written next to it and replaces it in one step.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::inventory::Host;
use crate::model::{Model, ModelError, Snapshot, World};
use crate::transport::AttemptId;

/// The maximum size of a file, in bytes: far more than any plan writes.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    model: String,
    digest: String,
    start: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    /// An attempt was started, or given up.
    Attempt {
        attempt: AttemptId,
        started: bool,
    },
    Hosts(Snapshot),
}

#[derive(Debug)]
pub(super) struct SavedWorld {
    path: PathBuf,
    file: File,
}

/// Returns the time at which a saved world stopped; `None` if the file does not exist.
pub fn saved_now(path: &Path) -> Result<Option<Timestamp>, ModelError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let mut now = None;
    for (number, line) in whole_lines(&text).enumerate() {
        now = now.max(Some(match number {
            0 => parse::<Head>(path, number, line)?.start,
            _ => match parse::<Line>(path, number, line)? {
                Line::Attempt { .. } => continue,
                Line::Hosts(snapshot) => snapshot.now,
            },
        }));
    }
    Ok(now)
}

impl SavedWorld {
    /// Makes a world, or makes it again from its file, and keeps it from now on. Returns the attempts
    /// of earlier processes with it.
    pub(super) fn open<'a>(
        path: PathBuf,
        model: Arc<Model>,
        hosts: impl IntoIterator<Item = &'a Host>,
        now: Timestamp,
    ) -> Result<(World, BTreeMap<AttemptId, bool>, Self), ModelError> {
        let text = read(&path)?.unwrap_or_default();
        let mut lines = whole_lines(&text).enumerate();
        let head = match lines.next() {
            Some((number, line)) => parse::<Head>(&path, number, line)?,
            None => Head { model: model.name.clone(), digest: model.digest.clone(), start: now },
        };
        if head.digest != model.digest {
            return Err(fault(&path, "the model has been changed since"));
        }
        let mut world = World::new(model, hosts, head.start)?;
        let mut stopped = head.start;
        let mut attempts = BTreeMap::new();
        for (number, line) in lines {
            match parse::<Line>(&path, number, line)? {
                Line::Attempt { attempt, started } => {
                    attempts.insert(attempt, started);
                }
                Line::Hosts(snapshot) => {
                    stopped = stopped.max(snapshot.now);
                    world.restore(snapshot)?;
                }
            }
        }
        world.advance_to(stopped.max(now))?;
        let mut text = line_of(&path, &head)?;
        if stopped > head.start {
            text.push_str(&line_of(&path, &world.snapshot())?);
        }
        for (attempt, started) in &attempts {
            let line = Line::Attempt { attempt: attempt.clone(), started: *started };
            text.push_str(&line_of(&path, &line)?);
        }
        let file = replace(&path, &text)?;
        Ok((world, attempts, Self { path, file }))
    }

    /// Appends a [`Line`], or the hosts of one.
    pub(super) fn append(&mut self, line: &impl Serialize) -> Result<(), ModelError> {
        let line = line_of(&self.path, line)?;
        self.file.write_all(line.as_bytes()).map_err(|error| fault(&self.path, error))
    }
}

fn read(path: &Path) -> Result<Option<String>, ModelError> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(path, error)),
        Ok(found) if found.len() > MAX_BYTES => return Err(fault(path, "the file is too large")),
        Ok(_) => {}
    }
    let bytes = std::fs::read(path).map_err(|error| fault(path, error))?;
    // A line that was cut off may end within a character.
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    let end = text.rfind('\n').map_or(0, |newline| newline + 1);
    text[..end].lines()
}

fn parse<T: for<'de> Deserialize<'de>>(
    path: &Path,
    number: usize,
    line: &str,
) -> Result<T, ModelError> {
    serde_json::from_str(line).map_err(|error| fault(path, format!("line {}: {error}", number + 1)))
}

fn line_of(path: &Path, value: &impl Serialize) -> Result<String, ModelError> {
    let mut line = serde_json::to_string(value).map_err(|error| fault(path, error))?;
    line.push('\n');
    Ok(line)
}

/// Puts a text at a path in one step, and leaves the file open at its end.
fn replace(path: &Path, text: &str) -> Result<File, ModelError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&beside, path)?;
        Ok(file)
    };
    write().map_err(|error: std::io::Error| fault(path, error))
}

fn fault(path: &Path, why: impl std::fmt::Display) -> ModelError {
    ModelError::Saved(format!("{}: {why}", path.display()))
}
