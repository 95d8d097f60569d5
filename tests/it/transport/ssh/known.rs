//! What files of known hosts can contain, with a real server, next to what `ssh` does with the same file.

use std::fs;
use std::process::{Command, Stdio};

use super::server::Server;
use super::{argv, options};
use planrun::transport::ssh::{SshOptions, SshTransport};
use planrun::transport::{Transport, TransportError};

/// A name, a file, and whether the host is accepted. `A` is its key and `B` another one, `PORT` its port. A name
/// `*` is the address itself; any other is looked up without a port.
const FILES: [(&str, &str, bool); 27] = [
    ("imap1", "# comment\n\nimap1,192.0.2.7\tA comment\n", true),
    ("192.0.2.7", "imap1,192.0.2.7\tA comment\n", true),
    ("comment", "imap1,192.0.2.7\tA comment\n", false),
    ("a.example.org", "*.example.org A\n", true),
    ("Imap9.example.net", "  IMAP?.Example.Net A\n", true),
    ("imap10.example.net", "IMAP?.Example.Net A\n", false),
    ("good.example.org", "*.example.org,!bad.example.org A\n", true),
    ("bad.example.org", "*.example.org,!bad.example.org A\n", false),
    (
        "example.com",
        "|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= A\n|1|x|y B\n",
        true,
    ),
    ("example.org", "|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= A\n", false),
    ("*", "[127.0.0.1]:PORT A\n", true),
    ("*", "127.0.0.1 A\n", true),
    ("*", "127.0.0.1 A\n[127.0.0.1]:PORT B\n", false),
    ("*", "127.0.0.1 B\n[127.0.0.1]:PORT A\n", true),
    ("*", "[127.0.0.1]:1 A\n", false),
    ("*", "[127.0.0.?]:* A\n", true),
    ("imap1", "imap1 A\n@revoked * A\n", false),
    ("imap1", "imap1 A\n@revoked imap2 A\n", true),
    ("imap1", "imap1 A\n@revoked * B\n", true),
    ("imap1", "imap1\nimap1 ssh-ed25519\nimap1 x y\n@new imap1 B\nimap1 A\n@revoked\n", true),
    ("a.example.org", "@cert-authority *.example.org A\n", false),
    ("a.example.org", "@cert-authority *.example.org B\na.example.org A\n", true),
    ("imap1", "", false),
    ("imap1", "imap1 B\nimap1 A\n", true),
    ("abbc", "**b*c A\n", true),
    ("abbd", "a*c A\n", false),
    ("imap1", "? A\n", false),
];

#[expect(clippy::disallowed_methods, reason = "it is compared with")]
fn ssh_accepts(server: &Server, name: &str) -> bool {
    let mut ssh = Command::new("ssh");
    let (key, known) = (server.path("user_key"), server.path("known_hosts"));
    for option in [
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "BatchMode=yes",
        &format!("UserKnownHostsFile={}", known.display()),
        &format!("IdentityFile={}", key.display()),
        &format!("Port={}", server.port()),
    ] {
        ssh.args(["-o", option]);
    }
    if name != "*" {
        ssh.args(["-o", &format!("HostKeyAlias={name}")]);
    }
    let done = ssh.args(["-F", "none", "root@127.0.0.1", "true"]).stdin(Stdio::null()).output();
    done.unwrap().status.success()
}

#[tokio::test]
async fn a_key_is_known_by_the_lines_that_ssh_knows_it_by() {
    let Some(server) = Server::start("known_lines", "") else {
        return;
    };
    let (a, b) = (server.public_key("host_ed25519"), server.public_key("user_key"));
    for (name, text, is_accepted) in FILES {
        let text = text.replace('A', "\u{1}").replace("B\n", &format!("{b}\n"));
        // Not the letters of names and hashes.
        let text = text.replace(" \u{1}", &format!(" {a}")).replace("\t\u{1}", &format!("\t{a}"));
        let text = text.replace('\u{1}', "A").replace("PORT", &server.port().to_string());
        fs::write(server.path("known_hosts"), &text).unwrap();
        let mut host = server.host();
        if name != "*" {
            host.link.ssh_args =
                ["-F", "none", "-o", &format!("HostKeyAlias={name}")].map(str::to_owned).into();
        }
        let options = SshOptions { home: Some(server.path("home")), ..options() };
        let seen = SshTransport::new(options).look(&host, &argv(&["true"])).await;
        let is_refused = matches!(seen, Err(TransportError::HostKey { .. }));
        assert!(is_accepted == seen.is_ok() && is_accepted != is_refused, "{name}: {text}{seen:?}");
        assert_eq!(ssh_accepts(&server, name), is_accepted, "ssh: {name}: {text}");
    }
}

#[tokio::test]
async fn a_revocation_that_cannot_be_read_is_not_passed_over() {
    let Some(server) = Server::start("unreadable_revocation", "") else {
        return;
    };
    let good = fs::read_to_string(server.path("known_hosts")).unwrap();
    for (pattern, is_accepted) in [("127.0.0.1", false), ("*", false), ("imap2", true)] {
        let text = format!("{good}@revoked {pattern} ssh-rsa AAAA\n");
        fs::write(server.path("known_hosts"), text).unwrap();
        let seen = super::transport().look(&server.host(), &argv(&["true"])).await;
        assert_eq!(seen.is_ok(), is_accepted, "{pattern}: {seen:?}");
    }
}
