//! Converts a scenario that was checked, with its expected result.

use serde_json::Value;

use crate::document::{Entry, Node};
use crate::duration;
use crate::inventory::{HostName, Inventory};
use crate::scenario::Scenario;
use crate::scenario::expected::{Expected, What};
use crate::scenario::faults::{FaultSpec, Trigger};
use crate::source::Span;
use crate::task::{StepPath, TaskId};
use crate::transport::model::FaultKind;

impl Scenario {
    /// Converts a scenario of a file without errors.
    pub fn lower(node: &Node, inventory: &Inventory) -> Self {
        let name = node.get("name");
        let mut scenario = Self {
            name: node.text("name").unwrap_or_default().to_owned(),
            place: name.map_or(node.span, |name| name.span),
            state: node.entries_of("state").iter().filter_map(state).collect(),
            faults: Vec::new(),
            dies_at: None,
            stops_at: None,
            answers: node.entries_of("answers").iter().filter_map(answer).collect(),
            resumes: node.get("resume").is_some_and(|resume| resume.to_json() == true),
            expected: Vec::new(),
        };
        for entry in node.entries_of("faults") {
            scenario.fault(entry);
        }
        if let Some(expect) = node.get("expect") {
            scenario.expected = expected(expect, inventory);
        }
        scenario
    }

    /// Adds what goes wrong at a step: a fault once, or faults with how often each happens.
    fn fault(&mut self, entry: &Entry) {
        let Some(task) = task(&entry.key) else { return };
        let alone = entry.value.as_text().map(|word| (word, entry.value.span, Some(1)));
        let several = entry.value.entries().iter().map(|fault| {
            let times = fault.value.to_json().as_u64();
            let times = times.map(|times| u32::try_from(times).unwrap_or(u32::MAX));
            (fault.key.as_str(), fault.key_span, times)
        });
        for (word, place, times) in alone.into_iter().chain(several) {
            match word {
                "controller_dies" => self.dies_at = Some((task.clone(), place)),
                "interrupt" => self.stops_at = Some((task.clone(), place)),
                _ => {
                    let on = Trigger::Step(task.step.to_string());
                    let (host, fault) = (Some(task.host.clone()), FaultKind::from_word(word));
                    self.faults.push((FaultSpec { host, on, fault, times }, place));
                }
            }
        }
    }
}

/// Reads `STEP@HOST`.
fn task(text: &str) -> Option<TaskId> {
    let (step, host) = text.rsplit_once('@')?;
    Some(TaskId { host: HostName::new(host), step: StepPath::from(step) })
}

/// Reads `HOST.NAME`.
fn place(text: &str) -> Option<(HostName, String)> {
    let (host, name) = text.rsplit_once('.')?;
    Some((HostName::new(host), name.to_owned()))
}

fn state(entry: &Entry) -> Option<(HostName, String, Value)> {
    let (host, name) = place(&entry.key)?;
    Some((host, name, entry.value.to_json()))
}

fn answer(entry: &Entry) -> Option<(TaskId, crate::event::Answer, Span)> {
    let answer = serde_json::from_value(entry.value.to_json()).ok()?;
    Some((task(&entry.key)?, answer, entry.key_span))
}

fn expected(expect: &Node, inventory: &Inventory) -> Vec<Expected> {
    let mut all = Vec::new();
    let mut add = |what: Option<What>, node: &Node| {
        let value = node.to_json();
        all.extend(what.map(|what| Expected { what, value, place: node.span }));
    };
    for (key, what) in [("run", What::Run), ("exit", What::Exit)] {
        if let Some(node) = expect.get(key) {
            add(Some(what), node);
        }
    }
    for entry in expect.entries_of("took") {
        let length = entry.value.as_text().and_then(duration::parse).unwrap_or_default();
        add(Some(What::Took { is_least: entry.key == "at_least", length }), &entry.value);
    }
    for entry in expect.entries_of("hosts") {
        add(Some(What::Host(HostName::new(&entry.key))), &entry.value);
    }
    for entry in expect.entries_of("steps") {
        add(task(&entry.key).map(What::Step), &entry.value);
    }
    for entry in expect.entries_of("state") {
        add(place(&entry.key).map(|(host, name)| What::State(host, name)), &entry.value);
    }
    if let Some(sent) = expect.get("sent") {
        if sent.entries().is_empty() {
            add(Some(What::NothingSent), sent);
        }
        for entry in sent.entries() {
            add(Some(command(&entry.key, inventory)), &entry.value);
        }
    }
    if let Some(next) = expect.get("next_after_resume") {
        add(Some(What::Next), next);
    }
    all
}

/// Reads `COMMAND` or `COMMAND@HOST`; a command may have an `@` of its own.
fn command(text: &str, inventory: &Inventory) -> What {
    match text.rsplit_once('@') {
        Some((command, host)) if inventory.host(&HostName::new(host)).is_some() => {
            What::Sent { command: command.to_owned(), on: Some(host.to_owned()) }
        }
        _ => What::Sent { command: text.to_owned(), on: None },
    }
}
