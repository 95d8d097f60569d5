//! Every problem of the files that users write: plans, models, tests, inventories.
//!
//! Files are reported in the order they were given, each once. What plans share (an inventory, its
//! model, a file of inputs) is read once, and its problems are reported once, for the first plan that
//! leads to it. Which inventory a bare name means depends on where the plan is, so plans in several
//! directories may have several. Nothing is run.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity, allow};
use crate::document;
use crate::file::directory;
use crate::inventory::program::NoPrograms;
use crate::inventory::{Inventory, pattern, read};
use crate::load;
use crate::load::files::File;
use crate::load::{Request, entries, inputs, model, scenarios};
use crate::model::Model;
use crate::plan;
use crate::plan::Plan;
use crate::plan::check::uninterruptible;
use crate::resolve::{self, Inputs, secrets};
use crate::schema;
use crate::schema::foreign::file::recognise;
use crate::schema::kind::Kind;
use crate::source::{SourceId, Sources};

/// Warnings about a plan that need an inventory.
const WITH_INVENTORY: [Code; 2] = [Code::NoEntry, Code::LocksNotEnforced];

/// Warnings of `apply` that no change of a plan can avoid: notes here, which nothing denies.
const NOT_OF_THE_PLAN: [Code; 1] = [Code::LocksNotEnforced];

#[derive(Clone, Debug)]
pub struct Checked {
    /// The file as the user named it.
    pub file: String,
    /// Its problems and notes, in the order of their places.
    pub found: Vec<Diagnostic>,
}

#[derive(Debug, Default)]
pub struct Validated {
    pub files: Vec<Checked>,
    /// The plans that were not checked against the inventory, because it lacks their hosts.
    pub unmatched: Vec<Unmatched>,
}

/// A plan that is for another inventory.
#[derive(Clone, Debug)]
pub struct Unmatched {
    pub inventory: String,
    pub plan: String,
    pub hosts: String,
}

/// Checks files, each for itself, and plans together with what the request names. A kind is what all
/// of them are; otherwise each shows it.
pub fn validate(
    files: Vec<File>,
    kind: Option<Kind>,
    request: &Request,
    sources: &mut Sources,
) -> Validated {
    let several = files.len() > 1;
    let mut validation = Validation {
        request,
        sources,
        several,
        given: OnceCell::new(),
        inventories: BTreeMap::new(),
        models: BTreeMap::new(),
        reported: HashSet::new(),
        matched: false,
        has_secrets: false,
        validated: Validated::default(),
    };
    for file in files {
        validation.file(file, kind);
    }
    validation.finish()
}

/// Makes one of two problems: its code, its message, and its place.
type Key = (Code, String, Option<(String, Range<usize>)>);

struct Validation<'a> {
    request: &'a Request,
    sources: &'a mut Sources,
    /// Whether there are several files: then not every plan is for this inventory.
    several: bool,
    /// What every plan is given, once it was read; `None` in it if it cannot be used.
    given: OnceCell<Option<Inputs>>,
    inventories: BTreeMap<Vec<PathBuf>, Option<Inventory>>,
    /// The models of inventories of model hosts.
    models: BTreeMap<Vec<PathBuf>, Arc<Model>>,
    reported: HashSet<Key>,
    /// Whether a plan was checked against the inventory.
    matched: bool,
    /// Whether the file of inputs may contain secrets.
    has_secrets: bool,
    validated: Validated,
}

impl Validation<'_> {
    fn file(&mut self, file: File, kind: Option<Kind>) {
        let mut found = Diagnostics::default();
        let known = kind.or_else(|| file.kind());
        let dir = directory(&file.path).to_owned();
        match (file.text, known) {
            // Inventories are read by their paths: variables are in files next to them.
            (Ok(_), Some(Kind::Inventory)) if self.sources.files().exists(&file.path) => {
                return self.inventory_at(&[file.path], &dir);
            }
            (Err(fault), _) => found.push(*fault),
            (Ok(text), kind) => {
                let id = self.sources.add(&file.shown, text);
                match kind {
                    Some(Kind::Plan) => self.plan(id, &file.shown, &dir, &mut found),
                    Some(Kind::Model) => {
                        let _model = model::lower(id, self.sources, &mut found);
                    }
                    Some(Kind::Test) => {
                        let _file = scenarios::check(id, &dir, self.sources, &mut found);
                    }
                    Some(Kind::Inventory) => {
                        if let Some(node) = document::parse(self.sources, id, &mut found) {
                            schema::check(&node, &Kind::Inventory.shape(), &mut found);
                        }
                    }
                    None => unknown(id, self.sources, &mut found),
                }
            }
        }
        let found = found.sorted().into_iter().cloned().collect();
        self.validated.files.push(Checked { file: file.shown, found });
    }

    fn plan(&mut self, id: SourceId, shown: &str, dir: &Path, found: &mut Diagnostics) {
        let plan = load::plan_of(id, dir, self.sources, found);
        self.has_secrets |= plan.as_ref().is_none_or(secrets::are_needed);
        let paths = self.prepare(dir, found);
        let Some(plan) = plan else { return };
        uninterruptible::notes(&plan, found);
        if let Some(paths) = paths {
            self.resolve(plan, shown, dir, &paths, found);
        }
        found.amend(|one| {
            if NOT_OF_THE_PLAN.contains(&one.code) {
                one.severity = Severity::Note;
            }
        });
    }

    /// Reads what a plan in a directory is checked against, whatever is wrong in the plan; returns the
    /// inventories.
    fn prepare(&mut self, plan_dir: &Path, found: &mut Diagnostics) -> Option<Vec<PathBuf>> {
        let names = &self.request.inventories;
        if names.is_empty() {
            return None;
        }
        self.read_given();
        let disk = self.sources.files();
        let mut missing = Diagnostics::default();
        let paths = load::find(names, Some(plan_dir), &*disk, &mut missing);
        let Some(paths) = paths else {
            self.report(&names.join(", "), &missing, false);
            return None;
        };
        self.inventory_at(&paths, plan_dir);
        load::check_vars(plan_dir, &paths, &*disk, found);
        Some(paths)
    }

    /// Checks an inventory and its model, for plans in a directory; once.
    fn inventory_at(&mut self, paths: &[PathBuf], plan_dir: &Path) {
        if self.inventories.contains_key(paths) {
            return;
        }
        let mut found = Diagnostics::default();
        let inventory = read::read_all(paths, &mut NoPrograms, self.sources, &mut found);
        if let Some(inventory) = &inventory {
            let model = model::read(inventory, paths, plan_dir, self.sources, &mut found);
            if let Ok(Some(model)) = model {
                self.models.insert(paths.to_owned(), model.model);
            }
        }
        self.inventories.insert(paths.to_owned(), inventory);
        let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        self.report(&shown.join(", "), &found, true);
    }

    /// Reads the values that all plans are given; once.
    fn read_given(&mut self) {
        if self.given.get().is_some() {
            return;
        }
        let mut found = Diagnostics::default();
        self.given =
            OnceCell::from(inputs::read(self.request, Path::new(""), self.sources, &mut found));
        if let Some(file) = &self.request.inputs {
            self.report(&file.display().to_string(), &found, true);
        }
    }

    /// Combines a plan with the inventory, if both can be used.
    fn resolve(
        &mut self,
        plan: Plan,
        shown: &str,
        plan_dir: &Path,
        paths: &[PathBuf],
        found: &mut Diagnostics,
    ) {
        let inventory = self.inventories.get(paths).cloned().flatten();
        let (Some(inventory), Some(Some(given))) = (inventory, self.given.get()) else { return };
        // Some of its hosts do not exist: it is for another inventory.
        let hosts = pattern::resolve(&plan.hosts.0, &inventory);
        if self.several && matches!(hosts, Err(pattern::PatternError::Unknown { .. })) {
            let (inventory, plan, hosts) = (inventory.path, shown.to_owned(), plan.hosts.0);
            self.validated.unmatched.push(Unmatched { inventory, plan, hosts });
            return;
        }
        self.matched = true;
        let plan_dir = plan_dir.to_owned();
        // Secrets are not available when plans are checked.
        let given = Inputs { plan_dir, without_secrets: true, ..given.clone() };
        let resolved = resolve::resolve(plan, inventory, &given, self.sources, found);
        if let (Some(resolved), Some(model)) = (resolved, self.models.get(paths)) {
            entries::check(&resolved, model, found);
        }
    }

    /// Adds what was found in a shared file, without what was reported before.
    fn report(&mut self, file: &str, found: &Diagnostics, even_if_empty: bool) {
        let sources = &*self.sources;
        let new = |one: &&Diagnostic| {
            let place = one.primary.as_ref().map(|label| {
                let path = sources.get(label.span.source).path();
                (path.to_owned(), label.span.range())
            });
            self.reported.insert((one.code, one.message.clone(), place))
        };
        let found: Vec<Diagnostic> = found.sorted().into_iter().filter(new).cloned().collect();
        if even_if_empty || !found.is_empty() {
            self.validated.files.push(Checked { file: file.to_owned(), found });
        }
    }

    /// Makes the whole of it: hides secrets, and applies the comments that allow warnings.
    fn finish(mut self) -> Validated {
        if let Some(Some(Inputs { file: Some((file, _)), .. })) = self.given.get()
            && self.has_secrets
        {
            inputs::hide(*file, self.sources);
        }
        if !self.matched && !self.validated.unmatched.is_empty() {
            let name = self.request.inventories.join(", ");
            let message = format!("no plan was checked against `{name}`: it lacks their hosts");
            let fault = Diagnostic::error(Code::UnknownHost, message);
            let found = vec![fault.help("name the inventory of these plans")];
            self.validated.files.push(Checked { file: name, found });
        }
        // Some warnings need a plan and its inventory together.
        let together = !self.request.inventories.is_empty();
        let may_come = |code| !together && WITH_INVENTORY.contains(&code);
        settle(&mut self.validated.files, self.sources, may_come);
        self.validated
    }
}

/// Removes the warnings that are allowed in place, and warns of comments that allow nothing.
/// `may_come` returns whether a check that was not made may report a warning.
fn settle(files: &mut [Checked], sources: &Sources, may_come: impl Fn(Code) -> bool + Copy) {
    let path = |id| sources.get(id).path();
    let mut used = HashSet::new();
    for file in &mut *files {
        file.found.retain(|one| {
            let place = allow::allowance(one, sources).map(|(id, at)| (path(id), at));
            used.extend(place);
            place.is_none()
        });
    }
    // A file may have been read twice.
    let ids: HashMap<&str, SourceId> = sources.ids().map(|id| (path(id), id)).collect();
    for file in files {
        // A file with errors is not checked completely.
        if let Some(id) = ids.get(file.file.as_str())
            && !file.found.iter().any(|one| one.severity == Severity::Error)
        {
            let used = |at| used.contains(&(path(*id), at));
            file.found.extend(allow::unused(*id, sources, used, may_come));
        }
    }
}

/// Reports a file that does not show its kind: a file of another tool, if that is known.
fn unknown(id: SourceId, sources: &Sources, found: &mut Diagnostics) {
    let node = document::parse(sources, id, &mut Diagnostics::default());
    if node.as_ref().and_then(recognise).is_some() {
        let _no_plan = plan::read(sources, id, found);
        return;
    }
    let shown = sources.get(id).path();
    let message = format!("cannot determine what kind of file `{shown}` is");
    Diagnostic::error(Code::UnknownKind, message)
        .help("a plan has `version`, `name`, `hosts` and `steps`")
        .help("leave the file out, or name its kind: `--kind plan`")
        .emit(found);
}
