//! What several plans are checked against: the inventory, its model, the file of inputs.
//!
//! Each is read once, and is a file of the findings like any other. Which inventory a bare name
//! stands for depends on where the plan is, so plans of several folders may have several.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use crate::cli::load;
use crate::cli::load::Values;
use crate::cli::models;
use crate::cli::tell::Checked;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::inventory::Inventory;
use crate::inventory::read;
use crate::plan::Plan;
use crate::resolve;
use crate::resolve::Given;
use crate::source::Sources;

/// See the module.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    name: Option<&'a str>,
    values: &'a Values,
    given: Inputs,
    inventories: BTreeMap<PathBuf, Option<Inventory>>,
    told: HashSet<Key>,
}

/// What is given with every plan.
#[derive(Debug)]
enum Inputs {
    NotRead,
    /// `None` where the file is of no use, which is told.
    Read(Option<Given>),
}

/// Makes two faults one: its code, its message, and the place it has.
type Key = (&'static str, String, Option<(String, Range<usize>)>);

impl<'a> Shared<'a> {
    /// Begins with what the command line names.
    pub(super) fn new(name: Option<&'a str>, values: &'a Values) -> Self {
        Self {
            name,
            values,
            given: Inputs::NotRead,
            inventories: BTreeMap::new(),
            told: HashSet::new(),
        }
    }

    /// Checks an inventory and its model, for plans of a folder; `None` where that was done before.
    pub(super) fn inventory_at(
        &mut self,
        path: &Path,
        shown: &str,
        plan_dir: &Path,
        sources: &mut Sources,
    ) -> Option<Checked> {
        if self.inventories.contains_key(path) {
            return None;
        }
        let mut found = Diagnostics::default();
        let inventory = read::read(path, shown, sources, &mut found);
        if let Some(inventory) = &inventory {
            let _model = models::read(inventory, path, plan_dir, sources, &mut found);
        }
        self.inventories.insert(path.to_owned(), inventory);
        Some(self.checked(shown, &found, sources))
    }

    /// Reads what a plan of a folder is checked against, whatever is wrong in the plan; returns what
    /// was found in these files.
    pub(super) fn prepare(
        &mut self,
        plan_dir: &Path,
        sources: &mut Sources,
        found: &mut Diagnostics,
    ) -> Vec<Checked> {
        let Some(name) = self.name else {
            return Vec::new();
        };
        let mut read_now = Vec::new();
        read_now.extend(self.read_given(sources));
        let path = match read::find(name, Some(plan_dir)) {
            Ok(path) => path,
            Err(fault) => {
                let mut not_found = Diagnostics::default();
                not_found.push(*fault);
                let checked = self.checked(name, &not_found, sources);
                read_now.extend((!checked.found.is_empty()).then_some(checked));
                return read_now;
            }
        };
        let shown = path.display().to_string();
        read_now.extend(self.inventory_at(&path, &shown, plan_dir, sources));
        load::tell_vars_beside(plan_dir, &path, found);
        read_now
    }

    /// Brings a plan together with the inventory, if there is one that is of use.
    pub(super) fn resolve(
        &self,
        plan: Plan,
        plan_dir: &Path,
        sources: &mut Sources,
        found: &mut Diagnostics,
    ) {
        let path = self.name.map(|name| read::find(name, Some(plan_dir)));
        let Some(Ok(path)) = path else { return };
        let inventory = self.inventories.get(&path).cloned().flatten();
        if let (Some(inventory), Inputs::Read(Some(given))) = (inventory, &self.given) {
            let given = Given {
                plan_dir: plan_dir.to_owned(),
                // Where plans are checked, nobody has them.
                without_secrets: true,
                ..given.clone()
            };
            let _resolved = resolve::resolve(plan, inventory, &given, sources, found);
        }
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
