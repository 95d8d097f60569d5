//! Changes of the procedure that need only an edit of the plan, and a second plan.

use std::fs;

use planrun::event::{HostStatus, TaskStatus};

use crate::cluster::{
    Cluster, IDLE_LOGINS, SHORT_DRAIN, WHOLE_RESTART_OF_AN_EMPTY_BACKEND, restart_plan,
};
use crate::harness::{Ended, Planrun};

const START: &str = "  - id: start\n";

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn another_wait_is_added_by_two_lines_of_the_plan() {
    let cluster = Cluster::up();
    let planrun = Planrun::new();
    let step = format!("  - id: rest\n    wait: 5s\n\n{START}");

    let ended = restart_backend1(&planrun, &cluster, &[(START, &step)]);

    ended.exits(0);
    assert_eq!(ended.story().status("backend1/rest"), Some(TaskStatus::Unchanged));
    assert_eq!(cluster.changes("backend1"), WHOLE_RESTART_OF_AN_EMPTY_BACKEND);
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn two_spare_backends_are_required_by_a_word_of_the_plan() {
    let cluster = Cluster::up();
    let planrun = Planrun::new();
    let claim =
        "  another backend with the same tag is in service: other_backends | length > 0\n  the d";
    let two =
        "  two backends with the same tag are in service: other_backends | length > 1\n  the d";

    cluster.vhosts("backend2", 0);
    let refused = restart_backend1(&planrun, &cluster, &[(claim, two)]);
    refused.exits(2).says("two backends with the same tag are in service");
    cluster.is_untouched();

    cluster.vhosts("backend2", 100);
    let ended = restart_backend1(&planrun, &cluster, &[(claim, two)]);
    ended.exits(0);
    assert_eq!(cluster.changes("backend1"), WHOLE_RESTART_OF_AN_EMPTY_BACKEND);
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn another_verification_is_a_probe_and_a_claim_of_the_plan() {
    let cluster = Cluster::up();
    let planrun = Planrun::new();
    let probe = "  mail_text: {";
    let search =
        "  found: {run: \"doveadm search -u {{ test_user }} mailbox INBOX all\", parse: lines}\n";
    let claim = "on this backend: readable}";
    let both = "on this backend: readable, it can be searched: found | length > 0}";

    let changes = [(probe, &*format!("{search}{probe}")), (claim, both)];
    let ended = restart_backend1(&planrun, &cluster, &changes);

    ended.exits(0);
    let looked = ["doveadm", "search", "-u", "probe1", "mailbox", "INBOX", "all"];
    let log = cluster.log("backend1");
    assert!(log.iter().any(|came| came.argv == looked), "{log:#?}");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_new_configuration_file_is_brought_to_every_backend() {
    let cluster = Cluster::up();
    let masters = cluster.masters();
    let planrun = Planrun::new();
    let text = format!("# Brought by a test.\nmail_max_userip_connections = 30\n{IDLE_LOGINS}");
    let text = text.as_str();

    let ended = reload(&planrun, &cluster, text);

    ended.exits(0);
    assert_eq!(cluster.masters(), masters, "none was restarted");
    for backend in ["backend1", "backend2", "backend3"] {
        assert_eq!(ended.story().host(backend), Some(HostStatus::Succeeded));
        let file = cluster.path(&format!("hosts/{backend}/conf.d/99-site.conf"));
        assert_eq!(fs::read_to_string(file).unwrap(), text, "{backend}");
        assert_eq!(cluster.changes(backend), ["doveadm reload"], "{backend}");
    }
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_broken_configuration_file_is_taken_back_and_dovecot_serves_on() {
    let cluster = Cluster::up();
    cluster.sessions("start");
    let files = ["backend1", "backend2", "backend3"]
        .map(|backend| cluster.path(&format!("hosts/{backend}/conf.d/99-site.conf")));
    let before = files.clone().map(|file| fs::read(file).unwrap());
    let planrun = Planrun::new();

    let ended = reload(&planrun, &cluster, "no_such_setting = yes\n");

    ended.exits(1).says("the new configuration is valid");
    let story = ended.story();
    assert_eq!(story.host("backend1"), Some(HostStatus::RolledBack));
    assert_eq!(story.turns(), ["+backend1", "-backend1"], "no other was begun");
    assert_eq!(files.map(|file| fs::read(file).unwrap()), before);
    cluster.is_untouched();
    assert!(cluster.is_active("backend1"));
    cluster.everybody_is_served();
}

#[track_caller]
fn restart_backend1(planrun: &Planrun, cluster: &Cluster, changes: &[(&str, &str)]) -> Ended {
    let plan = restart_plan(planrun, changes);
    let inventory = cluster.inventory();
    let words = ["apply", &plan, "--inventory", &inventory, "--limit", "backend1"];
    planrun.run_json(&[&words[..], &SHORT_DRAIN].concat())
}

#[track_caller]
fn reload(planrun: &Planrun, cluster: &Cluster, text: &str) -> Ended {
    let file = planrun.file("new.conf", text);
    let (plan, source) = ("plans/dovecot-reload.yaml", format!("source={file}"));
    let inventory = cluster.inventory();
    let words = ["apply", plan, "--inventory", &inventory, "--set", &source];
    planrun.run_json(&[&words[..], &["--set", "watch_for=3s"]].concat())
}
