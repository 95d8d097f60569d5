//! The members of a real etcd cluster are rebooted one by one, under a flag that is set once for the run.
//! `tests/services/etcd` describes what is real and what is a stand-in.

use std::fs;

use planrun::event::HostStatus;

use super::{Lab, ran};
use crate::harness::{Ended, edited};

/// The plan with less patience where nothing goes wrong slowly.
const LESS_PATIENCE: [(&str, &str); 2] = [
    (
        "timeout: 10m\n      every: 2s\n      stable_for: 20s",
        "timeout: 8s\n      every: 1s\n      stable_for: 2s",
    ),
    ("{attempts: 2, delay: 5s}", "{attempts: 2, delay: 1s}"),
];

const MEMBERS: [&str; 3] = ["n1", "n2", "n3"];

impl Lab {
    fn reboot_words(&self) -> Vec<String> {
        let text = edited("plans/etcd-reboot.yaml", &LESS_PATIENCE);
        let plan = self.planrun.file("etcd-reboot.yaml", text);
        ["apply", &plan, "--inventory", &self.at("inventory.yaml")].map(str::to_owned).to_vec()
    }

    #[track_caller]
    fn reboot(&self) -> Ended {
        let words = self.reboot_words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.planrun.run_json(&words)
    }

    /// What a member answers.
    #[track_caller]
    fn ask(&self, member: &str, words: &[&str]) -> String {
        let endpoint = fs::read_to_string(self.at(&format!("{member}/endpoint"))).unwrap();
        let done = ran("etcdctl", &[&["--endpoints", endpoint.trim()], words].concat());
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// The flag, as the cluster has it.
    #[track_caller]
    fn flag(&self) -> String {
        self.ask("n1", &["get", "--print-value-only", "/maintenance"])
    }

    /// How often each member was rebooted.
    fn reboots(&self) -> [usize; 3] {
        MEMBERS.map(|member| {
            let log = fs::read_to_string(self.at(&format!("{member}/commands.log")));
            log.unwrap_or_default().matches("reboot").count()
        })
    }

    /// Holds that every member can commit.
    #[track_caller]
    fn is_healthy(&self) {
        for member in MEMBERS {
            self.ask(member, &["endpoint", "health"]);
        }
    }

    fn leader(&self) -> &'static str {
        let is_leader = |member: &&str| {
            let said = self.ask(member, &["endpoint", "status", "--write-out=json"]);
            let said: serde_json::Value = serde_json::from_str(&said).unwrap();
            said[0]["Status"]["leader"] == said[0]["Status"]["header"]["member_id"]
        };
        MEMBERS.into_iter().find(is_leader).unwrap()
    }

    /// A member that is not the leader, and that is rebooted first.
    fn first(&self) -> &'static str {
        let leader = self.leader();
        MEMBERS.into_iter().find(|member| *member != leader).unwrap()
    }
}

#[test]
#[ignore = "needs etcd: tests/services/install"]
fn every_member_is_rebooted_once_the_leader_last_and_the_flag_is_gone() {
    let lab = Lab::up("etcd");
    let leader = lab.leader();

    let ended = lab.reboot();

    ended.exits(0);
    assert_eq!(lab.reboots(), [1; 3]);
    lab.is_healthy();
    assert_eq!(lab.flag(), "");
    let story = ended.story();
    assert_eq!(story.sent_for("setup/announce").len(), 1);
    assert_eq!(story.sent_for("setup/announce.teardown").len(), 1);
    // Only the leader of that moment hands over: it is the last one.
    assert_eq!(story.sent_for(&format!("{leader}/hand_over")).len(), 1);
    let turns = story.turns();
    let mut of_members = turns.iter().filter(|turn| MEMBERS.contains(&&turn[1..]));
    assert_eq!(of_members.next_back(), Some(&format!("-{leader}")), "{turns:?}");
}

#[test]
#[ignore = "needs etcd: tests/services/install"]
fn a_member_that_does_not_come_back_stops_the_run_with_the_flag_still_set() {
    let lab = Lab::up("etcd");
    let first = lab.first();
    let broken = lab.at(&format!("{first}/does_not_start"));
    fs::write(&broken, "").unwrap();

    let paused = lab.reboot();

    paused.exits(6).says("setup/announce");
    let run = lab.planrun.newest();
    assert_eq!(lab.reboots().iter().sum::<usize>(), 1);
    let other = MEMBERS.into_iter().find(|member| *member != first).unwrap();
    assert_eq!(lab.ask(other, &["get", "--print-value-only", "/maintenance"]), run);

    // The operator mends it, and answers.
    fs::remove_file(&broken).unwrap();
    let files = lab.at(first);
    let start = format!("LAB_HOST={files} {files}/unit start");
    ran("sh", &["-c", &start]);
    lab.planrun.run(&["resolve", &run, &format!("{first}/back"), "--as", "wait"]).exits(0);
    let ended = lab.planrun.run_json(&["resume", &run]);

    ended.exits(0);
    assert_eq!(lab.reboots(), [1; 3]);
    lab.is_healthy();
    assert_eq!(lab.flag(), "");
}

#[test]
#[ignore = "needs etcd: tests/services/install"]
fn an_aborted_run_deletes_its_flag() {
    let lab = Lab::up("etcd");
    let first = lab.first();
    fs::write(lab.at(&format!("{first}/does_not_start")), "").unwrap();
    lab.reboot().exits(6);

    lab.planrun.run(&["abort", &lab.planrun.newest(), "--acknowledge"]).exits(0);

    let other = MEMBERS.into_iter().find(|member| *member != first).unwrap();
    assert_eq!(lab.ask(other, &["get", "--print-value-only", "/maintenance"]), "");
    assert_eq!(lab.reboots().iter().sum::<usize>(), 1);
}

#[test]
#[ignore = "needs etcd: tests/services/install"]
fn the_flag_of_somebody_else_stops_the_run_and_stays() {
    let lab = Lab::up("etcd");
    lab.ask("n2", &["put", "/maintenance", "backup"]);

    lab.reboot().exits(2).says("no other maintenance is under way");

    assert_eq!(lab.flag(), "backup");
    assert_eq!(lab.reboots(), [0; 3]);
}

#[test]
#[ignore = "needs etcd: tests/services/install"]
fn a_controller_killed_during_a_reboot_goes_on_without_a_second_one() {
    let lab = Lab::up("etcd");
    let first = lab.first();
    let words = lab.reboot_words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut going = lab.planrun.begin_json(&words);
    going.until_sends(&format!("{first}/reboot"));
    going.kill();

    let ended = lab.planrun.run_json(&["resume", "last"]);

    ended.exits(0);
    assert_eq!(lab.reboots(), [1; 3]);
    lab.is_healthy();
    assert_eq!(lab.flag(), "");
    assert_eq!(ended.story().host(first), Some(HostStatus::Succeeded));
}
