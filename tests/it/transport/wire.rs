//! Requests to a host session, as they are sent.

use std::time::Duration;

use planrun::transport::wire::{GRACE, Privilege, Wire, WireError, session};
use planrun::transport::{AttemptId, Body, Command, File};

use super::{argv, script, upload};

fn user_of(look: &Wire) -> String {
    let text = String::from_utf8_lossy(&look.request);
    text.split(' ').nth(2).unwrap().to_owned()
}

#[test]
fn the_login_user_needs_no_sudo() {
    let mut command = argv(&["true"]);
    command.r#become = Some("root".to_owned());
    let as_root = Wire::new(&command, Some("root"), None, None, GRACE).unwrap();
    assert_eq!(as_root.sudo, None);
    assert_eq!(user_of(&as_root), "-");
    for login in [Some("mail"), None] {
        let wire = Wire::new(&command, login, None, None, GRACE).unwrap();
        assert_eq!(wire.sudo.as_deref(), Some("root"));
        assert_eq!(user_of(&wire), "root");
    }
}

#[test]
fn what_cannot_be_given_is_refused_before_it_is_sent() {
    let refused = |command: &Command| Wire::new(command, None, None, None, GRACE).unwrap_err();
    assert!(matches!(refused(&argv(&["a", "b\0"])), WireError::Nul(_)));
    assert_eq!(refused(&argv(&[])), WireError::Empty);
    assert_eq!(refused(&argv(&[""])), WireError::Empty);
    assert!(matches!(refused(&argv(&["-l"])), WireError::Program(_)));
    let mut with_env = argv(&["true"]);
    with_env.env.insert("A;B".to_owned(), String::new());
    assert!(matches!(refused(&with_env), WireError::Variable(_)));
    for user in ["", "-u", "a b", "a\nrun"] {
        let mut other = argv(&["true"]);
        other.r#become = Some(user.to_owned());
        assert_eq!(refused(&other), WireError::User(user.to_owned()));
    }
    let mut upload = upload(b"a", "/tmp/a");
    let Body::Upload(File { mode, .. }) = &mut upload.body else { unreachable!() };
    *mode = Some("u+x".to_owned());
    assert!(matches!(refused(&upload), WireError::Mode(_)));
    let long = script(&format!("echo {}\0", "x".repeat(100_000)));
    assert!(matches!(refused(&long), WireError::Nul(_)));
}

#[test]
fn an_attempt_is_named_by_a_word_that_no_path_hides_in() {
    let name = |id: &str| {
        let wire = Wire::ask(&AttemptId(id.to_owned()));
        let line = String::from_utf8(wire.request).unwrap();
        line.strip_suffix('\n').unwrap().rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(name("20261130-0042-ab12"), "20261130-0042-ab12");
    for odd in ["", "-", "../x", "a b", ".memory", "a\nask b", "given up"] {
        assert_eq!(name(odd).len(), 64, "{odd:?}");
    }
}

#[test]
fn the_program_is_what_the_request_says_it_is() {
    let mut echo = argv(&["echo", "it's"]);
    echo.timeout = Duration::from_millis(10_500);
    let wire = Wire::new(&echo, None, None, None, GRACE).unwrap();
    let text = String::from_utf8(wire.request).unwrap();
    let (line, program) = text.split_once('\n').unwrap();
    assert!(line.ends_with(&format!(" - {} -", program.len())), "{line}");
    assert!(program.contains("pr_command 10.500 11 5 "), "{program}");
    let id = AttemptId("a-1".to_owned());
    let mut effect = argv(&["cat"]);
    effect.stdin = Some(b"read".to_vec());
    effect.r#become = Some("mail".to_owned());
    let wire = Wire::new(&effect, None, Some(&id), None, GRACE).unwrap();
    let end = wire.request.iter().position(|&byte| byte == b'\n').unwrap();
    let (line, content) = wire.request.split_at(end);
    let line = String::from_utf8(line.to_vec()).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!((words[0], words[2], words[3]), ("run", "a-1", "mail"));
    let lengths: usize = words[4].parse::<usize>().unwrap() + words[5].parse::<usize>().unwrap();
    assert_eq!(lengths, content.len() - 1);
    let (text, prefix) = session(&Privilege::default()).unwrap();
    assert!(!text.contains(&prefix), "an echo of it must not look like an answer");
}
