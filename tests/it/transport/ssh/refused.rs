//! What is permanent, what may pass, and what is a problem on this machine: by the kind of the error.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

use super::server::Server;
use super::{argv, run};
use planrun::inventory::{Host, Location, Variable};
use planrun::transport::TransportError;

/// Starts a server with these lines, and a look at it that must fail.
async fn refusal(test: &str, more: &str) -> Option<TransportError> {
    let server = Server::start(test, more)?;
    Some(run(&server.host(), &argv(&["true"])).await.unwrap_err())
}

#[track_caller]
fn is_denied(error: &TransportError, words: &str) {
    assert!(matches!(error, TransportError::Denied { .. }), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
}

async fn is_a_problem_here(host: &Host, words: &str) {
    let error = run(host, &argv(&["true"])).await.unwrap_err();
    assert!(matches!(error, TransportError::Controller { .. }), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[tokio::test]
async fn nothing_in_common_is_a_refusal_with_the_names() {
    let Some(error) = refusal("cipher", "Ciphers aes128-cbc").await else {
        return;
    };
    is_denied(&error, "have no cipher in common; the server accepts only aes128-cbc");
    let error = refusal("mac", "Ciphers aes256-ctr\nMACs umac-64@openssh.com").await.unwrap();
    is_denied(&error, "have no MAC in common");
    let old = "KexAlgorithms diffie-hellman-group1-sha1";
    is_denied(&refusal("kex", old).await.unwrap(), "have no key exchange in common");
}

#[tokio::test]
async fn what_openssh_takes_by_default_is_taken() {
    for old in ["Ciphers aes256-ctr\nMACs hmac-sha1", "KexAlgorithms ecdh-sha2-nistp384"] {
        let Some(server) = Server::start("old_algorithms", old) else {
            return;
        };
        let looked = run(&server.host(), &argv(&["true"])).await;
        assert!(looked.is_ok(), "{old}: {looked:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_named() {
    let Some(server) = Server::start("wrong_key", "") else {
        return;
    };
    let mut host = server.host();
    let wrong = text(&server.path("host_ed25519"));
    host.link.identity_file = Some(wrong.clone());
    let error = run(&host, &argv(&["true"])).await.unwrap_err();
    is_denied(&error, &format!("the key {wrong} (not accepted)"));
    assert!(!error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn what_a_host_demands_besides_a_key_is_named() {
    let both = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    let Some(error) = refusal("both", both).await else {
        return;
    };
    is_denied(&error, "(accepted, but the host also requires password)");
    let none = "PasswordAuthentication yes\nPubkeyAuthentication no";
    let error = refusal("no_keys", none).await.unwrap();
    is_denied(&error, "(the host accepts no keys, only password)");
}

#[tokio::test]
async fn a_login_that_the_host_ends_for_its_time_may_pass() {
    let slow = "AuthorizedKeysFile none\nLoginGraceTime 1\nAuthorizedKeysCommand /bin/sleep 4\nAuthorizedKeysCommandUser root";
    let Some(error) = refusal("grace", slow).await else {
        return;
    };
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("closed the connection during the login"), "{error}");
}

#[tokio::test]
async fn a_full_server_may_pass() {
    let Some(server) = Server::start("startups", "MaxStartups 1") else {
        return;
    };
    // The connection that found the server ready may still count: only who is greeted is let in.
    let mut held = None;
    for _ in 0..100 {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        let mut greeting = [0; 4];
        if stream.read_exact(&mut greeting).is_ok() && greeting == *b"SSH-" {
            held = Some(stream);
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let held = held.expect("the server lets one in");
    let error = run(&server.host(), &argv(&["true"])).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error:?}");
    drop(held);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_a_problem_here() {
    let Some(server) = Server::start("key_here", "") else {
        return;
    };
    let mut host = server.host();
    host.link.identity_file = Some(text(&server.path("missing")));
    is_a_problem_here(&host, "missing: No such file").await;

    let waits = server.path("fifo");
    fifo(&waits);
    host.link.identity_file = Some(text(&waits));
    is_a_problem_here(&host, "fifo: it is not a regular file").await;

    fs::write(server.path("broken"), "no key").unwrap();
    host.link.identity_file = Some(text(&server.path("broken")));
    is_a_problem_here(&host, "cannot use the key").await;

    server.keygen("locked", "ed25519", "secret");
    host.link.identity_file = Some(text(&server.path("locked")));
    is_a_problem_here(&host, "locked is passphrase-protected and not in the agent").await;

    host.link.identity_file = None;
    is_a_problem_here(&host, "no key for the login").await;
}

#[tokio::test]
async fn known_hosts_that_cannot_be_read_are_a_problem_here() {
    let Some(server) = Server::start("known_here", "") else {
        return;
    };
    let mut host = server.host();
    let waits = server.path("fifo");
    fifo(&waits);
    for path in [server.path("missing"), waits] {
        host.link.known_hosts = Some(text(&path));
        is_a_problem_here(&host, &format!("cannot read the known_hosts file {}", path.display()))
            .await;
    }
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn a_host_behind_another_way_is_not_connected_to() {
    let Some(server) = Server::start("other_way", "") else {
        return;
    };
    let mut host = server.host();
    let value = serde_json::json!("-W bastion:22");
    let origin = "hosts.yaml".to_owned();
    let variable = Variable { value, written: None, origin, place: Location::default() };
    host.vars.insert("ansible_ssh_common_args".to_owned(), variable);
    is_a_problem_here(&host, "`ansible_ssh_common_args` (hosts.yaml) requires a route").await;
    assert_eq!(server.logins(), 0);
}
