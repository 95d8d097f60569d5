//! Scenarios: that the steps, hosts, faults, inputs and values they name exist.
//!
//! A file of scenarios names its plan and its inventory by paths relative to itself. What is wrong in
//! these files is not reported here, only that it is so; no scenario is run.

use std::path::{Path, PathBuf};
use std::slice::from_ref;

use jiff::Timestamp;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::document::{self, Entry, Node};
use crate::file::FileSystem;
use crate::inventory::{HostName, Inventory, pattern, read};
use crate::load::{self, model};
use crate::model::{FaultKind, ModelError, World};
use crate::plan::Plan;
use crate::schema::{self, kind::Kind};
use crate::source::{SourceId, Sources, Span};
use crate::task::StepPath;

/// Faults that do not come from hosts.
const OF_THE_CONTROLLER: [&str; 2] = ["controller_dies", "interrupt"];
/// What may follow the name of an inventory.
const ENDINGS: [&str; 5] = ["", ".yaml", ".yml", ".ini", ".json"];

/// Checks a file of scenarios that is in a folder.
pub(super) fn check(id: SourceId, dir: &Path, sources: &mut Sources, found: &mut Diagnostics) {
    let Some(node) = document::parse(sources, id, found) else { return };
    schema::check(&node, &Kind::Test.shape(), found);
    let disk = sources.files();
    let mut reading = Reading { dir, disk: &*disk, sources, found };
    let plan = reading.plan(&node);
    let hosts = reading.hosts(&node, plan.as_ref());
    if let (Some(plan), Some((inventory, world)), false) = (plan, hosts, found.has_errors()) {
        let targets = pattern::resolve(&plan.hosts.0, &inventory).unwrap_or_default();
        let mut names = Names { plan: &plan, inventory: &inventory, targets, world, found };
        names.inputs(node.get("inputs"));
        for scenario in node.get("tests").map(Node::items).unwrap_or_default() {
            names.scenario(scenario);
        }
    }
}

/// What is read in addition to the scenarios.
struct Reading<'a> {
    dir: &'a Path,
    disk: &'a dyn FileSystem,
    sources: &'a mut Sources,
    found: &'a mut Diagnostics,
}

impl Reading<'_> {
    /// Returns the folders that names are relative to: that of the file, and the one above.
    fn bases(&self) -> [PathBuf; 2] {
        let above = self.dir.parent().filter(|above| !above.as_os_str().is_empty());
        let above = above.map_or_else(|| self.dir.join(".."), Path::to_owned);
        [self.dir.to_owned(), above]
    }

    fn plan(&mut self, node: &Node) -> Option<Plan> {
        let node = node.get("plan")?;
        let name = node.as_text()?;
        let mut paths = self.bases().map(|base| base.join(name)).into_iter();
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
        if own.has_errors() {
            self.faulty(node.span, &path);
        }
        plan.map(|(_, plan)| plan)
    }

    fn hosts(&mut self, node: &Node, plan: Option<&Plan>) -> Option<(Inventory, World)> {
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
            self.bases().map(|base| [base.join("inventories").join(name), base.join(name)]);
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
        let inventory = read::read(&path, &shown, self.sources, &mut own)?;
        let model = model::read(&inventory, from_ref(&path), self.dir, self.sources, &mut own);
        if own.has_errors() {
            self.faulty(node.span, &path);
        }
        if let Some(model) = model.ok()? {
            let hosts = inventory.hosts.values();
            let world = World::new(model.model, hosts, Timestamp::UNIX_EPOCH).ok()?;
            plan.map(|_| (inventory, world))
        } else {
            let message = format!("the hosts of `{name}` are not model hosts");
            Diagnostic::error(Code::FaultyReference, message)
                .at(node.span, "scenarios run on model hosts only")
                .help("name an inventory with `planrun_connection: model`")
                .emit(self.found);
            None
        }
    }

    fn faulty(&mut self, span: Span, path: &Path) {
        let shown = path.display();
        Diagnostic::error(Code::FaultyReference, format!("`{shown}` has errors"))
            .at(span, "its scenarios cannot be checked")
            .help(format!("fix them first: `planrun validate {shown}`"))
            .emit(self.found);
    }
}

/// What scenarios may name.
struct Names<'a> {
    plan: &'a Plan,
    inventory: &'a Inventory,
    targets: Vec<HostName>,
    world: World,
    found: &'a mut Diagnostics,
}

impl Names<'_> {
    fn scenario(&mut self, node: &Node) {
        self.inputs(node.get("inputs"));
        if let Some(limit) = node.get("limit")
            && let Err(error) =
                pattern::resolve(limit.as_text().unwrap_or_default(), self.inventory)
        {
            let fault = Diagnostic::error(Code::UnknownHost, error.to_string());
            self.found.push(fault.at(limit.span, "not a host of the inventory"));
        }
        let mut world = self.world.clone();
        for entry in entries(node.get("state")) {
            let Some((host, name)) = self.value(entry) else { continue };
            let set = world.set(&host, name, entry.value.to_json());
            self.state(entry, set.err());
        }
        for entry in entries(node.get("faults")) {
            self.step(entry.key_span, &entry.key, false);
            let alone = entry.value.as_text().map(|word| (word, entry.value.span));
            let several = entry.value.entries().iter();
            let several = several.map(|entry| (entry.key.as_str(), entry.key_span));
            for (word, span) in alone.into_iter().chain(several) {
                self.fault(word, span);
            }
        }
        for entry in entries(node.get("answers")) {
            self.step(entry.key_span, &entry.key, true);
        }
        let expect = node.get("expect");
        let expected = |key| expect.and_then(|expect| expect.get(key));
        for entry in entries(expected("hosts")) {
            self.host(entry.key_span, &entry.key, true);
        }
        for entry in entries(expected("steps")) {
            self.step(entry.key_span, &entry.key, true);
        }
        for entry in entries(expected("state")) {
            let Some((host, name)) = self.value(entry) else { continue };
            let got = self.world.get(&host, name);
            self.state(entry, got.err());
        }
        if let Some(next) = expected("next_after_resume") {
            self.step(next.span, next.as_text().unwrap_or_default(), true);
        }
    }

    fn inputs(&mut self, node: Option<&Node>) {
        for entry in entries(node) {
            if !self.plan.inputs.contains_key(&entry.key) {
                let names = self.plan.inputs.keys().map(String::as_str);
                let message = format!("undefined input `{}`", entry.key);
                let fault = Diagnostic::error(Code::UnknownInput, message)
                    .at(entry.key_span, "not an input of the plan");
                self.push(fault, entry.key_span, nearest(&entry.key, names));
            }
        }
    }

    /// Checks a `STEP@HOST`; `target` if the host must be one of the plan's.
    fn step(&mut self, span: Span, text: &str, target: bool) {
        let Some((step, host)) = text.rsplit_once('@') else { return };
        let at = |from: usize, length: usize| part(span, text, from, length);
        if self.plan.find(&StepPath::from(step)).is_none() {
            let places: Vec<String> = self.plan.places().iter().map(ToString::to_string).collect();
            let near = nearest(step, places.iter().map(String::as_str));
            let span = at(0, step.len());
            let message = format!("undefined step `{step}`");
            let fault =
                Diagnostic::error(Code::UnknownStep, message).at(span, "not a step of the plan");
            self.push(fault, span, near);
        }
        self.host(at(step.len() + 1, host.len()), host, target);
    }

    fn host(&mut self, span: Span, name: &str, target: bool) {
        let host = HostName::new(name);
        let known = self.inventory.host(&host).is_some();
        if known && (!target || self.targets.contains(&host)) {
            return;
        }
        let (message, label) = if known {
            (format!("`{name}` is not a host of the plan"), "the plan does not work on it")
        } else {
            (format!("unknown host `{name}`"), "not a host of the inventory")
        };
        let inventory = self.inventory;
        let hosts = inventory.hosts.keys().map(HostName::as_str);
        let near = nearest(name, hosts).filter(|near| *near != name);
        self.push(Diagnostic::error(Code::UnknownHost, message).at(span, label), span, near);
    }

    fn fault(&mut self, word: &str, span: Span) {
        let model = self.world.model().clone();
        let known = model.faults();
        let FaultKind::Known(name) = FaultKind::from_word(word) else { return };
        if known.contains(&name.as_str()) || OF_THE_CONTROLLER.contains(&word) {
            return;
        }
        let all = known.iter().copied().chain(FaultKind::WORDS).chain(OF_THE_CONTROLLER);
        let fault = Diagnostic::error(Code::UnknownFault, format!("undefined fault `{word}`"))
            .at(span, "not a fault of the model, nor a general one");
        self.push(fault, span, nearest(word, all));
    }

    /// Splits `HOST.VALUE`.
    fn value<'e>(&mut self, entry: &'e Entry) -> Option<(HostName, &'e str)> {
        let (host, name) = entry.key.rsplit_once('.')?;
        let known = self.inventory.host(&HostName::new(host)).is_some();
        if !known {
            self.host(part(entry.key_span, &entry.key, 0, host.len()), host, false);
        }
        known.then(|| (HostName::new(host), name))
    }

    fn state(&mut self, entry: &Entry, error: Option<ModelError>) {
        if let Some(error) = error {
            let kind = matches!(error, ModelError::WrongKind(_));
            let span = if kind { entry.value.span } else { entry.key_span };
            let fault = Diagnostic::error(Code::UnknownState, error.to_string());
            self.found.push(fault.at(span, "does not fit the model"));
        }
    }

    fn push(&mut self, fault: Diagnostic, span: Span, near: Option<&str>) {
        self.found.push(match near {
            Some(near) => fault.fix(format!("did you mean `{near}`?"), span, near),
            None => fault,
        });
    }
}

/// Returns the place of a part of a text; that of the whole, if it is written otherwise.
fn part(span: Span, text: &str, from: usize, length: usize) -> Span {
    let start = span.range().start + from;
    let exact = span.range().len() == text.len();
    if exact { Span::new(span.source, start, start + length) } else { span }
}

fn entries(node: Option<&Node>) -> &[Entry] {
    node.map(Node::entries).unwrap_or_default()
}
