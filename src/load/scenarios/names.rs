//! Checks that the steps, hosts, faults, inputs and values that scenarios name exist.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::document::{Entry, Node};
use crate::inventory::{HostName, Inventory, pattern};
use crate::model::{FaultKind, ModelError, World};
use crate::plan::Plan;
use crate::source::Span;
use crate::task::StepPath;

/// Faults that do not come from hosts.
const OF_THE_CONTROLLER: [&str; 2] = ["controller_dies", "interrupt"];

/// What scenarios may name.
pub(super) struct Names<'a> {
    plan: &'a Plan,
    inventory: &'a Inventory,
    targets: Vec<HostName>,
    world: World,
    found: &'a mut Diagnostics,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        inventory: &'a Inventory,
        world: World,
        found: &'a mut Diagnostics,
    ) -> Self {
        let targets = pattern::resolve(&plan.hosts.0, inventory).unwrap_or_default();
        Self { plan, inventory, targets, world, found }
    }

    pub(super) fn scenario(&mut self, node: &Node) {
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

    pub(super) fn inputs(&mut self, node: Option<&Node>) {
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
        let is_stage = self.plan.stages().any(|stage| stage.host() == host);
        if is_stage || known && (!target || self.targets.contains(&host)) {
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
