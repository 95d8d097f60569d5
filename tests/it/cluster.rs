//! The real Dovecot cluster for tests, and the tests on it.
//!
//! Directors, backends, sessions and sshd are real; `systemctl` and `doveadm metacache` are stand-ins, see
//! `tests/cluster/README.md`. A [`Cluster`] starts in a second, next to others, and is removed when it is
//! dropped or when the test is killed. Each host's own log of commands shows what was sent.

mod bastion;
mod cuts;
mod faults;
mod input;
mod instants;
mod restart;
mod resume;
mod tweaks;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Planrun, edited, eventually, program, root};
use crate::ssh::proxy::Proxy;

/// The plan of the main job.
const OBOX_RESTART: &str = "plans/obox-restart.yaml";

/// Where every sshd of the cluster listens.
const SSH_PORT: u16 = 2222;

const BACKENDS: [&str; 3] = ["backend1", "backend2", "backend3"];

/// A copy of it with less patience where nothing goes wrong slowly, to keep the tests short.
const LESS_PATIENCE: [(&str, &str); 2] =
    [("within: 20s", "within: 10s"), ("{attempts: 3, delay: 5s}", "{attempts: 2, delay: 1s}")];

/// Inputs that do not ask about users who never disconnect, and watch a backend for seconds.
const SHORT_WATCH: [&str; 4] = ["--set", "remaining_users=continue", "--set", "watch_for=5s"];

/// The same, with a short wait for users.
const SHORT_DRAIN: [&str; 6] =
    ["--set", "drain_for=10s", "--set", "remaining_users=continue", "--set", "watch_for=5s"];

/// Writes the plan of the main job as it is but for less patience and these changes.
#[track_caller]
fn restart_plan(planrun: &Planrun, changes: &[(&str, &str)]) -> String {
    let changes = [&LESS_PATIENCE, changes].concat();
    planrun.file("obox-restart.yaml", edited(OBOX_RESTART, &changes))
}

/// A cluster of two directors and three backends, for one test.
struct Cluster {
    folder: TempDir,
}

/// A process that watches a backend, see [`Cluster::watches`].
struct Watch(Child);

impl Watch {
    /// Ends it; prints and returns how long users waited, in seconds.
    #[expect(clippy::print_stdout, reason = "the figure is for those who read the log")]
    #[track_caller]
    fn end(self) -> f64 {
        let done = self.0.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&done.stdout).unwrap();
        println!("stopped with users mapped to it: {report}");
        assert!(report["looks"].as_u64() > Some(0), "{report}");
        report["exposed_s"].as_f64().unwrap()
    }

    /// Holds how long users waited against a bound in seconds. It is generous: the figure is what counts.
    #[track_caller]
    fn saw_users_wait_at_most(self, bound: f64) {
        let waited = self.end();
        assert!(waited <= bound, "{waited}");
    }
}

/// A command that came to a host.
#[derive(Debug, Deserialize)]
struct Came {
    at: f64,
    argv: Vec<String>,
    /// Not there as long as it runs.
    exit: Option<i32>,
}

/// Settings by which login processes are kept idle: then they listen, and the master does not.
const IDLE_LOGINS: &str = "service imap-login {\n  service_count = 0\n  process_min_avail = 2\n}\n";

impl Cluster {
    /// Sets up a cluster; mail can be read through every director.
    #[track_caller]
    fn up() -> Self {
        // Short, for the sockets in it.
        let folder = tempfile::Builder::new().prefix("pr").tempdir_in("/tmp").unwrap();
        let cluster = Self { folder };
        cluster.call("up", &["--owner", &std::process::id().to_string()]);
        cluster
    }

    /// Lets a backend keep idle login processes, as busy ones do.
    #[track_caller]
    fn keeps_idle_logins(&self, backend: &str) {
        let file = self.path(&format!("hosts/{backend}/conf.d/99-site.conf"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text + IDLE_LOGINS).unwrap();
        self.text("ssh", &[backend, "doveadm reload"]);
    }

    /// Returns the path of the inventory.
    fn inventory(&self) -> String {
        let path = self.dir().join("inventory.yaml");
        path.to_str().unwrap().to_owned()
    }

    /// Writes a copy of the inventory with words replaced, and returns its path.
    #[track_caller]
    fn inventory_with(&self, from: &str, to: &str) -> String {
        let text = fs::read_to_string(self.inventory()).unwrap();
        assert!(text.contains(from), "{from:?} in:\n{text}");
        let path = self.dir().join("edited.yaml");
        fs::write(&path, text.replace(from, to)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Lets planrun reach hosts through a proxy each. Returns an inventory of that, and the proxies.
    #[track_caller]
    fn behind_proxies<const N: usize>(&self, hosts: [&str; N]) -> (String, [Proxy; N]) {
        let mut inventory = fs::read_to_string(self.inventory()).unwrap();
        let mut known = fs::read_to_string(self.path("known_hosts")).unwrap();
        let proxies = hosts.map(|host| {
            let address = self.address(host);
            let proxy = Proxy::start((&address, SSH_PORT));
            let at = format!("ansible_host: \"{address}\"");
            assert_eq!(inventory.matches(&at).count(), 1, "{at} in:\n{inventory}");
            inventory = inventory.replace(&at, &format!("{at}, ansible_port: {}", proxy.port));
            let (direct, by) =
                (format!("[{address}]:{SSH_PORT} "), format!("[{address}]:{} ", proxy.port));
            let line = known.lines().find(|line| line.starts_with(&direct)).unwrap();
            let line = line.replace(&direct, &by);
            known.extend([&line, "\n"]);
            proxy
        });
        fs::write(self.path("known_hosts"), known).unwrap();
        let path = self.path("proxied.yaml");
        fs::write(&path, inventory).unwrap();
        (path.to_str().unwrap().to_owned(), proxies)
    }

    /// Returns a file of a host, or of the cluster.
    fn path(&self, path: &str) -> PathBuf {
        self.dir().join(path)
    }

    /// Returns all that can be seen of the cluster.
    #[track_caller]
    fn status(&self) -> Value {
        self.call("status", &[])
    }

    /// Returns the id of the first process of each backend's Dovecot; null where there is none.
    #[track_caller]
    fn masters(&self) -> Vec<Value> {
        let status = self.status();
        let hosts = status["hosts"].as_object().unwrap().values();
        hosts
            .filter(|host| host["group"] == "backends")
            .map(|host| host["dovecot_pid"].clone())
            .collect()
    }

    /// Returns what the first director says of a backend: `vhosts`, `state`, `users`.
    #[track_caller]
    fn backend(&self, name: &str) -> Value {
        let status = self.status();
        let rows = status["directors"]["director1"]["backends"].as_array();
        let rows = rows.unwrap_or_else(|| panic!("no answer of director1: {status:#}"));
        let row = rows.iter().find(|row| row["host"] == name);
        row.unwrap().clone()
    }

    /// Returns a backend's state and share as one reads it: `up 100`.
    #[track_caller]
    fn share(&self, backend: &str) -> String {
        let row = self.backend(backend);
        format!("{} {}", row["state"].as_str().unwrap(), row["vhosts"])
    }

    /// Returns a host's address.
    #[track_caller]
    fn address(&self, host: &str) -> String {
        let status = self.status();
        let address = status["hosts"][host]["address"].as_str().unwrap();
        address.to_owned()
    }

    /// Whether a backend's Dovecot runs, as its unit has it.
    #[track_caller]
    fn is_active(&self, backend: &str) -> bool {
        self.status()["hosts"][backend]["unit"] == "active"
    }

    /// `start`s, `report`s or `stop`s the users' sessions, and returns the report.
    #[track_caller]
    fn sessions(&self, verb: &str) -> Value {
        self.call("sessions", &[verb])
    }

    /// Returns the users in IDLE whose last good login ended up on a backend.
    #[track_caller]
    fn users_on(&self, backend: &str) -> Vec<String> {
        let report = self.sessions("report");
        let users = report["users"].as_object().unwrap().iter();
        users
            .filter(|(_, user)| user["kind"] == "idle" && user["backend"] == backend)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Holds that before long every user in IDLE is logged in again.
    #[track_caller]
    fn everybody_is_served(&self) {
        eventually("all users are logged in", || {
            let report = self.sessions("report");
            let mut users = report["users"].as_object().unwrap().values();
            report["totals"]["locked_out_now"] == Value::Array(Vec::new())
                && users.all(|user| user["kind"] != "idle" || user["backend"].is_string())
        });
    }

    /// Brings a fault about.
    #[track_caller]
    fn fault(&self, host: &str, name: &str) {
        self.call("fault", &[host, name]);
    }

    /// Brings a fault about that takes so many seconds.
    #[track_caller]
    fn slow_fault(&self, host: &str, name: &str, seconds: u32) {
        self.call("fault", &[host, name, "--seconds", &seconds.to_string()]);
    }

    /// Takes a fault away.
    #[track_caller]
    fn heal(&self, host: &str, name: &str) {
        self.call("heal", &[host, name]);
    }

    /// Watches from now on how long a backend is stopped with users mapped to it.
    #[track_caller]
    fn watches(&self, backend: &str) -> Watch {
        let mut program = program(root().join("tests/cluster/cluster"));
        program.arg("exposed").arg(self.dir()).arg(backend);
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        Watch(program.spawn().unwrap())
    }

    /// Sets a backend's share of the users.
    #[track_caller]
    fn vhosts(&self, backend: &str, vhosts: u32) {
        self.call("vhosts", &[backend, &vhosts.to_string()]);
    }

    /// Returns the commands that came to a host, in the order of their begin.
    #[track_caller]
    fn log(&self, host: &str) -> Vec<Came> {
        let lines = self.text("log", &[host]);
        let came = lines.lines().map(serde_json::from_str);
        came.collect::<Result<_, _>>().unwrap()
    }

    /// Returns the commands that came to any host and change something, in the order of their
    /// begin. `IP` stands for the address of the backend, directors are not told apart.
    #[track_caller]
    fn changes(&self, backend: &str) -> Vec<String> {
        let address = self.address(backend);
        let mut found: Vec<Came> = ["director1", "director2", backend]
            .into_iter()
            .flat_map(|host| self.log(host))
            .filter(|came| is_change(&came.argv))
            .collect();
        found.sort_by(|a, b| a.at.total_cmp(&b.at));
        found.iter().map(|came| came.argv.join(" ").replace(&address, "IP")).collect()
    }

    /// Holds that nothing came to any host that changes something.
    #[track_caller]
    fn is_untouched(&self) {
        for backend in ["backend1", "backend2", "backend3"] {
            assert_eq!(self.changes(backend), [""; 0], "{backend}");
        }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("lab")
    }

    #[track_caller]
    fn call(&self, verb: &str, words: &[&str]) -> Value {
        serde_json::from_str(&self.text(verb, words)).unwrap_or_default()
    }

    #[track_caller]
    fn text(&self, verb: &str, words: &[&str]) -> String {
        let done = program(root().join("tests/cluster/cluster"))
            .arg(verb)
            .arg(self.dir())
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "cluster {verb} {words:?}: {stderr}");
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A failed test has its message already; what is left ends with its owner at the latest.
        let _ended = program(root().join("tests/cluster/cluster"))
            .arg("down")
            .arg(self.dir())
            .stdin(Stdio::null())
            .output();
    }
}

/// Whether a command is one that changes something.
fn is_change(argv: &[String]) -> bool {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    matches!(
        words[..],
        ["doveadm", "director", "update" | "up" | "down" | "flush" | "move" | "add" | "remove", ..]
            | ["doveadm", "service", "stop", ..]
            | ["doveadm", "metacache" | "reload" | "stop", ..]
            | ["systemctl", "start" | "stop" | "restart" | "reload", ..]
    )
}

/// The same where no user is mapped to it: there is nobody to flush away.
const WHOLE_RESTART_OF_AN_EMPTY_BACKEND: [&str; 9] = [
    "doveadm director update IP 0",
    "doveadm service stop lmtp",
    "doveadm metacache flushall -i",
    "systemctl stop dovecot",
    "doveadm director down IP",
    "doveadm metacache rescan",
    "systemctl start dovecot",
    "doveadm director update IP 100",
    "doveadm director up IP",
];

/// All that the plan sends for one backend when nothing goes wrong.
const WHOLE_RESTART: [&str; 10] = [
    "doveadm director update IP 0",
    "doveadm service stop lmtp",
    "doveadm metacache flushall -i",
    "systemctl stop dovecot",
    "doveadm director down IP",
    "doveadm director flush IP",
    "doveadm metacache rescan",
    "systemctl start dovecot",
    "doveadm director update IP 100",
    "doveadm director up IP",
];
