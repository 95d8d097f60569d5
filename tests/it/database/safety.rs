//! Tests of the store: what it refuses to use, who has locked a run, and how a run is named.

use super::*;

use std::os::unix::fs::symlink;
use std::path::Path;

use sha2::{Digest, Sha256};

#[test]
fn a_link_is_refused_wherever_it_is() {
    let home = home();
    let (real, link) = (home.path().join("real"), home.path().join("link"));
    drop(Store::open(&real).unwrap());
    symlink(&real, &link).unwrap();
    for named in [link.clone(), home.path().join("link/")] {
        assert_eq!(
            Store::open(&named).unwrap_err(),
            StoreError::Unfit { path: link.clone(), why: Unfit::Link }
        );
        assert_eq!(
            Reader::open(&named).unwrap_err(),
            StoreError::Unfit { path: link.clone(), why: Unfit::Link }
        );
    }
    for name in ["runs.db", "runs.db-wal", "locks"] {
        let state = self::home();
        let path = state.path().join(name);
        symlink(real.join(name), &path).unwrap();
        assert_eq!(
            Store::open(state.path()).unwrap_err(),
            StoreError::Unfit { path, why: Unfit::Link },
            "{name}"
        );
    }
}

#[test]
fn a_directory_of_others_or_a_file_in_its_place_is_refused_and_left_unchanged() {
    let home = home();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let error = Store::open(home.path()).unwrap_err();
    assert!(
        matches!(error, StoreError::Unfit { why: Unfit::Exposed { mode: 0o755, .. }, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("chmod go-rwx"), "{error}");
    assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o755);

    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    let path = home.path().join("state");
    fs::write(&path, "").unwrap();
    let error = StoreError::Unfit { path: path.clone(), why: Unfit::WrongKind("directory") };
    assert_eq!(Store::open(&path).unwrap_err(), error);
}

#[tokio::test]
async fn a_run_that_is_worked_on_names_its_process_and_leaves_no_lock() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let locks = dir.path().join("locks");
    let journal = begin(&store, "a").await;
    let error = store.take(&id("a"), "bob@ops").unwrap_err().to_string();
    let process = std::process::id();
    assert!(error.starts_with(&format!("run a is locked by ada@ops, process {process}, since 2")));
    assert!(error.ends_with('Z'), "{error}");
    assert!(store.is_alive(&id("a")));
    drop(journal);
    assert!(!store.is_alive(&id("a")) && !store.is_alive(&id("b")));
    assert_eq!(fs::read_dir(&locks).unwrap().count(), 0);
    // A process that died leaves its file.
    fs::write(locks.join("a"), "no longer true").unwrap();
    assert!(!store.is_alive(&id("a")));
    store.take(&id("a"), "bob@ops").unwrap();
}

#[tokio::test]
async fn a_run_is_found_by_its_name_its_start_its_end_and_as_the_last() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let missing = |word: &str| store.find(word).unwrap_err().to_string();
    assert_eq!(missing("last"), "no run named `last`; see `planrun runs`");
    for name in ["20261123-1200-b7k3", "20261124-0310-aa22", "20261124-0342-k3f7"] {
        begin(&store, name).await;
    }
    for word in ["20261124-0342-k3f7", "20261124-034", "k3f7", "last"] {
        assert_eq!(store.find(word).unwrap(), id("20261124-0342-k3f7"), "{word}");
    }
    assert_eq!(store.find("20261123").unwrap(), id("20261123-1200-b7k3"));
    assert_eq!(
        missing("20261124"),
        "`20261124` matches 2 runs (20261124-0342-k3f7, 20261124-0310-aa22); type more characters"
    );
    assert_eq!(missing("k3g7"), "no run named `k3g7`; did you mean 20261124-0342-k3f7?");
    assert!(store.find("").is_err());
}

#[test]
fn a_new_name_is_the_minute_and_four_random_letters_and_other_names_are_refused() {
    let now = "2026-11-24T03:42:59.5Z".parse().unwrap();
    assert_eq!(new_run_id(now, 0), id("20261124-0342-aaaa"));
    assert_ne!(new_run_id(now, 1), new_run_id(now, 0));
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    store.begin(new_run_id(now, u32::MAX), "ada@ops").unwrap();
    for name in ["", "../x", "a/b", ".", "-x", "a b", "ä", &"a".repeat(65)] {
        let error = store.begin(id(name), "ada@ops").unwrap_err();
        assert!(matches!(error, StoreError::BadName(_)), "{name}");
    }
}

/// Replaces an event by a text, with the hash that belongs to it: as a later planrun would write it.
fn replace(dir: &Path, record: &Record, payload: &str) {
    let database = Connection::open(dir.join("runs.db")).unwrap();
    let seq = i64::try_from(record.seq).unwrap();
    let before = "SELECT hash FROM events WHERE seq = ?1 - 1";
    let before: Vec<u8> = database.query_row(before, [seq], |row| row.get(0)).unwrap();
    let mut hash = Sha256::new_with_prefix(before);
    hash.update("a\0");
    hash.update(record.seq.to_be_bytes());
    hash.update(record.epoch.to_be_bytes());
    hash.update(format!("{}\0{payload}", record.at));
    let hash = hash.finalize().to_vec();
    database.execute_batch("DROP TRIGGER IF EXISTS events_are_not_changed").unwrap();
    let change = "UPDATE events SET payload = ?1, hash = ?2 WHERE seq = ?3";
    database.execute(change, (payload, &hash, seq)).unwrap();
    database.execute("UPDATE runs SET hash = ?1", [&hash]).unwrap();
}

#[tokio::test]
async fn an_event_of_a_later_planrun_is_not_called_damaged() {
    let dir = home();
    let store = Store::open(dir.path()).unwrap();
    let journal = begin(&store, "a").await;
    keep(&journal, Event::Run(RunEvent::Started)).await.unwrap();
    let record = store.records(&id("a")).unwrap().pop().unwrap();
    replace(dir.path(), &record, r#"{"event":"run_started"}"#);
    assert_eq!(store.records(&id("a")).unwrap().len(), 2);
    replace(dir.path(), &record, r#"{"event":"moon_landed"}"#);
    let error = store.records(&id("a")).unwrap_err();
    assert!(matches!(error, StoreError::Unreadable { seq: 2, .. }), "{error}");
    assert!(error.to_string().contains("use the planrun that wrote it"), "{error}");
}
