//! From a plan and an inventory to a resolved plan: these hosts, these values, these files.
//!
//! After this stage nothing is read from the controller's disk any more: a [`ResolvedPlan`] is
//! stored with its run, and a resume works on it and not on files edited since. Every problem is
//! reported: all inputs without a value, all missing files.

mod files;
mod hosts;
mod inputs;
mod items;
mod numbers;
mod routes;
pub mod secrets;
mod stages;
pub mod texts;
mod variables;

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::Serde;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::Node;
use crate::inventory::{Host, HostName, Inventory};
use crate::plan::{Plan, Section, Step, Target};
use crate::resolve::secrets::Secrets;
use crate::source::{SourceId, Sources};
use crate::template;
use crate::template::Names;

pub(crate) use stages::needs;

/// Where the values of inputs come from, host by host, in words.
pub type Origins = IndexMap<HostName, IndexMap<String, String>>;

/// A plan for certain hosts with certain values.
#[derive(Clone, Debug)]
pub struct ResolvedPlan {
    pub plan: Plan,
    /// The inventory: all of it, for delegated steps.
    pub inventory: Inventory,
    /// The hosts to be worked on: section by section, in the order of the inventory.
    pub hosts: Vec<HostName>,
    /// The values of the inputs, host by host.
    pub inputs: IndexMap<HostName, IndexMap<String, serde_json::Value>>,
    /// Where these, and secrets, come from. Not stored with a run.
    pub origins: Origins,
    /// The files that uploads and inputs name, by the path as rendered from the plan.
    pub files: BTreeMap<String, Arc<[u8]>>,
    /// The values that are never shown, and not kept.
    pub secrets: Secrets,
    /// The names of the members of the groups that texts use.
    pub groups: Value,
    /// How many hosts each section has.
    pub sections: Vec<usize>,
}

/// Returns how many hosts each section of a run has.
pub fn sections(plan: &Plan, inventory: &Inventory, hosts: &[HostName]) -> Vec<usize> {
    let members = |section: &Section| match &section.group {
        None => hosts.len(),
        Some((group, _)) => {
            let members: HashSet<HostName> =
                inventory.members(group).unwrap_or_default().into_iter().collect();
            hosts.iter().filter(|host| members.contains(*host)).count()
        }
    };
    plan.serial.iter().map(members).collect()
}

/// Returns the value of `groups` in the texts of a plan.
pub fn groups_value(plan: &Plan, inventory: &Inventory) -> Value {
    let names = |group| inventory.members(group).unwrap_or_default();
    let groups = plan.used_groups().into_keys().map(|group| (group, names(group)));
    Serde(groups.collect::<BTreeMap<_, _>>()).into()
}

impl ResolvedPlan {
    /// Returns the hosts that `locks` names.
    pub fn locks(&self) -> Vec<HostName> {
        let names = self.plan.locks.iter();
        names.filter_map(|(name, _)| self.inventory.members(name)).flatten().collect()
    }

    /// Returns the hosts on which a command may run that belongs to a step or a probe of `here`: of
    /// a host, or of an item that is one.
    pub fn members(&self, target: &Target, here: &[HostName]) -> Vec<HostName> {
        match target.name() {
            None => here.to_vec(),
            Some(name) => self.inventory.members(name).unwrap_or_default(),
        }
    }

    /// Returns all hosts on which a command may run: of a step, or of a probe.
    pub fn places(&self, target: &Target, step: Option<&Step>) -> Vec<HostName> {
        if !matches!(target, Target::Item(_)) {
            return self.members(target, &self.hosts);
        }
        let of = step.and_then(|step| self.plan.find(&step.path)?.1);
        let own = of.and_then(|of| of.for_each.as_ref()?.list.group());
        let groups = match step {
            Some(_) => own.into_iter().collect(),
            None => hosts::item_groups(&self.plan).into_iter().map(|(group, _)| group).collect(),
        };
        let groups: Vec<&str> = groups;
        groups.into_iter().filter_map(|group| self.inventory.members(group)).flatten().collect()
    }
}

/// What the names of environment variables that give inputs start with; the name of the input
/// follows in upper case.
pub const ENVIRONMENT: &str = "PLANRUN_INPUT_";

/// What a user gives with a plan.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// `--set NAME=VALUE`, in order; the last of a name counts.
    pub set: Vec<(String, String)>,
    /// `--inputs FILE`: a YAML mapping of names to values.
    pub file: Option<(SourceId, Node)>,
    /// Variables of the environment that start with [`ENVIRONMENT`], by their whole names.
    pub environment: Vec<(String, String)>,
    /// What configured commands printed for secrets that have no other source, or why there is nothing.
    pub commands: Vec<(String, Result<String, Box<Diagnostic>>)>,
    /// Whether secrets may be missing: nothing is to be run with them.
    pub without_secrets: bool,
    /// `--limit PATTERN`.
    pub limit: Option<String>,
    /// `--serial HOSTS`.
    pub serial: Option<NonZeroUsize>,
    /// The directory of the plan: files are looked for there.
    pub plan_dir: PathBuf,
}

/// Brings a plan, an inventory and given values together; `None` if there are errors.
pub fn resolve(
    plan: Plan,
    inventory: Inventory,
    given: &Inputs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<ResolvedPlan> {
    let (mut plan, mut own) = (plan, Diagnostics::default());
    if let Some(most) = given.serial {
        hosts::cap(&mut plan, most, &mut own);
    }
    let hosts = hosts::targets(&plan, &inventory, given, &mut own);
    hosts::places(&plan, &inventory, &mut own);
    stages::names(&plan, &inventory, &mut own);
    routes::check(&hosts::reached(&plan, &hosts, &inventory), &mut own);
    inputs::unknown(&plan, given, &mut own);
    let all = |_: &_| true;
    let (mut inputs, origins) =
        inputs::values(&plan, all, &inventory, &hosts, given, sources, &mut own);
    let mut secrets = Secrets::take(&plan, &mut inputs);
    secrets::files::locate(&plan, &mut inputs, &given.plan_dir);
    if !given.without_secrets {
        secrets.read(&plan, &inputs, files::RELATIVE, &*sources.files(), &mut own);
    }
    let mut inventory = inventory;
    secrets::hide(&plan, &mut inventory, given, sources);
    let (files, groups) = (BTreeMap::new(), groups_value(&plan, &inventory));
    let sections = sections(&plan, &inventory, &hosts);
    let mut resolved =
        ResolvedPlan { plan, inventory, hosts, inputs, origins, files, secrets, groups, sections };
    secrets::check(&resolved, given, sources, &mut own);
    stages::inputs(&resolved, &mut own);
    // Paths are made of values: with faulty ones every file would be missing, too.
    if !own.has_errors() {
        resolved.files = files::read(&resolved, given, &*sources.files(), &mut own);
        secrets::copied_files(&resolved, &mut own);
        let texts = texts::of_hosts(&resolved, given, sources, &mut own);
        numbers::check(&resolved, &texts, given, &mut own);
    }
    variables::check(&resolved, &mut own);
    let faulty = own.has_errors();
    routes::supersede(&own, found);
    found.extend(own);
    (!faulty).then_some(resolved)
}

/// Returns what the texts of a host see before any step: its inputs, and `host`. Those of a stage see the
/// inputs that are the same on all hosts.
pub fn names(resolved: &ResolvedPlan, host: &HostName) -> Names {
    let of_stage = || resolved.inputs.values().next().filter(|_| !resolved.hosts.contains(host));
    let is_same = |name: &str, value: &serde_json::Value| {
        let mut others = resolved.inputs.values();
        resolved.inputs.contains_key(host) || others.all(|it| it.get(name) == Some(value))
    };
    let mut names: Names = resolved
        .inputs
        .get(host)
        .or_else(of_stage)
        .into_iter()
        .flatten()
        .filter(|(name, value)| is_same(name, value))
        .map(|(name, value)| (name.clone(), Serde(value).into()))
        .collect();
    if let Some(host) = resolved.inventory.host(host) {
        names.insert("host".into(), host_value(host));
    }
    names.insert("groups".into(), resolved.groups.clone());
    names.extend(&resolved.secrets.marks(&resolved.plan, host));
    names
}

/// Returns the value of `host` or `there`: `name`, `address`, `groups` and `vars`.
pub fn host_value(host: &Host) -> Value {
    let vars: BTreeMap<&str, &serde_json::Value> =
        host.vars.iter().map(|(name, variable)| (name.as_str(), &variable.value)).collect();
    let parts = vec![
        ("name", host.name.as_str().into()),
        ("address", host.link.address.as_str().into()),
        ("groups", Serde(&host.groups).into()),
        ("vars", Serde(vars).into()),
    ];
    template::parts_value(parts)
}
