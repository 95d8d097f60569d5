//! Reports: recorded runs on model hosts, as every reporter shows them.

mod pages;
mod waits;

use indexmap::IndexMap;
use std::time::Duration;

use indicatif::InMemoryTerm;
use planrun::event::{
    Answer, Event, HostStatus, OutlineStep, Progress, Record, RunEvent, RunId, RunStatus,
    TaskEvent, Waiting,
};
use planrun::history::{Reporter as _, RunState};
use planrun::inventory::HostName;
use planrun::report::estimate::{Basis, Estimate};
use planrun::report::json::JsonLines;
use planrun::report::live::Live;
use planrun::report::open::StoredRun;
use planrun::report::plain::Plain;
use planrun::report::summary::{Invocation, summary};
use planrun::report::{Style, runs, show};
use planrun::task::{StepPath, TaskId};
use planrun::transport::model::FaultKind;

use crate::scene::{Always, News, Recorded, Scene, fault};
use planrun::scenario::faults::{FaultSpec, Trigger};

const FOLDER: &str = "tests/cases/reports";

/// A run of the plan in `tests/cases/reports`, changed by `edit`, on some of its hosts.
fn scene(limit: &str, edit: &[(&str, &str)]) -> Scene {
    let mut plan = std::fs::read_to_string(format!("{FOLDER}/plan.yaml")).unwrap();
    for (from, to) in edit {
        assert!(plan.contains(from), "{from}");
        plan = plan.replace(from, to);
    }
    Scene::in_folder(FOLDER.as_ref(), &plan, &format!("{FOLDER}/inventory.yaml"), &[], Some(limit))
}

/// A run of these steps instead, on these hosts of an inventory.
fn steps(inventory: &str, limit: &str, steps: &str) -> Recorded {
    let plan = format!("version: 1\nname: small\nhosts: web\nserial: 100\n{steps}");
    let inventory = format!("{FOLDER}/{inventory}");
    Scene::in_folder(FOLDER.as_ref(), &plan, &inventory, &[], Some(limit)).record(
        vec![],
        None,
        None,
    )
}

fn task(host: &str, step: &str) -> TaskId {
    TaskId { host: HostName::new(host), step: step.into() }
}

fn succeeded() -> Recorded {
    scene("web1", &[]).record(vec![], None, None)
}

fn rolled_back() -> Recorded {
    let faults = vec![fault("web1", "install", "locked", None)];
    scene("web", &[]).record(faults, None, None)
}

fn stuck() -> Recorded {
    let faults = vec![
        fault("web1", "install", "locked", None),
        fault("web1", "stop.rollback", "broken", None),
    ];
    scene("web", &[]).record(faults, None, None)
}

fn paused() -> Recorded {
    scene("web1:web2", &[("default: 15m", "default: 1m")]).record(vec![], None, None)
}

fn answered() -> Recorded {
    let scene = scene("web1", &[("default: 15m", "default: 1m")]);
    scene.record(vec![], Some(&Always(Answer::Continue)), None)
}

fn refused() -> Recorded {
    scene("web", &[("service == \"active\"\nsteps", "service == \"inactive\"\nsteps")]).record(
        vec![],
        None,
        None,
    )
}

fn unreachable() -> Recorded {
    let words = ["systemctl", "is-active", "nginx"].map(str::to_owned).to_vec();
    let gone = FaultSpec {
        host: Some(HostName::new("web2")),
        on: Trigger::Command(words),
        fault: FaultKind::from_word("host_gone"),
        times: None,
    };
    scene("web", &[]).record(vec![gone], None, None)
}

fn interrupted() -> Recorded {
    scene("web", &[]).record(vec![], None, Some(&task("web1", "drain")))
}

/// After a point of no return, the outcome of a step is unknown.
fn unknown() -> Recorded {
    let first = "- id: first\n  run: work 1\n  idempotent: true\n  point_of_no_return: a test\n- id: drain\n";
    let faults = vec![fault("web1", "migrate", "cut_after", None)];
    scene("web", &[("- id: drain\n", first)]).record(faults, None, None)
}

/// Whether a command is sent for a step.
fn is_sent(news: &News, step: &str) -> bool {
    let News::Event(record) = news else { return false };
    matches!(&record.event, Event::Task { task, event: TaskEvent::AttemptIntended { .. } } if task.step == *step)
}

/// A run on a host that prints control characters.
fn hostile() -> Recorded {
    scene("web1", &[]).record(vec![fault("web1", "stop", "hostile", None)], None, None)
}

fn invocation(width: usize) -> Invocation {
    Invocation {
        program: "planrun".to_owned(),
        run: RunId("20261124-1400-k3f9".to_owned()),
        style: Style::plain(width),
    }
}

fn plain(run: &Recorded, style: Style) -> String {
    let mut report = Plain::new(Vec::new(), style);
    run.report(&mut report);
    String::from_utf8(report.into_inner()).unwrap()
}

fn json(records: &[Record]) -> String {
    let mut report = JsonLines::new(Vec::new());
    for record in records {
        report.event(record, &RunState::default());
    }
    String::from_utf8(report.into_inner()).unwrap()
}

fn shown(records: &[Record], width: usize) -> String {
    let kept = StoredRun { records, damage: &[], is_alive: false };
    show::text(&kept, &invocation(width))
}

/// What the operator reads of a run: its lines, its summary, and both on other widths.
fn read(run: &Recorded) -> String {
    let records = run.records();
    let text = [60, 80, 120].map(|width| {
        let lines = plain(run, Style::plain(width));
        format!("{width} columns:\n\n{lines}\n{}", summary(&records, &invocation(width)))
    });
    text.join("\n")
}

#[test]
fn every_way_to_end_is_shown_as_lines_and_as_a_summary() {
    let runs = [
        ("succeeded", succeeded(), RunStatus::Succeeded),
        ("rolled_back", rolled_back(), RunStatus::RolledBack),
        ("stuck", stuck(), RunStatus::Stuck),
        ("paused", paused(), RunStatus::Paused),
        ("answered", answered(), RunStatus::Succeeded),
        ("refused", refused(), RunStatus::Refused),
        ("unreachable", unreachable(), RunStatus::Refused),
        ("interrupted", interrupted(), RunStatus::Paused),
        ("unknown", unknown(), RunStatus::Paused),
    ];
    for (name, run, status) in runs {
        assert_eq!(run.state().status, status, "{name}");
        insta::assert_snapshot!(format!("{name}"), read(&run));
    }
}

#[test]
fn a_stored_run_is_shown_in_full() {
    insta::assert_snapshot!(shown(&rolled_back().records(), 100));
    insta::assert_snapshot!(shown(&answered().records(), 100));
    insta::assert_snapshot!(shown(&unknown().records(), 100));
}

#[test]
fn the_json_of_a_run_has_its_state_and_its_records() {
    let records = rolled_back().records();
    let kept = StoredRun { records: &records, damage: &[], is_alive: false };
    let whole: serde_json::Value =
        serde_json::from_str(&show::json(&kept, &invocation(80))).unwrap();
    assert_eq!(whole["id"], "20261124-1400-k3f9");
    assert_eq!(whole["plan"], "web-update");
    assert_eq!(whole["state"], "rolled_back");
    assert_eq!(whole["hosts"][0]["name"], "web1");
    assert_eq!(whole["hosts"][0]["status"], "rolled_back");
    assert_eq!(whole["hosts"][2]["status"], "not_started");
    let back: Vec<Record> = serde_json::from_value(whole["records"].clone()).unwrap();
    assert_eq!(back, records);
    let lines = json(&records);
    let back = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(back.collect::<Vec<Record>>(), records);
}

#[test]
fn past_the_point_of_no_return_no_rollback_is_suggested() {
    let text = summary(&unknown().records(), &invocation(100));
    assert!(text.contains("planrun resolve"), "{text}");
    assert!(!text.contains("planrun rollback"), "{text}");
}

#[test]
fn a_run_without_an_end_is_not_reported_as_ended() {
    let mut run = succeeded();
    run.cut(|news| is_sent(news, "drain"));
    let text = summary(&run.records(), &invocation(100));
    assert!(text.starts_with("running: 1 host active"), "{text}");
    assert!(text.contains("planrun resume 20261124-1400-k3f9"), "{text}");
}

#[test]
fn many_equal_hosts_are_counted() {
    let plan = "steps:\n- {run: work 1, idempotent: true, rollback: {none: a test}}\n";
    let plan = format!("version: 1\nname: small\nhosts: web\nserial: 1\n{plan}");
    let inventory = format!("{FOLDER}/many.yaml");
    let scene = Scene::in_folder(FOLDER.as_ref(), &plan, &inventory, &[], None);
    let run = scene.record(vec![fault("web01", "1", "refused", None)], None, None);
    let text = summary(&run.records(), &invocation(100));
    assert!(text.contains("and 29 more not started"), "{text}");
}

#[test]
fn no_report_passes_on_a_control_character_of_a_host() {
    let run = hostile();
    let records = run.records();
    let kept = StoredRun { records: &records, damage: &[], is_alive: false };
    let lines = plain(&run, Style::plain(80));
    assert!(lines.contains("\\x1b[2J"), "{lines}");
    let texts = [
        lines,
        summary(&records, &invocation(80)),
        shown(&records, 100),
        show::json(&kept, &invocation(100)),
        json(&records),
    ];
    for text in texts {
        assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text}");
        assert!(!text.contains('\u{202e}'), "{text}");
    }
}

#[test]
fn colour_only_adds_to_the_text() {
    let run = rolled_back();
    let coloured = plain(&run, Style { colour: true, ..Style::plain(80) });
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(console::strip_ansi_codes(&coloured), plain(&run, Style::plain(80)));
}

#[test]
fn a_wait_shows_changed_strings_at_once_and_is_not_silent_for_longer_than_two_minutes() {
    let wait = "probes: {copy: {run: sync-state, parse: text}}\n\
                steps:\n- {wait: {until: copy == \"done\", every: 10s, timeout: 3m}}\n";
    let text = plain(&steps("inventory.yaml", "web1", wait), Style::plain(80));
    let lines = text.lines().filter(|line| line.contains("waiting") && line.contains("copy = "));
    let times: Vec<&str> = lines.map(|line| &line[3..8]).collect();
    assert_eq!(times, ["00:00", "00:20", "02:20"], "{text}");
}

#[test]
fn the_state_of_a_run_has_what_reports_show() {
    let host = |run: &Recorded| run.state().hosts[&HostName::new("web1")].clone();
    let failed = host(&rolled_back());
    assert_eq!(failed.shown_status(), HostStatus::RolledBack);
    assert_eq!(failed.failed, Some(StepPath::from("install")));
    assert_eq!(failed.undo_failed, None);
    let stuck = host(&stuck());
    assert_eq!(stuck.failed, Some(StepPath::from("install")));
    assert_eq!(stuck.undo_failed, Some(StepPath::from("stop.rollback")));
    assert!(paused().state().question(&task("web1", "expire")).is_some());
    assert!(answered().state().open_questions().is_empty());
}

#[test]
fn unknown_hosts_and_steps_of_a_damaged_run_are_shown() {
    let mut records = rolled_back().records();
    for record in &mut records {
        if let Event::Run(RunEvent::Planned(planned)) = &mut record.event {
            planned.inventory.hosts.clear();
            planned.outline.steps.retain(|step: &OutlineStep| step.path == *"drain");
        }
    }
    let mut report = Plain::new(Vec::new(), Style::plain(80));
    let state = RunState::for_report(&records);
    for record in &records {
        report.event(record, &state);
    }
    assert!(shown(&records, 80).contains("web-update"));
}

/// A live view on a terminal in memory; it is drawn when the test calls `paint`.
fn live(rows: u16, columns: u16) -> (Live, InMemoryTerm) {
    let terminal = InMemoryTerm::new(rows, columns);
    let style = Style::plain(usize::from(columns));
    (Live::on(terminal.clone(), RunId("20261124-1400-k3f9".to_owned()), style), terminal)
}

/// The first host waits for the third check of its users.
fn waits() -> Recorded {
    let mut run = rolled_back();
    let mut checks = 0;
    run.cut(|news| {
        checks += usize::from(matches!(news, News::Progress(Progress::Waiting { .. }, _)));
        checks == 4
    });
    run
}

#[test]
fn the_live_view_shows_what_moves_and_keeps_what_has_ended() {
    for columns in [60, 100] {
        let (mut live, terminal) = live(24, columns);
        waits().report(&mut live);
        live.paint();
        let first = terminal.contents();
        live.paint();
        live.paint();
        assert_eq!(terminal.contents().lines().count(), first.lines().count());
        insta::assert_snapshot!(format!("live_{columns}"), first);
    }
    let (mut live, terminal) = live(60, 100);
    rolled_back().report(&mut live);
    live.paint();
    live.finish();
    insta::assert_snapshot!("live_ended", terminal.contents());
}

#[test]
fn the_live_view_shows_a_retry_and_hosts_at_once() {
    let (mut view, terminal) = live(24, 100);
    let mut run = rolled_back();
    run.cut(|news| matches!(news, News::Progress(Progress::Retrying { .. }, _)));
    run.report(&mut view);
    view.paint();
    let contents = terminal.contents();
    assert!(contents.contains("  attempt 2 of 3 in 5s: "), "{contents}");

    let plan = "steps:\n- {run: work 1, idempotent: true, rollback: {none: a test}}\n";
    let mut run = steps("many.yaml", "web", plan);
    let mut active = 0;
    run.cut(|news| {
        active += usize::from(is_sent(news, "1"));
        active == 50
    });
    let (mut view, terminal) = live(12, 80);
    run.report(&mut view);
    view.paint();
    let contents = terminal.contents();
    assert!(contents.ends_with("and 43 more active hosts"), "{contents}");
    assert!(contents.contains("0 of 50 hosts done"), "{contents}");
}

#[test]
fn each_command_is_shown_with_its_output_if_that_is_wanted() {
    let style = Style { outputs: true, ..Style::plain(80) };
    let shown = plain(&hostile(), style.clone());
    assert!(shown.contains("web1$ systemctl stop nginx"), "{shown}");
    assert!(shown.contains(r"web1| \x1b[2J\x1b[31mred"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
    // A failure has its output once.
    let shown = plain(&rolled_back(), style);
    let failed = shown.split("failed ").nth(1).unwrap();
    let failed = failed.split("rolling back").next().unwrap();
    let attempts = failed.matches("web1$ apt-get install --yes nginx").count();
    assert_eq!(attempts, 3, "{shown}");
    assert_eq!(failed.matches("E: Is another process using it?").count(), 3, "{shown}");
}

#[test]
fn an_estimate_is_the_median_of_earlier_runs_and_fits_a_run_in_its_middle() {
    let earlier = succeeded();
    let state = earlier.state();
    let estimate = Estimate::of_runs([&state]).unwrap();
    let steps: Vec<StepPath> = state.planned.outer_steps(None).cloned().collect();
    let host = estimate.sum(&steps);
    assert_eq!(host.basis, Basis::Runs(1));
    assert!(host.time > Duration::from_mins(2), "{host:?}");
    assert_eq!(Estimate::of_runs([]), None);

    let run = rolled_back();
    let records = run.records();
    let at = |last: usize| {
        let state = RunState::for_report(&records[..=last]);
        (estimate.left(&state, records[last].at), state)
    };
    // Three hosts, one after the other.
    assert_eq!(at(0).0.unwrap().time, host.time * 3);
    let is_drained = |record: &Record| matches!(&record.event, Event::Task { task, event: TaskEvent::Ended { .. } } if task.step == *"drain");
    let drained = records.iter().position(is_drained).unwrap();
    let drain = estimate.sum(&steps[..1]).time;
    assert_eq!(at(drained).0.unwrap().time + drain, host.time * 3);
    // No estimate for a rollback.
    let (left, state) = at(records.len() - 1);
    assert_eq!((left, state.status), (None, RunStatus::RolledBack));
}

#[test]
fn a_question_finds_a_clean_terminal() {
    let (mut live, terminal) = live(40, 100);
    paused().report(&mut live);
    live.paint();
    assert!(terminal.contents().contains("waiting for an answer"), "{}", terminal.contents());
    let during = live.suspend(|| {
        live.paint();
        terminal.contents()
    });
    assert!(!during.contains("waiting for an answer"), "{during}");
    assert!(during.contains("Continue anyway?"), "{during}");
    assert!(terminal.contents().contains("waiting for an answer"));
    live.finish();
    assert!(!terminal.contents().contains("waiting for an answer"));
}

#[test]
fn a_burst_of_events_loses_no_line() {
    let items: Vec<String> = (0..500).map(|item| item.to_string()).collect();
    let plan = format!(
        "steps:\n- id: work\n  for_each: [{}]\n  run: work {{{{ item }}}}\n  idempotent: true\n  \
         rollback: {{none: a test}}\n",
        items.join(", ")
    );
    let (mut live, terminal) = live(2_100, 100);
    steps("inventory.yaml", "web1", &plan).report(&mut live);
    live.paint();
    live.finish();
    let contents = terminal.contents();
    let lines = contents.lines().filter(|line| line.contains("work.")).count();
    assert_eq!(lines, 500, "{contents}");
    assert!(contents.ends_with("succeeded"), "{:?}", contents.lines().last());
}

#[test]
fn a_host_cannot_control_the_live_view() {
    let (mut live, terminal) = live(60, 200);
    for record in &hostile().records() {
        live.event(record, &RunState::default());
        live.paint();
    }
    live.finish();
    assert!(terminal.contents().contains("\\x1b[2J"), "{}", terminal.contents());
}

/// The list of two runs.
fn two_runs() -> Vec<runs::RunLine> {
    let run = |id: &str, state: &str, begun: &str, ended: Option<&str>| runs::RunLine {
        id: id.to_owned(),
        plan: "obox-restart".to_owned(),
        state: state.to_owned(),
        by: "ann@ops1".to_owned(),
        reason: None,
        labels: IndexMap::new(),
        begun_at: begun.parse().unwrap(),
        ended_at: ended.map(|at| at.parse().unwrap()),
        hosts: 5,
        questions: 0,
        waits_for: Vec::new(),
        next: Vec::new(),
    };
    let mut runs = vec![
        run(
            "20261123-0900-a1b2",
            "rolled_back",
            "2026-11-23T09:00:00Z",
            Some("2026-11-23T09:12:03Z"),
        ),
        run("20261124-1400-k3f9", "paused", "2026-11-24T14:00:00Z", None),
    ];
    runs[1].waits_for = vec!["an answer to backend1/expire: Continue anyway?".to_owned()];
    runs[1].next = vec!["planrun resume 20261124-1400-k3f9".to_owned()];
    runs
}

#[test]
fn the_newest_run_is_first() {
    insta::assert_snapshot!(runs::text(&two_runs(), &Style::plain(100)));
}

#[test]
fn a_narrow_table_keeps_what_matters_most() {
    insta::assert_snapshot!(runs::text(&two_runs(), &Style::plain(60)));
    assert!(runs::text(&two_runs(), &Style::plain(10)).starts_with("RUN"));
}

#[test]
fn json_has_the_newest_first_and_states_as_words() {
    insta::assert_snapshot!(runs::json(&two_runs()));
}

#[test]
fn no_runs_are_said_in_words() {
    assert_eq!(runs::text(&[], &Style::plain(80)), "no runs yet\n");
    assert_eq!(runs::json(&[]), "[]\n");
}
