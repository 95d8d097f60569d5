//! Whether a host is reached, proved and let in, and what is said when not.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use super::server::Server;
use super::{CUT, argv, options, run, script, transport};
use planrun::inventory::{Host, HostName};
use planrun::transport::ssh::{SshOptions, SshTransport};
use planrun::transport::{Exit, Output, Transport, TransportError};

#[tokio::test]
async fn an_unknown_key_is_refused_with_its_fingerprint() {
    let Some(server) = Server::start("unknown_key", "") else {
        return;
    };
    fs::write(server.path("known_hosts"), "").unwrap();
    let error = run(&server.host(), &argv(&["true"])).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TransportError::HostKey { .. }), "{text}");
    assert!(text.contains("its host key is unknown"), "{text}");
    assert!(text.contains("It shows ssh-ed25519 SHA256:"), "{text}");
    assert!(text.contains(&format!("none for 127.0.0.1:{}", server.port())), "{text}");
    assert!(text.contains("planrun hosts trust"), "{text}");
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn a_changed_key_is_refused_and_says_which_line_has_the_other() {
    let Some(server) = Server::start("changed_key", "") else {
        return;
    };
    let other = server.public_key("user_key");
    let known = format!("# comment\n[127.0.0.1]:{} {other}\n", server.port());
    fs::write(server.path("known_hosts"), known).unwrap();
    let error = run(&server.host(), &argv(&["true"])).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TransportError::HostKey { .. }), "{text}");
    assert!(text.contains("known_hosts:2 has another key"), "{text}");
    assert!(text.contains("it shows ssh-ed25519 SHA256:"), "{text}");
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn a_revoked_key_is_refused_though_it_is_listed_too() {
    let Some(server) = Server::start("revoked_key", "") else {
        return;
    };
    let mut known = fs::read_to_string(server.path("known_hosts")).unwrap();
    known.push_str("@revoked * ");
    known.push_str(&server.public_key("host_ed25519"));
    fs::write(server.path("known_hosts"), known).unwrap();
    let error = run(&server.host(), &argv(&["true"])).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TransportError::HostKey { .. }), "{text}");
    assert!(text.contains("is revoked by"), "{text}");
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn any_listed_key_will_do_other_kinds_and_several_of_a_kind() {
    let Some(server) = Server::start("key_kinds", "") else {
        return;
    };
    let (host, port) = (server.host(), server.port());
    let rsa = server.public_key("host_rsa");
    let (right, other) = (server.public_key("host_ed25519"), server.public_key("user_key"));
    for known in [
        format!("[127.0.0.1]:{port} {rsa}\n"),
        format!("127.0.0.* {other}\n[127.0.0.1]:*\t{other}\n[127.0.0.1]:{port} {right}\n"),
        format!("127.0.0.1 {right}\n"),
    ] {
        fs::write(server.path("known_hosts"), &known).unwrap();
        let output = run(&host, &argv(&["true"])).await;
        assert_eq!(output, Ok(Output::new(Exit::Code(0), "", "")), "{known}");
    }
}

#[tokio::test]
async fn a_reconnect_asks_for_the_key_of_the_first_time() {
    let Some(server) = Server::start("pinned_key", "") else {
        return;
    };
    let (transport, host, port) = (transport(), server.host(), server.port());
    let known = format!("[127.0.0.1]:{port} {}\n", server.public_key("host_rsa"));
    fs::write(server.path("known_hosts"), known).unwrap();
    assert!(transport.look(&host, &argv(&["true"])).await.is_ok());
    let cut = transport.look(&host, &script(CUT)).await;
    assert!(matches!(cut, Err(TransportError::Cut { .. })), "{cut:?}");
    // The other key is the server's too, and listed: but it is not the one it began with.
    let known = format!("[127.0.0.1]:{port} {}\n", server.public_key("host_ed25519"));
    fs::write(server.path("known_hosts"), known).unwrap();
    let error = transport.look(&host, &argv(&["true"])).await.unwrap_err();
    assert!(matches!(error, TransportError::HostKey { .. }), "{error}");
    assert!(error.to_string().contains("earlier in this run it showed ssh-rsa SHA256:"), "{error}");
}

#[tokio::test]
async fn a_host_that_hangs_delays_no_other() {
    let Some(server) = Server::start("hanging_host", "") else {
        return;
    };
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut hangs = server.host();
    hangs.name = HostName::new("imap2");
    hangs.link.port = Some(mute.local_addr().unwrap().port());
    let known = format!("* {}\n", server.public_key("host_ed25519"));
    fs::write(server.path("known_hosts"), known).unwrap();
    let (transport, host, look) = (transport(), server.host(), argv(&["true"]));
    let both = async {
        tokio::select! {
            biased;
            late = transport.look(&hangs, &look) => panic!("it hangs for ten seconds: {late:?}"),
            seen = transport.look(&host, &look) => seen,
        }
    };
    assert!(both.await.is_ok());
}

#[tokio::test]
async fn what_is_not_reached_is_told_by_its_reason() {
    let Some(server) = Server::start("unreachable", "") else {
        return;
    };
    let mut host = server.host();
    let error_of = async |host: &Host, known: &str| {
        fs::write(server.path("known_hosts"), known).unwrap();
        let quick =
            SshTransport::new(SshOptions { connect_timeout: Duration::from_secs(2), ..options() });
        let error = quick.look(host, &argv(&["true"])).await.unwrap_err();
        assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
        error.to_string()
    };
    let known = format!("* {}\n", server.public_key("host_ed25519"));

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    host.link.port = Some(free);
    for known in [known.as_str(), ""] {
        let text = error_of(&host, known).await;
        assert!(text.contains("refuses the connection"), "{text}");
    }

    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    host.link.port = Some(mute.local_addr().unwrap().port());
    let text = error_of(&host, &known).await;
    assert!(text.contains("accepts connections, but the login did not start"), "{text}");

    let curt = TcpListener::bind("127.0.0.1:0").unwrap();
    host.link.port = Some(curt.local_addr().unwrap().port());
    let closer = std::thread::spawn(move || drop(curt.accept().unwrap()));
    let text = error_of(&host, &known).await;
    closer.join().unwrap();
    assert!(text.contains("the connection"), "{text}");

    // The host's own patience comes before that of all hosts.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    host.link.port = Some(mute.local_addr().unwrap().port());
    host.link.connect_timeout = Some(Duration::from_secs(1));
    let text = error_of(&host, &known).await;
    assert!(text.contains("did not start in 1 s"), "{text}");

    host.link.address = "no-such-host.invalid".to_owned();
    let text = error_of(&host, &known).await;
    assert!(text.contains("cannot resolve the name no-such-host.invalid"), "{text}");
}

#[tokio::test]
async fn a_server_that_drops_connections_at_their_start_is_tried_again() {
    let Some(server) = Server::start("dropped", "") else {
        return;
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut host = server.host();
    host.link.port = Some(listener.local_addr().unwrap().port());
    let known = format!(
        "[127.0.0.1]:{} {}\n",
        listener.local_addr().unwrap().port(),
        server.public_key("host_ed25519")
    );
    fs::write(server.path("known_hosts"), known).unwrap();
    let mut dropped = 0;
    let relay = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The first is of the library, which does not say why it failed.
            if dropped < 3 {
                dropped += 1;
                continue;
            }
            let mut behind =
                tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
            tokio::io::copy_bidirectional(&mut stream, &mut behind).await.ok();
        }
    };
    let look = argv(&["true"]);
    tokio::select! {
        output = run(&host, &look) => assert!(output.is_ok(), "{output:?}"),
        () = relay => {}
    }
    assert_eq!((dropped, server.logins()), (3, 1));
}

#[tokio::test]
async fn a_key_that_others_can_read_is_not_used() {
    let Some(server) = Server::start("open_key", "") else {
        return;
    };
    let key = server.path("user_key");
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(&key, mode(0o640)).unwrap();
    let error = run(&server.host(), &argv(&["true"])).await.unwrap_err();
    assert!(matches!(error, TransportError::Controller { .. }), "{error:?}");
    assert!(error.to_string().contains("can be read by other users"), "{error}");
    assert!(error.to_string().contains("run `chmod 600` on it"), "{error}");
    fs::set_permissions(&key, mode(0o400)).unwrap();
    assert!(run(&server.host(), &argv(&["true"])).await.is_ok());
}

#[tokio::test]
async fn a_key_is_a_regular_file_and_a_fifo_is_not_waited_for() {
    let Some(server) = Server::start("odd_keys", "") else {
        return;
    };
    let fifo = server.path("fifo");
    let kind = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
    let mut host = server.host();
    for (file, words) in [
        (fifo.to_str().unwrap(), "it is not a regular file"),
        (server.path("").to_str().unwrap(), "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        ("/no/such/key", "No such file"),
    ] {
        host.link.identity_file = Some(file.to_owned());
        let error = run(&host, &argv(&["true"])).await.unwrap_err();
        assert!(matches!(error, TransportError::Controller { .. }), "{file}: {error:?}");
        assert!(error.to_string().contains(words), "{file}: {error}");
    }
}

#[tokio::test]
async fn a_run_can_have_less_time_for_a_host_than_at_first() {
    let Some(server) = Server::start("less_time", "") else {
        return;
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let known = format!("* {}\n", server.public_key("host_ed25519"));
    fs::write(server.path("known_hosts"), known).unwrap();
    let (transport, mut host, look) = (transport(), server.host(), argv(&["true"]));
    host.link.port = Some(port);
    // It forwards the first connection, until that is cut, and is silent then.
    let relay = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut behind =
            tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
        tokio::io::copy_bidirectional(&mut stream, &mut behind).await.ok();
        std::future::pending::<()>().await;
    };
    let run = async {
        transport.look(&host, &look).await.unwrap();
        let cut = transport.look(&host, &script(CUT)).await;
        assert!(matches!(cut, Err(TransportError::Cut { .. })), "{cut:?}");
        host.link.connect_timeout = Some(Duration::from_secs(1));
        let error = transport.look(&host, &look).await.unwrap_err();
        assert!(error.to_string().contains("did not start in 1 s"), "{error}");
    };
    tokio::select! {
        () = run => {}
        () = relay => {}
    }
}
