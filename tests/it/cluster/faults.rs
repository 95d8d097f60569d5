//! What happens to a backend and its users if a step of the procedure fails.

use planrun::event::TaskStatus;
use serde_json::json;

use crate::cluster::{
    Cluster, OBOX_RESTART, SHORT_DRAIN, WHOLE_RESTART_OF_AN_EMPTY_BACKEND, restart_plan,
};
use crate::harness::{Ended, Planrun, eventually};

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_backend_that_does_not_start_stays_out_of_service_and_a_person_is_asked() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    cluster.fault("backend1", "start_fails");
    let planrun = Planrun::new();

    let paused = restart_backend1(&planrun, &cluster);

    paused.exits(6);
    assert_eq!(paused.story().questions(), ["backend1/start"]);
    assert_eq!(cluster.share("backend1"), "down 0");
    assert!(!cluster.is_active("backend1"));
    cluster.everybody_is_served();
    assert_eq!(cluster.users_on("backend1"), [""; 0]);

    cluster.heal("backend1", "start_fails");
    let run = planrun.newest();
    let answer = ["resolve", &run, "backend1/start", "--as", "retry", "--reason", "mended"];
    planrun.run(&answer).exits(0);
    planrun.run_json(&["resume", &run]).exits(0);
    assert_eq!(cluster.share("backend1"), "up 100");
    assert!(cluster.is_active("backend1"));
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn users_do_not_wait_for_a_director_that_refuses_to_take_a_backend_out() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    cluster.fault("director1", "refuse:director down");
    cluster.fault("director2", "refuse:director down");
    let planrun = Planrun::new();

    let watch = cluster.watches("backend1");
    let ended = restart_backend1(&planrun, &cluster);
    watch.saw_users_wait_at_most(8.0);

    ended.exits(0);
    assert_eq!(ended.story().status("backend1/down"), Some(TaskStatus::Failed));
    assert_eq!(ended.story().status("backend1/flush"), Some(TaskStatus::Changed));
    assert_eq!(cluster.share("backend1"), "up 100");
    assert!(cluster.is_active("backend1"));
    cluster.everybody_is_served();
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn users_do_not_wait_for_a_backend_that_can_be_neither_taken_out_nor_started() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    cluster.fault("director1", "refuse:director down");
    cluster.fault("director2", "refuse:director down");
    cluster.fault("backend1", "start_fails");
    let planrun = Planrun::new();

    let watch = cluster.watches("backend1");
    let paused = restart_backend1(&planrun, &cluster);
    watch.saw_users_wait_at_most(10.0);

    paused.exits(6);
    assert_eq!(paused.story().questions(), ["backend1/start"]);
    assert_eq!(cluster.share("backend1"), "up 0", "no user is sent back to it");
    assert_eq!(cluster.backend("backend1")["users"], 0);
    cluster.everybody_is_served();
    assert_eq!(cluster.users_on("backend1"), [""; 0]);
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn users_do_not_wait_for_a_backend_that_is_gone_in_the_middle_of_its_stop() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    // Time to cut the backend off meanwhile.
    cluster.slow_fault("backend1", "stop_slow", 5);
    let planrun = Planrun::new();
    let plan = restart_plan(
        &planrun,
        &[(
            "timeout: 10m\n    done_when: dovecot == \"inactive\"",
            "timeout: 5s\n    done_when: dovecot == \"inactive\"",
        )],
    );
    let inventory = cluster.inventory();
    let words = ["apply", &plan, "--inventory", &inventory, "--limit", "backend1"];

    let watch = cluster.watches("backend1");
    let mut going = planrun.begin_json(&[&words[..], &SHORT_DRAIN].concat());
    going.until_sends("backend1/stop");
    eventually("the stop has come to the backend", || {
        cluster.changes("backend1").contains(&"systemctl stop dovecot".to_owned())
    });
    cluster.fault("backend1", "sshd_down");
    let paused = going.end();
    watch.saw_users_wait_at_most(5.0);

    paused.exits(6);
    assert_eq!(paused.story().status("backend1/stop"), Some(TaskStatus::Unknown));
    assert_eq!(paused.story().questions(), ["backend1/ensure_stopped"]);
    assert_eq!(cluster.share("backend1"), "down 0");
    assert_eq!(cluster.backend("backend1")["users"], 0);
    cluster.everybody_is_served();

    cluster.heal("backend1", "sshd_down");
    let run = planrun.newest();
    let answer =
        ["resolve", &run, "backend1/ensure_stopped", "--as", "retry", "--reason", "it is back"];
    planrun.run(&answer).exits(0);
    planrun.run_json(&["resume", &run]).exits(0);
    assert_eq!(cluster.share("backend1"), "up 100");
    let stops = cluster.changes("backend1");
    let stops = stops.iter().filter(|one| *one == "systemctl stop dovecot").count();
    assert_eq!(stops, 1, "what was stopped is not stopped again");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_change_that_a_director_reports_as_failed_but_took_effect_is_not_sent_again() {
    let cluster = Cluster::up();
    // Time to stop the other director while the change is under way.
    for director in ["director1", "director2"] {
        cluster.slow_fault(director, "slow:director update", 5);
    }
    let planrun = Planrun::new();
    let plan = restart_plan(&planrun, &[]);
    let inventory = cluster.inventory();
    let words = ["apply", &plan, "--inventory", &inventory, "--limit", "backend1"];

    let mut going = planrun.begin_json(&[&words[..], &SHORT_DRAIN].concat());
    let sent = going.until_sends("backend1/drain");
    let planrun::event::Event::Task {
        event: planrun::event::TaskEvent::AttemptIntended { on, .. },
        ..
    } = sent.event
    else {
        unreachable!("asked for")
    };
    let other = match on.as_str() {
        "director1" => "director2",
        _ => "director1",
    };
    cluster.fault(other, "director_stopped");
    let attempt = going.until("the change has ended", |event| {
        matches!(event, planrun::event::Event::Task { task, event: planrun::event::TaskEvent::AttemptEnded { .. } }
            if task.to_string() == "backend1/drain")
    });
    cluster.heal(other, "director_stopped");
    for director in ["director1", "director2"] {
        cluster.heal(director, "slow:director update");
    }
    going.until_ended("backend1/drain");
    let ended = going.end();

    let outcome = serde_json::to_value(&attempt).unwrap();
    let exit = &outcome["event"]["outcome"]["ended"]["exit"];
    assert_eq!(*exit, json!({"code": 75}), "{outcome:#}");
    ended.exits(0);
    assert_eq!(ended.story().status("backend1/drain"), Some(TaskStatus::Changed));
    assert_eq!(cluster.changes("backend1"), WHOLE_RESTART_OF_AN_EMPTY_BACKEND);
    assert_eq!(cluster.share("backend1"), "up 100");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_test_user_without_mail_is_refused_and_nothing_is_sent() {
    let cluster = Cluster::up();
    cluster.fault("backend2", "no_mail");
    let planrun = Planrun::new();

    let ended = planrun.run_json(&["apply", OBOX_RESTART, "--inventory", &cluster.inventory()]);

    ended.exits(2).says("the test user has mail");
    assert_eq!(ended.story().sent(), [""; 0]);
    cluster.is_untouched();
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn draining_the_last_backend_in_service_is_refused() {
    let cluster = Cluster::up();
    cluster.vhosts("backend2", 0);
    cluster.fault("backend3", "dovecot_down");
    cluster.vhosts("backend3", 0);
    let planrun = Planrun::new();
    let inventory = cluster.inventory();

    let words = ["apply", OBOX_RESTART, "--inventory", &inventory, "--limit", "backend1"];
    let ended = planrun.run_json(&words);

    ended.exits(2).says("another backend with the same tag is in service");
    assert_eq!(ended.story().sent(), [""; 0]);
    cluster.is_untouched();
    assert_eq!(cluster.share("backend1"), "up 100");
}

#[track_caller]
fn restart_backend1(planrun: &Planrun, cluster: &Cluster) -> Ended {
    let plan = restart_plan(planrun, &[]);
    let inventory = cluster.inventory();
    let words = ["apply", &plan, "--inventory", &inventory, "--limit", "backend1"];
    planrun.run_json(&[&words[..], &SHORT_DRAIN].concat())
}
