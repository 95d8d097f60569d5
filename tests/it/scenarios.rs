//! The scenarios of the shipped plans (`plans/tests/*.test.yaml`), of the manual and of `tests/scenarios`, run by
//! `planrun test`; and each of the first with a crash.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use planrun::diagnostic::{Diagnostics, render};
use planrun::document;
use planrun::event::{Event, TaskEvent};
use planrun::load::scenarios;
use planrun::scenario::faults::{FaultSpec, Script};
use planrun::scenario::stage::{Process, Stage};
use planrun::scenario::{Scenario, start};
use planrun::source::Sources;
use serde_json::Value;

use crate::files;
use crate::harness::Planrun;
use crate::scene::{Memory, Quiet, at};
use crate::support::{fences, text};

#[test]
fn every_scenario_of_the_shipped_plans_ends_as_it_says() {
    let ended = Planrun::new().run(&["test", "plans"]);
    ended.exits(0);
    assert!(
        ended.all().lines().filter(|line| line.starts_with("PASS")).count() > 50,
        "{}",
        ended.all()
    );
}

/// Plans of a failover, of a quorum and reboots, and of what is around hosts, on models of clusters.
#[test]
fn the_scenarios_of_clusters_end_as_they_say() {
    let ended = Planrun::new().run(&["test", "tests/scenarios"]);
    ended.exits(0).says("20 scenarios: 20 passed");
    Planrun::new().run(&["validate", "--deny", "warnings", "tests/scenarios"]).exits(0);
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
        // The other models of the page are shorter ones.
        if path.exists() {
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, fence.content).unwrap();
        paths.push(path);
    }
    let words: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(words.len(), 4);
    Planrun::new().run(&[&["validate"], words.as_slice()].concat()).exits(0);
    // The plan leads to its test file.
    Planrun::new().run(&["test", words[1]]).exits(0).says("2 scenarios: 2 passed");
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
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let Some(file) = scenarios::read(&path, &mut sources, &mut found) else {
            panic!("{}", render::human(&found, &sources, false));
        };
        let name = path.file_stem().unwrap().to_string_lossy();
        for (number, checked) in file.scenarios.into_iter().enumerate() {
            let scenario = Scenario::lower(&checked.node, &checked.plan.inventory);
            if scenario.dies_at.is_some() || scenario.stops_at.is_some() {
                continue;
            }
            let stage = Stage::new(checked.plan, Arc::clone(&file.model), "plan.yaml", &file.text);
            let (end, events) = crashed_at(&stage, &scenario, None);
            for dies_after in (1 + number % step..events).step_by(step) {
                let (found, _) = crashed_at(&stage, &scenario, Some(dies_after));
                points += 1;
                if found != end {
                    writeln!(wrong, "{name}: {}: crash after {dies_after}", scenario.name).unwrap();
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
fn crashed_at(stage: &Stage, scenario: &Scenario, dies_after: Option<usize>) -> (String, usize) {
    let clock = start();
    let faults: Vec<FaultSpec> = scenario.faults.iter().map(|(spec, _)| spec.clone()).collect();
    let world = stage.world(&clock, Script::new(faults)).unwrap();
    scenario.set(&world).unwrap();
    let drive = |journal: &Memory| {
        let (reporter, stop, operator) =
            (Quiet::reporter(), std::rc::Rc::default(), scenario.operator());
        let process = Process {
            clock: &clock,
            world: &world,
            journal,
            asker: Some(&operator),
            reporter: &reporter,
            stop: &stop,
            stops_at: None,
        };
        stage.drive(&process, stage.first(journal))
    };
    let journal = Memory { dies_after, ..Memory::default() };
    let state = drive(&journal);
    let journal = Memory { records: journal.records, ..Memory::default() };
    let state = state.unwrap_or_else(|| drive(&journal).unwrap());
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
    let values = scenario
        .values()
        .map(|(host, name)| format!("{host}.{name}={}", at(&world, host.as_str(), name)));
    let all: Vec<String> = hosts.chain(values).collect();
    (format!("{:?}: {}", state.status, all.join(", ")), records.len())
}

fn read(path: &Path) -> Value {
    let mut sources = Sources::default();
    let id = sources.add(path.display().to_string(), std::fs::read_to_string(path).unwrap());
    document::parse(&sources, id, &mut Diagnostics::default()).unwrap().to_json()
}
