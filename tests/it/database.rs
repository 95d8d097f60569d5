//! Tests of the store as a whole, and what they share.

mod damage;
mod processes;
mod safety;

use planrun::event::{Event, HostEvent, Record, RunEvent, RunId, RunStatus};
use planrun::store::*;

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

use indexmap::IndexMap;
use rusqlite::Connection;
use tempfile::TempDir;

use planrun::event::{Journal, Outline, RunPlanned};
use planrun::inventory::{HostName, Inventory};

fn id(name: &str) -> RunId {
    RunId(name.to_owned())
}

fn planned() -> Event {
    Event::Run(RunEvent::Planned(Box::new(RunPlanned {
        reason: None,
        labels: indexmap::IndexMap::new(),
        commit: None,
        format: 1,
        tool: "0.1.0".into(),
        by: "ada@ops".into(),
        arguments: Vec::new(),
        limit: None,
        serial: None,
        plan_path: "plans/restart.yaml".into(),
        plan_text: "name: restart\n".into(),
        plan_digest: String::new(),
        inventory: Inventory::default(),
        hosts: vec![HostName::new("b1"), HostName::new("b2")],
        stages: Vec::new(),
        locks: Vec::new(),
        inputs: IndexMap::new(),
        files: std::collections::BTreeMap::new(),
        secrets: None,
        models: std::collections::BTreeMap::new(),
        outline: Outline { plan: "restart".into(), ..Outline::default() },
    })))
}

fn begun(host: &str) -> Event {
    Event::Host { host: HostName::new(host), event: HostEvent::Started }
}

fn ended(status: RunStatus) -> Event {
    Event::Run(RunEvent::Ended { status, why: None })
}

fn next(journal: &RunJournal, event: Event) -> Record {
    Record {
        seq: journal.seq(),
        epoch: journal.epoch(),
        at: "2026-11-24T03:42:00.25Z".parse().unwrap(),
        event,
    }
}

async fn keep(journal: &RunJournal, event: Event) -> Result<(), StoreError> {
    journal.keep(&[next(journal, event)]).await
}

async fn begin(store: &Store, name: &str) -> RunJournal {
    let journal = store.begin(id(name), "ada@ops").unwrap();
    keep(&journal, planned()).await.unwrap();
    journal
}

fn home() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.permissions(Permissions::from_mode(0o700));
    builder.tempdir().unwrap()
}

fn raw(dir: &TempDir) -> Connection {
    Connection::open(dir.path().join("runs.db")).unwrap()
}

#[tokio::test]
async fn what_was_kept_is_read_back_by_the_next_process() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let journal = begin(&store, "a").await;
    let first = next(&journal, Event::Run(RunEvent::Started));
    let mut second = next(&journal, begun("b1"));
    second.seq += 1;
    journal.append(&[first.clone(), second.clone()]).await.unwrap();
    assert_eq!((journal.epoch(), journal.seq()), (1, 4));
    drop((journal, store));

    let store = Store::open(dir.path()).unwrap();
    let (journal, records) = store.take(&id("a"), "bob@ops").unwrap();
    assert_eq!(records[1..], [first, second.clone()]);
    assert_eq!(records[0].event, planned());
    assert_eq!((journal.epoch(), journal.seq()), (2, 4));
    assert_eq!(store.reading(&id("a"), 2).unwrap().whole().unwrap(), [second]);
    assert_eq!(store.reading(&id("a"), 3).unwrap().whole().unwrap(), []);

    let resumed = Event::Run(RunEvent::Resumed { by: "bob@ops".into() });
    keep(&journal, resumed.clone()).await.unwrap();
    let last = store.records(&id("a")).unwrap().pop().unwrap();
    assert_eq!((last.seq, last.epoch, last.event), (4, 2, resumed));
}

#[tokio::test]
async fn every_file_of_the_store_is_for_this_user_alone() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let _journal = begin(&store, "a").await;
    let mut names = Vec::new();
    for folder in ["", "locks"] {
        for entry in fs::read_dir(dir.path().join(folder)).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o077;
            assert_eq!(mode, 0, "{}", entry.path().display());
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    names.sort();
    assert_eq!(names, ["a", "locks", "runs.db", "runs.db-shm", "runs.db-wal"]);
}

#[tokio::test]
async fn the_list_shows_each_run_in_the_state_of_its_last_event() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let first = begin(&store, "a").await;
    let row = |name: &str| {
        let rows = store.runs().unwrap();
        rows.into_iter().find(|row| row.id == id(name)).unwrap()
    };
    let at = next(&first, Event::Run(RunEvent::Started)).at;
    let expected = RunRow {
        id: id("a"),
        plan: "restart".into(),
        by: "ada@ops".into(),
        begun_at: Some(at),
        ended_at: None,
        state: Some(RunStatus::Planned),
        hosts: 2,
        alive: true,
    };
    assert_eq!(row("a"), expected);

    keep(&first, Event::Run(RunEvent::Started)).await.unwrap();
    keep(&first, begun("b1")).await.unwrap();
    assert_eq!(row("a").state, Some(RunStatus::Running));
    keep(&first, ended(RunStatus::RolledBack)).await.unwrap();
    assert_eq!(row("a").state, Some(RunStatus::RolledBack));
    assert_eq!(row("a").ended_at, Some(at));
    let by = "bob@ops".to_owned();
    keep(&first, Event::Run(RunEvent::Resumed { by })).await.unwrap();
    assert_eq!(row("a").state, Some(RunStatus::Running));
    assert_eq!(row("a").ended_at, None);

    begin(&store, "b").await;
    let names: Vec<String> = store.runs().unwrap().into_iter().map(|row| row.id.0).collect();
    assert_eq!(names, ["b", "a"]);
    assert!(row("b").is_interrupted());
    assert!(!row("a").is_interrupted());
    assert_eq!(store.find("last").unwrap(), id("b"));
}

#[tokio::test]
async fn a_run_that_kept_nothing_was_never_there() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    drop(store.begin(id("a"), "ada@ops").unwrap());
    assert_eq!(store.runs().unwrap(), []);
    let error = store.take(&id("a"), "ada@ops").unwrap_err();
    assert!(matches!(error, StoreError::NoSuchRun { .. }), "{error}");

    let journal = store.begin(id("a"), "ada@ops").unwrap();
    let error = keep(&journal, Event::Run(RunEvent::Started)).await.unwrap_err();
    assert_eq!(error, StoreError::NotPlanned { run: id("a") });
    assert_eq!(store.runs().unwrap(), []);
}

#[tokio::test]
async fn a_name_serves_for_one_run_only() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    drop(begin(&store, "a").await);
    let error = store.begin(id("a"), "ada@ops").unwrap_err();
    assert_eq!(error, StoreError::Exists { run: id("a") });

    let now = "2026-11-24T03:42:00Z".parse().unwrap();
    let one = store.begin_new(now, "ada@ops").unwrap();
    let other = store.begin_new(now, "ada@ops").unwrap();
    assert!(one.run().0.starts_with("20261124-0342-"));
    assert_ne!(one.run(), other.run());
}

#[tokio::test]
async fn a_record_that_is_not_the_next_poisons_the_run() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let journal = begin(&store, "a").await;
    let mut late = next(&journal, Event::Run(RunEvent::Started));
    late.seq = 4;
    let fault = StoreError::OutOfOrder { run: id("a"), expected: 2, found: 4 };
    assert_eq!(journal.keep(&[late]).await, Err(fault.clone()));
    assert_eq!(journal.fault(), Some(fault));
    let mut right = next(&journal, Event::Run(RunEvent::Started));
    right.seq = 2;
    let error = journal.append(&[right]).await.unwrap_err();
    assert!(error.to_string().contains("resume the run"), "{error}");
    assert_eq!(store.records(&id("a")).unwrap().len(), 1);
}

#[tokio::test]
async fn one_of_several_records_that_does_not_fit_keeps_none_of_them() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let journal = begin(&store, "a").await;
    let first = next(&journal, Event::Run(RunEvent::Started));
    let twice = [first.clone(), first];
    let error = journal.keep(&twice).await.unwrap_err();
    assert!(matches!(error, StoreError::OutOfOrder { .. }), "{error}");
    assert_eq!(store.records(&id("a")).unwrap().len(), 1);
}

#[tokio::test]
async fn a_run_is_taken_once_at_a_time_within_a_process_too() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let journal = begin(&store, "a").await;
    let other = Store::open(dir.path()).unwrap();
    let error = other.take(&id("a"), "bob@ops").unwrap_err();
    let StoreError::Held { by, pid, since, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((by.as_str(), pid), ("ada@ops", Some(std::process::id())));
    assert!(since.is_some());
    // The refused one has changed nothing.
    keep(&journal, Event::Run(RunEvent::Started)).await.unwrap();
    drop(journal);
    assert_eq!(other.take(&id("a"), "bob@ops").unwrap().0.epoch(), 2);
}

#[tokio::test]
async fn a_writer_of_an_older_epoch_is_fenced_even_if_its_lock_is_lost() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let late = begin(&store, "a").await;
    fs::remove_file(dir.path().join("locks/a")).unwrap();
    let other = Store::open(dir.path()).unwrap();
    let (journal, _) = other.take(&id("a"), "bob@ops").unwrap();

    let fenced = StoreError::Fenced { run: id("a"), epoch: 1, current: 2 };
    assert_eq!(keep(&late, begun("b1")).await, Err(fenced.clone()));
    assert_eq!(late.fault(), Some(fenced));
    keep(&journal, begun("b2")).await.unwrap();
    let kept = store.reading(&id("a"), 1).unwrap().whole().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].event, begun("b2"));

    drop(late);
    let error = store.take(&id("a"), "eve@ops").unwrap_err();
    assert!(matches!(error, StoreError::Held { .. }), "{error}");
}

#[tokio::test]
async fn two_stores_write_their_runs_side_by_side() {
    let dir = home();
    let (one, two) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
    let (a, b) = (begin(&one, "a").await, begin(&two, "b").await);
    for _ in 0..20 {
        keep(&a, Event::Run(RunEvent::Started)).await.unwrap();
        keep(&b, Event::Run(RunEvent::Started)).await.unwrap();
    }
    assert_eq!(two.records(&id("a")).unwrap().len(), 21);
    assert_eq!(one.records(&id("b")).unwrap().len(), 21);
}

#[test]
fn many_may_open_a_new_store_at_once() {
    // One in some hundreds met another one that was just making it.
    for _ in 0..50 {
        let dir = home();
        let path = dir.path();
        std::thread::scope(|scope| {
            let openers: Vec<_> = (0..8).map(|_| scope.spawn(|| Store::open(path))).collect();
            for opener in openers {
                opener.join().unwrap().unwrap();
            }
        });
    }
}

#[tokio::test]
async fn appends_that_wait_together_share_a_commit() {
    const APPENDS: u64 = 1_000;
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let journal = Rc::new(begin(&store, "a").await);
    // The writer cannot commit until all are queued.
    let blocker = raw(&dir);
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = store.commits();
    let tasks = tokio::task::LocalSet::new();
    let handles: Vec<_> = (0..APPENDS)
        .map(|_| {
            let journal = Rc::clone(&journal);
            tasks.spawn_local(async move { keep(&journal, Event::Run(RunEvent::Started)).await })
        })
        .collect();
    tasks
        .run_until(async {
            while journal.seq() < APPENDS + 2 {
                tokio::task::yield_now().await;
            }
            blocker.execute_batch("COMMIT").unwrap();
            for handle in handles {
                handle.await.unwrap().unwrap();
            }
        })
        .await;
    assert_eq!(store.records(&id("a")).unwrap().len(), 1_001);
    let commits = store.commits() - before;
    assert!(commits <= 3, "{commits} commits");
}

#[tokio::test]
async fn a_refused_append_does_no_harm_to_those_in_the_same_commit() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let (bad, good) = (begin(&store, "a").await, begin(&store, "b").await);
    let blocker = raw(&dir);
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut late = next(&bad, Event::Run(RunEvent::Started));
    late.seq = 9;
    let late = [late];
    let (refused, kept, ()) =
        tokio::join!(bad.keep(&late), keep(&good, Event::Run(RunEvent::Started)), async {
            blocker.execute_batch("COMMIT").unwrap();
        });
    assert!(matches!(refused, Err(StoreError::OutOfOrder { .. })));
    assert_eq!(kept, Ok(()));
    assert_eq!(store.records(&id("b")).unwrap().len(), 2);
}
