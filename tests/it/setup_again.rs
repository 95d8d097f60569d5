//! Runs with a setup that are continued, rolled back or aborted after they were stuck, paused or killed: the setup is
//! undone last, once, and never while a command of a host may need it.

use async_trait::async_trait;
use planrun::clock::Clock;
use planrun::event::{
    Answer, Event, HostEvent, HostStatus, Record, RunEvent, RunStatus, TaskEvent, TaskId,
};
use planrun::history::RunState;
use planrun::inventory::{Host, HostName};
use planrun::run::exit_status;
use planrun::scenario::faults::FaultSpec;
use planrun::task::Stage;
use planrun::transport::model::ModelTransport;
use planrun::transport::{Reply, Request, Transport, TransportError};

use crate::harness::{Planrun, eventually};
use crate::scene::{Always, Memory, Scene, fault, sent, status, trace};
use crate::stages::{
    Ended, PLAN, TORN_DOWN, abort, cluster, intended, resumed, rollback, run_until, scene,
};

/// A teardown that fails so often.
fn failing(times: u32) -> Vec<FaultSpec> {
    vec![fault("mon1", "hold.teardown", "refused", Some(times))]
}

/// A rollback of some hosts, as `planrun rollback --limit` asks for it.
fn limited(state: &RunState, hosts: &[&str]) -> RunEvent {
    let named = hosts.iter().copied().map(HostName::new).collect();
    let hosts = state.rollback_of(Some(named)).only.map(|only| only.into_iter().collect());
    RunEvent::RollbackRequested { by: "test@here".into(), reason: None, hosts }
}

/// What was sent since a number of commands.
fn since(ended: &Ended, before: usize) -> Vec<String> {
    sent(&ended.journal)[before..].to_vec()
}

const UNDONE: [&str; 3] = ["s3: downgrade", "s2: downgrade", "mon1: ceph unset silence"];

#[test]
fn after_a_failed_teardown_a_rollback_of_some_hosts_tears_down_again_at_its_end() {
    let scene = scene(PLAN);
    let ended = run_until(&scene, failing(1), None);
    ended.ends(RunStatus::Stuck, 5);
    let before = sent(&ended.journal).len();
    let request = limited(&ended.state, &["s1"]);

    let ended = ended.by(&scene, request, None);

    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(since(&ended, before), ["s1: downgrade", "mon1: ceph unset noout"]);
    assert_eq!(ended.stage(Stage::Setup), HostStatus::Succeeded);
    assert_eq!(ended.stage(Stage::Finish), HostStatus::Succeeded);
    let why = ended.state.why.clone().unwrap();
    assert!(why.contains("s2, s3, finish succeeded and keep their changes"), "{why}");
}

#[test]
fn a_teardown_that_fails_again_after_a_rollback_of_some_hosts_is_run_again_by_a_resume() {
    let scene = scene(PLAN);
    let ended = run_until(&scene, failing(2), None);
    let request = limited(&ended.state, &["s1"]);
    let ended = ended.by(&scene, request, None);
    ended.ends(RunStatus::Stuck, 5);
    assert!(ended.state.why.as_ref().unwrap().starts_with("teardown failed on setup"));
    assert!(ended.state.is_only_setup_stuck());
    let before = sent(&ended.journal).len();

    let ended = ended.by(&scene, resumed(), None);

    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(since(&ended, before), ["mon1: ceph unset noout"]);
    assert_eq!(ended.state.still_set(), []);
}

#[test]
fn a_rollback_of_the_rest_undoes_the_setup_last_although_its_teardown_had_failed() {
    let scene = scene(PLAN);
    let ended = run_until(&scene, failing(2), None);
    let request = limited(&ended.state, &["s1"]);
    let ended = ended.by(&scene, request, None);
    ended.ends(RunStatus::Stuck, 5);
    let before = sent(&ended.journal).len();

    let ended = ended.by(&scene, rollback(), None);

    ended.ends(RunStatus::RolledBack, 0);
    let expected =
        [&["mon1: ceph format 1"], &UNDONE[..2], &["mon1: ceph unset noout"], &UNDONE[2..]];
    assert_eq!(since(&ended, before), expected.concat());
    assert_eq!(ended.cluster(), cluster("unset", "unset", 1));
}

#[test]
fn a_setup_whose_rollback_fails_is_continued_by_a_resume_with_the_same_end() {
    for (step, words) in [
        ("hold.teardown", "teardown failed on setup"),
        ("quiet.rollback", "rollback failed on setup"),
    ] {
        let scene = scene(PLAN);
        let faults =
            vec![fault("s2", "upgrade", "refused", None), fault("mon1", step, "refused", Some(1))];
        let ended = run_until(&scene, faults, None);
        ended.ends(RunStatus::Stuck, 5);
        assert!(ended.state.why.as_ref().unwrap().starts_with(words), "{:?}", ended.state.why);
        assert!(ended.state.is_only_setup_stuck());

        let ended = ended.by(&scene, resumed(), None);

        // As without the failure.
        ended.ends(RunStatus::RolledBack, 1);
        assert_eq!(ended.cluster(), cluster("unset", "unset", 1));
        assert_eq!(ended.told(), ["set silence", "set noout", "unset noout", "unset silence"]);
        let (_, setup) = ended.state.stage(Stage::Setup).unwrap();
        assert!(setup.why.is_none(), "{:?}", setup.why);
    }
}

#[test]
fn a_host_that_is_repaired_no_longer_shows_why_it_was_stuck() {
    let scene = scene(PLAN);
    let faults = vec![
        fault("s2", "note", "refused", None),
        fault("s2", "upgrade.rollback", "refused", Some(1)),
    ];
    let ended = run_until(&scene, faults, None);
    ended.ends(RunStatus::Stuck, 5);
    let ended = ended.by(&scene, rollback(), None);
    ended.ends(RunStatus::RolledBack, 0);
    let host = &ended.state.hosts[&HostName::new("s2")];
    let failed = host.tasks[host.failed.as_ref().unwrap()].why.clone();
    assert_eq!(host.why, failed);
}

#[test]
fn a_limit_that_leaves_no_change_undoes_what_is_around_the_hosts() {
    let scene = scene(PLAN);
    let ended = run_until(&scene, vec![], None);
    assert!(
        ended.state.rollback_of(Some(["s1", "s2", "s3"].map(HostName::new).into())).only.is_none()
    );
    let ended = ended.by(&scene, limited(&run_until(&scene, vec![], None).state, &["s1"]), None);
    assert_eq!(ended.cluster(), cluster("unset", "set", 2));
    let before = sent(&ended.journal).len();
    let request = limited(&ended.state, &["s2", "s3"]);

    let ended = ended.by(&scene, request, None);

    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(since(&ended, before), [&["mon1: ceph format 1"], &UNDONE[..]].concat());
}

#[test]
fn a_run_that_has_changed_nothing_has_not_succeeded_when_it_is_rolled_back() {
    let plan = PLAN.replace("setup:\n", "setup:\n  - {id: ask, approve: Start?}\n");
    let scene = scene(&plan);
    let ended = run_until(&scene, vec![], None).by(&scene, rollback(), None);
    ended.ends(RunStatus::RolledBack, 0);
    // The setup has ended, and found everything done; no host has started.
    let plan = r#"
version: 1
name: nothing
hosts: storage
probes:
  noout: {run: ceph flag noout, delegate_to: mon1, parse: text}
setup:
  - {id: hold, run: ceph set noout, delegate_to: mon1, done_when: noout == "unset",
     teardown: {run: ceph unset noout, done_when: noout == "unset"}}
steps:
  - {id: ask, approve: Start?}
"#;
    let scene = crate::stages::scene(plan);
    let ended = run_until(&scene, vec![], None);
    ended.ends(RunStatus::Paused, 6);
    let ended = ended.by(&scene, rollback(), None);
    ended.ends(RunStatus::RolledBack, 0);
}

#[test]
fn a_model_host_that_is_gone_is_not_called_still_locked() {
    let ended = run_until(&scene(PLAN), vec![fault("s2", "upgrade", "host_gone", None)], None);
    ended.ends(RunStatus::RolledBack, 1);
    let is_left = |record: &Record| {
        matches!(&record.event, Event::Host { event: HostEvent::LockLeft { .. }, .. })
    };
    assert!(!ended.journal.records.borrow().iter().any(is_left), "{}", trace(&ended.journal));
}

/// A world one of whose hosts cannot be reached.
struct Without<'w>(&'w dyn Transport, &'static str);

#[async_trait(?Send)]
impl Transport for Without<'_> {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        if host.name.as_str() == self.1 {
            let (host, why) = (host.name.clone(), "it is down".to_owned());
            return Err(TransportError::Unreachable { host, why });
        }
        self.0.handle(host, request).await
    }
}

/// A run whose process was killed when it had sent a command to `s2`.
fn killed(scene: &Scene) -> (Clock, ModelTransport, Memory) {
    let clock = planrun::scenario::start();
    let world = scene.world(&clock, vec![]);
    let dies_at = Some(TaskId { host: HostName::new("s2"), step: "upgrade".into() });
    let dying = Memory { dies_at, ..Memory::default() };
    assert!(scene.drive(&clock, &world, &dying, None).is_none());
    (clock, world, Memory { records: dying.records, ..Memory::default() })
}

#[test]
fn an_abort_tears_down_only_if_the_operator_accepts_what_may_still_run() {
    let scene = scene(PLAN);
    let (clock, world, journal) = killed(&scene);
    let without = Without(&world, "s2");
    let first = Event::Run(abort());
    let state = scene.drive_from(&clock, &without, &journal, None, None, first).unwrap();
    assert_eq!((state.status, exit_status(&state)), (RunStatus::Paused, 6), "{}", trace(&journal));
    assert_eq!(state.still_set().len(), 1);
    let (task, question) = state.open_questions().remove(0);
    assert_eq!(task.to_string(), "s2/upgrade");
    let asked = "upgrade may still be running on s2. Tear down the setup anyway?";
    assert!(question.text.ends_with(asked), "{}", question.text);

    let first = Event::Run(resumed());
    let asker = Always(Answer::Continue);
    let state = scene.drive_from(&clock, &without, &journal, Some(&asker), None, first).unwrap();

    assert_eq!((state.status, exit_status(&state)), (RunStatus::Aborted, 0), "{}", trace(&journal));
    assert_eq!(state.still_set(), []);
    // It is still not known to be over.
    assert_eq!(state.may_still_run()[0].0, task);

    // A rollback asks the host again, and the operator only if it does not answer.
    let ended = Ended { clock, state, journal, world }.by(&scene, rollback(), None);
    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(ended.state.may_still_run(), []);
}

#[test]
fn an_aborted_run_has_no_question_of_before() {
    let plan = PLAN.replace("  - {id: note,", "  - {id: ask, approve: Continue?}\n  - {id: note,");
    let scene = scene(&plan);
    let ended = run_until(&scene, failing(1), None);
    assert_eq!(ended.state.open_questions().len(), 1);
    let ended = ended.by(&scene, abort(), None);
    ended.ends(RunStatus::Stuck, 5);
    assert_eq!(ended.state.open_questions(), []);
    // A rollback of the same run may need the answer to another one.
    let ended = ended.by(&scene, rollback(), None);
    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(ended.cluster(), cluster("unset", "unset", 1));
}

/// The places where an abort starts.
const ABORTED_AT: [&str; 4] = ["setup/hold", "s2/upgrade", "finish/raise", "setup/hold.teardown"];

#[test]
fn a_crash_after_each_event_of_an_abort_ends_with_one_teardown() {
    let scene = scene(PLAN);
    for stops_at in ABORTED_AT {
        let whole = run_until(&scene, vec![], Some(stops_at)).by(&scene, abort(), None);
        whole.ends(RunStatus::Aborted, 0);
        for more in 1.. {
            let ended = run_until(&scene, vec![], Some(stops_at));
            let before = ended.journal.records.borrow().len();
            let records = ended.journal.records.into_inner();
            let dies_after = Some(before + more);
            let dying = Memory { dies_after, records: records.into(), ..Memory::default() };
            let first = Event::Run(abort());
            let (clock, world) = (ended.clock, ended.world);
            let is_whole = scene.drive_from(&clock, &world, &dying, None, None, first).is_some();
            let journal = Memory { records: dying.records, ..Memory::default() };
            if is_whole {
                assert!(more > 1, "{stops_at}");
                break;
            }
            let state = scene.drive(&clock, &world, &journal, None).unwrap();
            let ended = Ended { clock, state, journal, world };
            ended.ends(RunStatus::Aborted, 0);
            assert_eq!(sent(&ended.journal), sent(&whole.journal), "{stops_at} {more}");
            assert_eq!(ended.state.still_set(), []);
        }
    }
}

#[test]
fn a_run_that_dies_at_each_event_and_is_aborted_is_torn_down_after_its_commands() {
    let scene = scene(PLAN);
    for dies_after in 1..1_000 {
        let clock = planrun::scenario::start();
        let world = scene.world(&clock, vec![]);
        let dying = Memory { dies_after: Some(dies_after), ..Memory::default() };
        if scene.drive(&clock, &world, &dying, None).is_some() {
            assert!(dies_after > 40);
            return;
        }
        let journal = Memory { records: dying.records, ..Memory::default() };
        let first = Event::Run(abort());
        let state = scene.drive_from(&clock, &world, &journal, None, None, first).unwrap();
        let ended = Ended { clock, state, journal, world };
        ended.ends(RunStatus::Aborted, 0);
        assert_eq!(ended.state.still_set(), [], "{}", trace(&ended.journal));
        settled_before_teardown(&ended.journal.records.borrow());
    }
    panic!("the run does not end");
}

/// Every attempt has its outcome before the teardown starts.
#[track_caller]
fn settled_before_teardown(records: &[Record]) {
    let teardown = |task: &TaskId| task.step.to_string().ends_with(".teardown");
    let first = records.iter().position(|record| intended(record).is_some_and(teardown));
    let Some(first) = first else { return };
    let open = records[..first].iter().filter_map(|record| match &record.event {
        Event::Task { event: TaskEvent::AttemptIntended { attempt, .. }, .. } => Some(attempt),
        _ => None,
    });
    for attempt in open {
        let ends = |record: &Record| matches!(&record.event, Event::Task { event: TaskEvent::AttemptEnded { attempt: it, .. }, .. } if it == attempt);
        assert!(records[..first].iter().any(ends), "{records:#?}");
    }
}

#[test]
fn a_stop_at_each_command_of_an_abort_pauses_and_a_resume_completes_it() {
    let scene = scene(PLAN);
    let ended = run_until(&scene, vec![], Some("s2/upgrade"));
    let Ended { clock, journal, world, .. } = ended;
    let stops_at = TaskId { host: HostName::new("setup"), step: "hold.teardown".into() };
    let first = Event::Run(abort());
    let state = scene.drive_from(&clock, &world, &journal, None, Some(&stops_at), first).unwrap();
    assert_eq!(state.status, RunStatus::Paused);
    let ended = Ended { clock, state, journal, world }.by(&scene, resumed(), None);
    ended.ends(RunStatus::Aborted, 0);
    assert_eq!(ended.told(), TORN_DOWN);
    assert_eq!(status(&ended.state, "s2"), HostStatus::Aborted);
}

/// A flag that is a line in a file, set around a command that takes a while.
const SLOW: &str = r#"
version: 1
name: slow
hosts: all
inputs:
  file: {type: path}
setup:
  - {id: hold, shell: "echo set >> {{ file }}", delegate_to: here, idempotent: true,
     teardown: {shell: "echo unset >> {{ file }}", idempotent: true}}
steps:
  - id: work
    shell: "echo begun >> {{ file }}; sleep 4; echo ended >> {{ file }}"
    on_unknown: ask
    rollback: {none: lines in a file}
"#;

/// Kills a run while its command runs on; returns the file to which that writes.
fn killed_in_work(planrun: &Planrun) -> String {
    let plan = planrun.file("plan.yaml", SLOW);
    let inventory =
        planrun.file("inventory.yaml", "all: {hosts: {here: {planrun_connection: local}}}\n");
    let file = planrun.file("lines", "");
    let set = format!("file={file}");
    let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory, "--set", &set]);
    going.until_sends("here/work");
    let lines = || std::fs::read_to_string(&file).unwrap();
    eventually("the command has begun", || lines() == "set\nbegun\n");
    going.kill();
    file
}

#[test]
fn an_abort_waits_for_the_command_that_a_killed_process_has_left() {
    let planrun = Planrun::new();
    let file = killed_in_work(&planrun);
    let lines = || std::fs::read_to_string(&file).unwrap();

    planrun.run(&["abort", "last", "--acknowledge"]).exits(0);

    assert_eq!(lines(), "set\nbegun\nended\nunset\n");
}

#[test]
fn an_abort_without_teardown_reports_what_may_still_run() {
    let planrun = Planrun::new();
    let file = killed_in_work(&planrun);
    let lines = || std::fs::read_to_string(&file).unwrap();

    let ended = planrun.run(&["abort", "last", "--acknowledge", "--without-teardown"]);

    ended.exits(0).says("May still be running: here/work").says("Still set: setup/hold");
    eventually("the command has ended", || lines() == "set\nbegun\nended\n");
}
