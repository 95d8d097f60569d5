//! Hosts that do not match the inventory and the plan: refused before anything is sent.

use std::fs;
use std::process::Stdio;

use crate::cluster::{Cluster, OBOX_RESTART};
use crate::harness::{Ended, Planrun, edited, program};

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn an_unknown_host_key_is_refused() {
    let cluster = Cluster::up();
    let nobody = cluster.path("nobody");
    fs::write(&nobody, "").unwrap();
    let inventory = cluster.inventory_with("/known_hosts", "/nobody");

    let ended = refused(&cluster, OBOX_RESTART, &inventory, 77);

    ended.says("fails host key verification");
    ended.says("its host key is unknown");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_changed_host_key_is_refused() {
    let cluster = Cluster::up();
    cluster.fault("backend2", "hostkey_changed");

    let ended = refused(&cluster, OBOX_RESTART, &cluster.inventory(), 77);

    ended.says("fails host key verification");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_wrong_key_is_refused() {
    let cluster = Cluster::up();
    let made = program("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(cluster.path("wrong_key"))
        .stdin(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let inventory = cluster.inventory_with("/client_key", "/wrong_key");

    let ended = refused(&cluster, OBOX_RESTART, &inventory, 77);

    ended.says("refused");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_host_without_sshd_cannot_be_reached() {
    let cluster = Cluster::up();
    cluster.fault("backend3", "sshd_down");

    let ended = refused(&cluster, OBOX_RESTART, &cluster.inventory(), 4);

    ended.says("cannot reach backend3");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_host_without_doveadm_is_refused() {
    let cluster = Cluster::up();
    cluster.fault("backend1", "no_doveadm");

    let ended = refused(&cluster, OBOX_RESTART, &cluster.inventory(), 2);

    ended.says("doveadm: not found");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_probe_that_prints_something_else_than_expected_is_refused() {
    let cluster = Cluster::up();
    let planrun = Planrun::new();
    let change = ("users: int}", "users: int, tag: int}");
    let plan = planrun.file("plan.yaml", edited(OBOX_RESTART, &[change]));

    let ended = refused(&cluster, &plan, &cluster.inventory(), 2);

    ended.says("`tag` in row 1");
    ended.says("expected an integer, found nothing");
}

#[track_caller]
fn refused(cluster: &Cluster, plan: &str, inventory: &str, status: i32) -> Ended {
    let planrun = Planrun::new();
    let ended = planrun.run(&["apply", plan, "--inventory", inventory, "--output", "plain"]);
    ended.exits(status);
    planrun.has_sent_nothing();
    cluster.is_untouched();
    ended
}
