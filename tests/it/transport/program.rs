//! Programs that print an inventory: small scripts, run for real.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use planrun::inventory::program::{Failure, MAX_ANSWER, Programs};
use planrun::transport::program::{LocalPrograms, PATIENCE};

fn program(script: &str) -> (PathBuf, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hosts");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (path, directory)
}

/// Runs a script with `--list`, with this much patience.
fn run(script: &str, patience: Duration) -> (Result<String, Failure>, tempfile::TempDir) {
    let (path, directory) = program(script);
    let answer = LocalPrograms::new(patience).run(&path, &["--list"]);
    let answer = answer.map(|bytes| String::from_utf8(bytes).unwrap());
    (answer, directory)
}

#[test]
fn a_program_runs_in_its_directory_with_nothing_to_read() {
    let (answer, directory) = run("echo \"$# $1 $(cat)\"; pwd -P; echo talk >&2", PATIENCE);
    let place = directory.path().canonicalize().unwrap();
    assert_eq!(answer.unwrap(), format!("1 --list \n{}\n", place.display()));
}

#[test]
fn a_bad_end_is_told_with_what_was_said() {
    let (answer, _directory) = run("echo half; echo why >&2; exit 3", PATIENCE);
    let (how, said) = ("with 3".to_owned(), "why\n".to_owned());
    assert_eq!(answer, Err(Failure::Ended { how, said }));
    let (answer, _directory) = run("kill -TERM $$", PATIENCE);
    let (how, said) = ("by TERM".to_owned(), String::new());
    assert_eq!(answer, Err(Failure::Ended { how, said }));
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_all_it_began() {
    let patience = Duration::from_millis(300);
    let script = "sleep 1000 & echo $! >began; echo $$ >>began; wait";
    let (answer, directory) = run(script, patience);
    assert_eq!(answer, Err(Failure::Late(patience)));
    let began = fs::read_to_string(directory.path().join("began")).unwrap_or_default();
    for number in began.lines() {
        // What was killed may stay for a moment, until someone has asked for its end.
        let state = || {
            let status = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
            status.rsplit(") ").next().and_then(|rest| rest.chars().next())
        };
        let is_gone = || matches!(state(), None | Some('Z' | 'X'));
        assert!((0..200).any(|_| is_gone() || {
            std::thread::sleep(Duration::from_millis(20));
            false
        }));
    }
}

#[test]
fn a_program_that_prints_without_end_is_killed() {
    let (answer, _directory) = run("exec yes", PATIENCE);
    assert_eq!(answer, Err(Failure::TooLong(MAX_ANSWER)));
}

#[test]
fn a_program_that_printed_too_much_is_not_waited_for() {
    // Who waited for its end would wait for an hour.
    let script = "head -c 40000000 /dev/zero 2>/dev/null; sleep 10000";
    let (answer, _directory) = run(script, Duration::from_hours(1));
    assert_eq!(answer, Err(Failure::TooLong(MAX_ANSWER)));
}

#[test]
fn what_cannot_be_run_is_told() {
    let answer = LocalPrograms::new(PATIENCE).run(Path::new("/nonexistent/hosts"), &["--list"]);
    assert!(matches!(answer, Err(Failure::NotStarted(_))), "{answer:?}");
}

#[test]
fn all_calls_of_a_program_share_its_patience() {
    let (path, _directory) = program("sleep 0.3; echo {}");
    let patience = Duration::from_secs(2);
    let mut programs = LocalPrograms::new(patience);
    // Each call by itself is well within it.
    let failed = (0..20).find_map(|_| programs.run(&path, &["--list"]).err());
    assert_eq!(failed, Some(Failure::Late(patience)));
}

#[test]
fn all_answers_of_a_program_share_a_bound() {
    let (path, _directory) = program("head -c 20000000 /dev/zero");
    let mut programs = LocalPrograms::new(PATIENCE);
    assert_eq!(programs.run(&path, &["--list"]).unwrap().len(), 20_000_000);
    let answer = programs.run(&path, &["--host", "a"]);
    assert_eq!(answer, Err(Failure::TooLong(MAX_ANSWER)));
}
