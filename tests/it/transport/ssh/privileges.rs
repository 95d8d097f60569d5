//! Becoming another user, with a password and by other programs than sudo.

use std::fs;
use std::path::Path;

use super::server::Server;
use super::shells::accounts;
use super::{argv, script, transport};
use planrun::inventory::{BecomeMethod, Host, HostName, SecretFrom};
use planrun::transport::{AttemptId, Command, Exit, Transport, TransportError};

const PASSWORD: &str = "correct-horse%s\\n'$x";

/// A server whose account `plain` has a password, and these rules for sudo.
fn server(test: &str, sudoers: &str) -> Option<Server> {
    if !Path::new("/usr/bin/openssl").exists() || !Path::new("/usr/bin/sudo").exists() {
        return None;
    }
    let quoted = PASSWORD.replace('\'', "'\\''");
    let script = format!(
        "{}\nsed 's/^plain:[*]/plain:x/' $at/passwd >$at/passwords; cat $at/passwords >$at/passwd\n\
         (echo \"plain:$(openssl passwd -6 -salt planrun '{quoted}'):19000:0:99999:7:::\"; \
         cat /etc/shadow) >$at/shadow\n\
         printf '%s\\n' 'Defaults !lecture,!syslog' '{sudoers}' >$at/sudoers\n\
         chmod 600 $at/shadow; chmod 440 $at/sudoers\n\
         mount --bind $at/shadow /etc/shadow; mount --bind $at/sudoers /etc/sudoers",
        accounts()
    );
    Server::start_on(test, "", &script)
}

/// The host with a password for `plain`.
fn host(server: &Server, password: &str) -> Host {
    let file = server.secret("password", &(password.to_owned() + "\n"));
    let mut host = server.host_as("plain");
    host.link.become_password = Some(SecretFrom::File(file));
    host
}

fn as_root(mut command: Command) -> Command {
    command.r#become = Some("root".to_owned());
    command
}

#[tokio::test]
async fn a_password_reaches_sudo_and_is_seen_nowhere() {
    let Some(server) = server("become", "plain ALL=(ALL) /bin/sh") else {
        return;
    };
    let (transport, host) = (transport(), host(&server, PASSWORD));
    transport.log_in(&host, Some("root")).await.unwrap();
    // The pattern does not find itself. This process has the password, and is not the host.
    let seen = "id -un; cat; for file in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do \
                if grep -aqs 'correct-[h]orse' \"$file\"; then echo \"$file\"; fi; done";
    let mut look = as_root(script(seen));
    look.stdin = Some(b"input\n".to_vec());
    for number in 0..2 {
        let id = AttemptId(format!("as-root-{number}"));
        for output in
            [transport.look(&host, &look).await, transport.attempt(&host, &id, &look).await]
        {
            let output = output.unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "root\ninput\n");
            assert_eq!((output.exit, output.stderr_len), (Exit::Code(0), 0));
        }
    }
    let folder = server.path("homes/plain/.local/state/planrun/attempts");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_ne!(path.extension(), Some("pw".as_ref()), "{}", path.display());
        let content = fs::read(&path).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&content).contains("correct-horse"), "{}", path.display());
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_nothing_is_done() {
    let Some(server) = server("wrong_password", "plain ALL=(ALL) /bin/sh") else {
        return;
    };
    let (transport, host) = (transport(), host(&server, "battery-staple"));
    let mark = server.path("mark");
    let touch = as_root(argv(&["touch", mark.to_str().unwrap()]));
    let looked = transport.log_in(&host, Some("root")).await.unwrap_err();
    let sent = transport.attempt(&host, &AttemptId("wrong".to_owned()), &touch).await.unwrap_err();
    for error in [looked, sent] {
        assert!(matches!(error, TransportError::Denied { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("check the password (`planrun_become_password`)"), "{text}");
        assert!(text.contains("1 incorrect password attempt"), "{text}");
        assert!(!text.contains("battery"), "{text}");
    }
    assert!(!mark.exists());
    // Another host with the same password is not asked: accounts are locked after a few failures.
    let other = Host { name: HostName::new("other"), ..host.clone() };
    let error = transport.log_in(&other, Some("root")).await.unwrap_err();
    assert!(matches!(error, TransportError::Denied { .. }), "{error:?}");
    assert!(
        error.to_string().contains("not tried: a try with the same password failed"),
        "{error}"
    );
    let mut without = host.clone();
    without.link.become_password = None;
    let error = super::transport().log_in(&without, Some("root")).await.unwrap_err();
    assert!(error.to_string().contains("or set `planrun_become_password`"), "{error}");
}

#[tokio::test]
async fn a_password_that_is_not_asked_for_does_no_harm() {
    let Some(server) = server("not_asked", "plain ALL=(ALL) NOPASSWD: /bin/sh") else {
        return;
    };
    let (transport, host) = (transport(), host(&server, PASSWORD));
    let look = as_root(script("id -un; cat"));
    let output = transport.look(&host, &look).await.unwrap();
    assert_eq!((&output.stdout[..], output.stderr_len), (&b"root\n"[..], 0));
    let sent = transport.attempt(&host, &AttemptId("not-asked".to_owned()), &look).await.unwrap();
    assert_eq!((&sent.stdout[..], sent.stderr_len), (&b"root\n"[..], 0));
}

#[tokio::test]
async fn a_sudo_that_requires_a_terminal_is_explained() {
    let rules = "Defaults requiretty\nplain ALL=(ALL) /bin/sh".replace('\n', "' '");
    let Some(server) = server("requiretty", &rules) else {
        return;
    };
    let error = transport().log_in(&host(&server, PASSWORD), Some("root")).await.unwrap_err();
    assert!(matches!(error, TransportError::Denied { .. }), "{error:?}");
    assert!(error.to_string().contains("add `Defaults !requiretty`"), "{error}");
}

#[tokio::test]
async fn a_user_that_does_not_exist_is_named_whatever_the_method() {
    let Some(server) = Server::start("no_user", "") else {
        return;
    };
    let (mut host, mark) = (server.host(), server.path("mark"));
    for method in [BecomeMethod::Sudo, BecomeMethod::Su, BecomeMethod::Doas] {
        host.link.become_method = method;
        let mut touch = argv(&["touch", mark.to_str().unwrap()]);
        touch.r#become = Some("no-such-user".to_owned());
        let id = AttemptId(format!("no-user-{}-{}", method.name(), server.port()));
        for error in [
            transport().log_in(&host, Some("no-such-user")).await.unwrap_err(),
            transport().attempt(&host, &id, &touch).await.unwrap_err(),
        ] {
            assert!(matches!(error, TransportError::Denied { .. }), "{error:?}");
            assert!(
                error.to_string().ends_with("the user no-such-user does not exist on it"),
                "{error}"
            );
        }
    }
    assert!(!mark.exists());
}

#[tokio::test]
async fn other_programs_become_another_user() {
    let stub = "mount -t tmpfs none /usr/local/bin\n\
                printf '%s\\n' '#!/bin/sh' '[ \"$1 $2 $3\" = \"-n -u mail\" ] || exit 7' 'shift 3' \
                'echo by doas >&2' 'exec \"$@\"' >/usr/local/bin/doas; chmod 755 /usr/local/bin/doas";
    let Some(server) = Server::start_on("methods", "", stub) else {
        return;
    };
    let mut look = script("id -un; cat");
    look.r#become = Some("mail".to_owned());
    look.stdin = Some(b"input\n".to_vec());
    for (method, user, said) in
        [(BecomeMethod::Su, "mail", ""), (BecomeMethod::Doas, "root", "by doas\n")]
    {
        let mut host = server.host();
        host.link.become_method = method;
        let transport = transport();
        let id = AttemptId(format!("by-{}-{}", method.name(), server.port()));
        for output in
            [transport.look(&host, &look).await, transport.attempt(&host, &id, &look).await]
        {
            let output = output.unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{user}\ninput\n"));
            assert_eq!(String::from_utf8_lossy(&output.stderr), said);
        }
        look.r#become = Some(if said.is_empty() { "mail" } else { "nobody" }.to_owned());
        if method == BecomeMethod::Doas {
            let error = transport.look(&host, &look).await.unwrap_err();
            assert!(error.to_string().contains("add `permit nopass`"), "{error}");
        }
    }
}
