//! A minor upgrade of real PostgreSQL servers: a primary and two replicas, each behind its own sshd.
//! `tests/services/postgresql` describes what is real and what is a stand-in.

use std::fs;

use planrun::event::HostStatus;
use tempfile::TempDir;

use super::ran;
use crate::harness::{Planrun, edited, program, root};

/// The plan with less patience where nothing goes wrong slowly.
const LESS_PATIENCE: [(&str, &str); 3] = [
    (
        "timeout: 15m\n      every: 5s\n      stable_for: 30s",
        "timeout: 1m\n      every: 1s\n      stable_for: 2s",
    ),
    ("  within: 1m\n", "  within: 5s\n"),
    ("{attempts: 2, delay: 5s}", "{attempts: 2, delay: 1s}"),
];

const ALL: [&str; 3] = ["db1", "db2", "db3"];

/// Three servers, db1 the primary; ended when dropped.
struct Lab {
    folder: TempDir,
    planrun: Planrun,
    /// The release they have, and a newer one.
    releases: [String; 2],
}

impl Lab {
    fn up() -> Self {
        // Short, for the sockets in it.
        let folder = tempfile::Builder::new().prefix("pr").tempdir_in("/tmp");
        let releases = fs::read_to_string(root().join("target/postgresql/versions")).unwrap();
        let releases: Vec<String> = releases.lines().map(str::to_owned).collect();
        let lab = Self {
            folder: folder.unwrap(),
            planrun: Planrun::new(),
            releases: releases.try_into().unwrap(),
        };
        let script = root().join("tests/services/postgresql");
        let owner = std::process::id().to_string();
        ran(script.to_str().unwrap(), &["up", &lab.at(""), &owner]);
        lab.ask("db1", "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n");
        lab
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Asks a server, at its own socket.
    #[track_caller]
    fn ask(&self, host: &str, query: &str) -> String {
        let done = ran(
            &self.at(&format!("{host}/programs/usr/lib/postgresql/15/bin/psql")),
            &[
                "-XAt",
                "-U",
                "postgres",
                "-h",
                &self.at(&format!("{host}/run")),
                "-c",
                query,
                "postgres",
            ],
        );
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// The words that bring all servers to the newer release.
    fn apply(&self) -> Vec<String> {
        let text = edited("plans/postgresql-minor-upgrade.yaml", &LESS_PATIENCE);
        let plan = self.planrun.file("postgresql-minor-upgrade.yaml", text);
        let target = format!("target={}", self.releases[1]);
        [
            "apply",
            &plan,
            "--inventory",
            &self.at("inventory.yaml"),
            "--set",
            &target,
            "--set",
            "ask=false",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn run(&self) -> crate::harness::Ended {
        let words = self.apply();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.planrun.run_json(&words)
    }

    /// Holds that a server runs the older (0) or newer (1) release, and has its rows; db1 is the primary.
    #[track_caller]
    fn runs(&self, host: &str, release: usize) {
        self.runs_as(host, release, host == "db1");
    }

    #[track_caller]
    fn runs_as(&self, host: &str, release: usize, is_primary: bool) {
        let version = self.ask(host, "SHOW server_version");
        assert!(version.contains(&self.releases[release]), "{host}: {version}");
        let replica = self.ask(host, "SELECT pg_is_in_recovery()");
        assert_eq!(replica == "f", is_primary, "{host}");
        assert_eq!(self.ask(host, "SELECT count(*) FROM kept"), "1000", "{host}");
    }

    /// Holds that both replicas follow the primary.
    #[track_caller]
    fn streams(&self) {
        self.streams_from("db1");
    }

    #[track_caller]
    fn streams_from(&self, primary: &str) {
        let query = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        assert_eq!(self.ask(primary, query), "2");
    }

    /// How often a command came to a server's stand-ins.
    fn came(&self, host: &str, command: &str) -> usize {
        let log = fs::read_to_string(self.at(&format!("{host}/commands.log"))).unwrap_or_default();
        log.lines().filter(|line| line.starts_with(command)).count()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let script = root().join("tests/services/postgresql");
        let _ended = program(script).args(["down", &self.at("")]).output();
    }
}

#[test]
#[ignore = "needs PostgreSQL: tests/services/install"]
fn the_replicas_come_first_then_the_primary_and_all_of_it_streams_again() {
    let lab = Lab::up();

    let ended = lab.run();

    ended.exits(0);
    for host in ALL {
        lab.runs(host, 1);
    }
    lab.streams();
    let turns = ended.story().turns();
    assert_eq!(turns, ["+db2", "-db2", "+db3", "-db3", "+db1", "-db1"]);
    assert!(ended.story().sent_for("db3/start").is_empty(), "its package starts it");
    assert_eq!(ended.story().sent_for("db1/start").len(), 1);
    // What is written now arrives there.
    lab.ask("db1", "DELETE FROM kept WHERE n > 500");
    crate::harness::eventually("the replicas replay", || {
        ["db2", "db3"].iter().all(|host| lab.ask(host, "SELECT count(*) FROM kept") == "500")
    });
}

#[test]
#[ignore = "needs PostgreSQL: tests/services/install"]
fn a_primary_that_moves_during_the_run_comes_last_where_it_is_then() {
    let lab = Lab::up();
    let words = lab.apply();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut going = lab.planrun.begin_json(&words);
    // db2 is on its way. The run stops when it is upgraded, and the operator makes db3 the primary.
    going.until_sends("db2/fetch");
    going.interrupt();
    let paused = going.end();
    paused.exits(6);
    let script = root().join("tests/services/postgresql");
    ran(script.to_str().unwrap(), &["switch", &lab.at(""), "db1", "db3"]);

    let ended = lab.planrun.run_json(&["resume", "last"]);

    ended.exits(0);
    for host in ALL {
        lab.runs_as(host, 1, host == "db3");
    }
    lab.streams_from("db3");
    let story = lab.planrun.kept(&lab.planrun.newest());
    assert_eq!(story.turns(), ["+db2", "-db2", "+db1", "-db1", "+db3", "-db3"]);
}

#[test]
#[ignore = "needs PostgreSQL: tests/services/install"]
fn a_full_disk_brings_the_old_programs_back() {
    let lab = Lab::up();
    fs::write(lab.at("db2/full_disk"), "").unwrap();

    let ended = lab.run();

    ended.exits(1);
    assert_eq!(ended.story().host("db2"), Some(HostStatus::RolledBack));
    for host in ALL {
        lab.runs(host, 0);
    }
    lab.streams();
    assert_eq!(lab.came("db3", "systemctl stop") + lab.came("db1", "systemctl stop"), 0);
}

#[test]
#[ignore = "needs PostgreSQL: tests/services/install"]
fn a_primary_whose_new_programs_do_not_start_serves_by_the_old_ones() {
    let lab = Lab::up();
    fs::write(lab.at("db1/does_not_start"), &lab.releases[1]).unwrap();

    let ended = lab.run();

    ended.exits(1);
    lab.runs("db1", 0);
    lab.runs("db2", 1);
    lab.runs("db3", 1);
    lab.streams();
    assert_eq!(ended.story().host("db1"), Some(HostStatus::RolledBack));
}

#[test]
#[ignore = "needs PostgreSQL: tests/services/install"]
fn a_controller_killed_while_packages_are_installed_goes_on_from_there() {
    let lab = Lab::up();
    fs::write(lab.at("db2/apt_takes"), "2").unwrap();
    let words = lab.apply();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut going = lab.planrun.begin_json(&words);
    going.until_sends("db2/install");
    going.kill();

    let ended = lab.planrun.run_json(&["resume", "last"]);

    ended.exits(0);
    for host in ALL {
        lab.runs(host, 1);
    }
    lab.streams();
    assert_eq!(
        lab.came("db2", "systemctl stop postgresql@15-main"),
        1 + lab.came("db2", "apt-get install --yes --allow")
    );
}

#[test]
#[ignore = "needs PostgreSQL: tests/services/install"]
fn nothing_is_stopped_while_a_replica_does_not_follow() {
    let lab = Lab::up();
    lab.ask("db3", "ALTER SYSTEM SET primary_conninfo = ''");
    lab.ask("db3", "SELECT pg_reload_conf()");
    let gone = || lab.ask("db3", "SELECT count(*) FROM pg_stat_wal_receiver") == "0";
    crate::harness::eventually("db3 receives no more", gone);

    let ended = lab.run();

    ended.exits(2).says("every replica receives from the primary");
    lab.planrun.has_sent_nothing();
    for host in ALL {
        lab.runs(host, 0);
    }
}
