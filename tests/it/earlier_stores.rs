//! Stores that earlier versions wrote (`tests/fixtures/stores`): their runs are listed, shown,
//! resumed and rolled back by this one.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

use planrun::event::{Event, HostStatus};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Ended, Planrun, root};

const STORES: &str = "tests/fixtures/stores";

/// The versions that wrote the stores, by their commits.
const VERSIONS: [&str; 2] = ["0b84c37", "dc3c56f"];

/// The runs of a store, in the order in which they were started.
#[derive(Clone, Copy, Debug)]
enum Course {
    Succeeded,
    RolledBack,
    /// Waits for an answer to a block with a `for_each`.
    Asks,
    /// Killed after the intent of `m1/start.1` was stored, before the host got its command.
    KilledBefore,
    /// Killed after the command of `m1/start.1`, before its outcome was stored.
    KilledAfter,
    /// Waits for an answer to a handler.
    AsksInRollback,
}

use Course::{Asks, AsksInRollback, KilledAfter, KilledBefore, RolledBack, Succeeded};

const COURSES: [Course; 6] =
    [Succeeded, RolledBack, Asks, KilledBefore, KilledAfter, AsksInRollback];

/// What is sent to a host that succeeds, and what is sent to roll it back.
const FORWARD: [&str; 5] = ["note", "stop.1", "start.1", "stop.2", "start.2"];
const BACK: [&str; 4] =
    ["start.2.rollback", "stop.2.rollback/2", "start.1.rollback", "stop.1.rollback/2"];

/// A copy of a store, and one of its runs.
struct Earlier {
    version: &'static str,
    planrun: Planrun,
    run: String,
}

/// Copies the store of a version.
fn copy(version: &str) -> Planrun {
    let planrun = Planrun::new();
    let state = planrun.path("state");
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(state.join("models")).unwrap();
    for entry in fs::read_dir(root().join(STORES).join(version)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            fs::copy(&path, state.join("models").join(path.file_name().unwrap())).unwrap();
        }
    }
    let database = state.join("runs.db");
    let text = fs::read_to_string(root().join(STORES).join(version).join("runs.sql")).unwrap();
    Connection::open(&database).unwrap().execute_batch(&text).unwrap();
    fs::set_permissions(&database, fs::Permissions::from_mode(0o600)).unwrap();
    planrun
}

/// Does something with a copy of a run of each version.
fn with_each(course: Course, test: impl Fn(&Earlier)) {
    for version in VERSIONS {
        let planrun = copy(version);
        let runs = planrun.runs();
        let newest_first = COURSES.len() - 1 - course as usize;
        let run = runs[newest_first]["id"].as_str().unwrap().to_owned();
        test(&Earlier { version, planrun, run });
    }
}

impl Earlier {
    /// Runs a command about the run, and checks its exit code.
    #[track_caller]
    fn does(&self, words: &[&str], exit: i32) -> Ended {
        let [verb, rest @ ..] = words else { panic!("{words:?}") };
        let ended = self.planrun.run(&[&[*verb, &self.run], rest].concat());
        ended.exits(exit);
        ended
    }

    /// Checks what was sent for a host, in the whole of the run and each once.
    #[track_caller]
    fn has_sent(&self, host: &str, steps: &[&str]) {
        let kept = self.planrun.kept(&self.run);
        let sent = kept.0.iter().filter_map(|record| {
            let event = serde_json::to_value(&record.event).unwrap();
            let is_it = event["event"] == "attempt_intended" && event["task"]["host"] == host;
            is_it.then(|| event["task"]["step"].as_str().unwrap().to_owned())
        });
        assert_eq!(sent.collect::<Vec<_>>(), steps, "{host}");
    }

    /// Checks how a host ended, and what its services have gone through.
    #[track_caller]
    fn host(&self, host: &str, status: Option<HostStatus>, stops: &[&str], starts: &[&str]) {
        assert_eq!(self.planrun.kept(&self.run).host(host), status, "{host}");
        let path = self.planrun.path("state").join(format!("models/{}.jsonl", self.run));
        let saved = fs::read_to_string(path).unwrap();
        let lines = saved.lines().rev().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let state = lines.map(|line| line["hosts"][host]["state"].clone()).find(|it| !it.is_null());
        let state = state.unwrap_or_else(|| json!({"stops": [], "starts": []}));
        assert_eq!((&state["stops"], &state["starts"]), (&json!(stops), &json!(starts)), "{host}");
    }
}

#[test]
fn earlier_runs_are_listed() {
    for version in VERSIONS {
        let planrun = copy(version);
        let runs = planrun.runs();
        let states: Vec<&str> =
            runs.iter().rev().map(|run| run["state"].as_str().unwrap()).collect();
        let wanted = ["succeeded", "rolled_back", "paused", "interrupted", "interrupted", "paused"];
        assert_eq!(states, wanted);
        let waits = runs.iter().rev().map(|run| run["waits_for"].as_array().unwrap().len());
        assert_eq!(waits.collect::<Vec<_>>(), [0, 0, 1, 0, 0, 1]);
        let listed = planrun.run(&["runs"]);
        listed.exits(0).says("an answer to m1/go.2: Start lmtp?");
        listed.says("an answer to m1/allow.1: Start imap again?");
        for run in &runs {
            listed.says(run["id"].as_str().unwrap());
        }
    }
}

#[test]
fn earlier_runs_are_shown() {
    let hosts = |course| match course {
        Succeeded => vec!["succeeded"],
        RolledBack => vec!["rolled_back", "not_started"],
        Asks => vec!["active", "not_started"],
        KilledBefore | KilledAfter => vec!["active"],
        AsksInRollback => vec!["rolling_back", "not_started"],
    };
    for course in COURSES {
        with_each(course, |earlier| {
            let Earlier { planrun, run, .. } = earlier;
            let shown = planrun.run(&["show", run]);
            shown.exits(0).says("restart-services: Restart each service of a machine");
            shown
                .says("Restart each service [1 of 2: imap]")
                .says("running (timeout 5m): svc note");
            assert!(!shown.stdout.contains("damaged"), "{}", shown.stdout);
            let whole = planrun.run(&["show", run, "--format", "json"]);
            let whole: Value = serde_json::from_str(&whole.stdout).unwrap();
            let statuses = whole["hosts"].as_array().unwrap().iter().map(|host| &host["status"]);
            assert_eq!(statuses.collect::<Vec<_>>(), hosts(course), "{course:?}");
        });
    }
}

/// What is stored is the interface to other versions: each event is read, and is written as it is.
#[test]
fn earlier_events_are_written_as_they_were() {
    for version in VERSIONS {
        let planrun = copy(version);
        let database = Connection::open(planrun.path("state").join("runs.db")).unwrap();
        let mut select = database.prepare("SELECT payload FROM events").unwrap();
        let payloads = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let mut count = 0;
        for payload in payloads.map(Result::unwrap) {
            let event: Event = serde_json::from_str(&payload).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), payload);
            count += 1;
        }
        assert_eq!(count, 262);
    }
}

#[test]
fn an_ended_run_of_an_earlier_version_is_not_resumed() {
    with_each(Succeeded, |earlier| {
        earlier.does(&["resume"], 0);
        earlier.has_sent("m1", &FORWARD);
    });
    with_each(RolledBack, |earlier| {
        let ended = earlier.does(&["resume"], 2);
        ended.says("has ended: rolled back").says("planrun apply plan.yaml --inventory hosts.yaml");
        earlier.does(&["rollback"], 0);
        earlier.has_sent("m1", &[FORWARD.as_slice(), &BACK].concat());
        earlier.has_sent("m2", &[]);
    });
}

#[test]
fn a_succeeded_run_of_an_earlier_version_is_rolled_back() {
    with_each(Succeeded, |earlier| {
        earlier.does(&["rollback"], 0);
        earlier.has_sent("m1", &[FORWARD.as_slice(), &BACK].concat());
        let (stops, starts) = (["imap", "lmtp", "lmtp", "imap"], ["imap", "lmtp", "lmtp", "imap"]);
        earlier.host("m1", Some(HostStatus::RolledBack), &stops, &starts);
    });
}

#[test]
fn a_question_of_an_earlier_version_is_answered() {
    with_each(Asks, |earlier| {
        earlier.does(&["resume"], 6);
        earlier.does(&["resolve", "m1/go.2", "--as", "approve"], 0);
        // The same question is asked on the next host.
        earlier.does(&["resume"], 6);
        earlier.does(&["resolve", "--as", "approve"], 0);
        earlier.does(&["resume"], 0);
        for host in ["m1", "m2"] {
            earlier.has_sent(host, &FORWARD);
            let each = ["imap", "lmtp"];
            earlier.host(host, Some(HostStatus::Succeeded), &each, &each);
        }
    });
    with_each(Asks, |earlier| {
        earlier.does(&["rollback"], 0);
        let back = ["stop.2.rollback/2", "start.1.rollback", "stop.1.rollback/2"];
        earlier.has_sent("m1", &[&FORWARD[..4], &back].concat());
        let (stops, starts) = (["imap", "lmtp", "imap"], ["imap", "lmtp", "imap"]);
        earlier.host("m1", Some(HostStatus::RolledBack), &stops, &starts);
        earlier.has_sent("m2", &[]);
    });
}

#[test]
fn a_killed_run_of_an_earlier_version_is_resumed() {
    // What never reached its host is sent again; what took effect is not.
    let again = ["note", "stop.1", "start.1", "start.1", "stop.2", "start.2"];
    for (course, sent) in [(KilledBefore, again.as_slice()), (KilledAfter, &FORWARD)] {
        with_each(course, |earlier| {
            earlier.does(&["resume"], 0);
            earlier.has_sent("m1", sent);
            let each = ["imap", "lmtp"];
            earlier.host("m1", Some(HostStatus::Succeeded), &each, &each);
        });
    }
}

#[test]
fn a_killed_run_of_an_earlier_version_is_rolled_back() {
    let back = ["start.1.rollback", "stop.1.rollback/2"];
    with_each(KilledBefore, |earlier| {
        earlier.does(&["rollback"], 0);
        earlier.has_sent("m1", &[&FORWARD[..3], &back[1..]].concat());
        earlier.host("m1", Some(HostStatus::RolledBack), &["imap"], &["imap"]);
    });
    with_each(KilledAfter, |earlier| {
        earlier.does(&["rollback"], 0);
        // The model hosts of that version kept no record of attempts: they report that `start.1` did
        // not start, and find the service running.
        let (sent, times) = if earlier.version == "0b84c37" { (0, 1) } else { (2, 2) };
        earlier.has_sent("m1", &[&FORWARD[..3], &back[..sent]].concat());
        let each = ["imap", "imap"];
        earlier.host("m1", Some(HostStatus::RolledBack), &each[..times], &each[..times]);
    });
}

#[test]
fn a_rollback_of_an_earlier_version_is_finished() {
    let (stops, starts) = (["imap", "lmtp", "lmtp", "imap"], ["imap", "lmtp", "lmtp", "imap"]);
    let is_undone = |earlier: &Earlier| {
        earlier.has_sent("m1", &[FORWARD.as_slice(), &BACK].concat());
        earlier.has_sent("m2", &[]);
        earlier.host("m1", Some(HostStatus::RolledBack), &stops, &starts);
    };
    with_each(AsksInRollback, |earlier| {
        earlier.does(&["resolve", "m1/allow.1", "--as", "approve"], 0);
        earlier.does(&["resume"], 1);
        is_undone(earlier);
    });
    with_each(AsksInRollback, |earlier| {
        earlier.does(&["rollback"], 6);
        earlier.does(&["resolve", "m1/allow.1", "--as", "approve"], 0);
        earlier.does(&["resume"], 0);
        is_undone(earlier);
    });
}

#[test]
fn a_handler_that_failed_is_tried_again() {
    with_each(AsksInRollback, |earlier| {
        earlier.does(&["resolve", "m1/allow.1", "--as", "reject"], 0);
        earlier.does(&["resume"], 5);
        earlier.does(&["rollback"], 6);
        earlier.does(&["resolve", "m1/allow.1", "--as", "approve"], 0);
        earlier.does(&["resume"], 0);
        earlier.has_sent("m1", &[FORWARD.as_slice(), &BACK].concat());
    });
}
