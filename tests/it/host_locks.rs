//! Two operators, each with a state directory of their own, on the same host: the host has one lock.
//!
//! `PLANRUN_MEETINGS` is how often two runs are started at the same moment, 10 by default.

use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

use planrun::diagnostic::Diagnostics;
use planrun::event::HostStatus;
use planrun::inventory::read::read;
use planrun::inventory::{Host, HostName};
use planrun::source::Sources;
use planrun::transport::lock::{Holder, LockReply, LockRequest};
use planrun::transport::ssh::{SshOptions, SshTransport};
use planrun::transport::{Transport as _, TransportError};

use crate::harness::{Ended, Planrun, eventually};
use crate::ssh::server::{Server, kill_all};
use crate::support::Chance;

/// Two operators and what they share.
struct Desk {
    folder: tempfile::TempDir,
    ada: Planrun,
    eve: Planrun,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = Self { folder, ada: Planrun::new(), eve: Planrun::new() };
        let locks = desk.path("locks");
        for planrun in [&mut desk.ada, &mut desk.eve] {
            planrun.environment("PLANRUN_LOCK_DIR", Some(&locks));
        }
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.folder.path().join(name), text).unwrap();
        self.path(name)
    }

    /// A plan of three steps. The second one waits for the file `go`.
    fn plan(&self, name: &str) -> String {
        let at = self.path("");
        let step = |step: &str, wait: &str| {
            format!(
                "  - id: {step}\n    shell: echo {name}-{step} >>{at}lines{wait}\n    \
                 on_unknown: ask\n    rollback: {{shell: echo undo-{step} >>{at}lines, idempotent: true}}\n"
            )
        };
        let waits = format!("; while ! [ -e {at}go ]; do sleep 0.1; done");
        let steps = [step("one", ""), step("two", &waits), step("three", "")].concat();
        let text = format!("version: 1\nname: {name}\nhosts: all\nsteps:\n{steps}");
        self.file(&format!("{name}.yaml"), &text)
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("lines")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn locks(&self) -> usize {
        let Ok(entries) = fs::read_dir(self.path("locks")) else { return 0 };
        let is_lock = |name: &Path| name.extension().is_some_and(|end| end == "lock");
        entries.filter(|entry| is_lock(&entry.as_ref().unwrap().path())).count()
    }
}

const HERE: &str = "all: {hosts: {web1: {planrun_connection: local}}}\n";

/// Checks that a run was refused because of another one, and returns the name of the lock.
#[track_caller]
fn is_refused(ended: &Ended, run: &str) -> String {
    ended.exits(7).says(&format!("is locked by run {run} of plan "));
    let all = ended.all();
    let id = all.split("(lock ").nth(1).unwrap();
    id.split(')').next().unwrap().to_owned()
}

#[test]
fn of_two_operators_on_the_same_hosts_one_runs_and_the_other_is_told_who() {
    let Some(server) = Server::start("two_operators") else { return };
    let meetings = std::env::var("PLANRUN_MEETINGS").map_or(10, |text| text.parse().unwrap());
    let one = server.inventory_with_key();
    // Three names of the server, each locked on its own.
    let host = one.trim().strip_prefix("all: {hosts: {").unwrap().strip_suffix("}}").unwrap();
    for meeting in 0..meetings {
        let desk = Desk::new();
        let hosts: Vec<String> = (1..=3)
            .map(|number| {
                let locks = desk.path(&format!("locks{number}"));
                host.replace("web1: {", &format!("web{number}: {{planrun_lock_dir: {locks}, "))
            })
            .collect();
        let inventory = format!("all: {{hosts: {{{}}}}}\n", hosts.join(", "));
        let inventory = desk.file("inventory.yaml", &inventory);
        desk.file("go", "");
        let (one, two) = (desk.plan("one"), desk.plan("two"));
        let (ada, eve) = (
            desk.ada.begin(&["apply", &one, "-i", &inventory]),
            desk.eve.begin(&["apply", &two, "-i", &inventory]),
        );
        let (ada, eve) = (ada.end(), eve.end());
        let statuses = [ada.status, eve.status];
        if statuses == [Some(0), Some(0)] {
            // One of them was over before the other one began.
            assert_eq!(desk.lines().len(), 18, "{meeting}");
            continue;
        }
        let (won, lost, name, winner) = match statuses {
            [Some(0), _] => (ada, eve, "one", &desk.ada),
            _ => (eve, ada, "two", &desk.eve),
        };
        won.exits(0);
        lost.exits(7).says(&format!("is locked by run {} of plan {name}, by ", winner.newest()));
        let lines = desk.lines();
        assert!(lines.len() == 9 && lines.iter().all(|line| line.starts_with(name)), "{lines:?}");
    }
}

#[test]
fn a_lock_is_kept_while_a_run_is_paused_and_released_when_it_is_aborted() {
    let desk = Desk::new();
    let inventory = desk.file("inventory.yaml", HERE);
    let (first, second) = (desk.plan("first"), desk.plan("second"));
    let mut going = desk.ada.begin_json(&["apply", &first, "-i", &inventory]);
    going.until_sends("web1/two");
    going.interrupt();
    desk.file("go", "");
    going.end().exits(6);
    let run = desk.ada.newest();

    let apply = ["apply", second.as_str(), "-i", inventory.as_str()];
    let id = is_refused(&desk.eve.run(&apply), &run);
    let told = desk.eve.run(&["locks", "-i", &inventory]);
    told.exits(0);
    for word in [&run, &id, "first", "web1"] {
        assert!(told.stdout.contains(word), "{word}: {}", told.stdout);
    }
    let told = desk.eve.run(&["locks", "-i", &inventory, "-l", "web1", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (&json[0]["state"], &json[0]["lock"]["run"]),
        (&"locked".into(), &run.clone().into())
    );
    // Without an inventory: the hosts of the own runs.
    assert!(desk.ada.run(&["locks"]).stdout.contains(&id));
    assert!(desk.eve.run(&["locks"]).stdout.contains("no hosts to ask"));

    desk.ada.run(&["abort", &run, "--acknowledge"]).exits(0);
    assert_eq!(desk.locks(), 0);
    desk.eve.run(&apply).exits(0);
    // The run that ended cannot be rolled back while another one has the host.
    assert_eq!(
        desk.lines(),
        ["first-one", "first-two", "second-one", "second-two", "second-three"]
    );
    let told = desk.eve.run(&["locks", "-i", &inventory, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(json[0]["state"], "free");
}

#[test]
fn a_killed_run_keeps_its_lock_and_is_resumed_without_a_question() {
    let desk = Desk::new();
    let inventory = desk.file("inventory.yaml", HERE);
    let (first, second) = (desk.plan("first"), desk.plan("second"));
    let mut going = desk.ada.begin_json(&["apply", &first, "-i", &inventory]);
    going.until_sends("web1/two");
    going.kill();
    let run = desk.ada.newest();
    let apply = ["apply", second.as_str(), "-i", inventory.as_str()];
    is_refused(&desk.eve.run(&apply), &run);
    desk.file("go", "");
    let resumed = desk.ada.run(&["resume", &run]);
    resumed.exits(0);
    assert!(!resumed.all().contains("locked"), "{}", resumed.all());
    assert_eq!(desk.lines(), ["first-one", "first-two", "first-three"]);
    assert_eq!(desk.locks(), 0);
    desk.eve.run(&apply).exits(0);
}

#[test]
fn a_rollback_needs_the_lock_and_records_nothing_without_it() {
    let desk = Desk::new();
    let inventory = desk.file("inventory.yaml", HERE);
    let (first, second) = (desk.plan("first"), desk.plan("second"));
    desk.file("go", "");
    desk.ada.run(&["apply", &first, "-i", &inventory]).exits(0);
    let run = desk.ada.newest();
    let before = desk.ada.kept(&run).0.len();
    fs::remove_file(desk.path("go")).unwrap();
    let mut going = desk.eve.begin_json(&["apply", &second, "-i", &inventory]);
    going.until_sends("web1/two");
    let refused = desk.ada.run(&["rollback", &run]);
    is_refused(&refused, &desk.eve.newest());
    refused.says("nothing was recorded; the run is unchanged");
    assert_eq!(desk.ada.kept(&run).0.len(), before);
    // With time it waits for the other run.
    let waits = desk.ada.begin(&["rollback", &run, "--lock-timeout", "1m"]);
    thread::sleep(Duration::from_millis(500));
    desk.file("go", "");
    going.end().exits(0);
    let ended = waits.end();
    ended.exits(0).says("waiting up to 1m");
    let expected = ["first-one", "first-two", "first-three", "second-one", "second-two"];
    let undone = ["second-three", "undo-three", "undo-two", "undo-one"];
    assert_eq!(desk.lines(), [expected.as_slice(), &undone].concat());
    assert_eq!(desk.locks(), 0);
}

#[test]
fn locks_that_were_taken_before_another_run_was_met_are_released() {
    let desk = Desk::new();
    let here = |name: &str| {
        let dir = desk.path(name);
        format!("{name}: {{planrun_connection: local, planrun_lock_dir: {dir}}}")
    };
    let text = format!("all: {{hosts: {{{}, {}}}}}\n", here("web1"), here("web2"));
    let inventory = desk.file("inventory.yaml", &text);
    let (first, second) = (desk.plan("first"), desk.plan("second"));
    desk.file("go", "");
    desk.ada.run(&["apply", &first, "-i", &inventory]).exits(0);
    let run = desk.ada.newest();
    fs::remove_file(desk.path("go")).unwrap();
    let mut going = desk.eve.begin_json(&["apply", &second, "-i", &inventory, "--limit", "web2"]);
    going.until_sends("web2/two");
    for words in [["rollback", &run].as_slice(), &["apply", &first, "-i", &inventory]] {
        desk.ada.run(words).exits(7).says("is locked by run ");
        let told = desk.eve.run(&["locks", "-i", &inventory, "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!((&json[0]["state"], &json[1]["state"]), (&"free".into(), &"locked".into()));
    }
    desk.file("go", "");
    going.end().exits(0);
}

#[test]
fn a_stopped_process_that_was_overtaken_sends_nothing_more() {
    let desk = Desk::new();
    let inventory = desk.file("inventory.yaml", HERE);
    let (first, second) = (desk.plan("first"), desk.plan("second"));
    let mut going = desk.ada.begin_json(&["apply", &first, "-i", &inventory]);
    going.until_sends("web1/two");
    eventually("the second step works", || desk.lines().len() == 2);
    going.stop();
    let run = desk.ada.newest();
    let apply = ["apply", second.as_str(), "-i", inventory.as_str()];
    let id = is_refused(&desk.eve.run(&apply), &run);

    // The exact name and a reason are needed.
    let unlock = |id: &str, reason: &str| {
        desk.eve.run(&["unlock", "web1", "-i", &inventory, "--id", id, "--reason", reason])
    };
    unlock(&id[1..], "a try").exits(2).says(&format!("web1 is locked by run {run}"));
    unlock(&id, " ").exits(2);
    desk.eve.run(&["unlock", "web2", "-i", &inventory, "--id", &id, "--reason", "a"]).exits(2);
    unlock(&id, "ada's laptop is lost").exits(0).says("released the lock");
    unlock(&id, "again").exits(2).says("web1 is not locked");
    desk.file("go", "");
    desk.eve.run(&apply).exits(0);
    let lines = ["first-one", "first-two", "second-one", "second-two", "second-three"];
    assert_eq!(desk.lines(), lines);

    going.cont();
    let ended = going.end();
    ended.exits(7);
    let why = "web1 is no longer locked for this run: ";
    assert!(ended.stdout.contains(why), "{}", ended.stdout);
    assert!(ended.stdout.contains("(ada's laptop is lost)"), "{}", ended.stdout);
    assert_eq!(desk.lines(), lines, "nothing more was sent");
    // It is paused, and says so when it takes the lock again.
    let resumed = desk.ada.run(&["resume", &run]);
    resumed
        .exits(0)
        .says("the lock was released or removed since; another run may have changed it");
    assert_eq!(desk.ada.kept(&run).host("web1"), Some(HostStatus::Succeeded));
}

#[test]
fn a_host_that_cannot_keep_a_lock_is_refused_unless_the_inventory_says_so() {
    let desk = Desk::new();
    let closed = desk.file("closed", "");
    let plan = desk.plan("first");
    desk.file("go", "");
    let here = |more: &str| HERE.replace("local}", &format!("local, {more}}}"));
    let inventory = desk.file("inventory.yaml", &here(&format!("planrun_lock_dir: {closed}")));
    let refused = desk.ada.run(&["apply", &plan, "-i", &inventory]);
    refused.exits(2).says("cannot keep a lock in").says("`planrun_locks: none`");
    assert!(desk.lines().is_empty());
    let inventory = desk.file("inventory.yaml", &here("planrun_locks: none"));
    desk.ada.run(&["apply", &plan, "-i", &inventory]).exits(0);
    let told = desk.ada.run(&["locks", "-i", &inventory]);
    assert!(told.exits(0).stdout.contains("planrun_locks: none"), "{}", told.stdout);
    assert_eq!(desk.locks(), 0);
}

/// Asks a host about its lock while its sessions are killed, until it answers.
async fn asked(
    server: &Server,
    host: &Host,
    request: &LockRequest,
    chance: &mut Chance,
) -> LockReply {
    let transport = SshTransport::new(SshOptions { agent: false, ..SshOptions::default() });
    transport.reach(host).await.unwrap();
    for _ in 0..20 {
        let after = Duration::from_micros(chance.below(8000) as u64);
        let sessions = server.sessions();
        let killing = thread::spawn(move || {
            thread::sleep(after);
            kill_all(&sessions)
        });
        let reply = transport.lock(host, request).await;
        killing.join().unwrap();
        match reply {
            Ok(reply) => return reply,
            Err(TransportError::Locked { .. }) => panic!("{reply:?}"),
            Err(_) => {}
        }
    }
    panic!("it never answers");
}

#[test]
fn a_lock_is_whole_whenever_a_session_is_killed() {
    let Some(server) = Server::start("lock_and_kill") else { return };
    let desk = Desk::new();
    let locks = desk.path("locks");
    let text = server
        .inventory_with_key()
        .replace("web1: {", &format!("web1: {{planrun_lock_dir: {locks}, "));
    let path = desk.file("inventory.yaml", &text);
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let inventory = read(Path::new(&path), &path, &mut sources, &mut found).unwrap();
    let host = inventory.host(&HostName::new("web1")).unwrap();
    let holder = |run: &str| Holder {
        id: run.to_owned(),
        epoch: 1,
        run: run.to_owned(),
        by: "ada@ops".to_owned(),
        since: "2026-11-30T10:00:00Z".parse().unwrap(),
        plan: "p".to_owned(),
        host: "web1".to_owned(),
    };
    let mut chance = Chance(12);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for round in 0..25 {
            let run = format!("run{round}");
            let take = LockRequest::Take(holder(&run));
            let reply = asked(&server, host, &take, &mut chance).await;
            assert!(matches!(reply, LockReply::Taken { .. }), "{reply:?}");
            assert_eq!(desk.locks(), 1);
            let other = SshTransport::new(SshOptions { agent: false, ..SshOptions::default() });
            let refused = other.lock(host, &LockRequest::Take(holder("other"))).await.unwrap_err();
            assert!(refused.to_string().contains(&format!("locked by run {run} of")), "{refused}");
            let release = LockRequest::Release { id: run, by: None };
            let reply = asked(&server, host, &release, &mut chance).await;
            assert!(matches!(reply, LockReply::Released | LockReply::Free), "{reply:?}");
            assert_eq!(desk.locks(), 0);
        }
    });
}
