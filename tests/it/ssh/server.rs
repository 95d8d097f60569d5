//! An OpenSSH server and an agent for tests of the binary: on a loopback address, ended by their
//! process numbers.

use std::fs;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::program;

const SSHD: &str = "/usr/sbin/sshd";
const ADDRESS: &str = "127.0.14.1";

/// A server with a folder of its own; `one` and `two` are its possible host keys.
pub(super) struct Server {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// Makes a server that shows the host key `one`; `None`, and says so, if there is no sshd.
    pub(super) fn start(test: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            eprintln!("skipped: {test}: no sshd");
            return None;
        }
        if rustix::process::getuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind((ADDRESS, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut server = Self { folder, port, process: None };
        for key in ["one", "two", "user"] {
            server.keygen(key);
        }
        let known = |key| format!("[{ADDRESS}]:{port} {}", server.read(&format!("{key}.pub")));
        fs::write(server.path("known_hosts"), known("one") + &known("two")).unwrap();
        server.shows("one");
        Some(server)
    }

    /// Starts it again with another host key; its connections end.
    pub(super) fn shows(&mut self, key: &str) {
        self.stop();
        let at = self.folder.path().display();
        let configuration = format!(
            "Port {}\nListenAddress {ADDRESS}\nHostKey {at}/{key}\nAuthorizedKeysFile {at}/user.pub\n\
             PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\n",
            self.port
        );
        fs::write(self.path("sshd_config"), configuration).unwrap();
        let process = program(SSHD)
            .arg("-D")
            .arg("-f")
            .arg(self.path("sshd_config"))
            .arg("-E")
            .arg(self.path("log"))
            .stdin(Stdio::null())
            .spawn();
        self.process = Some(process.unwrap());
        while TcpStream::connect((ADDRESS, self.port)).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns an inventory with it as `web1`; `more` is more variables.
    pub(super) fn inventory(&self, more: &str) -> String {
        format!(
            "all: {{hosts: {{web1: {{ansible_host: {ADDRESS}, ansible_port: {}, \
             planrun_known_hosts: \"{}\"{more}}}}}}}\n",
            self.port,
            self.path("known_hosts").display()
        )
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn keygen(&self, name: &str) {
        self.keygen_with(&["-q", "-t", "ed25519", "-N", "", "-f"], name);
    }

    /// Runs `ssh-keygen` on a file.
    pub(super) fn keygen_with(&self, words: &[&str], name: &str) {
        let made = program("ssh-keygen").args(words).arg(self.path(name)).status();
        assert!(made.unwrap().success());
    }

    /// Counts what its log says.
    pub(super) fn logged(&self, words: &str) -> usize {
        self.read("log").matches(words).count()
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An agent.
pub(super) struct Agent {
    pub(super) socket: String,
    process: Child,
}

impl Agent {
    /// Starts an agent with these keys.
    pub(super) fn start(folder: &Server, keys: &[String]) -> Self {
        let socket = folder.path("agent").to_str().unwrap().to_owned();
        let process = program("ssh-agent")
            .args(["-D", "-a", &socket])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !Path::new(&socket).exists() {
            thread::sleep(Duration::from_millis(20));
        }
        for key in keys {
            let added = program("ssh-add")
                .arg("-q")
                .arg(folder.path(key))
                .env("SSH_AUTH_SOCK", &socket)
                .stderr(Stdio::null())
                .status();
            assert!(added.unwrap().success());
        }
        Self { socket, process }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
