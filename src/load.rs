//! One way in: from the files and values that a command names to what it works with.
//!
//! ```text
//!  plan ---------> Plan -------.
//!  inventories --> Inventory --+-- resolve --> Loaded
//!             '--> Model       |
//!  values -------> Inputs -----'
//! ```
//!
//! `apply` loads a plan with all that belongs to it ([`load`]), `validate` many files ([`validate`]),
//! `resume` and `rollback` the plan that is stored with a run ([`started`]) and what is not
//! ([`again`]). A file that cannot be read is a problem like any other, so that one invocation reports
//! all of them. Files come from the
//! [`FileSystem`] of the [`Sources`], programs and the environment from the
//! caller. Deliberately not here: printing, exit codes, and what works on hosts.

mod entries;
pub mod files;
mod inputs;
pub mod model;
pub mod reading;
pub mod scenarios;
pub mod test_files;
pub mod validate;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::file::{FileSystem, directory};
use crate::inventory::program::{NoPrograms, Programs};
use crate::inventory::{HostName, Inventory, pattern, read};
use crate::load::model::NamedModel;
use crate::plan::{self, Plan};
use crate::resolve::{self, ResolvedPlan, secrets, texts};
use crate::source::{SourceId, Sources};

/// What a command names, besides plans.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The inventories: paths, names, or hosts with commas.
    pub inventories: Vec<String>,
    /// Values of inputs, in order; the last of a name wins.
    pub set: Vec<(String, String)>,
    pub inputs: Option<PathBuf>,
    /// The pattern of hosts to be worked on.
    pub limit: Option<String>,
    /// The maximum number of hosts at a time.
    pub serial: Option<NonZeroUsize>,
    pub environment: Vec<(OsString, OsString)>,
    /// The commands of the user that print secrets, by the names of inputs.
    pub secret_commands: Vec<(String, Vec<String>)>,
}

/// A plan with all that belongs to it, without an error.
#[derive(Debug)]
pub struct Loaded {
    pub plan: ResolvedPlan,
    pub text: String,
    /// The model, if the hosts are model hosts.
    pub model: Option<NamedModel>,
    /// Where the inventories were found.
    pub inventories: Vec<PathBuf>,
}

/// Loads a plan with its inventory, model and inputs; `None` if there are errors among the
/// diagnostics, which are complete.
pub fn load(
    path: &Path,
    request: &Request,
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Loaded> {
    let plan_dir = directory(path);
    let plan = plan(path, sources, found);
    let inventory = inventory(&request.inventories, Some(plan_dir), programs, sources, found);
    let mut given = inputs::read(request, plan_dir, sources, found);
    if let (Some((_, plan)), Some((_, inventory)), Some(given)) = (&plan, &inventory, &mut given) {
        inputs::run_commands(request, plan, inventory, programs, given);
    }
    let model = inventory.as_ref().and_then(|(paths, inventory)| {
        model::read(inventory, paths, plan_dir, sources, found).ok()
    });
    let file = given.as_ref().and_then(|given| Some(given.file.as_ref()?.0));
    let has_secrets = plan.as_ref().is_none_or(|(_, plan)| secrets::are_needed(plan));
    let loaded = match (plan, inventory, given) {
        (Some((id, plan)), Some((inventories, inventory)), Some(given)) => {
            let text = sources.get(id).text().to_owned();
            resolve::resolve(plan, inventory, &given, sources, found)
                .zip(model)
                .map(|(plan, model)| Loaded { plan, text, model, inventories })
        }
        _ => None,
    };
    if let Some(file) = file.filter(|_| has_secrets) {
        inputs::hide(file, sources);
    }
    loaded.filter(|_| !found.has_errors())
}

/// Finds the secrets of a resumed run, which was stored without them: in the file of inputs, the
/// environment, the inventories that the run was started with, and from the commands of the user.
pub fn again(
    resolved: &mut ResolvedPlan,
    request: &Request,
    inventories: &[PathBuf],
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) {
    // Problems of an inventory do not matter to this run, unless a secret is missing.
    let mut ignored = Diagnostics::default();
    let inventory = read::read_all(inventories, &mut NoPrograms, sources, &mut ignored);
    if let Some(mut given) = inputs::read(request, Path::new(""), sources, found) {
        let known = inventory.as_ref().unwrap_or(&resolved.inventory);
        inputs::run_commands(request, &resolved.plan, known, programs, &mut given);
        secrets::again(resolved, inventory, &given, sources, found);
        if let Some((file, _)) = given.file {
            inputs::hide(file, sources);
        }
    }
}

/// Reads a file under the name the user gave it.
fn text(path: &Path, sources: &mut Sources, found: &mut Diagnostics) -> Option<SourceId> {
    let shown = path.display().to_string();
    let read = sources.read(path, &shown);
    read.map_err(|error| found.push(Diagnostic::unreadable(&shown, &error))).ok()
}

/// Reads a plan and the files that it renders.
fn plan(path: &Path, sources: &mut Sources, found: &mut Diagnostics) -> Option<(SourceId, Plan)> {
    let id = text(path, sources, found)?;
    Some((id, plan_of(id, directory(path), sources, found)?))
}

/// Makes a plan of its text, and checks the files that it renders.
fn plan_of(
    id: SourceId,
    plan_dir: &Path,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Plan> {
    let plan = plan::read(sources, id, found)?;
    texts::check(&plan, plan_dir, sources, found);
    Some(plan)
}

/// Makes a plan of the text that is stored with its run, which has started: what this planrun would
/// refuse in it are notes. `None` if it cannot be understood.
pub fn started(
    path: &str,
    text: &str,
    sources: &mut Sources,
    notes: &mut Diagnostics,
) -> Option<Plan> {
    let id = sources.add(path, text);
    plan::read_started(sources, id, notes)
}

/// Finds inventories and reads them as one; programs that print one are run by `programs`.
pub fn inventory(
    names: &[String],
    plan_dir: Option<&Path>,
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<(Vec<PathBuf>, Inventory)> {
    let disk = sources.files();
    let paths = find(names, plan_dir, &*disk, found)?;
    if let Some(plan_dir) = plan_dir {
        check_vars(plan_dir, &paths, &*disk, found);
    }
    let inventory = read::read_all(&paths, programs, sources, found)?;
    Some((paths, inventory))
}

/// Finds the inventories that were named; `None` if one does not exist, which is reported.
fn find(
    names: &[String],
    plan_dir: Option<&Path>,
    disk: &dyn FileSystem,
    found: &mut Diagnostics,
) -> Option<Vec<PathBuf>> {
    let paths = names.iter().map(|name| {
        let path = read::find(name, plan_dir, disk);
        path.map_err(|fault| found.push(*fault)).ok()
    });
    // All that are missing are reported.
    let paths: Vec<Option<PathBuf>> = paths.collect();
    paths.into_iter().collect()
}

/// Reports folders of variables that Ansible would read next to a playbook.
fn check_vars(plan_dir: &Path, paths: &[PathBuf], disk: &dyn FileSystem, found: &mut Diagnostics) {
    let bases = paths.iter().filter(|path| disk.exists(path));
    let bases =
        bases.map(|path| if disk.is_directory(path) { path.as_path() } else { directory(path) });
    let bases: Vec<&Path> = bases.collect();
    let Some(base) = bases.first() else { return };
    let same = |one: &Path, other: &Path| {
        let (one, other) = (disk.canonical(one), disk.canonical(other));
        one.is_ok_and(|one| other.is_ok_and(|other| one == other))
    };
    for name in ["group_vars", "host_vars"] {
        let folder = plan_dir.join(name);
        let is_read =
            bases.iter().any(|base| same(plan_dir, base) || same(&folder, &base.join(name)));
        if disk.is_directory(&folder) && !is_read {
            let message = format!("`{}` is ignored", folder.display());
            Diagnostic::warning(Code::VarsBesidePlan, message)
                .help(format!("move it next to the inventory: `{}`", base.join(name).display()))
                .emit(found);
        }
    }
}

/// Returns the hosts that a pattern names, all of them without one; `None` if it is invalid, which is
/// reported.
pub fn hosts(
    inventory: &Inventory,
    limit: Option<&str>,
    found: &mut Diagnostics,
) -> Option<Vec<HostName>> {
    let hosts = pattern::resolve(limit.unwrap_or("all"), inventory);
    let report =
        |error: pattern::PatternError| {
            let fault = Diagnostic::error(Code::HostPattern, error.to_string());
            found.push(fault.help(
                "separate names with `:`, and write `!` before hosts to exclude: `web:!web3`",
            ));
        };
    hosts.map_err(report).ok()
}
