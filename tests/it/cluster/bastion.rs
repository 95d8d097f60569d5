//! The whole procedure behind two jump hosts, as production reaches its fleet: names that only `ssh_config`
//! explains, a key with a passphrase that only the agent can use, certificates of users and of hosts.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::path::Path;

use crate::cluster::{BACKENDS, Cluster, OBOX_RESTART, SSH_PORT};
use crate::harness::{Ended, Planrun, eventually, program};
use crate::ssh::server::{Agent, Server};

const PASSPHRASE: &str = "open sesame";

const HOSTS: [&str; 5] = ["director1", "director2", "backend1", "backend2", "backend3"];

/// Inputs with which users are moved before the stop, and nothing is waited for longer than needed.
const QUICK: [&str; 8] = [
    "--set",
    "drain_for=10s",
    "--set",
    "remaining_users=continue",
    "--set",
    "move_users=before_stop",
    "--set",
    "watch_for=1s",
];

/// All that the plan sends for one backend with these inputs.
const RESTART: [&str; 10] = [
    "doveadm director update IP 0",
    "doveadm service stop lmtp",
    "doveadm metacache flushall -i",
    "doveadm director flush IP",
    "systemctl stop dovecot",
    "doveadm director down IP",
    "doveadm metacache rescan",
    "systemctl start dovecot",
    "doveadm director update IP 100",
    "doveadm director up IP",
];

/// A cluster behind two jump hosts, with users logged in, and the operator's home.
struct Fleet {
    cluster: Cluster,
    gates: [Server; 2],
    agent: Agent,
    planrun: Planrun,
}

impl Fleet {
    /// Sets it up: each host lets in the operator's key only, which has a passphrase and is in the agent.
    #[track_caller]
    fn up() -> Self {
        let cluster = Cluster::up();
        let gates = ["gate1", "gate2"].map(|gate| Server::start(gate).unwrap());
        fs::create_dir_all(gates[0].path("home/.ssh")).unwrap();
        let new = ["-q", "-t", "ed25519", "-C", "operator", "-N", PASSPHRASE, "-f"];
        gates[0].keygen_with(&new, "home/.ssh/id");
        let agent = Agent::start(&gates[0], &[]);
        agent.add("home/.ssh/id", PASSPHRASE);
        let mut planrun = Planrun::new();
        let home = gates[0].path("home").display().to_string();
        planrun.environment("HOME", Some(&home));
        let key = gates[0].read("home/.ssh/id.pub");
        fs::write(cluster.path("client_key.pub"), &key).unwrap();
        fs::remove_file(cluster.path("client_key")).unwrap();
        let mut known = fs::read_to_string(cluster.path("known_hosts")).unwrap();
        let mut configuration = String::new();
        for (name, gate, more) in
            [("gate1", &gates[0], ""), ("gate2", &gates[1], "ProxyJump gate1")]
        {
            fs::write(gate.path("user.pub"), &key).unwrap();
            let (address, port) = gate.address();
            write!(known, "[{address}]:{port} {}", gate.read("one.pub")).unwrap();
            let block = format!("Host {name}\nHostName {address}\nPort {port}\n{more}\n");
            configuration.push_str(&block);
        }
        for host in HOSTS {
            let address = cluster.address(host);
            let block = format!("Host {host}\nHostName {address}\nPort {SSH_PORT}\n");
            configuration.push_str(&block);
        }
        // `~` is the home of the account to `ssh`, whatever HOME is.
        let _infallible = write!(
            configuration,
            "Host director* backend*\nProxyJump gate2\nHost *\nUser root\nIdentitiesOnly yes\n\
             IdentityFile {home}/.ssh/id\nUserKnownHostsFile {home}/.ssh/known_hosts\n"
        );
        fs::write(gates[0].path("home/.ssh/config"), configuration).unwrap();
        fs::write(gates[0].path("home/.ssh/known_hosts"), known).unwrap();
        cluster.sessions("start");
        let mut fleet = Self { cluster, gates, agent, planrun };
        fleet.has_agent(true);
        fleet
    }

    fn has_agent(&mut self, has: bool) {
        self.planrun.environment("SSH_AUTH_SOCK", has.then_some(&*self.agent.socket));
    }

    /// Writes an inventory of names; nothing in it says how the hosts are reached.
    fn inventory(&self, connection: &str) -> String {
        let mut text = format!(
            "all:\n  vars: {{planrun_connection: {connection}, ansible_timeout: 60}}\n  children:\n    \
             directors: {{hosts: {{director1: {{}}, director2: {{}}}}}}\n    backends:\n      hosts:\n"
        );
        for (number, backend) in BACKENDS.iter().enumerate() {
            let address = self.cluster.address(backend);
            let metacache = self.cluster.path(&format!("hosts/{backend}/vmail"));
            writeln!(
                text,
                "        {backend}: {{backend_ip: {address}, test_user: probe{}, metacache_dir: {}}}",
                number + 1,
                metacache.display()
            )
            .unwrap();
        }
        self.planrun.file(&format!("{connection}.yaml"), text)
    }

    #[track_caller]
    fn apply(&self, inventory: &str, hosts: &str) -> Ended {
        let words = ["apply", OBOX_RESTART, "--inventory", inventory, "--limit", hosts];
        self.planrun.run_json(&[&words[..], &QUICK].concat())
    }

    /// Asserts that a run is refused before its first change.
    #[track_caller]
    fn refuses(&self, inventory: &str, status: i32, why: &str) {
        let before = self.changes();
        self.apply(inventory, "backends").exits(status).says(why);
        assert_eq!(self.changes(), before);
    }

    /// Asserts that a run restarts these backends once each, moves their users before, and brings them back.
    #[track_caller]
    fn restarts(&self, inventory: &str, backends: &[&str]) {
        let (before, masters) = (self.changes(), self.cluster.masters());
        let ended = self.apply(inventory, &backends.join(":"));
        ended.exits(0);
        let one_at_a_time =
            backends.iter().flat_map(|host| [format!("+{host}"), format!("-{host}")]);
        assert_eq!(ended.story().turns(), one_at_a_time.collect::<Vec<_>>());
        let now = self.cluster.masters();
        for (number, backend) in BACKENDS.iter().enumerate() {
            let changes = self.cluster.changes(backend);
            let own = changes[before[number].len()..].iter().map(String::as_str);
            let own = own.filter(|one| !one.starts_with("doveadm director") || one.contains("IP"));
            let is_chosen = backends.contains(backend);
            let expected = if is_chosen { &RESTART[..] } else { &[] };
            assert_eq!(own.collect::<Vec<_>>(), expected, "{backend}");
            assert_eq!(now[number] != masters[number], is_chosen, "{backend}");
            assert!(now[number].is_u64(), "{backend}");
            assert_eq!(self.cluster.share(backend), "up 100");
        }
        self.cluster.everybody_is_served();
    }

    #[track_caller]
    fn changes(&self) -> [Vec<String>; 3] {
        BACKENDS.map(|backend| self.cluster.changes(backend))
    }

    /// Returns how often the jump hosts have let in the operator, and how often each host has; by what.
    fn logins(&self, by: &str) -> ([usize; 2], [usize; 5]) {
        let words = |log: String| {
            let accepted = log.lines().filter(|line| line.contains("Accepted publickey"));
            accepted.filter(|line| line.contains(by)).count()
        };
        let of_host = |host| fs::read_to_string(self.log_of(host)).map(words).unwrap();
        ([&self.gates[0], &self.gates[1]].map(|gate| words(gate.read("log"))), HOSTS.map(of_host))
    }

    fn log_of(&self, host: &str) -> std::path::PathBuf {
        self.cluster.path(&format!("hosts/{host}/ssh/sshd.log"))
    }

    /// Makes an authority, which signs the operator's key and the key of each host. From now on the
    /// operator is let in by the certificate only.
    #[track_caller]
    fn gets_certificates(&mut self) {
        let authority = self.authority("ca");
        self.signs_operator("ca");
        let lines = |certificate: &Path| {
            format!(
                "TrustedUserCAKeys {authority}.pub\nAuthorizedKeysFile none\nHostCertificate {}\n",
                certificate.display()
            )
        };
        for gate in &mut self.gates {
            sign(&authority, &["-h", "-I", "gate", "-n", gate.address().0], &gate.path("one.pub"));
            gate.shows_with("one", &lines(&gate.path("one-cert.pub")));
        }
        for host in HOSTS {
            let (folder, address) =
                (self.cluster.path(&format!("hosts/{host}/ssh")), self.cluster.address(host));
            sign(&authority, &["-h", "-I", host, "-n", &address], &folder.join("host_key.pub"));
            let file = folder.join("sshd_config");
            let old = fs::read_to_string(&file).unwrap();
            fs::write(&file, lines(&folder.join("host_key-cert.pub")) + &old).unwrap();
            self.cluster.fault(host, "sshd_down");
            self.cluster.heal(host, "sshd_down");
            eventually("sshd is back", || TcpStream::connect((&*address, SSH_PORT)).is_ok());
        }
    }

    /// Makes a key for an authority, and returns its path.
    fn authority(&self, name: &str) -> String {
        self.gates[0].keygen_with(&["-q", "-t", "ed25519", "-N", "", "-f"], name);
        self.gates[0].path(name).display().to_string()
    }

    /// Gives the agent a certificate for the operator's key.
    fn signs_operator(&self, authority: &str) {
        let authority = self.gates[0].path(authority).display().to_string();
        let key = self.gates[0].path("home/.ssh/id.pub");
        sign(&authority, &["-I", "operator", "-n", "root"], &key);
        self.agent.clear();
        self.agent.add("home/.ssh/id", PASSPHRASE);
    }

    /// Writes that hosts are known by this authority only.
    fn knows_authority(&self, name: &str) {
        let line = format!("@cert-authority * {}", self.gates[0].read(&format!("{name}.pub")));
        fs::write(self.gates[0].path("home/.ssh/known_hosts"), line).unwrap();
    }
}

#[track_caller]
fn sign(authority: &str, words: &[&str], key: &Path) {
    let made = program("ssh-keygen").args(["-q", "-s", authority]).args(words).arg(key).status();
    assert!(made.unwrap().success());
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_fleet_behind_two_jump_hosts_is_restarted_with_a_key_that_only_the_agent_can_use() {
    let mut fleet = Fleet::up();
    let inventory = fleet.inventory("ssh");

    fleet.has_agent(false);
    fleet.refuses(&inventory, 2, "passphrase-protected and not in the agent: run `ssh-add");
    assert_eq!((fleet.logins(""), fleet.agent.signed()), (([0; 2], [0; 5]), 0));

    fleet.has_agent(true);
    fleet.restarts(&inventory, &BACKENDS);
    // One connection to each jump host and to each host; the agent signed for each.
    assert_eq!((fleet.logins(""), fleet.agent.signed()), (([1; 2], [1; 5]), 7));
    assert_eq!(fleet.cluster.sessions("stop")["totals"]["failures"], 0);

    fleet.gates[1].cut();
    fleet.refuses(&inventory, 4, "jump host gate2");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn the_program_ssh_restarts_a_fleet_behind_two_jump_hosts_with_a_key_of_the_agent() {
    let mut fleet = Fleet::up();
    let inventory = fleet.inventory("openssh");

    fleet.has_agent(false);
    fleet.refuses(&inventory, 77, "Permission denied (publickey)");
    assert_eq!((fleet.logins(""), fleet.agent.signed()), (([0; 2], [0; 5]), 0));

    fleet.has_agent(true);
    fleet.restarts(&inventory, &BACKENDS);
    // Each session has a connection of its own, through both jump hosts.
    let (gates, hosts) = fleet.logins("");
    let sessions: usize = hosts.iter().sum();
    assert!(hosts.iter().all(|&logins| logins > 0), "{hosts:?}");
    assert_eq!((gates, fleet.agent.signed()), ([sessions; 2], 3 * sessions));
    assert_eq!(fleet.cluster.sessions("stop")["totals"]["failures"], 0);

    fleet.gates[1].cut();
    fleet.refuses(&inventory, 4, "Connection");
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn a_fleet_behind_two_jump_hosts_is_restarted_with_certificates() {
    let mut fleet = Fleet::up();
    let (own, program) = (fleet.inventory("ssh"), fleet.inventory("openssh"));
    fleet.gets_certificates();
    fleet.authority("other");

    fleet.signs_operator("other");
    fleet.refuses(&own, 77, "the certificate of the key");
    fleet.refuses(&program, 77, "Permission denied (publickey)");
    fleet.signs_operator("ca");
    fleet.restarts(&own, &["backend1"]);
    for by in ["ED25519-CERT", ""] {
        assert_eq!(fleet.logins(by), ([1; 2], [1, 1, 1, 0, 0]));
    }

    fleet.knows_authority("other");
    fleet.refuses(&program, 77, "Host key verification failed");
    fleet.knows_authority("ca");
    fleet.refuses(&own, 77, "it is known only by a certificate authority");
    fleet.restarts(&program, &BACKENDS[1..]);
    let (gates, hosts) = fleet.logins("ED25519-CERT");
    assert!(gates.iter().chain(&hosts).all(|&logins| logins > 0), "{gates:?} {hosts:?}");
    assert!(gates.iter().all(|&logins| logins > 1), "{gates:?}");
    assert_eq!(fleet.logins(""), (gates, hosts));
    assert_eq!(fleet.cluster.sessions("stop")["totals"]["failures"], 0);
}
