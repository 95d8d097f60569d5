//! An OpenSSH server and an agent for tests of the binary: on a loopback address, ended by their process
//! ids. Its folder is the home of the users that log in, without start-up files of their shells, and has
//! the records of attempts on the host.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::program;

const SSHD: &str = "/usr/sbin/sshd";
const ADDRESS: &str = "127.0.14.1";

/// A server with a folder of its own; `one` and `two` are its possible host keys.
pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// Makes a server that shows the host key `one`; `None`, and says so, if there is no sshd.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) fn start(test: &str) -> Option<Self> {
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
    pub(crate) fn shows(&mut self, key: &str) {
        self.shows_with(key, "");
    }

    /// The same, with these lines first in its configuration: the first value of each keyword counts.
    pub(crate) fn shows_with(&mut self, key: &str, more: &str) {
        self.stop();
        let at = self.folder.path().display();
        let configuration = format!(
            "{more}\nPort {}\nListenAddress {ADDRESS}\nHostKey {at}/{key}\nAuthorizedKeysFile {at}/user.pub\n\
             PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\n\
             MaxStartups 200\nSetEnv XDG_STATE_HOME={at}/state HOME={at}\n",
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

    /// Ends it, and every connection that it has let in.
    pub(crate) fn cut(&mut self) {
        let children = self.process.as_ref().map(|process| children_of(process.id()));
        let sessions = self.sessions();
        self.stop();
        kill_all(&sessions);
        kill_all(&children.unwrap_or_default());
    }

    /// Returns an inventory with it as `web1`; `more` is more variables.
    pub(crate) fn inventory(&self, more: &str) -> String {
        format!(
            "all: {{hosts: {{web1: {{ansible_host: {ADDRESS}, ansible_port: {}, \
             planrun_known_hosts: \"{}\"{more}}}}}}}\n",
            self.port,
            self.path("known_hosts").display()
        )
    }

    /// The same for a login by another port that leads to it.
    pub(crate) fn inventory_by(&self, port: u16) -> String {
        let known = format!("[{ADDRESS}]:{port} {}", self.read("one.pub"));
        fs::write(self.path("known_by"), known).unwrap();
        let known = self.path("known_by").display().to_string();
        self.inventory_with_key()
            .replace(&self.path("known_hosts").display().to_string(), &known)
            .replace(&format!("ansible_port: {}", self.port), &format!("ansible_port: {port}"))
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> (&'static str, u16) {
        (ADDRESS, self.port)
    }

    /// Returns the host sessions: what the server's processes for its connections have begun.
    pub(crate) fn sessions(&self) -> Vec<u32> {
        let connections = self.process.as_ref().map(|process| children_of(process.id()));
        connections.unwrap_or_default().into_iter().flat_map(children_of).collect()
    }

    /// Returns the runners of effects, which host sessions have begun.
    pub(crate) fn runners(&self) -> Vec<u32> {
        let is_runner = |process: &u32| {
            let words = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            words.split(|&byte| byte == 0).any(|word| word == b"planrun")
        };
        let below: Vec<u32> = self.sessions().into_iter().flat_map(children_of).collect();
        // A runner that reads its password has a shell between it and the session.
        let deeper = below.clone().into_iter().flat_map(children_of);
        below.iter().copied().chain(deeper).filter(is_runner).collect()
    }

    /// The same, with the key that it lets in, and with time for a login under load.
    pub(crate) fn inventory_with_key(&self) -> String {
        let key = self.path("user");
        let key = format!(", ansible_ssh_private_key_file: \"{}\"", key.display());
        self.inventory(&format!("{key}, ansible_timeout: 60"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn keygen(&self, name: &str) {
        self.keygen_with(&["-q", "-t", "ed25519", "-N", "", "-f"], name);
    }

    /// Runs `ssh-keygen` on a file.
    pub(crate) fn keygen_with(&self, words: &[&str], name: &str) {
        let made = program("ssh-keygen").args(words).arg(self.path(name)).status();
        assert!(made.unwrap().success());
    }

    /// Counts what its log says.
    pub(crate) fn logged(&self, words: &str) -> usize {
        self.read("log").matches(words).count()
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// Kills processes, and returns how many there still were.
pub(crate) fn kill_all(processes: &[u32]) -> usize {
    let pids = processes.iter().filter_map(|&process| i32::try_from(process).ok());
    let pids = pids.filter_map(Pid::from_raw);
    pids.filter(|&pid| kill_process(pid, Signal::KILL).is_ok()).count()
}

/// Returns the processes that a process has begun.
fn children_of(parent: u32) -> Vec<u32> {
    let is_child = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    };
    let all = fs::read_dir("/proc").unwrap();
    let all = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(is_child).collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An agent.
pub(crate) struct Agent {
    pub(crate) socket: String,
    folder: PathBuf,
    process: Child,
}

impl Agent {
    /// Starts an agent with these keys.
    pub(crate) fn start(folder: &Server, keys: &[String]) -> Self {
        let folder = folder.path("");
        let socket = folder.join("agent").to_str().unwrap().to_owned();
        let process = program("ssh-agent")
            .args(["-d", "-a", &socket])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("agent.log")).unwrap())
            .spawn()
            .unwrap();
        while !Path::new(&socket).exists() {
            thread::sleep(Duration::from_millis(20));
        }
        let agent = Self { socket, folder, process };
        for key in keys {
            agent.add(key, "");
        }
        agent
    }

    /// Adds a key, which may have a passphrase, and its certificate.
    pub(crate) fn add(&self, key: &str, passphrase: &str) {
        let ask = self.folder.join("askpass");
        fs::write(&ask, format!("#!/bin/sh\necho '{passphrase}'\n")).unwrap();
        fs::set_permissions(&ask, fs::Permissions::from_mode(0o700)).unwrap();
        let added = program("ssh-add")
            .arg("-q")
            .arg(self.folder.join(key))
            .env("SSH_AUTH_SOCK", &self.socket)
            .envs([("SSH_ASKPASS", ask.as_os_str()), ("SSH_ASKPASS_REQUIRE", "force".as_ref())])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(added.unwrap().success());
    }

    /// Removes all keys.
    pub(crate) fn clear(&self) {
        let mut clear = program("ssh-add");
        clear.args(["-q", "-D"]).env("SSH_AUTH_SOCK", &self.socket).stderr(Stdio::null());
        assert!(clear.status().unwrap().success());
    }

    /// Returns how often it was asked for a signature: message 13 of its protocol.
    pub(crate) fn signed(&self) -> usize {
        let log = fs::read_to_string(self.folder.join("agent.log")).unwrap();
        log.lines().filter(|line| line.ends_with(" type 13")).count()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
