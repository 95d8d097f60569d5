//! Files of scenarios: read with all that belongs to them, and checked.
//!
//! A file of scenarios names its plan and its inventory by paths relative to itself. What is wrong in
//! these files is not reported here, only that it is so. Each scenario has its own inputs and hosts, so the plan
//! is resolved for each of them: `validate` and `test` find the same problems. No scenario is run here.

mod names;

use std::path::{Path, PathBuf};
use std::slice::from_ref;
use std::sync::Arc;

use jiff::Timestamp;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::document::{self, Entry, Node, Style, Text, Value};
use crate::file::{FileSystem, directory};
use crate::inventory::{Inventory, read};
use crate::load::{self, model, scenarios::names::Names};
use crate::model::{Model, World};
use crate::plan::{InputKind, Plan};
use crate::resolve::{self, Inputs, ResolvedPlan};
use crate::schema::{self, kind::Kind};
use crate::source::{SourceId, Sources, Span};

/// What may follow the name of an inventory.
const ENDINGS: [&str; 5] = ["", ".yaml", ".yml", ".ini", ".json"];

/// A file of scenarios without an error, with all that belongs to it.
#[derive(Debug)]
pub struct TestFile {
    /// The plan, and its text.
    pub plan: PathBuf,
    pub text: String,
    pub model: Arc<Model>,
    pub scenarios: Vec<Checked>,
}

/// A scenario that was checked.
#[derive(Debug)]
pub struct Checked {
    pub node: Node,
    /// The plan with its inputs, for its hosts.
    pub plan: ResolvedPlan,
}

/// Reads a file of scenarios; `None` if it or what it names has errors, which are reported.
pub fn read(path: &Path, sources: &mut Sources, found: &mut Diagnostics) -> Option<TestFile> {
    let mut own = Diagnostics::default();
    let id = load::text(path, sources, &mut own);
    let file = id.and_then(|id| whole(id, directory(path), true, sources, &mut own));
    found.extend(own);
    file
}

/// Checks a file of scenarios that is in a folder; `found` has only its problems.
pub(super) fn check(
    id: SourceId,
    dir: &Path,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<TestFile> {
    whole(id, dir, false, sources, found)
}

/// Checks a file of scenarios; `in_full` reports what is wrong in the files that it names.
fn whole(
    id: SourceId,
    dir: &Path,
    in_full: bool,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<TestFile> {
    let node = document::parse(sources, id, found)?;
    schema::check(&node, &Kind::Test.shape(), found);
    let disk = sources.files();
    let mut reading = Reading { dir, disk: &*disk, in_full, sources, found };
    let plan = reading.plan(&node);
    let hosts = reading.hosts(&node, plan.as_ref().map(|plan| &*plan.path));
    let (plan, (inventory, model)) = plan.zip(hosts).filter(|_| !found.has_errors())?;
    let world = World::new(Arc::clone(&model), inventory.hosts.values(), Timestamp::UNIX_EPOCH);
    let mut names = Names::new(&plan.plan, &inventory, world.ok()?, found);
    names.inputs(node.get("inputs"));
    let nodes = node.get("tests").map(Node::items).unwrap_or_default();
    for node in nodes {
        names.scenario(node);
    }
    let given = Given { id, dir, plan: &plan, inventory: &inventory, shared: node.get("inputs") };
    let mut scenarios = Vec::new();
    let mut faults = Diagnostics::default();
    for node in nodes.iter().filter(|_| !found.has_errors()) {
        let plan = given.resolve(node, sources, &mut faults);
        scenarios.extend(plan.map(|plan| Checked { node: node.clone(), plan }));
    }
    found.extend(faults);
    let plan_text = sources.get(plan.id).text().to_owned();
    let file = TestFile { plan: plan.path, text: plan_text, model, scenarios };
    Some(file).filter(|_| !found.has_errors())
}

/// Returns where the plan of a file of scenarios is; `None` if it names none that exists.
pub fn plan_of(path: &Path, text: &str, disk: &dyn FileSystem) -> Option<PathBuf> {
    let mut sources = Sources::default();
    let id = sources.add("", text);
    let node = document::parse(&sources, id, &mut Diagnostics::default())?;
    let name = node.text("plan")?;
    bases(directory(path)).map(|base| base.join(name)).into_iter().find(|path| disk.is_file(path))
}

/// Returns the folders that names are relative to: that of the file, and the one above.
fn bases(dir: &Path) -> [PathBuf; 2] {
    let above = dir.parent().filter(|_| dir.file_name().is_some());
    [dir.to_owned(), above.map_or_else(|| dir.join(".."), Path::to_owned)]
}

/// The plan of a file.
struct NamedPlan {
    path: PathBuf,
    id: SourceId,
    plan: Plan,
}

/// What is read in addition to the scenarios.
struct Reading<'a> {
    dir: &'a Path,
    disk: &'a dyn FileSystem,
    /// Whether the problems of these files are reported.
    in_full: bool,
    sources: &'a mut Sources,
    found: &'a mut Diagnostics,
}

impl Reading<'_> {
    fn plan(&mut self, node: &Node) -> Option<NamedPlan> {
        let node = node.get("plan")?;
        let name = node.as_text()?;
        let mut paths = bases(self.dir).map(|base| base.join(name)).into_iter();
        let path = paths.find(|path| self.disk.is_file(path));
        let Some(path) = path else {
            Diagnostic::error(Code::NoSuchFile, format!("there is no plan `{name}`"))
                .at(node.span, "not next to this file, nor in the folder above")
                .help("correct the path: it is relative to this file")
                .emit(self.found);
            return None;
        };
        let mut own = Diagnostics::default();
        let plan = load::plan(&path, self.sources, &mut own);
        self.faulty(node.span, &path, own);
        plan.map(|(id, plan)| NamedPlan { path, id, plan })
    }

    fn hosts(&mut self, node: &Node, plan: Option<&Path>) -> Option<(Inventory, Arc<Model>)> {
        let node = node.get("inventory")?;
        let name = node.as_text()?;
        let endings = |place: PathBuf| {
            ENDINGS.map(|ending| {
                let mut place = place.clone().into_os_string();
                place.push(ending);
                PathBuf::from(place)
            })
        };
        let places =
            bases(self.dir).map(|base| [base.join("inventories").join(name), base.join(name)]);
        let mut places = places.into_iter().flatten().flat_map(endings);
        let Some(path) = places.find(|path| self.disk.exists(path) && !name.is_empty()) else {
            Diagnostic::error(Code::NoSuchInventory, format!("there is no inventory `{name}`"))
                .at(node.span, "not in `inventories` next to this file, nor in the folder above")
                .help("correct the name: it is relative to this file")
                .emit(self.found);
            return None;
        };
        let mut own = Diagnostics::default();
        let shown = path.display().to_string();
        let Some(inventory) = read::read(&path, &shown, self.sources, &mut own) else {
            self.faulty(node.span, &path, own);
            return None;
        };
        let plan_dir = plan.map_or(self.dir, directory);
        let model = model::read(&inventory, from_ref(&path), plan_dir, self.sources, &mut own);
        self.faulty(node.span, &path, own);
        if let Some(model) = model.ok()? {
            Some((inventory, model.model))
        } else {
            let message = format!("the hosts of `{name}` are not model hosts");
            Diagnostic::error(Code::FaultyReference, message)
                .at(node.span, "scenarios run on model hosts only")
                .help("name an inventory with `planrun_connection: model`")
                .emit(self.found);
            None
        }
    }

    /// Reports that a file has errors, if it has any.
    fn faulty(&mut self, span: Span, path: &Path, mut own: Diagnostics) {
        own.retain(|one| one.severity == Severity::Error);
        if !own.has_errors() {
            return;
        }
        if self.in_full {
            self.found.extend(own);
            return;
        }
        let shown = path.display();
        Diagnostic::error(Code::FaultyReference, format!("`{shown}` has errors"))
            .at(span, "its scenarios cannot be checked")
            .help(format!("fix them first: `planrun validate {shown}`"))
            .emit(self.found);
    }
}

/// What the scenarios of a file have in common.
struct Given<'a> {
    id: SourceId,
    dir: &'a Path,
    plan: &'a NamedPlan,
    inventory: &'a Inventory,
    /// The inputs of all scenarios.
    shared: Option<&'a Node>,
}

impl Given<'_> {
    /// Returns the plan of a scenario; `None` if it has errors. Those that were reported already are left out.
    fn resolve(
        &self,
        node: &Node,
        sources: &mut Sources,
        found: &mut Diagnostics,
    ) -> Option<ResolvedPlan> {
        let given = Inputs {
            file: Some((self.id, self.inputs(node, sources))),
            limit: node.text("limit").map(str::to_owned),
            plan_dir: directory(&self.plan.path).to_owned(),
            ..Inputs::default()
        };
        let mut own = Diagnostics::default();
        let (plan, inventory) = (self.plan.plan.clone(), self.inventory.clone());
        let resolved = resolve::resolve(plan, inventory, &given, sources, &mut own);
        let is_known = |one: &Diagnostic| {
            let mut earlier = found.sorted().into_iter();
            earlier.any(|other| (one.code, &one.message) == (other.code, &other.message))
        };
        let new = own.sorted().into_iter().filter(|one| one.severity == Severity::Error);
        let new: Vec<Diagnostic> = new.filter(|one| !is_known(one)).cloned().collect();
        for one in new {
            let is_here = one.primary.as_ref().is_some_and(|label| label.span.source == self.id);
            let name = node.get("name").map(|name| name.span);
            found.push(match (&one.primary, is_here) {
                (_, true) => one,
                (Some(_), false) => one.also(name, "in this scenario"),
                (None, false) => one.at(name, "in this scenario"),
            });
        }
        resolved
    }

    /// Returns the inputs of a scenario: its own replace those of the file.
    fn inputs(&self, node: &Node, sources: &Sources) -> Node {
        let own = node.entries_of("inputs");
        let shared = self.shared.map(Node::entries).unwrap_or_default().iter();
        let shared = shared.filter(|entry| own.iter().all(|other| other.key != entry.key));
        let mut entries: Vec<Entry> = shared.chain(own).cloned().collect();
        for entry in &mut entries {
            let Some(input) = self.plan.plan.inputs.get(&entry.key) else { continue };
            if input.is_hidden()
                && let Some(text) = entry.value.lexeme(sources)
            {
                // Later it is not shown any more, nor read.
                entry.value.value = written(text.to_owned());
            }
            if let (InputKind::File, Some(text)) = (&input.kind, entry.value.as_text())
                && !text.is_empty()
            {
                let path = self.dir.join(text);
                let path = std::path::absolute(&path).unwrap_or(path);
                entry.value.value = written(path.to_string_lossy().into_owned());
            }
        }
        let span = node.get("inputs").map_or(node.span, |inputs| inputs.span);
        Node { value: Value::Map(entries), span, alias: None }
    }
}

fn written(text: String) -> Value {
    Value::Text(Text { text, style: Style::Plain })
}
