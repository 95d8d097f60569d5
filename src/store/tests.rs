//! Tests of the store as a whole: several processes, crashes, damage, a full disk.
//!
//! A second process is this test binary, begun again with one of the ignored functions at the end
//! of the file.

use super::*;

use std::fs;
use std::fs::Permissions;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::rc::Rc;

use indexmap::IndexMap;
use tempfile::TempDir;

use crate::event::Journal;
use crate::event::Outline;
use crate::event::RunPlanned;
use crate::inventory::HostName;
use crate::inventory::Inventory;

/// Tells a second process which directory to use.
const DIR: &str = "PLANRUN_TEST_STORE";

fn id(name: &str) -> RunId {
    RunId(name.to_owned())
}

fn planned() -> Event {
    Event::RunPlanned(Box::new(RunPlanned {
        format: 1,
        tool: "0.1.0".into(),
        by: "ada@ops".into(),
        plan_path: "plans/restart.yaml".into(),
        plan_text: "name: restart\n".into(),
        plan_digest: String::new(),
        inventory: Inventory::default(),
        hosts: vec![HostName::new("b1"), HostName::new("b2")],
        inputs: IndexMap::new(),
        files: std::collections::BTreeMap::new(),
        models: std::collections::BTreeMap::new(),
        outline: Outline {
            plan: "restart".into(),
            ..Outline::default()
        },
    }))
}

fn begun(host: &str) -> Event {
    Event::HostBegun {
        host: HostName::new(host),
    }
}

fn ended(status: RunStatus) -> Event {
    Event::RunEnded { status, why: None }
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
    tempfile::tempdir().unwrap()
}

fn raw(dir: &TempDir) -> Connection {
    Connection::open(dir.path().join("runs.db")).unwrap()
}

#[tokio::test]
async fn what_was_kept_is_read_back_by_the_next_process() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let journal = begin(&store, "a").await;
    let first = next(&journal, Event::RunStarted);
    let mut second = next(&journal, begun("b1"));
    second.seq += 1;
    journal
        .append(&[first.clone(), second.clone()])
        .await
        .unwrap();
    assert_eq!((journal.epoch(), journal.seq()), (1, 4));
    drop((journal, store));

    let store = Store::open(dir.path()).unwrap();
    let (journal, records) = store.take(&id("a"), "bob@ops").unwrap();
    assert_eq!(records[1..], [first, second.clone()]);
    assert_eq!(records[0].event, planned());
    assert_eq!((journal.epoch(), journal.seq()), (2, 4));
    assert_eq!(store.records_after(&id("a"), 2).unwrap(), [second]);
    assert_eq!(store.records_after(&id("a"), 3).unwrap(), []);

    let resumed = Event::RunResumed {
        by: "bob@ops".into(),
    };
    keep(&journal, resumed.clone()).await.unwrap();
    let last = store.records(&id("a")).unwrap().pop().unwrap();
    assert_eq!((last.seq, last.epoch, last.event), (4, 2, resumed));
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
    let at = next(&first, Event::RunStarted).at;
    let expected = RunRow {
        id: id("a"),
        plan: "restart".into(),
        plan_path: "plans/restart.yaml".into(),
        by: "ada@ops".into(),
        begun_at: Some(at),
        ended_at: None,
        state: Some(RunStatus::Planned),
        hosts: 2,
        alive: true,
    };
    assert_eq!(row("a"), expected);

    keep(&first, Event::RunStarted).await.unwrap();
    keep(&first, begun("b1")).await.unwrap();
    assert_eq!(row("a").state, Some(RunStatus::Running));
    keep(&first, ended(RunStatus::RolledBack)).await.unwrap();
    assert_eq!(row("a").state, Some(RunStatus::RolledBack));
    assert_eq!(row("a").ended_at, Some(at));
    let by = "bob@ops".to_owned();
    keep(&first, Event::RunResumed { by }).await.unwrap();
    assert_eq!(row("a").state, Some(RunStatus::Running));
    assert_eq!(row("a").ended_at, None);

    begin(&store, "b").await;
    let names: Vec<String> = store
        .runs()
        .unwrap()
        .into_iter()
        .map(|row| row.id.0)
        .collect();
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
    let error = keep(&journal, Event::RunStarted).await.unwrap_err();
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
    let mut late = next(&journal, Event::RunStarted);
    late.seq = 4;
    let fault = StoreError::OutOfOrder {
        run: id("a"),
        expected: 2,
        found: 4,
    };
    assert_eq!(journal.keep(&[late]).await, Err(fault.clone()));
    assert_eq!(journal.fault(), Some(fault));
    let mut right = next(&journal, Event::RunStarted);
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
    let first = next(&journal, Event::RunStarted);
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
    keep(&journal, Event::RunStarted).await.unwrap();
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

    let fenced = StoreError::Fenced {
        run: id("a"),
        epoch: 1,
        current: 2,
    };
    assert_eq!(keep(&late, begun("b1")).await, Err(fenced.clone()));
    assert_eq!(late.fault(), Some(fenced));
    keep(&journal, begun("b2")).await.unwrap();
    let kept = store.records_after(&id("a"), 1).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].event, begun("b2"));

    drop(late);
    let error = store.take(&id("a"), "eve@ops").unwrap_err();
    assert!(matches!(error, StoreError::Held { .. }), "{error}");
}

#[tokio::test]
async fn two_stores_write_their_runs_side_by_side() {
    let dir = home();
    let (one, two) = (
        Store::open(dir.path()).unwrap(),
        Store::open(dir.path()).unwrap(),
    );
    let (a, b) = (begin(&one, "a").await, begin(&two, "b").await);
    for _ in 0..20 {
        keep(&a, Event::RunStarted).await.unwrap();
        keep(&b, Event::RunStarted).await.unwrap();
    }
    assert_eq!(two.records(&id("a")).unwrap().len(), 21);
    assert_eq!(one.records(&id("b")).unwrap().len(), 21);
}

#[test]
fn many_may_open_a_new_store_at_once() {
    let dir = home();
    let path = dir.path();
    std::thread::scope(|scope| {
        let openers: Vec<_> = (0..8).map(|_| scope.spawn(|| Store::open(path))).collect();
        for opener in openers {
            opener.join().unwrap().unwrap();
        }
    });
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
            tasks.spawn_local(async move { keep(&journal, Event::RunStarted).await })
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
    let mut late = next(&bad, Event::RunStarted);
    late.seq = 9;
    let late = [late];
    let (refused, kept, ()) =
        tokio::join!(bad.keep(&late), keep(&good, Event::RunStarted), async {
            blocker.execute_batch("COMMIT").unwrap();
        });
    assert!(matches!(refused, Err(StoreError::OutOfOrder { .. })));
    assert_eq!(kept, Ok(()));
    assert_eq!(store.records(&id("b")).unwrap().len(), 2);
}

#[tokio::test]
async fn events_are_only_ever_added() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    drop(begin(&store, "a").await);
    for statement in [
        "UPDATE events SET payload = '{}'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events SELECT run, seq, epoch, at, hash, '{}' FROM events",
        "DELETE FROM runs",
        "UPDATE runs SET epoch = 0",
    ] {
        let error = raw(&dir).execute_batch(statement).unwrap_err().to_string();
        assert!(
            error.contains("never") || error.contains("only rise"),
            "{error}"
        );
    }
    assert_eq!(store.records(&id("a")).unwrap().len(), 1);
}

#[tokio::test]
async fn a_changed_or_lost_event_is_noticed_in_its_run_alone() {
    for (change, seq) in [
        (
            "UPDATE events SET payload = replace(payload, 'b1', 'b2') WHERE run = 'a'",
            2,
        ),
        ("UPDATE events SET epoch = 7 WHERE run = 'a' AND seq = 3", 3),
        ("DELETE FROM events WHERE run = 'a' AND seq = 2", 2),
        ("DELETE FROM events WHERE run = 'a' AND seq = 3", 3),
        ("UPDATE runs SET seq = 2 WHERE id = 'a'", 3),
    ] {
        let dir = home();
        let store = Store::open(dir.path()).unwrap();
        for name in ["a", "b"] {
            let journal = begin(&store, name).await;
            keep(&journal, begun("x1")).await.unwrap();
            keep(&journal, Event::RunStarted).await.unwrap();
        }
        let change = change.replace("b1", "x1");
        raw(&dir)
            .execute_batch(&format!(
                "DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_removed; {change}"
            ))
            .unwrap();

        let error = store.records(&id("a")).unwrap_err();
        let StoreError::Damaged { seq: found, .. } = error else {
            panic!("{change}: {error}");
        };
        assert_eq!(found, seq, "{change}");
        assert!(store.take(&id("a"), "ada@ops").is_err(), "{change}");
        assert_eq!(store.records(&id("b")).unwrap().len(), 3, "{change}");
        assert_eq!(store.runs().unwrap().len(), 2, "{change}");
        assert!(store.take(&id("b"), "ada@ops").is_ok(), "{change}");
    }
}

#[tokio::test]
async fn a_full_disk_poisons_the_run_and_loses_nothing_that_was_acknowledged() {
    let dir = home();
    let store = Store::open_limited(dir.path(), Some(40)).unwrap();
    let journal = begin(&store, "a").await;
    let mut kept = 1;
    let error = loop {
        match keep(&journal, begun(&"b".repeat(1_000))).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(kept > 10);
    let error = keep(&journal, Event::RunStarted).await.unwrap_err();
    assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
    drop((journal, store));

    let store = Store::open(dir.path()).unwrap();
    let (journal, records) = store.take(&id("a"), "ada@ops").unwrap();
    assert_eq!(records.len(), kept);
    keep(&journal, Event::RunStarted).await.unwrap();
}

#[test]
fn databases_that_are_newer_foreign_or_no_databases_are_refused() {
    let newer = home();
    drop(Store::open(newer.path()).unwrap());
    raw(&newer).pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(newer.path()).unwrap_err();
    assert!(error.to_string().contains("has format 99"), "{error}");

    let foreign = home();
    let path = foreign.path().join("runs.db");
    raw(&foreign).execute_batch("CREATE TABLE t (x)").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let error = Store::open(foreign.path()).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    let mode: String = raw(&foreign)
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "delete", "a foreign database is left as it was");

    let corrupt = home();
    let path = corrupt.path().join("runs.db");
    fs::write(&path, "this is no database. ".repeat(500)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let error = Store::open(corrupt.path()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_process_killed_in_the_middle_leaves_all_it_acknowledged() {
    for least in [1, 20, 60] {
        let dir = home();
        let mut child = second_process("child_appends_for_ever", dir.path(), None).unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut acknowledged = 0;
        while acknowledged < least {
            acknowledged = number(&lines.next().unwrap().unwrap(), acknowledged);
        }
        child.kill().unwrap();
        for line in lines {
            acknowledged = number(&line.unwrap(), acknowledged);
        }
        child.wait().unwrap();

        let store = Store::open(dir.path()).unwrap();
        assert!(store.runs().unwrap()[0].is_interrupted());
        let (journal, records) = store.take(&id("a"), "bob@ops").unwrap();
        assert!(records.len() as u64 >= acknowledged, "{acknowledged}");
        assert_eq!(journal.epoch(), 2);
        keep(&journal, Event::RunStarted).await.unwrap();
    }
}

#[test]
fn a_run_held_by_another_process_names_it_until_that_one_dies() {
    let dir = home();
    let mut child = second_process("child_appends_for_ever", dir.path(), None).unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while number(&lines.next().unwrap().unwrap(), 0) == 0 {}
    let store = Store::open(dir.path()).unwrap();
    assert!(store.runs().unwrap()[0].alive);
    let error = store.take(&id("a"), "bob@ops").unwrap_err();
    let StoreError::Held { pid, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(pid, Some(child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!store.runs().unwrap()[0].alive);
    store.take(&id("a"), "bob@ops").unwrap();
}

#[test]
fn a_read_only_directory_is_refused_with_words() {
    let dir = home();
    drop(Store::open(dir.path()).unwrap());
    // Nothing is read-only for root: the second process runs as somebody else.
    let user = rustix::process::geteuid().is_root().then_some(65_534);
    if let Some(user) = user {
        for path in [dir.path().join("runs.db"), dir.path().join("locks")] {
            std::os::unix::fs::chown(path, Some(user), None).unwrap();
        }
        std::os::unix::fs::chown(dir.path(), Some(user), None).unwrap();
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o500)).unwrap();
    let told = second_process("child_opens", dir.path(), user)
        .and_then(Child::wait_with_output)
        .map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let Ok(told) = told else {
        writeln!(
            std::io::stderr(),
            "skipped: a_read_only_directory_is_refused_with_words \
             (another user may not run the test binary)"
        )
        .unwrap();
        return;
    };
    let expected = format!(
        "cannot write in {}: permission denied; \
         make it yours to write, or set PLANRUN_STATE_DIR to a directory that is",
        dir.path().canonicalize().unwrap().display()
    );
    assert!(told.contains(&expected), "{told}");
}

/// Begins one of the functions below in a process of its own; it tells its news on stderr, which
/// the test harness leaves alone.
#[expect(
    clippy::disallowed_methods,
    reason = "a second process is what is tested"
)]
fn second_process(function: &str, dir: &Path, user: Option<u32>) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--exact", "--ignored", "--nocapture"])
        .arg(format!("store::tests::{function}"))
        .env(DIR, dir)
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(user) = user {
        command.uid(user);
    }
    command.spawn()
}

fn number(line: &str, otherwise: u64) -> u64 {
    line.strip_prefix("acknowledged ")
        .map_or(otherwise, |number| number.parse().unwrap())
}

fn given_dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

#[tokio::test]
#[ignore = "the second process of other tests"]
async fn child_appends_for_ever() {
    let Some(dir) = given_dir() else { return };
    let store = Store::open(&dir).unwrap();
    let journal = begin(&store, "a").await;
    loop {
        let seq = journal.seq();
        keep(&journal, begun("b1")).await.unwrap();
        writeln!(std::io::stderr(), "acknowledged {seq}").unwrap();
    }
}

#[test]
#[ignore = "the second process of other tests"]
fn child_opens() {
    let Some(dir) = given_dir() else { return };
    if let Err(error) = Store::open(&dir) {
        writeln!(std::io::stderr(), "{error}").unwrap();
    }
}
