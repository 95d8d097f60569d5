//! What a run works on: real hosts in real time, or a model in virtual time.
//!
//! A run has one or the other: an hour of waiting on a model takes a moment, but must take an hour on a
//! real host. The text of the model is stored with the run; the changes of the model are stored in the
//! state directory, so that a paused run continues where it was.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cli::prompter::Prompter;
use crate::cli::{Exit, Fault};
use crate::clock::{Clock, Pace};
use crate::event::RunId;
use crate::inventory::Inventory;
use crate::load::model::NamedModel;
use crate::model::ModelError;
use crate::store::Store;
use crate::transport::Transport;
use crate::transport::hosts::Hosts;
use crate::transport::local::LocalTransport;
use crate::transport::model::{ModelTransport, saved_now};
use crate::transport::passwords::Passwords;
use crate::transport::ssh::{SshOptions, SshTransport};

pub(super) struct Targets {
    pub(super) clock: Clock,
    /// The pace of a model's time, if it passes instead of jumping.
    pub(super) pace: Option<Arc<Pace>>,
    pub(super) transport: Hosts,
    pub(super) prompter: Rc<Prompter>,
    model: Option<Rc<ModelTransport>>,
}

impl Targets {
    /// Makes the targets of a run; `past` is the time of its last event, if it is resumed. On a model, so many
    /// seconds pass in a second; `None` means that its time jumps.
    pub(super) fn new(
        model: Option<NamedModel>,
        inventory: &Inventory,
        store: &Store,
        run: &RunId,
        past: Option<Timestamp>,
        times: Option<f64>,
    ) -> Result<Self, Fault> {
        let prompter = Rc::<Prompter>::default();
        let asked = Rc::new(Passwords::of(Rc::<Prompter>::clone(&prompter)));
        let ssh = SshTransport::with(SshOptions::default(), asked);
        let local = LocalTransport::new();
        let Some(named) = model else {
            return Ok(Self {
                clock: Clock::Real,
                pace: None,
                transport: Hosts::new(ssh, local, None),
                prompter,
                model: None,
            });
        };
        let saved = place(store, run)?;
        let start = virtual_now(&saved, past)?;
        let pace = times.map(|times| Arc::new(Pace::new(times, start)));
        let clock = match &pace {
            Some(pace) => Clock::paced(start, Arc::clone(pace)),
            None => Clock::virtual_from(start),
        };
        let hosts = inventory.hosts.values();
        let model = ModelTransport::new(named.model, hosts, clock.clone(), Some(saved));
        let model = Rc::new(model.map_err(|error| of_model("create", &error))?);
        let shared: Rc<dyn Transport> = Rc::<ModelTransport>::clone(&model);
        let transport = Hosts::new(ssh, local, Some(shared));
        Ok(Self { clock, pace, transport, prompter, model: Some(model) })
    }

    /// Makes the targets of what only reads: nothing is saved.
    pub(super) fn reading(model: Option<NamedModel>, inventory: &Inventory) -> Result<Self, Fault> {
        let prompter = Rc::<Prompter>::default();
        let asked = Rc::new(Passwords::of(Rc::<Prompter>::clone(&prompter)));
        let ssh = SshTransport::with(SshOptions::default(), asked);
        let mut clock = Clock::Real;
        let mut shared: Option<Rc<dyn Transport>> = None;
        if let Some(named) = model {
            clock = Clock::virtual_from(Clock::Real.now());
            let hosts = inventory.hosts.values();
            let model = ModelTransport::new(named.model, hosts, clock.clone(), None);
            shared = Some(Rc::new(model.map_err(|error| of_model("create", &error))?));
        }
        let transport = Hosts::new(ssh, LocalTransport::new(), shared);
        Ok(Self { clock, pace: None, transport, prompter, model: None })
    }

    pub(super) fn is_model(&self) -> bool {
        self.model.is_some()
    }

    /// Saves the current state of a model, if only time has passed since its last change.
    pub(super) fn save(&self) -> Result<(), Fault> {
        let saved = self.model.as_ref().map_or(Ok(()), |model| model.save());
        saved.map_err(|error| of_model("save", &error))
    }
}

/// Returns the time of a stored run: that of its model, if it has one.
pub(super) fn now(
    texts: &BTreeMap<String, String>,
    store: &Store,
    run: &RunId,
    past: Option<Timestamp>,
) -> Result<Timestamp, Fault> {
    if texts.is_empty() {
        return Ok(Clock::Real.now());
    }
    virtual_now(&place(store, run)?, past)
}

fn virtual_now(saved: &Path, past: Option<Timestamp>) -> Result<Timestamp, Fault> {
    let stopped = saved_now(saved).map_err(|error| of_model("read", &error))?;
    Ok(stopped.max(past).unwrap_or_else(|| Clock::Real.now()))
}

/// Returns the file with the changes of the model, and creates its folder.
fn place(store: &Store, run: &RunId) -> Result<PathBuf, Fault> {
    let folder = store.dir().join("models");
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(&folder).map_err(|error| {
        let message = format!("cannot create the folder {}", folder.display());
        Fault::of(Exit::STORE, message, &error)
    })?;
    Ok(folder.join(format!("{run}.jsonl")))
}

/// Removes the saved model of a run, if it had one.
pub(super) fn forget(store: &Store, run: &RunId) -> std::io::Result<()> {
    match std::fs::remove_file(store.dir().join("models").join(format!("{run}.jsonl"))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn of_model(verb: &str, error: &ModelError) -> Fault {
    let exit = match (verb, error) {
        ("create", ModelError::Saved(_)) | ("save" | "read", _) => Exit::STORE,
        _ => Exit::INVALID,
    };
    Fault::of(exit, format!("cannot {verb} the model hosts"), error)
}

/// Makes the model of a stored run from the text that is stored with it.
pub(super) fn stored(texts: &BTreeMap<String, String>) -> Result<Option<NamedModel>, Fault> {
    let Some((name, text)) = texts.first_key_value() else { return Ok(None) };
    let model = NamedModel::stored(name, text).map_err(|why| {
        let message = format!("this planrun cannot read the model `{name}` of the run: {why}");
        Fault::new(Exit::STORE, message).help("use the planrun version that started the run")
    })?;
    Ok(Some(model))
}
