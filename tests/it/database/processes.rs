//! Tests of the store with a second process, which dies, has locked a run, or is another user.
//!
//! That process is this test binary, started again with one of the ignored functions at the end of
//! the file.

use super::*;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Tells a second process which directory to use.
const DIR: &str = "PLANRUN_TEST_STORE";

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
        keep(&journal, Event::Run(RunEvent::Started)).await.unwrap();
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
         change its permissions, or set PLANRUN_STATE_DIR to another directory",
        dir.path().canonicalize().unwrap().display()
    );
    assert!(told.contains(&expected), "{told}");
}

/// Begins one of the functions below in a process of its own; it tells its news on stderr, which
/// the test harness leaves alone.
#[expect(clippy::disallowed_methods, reason = "a second process is what is tested")]
fn second_process(function: &str, dir: &Path, user: Option<u32>) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--exact", "--ignored", "--nocapture"])
        .arg(format!("database::processes::{function}"))
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
    line.strip_prefix("acknowledged ").map_or(otherwise, |number| number.parse().unwrap())
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
