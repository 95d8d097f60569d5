//! The model of an inventory of model hosts: found, read, and compared with its hosts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document;
use crate::file::directory;
use crate::inventory::{Connection, Host, Inventory};
use crate::load::text;
use crate::model::{Model, ModelError, World};
use crate::schema::{self, kind::Kind};
use crate::source::{SourceId, Sources};

/// A model, and the name the inventory has for it.
#[derive(Clone, Debug)]
pub struct NamedModel {
    /// The value of `planrun_model`.
    pub name: String,
    pub text: String,
    pub model: Arc<Model>,
}

impl NamedModel {
    /// Makes a model of the text that is stored with a run; `Err` is why that is not possible.
    pub fn stored(name: &str, text: &str) -> Result<Self, String> {
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let id = sources.add(name, text);
        match lower(id, &sources, &mut found) {
            Some(model) => Ok(Self { name: name.to_owned(), text: text.to_owned(), model }),
            None => Err(found.sorted().first().map_or(String::new(), |one| one.message.clone())),
        }
    }
}

/// Reads the model of an inventory, if it is one of model hosts. `Err` if there is an error, which
/// is reported.
pub(super) fn read(
    inventory: &Inventory,
    paths: &[PathBuf],
    plan_dir: &Path,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Result<Option<NamedModel>, ()> {
    let Some(name) = name_of(inventory).map_err(|fault| found.push(*fault))? else {
        return Ok(None);
    };
    let places = places(&name, paths, plan_dir);
    let disk = sources.files();
    let Some(path) = places.iter().find(|path| disk.is_file(path)) else {
        let tried: Vec<String> =
            places.iter().map(|path| format!("`{}`", path.display())).collect();
        Diagnostic::error(Code::NoSuchModel, format!("no model `{name}`"))
            .help(format!("put it at {}", tried.join(" or ")))
            .help("or use another one: `planrun_model: models/NAME.yaml`")
            .emit(found);
        return Err(());
    };
    let id = text(path, sources, found).ok_or(())?;
    let model = lower(id, sources, found).ok_or(())?;
    fit(&model, inventory, found)?;
    Ok(Some(NamedModel { name, text: sources.get(id).text().to_owned(), model }))
}

/// Checks that every host is in a group of the model, with a state that the group has.
fn fit(model: &Arc<Model>, inventory: &Inventory, found: &mut Diagnostics) -> Result<(), ()> {
    let world = |hosts: &[&Host]| {
        World::new(Arc::clone(model), hosts.iter().copied(), Timestamp::UNIX_EPOCH)
    };
    let all: Vec<&Host> = inventory.hosts.values().collect();
    let Err(whole) = world(&all) else { return Ok(()) };
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
        Some(span) => fault.at(span, "does not match the model"),
        None => fault,
    };
    match error {
        ModelError::WrongGroups(_) => {
            fault.help("add the host to one of these groups, or add its group to the model")
        }
        _ => fault.help("correct `planrun_state` of the host"),
    }
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
        schema::check(&node, &Kind::Model.shape(), &mut own);
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
                .help("move model hosts to their own inventory: their time is virtual"),
        ));
    }
    let name = first.link.model.clone().unwrap_or_default();
    let other = inventory.hosts.values();
    let mut other = other.filter(|host| host.link.model != first.link.model);
    if let Some(other) = other.next() {
        let model = other.link.model.clone().unwrap_or_default();
        let message = format!(
            "`{}` uses the model `{name}`, but `{}` uses `{model}`",
            first.name, other.name
        );
        return Err(Box::new(
            Diagnostic::error(Code::SeveralModels, message)
                .help("set one model for all hosts: `planrun_model` in the variables of `all`"),
        ));
    }
    Ok(Some(name))
}

/// Returns the paths at which a model may be, in the order of the search: next to the inventories, then next to
/// the plan.
fn places(name: &str, inventories: &[PathBuf], plan_dir: &Path) -> Vec<PathBuf> {
    // An absolute name replaces what it is joined to.
    let bases = inventories.iter().map(|inventory| base(inventory).join(name));
    let mut places: Vec<PathBuf> = bases.chain([plan_dir.join(name)]).collect();
    places.dedup();
    places
}

/// Returns the folder of an inventory, for models; the one above if it is `inventories`.
fn base(inventory: &Path) -> PathBuf {
    let folder = directory(inventory);
    // A bare name does not show its folder.
    let whole = std::path::absolute(inventory).unwrap_or_else(|_| inventory.to_owned());
    let is_shared =
        whole.parent().and_then(Path::file_name).is_some_and(|name| name == "inventories");
    match (is_shared, folder.parent()) {
        (false, _) => folder.to_owned(),
        (true, Some(parent)) if folder != Path::new(".") => parent.to_owned(),
        (true, _) => folder.join(".."),
    }
}
