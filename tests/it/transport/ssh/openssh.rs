//! `planrun_connection: openssh`: the program `ssh` as the way to a host.

use std::fs;
use std::process::Command;

use super::server::Server;
use super::{argv, script, transport};
use planrun::inventory::{Connection, Host};
use planrun::transport::{Exit, Transport, TransportError};

fn host(server: &Server) -> Host {
    let mut host = server.host();
    host.link.connection = Connection::OpenSsh;
    host
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the tests are run again")]
fn the_same_tests_pass_by_the_program_ssh() {
    let names = [
        "memory::",
        "privileges::",
        "a_death_by_signal_a_status_and_a_lost_link_are_three_things",
        "a_timeout_leaves_no_process_and_a_good_connection",
        "arguments_with_every_nasty_byte_arrive_unchanged",
        "two_hundred_mebibytes_of_output_are_capped_and_counted",
        "an_upload_puts_a_file_in_place_with_its_mode",
    ];
    let tests = Command::new(std::env::current_exe().unwrap())
        .args(names.map(|name| format!("transport::ssh::{name}")))
        .args(["--test-threads", "2"])
        .env("PLANRUN_TEST_CONNECTION", "openssh")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&tests.stdout);
    assert!(tests.status.success(), "{printed}");
}

#[tokio::test]
async fn what_ssh_reports_is_sorted_as_what_planrun_finds() {
    let Some(server) = Server::start("by_ssh_refused", "") else {
        return;
    };
    let touch = script(&format!("touch '{}'", server.path("mark").display()));
    let fails = async |host: &Host| transport().look(host, &touch).await.unwrap_err();

    let mut other = host(&server);
    server.keygen("other_key", "ed25519", "");
    other.link.identity_file = Some(server.path("other_key").to_str().unwrap().to_owned());
    let error = fails(&other).await;
    assert!(matches!(error, TransportError::Denied { .. }), "{error:?}");
    assert!(error.to_string().contains("Permission denied (publickey)"), "{error}");

    let mut away = host(&server);
    away.link.port = Some(1);
    let error = fails(&away).await;
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("Connection refused"), "{error}");

    let known = fs::read_to_string(server.path("known_hosts")).unwrap();
    for (text, words) in [
        (String::new(), "No ED25519 host key is known"),
        (known.replace("AAAA", "AAAB"), "Host key verification failed"),
        (format!("{known}@revoked * {}", server.public_key("host_ed25519")), "revoked"),
    ] {
        fs::write(server.path("known_hosts"), text).unwrap();
        let error = fails(&host(&server)).await;
        assert!(matches!(error, TransportError::HostKey { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(!server.path("mark").exists());
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "certificates are made for the test")]
async fn certificates_of_hosts_and_of_users_are_accepted() {
    let more = "HostCertificate AT/host_ed25519-cert.pub\nTrustedUserCAKeys AT/ca.pub\n\
                AuthorizedPrincipalsFile none\nAuthorizedKeysFile none";
    let Some(server) = Server::start_with("certificates", more, |folder| {
        super::server::keygen(folder, "ca", "ed25519", "");
        super::server::keygen(folder, "mine", "ed25519", "");
        for (words, key) in [
            (&["-h", "-I", "host", "-n", "127.0.0.1"][..], "host_ed25519.pub"),
            (&["-I", "user", "-n", "root"], "mine.pub"),
        ] {
            let mut sign = Command::new("ssh-keygen");
            sign.args(["-q", "-s"]).arg(folder.join("ca")).args(words).arg(folder.join(key));
            assert!(sign.status().unwrap().success());
        }
    }) else {
        return;
    };
    let known = format!("@cert-authority * {}\n", server.public_key("ca"));
    fs::write(server.path("known_hosts"), known).unwrap();
    let mut host = host(&server);
    host.link.identity_file = Some(server.path("mine").to_str().unwrap().to_owned());
    let output = transport().look(&host, &argv(&["id", "-un"])).await.unwrap();
    assert_eq!((output.exit, &output.stdout[..]), (Exit::Code(0), &b"root\n"[..]));
    // Another authority is no reason to trust it.
    let known = format!("@cert-authority * {}\n", server.public_key("user_key"));
    fs::write(server.path("known_hosts"), known).unwrap();
    let error = transport().look(&host, &argv(&["true"])).await.unwrap_err();
    assert!(matches!(error, TransportError::HostKey { .. }), "{error:?}");
}
