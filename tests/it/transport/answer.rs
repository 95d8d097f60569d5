//! What the lines of a host session and the ends of a channel mean together.

use std::time::Duration;

use planrun::clock::Clock;
use planrun::inventory::HostName;
use planrun::transport::answer::{Answer, Closing, Greeting, Stream};
use planrun::transport::wire::{GRACE, Wire};
use planrun::transport::{AttemptId, Command, Exit, MAX_OUTPUT, Output, Recovered, TransportError};

use super::argv;

/// The exit code of a session that finds the end of its input instead of a request.
const SILENT: i32 = 99;

const PREFIX: &str = "planrun:7";

fn host() -> HostName {
    HostName::new("imap1")
}

fn command() -> (Command, Wire) {
    let mut command = argv(&["true"]);
    command.dir = Some("/srv/mail".to_owned());
    command.r#become = Some("vmail".to_owned());
    let wire = Wire::new(&command, Some("root"), None, None, GRACE).unwrap();
    (command, wire)
}

/// Concludes after standard output, in which `@` is the prefix, and standard error.
fn conclude(stdout: &str, stderr: &str, closing: &Closing) -> Result<Output, TransportError> {
    let (command, wire) = command();
    let mut answer = Answer::new(&wire);
    let whole = |text: &str| text.replace('@', &format!("{}:", wire.prefix));
    answer.take(Stream::Out, whole(stdout).as_bytes());
    answer.take(Stream::Err, whole(stderr).as_bytes());
    answer.conclude(&host(), &command, &wire, closing)
}

/// Says why a login is not usable that printed this, in which `@` is the prefix.
fn failure(stdout: &str, stderr: &str, closing: &Closing) -> TransportError {
    let mut greeting = Greeting::new(PREFIX);
    greeting.take(Stream::Out, stdout.replace('@', "planrun:7:").as_bytes());
    greeting.take(Stream::Err, stderr.replace('@', "planrun:7:").as_bytes());
    assert!(!greeting.is_ready());
    greeting.failure(&host(), closing)
}

fn exit(code: i32) -> Closing {
    Closing::Exit(Exit::Code(code))
}

#[test]
fn noise_before_a_session_is_dropped_wherever_the_pieces_break() {
    let whole = "Welcome!\nplanrun:0:ready\nno newlineplanrun:7:ready\n";
    for size in 1..whole.len() {
        let mut greeting = Greeting::new(PREFIX);
        for piece in whole.as_bytes().chunks(size) {
            assert!(!greeting.is_ready());
            greeting.take(Stream::Out, piece);
        }
        assert!(greeting.is_ready());
    }
}

#[test]
fn the_output_of_a_look_is_found_wherever_the_pieces_break() {
    let (command, wire) = command();
    let prefix = &wire.prefix;
    let whole =
        format!("lecture\n{prefix}:go\nout planrun\nput{prefix}:end 3\nlate{prefix}:done\n");
    for size in 1..whole.len() {
        let mut answer = Answer::new(&wire);
        answer.take(Stream::Err, format!("{prefix}:end 3\n{prefix}:done\n").as_bytes());
        for piece in whole.as_bytes().chunks(size) {
            assert!(!answer.is_over());
            answer.take(Stream::Out, piece);
        }
        assert!(answer.is_complete());
        let output = answer.conclude(&host(), &command, &wire, &Closing::Said).unwrap();
        assert_eq!(output, Output::new(Exit::Code(3), "out planrun\nputlate", ""));
    }
}

/// The answer of a host to the attempt `a`, in which `@` is the prefix of the answer and `%` the one of the
/// request that started it.
fn of_effect(text: &str, size: usize) -> Answer {
    let mut wire = Wire::ask(&AttemptId("a".to_owned()));
    "planrun:8".clone_into(&mut wire.prefix);
    let mut answer = Answer::new(&wire);
    let text = text.replace('@', "planrun:8:").replace('%', "planrun:7:");
    for piece in text.as_bytes().chunks(size) {
        answer.take(Stream::Out, piece);
    }
    answer.take(Stream::Err, b"planrun:8:done\n");
    answer
}

#[test]
fn the_streams_of_an_effect_come_whole_and_hold_no_line_of_the_session() {
    // What it printed looks like an answer, and is none.
    let text = "@ended 3 7 40 5 17 0\n%go\nplanrun:8:ended 0 7 0 0 0 0\nplanrun:8:done\nx@done\n";
    for size in 1..text.len() {
        let answer = of_effect(text, size);
        assert!(answer.is_complete(), "{size}");
        let found = answer.recovered(&host(), Clock::Real.now(), &Closing::Said).unwrap();
        let Recovered::Ended(output) = found else { panic!("{found:?}") };
        assert_eq!(output.exit, Exit::Code(3), "{size}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "planrun:8:ended 0 7 0 0 0 0");
        assert_eq!(output.stdout_len, 27 + 5);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "\nplanrun:8:done\nx");
    }
}

#[test]
fn the_status_of_sudo_is_that_of_the_command_only_if_that_is_certain() {
    let intended = Clock::Real.now();
    let found =
        |text: &str| of_effect(text, 5).recovered(&host(), intended, &Closing::Said).unwrap();
    let ended = |exit| Recovered::Ended(Output::new(exit, "", ""));
    assert_eq!(found("@ended 1/sudo 7 0 0 0 0\n@done\n"), Recovered::Absent);
    assert_eq!(found("@ended 1/sudo 7 0 - 0 0\n@done\n"), Recovered::Over);
    assert_eq!(found("@ended 1/sudo 7 13 0 0 0\n%go\n@done\n"), ended(Exit::Code(1)));
    assert_eq!(found("@ended 143/sudo 7 13 0 0 0\n%go\n@done\n"), Recovered::Over);
    let end = "@ended 142/sudo 7 34 0 0 0\n%go\n%end timeout\n@done\n";
    assert_eq!(found(&end.replace("34", "35")), ended(Exit::TimedOut));
    assert_eq!(found("@ended 143 7 13 0 0 0\n%go\n@done\n"), ended(Exit::Signal("TERM".into())));
    // What was lost is not taken for nothing.
    let Recovered::Ended(output) = found("@ended 0 7 0 lost 0 0\n@done\n") else {
        panic!("it ended")
    };
    assert_eq!((output.stdout.len(), output.stdout_len), (0, 1));
}

#[test]
fn a_login_that_prints_without_end_is_given_up() {
    let mut greeting = Greeting::new(PREFIX);
    let mut pieces = 0;
    while !greeting.is_hopeless() {
        greeting.take(Stream::Out, &[b'y', b'\n'].repeat(16 * 1024));
        pieces += 1;
    }
    assert!(pieces <= 33, "{pieces}");
    let error = greeting.failure(&host(), &Closing::Lost("x"));
    assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("prints more than 1 MiB"), "{error}");
}

#[test]
fn output_is_capped_and_counted() {
    let long = "e".repeat(MAX_OUTPUT - 1) + "ab";
    let output = conclude("@go\n@end 0\n", &long, &Closing::Said).unwrap();
    assert_eq!(output.stderr.len(), MAX_OUTPUT);
    assert_eq!(output.stderr.last(), Some(&b'a'));
    assert_eq!(output.stderr_len, MAX_OUTPUT as u64 + 1);
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
        let output = conclude(&format!("@go\n@end {said}\n"), "", &Closing::Said);
        assert_eq!(output.unwrap().exit, expected, "{said}");
    }
}

#[test]
fn only_a_session_that_was_not_ready_has_received_nothing() {
    for closing in [exit(0), exit(1), exit(99), Closing::Refused] {
        let error = failure("hello\n", "", &closing);
        assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    }
    let error = failure("hello\n", "", &Closing::Lost("it broke"));
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("it broke; it printed: hello"), "{error}");
    // What was killed refused nothing: it is tried again.
    let error = failure("hello\n", "", &Closing::Exit(Exit::Signal("KILL".to_owned())));
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("killed by signal KILL: hello"), "{error}");
    // From there on, silence proves nothing.
    for stdout in ["", "@go\n", "@go\n@end x\n"] {
        for closing in [Closing::Lost("it broke"), exit(1)] {
            let error = conclude(stdout, "", &closing).unwrap_err();
            assert!(matches!(error, TransportError::Cut { .. }), "{stdout}: {error}");
        }
    }
}

#[test]
fn a_login_whose_output_goes_elsewhere_is_refused_before_anything_is_sent() {
    let error = failure("", "", &exit(SILENT));
    assert!(error.to_string().contains("its standard output does not arrive"), "{error}");
    let error = failure("", "@ready\n", &Closing::Lost("x"));
    assert!(error.to_string().ends_with("(it goes to standard error)"), "{error}");
}

#[test]
fn a_refusing_sudo_says_what_sudoers_must_allow() {
    let stderr = "sudo: a password is required\n@done\n";
    let error = conclude("@done\n", stderr, &Closing::Said).unwrap_err();
    assert_eq!(
        error.to_string(),
        "imap1 refused: `sudo -n -u vmail -- /bin/sh` failed: allow `/bin/sh` as vmail with NOPASSWD in \
         sudoers (a rule for single commands is not enough), or set `planrun_become_password`. If sudo asks for a terminal, add \
         `Defaults !requiretty`. It printed: sudo: a password is required"
    );
}

#[test]
fn what_a_host_says_before_it_starts_a_command_is_certain() {
    let refused = |line: &str| {
        let stdout = format!("@{line}\n@done\n");
        conclude(&stdout, "sh: cd: no\n@done\n", &Closing::Said).unwrap_err()
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
    // What waited for it is gone.
    for line in ["running", "over", "unknown"] {
        assert!(matches!(refused(line), TransportError::Cut { .. }), "{line}");
    }
}

#[test]
fn an_account_without_a_shell_is_a_refusal() {
    let text = "This account is currently not available.\n";
    let error = failure(text, "", &exit(1));
    assert_eq!(
        error.to_string(),
        "imap1 refused: its login ended with status 1 before `/bin/sh` started: This account is \
         currently not available. (the login shell of this user must run `exec /bin/sh`; `sh`, bash, \
         zsh, ksh, tcsh and fish do)"
    );
}

#[test]
fn a_host_that_says_nothing_of_an_attempt_does_not_know() {
    let memory = uuid::Uuid::now_v7().simple();
    let intended = Clock::Real.now();
    for (line, expected) in [
        (format!("absent 0 {memory}"), Recovered::Absent),
        (format!("absent - {memory}"), Recovered::Unknown),
        ("absent".to_owned(), Recovered::Unknown),
        (format!("absent 99999 {memory}"), Recovered::Unknown),
        ("unbegun".to_owned(), Recovered::Absent),
        ("running".to_owned(), Recovered::Running),
        ("over".to_owned(), Recovered::Over),
        // As earlier versions left it.
        ("ended 7".to_owned(), Recovered::Exited(Exit::Code(7))),
        ("ended ".to_owned(), Recovered::Unknown),
        ("unknown".to_owned(), Recovered::Unknown),
        ("what".to_owned(), Recovered::Unknown),
    ] {
        let answer = of_effect(&format!("@{line}\n@done\n"), 7);
        assert_eq!(answer.recovered(&host(), intended, &Closing::Said), Ok(expected), "{line}");
    }
    let answer = of_effect("@ended 0 7 9 0 0 0\nhalf", 7);
    assert!(answer.recovered(&host(), intended, &Closing::Lost("it broke")).is_err());
}

#[test]
fn a_memory_that_is_younger_than_the_intent_proves_nothing() {
    let intended = Clock::Real.now();
    std::thread::sleep(Duration::from_millis(5));
    for memory in [uuid::Uuid::now_v7().simple().to_string(), "-".to_owned(), String::new()] {
        let answer = of_effect(&format!("@absent 0 {memory}\n@done\n"), 9);
        let found = answer.recovered(&host(), intended, &Closing::Said);
        assert_eq!(found, Ok(Recovered::Unknown), "{memory}");
    }
}
