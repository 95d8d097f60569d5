//! What a run does once: `setup` before the first host, `finish` after the last one, and the teardown of the
//! setup, however the run ends.

use planrun::clock::Clock;
use planrun::event::{
    Answer, Event, HostStatus, Record, RunEvent, RunStatus, StepPath, TaskEvent, TaskId, TaskStatus,
};
use planrun::history::RunState;
use planrun::inventory::HostName;
use planrun::run::exit_status;
use planrun::scenario::faults::FaultSpec;
use planrun::task::Stage;
use planrun::transport::model::ModelTransport;

use crate::scene::{Always, Memory, Scene, at, fault, sent, start, status, trace};

/// A cluster-wide flag around the hosts, one of which comes last, and a version that is raised when all of
/// them have it.
pub(crate) const PLAN: &str = r#"
version: 1
name: storage-upgrade
hosts: storage
serial: 1
order: {last: role == "primary"}
probes:
  noout: {run: ceph flag noout, delegate_to: mon1, parse: text}
  silence: {run: ceph flag silence, delegate_to: mon1, parse: text}
  format: {run: ceph format, delegate_to: mon1, parse: int}
  role: {run: role, parse: text}
  release: {run: release, parse: text}
setup:
  - {id: before, set: {format: format}}
  - {id: quiet, run: ceph set silence, delegate_to: mon1, done_when: silence == "set",
     rollback: {run: ceph unset silence, done_when: silence == "unset"}}
  - {id: hold, run: ceph set noout, delegate_to: mon1, done_when: noout == "set",
     teardown: {run: ceph unset noout, done_when: noout == "unset"}}
steps:
  - {id: upgrade, run: upgrade, done_when: release == "new",
     rollback: {run: downgrade, done_when: release == "old"}}
  - {id: note, run: "note {{ before.format }}", idempotent: true, rollback: {none: a note}}
finish:
  - {id: raise, run: ceph format 2, delegate_to: mon1, done_when: format == 2,
     rollback: {run: ceph format 1, done_when: format == 1}}
"#;

#[track_caller]
pub(crate) fn scene(plan: &str) -> Scene {
    Scene::of(plan, "tests/cases/stages/inventory.yaml", &[], None)
}

/// What became of a run, and the world that it left.
pub(crate) struct Ended {
    pub(crate) clock: Clock,
    pub(crate) state: RunState,
    pub(crate) journal: Memory,
    pub(crate) world: ModelTransport,
}

impl Ended {
    /// The state of the flag, of the silence and of the format.
    pub(crate) fn cluster(&self) -> (String, String, i64) {
        let text = |name| at(&self.world, "mon1", name).as_str().unwrap().to_owned();
        (text("noout"), text("silence"), at(&self.world, "mon1", "format").as_i64().unwrap())
    }

    /// What the monitor was told, in that order.
    pub(crate) fn told(&self) -> Vec<String> {
        let told = at(&self.world, "mon1", "told");
        told.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn stage(&self, stage: Stage) -> HostStatus {
        self.state.stage(stage).unwrap().1.status
    }

    #[track_caller]
    pub(crate) fn ends(&self, status: RunStatus, code: u8) {
        assert_eq!(self.state.status, status, "{}", trace(&self.journal));
        assert_eq!(exit_status(&self.state), code);
    }

    /// Continues it by an event.
    #[track_caller]
    pub(crate) fn by(self, scene: &Scene, event: RunEvent, answers: Option<Answer>) -> Self {
        let asker = answers.map(Always);
        let asker = asker.as_ref().map(|it| it as &dyn planrun::run::Asker);
        let Self { clock, world, journal, .. } = self;
        let event = Event::Run(event);
        let state = scene.drive_from(&clock, &world, &journal, asker, None, event).unwrap();
        Self { clock, state, journal, world }
    }
}

pub(crate) fn resumed() -> RunEvent {
    RunEvent::Resumed { by: "test@here".into() }
}

pub(crate) fn rollback() -> RunEvent {
    RunEvent::RollbackRequested { by: "test@here".into(), reason: None, hosts: None }
}

pub(crate) fn abort() -> RunEvent {
    RunEvent::AbortRequested { by: "test@here".into(), reason: None }
}

#[track_caller]
pub(crate) fn run_until(scene: &Scene, faults: Vec<FaultSpec>, stops_at: Option<&str>) -> Ended {
    let clock = start();
    let world = scene.world(&clock, faults);
    let journal = Memory::default();
    let stops_at = stops_at.map(|text| {
        let (host, step) = text.split_once('/').unwrap();
        TaskId { host: HostName::new(host), step: step.into() }
    });
    let state = scene.drive_until(&clock, &world, &journal, None, stops_at.as_ref()).unwrap();
    Ended { clock, state, journal, world }
}

#[track_caller]
fn run(plan: &str, faults: Vec<FaultSpec>) -> Ended {
    run_until(&scene(plan), faults, None)
}

pub(crate) fn cluster(noout: &str, silence: &str, format: i64) -> (String, String, i64) {
    (noout.to_owned(), silence.to_owned(), format)
}

pub(crate) const TORN_DOWN: [&str; 3] = ["set silence", "set noout", "unset noout"];

#[test]
fn the_setup_is_before_the_first_host_and_its_teardown_after_the_finish() {
    let ended = run(PLAN, vec![]);

    ended.ends(RunStatus::Succeeded, 0);
    assert_eq!(
        sent(&ended.journal),
        [
            "mon1: ceph set silence",
            "mon1: ceph set noout",
            "s2: upgrade",
            "s2: note 1",
            "s3: upgrade",
            "s3: note 1",
            // The primary is the last one.
            "s1: upgrade",
            "s1: note 1",
            "mon1: ceph format 2",
            "mon1: ceph unset noout",
        ]
    );
    // What only a rollback undoes stays.
    assert_eq!(ended.cluster(), cluster("unset", "set", 2));
    assert_eq!(ended.stage(Stage::Setup), HostStatus::Succeeded);
    assert_eq!(ended.stage(Stage::Finish), HostStatus::Succeeded);
    assert_eq!(ended.state.still_set(), []);
    // A stage is not a host.
    assert_eq!(ended.state.real_hosts().count(), 3);
}

#[test]
fn a_run_that_fails_on_its_first_host_undoes_the_setup_as_a_whole() {
    let ended = run(PLAN, vec![fault("s2", "upgrade", "refused", None)]);

    ended.ends(RunStatus::RolledBack, 1);
    assert_eq!(ended.told(), ["set silence", "set noout", "unset noout", "unset silence"]);
    assert_eq!(ended.stage(Stage::Setup), HostStatus::RolledBack);
    assert_eq!(ended.stage(Stage::Finish), HostStatus::NotStarted);
    assert!(ended.state.why.as_ref().unwrap().contains("setup is rolled back"));
}

#[test]
fn a_run_that_keeps_changes_of_a_host_only_tears_down() {
    let ended = run(PLAN, vec![fault("s3", "upgrade", "refused", None)]);

    ended.ends(RunStatus::RolledBack, 1);
    assert_eq!(ended.told(), TORN_DOWN);
    assert_eq!(ended.stage(Stage::Setup), HostStatus::Succeeded);
    assert_eq!(status(&ended.state, "s2"), HostStatus::Succeeded);
    assert_eq!(status(&ended.state, "s1"), HostStatus::NotStarted);
    // The finish is only for a run in which every host has succeeded.
    assert_eq!(ended.stage(Stage::Finish), HostStatus::NotStarted);
}

#[test]
fn a_host_that_fails_past_its_point_of_no_return_leaves_nothing_set() {
    let plan = PLAN.replace(
        "rollback: {run: downgrade, done_when: release == \"old\"}",
        "point_of_no_return: others use it",
    );
    let plan = plan.replace("id: note,", "id: note, on_failure: rollback,");
    let ended = run(&plan, vec![fault("s2", "note", "refused", None)]);

    ended.ends(RunStatus::Failed, 3);
    assert_eq!(ended.told(), TORN_DOWN);
}

#[test]
fn a_stuck_host_does_not_keep_the_flag_set() {
    let faults = || {
        vec![
            fault("s2", "note", "refused", None),
            fault("s2", "upgrade.rollback", "refused", Some(1)),
        ]
    };
    let ended = run(PLAN, faults());

    ended.ends(RunStatus::Stuck, 5);
    assert_eq!(status(&ended.state, "s2"), HostStatus::Stuck);
    assert_eq!(ended.told(), TORN_DOWN);

    // Once the host is repaired, the rest of the setup is undone; what was torn down is not touched again.
    let ended = ended.by(&scene(PLAN), rollback(), None);
    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(ended.told(), [&TORN_DOWN[..], &["unset silence"]].concat());
}

#[test]
fn a_condition_over_the_state_of_the_run_keeps_the_flag_until_the_run_is_over() {
    let plan = PLAN.replace("teardown: {", "teardown: {when: run.status != \"stuck\", ");
    let faults = vec![
        fault("s2", "note", "refused", None),
        fault("s2", "upgrade.rollback", "refused", Some(1)),
    ];
    let ended = run(&plan, faults);
    ended.ends(RunStatus::Stuck, 5);
    assert_eq!(ended.told(), ["set silence", "set noout"]);
    assert_eq!(ended.state.still_set()[0].to_string(), "setup/hold");

    let ended = ended.by(&scene(&plan), rollback(), None);

    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(ended.told(), ["set silence", "set noout", "unset noout", "unset silence"]);
    assert_eq!(ended.state.still_set(), []);
}

#[test]
fn every_end_has_its_name_in_the_condition_of_a_teardown() {
    let at_s2 = |step, times| fault("s2", step, "refused", times);
    let no_return = PLAN.replace(
        "rollback: {run: downgrade, done_when: release == \"old\"}",
        "point_of_no_return: others use it",
    );
    let no_return = no_return.replace("id: note,", "id: note, on_failure: rollback,");
    let stuck = vec![at_s2("note", None), at_s2("upgrade.rollback", Some(1))];
    let cases = [
        ("succeeded", PLAN, vec![]),
        ("rolled_back", PLAN, vec![at_s2("upgrade", None)]),
        ("failed", &no_return, vec![at_s2("note", None)]),
        ("stuck", PLAN, stuck),
    ];
    for (word, plan, faults) in cases {
        let plan = plan.replace(
            "teardown: {run: ceph unset noout",
            "teardown: {run: \"ceph tell {{ run.status }}\"",
        );
        let plan = plan.replace("done_when: noout == \"unset\"}", "idempotent: true}");
        let ended = run(&plan, faults);
        let told = ended.told();
        assert!(told.contains(&word.to_owned()), "{word}: {told:?}");
    }
}

#[test]
fn a_setup_that_fails_is_undone_and_no_host_is_touched() {
    let plan = PLAN.replace("  - {id: hold, run", "  - {id: first, run: ceph tell hello, delegate_to: mon1, idempotent: true, teardown: {run: ceph tell bye, idempotent: true}}\n  - {id: hold, run");
    let ended = run(&plan, vec![fault("mon1", "hold", "refused", None)]);

    ended.ends(RunStatus::RolledBack, 1);
    // The step that failed may have done a part of its work.
    assert!(sent(&ended.journal).contains(&"mon1: ceph set noout".to_owned()));
    assert_eq!(ended.told(), ["set silence", "hello", "bye", "unset silence"]);
    assert!(sent(&ended.journal).iter().all(|one| one.starts_with("mon1")));
    assert!(ended.state.why.as_ref().unwrap().contains("failed on setup"));
}

#[test]
fn what_was_set_before_the_run_or_never_ran_is_not_torn_down() {
    // Somebody else has set it.
    let scene = scene(PLAN);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let name = HostName::new("mon1");
    world.set(&name, "noout", serde_json::json!("set")).unwrap();
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(at(&world, "mon1", "noout"), "set");
    assert!(!sent(&journal).iter().any(|one| one.contains("noout")));

    // The step before it failed.
    let ended = run(PLAN, vec![fault("mon1", "quiet", "refused", None)]);
    ended.ends(RunStatus::RolledBack, 1);
    assert!(!sent(&ended.journal).iter().any(|one| one.contains("noout")));
}

#[test]
fn a_teardown_that_fails_is_told_and_run_again_by_a_resume() {
    let scene = scene(PLAN);
    let ended = run_until(&scene, vec![fault("mon1", "hold.teardown", "refused", Some(1))], None);

    ended.ends(RunStatus::Stuck, 5);
    assert_eq!(ended.stage(Stage::Setup), HostStatus::Stuck);
    assert_eq!(ended.state.why.as_deref(), Some("teardown failed on setup"));
    assert_eq!(ended.state.still_set()[0].to_string(), "setup/hold");
    assert!(ended.state.is_only_setup_stuck());
    // The hosts keep what they have.
    assert_eq!(status(&ended.state, "s1"), HostStatus::Succeeded);

    let ended = ended.by(&scene, resumed(), None);
    ended.ends(RunStatus::Succeeded, 0);
    assert_eq!(ended.cluster(), cluster("unset", "set", 2));
}

#[test]
fn a_paused_run_keeps_what_is_set() {
    let scene = scene(PLAN);
    let ended = run_until(&scene, vec![], Some("s2/upgrade"));

    ended.ends(RunStatus::Paused, 6);
    assert_eq!(ended.told(), ["set silence", "set noout"]);
    assert_eq!(ended.state.still_set()[0].to_string(), "setup/hold");

    let ended = ended.by(&scene, resumed(), None);
    ended.ends(RunStatus::Succeeded, 0);
    assert_eq!(ended.told(), ["set silence", "set noout", "format 2", "unset noout"]);
}

#[test]
fn an_aborted_run_is_torn_down_and_its_hosts_stay() {
    let scene = scene(PLAN);
    for stops_at in
        ["setup/hold", "s2/upgrade", "s1/upgrade", "finish/raise", "setup/hold.teardown"]
    {
        let ended = run_until(&scene, vec![], Some(stops_at));
        ended.ends(RunStatus::Paused, 6);
        let before = sent(&ended.journal).len();

        let ended = ended.by(&scene, abort(), None);

        ended.ends(RunStatus::Aborted, 0);
        assert_eq!(ended.cluster().0, "unset", "{stops_at}");
        let after = sent(&ended.journal);
        let more = usize::from(stops_at != "setup/hold.teardown");
        assert_eq!(after.len(), before + more, "{stops_at}: {after:?}");
        assert_eq!(ended.state.still_set(), []);
    }
}

#[test]
fn an_abort_whose_teardown_fails_is_stuck_and_ends_later() {
    let scene = scene(PLAN);
    let ended = run_until(
        &scene,
        vec![fault("mon1", "hold.teardown", "refused", Some(1))],
        Some("s2/upgrade"),
    );
    let ended = ended.by(&scene, abort(), None);
    ended.ends(RunStatus::Stuck, 5);
    assert!(ended.state.why.as_ref().unwrap().starts_with("teardown failed on setup; aborted by"));

    let ended = ended.by(&scene, resumed(), None);
    ended.ends(RunStatus::Aborted, 0);
    assert_eq!(ended.told(), TORN_DOWN);
}

#[test]
fn a_run_that_is_rolled_back_undoes_the_finish_first_and_the_setup_last() {
    let scene = scene(PLAN);
    let ended = run_until(&scene, vec![], None);
    let before = sent(&ended.journal).len();

    let ended = ended.by(&scene, rollback(), None);

    ended.ends(RunStatus::RolledBack, 0);
    assert_eq!(
        sent(&ended.journal)[before..],
        [
            "mon1: ceph format 1",
            "s1: downgrade",
            "s3: downgrade",
            "s2: downgrade",
            "mon1: ceph unset silence"
        ]
    );
    assert_eq!(ended.cluster(), cluster("unset", "unset", 1));
}

#[test]
fn a_paused_run_that_is_rolled_back_ends_with_nothing_set() {
    let scene = scene(PLAN);
    for stops_at in ["setup/quiet", "setup/hold", "s2/upgrade", "s1/note", "finish/raise"] {
        let ended = run_until(&scene, vec![], Some(stops_at));
        ended.ends(RunStatus::Paused, 6);
        let ended = ended.by(&scene, rollback(), None);
        ended.ends(RunStatus::RolledBack, 0);
        assert_eq!(ended.cluster(), cluster("unset", "unset", 1), "{stops_at}");
        assert_eq!(ended.state.still_set(), []);
    }
}

#[test]
fn a_finish_that_fails_is_undone_and_the_hosts_keep_their_changes() {
    let plan = format!(
        "{PLAN}  - {{id: tell, run: ceph tell all, delegate_to: mon1, idempotent: true, rollback: {{none: it is a message}}}}\n"
    );
    let ended = run(&plan, vec![fault("mon1", "tell", "refused", None)]);

    ended.ends(RunStatus::RolledBack, 1);
    assert_eq!(ended.cluster(), cluster("unset", "set", 1));
    let why = ended.state.why.as_ref().unwrap();
    assert!(why.contains("failed on finish") && why.contains("keep their changes"), "{why}");
}

#[test]
fn a_limited_run_has_its_setup_and_its_finish() {
    let scene = Scene::of(PLAN, "tests/cases/stages/inventory.yaml", &[], Some("s2"));
    let ended = run_until(&scene, vec![], None);
    ended.ends(RunStatus::Succeeded, 0);
    assert_eq!(ended.told(), ["set silence", "set noout", "format 2", "unset noout"]);
}

#[test]
fn a_host_that_is_refused_at_its_turn_undoes_the_setup() {
    let plan = PLAN
        .replace("setup:\n", "preflight_turn: {the format is new: before.format == 2}\nsetup:\n");
    let ended = run(&plan, vec![]);
    ended.ends(RunStatus::RolledBack, 1);
    assert_eq!(status(&ended.state, "s2"), HostStatus::Refused);
    assert_eq!(ended.cluster(), cluster("unset", "unset", 1));
}

#[test]
fn a_check_before_the_run_is_not_made_again_and_one_at_the_turn_not_before() {
    // True before the setup only.
    let plan =
        PLAN.replace("setup:\n", "preflight_start: {nothing is set: noout == \"unset\"}\nsetup:\n");
    run(&plan, vec![]).ends(RunStatus::Succeeded, 0);
    let both =
        PLAN.replace("setup:\n", "preflight: {nothing is set: noout == \"unset\"}\nsetup:\n");
    run(&both, vec![]).ends(RunStatus::RolledBack, 1);
    // True after the setup only.
    let plan = PLAN.replace("setup:\n", "preflight_turn: {it is set: noout == \"set\"}\nsetup:\n");
    run(&plan, vec![]).ends(RunStatus::Succeeded, 0);
    let start = plan.replace("preflight_turn", "preflight_start");
    let ended = run(&start, vec![]);
    ended.ends(RunStatus::Refused, 2);
    assert_eq!(sent(&ended.journal), Vec::<String>::new());
}

#[test]
fn a_setup_whose_machine_is_gone_is_stuck() {
    let ended = run(PLAN, vec![fault("mon1", "hold", "host_gone", Some(1))]);
    ended.ends(RunStatus::Stuck, 5);
    assert_eq!(ended.state.why.as_deref(), Some("rollback failed on setup"));
}

const NO_RETURN: &str = "point_of_no_return: {all_hosts: all clients use the new format}";

#[test]
fn nothing_of_the_run_is_rolled_back_past_a_point_of_no_return_of_all_hosts() {
    let plan = PLAN.replace("rollback: {run: ceph format 1, done_when: format == 1}", NO_RETURN);
    let scene = scene(&plan);
    let ended = run_until(&scene, vec![], None);
    ended.ends(RunStatus::Succeeded, 0);
    assert!(!ended.state.can_roll_back(&planrun::history::Requested::default()));
    let request = planrun::history::Requested::default();
    let refused: Vec<String> = ended
        .state
        .refusals(&request)
        .iter()
        .map(|one| format!("{} {}", one.host, one.step.seen_from(one.host)))
        .collect();
    assert!(refused.contains(&"s1 finish/raise".to_owned()), "{refused:?}");
    assert!(refused.contains(&"finish raise".to_owned()), "{refused:?}");
}

#[test]
fn a_host_that_fails_past_a_point_of_another_host_asks_and_goes_on_forward() {
    let plan = PLAN.replace("rollback: {run: downgrade, done_when: release == \"old\"}", NO_RETURN);
    let ended = run(&plan, vec![fault("s3", "upgrade", "refused", Some(1))]);
    ended.ends(RunStatus::Paused, 6);
    assert_eq!(ended.told(), ["set silence", "set noout"]);

    let scene = scene(&plan);
    let ended = ended.by(&scene, resumed(), Some(Answer::Fail));
    ended.ends(RunStatus::Failed, 3);
    assert_eq!(status(&ended.state, "s3"), HostStatus::Failed);
    // The setup is not rolled back either, but its teardown is no rollback.
    assert_eq!(ended.told(), TORN_DOWN);
}

#[test]
fn the_setup_may_be_past_the_point_itself() {
    let plan = PLAN
        .replace("rollback: {run: ceph unset silence, done_when: silence == \"unset\"}", NO_RETURN);
    let scene = scene(&plan);
    let ended = run_until(&scene, vec![fault("s2", "upgrade", "refused", None)], None);
    ended.ends(RunStatus::Paused, 6);
    let ended = ended.by(&scene, resumed(), Some(Answer::Fail));
    ended.ends(RunStatus::Failed, 3);
    assert_eq!(ended.cluster(), cluster("unset", "set", 1));
}

/// How often each command was sent by the end.
fn counted(journal: &Memory) -> std::collections::BTreeMap<String, usize> {
    let mut all = std::collections::BTreeMap::new();
    for one in sent(journal) {
        *all.entry(one).or_default() += 1;
    }
    all
}

#[test]
fn a_crash_after_each_event_changes_nothing_of_the_end_and_doubles_nothing() {
    let faults: [(&str, Vec<FaultSpec>, RunStatus); 3] = [
        ("all succeed", vec![], RunStatus::Succeeded),
        ("all is undone", vec![fault("s2", "note", "refused", None)], RunStatus::RolledBack),
        ("a host is kept", vec![fault("s3", "upgrade", "refused", None)], RunStatus::RolledBack),
    ];
    for (what, faults, expected) in faults {
        let whole = run(PLAN, faults.clone());
        let counted_whole = counted(&whole.journal);
        let events = scene(PLAN).dies_after_each(
            &faults,
            |_| {},
            |resumed| {
                let story = resumed.story();
                assert_eq!(resumed.state.status, expected, "{what}\n{story}");
                let mut again = counted(&resumed.journal);
                // A command that is refused is sent again if it was under way.
                again.retain(|one, _| one.starts_with("mon1"));
                let mut once = counted_whole.clone();
                once.retain(|one, _| one.starts_with("mon1"));
                assert_eq!(again, once, "{what}\n{story}");
                let told = at(&resumed.world, "mon1", "told");
                assert_eq!(told, serde_json::json!(whole.told()), "{what}\n{story}");
            },
        );
        assert!(events > 40, "{what}: {events}");
    }
}

/// Whether a record intends an attempt, and at which task.
pub(crate) fn intended(record: &Record) -> Option<&TaskId> {
    match &record.event {
        Event::Task { task, event: TaskEvent::AttemptIntended { .. } } => Some(task),
        _ => None,
    }
}

#[test]
fn a_stop_at_each_command_pauses_and_a_resume_ends_the_same() {
    let scene = scene(PLAN);
    let whole = run_until(&scene, vec![], None);
    let tasks: Vec<TaskId> =
        whole.journal.records.borrow().iter().filter_map(intended).cloned().collect();
    assert_eq!(tasks.len(), 10);
    for task in tasks {
        let ended = run_until(&scene, vec![], Some(&task.to_string()));
        assert_eq!(ended.state.status, RunStatus::Paused, "{task}");
        let ended = ended.by(&scene, resumed(), None);
        ended.ends(RunStatus::Succeeded, 0);
        assert_eq!(sent(&ended.journal), sent(&whole.journal), "{task}");
    }
}

#[test]
fn a_crash_after_each_event_of_a_rollback_ends_with_nothing_set() {
    let scene = scene(PLAN);
    for stops_at in [None, Some("s3/upgrade"), Some("setup/hold")] {
        let whole = run_until(&scene, vec![], stops_at).by(&scene, rollback(), None);
        whole.ends(RunStatus::RolledBack, 0);
        let sent_whole = sent(&whole.journal);
        for more in 1.. {
            let ended = run_until(&scene, vec![], stops_at);
            let before = ended.journal.records.borrow().len();
            let records = ended.journal.records.into_inner();
            let dying = Memory {
                dies_after: Some(before + more),
                records: records.into(),
                ..Memory::default()
            };
            let (clock, first) = (ended.clock, Event::Run(rollback()));
            let is_whole =
                scene.drive_from(&clock, &ended.world, &dying, None, None, first).is_some();
            let journal = Memory { records: dying.records, ..Memory::default() };
            if is_whole {
                assert!(more > 10);
                break;
            }
            let state = scene.drive(&clock, &ended.world, &journal, None).unwrap();
            let ended = Ended { clock, state, journal, world: ended.world };
            ended.ends(RunStatus::RolledBack, 0);
            assert_eq!(sent(&ended.journal), sent_whole, "{more}");
            assert_eq!(ended.cluster(), cluster("unset", "unset", 1), "{more}");
        }
    }
}

#[test]
fn a_teardown_that_is_left_out_is_recorded_as_skipped() {
    let plan = PLAN.replace("teardown: {", "teardown: {when: run.status == \"aborted\", ");
    let ended = run(&plan, vec![]);
    ended.ends(RunStatus::Succeeded, 0);
    let (_, setup) = ended.state.stage(Stage::Setup).unwrap();
    let teardown = setup.task(&StepPath::from("hold.teardown")).unwrap();
    assert_eq!(teardown.status, Some(TaskStatus::Skipped));
    assert_eq!(ended.cluster().0, "set");
    assert_eq!(ended.state.still_set()[0].to_string(), "setup/hold");
}
