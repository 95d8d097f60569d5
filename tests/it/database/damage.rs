//! Tests of the store with events that were tampered with, a full disk, and strange databases.

use super::*;

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
        assert!(error.contains("never") || error.contains("only rise"), "{error}");
    }
    assert_eq!(store.records(&id("a")).unwrap().len(), 1);
}

#[tokio::test]
async fn a_changed_or_lost_event_is_noticed_in_its_run_alone() {
    for (change, seq) in [
        ("UPDATE events SET payload = replace(payload, 'b1', 'b2') WHERE run = 'a'", 2),
        ("UPDATE events SET epoch = 7 WHERE run = 'a' AND seq = 3", 3),
        ("UPDATE events SET at = '2026-11-24T03:42:01Z' WHERE run = 'a' AND seq = 2", 2),
        ("UPDATE events SET hash = zeroblob(32) WHERE run = 'a' AND seq = 2", 2),
        ("DELETE FROM events WHERE run = 'a' AND seq = 2", 2),
        ("DELETE FROM events WHERE run = 'a' AND seq = 3", 3),
        ("UPDATE runs SET seq = 2 WHERE id = 'a'", 3),
    ] {
        let dir = home();
        let store = Store::open(dir.path()).unwrap();
        for name in ["a", "b"] {
            let journal = begin(&store, name).await;
            keep(&journal, begun("x1")).await.unwrap();
            keep(&journal, Event::Run(RunEvent::Started)).await.unwrap();
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
    assert!(matches!(error, StoreError::Refused { why: Cause::Full, .. }), "{error}");
    assert!(kept > 10);
    let error = keep(&journal, Event::Run(RunEvent::Started)).await.unwrap_err();
    assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
    drop((journal, store));

    let store = Store::open(dir.path()).unwrap();
    let (journal, records) = store.take(&id("a"), "ada@ops").unwrap();
    assert_eq!(records.len(), kept);
    keep(&journal, Event::Run(RunEvent::Started)).await.unwrap();
}

#[tokio::test]
async fn a_store_of_an_earlier_version_gets_the_tables_it_lacks() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    drop(begin(&store, "a").await);
    drop(store);
    raw(&dir).execute_batch("DROP TABLE locks; DROP TABLE requests").unwrap();
    assert_eq!(Reader::open(dir.path()).unwrap().records(&id("a")).unwrap().len(), 1);

    let store = Store::open(dir.path()).unwrap();
    let (journal, _) = store.take(&id("a"), "ada@ops").unwrap();
    keep(&journal, Event::Run(RunEvent::Started)).await.unwrap();
    begin(&store, "b").await;
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
    assert!(matches!(error, StoreError::Unfit { why: Unfit::Foreign, .. }), "{error}");
    let mode: String =
        raw(&foreign).pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete", "a foreign database is left as it was");

    let corrupt = home();
    let path = corrupt.path().join("runs.db");
    fs::write(&path, "this is no database. ".repeat(500)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let error = Store::open(corrupt.path()).unwrap_err();
    assert!(matches!(error, StoreError::Refused { why: Cause::Corrupt(_), .. }), "{error}");
}
