//! Runs that are paused or killed, and resumed: nothing is lost, nothing is sent twice.

use std::thread;
use std::time::Duration;

use planrun::event::{Event, HostStatus, RunEvent, TaskStatus};

use crate::cluster::{Cluster, SHORT_WATCH, WHOLE_RESTART, restart_plan};
use crate::harness::{Going, Planrun};

/// The wait for users, some of whom never disconnect: it lasts as long as it may.
const WAIT: &str = "backend1/expire";

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn an_interrupted_wait_goes_on_with_what_is_left_of_it() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    let planrun = Planrun::new();

    let mut going = begin(&planrun, &cluster);
    going.until_long_in(WAIT, Duration::from_secs(6));
    going.interrupt();
    let paused = going.end();
    let run = planrun.newest();
    let mut going = planrun.begin_json(&["resume", &run]);
    going
        .until("the run is resumed", |event| matches!(event, Event::Run(RunEvent::Resumed { .. })));
    thread::sleep(Duration::from_secs(3));
    going.interrupt();
    let paused_again = going.end();
    let ended = planrun.run_json(&["resume", &run]);

    paused.exits(6).says(&format!("planrun resume {run}"));
    paused_again.exits(6);
    assert_eq!(paused_again.story().status(WAIT), None);
    let waited = planrun.kept(&run).waited(WAIT);
    assert_eq!(waited.len(), 2, "{waited:?}");
    assert!(waited[0] < waited[1], "the second begins where the first was cut: {waited:?}");
    ended.exits(0);
    assert_eq!(ended.story().status(WAIT), Some(TaskStatus::Unchanged));
    assert_eq!(cluster.changes("backend1"), WHOLE_RESTART);
    assert_eq!(cluster.share("backend1"), "up 100");
    cluster.everybody_is_served();
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_run_killed_in_the_wait_is_resumed_and_nothing_is_sent_twice() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    let planrun = Planrun::new();

    let mut going = begin(&planrun, &cluster);
    going.until_long_in(WAIT, Duration::from_secs(4));
    going.kill();

    ends_well_and_sends_nothing_twice(&planrun, &cluster);
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_run_killed_right_after_the_stop_is_resumed_and_nothing_is_sent_twice() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    let planrun = Planrun::new();

    let mut going = begin(&planrun, &cluster);
    going.until_ended("backend1/stop");
    going.kill();

    ends_well_and_sends_nothing_twice(&planrun, &cluster);
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_run_killed_while_the_backend_is_taken_out_is_resumed_and_nothing_is_sent_twice() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    let planrun = Planrun::new();

    let mut going = begin(&planrun, &cluster);
    going.until_sends("backend1/down");
    going.kill();

    ends_well_and_sends_nothing_twice(&planrun, &cluster);
}

fn begin(planrun: &Planrun, cluster: &Cluster) -> Going {
    let (plan, inventory) = (restart_plan(planrun, &[]), cluster.inventory());
    let words = ["apply", &plan, "--inventory", &inventory, "--limit", "backend1"];
    planrun.begin_json(&[&words[..], &["--set", "drain_for=15s"], &SHORT_WATCH].concat())
}

#[track_caller]
fn ends_well_and_sends_nothing_twice(planrun: &Planrun, cluster: &Cluster) {
    let run = planrun.newest();
    let resumed = planrun.run_json(&["resume", &run]);
    resumed.exits(0);
    let kept = planrun.kept(&run);
    assert_eq!(kept.host("backend1"), Some(HostStatus::Succeeded));
    assert_eq!(cluster.changes("backend1"), WHOLE_RESTART);
    assert_eq!(cluster.share("backend1"), "up 100");
    assert!(cluster.is_active("backend1"));
    cluster.everybody_is_served();
}
