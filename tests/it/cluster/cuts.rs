//! The connection to a host is cut in the middle of a command that must not run twice.

use planrun::event::{Event, TaskEvent, TaskStatus};

use crate::cluster::{Cluster, SHORT_DRAIN, WHOLE_RESTART, restart_plan};
use crate::harness::{Planrun, eventually};
use crate::ssh::proxy::Proxy;

/// How long the commands take in whose middle the connection is cut, in seconds.
const SLOW: u32 = 5;

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_run_goes_on_by_itself_after_cuts_in_the_middle_of_the_stop_and_of_the_flush() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    cluster.slow_fault("backend1", "stop_slow", SLOW);
    let directors = ["director1", "director2"];
    for director in directors {
        cluster.slow_fault(director, "slow:director flush", SLOW);
    }
    let (inventory, [backend, director1, director2]) =
        cluster.behind_proxies(["backend1", "director1", "director2"]);
    let planrun = Planrun::new();
    let plan = restart_plan(&planrun, &[]);
    let words = ["apply", &plan, "--inventory", &inventory, "--limit", "backend1"];

    let mut going = planrun.begin_json(&[&words[..], &SHORT_DRAIN].concat());
    let sent = going.until_sends("backend1/stop");
    assert_eq!(host_of(&sent.event), "backend1");
    is_cut_in_the_middle(&cluster, "backend1", "systemctl stop dovecot", &backend);
    going.until_ended("backend1/stop");
    let sent = going.until_sends("backend1/flush");
    let director = host_of(&sent.event);
    let proxy = if director == directors[0] { &director1 } else { &director2 };
    let flush = format!("doveadm director flush {}", cluster.address("backend1"));
    is_cut_in_the_middle(&cluster, director, &flush, proxy);
    let ended = going.end();

    ended.exits(0);
    assert!(backend.has_login() && proxy.has_login(), "planrun has logged in again");
    let story = ended.story();
    assert_eq!(story.questions(), [""; 0]);
    for step in ["backend1/stop", "backend1/flush"] {
        assert_eq!(story.status(step), Some(TaskStatus::Changed), "{step}");
        assert_eq!(story.sent_for(step).len(), 1, "{step}");
    }
    // Each came to the hosts once, and `rescue` did nothing.
    assert_eq!(cluster.changes("backend1"), WHOLE_RESTART);
    assert_eq!(cluster.share("backend1"), "up 100");
    assert!(cluster.is_active("backend1"));
    cluster.everybody_is_served();
}

/// Returns the host that a command is sent to.
fn host_of(event: &Event) -> &str {
    match event {
        Event::Task { event: TaskEvent::AttemptIntended { on, .. }, .. } => on.as_str(),
        other => panic!("{other:?}"),
    }
}

/// Cuts the connection to a host once a command runs there; it runs on.
#[track_caller]
fn is_cut_in_the_middle(cluster: &Cluster, host: &str, command: &str, proxy: &Proxy) {
    let runs = || {
        let log = cluster.log(host);
        log.iter().any(|came| came.argv.join(" ") == command && came.exit.is_none())
    };
    eventually(&format!("`{command}` runs on {host}"), runs);
    assert_eq!(proxy.cut(), 1, "planrun is connected to {host}");
    assert!(runs(), "`{command}` runs on {host} after the cut");
}
