//! The scenarios of the shipped plans (`plans/tests/*.test.yaml`), each run on its model.
//!
//! `faults` are injected, questions are answered, and the expected result is compared with the state, the
//! records and the world. A fault that was never injected, or an answer that was never needed, fails the
//! scenario: it tests something else than it says.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use planrun::diagnostic::Diagnostics;
use planrun::event::{Answer, Event, Question, Record, StepPath, TaskEvent};
use planrun::history::RunState;
use planrun::inventory::{HostName, Inventory};
use planrun::run::{Asker, exit_status};
use planrun::source::Sources;
use planrun::task::TaskId;
use planrun::transport::model::ModelTransport;
use planrun::{document, duration};
use serde_json::{Map, Value};

use crate::faults_of_models::{FaultSpec, Script};
use crate::files;
use crate::harness::Planrun;
use crate::scene::{Memory, Scene, at, fault, sent, start, trace};
use crate::support::{fences, text};

/// Answers that a scenario gives, each once.
struct Answers(RefCell<Vec<(TaskId, Answer)>>);

#[async_trait(?Send)]
impl Asker for Answers {
    async fn ask(&self, task: &TaskId, _: &Question) -> Option<(Answer, Option<String>)> {
        let mut open = self.0.borrow_mut();
        let found = open.iter().position(|(asked, _)| asked == task)?;
        let (_, answer) = open.remove(found);
        Some((answer, Some("the scenario says so".into())))
    }
}

#[test]
fn every_scenario_of_the_shipped_plans_ends_as_it_says() {
    let mut walked = 0;
    let mut wrong = String::new();
    for path in files("plans/tests", "yaml") {
        let file = read(&path);
        for scenario in file["tests"].as_array().unwrap() {
            let name = scenario["name"].as_str().unwrap();
            let faults = walk(Path::new("plans"), &file, scenario);
            if !faults.is_empty() {
                let shown = path.file_name().unwrap().to_string_lossy();
                writeln!(wrong, "{shown}: {name}\n  {}", faults.join("\n  ")).unwrap();
            }
            walked += 1;
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(walked > 12, "only {walked} scenarios");
}

#[test]
fn the_scenarios_of_the_manual_end_as_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let place = |kind: &str| match kind {
        "yaml plan" => Some("web-restart.yaml"),
        "yaml model" => Some("models/site.yaml"),
        "yaml inventory" => Some("inventories/demo.yaml"),
        "yaml test" => Some("tests/web-restart.test.yaml"),
        _ => None,
    };
    let mut paths = Vec::new();
    for fence in fences(&text("docs/models.md")) {
        let Some(path) = place(&fence.info).map(|path| folder.path().join(path)) else {
            continue;
        };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, fence.content).unwrap();
        paths.push(path);
    }
    let words: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let told = Planrun::new().run(&[&["validate"], words.as_slice()].concat());
    assert_eq!((words.len(), told.status), (4, Some(0)), "{}", told.stderr);
    let file = read(paths.last().unwrap());
    let scenarios = file["tests"].as_array().unwrap();
    for scenario in scenarios {
        let faults = walk(folder.path(), &file, scenario);
        assert!(faults.is_empty(), "{scenario}\n{}", faults.join("\n"));
    }
    assert!(scenarios.len() > 1);
}

#[test]
fn every_shipped_plan_has_scenarios_of_a_good_end_and_of_bad_ones() {
    let files: Vec<Value> = files("plans/tests", "yaml").iter().map(|path| read(path)).collect();
    for path in crate::files("plans", "yaml") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let of_plan = |file: &&Value| file["plan"] == name;
        let file = files.iter().find(of_plan);
        let file = file.unwrap_or_else(|| panic!("{name} has no scenarios"));
        let ends: Vec<&str> = file["tests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|test| test["expect"]["run"].as_str().unwrap())
            .collect();
        assert!(ends.contains(&"succeeded"), "{name}: {ends:?}");
        assert!(ends.contains(&"rolled_back"), "{name}: {ends:?}");
        assert!(ends.contains(&"refused"), "{name}: {ends:?}");
        let dies = |test: &Value| test["faults"].to_string().contains("controller_dies");
        assert!(file["tests"].as_array().unwrap().iter().any(dies), "{name}");
    }
}

/// Between two events at which the scenarios below crash; `PLANRUN_SIM_LONG` crashes at each.
const BETWEEN_CRASHES: usize = 31;

#[test]
#[expect(clippy::print_stdout, reason = "how many crashes there were is a figure to be seen")]
fn a_crash_at_any_event_of_a_scenario_leads_to_the_same_end() {
    let step = if std::env::var_os("PLANRUN_SIM_LONG").is_some() { 1 } else { BETWEEN_CRASHES };
    let (mut points, mut wrong) = (0, String::new());
    for path in files("plans/tests", "yaml") {
        let (file, name) = (read(&path), path.file_stem().unwrap().to_string_lossy());
        for (number, scenario) in file["tests"].as_array().unwrap().iter().enumerate() {
            let scripted = Scripted::read(scenario);
            if scripted.dies_at.is_some() || scripted.stops_at.is_some() {
                continue;
            }
            let scene = scene(Path::new("plans"), &file, scenario);
            let (end, events) = crashed_at(&scene, scenario, None);
            for dies_after in (1 + number % step..events).step_by(step) {
                let (found, _) = crashed_at(&scene, scenario, Some(dies_after));
                points += 1;
                if found != end {
                    let title = scenario["name"].as_str().unwrap();
                    writeln!(wrong, "{name}: {title}: crash after {dies_after}").unwrap();
                    writeln!(wrong, "  {found}\n  instead of\n  {end}").unwrap();
                }
            }
        }
    }
    println!("{points} crashes");
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(points > 50, "{points}");
}

/// Runs a scenario, resumes it after a crash, and returns how it ended, with the values it names, and
/// after how many events.
fn crashed_at(scene: &Scene, scenario: &Value, dies_after: Option<usize>) -> (String, usize) {
    let clock = start();
    let world = scene.world(&clock, Scripted::read(scenario).faults);
    for (place, value) in entries(&scenario["state"]) {
        let (host, name) = place.rsplit_once('.').unwrap();
        world.set(&HostName::new(host), name, value).unwrap();
    }
    let answers = || {
        let all = entries(&scenario["answers"]).into_iter();
        let all =
            all.map(|(place, answer)| (task(&place), serde_json::from_value(answer).unwrap()));
        Answers(RefCell::new(all.collect()))
    };
    let journal = Memory { dies_after, ..Memory::default() };
    let state = scene.drive(&clock, &world, &journal, Some(&answers()));
    let journal = Memory { records: journal.records, ..Memory::default() };
    let state = match state {
        Some(state) => state,
        None => scene.drive(&clock, &world, &journal, Some(&answers())).unwrap(),
    };
    let records = journal.records.borrow();
    let ids: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Task { event: TaskEvent::AttemptIntended { attempt, .. }, .. } => Some(attempt),
            _ => None,
        })
        .collect();
    let different: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "an attempt was sent twice");
    let hosts = state.hosts.iter().map(|(name, host)| format!("{name} {:?}", host.status));
    let values = entries(&scenario["expect"]["state"]).into_iter().map(|(place, _)| {
        let (host, name) = place.rsplit_once('.').unwrap();
        format!("{place}={}", at(&world, host, name))
    });
    let all: Vec<String> = hosts.chain(values).collect();
    (format!("{:?}: {}", state.status, all.join(", ")), records.len())
}

fn read(path: &Path) -> Value {
    let mut sources = Sources::default();
    let id = sources.add(path.display().to_string(), std::fs::read_to_string(path).unwrap());
    document::parse(&sources, id, &mut Diagnostics::default()).unwrap().to_json()
}

fn entries(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Reads `STEP@HOST`.
fn task(text: &str) -> TaskId {
    let (step, host) = text.rsplit_once('@').unwrap();
    TaskId { host: HostName::new(host), step: StepPath::from(step) }
}

/// What a scenario brings about.
#[derive(Default)]
struct Scripted {
    faults: Vec<FaultSpec>,
    /// Where the controller dies.
    dies_at: Option<TaskId>,
    /// Where somebody asks for a stop.
    stops_at: Option<TaskId>,
}

impl Scripted {
    fn read(scenario: &Value) -> Self {
        let mut scripted = Self::default();
        for (place, what) in entries(&scenario["faults"]) {
            let kinds = match what {
                Value::Object(kinds) => kinds,
                kind => Map::from_iter([(word(&kind), 1.into())]),
            };
            for (kind, times) in kinds {
                match kind.as_str() {
                    "controller_dies" => scripted.dies_at = Some(task(&place)),
                    "interrupt" => scripted.stops_at = Some(task(&place)),
                    _ => scripted.faults.push(spec(&task(&place), &kind, &times)),
                }
            }
        }
        scripted
    }
}

fn scene(folder: &Path, file: &Value, scenario: &Value) -> Scene {
    let mut inputs = entries(&file["inputs"]);
    inputs.extend(entries(&scenario["inputs"]));
    let set: Vec<(String, String)> = inputs.iter().map(|(k, v)| (k.clone(), word(v))).collect();
    let set: Vec<(&str, &str)> = set.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let plan = std::fs::read_to_string(folder.join(file["plan"].as_str().unwrap())).unwrap();
    let inventory = folder.join("inventories");
    let inventory = inventory.join(file["inventory"].as_str().unwrap());
    let inventory = inventory.to_str().unwrap();
    Scene::in_folder(folder, &plan, inventory, &set, scenario["limit"].as_str())
}

/// Walks a scenario and returns what is not as expected.
fn walk(folder: &Path, file: &Value, scenario: &Value) -> Vec<String> {
    let scene = scene(folder, file, scenario);
    let scripted = Scripted::read(scenario);
    let clock = start();
    let script = Script::new(scripted.faults, &scene.model);
    let world = scene.world(&clock, Vec::new()).with_faults(Rc::<Script>::clone(&script));
    for (place, value) in entries(&scenario["state"]) {
        let (host, name) = place.rsplit_once('.').unwrap();
        world.set(&HostName::new(host), name, value).unwrap();
    }
    let answers = entries(&scenario["answers"]);
    let answers = answers
        .into_iter()
        .map(|(place, answer)| (task(&place), serde_json::from_value(answer).unwrap()));
    let answers = Answers(RefCell::new(answers.collect()));

    let mut journal = Memory { dies_at: scripted.dies_at, ..Memory::default() };
    let began = clock.now();
    let stops_at = scripted.stops_at.as_ref();
    let mut state = scene.drive_until(&clock, &world, &journal, Some(&answers), stops_at);
    let rested = journal.records.borrow().len();
    if scenario["resume"] == true {
        journal.dies_at = None;
        state = scene.drive(&clock, &world, &journal, Some(&answers));
    }
    let took = Duration::try_from(clock.now().duration_since(began)).unwrap();
    let Some(state) = state else {
        return vec!["the controller died, and nobody resumed the run".into()];
    };
    let expect = &scenario["expect"];
    let mut wrong = differences(expect, &state, &scene.plan.inventory, &world, &journal, took);
    if let Some(next) = expect["next_after_resume"].as_str() {
        let first = first_task(&journal.records.borrow()[rested..]);
        if first != Some(task(next)) {
            wrong.push(format!("next after the resume: {first:?}"));
        }
    }
    let left = script.left();
    wrong.extend(left.iter().map(|left| format!("never came up: {left:?}")));
    let left = answers.0.into_inner();
    wrong.extend(left.iter().map(|left| format!("nobody asked: {left:?}")));
    if !wrong.is_empty() {
        let trace = trace(&journal);
        let lines: Vec<&str> = trace.lines().collect();
        let last = lines[lines.len().saturating_sub(12)..].iter();
        wrong.extend(last.map(|line| (*line).to_owned()));
    }
    wrong
}

/// Returns the task that is sent for, or ends, first.
fn first_task(records: &[Record]) -> Option<TaskId> {
    records.iter().find_map(|record| match &record.event {
        Event::Task {
            task,
            event: TaskEvent::AttemptIntended { .. } | TaskEvent::Ended { .. },
        } => Some(task.clone()),
        _ => None,
    })
}

fn spec(at: &TaskId, kind: &str, times: &Value) -> FaultSpec {
    let times = times.as_u64().map(|times| u32::try_from(times).unwrap());
    fault(at.host.as_str(), &at.step.to_string(), kind, times)
}

fn differences(
    expect: &Value,
    state: &RunState,
    inventory: &Inventory,
    world: &ModelTransport,
    journal: &Memory,
    took: Duration,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut hold = |what: &str, found: &Value, expected: &Value| {
        if found != expected {
            wrong.push(format!("{what}: {found}, expected {expected}"));
        }
    };
    hold("run", &serde_json::to_value(state.status).unwrap(), &expect["run"]);
    if !expect["exit"].is_null() {
        hold("exit", &exit_status(state).into(), &expect["exit"]);
    }
    for (host, status) in entries(&expect["hosts"]) {
        let found = state.hosts[&HostName::new(&host)].status;
        hold(&host, &serde_json::to_value(found).unwrap(), &status);
    }
    for (place, status) in entries(&expect["steps"]) {
        let at = task(&place);
        let found = state.hosts[&at.host].tasks.get(&at.step).and_then(|task| task.status);
        hold(&place, &serde_json::to_value(found).unwrap(), &status);
    }
    for (place, value) in entries(&expect["state"]) {
        let (host, name) = place.rsplit_once('.').unwrap();
        hold(&place, &at(world, host, name), &value);
    }
    let all = sent(journal);
    if expect["sent"].as_object().is_some_and(Map::is_empty) {
        hold("sent", &serde_json::to_value(&all).unwrap(), &serde_json::json!([]));
    }
    for (command, times) in entries(&expect["sent"]) {
        // A command may have an `@` of its own: `systemctl stop postgresql@15-main`.
        let (command, host) = match command.rsplit_once('@') {
            Some((command, host)) if inventory.host(&HostName::new(host)).is_some() => {
                (command, Some(host))
            }
            _ => (command.as_str(), None),
        };
        let fits = |one: &&String| {
            one.split_once(": ")
                .is_some_and(|(on, text)| text == command && host.is_none_or(|host| on == host))
        };
        hold(command, &all.iter().filter(fits).count().into(), &times);
    }
    for (bound, is_kept) in [
        ("at_least", (|took, bound| took >= bound) as fn(Duration, Duration) -> bool),
        ("at_most", |took, bound| took <= bound),
    ] {
        if let Some(length) = expect["took"][bound].as_str()
            && !is_kept(took, duration::parse(length).unwrap())
        {
            wrong.push(format!("took {took:?}, {bound} {length}"));
        }
    }
    wrong
}
