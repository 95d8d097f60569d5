//! The ways to a host that OpenSSH's configuration names: jump hosts, programs, names, algorithms.
//!
//! Each server is one process of `sshd`; a configuration of the test, given by `-F`, says which host is
//! behind which.

use std::fs;
use std::time::Duration;

use tokio::task::JoinSet;

use super::server::Server;
use super::{argv, options, processes_of, script, transport};
use planrun::inventory::{Host, HostName};
use planrun::transport::ssh::{SshOptions, SshTransport};
use planrun::transport::{Transport, TransportError};

/// Returns a host that is reached by its name alone, as the configuration says.
fn named(server: &Server, name: &str, configuration: &str) -> Host {
    let file = server.path("ssh_config");
    let key = server.path("user_key");
    let known = server.path("known_hosts");
    let common = format!(
        "{configuration}\nHost *\n  User root\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        key.display(),
        known.display()
    );
    fs::write(&file, common).unwrap();
    let mut host = server.host();
    host.name = HostName::new(name);
    name.clone_into(&mut host.link.address);
    (host.link.port, host.link.identity_file, host.link.known_hosts) = (None, None, None);
    host.link.ssh_args = vec!["-F".to_owned(), file.to_str().unwrap().to_owned()];
    host
}

/// Returns the block of a server in a configuration.
fn block(name: &str, server: &Server, more: &str) -> String {
    format!("Host {name}\n  HostName 127.0.0.1\n  Port {}\n  {more}\n", server.port())
}

/// Lets a server in with the key of another one, and makes it known there.
fn joined(server: &Server, first: &Server) {
    fs::copy(first.path("user_key.pub"), server.path("user_key.pub")).unwrap();
    let known = fs::read_to_string(server.path("known_hosts")).unwrap();
    let all = fs::read_to_string(first.path("known_hosts")).unwrap() + &known;
    fs::write(first.path("known_hosts"), all).unwrap();
}

/// Starts servers that know each other: the last one is the target.
fn chain<const N: usize>(test: &str, more: [&str; N]) -> Option<[Server; N]> {
    let servers: Vec<Server> = more.iter().filter_map(|more| Server::start(test, more)).collect();
    let servers: [Server; N] = servers.try_into().ok()?;
    let (first, others) = servers.split_first()?;
    for server in others {
        joined(server, first);
    }
    Some(servers)
}

async fn error(host: &Host) -> TransportError {
    transport().look(host, &argv(&["true"])).await.unwrap_err()
}

#[tokio::test]
async fn two_jump_hosts_each_verified_and_logged_in_to() {
    let Some([one, two, last]) = chain("two_jumps", ["", "", ""]) else {
        return;
    };
    let configuration = block("one", &one, "")
        + &block("two", &two, "ProxyJump one")
        + &block("web1", &last, "ProxyJump two");
    let host = named(&one, "web1", &configuration);
    let look = script("echo $SSH_CONNECTION");
    let output = transport().look(&host, &look).await.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).ends_with(&format!(" {}\n", last.port())));
    assert_eq!([one.logins(), two.logins(), last.logins()], [1, 1, 1]);

    // The same on one line, with user and port of the hops.
    let configuration = block("web1", &last, "")
        + &format!(
            "Host *\n  ProxyJump root@127.0.0.1:{},ssh://127.0.0.1:{}\n",
            one.port(),
            two.port()
        );
    let mut host = named(&one, "web1", &configuration);
    // A jump host has the configuration, too: this one would never end.
    let text = error(&host).await.to_string();
    assert!(text.contains("leads back to a host on the way"), "{text}");
    let configuration = configuration.replace("Host *", "Host web1");
    host = named(&one, "web1", &configuration);
    assert!(transport().look(&host, &look).await.is_ok());
    assert_eq!([one.logins(), two.logins(), last.logins()], [2, 2, 2]);
}

#[tokio::test]
async fn hosts_behind_a_jump_host_share_its_connection() {
    let Some([gate, last]) = chain("shared_jump", ["MaxStartups 1\nMaxSessions 1", ""]) else {
        return;
    };
    let configuration = block("gate", &gate, "") + &block("web*", &last, "ProxyJump gate");
    let host = named(&gate, "web1", &configuration);
    let transport = std::rc::Rc::new(transport());
    let tasks = tokio::task::LocalSet::new();
    let looks = async {
        let mut looks = JoinSet::new();
        for number in 0..12 {
            let (transport, mut host) = (std::rc::Rc::clone(&transport), host.clone());
            host.name = HostName::new(format!("web{number}"));
            host.link.address = format!("web{number}");
            looks.spawn_local(async move {
                let mut cat = argv(&["cat"]);
                cat.stdin = Some(vec![b'x'; 300_000]);
                transport.look(&host, &cat).await.unwrap().stdout_len
            });
        }
        looks.join_all().await
    };
    assert_eq!(tasks.run_until(looks).await, [300_000; 12]);
    assert_eq!(gate.logins(), 1);
}

#[tokio::test]
async fn the_name_of_a_host_is_resolved_by_the_last_jump_host() {
    let own_names = "echo 127.0.0.1 inner.invalid >$at/hosts; mount --bind $at/hosts /etc/hosts";
    let Some(gate) = Server::start_on("names", "", own_names) else {
        return;
    };
    let Some(last) = Server::start("names", "") else {
        return;
    };
    joined(&last, &gate);
    let line = format!("[inner.invalid]:{} {}\n", last.port(), last.public_key("host_ed25519"));
    let all = fs::read_to_string(gate.path("known_hosts")).unwrap() + &line;
    fs::write(gate.path("known_hosts"), all).unwrap();
    let configuration = block("gate", &gate, "")
        + &format!("Host inner.invalid\n  Port {}\n  ProxyJump gate\n", last.port());
    let host = named(&gate, "inner.invalid", &configuration);
    let looked = transport().look(&host, &argv(&["true"])).await;
    assert!(looked.is_ok(), "{looked:?}");
    let host = named(
        &gate,
        "outer.invalid",
        &(configuration.clone() + &configuration.replace("inner", "outer")),
    );
    let error = error(&host).await;
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error:?}");
    assert!(
        error.to_string().contains("the jump host gate cannot connect to outer.invalid"),
        "{error}"
    );
}

#[tokio::test]
async fn a_jump_host_that_is_not_passed_is_named_with_the_reason() {
    let Some([gate, last]) = chain("refusing_jump", ["", ""]) else {
        return;
    };
    let configuration = block("gate", &gate, "") + &block("web1", &last, "ProxyJump gate");
    let host = named(&gate, "web1", &configuration);
    let known = fs::read_to_string(gate.path("known_hosts")).unwrap();

    fs::write(gate.path("known_hosts"), known.lines().next().unwrap()).unwrap();
    let unknown = error(&host).await;
    assert!(matches!(unknown, TransportError::HostKey { .. }), "{unknown:?}");
    fs::write(gate.path("known_hosts"), known.lines().nth(1).unwrap()).unwrap();
    let unknown = error(&host).await;
    assert!(matches!(unknown, TransportError::HostKey { .. }), "{unknown:?}");
    // One of the two lines is the jump host's.
    fs::write(gate.path("known_hosts"), "").unwrap();
    let unknown = error(&host).await.to_string();
    assert!(unknown.contains("jump host gate: its host key is unknown"), "{unknown}");
    fs::write(gate.path("known_hosts"), known).unwrap();

    let allowed = fs::read(gate.path("user_key.pub")).unwrap();
    fs::write(gate.path("user_key.pub"), "").unwrap();
    let denied = error(&host).await;
    assert!(matches!(denied, TransportError::Denied { .. }), "{denied:?}");
    assert!(
        denied.to_string().contains("jump host gate: login as root failed: the key"),
        "{denied}"
    );
    fs::write(gate.path("user_key.pub"), allowed).unwrap();

    let nowhere =
        block("gate", &gate, "") + "Host web1\n  HostName 127.0.0.1\n  Port 1\n  ProxyJump gate\n";
    let away = error(&named(&gate, "web1", &nowhere)).await;
    assert!(matches!(away, TransportError::Unreachable { .. }), "{away:?}");
    assert!(
        away.to_string().contains("the jump host gate cannot connect to 127.0.0.1:1"),
        "{away}"
    );
    assert_eq!(last.logins(), 0);

    let Some([gate, last]) = chain("forbidding_jump", ["AllowTcpForwarding no", ""]) else {
        return;
    };
    let configuration = block("gate", &gate, "") + &block("web1", &last, "ProxyJump gate");
    let forbidden = error(&named(&gate, "web1", &configuration)).await;
    assert!(matches!(forbidden, TransportError::Denied { .. }), "{forbidden:?}");
    assert!(forbidden.to_string().contains("allow it with `AllowTcpForwarding`"), "{forbidden}");
}

#[tokio::test]
async fn a_program_is_the_way_and_ends_with_the_connection() {
    let Some(server) = Server::start("proxy", "") else {
        return;
    };
    let mark = format!("mark{}", server.port());
    let relay = format!(
        "ProxyCommand bash -c 'exec 3<>/dev/tcp/$0/$1; cat <&3 & exec cat >&3' 127.0.0.1 %p {mark}"
    );
    let configuration =
        format!("Host web1\n  HostKeyAlias gold\n  Port {}\n  {relay}\n", server.port());
    let host = named(&server, "web1", &configuration);
    let known = format!("gold {}\n", server.public_key("host_ed25519"));
    fs::write(server.path("known_hosts"), known).unwrap();
    let transport = transport();
    let looked = transport.look(&host, &argv(&["true"])).await;
    assert!(looked.is_ok(), "{looked:?}");
    drop(transport);
    for _ in 0..200 {
        if processes_of(&mark) == 0 {
            break;
        }
        planrun::clock::Clock::Real.sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(processes_of(&mark), 0);

    let configuration = "Host web1\n  ProxyCommand echo no route today >&2; exit 1\n";
    let away = error(&named(&server, "web1", configuration)).await;
    assert!(matches!(away, TransportError::Unreachable { .. }), "{away:?}");
    assert!(away.to_string().contains("it printed: no route today"), "{away}");

    let configuration = "Host web1\n  ConnectTimeout 1\n  ProxyCommand sleep 60\n";
    let silent = error(&named(&server, "web1", configuration)).await;
    assert!(silent.to_string().contains("the login did not start in 1 s"), "{silent}");
}

#[tokio::test]
async fn the_inventory_comes_before_the_configuration() {
    let Some(server) = Server::start("precedence", "") else {
        return;
    };
    let wrong = "Host web1\n  HostName 127.0.0.1\n  Port 1\n  User nobody\n";
    let mut host = named(&server, "web1", wrong);
    assert!(error(&host).await.to_string().contains("127.0.0.1:1 refuses"));
    host.link.port = Some(server.port());
    host.link.user = Some("root".to_owned());
    assert!(transport().look(&host, &argv(&["true"])).await.is_ok());
    // Options of the inventory come before the file, and variables before both.
    host.link.ssh_args.extend(["-p", "2", "-o", "HostName=127.0.0.2"].map(str::to_owned));
    let text = error(&host).await.to_string();
    assert!(text.contains(&format!("127.0.0.2:{} refuses", server.port())), "{text}");
}

#[tokio::test]
async fn what_cannot_be_followed_is_an_error_that_names_option_and_place() {
    let Some(server) = Server::start("refused_options", "") else {
        return;
    };
    for (option, words) in [
        ("RevokedHostKeys /etc/revoked", "the ssh option `RevokedHostKeys` is not supported (see "),
        ("BindAddress 127.0.0.9", "the ssh option `BindAddress` is not supported (see "),
        ("KnownHostsCommand /bin/true", "the ssh option `KnownHostsCommand` is not supported"),
        ("IdentityFile /keys/%C", "`%C` in `IdentityFile` is not supported"),
        (
            "HostKeyAlgorithms ssh-dss",
            "`HostKeyAlgorithms` excludes the keys that are known of it (see ",
        ),
        ("NoSuchOption yes", "Bad configuration option: nosuchoption"),
        ("MACs umac-64@openssh.com", "planrun has no algorithm of the ssh option `MACs` (see "),
    ] {
        let host = named(&server, "web1", &block("web1", &server, option));
        let error = error(&host).await;
        assert!(matches!(error, TransportError::Controller { .. }), "{option}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(words), "{option}: {text}");
        if words.ends_with("(see ") {
            assert!(text.contains("ssh_config line 1"), "{option}: {text}");
        }
    }
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn a_match_runs_its_program_and_algorithms_are_chosen() {
    let Some(server) = Server::start("algorithms", "Ciphers aes256-ctr") else {
        return;
    };
    let configuration = format!(
        "Match host web1 exec \"touch {0}\"\n  HostName 127.0.0.1\n  Port {1}\n  Ciphers aes256-ctr\n  \
         HostKeyAlgorithms rsa-sha2-512,ssh-ed25519\n  KexAlgorithms curve25519-sha256\n",
        server.path("matched").display(),
        server.port()
    );
    let host = named(&server, "web1", &configuration);
    let known = format!(
        "[127.0.0.1]:{0} {1}\n[127.0.0.1]:{0} {2}\n",
        server.port(),
        server.public_key("host_ed25519"),
        server.public_key("host_rsa")
    );
    fs::write(server.path("known_hosts"), known).unwrap();
    let transport = transport();
    transport.look(&host, &argv(&["true"])).await.unwrap();
    assert!(server.path("matched").exists());
    assert!(transport.shown_key(&host.name).unwrap().starts_with("ssh-rsa "));

    let other = configuration.replace("Ciphers aes256-ctr", "Ciphers aes128-ctr");
    let denied = error(&named(&server, "web1", &other)).await;
    assert!(matches!(denied, TransportError::Denied { .. }), "{denied:?}");
    assert!(denied.to_string().contains("have no cipher in common"), "{denied}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the certificate is made for the test")]
async fn a_certificate_of_a_user_is_offered_before_its_key() {
    let authority = "TrustedUserCAKeys /etc/motd";
    let with_authority = "touch $at/ca.pub; mount --bind $at/ca.pub /etc/motd";
    let Some(server) = Server::start_on("certificate", authority, with_authority) else {
        return;
    };
    for kind in ["ed25519", "rsa"] {
        let (authority, id) = (format!("ca_{kind}"), format!("id_{kind}"));
        server.keygen(&authority, "ed25519", "");
        server.keygen(&id, kind, "");
        // The file is mounted: it must be the same one.
        fs::write(server.path("ca.pub"), server.public_key(&authority) + "\n").unwrap();
        let signed = std::process::Command::new("ssh-keygen")
            .args(["-q", "-I", "test", "-n", "root", "-s"])
            .args([server.path(&authority), server.path(&format!("{id}.pub"))])
            .status();
        assert!(signed.unwrap().success());
        let mut host = server.host();
        host.link.identity_file = Some(server.path(&id).to_str().unwrap().to_owned());
        let looked = transport().look(&host, &argv(&["true"])).await;
        if kind == "rsa" {
            let text = looked.unwrap_err().to_string();
            assert!(text.contains("is for an RSA key, which planrun cannot offer"), "{text}");
            continue;
        }
        assert!(looked.is_ok(), "{kind}: {looked:?}");
        fs::remove_file(server.path(&format!("{id}-cert.pub"))).unwrap();
        let text = error(&host).await.to_string();
        assert!(text.contains("(not accepted)"), "{text}");
    }
}

#[tokio::test]
async fn a_key_is_offered_as_the_configuration_accepts_it() {
    let Some(server) = Server::start("accepted_algorithms", "") else {
        return;
    };
    server.keygen("rsa", "rsa", "");
    let both = ["user_key", "rsa"].map(|key| server.public_key(key)).join("\n");
    fs::write(server.path("user_key.pub"), both).unwrap();
    for (key, accepted, used) in [
        ("user_key", "ssh-ed25519", Some("ssh-ed25519")),
        ("user_key", "rsa-sha2-256,rsa-sha2-512", None),
        ("rsa", "rsa-sha2-512", Some("rsa-sha2-512")),
        ("rsa", "rsa-sha2-256", Some("rsa-sha2-256")),
        ("rsa", "ssh-ed25519", None),
    ] {
        let option = format!("PubkeyAcceptedAlgorithms {accepted}");
        let mut host = named(&server, "web1", &block("web1", &server, &option));
        host.link.identity_file = Some(server.path(key).to_str().unwrap().to_owned());
        let before = server.logins();
        if used.is_some() {
            transport().look(&host, &argv(&["true"])).await.unwrap();
        } else {
            let error = error(&host).await;
            assert!(matches!(error, TransportError::Controller { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("`PubkeyAcceptedAlgorithms` excludes"), "{text}");
            assert!(text.contains("ssh_config line 1"), "{text}");
        }
        assert_eq!(server.logins() - before, usize::from(used.is_some()), "{key} {accepted}");
        let log = fs::read_to_string(server.path("log")).unwrap();
        let signed = log.lines().rfind(|line| line.contains("signature algorithm"));
        if let (Some(used), Some(signed)) = (used, signed) {
            assert!(signed.contains(used), "{signed}");
        }
    }
}

#[tokio::test]
async fn the_configuration_of_the_home_folder_is_read() {
    let Some(server) = Server::start("home", "") else {
        return;
    };
    let mut host = named(&server, "web1", &block("web1", &server, ""));
    fs::create_dir(server.path(".ssh")).unwrap();
    fs::copy(server.path("ssh_config"), server.path(".ssh/config")).unwrap();
    host.link.ssh_args.clear();
    let home = Some(server.path(""));
    let transport = SshTransport::new(SshOptions { home, ..options() });
    let looked = transport.look(&host, &argv(&["true"])).await;
    assert!(looked.is_ok(), "{looked:?}");
    let (set, places) = transport.configured(&host).await.unwrap();
    let port = ("Port".to_owned(), server.port().to_string());
    assert!(set.contains(&port) && places[0].ends_with(".ssh/config line 1"), "{set:?} {places:?}");
}
