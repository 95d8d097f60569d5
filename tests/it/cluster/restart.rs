//! The whole procedure on every backend, with users logged in.

use crate::cluster::{
    BACKENDS, Cluster, OBOX_RESTART, SHORT_DRAIN, SHORT_WATCH, WHOLE_RESTART, Watch, restart_plan,
};
use crate::harness::Planrun;

/// The longest that a user may be without mail when a backend is stopped before its users are
/// moved: a login that finds it stopped takes 3 s to fail, the next one succeeds.
const LONGEST_LOCK_OUT_S: f64 = 5.0;

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
#[expect(clippy::print_stdout, reason = "docs/performance.md has the figure")]
fn the_shipped_plan_restarts_every_backend_and_no_user_is_locked_out_for_long() {
    let cluster = Cluster::up();
    cluster.vhosts("backend3", 50);
    cluster.keeps_idle_logins("backend2");
    let set_up = cluster.changes("backend2");
    cluster.sessions("start");
    let masters = cluster.masters();
    let planrun = Planrun::new();

    let watches = BACKENDS.map(|backend| cluster.watches(backend));
    let inventory = cluster.inventory();
    let words = ["apply", OBOX_RESTART, "--inventory", &inventory, "--set", "drain_for=20s"];
    let ended = planrun.run_json(&[&words[..], &SHORT_WATCH].concat());

    let mut waited = watches.map(Watch::end);
    waited.sort_by(f64::total_cmp);
    println!("the median of {waited:?} is {} s", waited[1]);
    ended.exits(0);
    let one_at_a_time =
        ["+backend1", "-backend1", "+backend2", "-backend2", "+backend3", "-backend3"];
    assert_eq!(ended.story().turns(), one_at_a_time);
    for (before, now) in masters.iter().zip(cluster.masters()) {
        assert!(now.is_u64() && *before != now, "{before} {now}");
    }
    let shares = BACKENDS.map(|backend| cluster.share(backend));
    assert_eq!(shares, ["up 100", "up 100", "up 50"]);
    for (backend, share) in [("backend1", "100"), ("backend2", "100"), ("backend3", "50")] {
        let expected = WHOLE_RESTART.map(|command| command.replace("100", share));
        let changes = cluster.changes(backend);
        let before = if backend == "backend2" { set_up.len() } else { 0 };
        assert_eq!(of_its_own(&changes[before..]), expected, "{backend}");
    }
    cluster.everybody_is_served();
    let totals = cluster.sessions("stop")["totals"].clone();
    let longest = totals["longest_lockout_s"].as_f64().unwrap();
    assert!(longest <= LONGEST_LOCK_OUT_S, "{totals:#}");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn nobody_is_turned_away_when_users_are_moved_before_the_stop() {
    let cluster = Cluster::up();
    cluster.vhosts("backend3", 50);
    cluster.sessions("start");
    let masters = cluster.masters();
    let planrun = Planrun::new();

    let (plan, inventory) = (restart_plan(&planrun, &[]), cluster.inventory());
    let words = ["apply", &plan, "--inventory", &inventory, "--set", "move_users=before_stop"];
    let ended = planrun.run_json(&[&words[..], &SHORT_DRAIN].concat());

    ended.exits(0);
    for (before, now) in masters.iter().zip(cluster.masters()) {
        assert!(now.is_u64() && *before != now, "{before} {now}");
    }
    let shares = BACKENDS.map(|backend| cluster.share(backend));
    assert_eq!(shares, ["up 100", "up 100", "up 50"]);
    cluster.everybody_is_served();
    let totals = cluster.sessions("stop")["totals"].clone();
    assert_eq!(totals["failures"], 0, "{totals:#}");
}

/// Leaves out what came to the directors for other backends.
fn of_its_own(changes: &[String]) -> Vec<&str> {
    let changes = changes.iter().map(String::as_str);
    changes
        .filter(|change| !change.starts_with("doveadm director") || change.contains("IP"))
        .collect()
}
