//! Passwords and passphrases for a login: where they come from, who is asked, and how often they are tried.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::server::Server;
use super::{argv, options, transport};
use planrun::inventory::{Host, HostName, SecretFrom};
use planrun::secret::Secret;
use planrun::transport::passwords::{Ask, Passwords};
use planrun::transport::ssh::SshTransport;
use planrun::transport::{Exit, Transport, TransportError};

const PASSWORD: &str = "correct-horse";

/// An operator who answers each question with the same words, and counts.
struct Operator(&'static str, Cell<usize>);

#[async_trait(?Send)]
impl Ask for Operator {
    async fn ask(&self, prompt: &str) -> Option<Secret> {
        assert!(prompt.contains("assword"), "{prompt}");
        self.1.set(self.1.get() + 1);
        Some(Secret::text(self.0))
    }
}

fn asking(answer: &'static str) -> (Rc<Operator>, SshTransport) {
    let operator = Rc::new(Operator(answer, Cell::new(0)));
    let asked: Rc<dyn Ask> = Rc::<Operator>::clone(&operator);
    (operator, SshTransport::with(options(), Rc::new(Passwords::of(asked))))
}

async fn error(host: &Host) -> TransportError {
    transport().look(host, &argv(&["true"])).await.unwrap_err()
}

/// Returns the same host by other names.
fn named<const N: usize>(host: &Host, names: [&str; N]) -> [Host; N] {
    names.map(|name| Host { name: HostName::new(name), ..host.clone() })
}

fn failed_passwords(server: &Server) -> usize {
    fs::read_to_string(server.path("log")).unwrap().matches("Failed password").count()
}

/// Returns lines that give root a password, on a server of its own.
fn password(test: &str, more: &str) -> Option<Server> {
    let shadow = "(echo 'root:'$(openssl passwd -6 -salt planrun correct-horse)':19000:0:99999:7:::'; grep -v ^root: /etc/shadow) \
         >$at/shadow; chmod 600 $at/shadow; mount --bind $at/shadow /etc/shadow";
    if !Path::new("/usr/bin/openssl").exists() {
        return None;
    }
    Server::start_on(test, &format!("PasswordAuthentication yes\n{more}"), shadow)
}

#[tokio::test]
async fn a_password_comes_from_a_file_alone_or_after_a_key() {
    let Some(server) = password("password", "AuthenticationMethods password publickey,password")
    else {
        return;
    };
    let mut host = server.host();
    let from = |name: &str, text: &str| Some(SecretFrom::File(server.secret(name, text)));
    host.link.password = from("right", "correct-horse\n");
    for key in [host.link.identity_file.clone(), None] {
        host.link.identity_file = key;
        let looked = transport().look(&host, &argv(&["true"])).await;
        assert!(looked.is_ok(), "{looked:?}");
    }
    host.link.password = from("wrong", "battery-staple\n");
    let denied = error(&host).await;
    assert!(matches!(denied, TransportError::Denied { .. }), "{denied:?}");
    assert!(denied.to_string().contains("the password (not accepted)"), "{denied}");
    assert!(!denied.to_string().contains("battery"), "{denied}");
    host.link.password = Some(SecretFrom::Env("PLANRUN_TEST_NO_SUCH".to_owned()));
    let here = error(&host).await;
    assert!(matches!(here, TransportError::Controller { .. }), "{here:?}");
}

#[tokio::test]
async fn a_passphrase_comes_from_the_inventory() {
    let Some(server) = Server::start("passphrase", "") else {
        return;
    };
    server.keygen("locked", "ed25519", "open-sesame");
    fs::copy(server.path("locked.pub"), server.path("user_key.pub")).unwrap();
    let mut host = server.host();
    host.link.identity_file = Some(server.path("locked").to_str().unwrap().to_owned());
    host.link.passphrase = Some(SecretFrom::File(server.secret("passphrase", "open-sesame")));
    let looked = transport().look(&host, &argv(&["true"])).await;
    assert_eq!(looked.unwrap().exit, Exit::Code(0));
    server.secret("passphrase", "wrong");
    let here = error(&host).await;
    assert!(matches!(here, TransportError::Controller { .. }), "{here:?}");
    assert!(here.to_string().contains("wrong passphrase for"), "{here}");
}

#[tokio::test]
async fn a_password_file_that_others_can_read_is_not_used() {
    let Some(server) = password("open_file", "AuthenticationMethods password") else {
        return;
    };
    let mut host = server.host();
    let file = server.secret("password", PASSWORD);
    host.link.password = Some(SecretFrom::File(file.clone()));
    assert!(transport().look(&host, &argv(&["true"])).await.is_ok());
    for mode in [0o640, 0o604] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let here = error(&host).await;
        assert!(matches!(here, TransportError::Controller { .. }), "{here:?}");
        assert!(
            here.to_string().contains("it can be read by other users, and is not used"),
            "{here}"
        );
    }
    assert_eq!(failed_passwords(&server), 0);
}

#[tokio::test]
async fn the_operator_is_asked_if_a_server_accepts_only_a_password() {
    let Some(server) = password("only_password", "AuthenticationMethods password") else {
        return;
    };
    let mut host = server.host();
    let key = host.link.identity_file.take();
    for key in [None, key] {
        host.link.identity_file = key;
        let (operator, transport) = asking(PASSWORD);
        let input = argv(&["cat"]);
        // What is long has a connection of its own, and another login.
        for length in [1, 3_000_000] {
            let mut look = input.clone();
            look.stdin = Some(vec![b'x'; length]);
            let output = transport.look(&host, &look).await.unwrap();
            assert_eq!((output.exit, output.stdout_len), (Exit::Code(0), length as u64));
        }
        assert_eq!(operator.1.get(), 1);
    }

    // Without a terminal, the message says what is missing.
    host.link.identity_file = None;
    let here = error(&host).await;
    assert!(matches!(here, TransportError::Controller { .. }), "{here:?}");
    assert!(here.to_string().contains("no key for the login"), "{here}");
    assert!(here.to_string().contains("the host accepts only password"), "{here}");

    // Nor is it asked for where a key was refused.
    let Some(both) = password("both", "AuthorizedKeysFile none") else {
        return;
    };
    let (operator, transport) = asking(PASSWORD);
    let denied = transport.look(&both.host(), &argv(&["true"])).await.unwrap_err();
    assert!(matches!(denied, TransportError::Denied { .. }), "{denied:?}");
    assert_eq!(operator.1.get(), 0);

    // A wrong answer is sent once, however often the host is asked for.
    let (operator, transport) = asking("battery-staple");
    for words in [
        "the answers at the terminal (not accepted)",
        "not tried: a try with the same password failed",
    ] {
        let denied = transport.look(&host, &argv(&["true"])).await.unwrap_err();
        assert!(matches!(denied, TransportError::Denied { .. }), "{denied:?}");
        assert!(denied.to_string().contains(words), "{denied}");
    }
    assert_eq!((operator.1.get(), failed_passwords(&server)), (1, 1));
}

#[tokio::test]
async fn a_wrong_password_that_hosts_share_is_sent_once() {
    let Some(server) = password("shared", "AuthenticationMethods password") else {
        return;
    };
    let mut host = server.host();
    host.link.password = Some(SecretFrom::File(server.secret("password", "battery-staple")));
    let hosts = named(&host, ["web1", "web2", "web3", "web4"]);
    let transport = transport();
    let looked = join_all(
        hosts.iter().map(async |host| transport.look(host, &argv(&["true"])).await.unwrap_err()),
    )
    .await;
    let of = |words: &str| looked.iter().filter(|error| error.to_string().contains(words)).count();
    assert_eq!(
        (of("the password (not accepted)"), of("not tried: a try with the same password failed")),
        (1, 3)
    );
    assert!(
        looked.iter().all(|error| matches!(error, TransportError::Denied { .. })),
        "{looked:?}"
    );
    assert_eq!(failed_passwords(&server), 1);
}

#[tokio::test]
async fn a_password_that_one_host_accepts_is_sent_to_all() {
    let Some(server) = password("accepted", "AuthenticationMethods password") else {
        return;
    };
    let Some(other) =
        Server::start("not_accepted", "PasswordAuthentication yes\nAuthenticationMethods password")
    else {
        return;
    };
    let mut host = server.host();
    host.link.password = Some(SecretFrom::File(server.secret("password", PASSWORD)));
    let [first, second] = named(&host, ["web1", "web3"]);
    let strange = Host { name: HostName::new("web2"), ..other.host() };
    let strange = Host {
        link: planrun::inventory::Link {
            password: host.link.password.clone(),
            ..strange.link.clone()
        },
        ..strange
    };
    let transport = transport();
    assert!(transport.look(&first, &argv(&["true"])).await.is_ok());
    let denied = transport.look(&strange, &argv(&["true"])).await.unwrap_err();
    assert!(denied.to_string().contains("the password (not accepted)"), "{denied}");
    assert!(transport.look(&second, &argv(&["true"])).await.is_ok());
}
