//! What several plans are checked against: the inventory, its model, the file of inputs.
//!
//! Each is read once, and is a file of the findings like any other. Which inventory a bare name
//! stands for depends on where the plan is, so plans of several folders may have several.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::load::Values;
use crate::cli::tell::{Checked, Findings};
use crate::cli::validate::entries;
use crate::cli::{load, models};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::program::NoPrograms;
use crate::inventory::{Inventory, pattern, read};
use crate::model::Model;
use crate::plan::Plan;
use crate::report::text::printable;
use crate::resolve;
use crate::resolve::Given;
use crate::source::Sources;

/// See the module.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    names: &'a [String],
    values: &'a Values,
    given: Inputs,
    inventories: BTreeMap<Vec<PathBuf>, Option<Inventory>>,
    /// The models of inventories of model hosts.
    models: BTreeMap<Vec<PathBuf>, Arc<Model>>,
    told: HashSet<Key>,
    /// Whether there are several files: not every plan is for this inventory then.
    several: bool,
    /// How many plans were checked against the inventory.
    checked: usize,
    /// Whether the file of inputs may hold secrets.
    pub(super) has_secrets: bool,
    /// Lines of talk: which plans were not checked against the inventory.
    pub(super) talk: Vec<String>,
}

/// What is given with every plan.
#[derive(Debug)]
enum Inputs {
    NotRead,
    /// `None` where the file is of no use, which is told.
    Read(Option<Given>),
}

/// Whether a plan is for another inventory: a part of its hosts is not there.
fn is_of_another(plan: &Plan, inventory: &Inventory) -> bool {
    let hosts = pattern::resolve(&plan.hosts.0, inventory);
    matches!(hosts, Err(pattern::PatternError::Unknown { .. }))
}

/// Makes two faults one: its code, its message, and the place it has.
type Key = (Code, String, Option<(String, Range<usize>)>);

impl<'a> Shared<'a> {
    /// Begins with what the command line names.
    pub(super) fn new(names: &'a [String], values: &'a Values, several: bool) -> Self {
        Self {
            names,
            values,
            given: Inputs::NotRead,
            inventories: BTreeMap::new(),
            models: BTreeMap::new(),
            told: HashSet::new(),
            several,
            checked: 0,
            has_secrets: false,
            talk: Vec::new(),
        }
    }

    /// Checks an inventory and its model, for plans of a folder; `None` where that was done before.
    pub(super) fn inventory_at(
        &mut self,
        paths: &[PathBuf],
        plan_dir: &Path,
        sources: &mut Sources,
    ) -> Option<Checked> {
        if self.inventories.contains_key(paths) {
            return None;
        }
        let mut found = Diagnostics::default();
        let inventory = read::read_all(paths, &mut NoPrograms, sources, &mut found);
        if let Some(inventory) = &inventory {
            let model = models::read(inventory, paths, plan_dir, sources, &mut found);
            if let Ok(Some(model)) = model {
                self.models.insert(paths.to_owned(), model.model());
            }
        }
        self.inventories.insert(paths.to_owned(), inventory);
        let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        Some(self.checked(&shown.join(", "), &found, sources))
    }

    /// Reads what a plan of a folder is checked against, whatever is wrong in the plan; returns what
    /// was found in these files.
    pub(super) fn prepare(
        &mut self,
        plan_dir: &Path,
        sources: &mut Sources,
        found: &mut Diagnostics,
    ) -> Vec<Checked> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let mut read_now = Vec::new();
        read_now.extend(self.read_given(sources));
        let mut not_found = Diagnostics::default();
        let Some(paths) = load::find(self.names, Some(plan_dir), &mut not_found) else {
            let checked = self.checked(&self.names.join(", "), &not_found, sources);
            read_now.extend((!checked.found.is_empty()).then_some(checked));
            return read_now;
        };
        read_now.extend(self.inventory_at(&paths, plan_dir, sources));
        load::tell_vars_beside(plan_dir, &paths, found);
        read_now
    }

    /// Brings a plan together with the inventory, if there is one that is of use.
    pub(super) fn resolve(
        &mut self,
        plan: Plan,
        shown: &str,
        plan_dir: &Path,
        sources: &mut Sources,
        found: &mut Diagnostics,
    ) {
        let paths = load::find(self.names, Some(plan_dir), &mut Diagnostics::default());
        let Some(paths) = paths else { return };
        let inventory = self.inventories.get(&paths).cloned().flatten();
        if let (Some(inventory), Inputs::Read(Some(given))) = (inventory, &self.given) {
            if self.several && is_of_another(&plan, &inventory) {
                self.talk.push(format!(
                    "not checked against {}: {}, its hosts `{}` are not there",
                    printable(&inventory.path),
                    printable(shown),
                    printable(&plan.hosts.0)
                ));
                return;
            }
            self.checked += 1;
            let given = Given {
                plan_dir: plan_dir.to_owned(),
                // Where plans are checked, nobody has them.
                without_secrets: true,
                ..given.clone()
            };
            let resolved = resolve::resolve(plan, inventory, &given, sources, found);
            if let (Some(resolved), Some(model)) = (resolved, self.models.get(&paths)) {
                entries::check(&resolved, model, found);
            }
        }
    }

    /// Takes the values of the file of inputs out of what is shown, if some may be secrets.
    pub(super) fn hide_inputs(&self, sources: &mut Sources) {
        if let Inputs::Read(Some(Given { file: Some((file, _)), .. })) = &self.given
            && self.has_secrets
        {
            load::hide_inputs(*file, sources);
        }
    }

    /// Reports an inventory that has the hosts of no plan.
    pub(super) fn unchecked(&self, findings: &mut Findings) {
        if self.checked > 0 || self.talk.is_empty() {
            return;
        }
        let name = self.names.join(", ");
        let message = format!("no plan was checked against `{name}`: none has its hosts there");
        let fault = Diagnostic::error(Code::UnknownHost, message);
        let found = vec![fault.help("name the inventory of these plans")];
        findings.files.push(Checked { file: name, found });
    }

    /// Reads the file of inputs, once.
    fn read_given(&mut self, sources: &mut Sources) -> Option<Checked> {
        if matches!(self.given, Inputs::Read(_)) {
            return None;
        }
        let mut found = Diagnostics::default();
        let given = load::given(self.values, Path::new(""), sources, &mut found);
        self.given = Inputs::Read(given);
        let file = self.values.inputs.as_ref()?.display().to_string();
        Some(self.checked(&file, &found, sources))
    }

    /// Makes a file of the findings of what was found, without what was told before.
    fn checked(&mut self, file: &str, found: &Diagnostics, sources: &Sources) -> Checked {
        let new = |one: &&Diagnostic| {
            let place = one.primary.as_ref().map(|label| {
                let path = sources.get(label.span.source).path();
                (path.to_owned(), label.span.range())
            });
            self.told.insert((one.code, one.message.clone(), place))
        };
        Checked {
            file: file.to_owned(),
            found: found.sorted().into_iter().filter(new).cloned().collect(),
        }
    }
}
