//! An OpenSSH server of its own for a test: keys, configuration and log in a temporary folder, a free
//! port on loopback. It is ended by its process number, and with it all its connections.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use indexmap::IndexMap;
use tempfile::TempDir;

use planrun::inventory::{Connection, Host, HostName, Link};

const SSHD: &str = "/usr/sbin/sshd";

pub(super) struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    /// Starts a server with these lines first in its configuration (the first value of each keyword counts); says so and returns nothing where
    /// there is none.
    pub(super) fn start(test: &str, more: &str) -> Option<Self> {
        Self::start_after(test, more, None, |_| {})
    }

    /// The same, once more is made in its folder, which is `AT` in these lines.
    pub(super) fn start_with(test: &str, more: &str, make: impl Fn(&Path)) -> Option<Self> {
        Self::start_after(test, more, None, make)
    }

    /// Starts a server in a mount namespace of its own, once `sh` has run a script there in which `$at`
    /// is the folder of the server: what it mounts over files of the machine is so for this server only.
    pub(super) fn start_on(test: &str, more: &str, script: &str) -> Option<Self> {
        Self::start_on_with(test, more, script, |_| {})
    }

    /// The same, once more is made in its folder.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    pub(super) fn start_on_with(
        test: &str,
        more: &str,
        script: &str,
        make: impl Fn(&Path),
    ) -> Option<Self> {
        if !rustix::process::getuid().is_root() || !Path::new("/usr/bin/unshare").exists() {
            eprintln!("skipped: {test}: no unshare, or not root");
            return None;
        }
        Self::start_after(test, more, Some(script), make)
    }

    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    #[expect(clippy::disallowed_methods, reason = "the server is part of the test")]
    fn start_after(
        test: &str,
        more: &str,
        script: Option<&str>,
        make: impl Fn(&Path),
    ) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            eprintln!("skipped: {test}: no sshd");
            return None;
        }
        if rustix::process::getuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let at = folder.path().display();
        let more = more.replace("AT/", &format!("{at}/"));
        let configuration = format!(
            "{more}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {at}/host_ed25519\nHostKey {at}/host_rsa\n\
             AuthorizedKeysFile {at}/user_key.pub\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             LogLevel VERBOSE\n"
        );
        fs::write(folder.path().join("sshd_config"), configuration).unwrap();
        for (name, kind) in
            [("host_ed25519", "ed25519"), ("host_rsa", "rsa"), ("user_key", "ed25519")]
        {
            keygen(folder.path(), name, kind, "");
        }
        make(folder.path());
        drop(free);
        let run = format!("exec {SSHD} -D -f {at}/sshd_config -E {at}/log");
        let process = match script {
            None => Command::new("/bin/sh").args(["-c", &run]).stdin(Stdio::null()).spawn(),
            Some(script) => Command::new("/usr/bin/unshare")
                .args(["--mount", "/bin/sh", "-ec"])
                .arg(format!("mount --make-rprivate /\nat={at}\n{script}\n{run}"))
                .stdin(Stdio::null())
                .spawn(),
        };
        let process = process.unwrap();
        let mut server = Self { folder, port, process };
        let known = format!("[127.0.0.1]:{port} {}\n", server.public_key("host_ed25519"));
        fs::write(server.path("known_hosts"), known).unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.process.try_wait().unwrap();
            assert!(ended.is_none(), "sshd ended: {:?}", fs::read_to_string(server.path("log")));
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn host(&self) -> Host {
        Host {
            name: HostName::new("imap1"),
            link: Link {
                connection: connection(),
                address: "127.0.0.1".to_owned(),
                port: Some(self.port),
                identity_file: Some(self.path("user_key").to_str().unwrap().to_owned()),
                known_hosts: Some(self.path("known_hosts").to_str().unwrap().to_owned()),
                ..Link::default()
            },
            vars: IndexMap::new(),
            encrypted: indexmap::IndexMap::new(),
            groups: Vec::new(),
        }
    }

    /// Returns the host for a login as another user.
    pub(super) fn host_as(&self, user: &str) -> Host {
        let mut host = self.host();
        host.link.user = Some(user.to_owned());
        host.name = HostName::new(user);
        host
    }

    /// Returns kind and key of a public key, as known hosts have them.
    pub(super) fn public_key(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        words.join(" ")
    }

    /// Writes a file that only its owner can read, and returns its path.
    pub(super) fn secret(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(super) fn keygen(&self, name: &str, kind: &str, passphrase: &str) {
        keygen(self.folder.path(), name, kind, passphrase);
    }

    /// Returns how many logins the server has seen.
    pub(super) fn logins(&self) -> usize {
        let log = fs::read_to_string(self.path("log")).unwrap();
        log.matches("Accepted publickey").count()
    }
}

/// Returns the connection that the tests use: `openssh::the_same_tests_pass_by_the_program_ssh` sets another.
fn connection() -> Connection {
    match std::env::var("PLANRUN_TEST_CONNECTION").as_deref() {
        Ok("openssh") => Connection::OpenSsh,
        _ => Connection::Ssh,
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "keys are made for the test")]
pub(super) fn keygen(folder: &Path, name: &str, kind: &str, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase])
        .args(if kind == "rsa" { &["-b", "2048"][..] } else { &[] })
        .arg("-f")
        .arg(folder.join(name))
        .status()
        .unwrap();
    assert!(made.success());
}
