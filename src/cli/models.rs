//! The machines of a run: real hosts in real time, or a model in virtual time.
//!
//! A run is for one or the other: an hour of waiting on a model takes a moment, and must take an
//! hour on a host. The text of the model is kept with the run; what the run changes in the model
//! is kept in the state directory, so that a paused run goes on where it was.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::load;
use crate::clock::Clock;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document;
use crate::event::RunId;
use crate::inventory::{Connection, Host, Inventory};
use crate::model::{Model, ModelError, World};
use crate::schema;
use crate::schema::Shape;
use crate::schema::model::MODEL;
use crate::source::{SourceId, Sources};
use crate::store::Store;
use crate::transport::Transport;
use crate::transport::hosts::Hosts;
use crate::transport::local::LocalTransport;
use crate::transport::model::{ModelTransport, saved_now};
use crate::transport::ssh::{SshOptions, SshTransport};

/// A model that was read, and the name the inventory has for it.
#[derive(Debug)]
pub(super) struct Named {
    /// The value of `planrun_model`.
    name: String,
    text: String,
    model: Arc<Model>,
}

/// What a run works on.
pub(super) struct Machines {
    /// The time of these machines.
    pub(super) clock: Clock,
    /// The ways to them.
    pub(super) transport: Hosts,
    model: Option<Rc<ModelTransport>>,
}

/// Reads the model of an inventory, if it is one of model hosts. `Err` where something is wrong,
/// which is told.
pub(super) fn read(
    inventory: &Inventory,
    paths: &[PathBuf],
    plan_dir: &Path,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Result<Option<Named>, ()> {
    let Some(name) = name_of(inventory).map_err(|fault| found.push(*fault))? else {
        return Ok(None);
    };
    let places = places(&name, paths, plan_dir);
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        let tried: Vec<String> =
            places.iter().map(|path| format!("`{}`", path.display())).collect();
        found.push(
            Diagnostic::error(Code::NoSuchModel, format!("there is no model `{name}`"))
                .help(format!("put it at {}", tried.join(" or ")))
                .help("or name another one: `planrun_model: models/NAME.yaml`"),
        );
        return Err(());
    };
    let id = load::text(path, sources, found).ok_or(())?;
    let model = lower(id, sources, found).ok_or(())?;
    fit(&model, inventory, found)?;
    Ok(Some(Named { name, text: sources.get(id).text().to_owned(), model }))
}

/// Checks that every host is in a group of the model, with a state that the group has.
fn fit(model: &Arc<Model>, inventory: &Inventory, found: &mut Diagnostics) -> Result<(), ()> {
    let world = |hosts: &[&Host]| {
        World::new(Arc::clone(model), hosts.iter().copied(), Timestamp::UNIX_EPOCH)
    };
    let all: Vec<&Host> = inventory.hosts.values().collect();
    let Err(whole) = world(&all) else {
        return Ok(());
    };
    // Each for itself: one error a host.
    let alone = all.iter().filter_map(|host| Some((host, world(&[host]).err()?)));
    let mut faults: Vec<Diagnostic> =
        alone.map(|(host, error)| misfit(host, &error, inventory)).collect();
    if faults.is_empty() {
        faults.push(Diagnostic::error(Code::HostWithoutModel, whole.to_string()));
    }
    for fault in faults {
        found.push(fault);
    }
    Err(())
}

fn misfit(host: &Host, error: &ModelError, inventory: &Inventory) -> Diagnostic {
    let fault = Diagnostic::error(Code::HostWithoutModel, error.to_string());
    let fault = match inventory.place(host.name.as_str()) {
        Some(span) => fault.at(span, "does not fit the model"),
        None => fault,
    };
    match error {
        ModelError::WrongGroups { .. } => {
            fault.help("put the host into one of these groups, or add its group to the model")
        }
        _ => fault.help("correct `planrun_state` of the host"),
    }
}

/// Makes the model of a stored run from the text that is kept with it.
pub(super) fn stored(texts: &BTreeMap<String, String>) -> Result<Option<Named>, Fault> {
    let Some((name, text)) = texts.first_key_value() else {
        return Ok(None);
    };
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add(name.as_str(), text.as_str());
    let model = lower(id, &sources, &mut found);
    let model = model.filter(|_| !found.has_errors()).ok_or_else(|| {
        let why = found.sorted().first().map(|one| one.message.clone());
        let message = format!(
            "this planrun cannot read the model `{name}` of the run: {}",
            why.unwrap_or_default()
        );
        Fault::new(Exit::STORE, message).help("use the planrun that began the run")
    })?;
    Ok(Some(Named { name: name.clone(), text: text.clone(), model }))
}

/// Reads a model from its text.
pub(super) fn lower(
    id: SourceId,
    sources: &Sources,
    found: &mut Diagnostics,
) -> Option<Arc<Model>> {
    let mut own = Diagnostics::default();
    let node = document::parse(sources, id, &mut own);
    let model = node.and_then(|node| {
        schema::check(&node, &Shape::Record(&MODEL), &mut own);
        Model::lower(&node, sources, &mut own)
    });
    let is_sound = !own.has_errors();
    found.extend(own);
    model.filter(|_| is_sound).map(Arc::new)
}

/// Returns the name of the one model of an inventory, `None` for real hosts.
fn name_of(inventory: &Inventory) -> Result<Option<String>, Box<Diagnostic>> {
    let is_model = |connection: Connection| connection == Connection::Model;
    let mut hosts = inventory.hosts.values();
    let Some(first) = hosts.clone().find(|host| is_model(host.link.connection)) else {
        return Ok(None);
    };
    if let Some(real) = hosts.find(|host| !is_model(host.link.connection)) {
        let message = format!("`{}` is a model host, and `{}` is real", first.name, real.name);
        return Err(Box::new(
            Diagnostic::error(Code::MixedHosts, message)
                .help("put model hosts into an inventory of their own: their time is virtual"),
        ));
    }
    let name = first.link.model.clone().unwrap_or_default();
    let other = inventory.hosts.values();
    let mut other = other.filter(|host| host.link.model != first.link.model);
    if let Some(other) = other.next() {
        let model = other.link.model.clone().unwrap_or_default();
        let message =
            format!("`{}` is in the model `{name}`, and `{}` in `{model}`", first.name, other.name);
        return Err(Box::new(
            Diagnostic::error(Code::SeveralModels, message)
                .help("name one model for all hosts: `planrun_model` among the variables of `all`"),
        ));
    }
    Ok(Some(name))
}

/// Returns where a model may be, in the order it is looked for: beside the inventories, then
/// beside the plan.
fn places(name: &str, inventories: &[PathBuf], plan_dir: &Path) -> Vec<PathBuf> {
    // An absolute name replaces what it is joined to.
    let bases = inventories.iter().map(|inventory| base(inventory).join(name));
    let mut places: Vec<PathBuf> = bases.chain([plan_dir.join(name)]).collect();
    places.dedup();
    places
}

/// Returns the folder that a model is beside, of an inventory.
fn base(inventory: &Path) -> PathBuf {
    let folder = load::directory(inventory);
    // A bare name says nothing of the folder it is in.
    let whole = std::path::absolute(inventory).unwrap_or_else(|_| inventory.to_owned());
    let is_shared =
        whole.parent().and_then(Path::file_name).is_some_and(|name| name == "inventories");
    match (is_shared, folder.parent()) {
        (false, _) => folder.to_owned(),
        (true, Some(parent)) if folder != Path::new(".") => parent.to_owned(),
        (true, _) => folder.join(".."),
    }
}

impl Named {
    /// Returns the model.
    pub(super) fn model(&self) -> Arc<Model> {
        Arc::clone(&self.model)
    }

    /// Returns what is kept with the run.
    pub(super) fn texts(named: Option<&Self>) -> BTreeMap<String, String> {
        let pairs = named.iter().map(|named| (named.name.clone(), named.text.clone()));
        pairs.collect()
    }
}

impl Machines {
    /// Makes the machines of a run; `past` is the time of its last event, for one that goes on.
    pub(super) fn new(
        model: Option<Named>,
        inventory: &Inventory,
        store: &Store,
        run: &RunId,
        past: Option<Timestamp>,
    ) -> Result<Self, Fault> {
        let ssh = SshTransport::new(SshOptions::default());
        let local = LocalTransport::new();
        let Some(named) = model else {
            return Ok(Self {
                clock: Clock::Real,
                transport: Hosts::new(ssh, local, None),
                model: None,
            });
        };
        let saved = place(store, run)?;
        let clock = Clock::virtual_from(virtual_now(&saved, past)?);
        let hosts = inventory.hosts.values();
        let model = ModelTransport::new(named.model, hosts, clock.clone(), Some(saved));
        let model = Rc::new(model.map_err(|error| of_model(&error))?);
        let shared: Rc<dyn Transport> = Rc::<ModelTransport>::clone(&model);
        Ok(Self { clock, transport: Hosts::new(ssh, local, Some(shared)), model: Some(model) })
    }

    /// Keeps a model as it is now, where only time has gone by since its last change.
    pub(super) fn save(&self) -> Result<(), Fault> {
        let saved = self.model.as_ref().map_or(Ok(()), |model| model.save());
        saved.map_err(|error| of_model(&error))
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
    let stopped = saved_now(saved).map_err(|error| of_model(&error))?;
    Ok(stopped.max(past).unwrap_or_else(|| Clock::Real.now()))
}

/// Returns the file that the changes of a model are kept in, and makes its folder.
fn place(store: &Store, run: &RunId) -> Result<PathBuf, Fault> {
    let folder = store.dir().join("models");
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(&folder).map_err(|error| {
        let message = format!("cannot make the folder {}", folder.display());
        Fault::of(Exit::STORE, message, &error)
    })?;
    Ok(folder.join(format!("{run}.jsonl")))
}

/// Removes what is kept of the model of a run, if it had one.
pub(super) fn forget(store: &Store, run: &RunId) -> std::io::Result<()> {
    match std::fs::remove_file(store.dir().join("models").join(format!("{run}.jsonl"))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn of_model(error: &ModelError) -> Fault {
    let exit = match error {
        ModelError::Saved(_) => Exit::STORE,
        _ => Exit::INVALID,
    };
    Fault::of(exit, "the model hosts cannot be made", error)
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::inventory::{HostName, Link};

    fn host(name: &str, connection: Connection, model: Option<&str>) -> Host {
        Host {
            name: HostName::new(name),
            link: Link {
                connection,
                address: name.to_owned(),
                port: None,
                user: None,
                connect_timeout: None,
                identity_file: None,
                known_hosts: None,
                r#become: None,
                become_user: None,
                model: model.map(str::to_owned),
                state: IndexMap::new(),
            },
            vars: IndexMap::new(),
            encrypted: indexmap::IndexMap::new(),
            groups: Vec::new(),
        }
    }

    fn inventory(hosts: Vec<Host>) -> Inventory {
        Inventory {
            hosts: hosts.into_iter().map(|host| (host.name.clone(), host)).collect(),
            ..Inventory::default()
        }
    }

    #[test]
    fn a_model_is_beside_the_folder_of_inventories() {
        let found = places(
            "models/dovecot.yaml",
            &[PathBuf::from("plans/inventories/demo.yaml")],
            Path::new("other"),
        );
        let expected = ["plans/models/dovecot.yaml", "other/models/dovecot.yaml"];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn a_model_is_beside_an_inventory_that_stands_alone() {
        let found = places("m.yaml", &[PathBuf::from("site/hosts.ini")], Path::new("."));
        assert_eq!(found[0], Path::new("site/m.yaml"));
        assert_eq!(found[1], Path::new("./m.yaml"));
    }

    #[test]
    fn an_inventories_folder_at_the_top_has_its_models_here() {
        let found =
            places("models/m.yaml", &[PathBuf::from("inventories/demo.yaml")], Path::new("p"));
        assert_eq!(found[0], Path::new("models/m.yaml"));
    }

    #[test]
    fn the_path_of_a_model_may_be_absolute() {
        let found = places("/srv/m.yaml", &[PathBuf::from("site/hosts.ini")], Path::new("plans"));
        assert_eq!(found, [PathBuf::from("/srv/m.yaml")]);
    }

    #[test]
    fn real_hosts_have_no_model_and_model_hosts_one() {
        let real = inventory(vec![host("a", Connection::Ssh, None)]);
        assert_eq!(name_of(&real).unwrap(), None);
        let model = inventory(vec![host("a", Connection::Model, Some("m.yaml"))]);
        assert_eq!(name_of(&model).unwrap().as_deref(), Some("m.yaml"));
    }

    #[test]
    fn real_and_model_hosts_do_not_mix() {
        let mixed = inventory(vec![
            host("a", Connection::Model, Some("m.yaml")),
            host("b", Connection::Local, None),
        ]);
        let fault = name_of(&mixed).unwrap_err();
        assert_eq!(fault.code, Code::MixedHosts);
        assert_eq!(fault.message, "`a` is a model host, and `b` is real");
        let several = inventory(vec![
            host("a", Connection::Model, Some("m.yaml")),
            host("b", Connection::Model, Some("n.yaml")),
        ]);
        assert_eq!(name_of(&several).unwrap_err().code, Code::SeveralModels);
    }
}
