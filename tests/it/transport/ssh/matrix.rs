//! Each kind of login with each way to become another user, next to what `ssh` does with the same login.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use super::server::{Server, keygen};
use super::shells::accounts;
use super::{options, transport};
use planrun::inventory::{BecomeMethod, Connection, Host, SecretFrom};
use planrun::transport::passwords::Passwords;
use planrun::transport::ssh::{SshOptions, SshTransport};
use planrun::transport::{Transport, TransportError};

const KINDS: [&str; 3] = ["ed25519", "ecdsa", "rsa"];
const PASSWORD: &str = "correct horse";
const PASSPHRASE: &str = "open sesame";

/// A server on which `plain` logs in by all keys of the folder, certificates, and as these lines say; it may
/// become root by `sudo` and `doas`, and `mail` by `sudo` with its password.
fn server(test: &str, more: &str) -> Option<Server> {
    let programs = ["/usr/bin/openssl", "/usr/bin/sudo", "/usr/bin/doas"];
    if !programs.iter().all(|program| Path::new(program).exists()) {
        return None;
    }
    let script = format!(
        "mkdir $at/layer; mount -t tmpfs none $at/layer; mkdir $at/layer/up $at/layer/work\n\
         mount -t overlay overlay -o lowerdir=/etc,upperdir=$at/layer/up,workdir=$at/layer/work /etc\n\
         {}\nsed -i 's/^plain:[*]/plain:x/' $at/passwd; cat $at/passwd >/etc/passwd\n\
         echo \"plain:$(openssl passwd -6 -salt planrun '{PASSWORD}'):19000:0:99999:7:::\" >>/etc/shadow\n\
         echo 'permit nopass plain as root cmd /bin/sh' >/etc/doas.conf\n\
         printf '%s\\n' 'auth required pam_unix.so' 'account required pam_unix.so' \
         'session required pam_permit.so' >/etc/pam.d/sshd\n\
         printf '%s\\n' 'Defaults !lecture,!syslog' 'plain ALL=(mail) /bin/sh' \
         'plain ALL=(root) NOPASSWD: /bin/sh' >$at/sudoers\n\
         chmod 440 $at/sudoers; mount --bind $at/sudoers /etc/sudoers",
        accounts().replace("mount --bind $at/passwd /etc/passwd\n", "")
    );
    let more = format!("{more}\nAuthorizedKeysFile AT/authorized\nTrustedUserCAKeys AT/ca.pub");
    Server::start_on_with(test, &more, &script, |folder| {
        keygen(folder, "ca", "ed25519", "");
        let mut authorized = String::new();
        for kind in KINDS {
            for (name, passphrase) in [("key", ""), ("locked", PASSPHRASE), ("held", "")] {
                let name = format!("{name}_{kind}");
                keygen(folder, &name, kind, passphrase);
                authorized += &fs::read_to_string(folder.join(format!("{name}.pub"))).unwrap();
            }
            let name = format!("certified_{kind}");
            keygen(folder, &name, kind, "");
            certify(folder, &name);
        }
        fs::write(folder.join("authorized"), authorized).unwrap();
        for (name, secret) in [("password", PASSWORD), ("passphrase", PASSPHRASE)] {
            fs::write(folder.join(name), secret).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(folder.join(name), mode).unwrap();
        }
        let ask = format!(
            "#!/bin/sh\ncase $1 in *passphrase*) echo '{PASSPHRASE}' ;; *) echo '{PASSWORD}' ;; esac\n"
        );
        fs::write(folder.join("ask"), ask).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(folder.join("ask"), mode).unwrap();
    })
}

#[expect(clippy::disallowed_methods, reason = "certificates are made for the test")]
fn certify(folder: &Path, name: &str) {
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-I", "user", "-n", "plain", "-s"]).arg(folder.join("ca"));
    assert!(sign.arg(folder.join(format!("{name}.pub"))).status().unwrap().success());
}

/// An agent with the keys `held_KIND`, in a home whose configuration names it.
struct Agent(Child);

impl Agent {
    #[expect(clippy::disallowed_methods, reason = "the agent is part of the test")]
    fn start(server: &Server) -> Self {
        let socket = server.path("agent");
        let mut agent = Command::new("ssh-agent");
        let agent = agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        while !socket.exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        for kind in KINDS {
            let mut add = Command::new("ssh-add");
            add.arg("-q").arg(server.path(&format!("held_{kind}"))).env("SSH_AUTH_SOCK", &socket);
            assert!(add.status().unwrap().success());
            fs::remove_file(server.path(&format!("held_{kind}"))).unwrap();
        }
        fs::create_dir_all(server.path("home/.ssh")).unwrap();
        let configuration = format!("IdentityAgent {}\n", socket.display());
        fs::write(server.path("home/.ssh/config"), configuration).unwrap();
        Self(agent)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Returns whether `ssh` logs in.
#[expect(clippy::disallowed_methods, reason = "it is compared with")]
fn ssh_logs_in(server: &Server, host: &Host) -> bool {
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(server.path("home/.ssh/config"));
    for option in [
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        &format!("UserKnownHostsFile={}", server.path("known_hosts").display()),
        &format!("Port={}", server.port()),
    ] {
        ssh.args(["-o", option]);
    }
    match &host.link.identity_file {
        Some(key) => {
            let key = format!("IdentityFile={key}");
            let only = "PreferredAuthentications=publickey";
            ssh.args(["-o", only, "-o", "IdentitiesOnly=yes", "-o", &key])
        }
        None => ssh.args(["-o", "PubkeyAuthentication=no"]),
    };
    ssh.args(["plain@127.0.0.1", "id -un"]);
    ssh.env("SSH_ASKPASS", server.path("ask")).env("SSH_ASKPASS_REQUIRE", "force");
    ssh.stdin(Stdio::null()).output().unwrap().stdout == b"plain\n"
}

/// The ways to become another user: the user, the method, whether the password is known.
const BECOME: [(Option<&str>, BecomeMethod, bool); 5] = [
    (None, BecomeMethod::Sudo, false),
    (Some("root"), BecomeMethod::Sudo, false),
    (Some("mail"), BecomeMethod::Sudo, true),
    (Some("mail"), BecomeMethod::Sudo, false),
    (Some("root"), BecomeMethod::Doas, false),
];

fn transport_of(server: &Server) -> SshTransport {
    let options = SshOptions { home: Some(server.path("home")), ..options() };
    SshTransport::with(options, Rc::new(Passwords::default()))
}

/// Logs in by each way to become another user; returns how often it succeeded.
async fn becomes_all(server: &Server, host: &Host) -> usize {
    let mut good = 0;
    for (user, method, has_password) in BECOME {
        let mut host = host.clone();
        host.link.become_method = method;
        let file = server.path("password").display().to_string();
        host.link.become_password = has_password.then_some(SecretFrom::File(file));
        match transport_of(server).log_in(&host, user).await {
            Ok(()) => good += 1,
            Err(error) => {
                // Only sudo without its password is refused.
                assert!(matches!(error, TransportError::Denied { .. }), "{error:?}");
                assert_eq!((user, has_password), (Some("mail"), false), "{error}");
                assert!(error.to_string().contains("or set `planrun_become_password`"), "{error}");
            }
        }
    }
    good
}

#[tokio::test]
async fn what_ssh_logs_in_with_planrun_does_and_becomes_who_it_may() {
    let Some(server) = server("matrix", "PasswordAuthentication yes\nUsePAM yes") else {
        return;
    };
    let _agent = Agent::start(&server);
    let file = |name: &str| Some(server.path(name).display().to_string());
    let mut cells = 0;
    for kind in KINDS {
        for source in ["key", "locked", "held", "certified"] {
            let mut host = server.host_as("plain");
            host.link.identity_file = file(&format!("{source}_{kind}"));
            host.link.passphrase = file("passphrase").map(SecretFrom::File);
            assert!(ssh_logs_in(&server, &host), "{source} {kind}");
            if (source, kind) == ("certified", "rsa") {
                let error = transport_of(&server).log_in(&host, None).await.unwrap_err();
                assert!(error.to_string().contains("for an RSA key, which planrun"), "{error}");
                host.link.connection = Connection::OpenSsh;
            }
            assert_eq!(becomes_all(&server, &host).await, BECOME.len() - 1, "{source} {kind}");
            cells += BECOME.len();
        }
    }
    let mut host = server.host_as("plain");
    (host.link.identity_file, host.link.password) = (None, file("password").map(SecretFrom::File));
    assert!(ssh_logs_in(&server, &host));
    assert_eq!(becomes_all(&server, &host).await, BECOME.len() - 1);
    assert_eq!(cells, 60);

    // What `ssh` does not log in with, planrun refuses, and says what was offered.
    let mut host = server.host_as("plain");
    host.link.identity_file = file("ca");
    assert!(!ssh_logs_in(&server, &host));
    let error = transport_of(&server).log_in(&host, None).await.unwrap_err().to_string();
    assert!(
        error.contains("login as plain failed: the key ") && error.contains("/ca (not"),
        "{error}"
    );
    host.link.identity_file = file("locked_rsa");
    host.link.passphrase = file("password").map(SecretFrom::File);
    let error = transport_of(&server).log_in(&host, None).await.unwrap_err().to_string();
    assert!(error.contains("passphrase"), "{error}");
    (host.link.identity_file, host.link.password) =
        (None, file("passphrase").map(SecretFrom::File));
    // Without the agent, whose keys come first.
    let error = transport().log_in(&host, None).await.unwrap_err().to_string();
    assert!(error.contains("the password (not accepted)"), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_questions_is_answered_with_the_password() {
    let more = "KbdInteractiveAuthentication yes\nUsePAM yes";
    let Some(server) = server("questions", more) else {
        return;
    };
    fs::create_dir_all(server.path("home/.ssh")).unwrap();
    fs::write(server.path("home/.ssh/config"), "").unwrap();
    let mut host = server.host_as("plain");
    let file = server.path("password").display().to_string();
    (host.link.identity_file, host.link.password) = (None, Some(SecretFrom::File(file)));
    assert!(ssh_logs_in(&server, &host));
    assert_eq!(becomes_all(&server, &host).await, BECOME.len() - 1);
}
