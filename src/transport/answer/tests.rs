//! What the lines of a host session and the ends of a channel mean together.

use std::time::Duration;

use indexmap::IndexMap;

use super::{Answer, Closing, ELSEWHERE};
use crate::clock::Clock;
use crate::inventory::HostName;
use crate::transport::wire::{GRACE, Wire};
use crate::transport::{Body, Command, Exit, MAX_OUTPUT, Output, Recovered, TransportError};

fn command() -> (Command, Wire) {
    let command = Command {
        body: Body::Argv(vec!["true".to_owned()]),
        stdin: None,
        env: IndexMap::new(),
        dir: Some("/srv/mail".to_owned()),
        r#become: Some("vmail".to_owned()),
        timeout: Duration::from_secs(10),
        step: "test/step".to_owned(),
    };
    let wire = Wire::new(&command, Some("root"), None, GRACE).unwrap();
    (command, wire)
}

/// Concludes after standard output, in which `@` is the prefix, and standard error.
fn conclude(stdout: &str, stderr: &str, closing: Closing) -> Result<Output, TransportError> {
    let (command, wire) = command();
    let mut answer = Answer::new(&wire);
    answer.stdout(stdout.replace('@', &format!("{}:", wire.prefix)).as_bytes());
    answer.stderr(stderr.as_bytes());
    answer.conclude(&HostName::new("imap1"), &command, &wire, closing)
}

fn exit(code: i32) -> Closing {
    Closing::Exit(Exit::Code(code))
}

#[test]
fn noise_before_the_command_is_dropped_wherever_the_pieces_break() {
    let (command, wire) = command();
    let prefix = &wire.prefix;
    let whole = format!(
        "Welcome!\nplanrun:0:go\nno newline{prefix}:ready 7\nlecture\n{prefix}:go\n\
         out planrun\nput{prefix}:end 3\nlate"
    );
    for size in 1..whole.len() {
        let mut answer = Answer::new(&wire);
        for piece in whole.as_bytes().chunks(size) {
            answer.stdout(piece);
        }
        assert!(answer.is_ready() && answer.is_over());
        let host = HostName::new("imap1");
        let output = answer.conclude(&host, &command, &wire, Closing::Said).unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "out planrun\nputlate");
        assert_eq!(output.stdout_len, 19);
        assert_eq!(output.exit, Exit::Code(3));
    }
}

#[test]
fn a_login_that_prints_without_end_is_given_up() {
    let (command, wire) = command();
    let mut answer = Answer::new(&wire);
    let mut pieces = 0;
    while !answer.is_hopeless() {
        answer.stdout(&[b'y', b'\n'].repeat(16 * 1024));
        pieces += 1;
    }
    assert!(pieces <= 33, "{pieces}");
    assert!(answer.noise.len() + answer.lines.held.len() < 8 * 1024);
    let host = HostName::new("imap1");
    let error = answer.conclude(&host, &command, &wire, Closing::Lost("x")).unwrap_err();
    assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("prints more than 1 MiB"), "{error}");
}

#[test]
fn a_line_that_never_ends_takes_no_endless_memory() {
    let (_, wire) = command();
    let mut answer = Answer::new(&wire);
    answer.stdout(
        format!("{}:ready 1\n{}:go\n{}:", wire.prefix, wire.prefix, wire.prefix).as_bytes(),
    );
    for _ in 0..1000 {
        answer.stdout(&[b'x'; 4096]);
    }
    assert!(answer.lines.held.len() < 16 * 1024);
    assert!(answer.stdout.len > 4_000_000);
}

#[test]
fn output_is_capped_and_counted() {
    let (_, wire) = command();
    let mut answer = Answer::new(&wire);
    answer.stderr(&vec![b'e'; MAX_OUTPUT - 1]);
    answer.stderr(b"ab");
    assert_eq!(answer.stderr.bytes.len(), MAX_OUTPUT);
    assert_eq!(answer.stderr.bytes.last(), Some(&b'a'));
    assert_eq!(answer.stderr.len, MAX_OUTPUT as u64 + 1);
}

#[test]
fn a_status_above_128_is_a_signal_and_a_timeout_is_said() {
    for (said, expected) in [
        ("0", Exit::Code(0)),
        ("128", Exit::Code(128)),
        ("137", Exit::Signal("KILL".to_owned())),
        ("143", Exit::Signal("TERM".to_owned())),
        ("159", Exit::Signal("31".to_owned())),
        ("160", Exit::Code(160)),
        ("255", Exit::Code(255)),
        ("timeout", Exit::TimedOut),
    ] {
        let output = conclude(&format!("@ready 1\n@go\n@end {said}\n"), "", Closing::Said);
        assert_eq!(output.unwrap().exit, expected, "{said}");
    }
}

#[test]
fn only_a_session_that_was_not_ready_has_received_nothing() {
    let unsent = |stdout: &str, closing| conclude(stdout, "", closing).unwrap_err();
    for closing in [exit(0), exit(1), exit(99), Closing::Refused] {
        let error = unsent("hello\n", closing);
        assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    }
    let error = unsent("hello\n", Closing::Lost("it broke"));
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("it broke; it printed: hello"), "{error}");
    // From there on, silence proves nothing.
    for stdout in ["@ready 1\n", "@ready 1\n@go\n", "@ready 1\n@go\n@end x\n"] {
        for closing in [Closing::Lost("it broke"), Closing::Said] {
            let error = unsent(stdout, closing);
            assert!(matches!(error, TransportError::Cut { .. }), "{stdout}: {error}");
        }
    }
    let error = unsent("@ready 1\n@go\n", exit(1));
    assert!(matches!(error, TransportError::Cut { .. }), "{error}");
}

#[test]
fn a_login_whose_output_goes_elsewhere_is_refused_before_anything_is_sent() {
    let (command, wire) = command();
    let error = conclude("", "", exit(super::SILENT)).unwrap_err();
    assert_eq!(error.to_string(), format!("imap1 refused: {ELSEWHERE}"));
    let mut answer = Answer::new(&wire);
    answer.stderr(format!("{}:ready 1\n", wire.prefix).as_bytes());
    assert!(answer.is_hopeless());
    let host = HostName::new("imap1");
    let error = answer.conclude(&host, &command, &wire, Closing::Lost("x")).unwrap_err();
    assert!(error.to_string().ends_with("(it goes to standard error)"), "{error}");
}

#[test]
fn a_refusing_sudo_says_what_sudoers_must_allow() {
    let error = conclude("@ready 1\n", "sudo: a password is required\n", exit(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "imap1 refused: `sudo -n -u vmail -- /bin/sh` failed: allow `/bin/sh` as vmail with NOPASSWD in \
         sudoers (a rule for single commands is not enough). If sudo asks for a terminal, add \
         `Defaults !requiretty`. It printed: sudo: a password is required"
    );
}

#[test]
fn what_a_host_says_before_it_starts_a_command_is_certain() {
    let refused = |line: &str| {
        let stdout = format!("@ready 1\n@{line}\n");
        conclude(&stdout, "sh: cd: no\n", exit(1)).unwrap_err()
    };
    assert_eq!(
        refused("no-dir").to_string(),
        "imap1: cannot enter the directory /srv/mail: sh: cd: no"
    );
    assert!(matches!(refused("damaged"), TransportError::Denied { .. }));
    assert!(matches!(refused("given-up"), TransportError::Repeated { .. }));
    let error = refused("no-record /home/mail/.local/state/planrun/attempts");
    assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("cannot keep a record of the command in /home"), "{error}");
    // Somebody started it, and it was not this process.
    assert!(matches!(refused("taken"), TransportError::Repeated { .. }));
    // It started, and may not have ended.
    assert!(matches!(refused("go\n@left"), TransportError::Cut { .. }));
}

#[test]
fn an_account_without_a_shell_is_a_refusal() {
    let text = "This account is currently not available.\n";
    let error = conclude(text, "", exit(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "imap1 refused: its login ended with status 1 before `/bin/sh` started: This account is \
         currently not available. (the login shell of this user must run `exec /bin/sh`; `sh`, bash, \
         zsh, ksh, tcsh and fish do)"
    );
}

#[test]
fn a_host_that_says_nothing_of_an_attempt_does_not_know() {
    let (_, wire) = command();
    let memory = uuid::Uuid::now_v7().simple();
    let host = HostName::new("imap1");
    let intended = Clock::Real.now();
    for (line, expected) in [
        ("absent 0", Recovered::Absent),
        ("absent -", Recovered::Unknown),
        ("absent", Recovered::Unknown),
        ("absent 99999", Recovered::Unknown),
        ("running", Recovered::Running),
        ("over", Recovered::Over),
        ("ended 7", Recovered::Exited(Exit::Code(7))),
        ("ended ", Recovered::Unknown),
        ("unknown", Recovered::Unknown),
        ("what", Recovered::Unknown),
    ] {
        let mut answer = Answer::new(&wire);
        answer.stdout(format!("{0}:ready {memory}\n{0}:{line}\n", wire.prefix).as_bytes());
        assert_eq!(answer.recovered(&host, intended, &exit(0)), Ok(expected), "{line}");
    }
    let answer = Answer::new(&wire);
    assert!(answer.recovered(&host, intended, &Closing::Lost("it broke")).is_err());
}

#[test]
fn a_memory_that_is_younger_than_the_intent_proves_nothing() {
    let (_, wire) = command();
    let intended = Clock::Real.now();
    std::thread::sleep(Duration::from_millis(5));
    for memory in [uuid::Uuid::now_v7().simple().to_string(), "-".to_owned(), String::new()] {
        let mut answer = Answer::new(&wire);
        answer.stdout(format!("{0}:ready {memory}\n{0}:absent 0\n", wire.prefix).as_bytes());
        let found = answer.recovered(&HostName::new("imap1"), intended, &exit(0));
        assert_eq!(found, Ok(Recovered::Unknown), "{memory}");
    }
}
