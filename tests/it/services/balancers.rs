//! A rolling update of real web servers behind two real `HAProxy` balancers, while clients send requests.
//! `tests/services/web` describes what is real and what is a stand-in.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use planrun::event::HostStatus;

use super::{Lab, ran};
use crate::harness::{Ended, edited, program};

/// The plan with less patience where nothing goes wrong slowly.
const LESS_PATIENCE: [(&str, &str); 3] = [
    ("every: 2s\n      stable_for: 20s", "every: 1s\n      stable_for: 2s"),
    ("  within: 30s\n", "  within: 5s\n"),
    ("{attempts: 2, delay: 5s}", "{attempts: 2, delay: 1s}"),
];

const SERVERS: [&str; 3] = ["web1", "web2", "web3"];

impl Lab {
    /// The words that bring all servers to a release.
    fn update_words(&self, release: &str) -> Vec<String> {
        let text = edited("plans/web-rolling-update.yaml", &LESS_PATIENCE);
        let plan = self.planrun.file("web-rolling-update.yaml", text);
        let (inventory, release) = (self.at("inventory.yaml"), format!("release={release}"));
        ["apply", &plan, "--inventory", &inventory, "--set", &release].map(str::to_owned).to_vec()
    }

    #[track_caller]
    fn update(&self, release: &str) -> Ended {
        let words = self.update_words(release);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.planrun.run_json(&words)
    }

    /// Holds that a server serves a release.
    #[track_caller]
    fn serves(&self, server: &str, release: &str) {
        let port = fs::read_to_string(self.at(&format!("{server}/port"))).unwrap();
        let url = format!("http://127.0.0.1:{}/release.txt", port.trim());
        let done = ran("curl", &["--silent", "--fail", "--max-time", "5", &url]);
        assert_eq!(String::from_utf8(done.stdout).unwrap().trim(), release, "{server}");
    }

    /// Holds that both balancers send requests to all servers.
    #[track_caller]
    fn is_balanced(&self) {
        for balancer in ["lb1", "lb2"] {
            assert_eq!(self.status(balancer), ["UP"; 3], "{balancer}");
        }
    }

    /// What a balancer says of the servers, in their order.
    fn status(&self, balancer: &str) -> Vec<String> {
        let socket = format!("UNIX-CONNECT:{}", self.at(&format!("{balancer}/admin.sock")));
        let ask = format!("echo 'show stat web 4 -1' | socat - {socket}");
        let said = String::from_utf8(ran("sh", &["-c", &ask]).stdout).unwrap();
        let rows = said.lines().filter(|line| line.starts_with("web,"));
        rows.map(|row| row.split(',').nth(17).unwrap().to_owned()).collect()
    }

    /// Sends requests through both balancers until it is stopped.
    fn clients(&self) -> Clients {
        let ports = fs::read_to_string(self.at("balancers")).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let clients = ports.lines().map(|port| {
            let (stop, url) = (Arc::clone(&stop), format!("http://127.0.0.1:{port}/release.txt"));
            std::thread::spawn(move || {
                let (mut good, mut bad) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let words = ["--silent", "--show-error", "--fail", "--max-time", "10", &url];
                    let done = program("curl").args(words).output().unwrap();
                    if done.status.success() {
                        good += 1;
                    } else {
                        bad.push(String::from_utf8_lossy(&done.stderr).into_owned());
                    }
                }
                (good, bad)
            })
        });
        Clients { clients: clients.collect(), stop }
    }
}

struct Clients {
    clients: Vec<JoinHandle<(usize, Vec<String>)>>,
    stop: Arc<AtomicBool>,
}

impl Clients {
    /// Holds that every request was answered.
    #[track_caller]
    fn were_all_served(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            let (good, bad) = client.join().unwrap();
            assert!(bad.is_empty(), "{} of {}: {bad:?}", bad.len(), good + bad.len());
            assert!(good > 20, "{good}");
        }
    }
}

#[test]
#[ignore = "needs HAProxy and nginx: tests/services/install"]
fn servers_are_updated_one_by_one_and_no_client_notices() {
    let lab = Lab::up("web");
    let clients = lab.clients();

    let ended = lab.update("2");

    clients.were_all_served();
    ended.exits(0);
    for server in SERVERS {
        lab.serves(server, "2");
    }
    lab.is_balanced();
    // Each of them on one balancer after the other.
    let story = ended.story();
    assert_eq!(story.sent_for("web2/drain.1").len() + story.sent_for("web2/drain.2").len(), 2);
    assert_eq!(story.turns(), ["+web1", "-web1", "+web2", "-web2", "+web3", "-web3"]);
}

#[test]
#[ignore = "needs HAProxy and nginx: tests/services/install"]
fn a_release_that_does_not_start_is_undone_on_its_server_and_both_balancers() {
    let lab = Lab::up("web");
    let clients = lab.clients();

    let ended = lab.update("3");

    clients.were_all_served();
    ended.exits(1);
    assert_eq!(ended.story().host("web1"), Some(HostStatus::RolledBack));
    assert_eq!(ended.story().turns(), ["+web1", "-web1"]);
    for server in SERVERS {
        lab.serves(server, "1");
    }
    lab.is_balanced();
}

#[test]
#[ignore = "needs HAProxy and nginx: tests/services/install"]
fn a_killed_controller_leaves_a_drained_server_and_its_resume_puts_it_back() {
    let lab = Lab::up("web");
    let clients = lab.clients();
    let words = lab.update_words("2");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut going = lab.planrun.begin_json(&words);
    going.until_sends("web2/restart");
    going.kill();
    assert_eq!(lab.status("lb1")[1..2], ["DRAIN"]);
    assert_eq!(lab.status("lb2")[1..2], ["DRAIN"]);

    let ended = lab.planrun.run_json(&["resume", "last"]);

    clients.were_all_served();
    ended.exits(0);
    for server in SERVERS {
        lab.serves(server, "2");
        let log = fs::read_to_string(lab.at(&format!("{server}/commands.log"))).unwrap();
        assert_eq!(log.matches("restart").count(), 1, "{server}");
    }
    lab.is_balanced();
}

#[test]
#[ignore = "needs HAProxy and nginx: tests/services/install"]
fn the_rollback_of_a_finished_update_goes_back_server_by_server() {
    let lab = Lab::up("web");
    lab.update("2").exits(0);
    let clients = lab.clients();

    let back = lab.planrun.run_json(&["rollback", "last"]);

    clients.were_all_served();
    back.exits(0);
    for server in SERVERS {
        lab.serves(server, "1");
    }
    lab.is_balanced();
}
