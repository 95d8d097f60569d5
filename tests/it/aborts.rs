//! What an abort leaves, and what reports say about that: hosts in the middle of their steps, a setup that was killed,
//! and a rollback of the run later.

use std::fs;

use planrun::event::{Event, HostStatus, Record, RunEvent, RunId, RunStatus, TaskId};
use planrun::history::{Requested, RunState};
use planrun::inventory::HostName;
use planrun::report::Style;
use planrun::report::next::next;
use planrun::report::open::StoredRun;
use planrun::report::summary::{Invocation, summary};
use planrun::report::{run_page, show};
use planrun::task::Stage;

use crate::harness::{Planrun, eventually};
use crate::scene::{Memory, Scene, fault, sent, start, status, trace};
use crate::stages::{Ended, PLAN, abort, cluster, resumed, rollback, run_until, scene};

/// A run whose process was killed when it had sent a command for a task.
fn killed(scene: &Scene, at: &str) -> Ended {
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let (host, step) = at.split_once('/').unwrap();
    let dies_at = Some(TaskId { host: HostName::new(host), step: step.into() });
    let dying = Memory { dies_at, ..Memory::default() };
    assert!(scene.drive(&clock, &world, &dying, None).is_none());
    let state = RunState::of(&dying.records.borrow()).unwrap();
    Ended { clock, state, journal: Memory { records: dying.records, ..Memory::default() }, world }
}

fn limited(hosts: &[&str]) -> RunEvent {
    let hosts = hosts.iter().copied().map(HostName::new).collect();
    RunEvent::RollbackRequested { by: "test@here".into(), reason: None, hosts: Some(hosts) }
}

fn invocation() -> Invocation {
    let run = RunId("20261124-1400-k3f9".to_owned());
    Invocation { program: "planrun".to_owned(), run, style: Style::plain(200) }
}

impl Ended {
    fn records(&self) -> Vec<Record> {
        self.journal.records.borrow().clone()
    }

    fn summary(&self) -> String {
        summary(&self.records(), &invocation())
    }

    /// The pages of `planrun show`.
    fn shown(&self) -> [String; 2] {
        let records = self.records();
        let kept = StoredRun { records: &records, damage: &[], is_alive: false };
        let page = run_page::page(&kept, &invocation()).markdown();
        [show::text(&kept, &invocation()), page]
    }

    /// The commands that reports propose.
    fn next(&self) -> Vec<String> {
        let run = invocation().run;
        let state = RunState::for_report(&self.records());
        next(&state, "planrun", &run).into_iter().map(|next| next.command).collect()
    }
}

/// A setup that has nothing but a teardown.
fn only_teardown() -> String {
    let (before, rest) = PLAN.split_once("  - {id: quiet").unwrap();
    let (_, after) = rest.split_once("silence == \"unset\"}}\n").unwrap();
    format!("{before}{after}")
}

#[test]
fn a_run_that_is_killed_in_its_setup_and_aborted_has_nothing_to_roll_back() {
    let scene = scene(&only_teardown());
    let ended = killed(&scene, "setup/hold").by(&scene, abort(), None);

    ended.ends(RunStatus::Aborted, 0);
    assert_eq!(ended.told(), ["set noout", "unset noout"]);
    // Its command succeeded: it has not failed.
    assert_eq!(ended.stage(Stage::Setup), HostStatus::Aborted);
    let summary = ended.summary();
    assert!(summary.contains("setup   aborted       torn down"), "{summary}");
    assert!(summary.contains("left as it is at hold"), "{summary}");
    assert!(summary.contains("its command has ended; outcome unknown"), "{summary}");
    assert!(!ended.next().iter().any(|command| command.contains("rollback")), "{summary}");
    assert!(!ended.state.can_roll_back(&Requested::default()));
    assert!(!summary.contains("failed"), "{summary}");
}

#[test]
fn a_setup_that_is_left_with_something_to_undo_is_rolled_back_after_the_abort() {
    let scene = scene(PLAN);
    let ended = killed(&scene, "setup/hold").by(&scene, abort(), None);
    ended.ends(RunStatus::Aborted, 0);
    assert_eq!(ended.stage(Stage::Setup), HostStatus::Aborted);
    assert!(ended.next().iter().any(|command| command.contains("rollback")));
    assert!(ended.state.can_roll_back(&Requested::default()));

    let ended = ended.by(&scene, rollback(), None);

    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(ended.stage(Stage::Setup), HostStatus::RolledBack);
    assert_eq!(ended.cluster(), cluster("unset", "unset", 1));
}

#[test]
fn a_host_that_is_aborted_in_the_middle_of_a_step_is_not_called_active() {
    let scene = scene(PLAN);
    let ended = killed(&scene, "s2/upgrade").by(&scene, abort(), None);

    ended.ends(RunStatus::Aborted, 0);
    assert_eq!(status(&ended.state, "s2"), HostStatus::Aborted);
    let waited = "s2/upgrade (run: upgrade, on s2): outcome unknown: it has ended";
    let summary = ended.summary();
    for text in [
        "aborted: 1 of 3 hosts aborted, 2 not started",
        "left as it is at upgrade: run: upgrade; its command has ended; outcome unknown",
        &format!("Waited for {waited}"),
    ] {
        assert!(summary.contains(text), "no {text:?} in {summary}");
    }
    for page in ended.shown() {
        assert!(page.contains(waited) || page.contains(&waited.replace('_', "\\_")), "{page}");
        assert!(page.contains("left as it is at upgrade"), "{page}");
        assert!(!page.contains("active") && !page.contains("not ended"), "{page}");
    }
}

#[test]
fn a_finish_that_is_aborted_and_a_host_between_two_steps_are_left_as_they_are() {
    let scene = scene(PLAN);
    let ended = killed(&scene, "finish/raise").by(&scene, abort(), None);
    ended.ends(RunStatus::Aborted, 0);
    assert_eq!(ended.stage(Stage::Finish), HostStatus::Aborted);

    let ended = run_until(&scene, vec![], Some("s2/upgrade")).by(&scene, abort(), None);
    ended.ends(RunStatus::Aborted, 0);
    assert_eq!(status(&ended.state, "s2"), HostStatus::Aborted);
    let summary = ended.summary();
    assert!(summary.contains("left as it is after upgrade: run: upgrade"), "{summary}");
    assert!(!summary.contains("Waited for"), "{summary}");
}

#[test]
fn an_abort_without_events_of_its_own_leaves_no_host_active() {
    let scene = scene(PLAN);
    let ended = killed(&scene, "s2/upgrade");
    let mut records = ended.records();
    let mut end = records.last().unwrap().clone();
    end.seq += 1;
    end.event = Event::Run(RunEvent::Ended { status: RunStatus::Aborted, why: None });
    records.push(end);
    let state = RunState::of(&records).unwrap();
    assert_eq!(status(&state, "s2"), HostStatus::Aborted);
    let summary = summary(&records, &invocation());
    assert!(summary.contains("its command may still be running on s2"), "{summary}");
}

#[test]
fn a_rollback_of_some_hosts_after_an_abort_leaves_the_others_aborted() {
    let plan = PLAN.replace("serial: 1", "serial: 2");
    let scene = scene(&plan);
    let ended = killed(&scene, "s3/upgrade").by(&scene, abort(), None);
    ended.ends(RunStatus::Aborted, 0);
    for host in ["s2", "s3"] {
        assert_eq!(status(&ended.state, host), HostStatus::Aborted, "{host}");
    }
    let before = sent(&ended.journal).len();

    let ended = ended.by(&scene, limited(&["s3"]), None);

    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(sent(&ended.journal)[before..], ["s3: downgrade"], "{}", trace(&ended.journal));
    assert_eq!(status(&ended.state, "s2"), HostStatus::Aborted);
    let why = ended.state.why.clone().unwrap();
    assert!(why.contains("s2 was aborted before and keeps its changes"), "{why}");

    // And the rest later, with what is around the hosts.
    let ended = ended.by(&scene, rollback(), None);
    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(status(&ended.state, "s2"), HostStatus::RolledBack);
    assert_eq!(ended.cluster(), cluster("unset", "unset", 1));
}

#[test]
fn a_host_that_is_aborted_past_its_point_of_no_return_never_continues() {
    let plan = PLAN.replace(
        "rollback: {run: downgrade, done_when: release == \"old\"}",
        "point_of_no_return: others use it",
    );
    let scene = scene(&plan);
    let ended = run_until(&scene, vec![], Some("s2/upgrade")).by(&scene, abort(), None);
    ended.ends(RunStatus::Aborted, 0);
    let before = sent(&ended.journal).len();

    let ended = ended.by(&scene, rollback(), None);

    ended.ends(RunStatus::Failed, 3);
    assert_eq!(sent(&ended.journal).len(), before, "{}", trace(&ended.journal));
    assert_eq!(status(&ended.state, "s2"), HostStatus::Aborted);
}

#[test]
fn a_rollback_that_is_aborted_continues_where_it_was() {
    let scene = scene(PLAN);
    let ended = run_until(&scene, vec![], None);
    let (clock, world, records) = (ended.clock, ended.world, ended.journal.records);
    let dies_at = Some(TaskId { host: HostName::new("s3"), step: "upgrade.rollback".into() });
    let dying = Memory { dies_at, records, ..Memory::default() };
    let first = Event::Run(rollback());
    assert!(scene.drive_from(&clock, &world, &dying, None, None, first).is_none());
    let state = RunState::of(&dying.records.borrow()).unwrap();
    let journal = Memory { records: dying.records, ..Memory::default() };
    let ended = Ended { clock, state, journal, world }.by(&scene, abort(), None);
    ended.ends(RunStatus::Aborted, 0);
    assert_eq!(status(&ended.state, "s3"), HostStatus::Aborted);

    let ended = ended.by(&scene, rollback(), None);

    ended.ends(RunStatus::RolledBack, 0);
    let all = sent(&ended.journal);
    for command in ["s1: downgrade", "s2: downgrade", "s3: downgrade", "mon1: ceph unset silence"] {
        assert_eq!(all.iter().filter(|one| *one == command).count(), 1, "{command} in {all:?}");
    }
}

#[test]
fn a_rollback_of_the_setup_that_was_aborted_undoes_what_its_teardown_left() {
    let scene = scene(PLAN);
    let clock = start();
    let world = scene.world(&clock, vec![fault("s2", "upgrade", "refused", None)]);
    let dies_at = Some(TaskId { host: HostName::new("setup"), step: "hold.teardown".into() });
    let dying = Memory { dies_at, ..Memory::default() };
    assert!(scene.drive(&clock, &world, &dying, None).is_none());
    let state = RunState::of(&dying.records.borrow()).unwrap();
    let journal = Memory { records: dying.records, ..Memory::default() };
    let ended = Ended { clock, state, journal, world }.by(&scene, abort(), None);
    ended.ends(RunStatus::Aborted, 0);

    let ended = ended.by(&scene, rollback(), None);

    ended.ends(RunStatus::RolledBack, 0);
    let undone = "mon1: ceph unset silence".to_owned();
    assert!(sent(&ended.journal).contains(&undone), "{}", trace(&ended.journal));
}

#[test]
fn an_abort_of_a_paused_abort_is_completed_by_a_resume_with_the_same_hosts() {
    let scene = scene(PLAN);
    let ended = killed(&scene, "s2/upgrade");
    let (clock, world, journal) = (ended.clock, ended.world, ended.journal);
    let stops_at = TaskId { host: HostName::new("setup"), step: "hold.teardown".into() };
    let first = Event::Run(abort());
    let state = scene.drive_from(&clock, &world, &journal, None, Some(&stops_at), first).unwrap();
    assert_eq!(state.status, RunStatus::Paused);
    let ended = Ended { clock, state, journal, world }.by(&scene, resumed(), None);
    ended.ends(RunStatus::Aborted, 0);
    assert_eq!(status(&ended.state, "s2"), HostStatus::Aborted);
    assert!(ended.summary().contains("Waited for s2/upgrade"), "{}", ended.summary());
}

/// A flag whose teardown takes a while, and a step that can be undone.
const SLOW_TEARDOWN: &str = r#"
version: 1
name: slow
hosts: all
inputs:
  file: {type: path}
setup:
  - {id: hold, shell: "echo set >> {{ file }}", delegate_to: here, idempotent: true,
     teardown: {shell: "echo begun >> {{ file }}; sleep 4; echo unset >> {{ file }}", idempotent: true}}
steps:
  - id: work
    shell: "echo work >> {{ file }}"
    idempotent: true
    rollback: {shell: "echo undone >> {{ file }}", idempotent: true}
"#;

#[test]
fn a_rollback_waits_for_the_teardown_that_a_killed_process_has_left() {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", SLOW_TEARDOWN);
    let inventory =
        planrun.file("inventory.yaml", "all: {hosts: {here: {planrun_connection: local}}}\n");
    let file = planrun.file("lines", "");
    let lines = || fs::read_to_string(&file).unwrap();
    let set = format!("file={file}");
    let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory, "--set", &set]);
    going.until_sends("setup/hold.teardown");
    eventually("the teardown has begun", || lines() == "set\nwork\nbegun\n");
    going.kill();

    planrun.run(&["rollback", "last"]).exits(0);

    assert_eq!(lines(), "set\nwork\nbegun\nunset\nundone\n");
}
