//! `planrun rollback` with hosts after their point of no return: they are refused by name, and nothing
//! wrong is printed or recorded about them.

use planrun::event::{Answer, Event, HostStatus, Record, RunEvent, RunStatus};
use planrun::history::RunState;

use crate::harness::{Ended, Planrun};
use crate::scene::{Always, Memory, Scene, sent, start, trace};

/// Dovecot is stopped, started again at the point of no return, and a person is asked.
const PLAN: &str = r#"
version: 1
name: way-back
hosts: backends
serial: SERIAL
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: stop
    run: systemctl stop dovecot
    done_when: dovecot == "inactive"
    rollback: {run: systemctl start dovecot, done_when: dovecot == "active"}
  - id: back
    when: PAST
    run: systemctl start dovecot
    done_when: dovecot == "active"
    point_of_no_return: its users are back
  # So that a host that goes past the point is on its way there when the other one asks.
  - wait: 1s
  - id: person
    when: ASKS
    approve: Go on?
  - id: last
    run: systemctl start dovecot
    done_when: dovecot == "active"
    rollback: {none: it is an example}
"#;

const FIRST: &str = r#"host.name == "backend1""#;
const SECOND: &str = r#"host.name == "backend2""#;

const REFUSED: &str = "backend1 cannot be rolled back: it is past the point of no return of step \
                       back: its users are back";

/// Applies the plan to two hosts: so many at a time, those that go past the point, those where
/// somebody is asked.
fn apply(planrun: &Planrun, serial: &str, past: &str, asks: &str) -> Ended {
    let plan = PLAN.replace("SERIAL", serial).replace("PAST", past).replace("ASKS", asks);
    let plan = planrun.file("plan.yaml", plan);
    let inventory = "plans/inventories/demo.yaml";
    let limit = "backend1:backend2";
    planrun.run(&["apply", &plan, "-i", inventory, "--limit", limit])
}

/// The state of the only run, read back.
fn state(planrun: &Planrun) -> RunState {
    RunState::of(&planrun.kept(&planrun.newest()).0).unwrap()
}

fn host(state: &RunState, name: &str) -> HostStatus {
    let mut hosts = state.hosts.iter();
    hosts.find(|(it, _)| it.as_str() == name).unwrap().1.status
}

/// Answers all questions of the only run alike, one after the other, and returns its end.
#[track_caller]
fn answers(planrun: &Planrun, answer: &str) -> Ended {
    let run = planrun.newest();
    for _ in 0..4 {
        for (task, _) in state(planrun).open_questions() {
            planrun.run(&["resolve", &run, &task.to_string(), "--as", answer]).exits(0);
        }
        let ended = planrun.run(&["resume", &run]);
        if ended.status != Some(6) {
            return ended;
        }
    }
    panic!("{run} does not end");
}

/// Holds that a rollback is refused and nothing is recorded; returns what was said.
#[track_caller]
fn refuses(planrun: &Planrun) -> String {
    let run = planrun.newest();
    let before = (planrun.kept(&run).0, planrun.runs());
    let ended = planrun.run(&["rollback", &run]);
    ended.exits(2);
    assert_eq!(ended.stdout, "");
    let after = (planrun.kept(&run).0, planrun.runs());
    assert_eq!(before.0.len(), after.0.len());
    assert_eq!(before, after);
    ended.all().replace(&run, "RUN")
}

#[test]
fn where_every_host_is_past_the_point_nothing_is_recorded_and_the_answers_are_said() {
    let planrun = Planrun::new();
    apply(&planrun, "2", "true", "true").exits(6);

    let said = refuses(&planrun);

    for expected in [
        "error: run RUN cannot be rolled back: nothing can be undone on any host",
        REFUSED,
        "backend2 cannot be rolled back: it is past the point of no return of step back",
        "help: nothing was recorded; the run is unchanged",
        "help: answer it (approve, reject) to continue: `planrun resolve RUN backend",
        "/person --as ANSWER`",
        "help: then continue: `planrun resume RUN`",
        "help: or abandon it: `planrun abort RUN --acknowledge`",
    ] {
        assert!(said.contains(expected), "no {expected:?} in:\n{said}");
    }
    assert_eq!(state(&planrun).status, RunStatus::Paused);
    // What was advised is so.
    answers(&planrun, "approve").exits(0);
}

#[test]
fn an_ended_run_with_every_host_past_the_point_is_not_told_to_resume() {
    let planrun = Planrun::new();
    apply(&planrun, "1", "true", "false").exits(0);
    let said = refuses(&planrun);
    assert!(said.contains(REFUSED), "{said}");
    assert!(!said.contains("planrun resume"), "{said}");
    assert!(said.contains("planrun show RUN"), "{said}");
    assert!(!said.contains("what is left"), "{said}");

    let planrun = Planrun::new();
    apply(&planrun, "2", "true", "true").exits(6);
    answers(&planrun, "reject").exits(3);
    let said = refuses(&planrun);
    assert!(said.contains(REFUSED), "{said}");
    assert!(!said.contains("planrun resume"), "{said}");
    // Nor is a rollback advised where a resume is asked for.
    let resumed = planrun.run(&["resume", "last"]);
    resumed.exits(2).says("past its point of no return is not rolled back");
    assert!(!resumed.all().contains("planrun rollback"));
}

#[test]
fn where_nothing_was_begun_there_is_nothing_to_undo_and_nothing_is_recorded() {
    let planrun = Planrun::new();
    // The controller dies while the preflight looks.
    let plan = "version: 1\nname: slow\nhosts: all\nprobes: {slow: {run: sleep 3}}\n\
                preflight: {it ends: slow.exit == 0}\n\
                steps: [{run: 'true', idempotent: true, rollback: {none: it is an example}}]\n";
    let plan = planrun.file("plan.yaml", plan);
    let inventory = "all: {hosts: {here: {planrun_connection: local}}}\n";
    let inventory = planrun.file("inventory.yaml", inventory);
    let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory]);
    going.until("it is planned", |event| matches!(event, Event::Run(RunEvent::Planned(_))));
    going.kill();

    let said = refuses(&planrun);

    for expected in ["no host has anything to undo", "help: continue: `planrun resume RUN`"] {
        assert!(said.contains(expected), "no {expected:?} in:\n{said}");
    }
    assert!(!state(&planrun).started);
}

#[test]
fn of_two_hosts_the_one_that_can_go_back_does_and_the_other_is_named() {
    let planrun = Planrun::new();
    apply(&planrun, "1", FIRST, SECOND).exits(6);

    let ended = planrun.type_line("planrun rollback last 2>&1");

    // Not everything is undone, so it is not 1.
    ended.exits(3);
    let refused = ended.stdout.find(REFUSED).unwrap();
    let begins = ended.stdout.find("requested by").unwrap();
    assert!(refused < begins, "{}", ended.all());
    let state = state(&planrun);
    assert_eq!(state.status, RunStatus::Failed);
    assert_eq!(host(&state, "backend1"), HostStatus::Succeeded);
    assert_eq!(host(&state, "backend2"), HostStatus::RolledBack);
    ended.says(
        "an operator requested a rollback; rolled back on backend2; backend1 is past the point of no \
         return and keeps its changes",
    );
    ended.says("Not every change was undone");
    let shown = planrun.run(&["show", "last"]);
    shown.exits(0).says("rolled back on backend2; backend1 is past");
    let rows: Vec<&str> = ended.stdout.lines().collect();
    let row = rows.iter().position(|row| {
        row.trim_start().starts_with("backend1  succeeded")
            && row.contains("cannot be rolled back: past the point of no return of step back")
    });
    assert!(row.is_some(), "{}", ended.all());
    let kept = planrun.kept(&planrun.newest());
    assert_eq!(kept.sent_for("backend1/stop.rollback"), Vec::<String>::new());
    assert_eq!(kept.sent_for("backend2/stop.rollback").len(), 1);
    assert!(refuses(&planrun).contains(REFUSED));
}

#[test]
fn a_question_of_a_host_past_the_point_stays_open_and_the_other_host_goes_back() {
    let planrun = Planrun::new();
    apply(&planrun, "2", FIRST, FIRST).exits(6);
    let run = planrun.newest();

    let ended = planrun.run(&["rollback", &run]);

    ended.exits(6);
    ended.says(REFUSED);
    ended.says("backend1/person still waits for an answer; then backend1 continues");
    ended.says("This host is past its point of no return: after the answer it continues forward.");
    assert!(!ended.all().contains("question at backend2/person"), "{}", ended.all());
    let rests = state(&planrun);
    assert_eq!(rests.status, RunStatus::Paused);
    assert_eq!(host(&rests, "backend1"), HostStatus::Active);
    assert_eq!(host(&rests, "backend2"), HostStatus::RolledBack);
    let open: Vec<String> =
        rests.open_questions().iter().map(|(task, _)| task.to_string()).collect();
    assert_eq!(open, ["backend1/person"]);
    // Now no host can go back any more.
    assert!(refuses(&planrun).contains(REFUSED));

    planrun.type_line(&ended.command("planrun resolve", "--as approve").replace("TEXT", "seen"));
    let ended = planrun.run(&["resume", &run]);
    ended.exits(3).says("no rollback was sent to backend2; backend1 is past");
    assert_eq!(host(&state(&planrun), "backend1"), HostStatus::Succeeded);
}

#[test]
fn a_host_past_the_point_ends_while_the_other_one_waits_for_the_operator() {
    let planrun = Planrun::new();
    let paused = apply(&planrun, "2", FIRST, SECOND);
    paused.exits(6).says("question at backend2/person");
    assert_eq!(host(&state(&planrun), "backend1"), HostStatus::Succeeded);

    let ended = planrun.run(&["rollback", &planrun.newest()]);

    ended.exits(3).says(REFUSED);
    // What was asked about going forward matters no more on a host that went back.
    assert!(!ended.all().contains("question at backend2/person"), "{}", ended.all());
    assert_eq!(host(&state(&planrun), "backend2"), HostStatus::RolledBack);
}

#[test]
fn a_run_that_is_rolled_back_still_undoes_a_host_that_had_succeeded() {
    let planrun = Planrun::new();
    apply(&planrun, "1", "false", SECOND).exits(6);
    let run = planrun.newest();
    planrun.run(&["resolve", &run, "--as", "reject"]).exits(0);
    planrun.run(&["resume", &run]).exits(1);
    assert_eq!(host(&state(&planrun), "backend1"), HostStatus::Succeeded);

    let ended = planrun.run(&["rollback", &run]);

    ended.exits(0);
    ended.says(
        "requested by an operator; rolled back on backend2; no rollback was sent to backend1",
    );
    assert_eq!(host(&state(&planrun), "backend1"), HostStatus::RolledBack);
    let before = planrun.kept(&run).0.len();
    planrun.run(&["rollback", &run]).exits(0).says("is already");
    assert_eq!(planrun.kept(&run).0.len(), before);
}

#[test]
fn a_controller_that_dies_on_the_way_back_changes_nothing_of_the_end() {
    let plan = PLAN.replace("SERIAL", "2").replace("PAST", FIRST).replace("ASKS", FIRST);
    let scene = Scene::limited(&plan, &[], Some("backend1:backend2"));
    for more in 1.. {
        let clock = start();
        let world = scene.world(&clock, vec![]);
        let paused = Memory::default();
        let state = scene.drive(&clock, &world, &paused, None).unwrap();
        assert_eq!(state.status, RunStatus::Paused, "{}", trace(&paused));
        let mut records = paused.records.into_inner();
        records.push(Record {
            seq: state.seq + 1,
            epoch: 1,
            at: clock.now(),
            event: Event::Run(RunEvent::RollbackRequested {
                by: "test@here".into(),
                reason: None,
                hosts: None,
            }),
        });
        let dying = Memory {
            dies_after: Some(records.len() + more),
            records: records.into(),
            ..Memory::default()
        };
        let is_whole = scene.drive(&clock, &world, &dying, None).is_some();
        let journal = Memory { records: dying.records, ..Memory::default() };

        let state = scene.drive(&clock, &world, &journal, None).unwrap();

        let told = trace(&journal);
        assert_eq!(state.status, RunStatus::Paused, "{told}");
        assert_eq!(state.open_questions().len(), 1, "{told}");
        assert_eq!(host(&state, "backend1"), HostStatus::Active, "{told}");
        assert_eq!(host(&state, "backend2"), HostStatus::RolledBack, "{told}");
        let before = sent(&journal);
        let answer = Always(Answer::Approve);
        let state = scene.drive(&clock, &world, &journal, Some(&answer));
        let told = trace(&journal);
        let state = state.unwrap();
        assert_eq!(state.status, RunStatus::Failed, "{told}");
        assert_eq!(host(&state, "backend1"), HostStatus::Succeeded, "{told}");
        assert_eq!(sent(&journal), before, "{told}");
        if is_whole {
            assert!(more > 4, "{told}");
            return;
        }
    }
}

#[test]
fn a_run_that_was_ended_by_hand_takes_no_answer_and_offers_none() {
    let planrun = Planrun::new();
    apply(&planrun, "2", "true", "true").exits(6);
    let run = planrun.newest();
    let ended = planrun.run(&["abort", &run, "--acknowledge"]);
    assert!(!ended.all().contains("resolve"), "{}", ended.all());
    let before = planrun.kept(&run).0;
    let task = "backend1/person";
    let ended = planrun.run(&["resolve", &run, task, "--as", "approve"]);
    ended.exits(2);
    ended.says("has ended: aborted");
    assert_eq!(planrun.kept(&run).0, before);
}
