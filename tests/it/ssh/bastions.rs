//! A fleet behind bastions, by `~/.ssh/config` alone, with the binary: what `ssh HOST` reaches.

use std::fs;
use std::path::PathBuf;

use super::server::{Agent, Server};
use super::two_steps;
use crate::harness::{Planrun, eventually};

/// Two jump hosts and a host behind them, and the operator's home with a configuration and one key.
struct Fleet {
    one: Server,
    two: Server,
    last: Server,
    planrun: Planrun,
}

impl Fleet {
    fn start(test: &str) -> Option<Self> {
        let (one, two, last) = (Server::start(test)?, Server::start(test)?, Server::start(test)?);
        let mut planrun = Planrun::new();
        let home = one.path("home");
        fs::create_dir_all(home.join(".ssh")).unwrap();
        one.keygen_with(&["-q", "-t", "ed25519", "-N", "", "-C", "id", "-f"], "home/.ssh/id");
        let mut known = String::new();
        for server in [&one, &two, &last] {
            fs::copy(home.join(".ssh/id.pub"), server.path("user.pub")).unwrap();
            let (address, port) = server.address();
            known.extend(["[", address, &format!("]:{port} "), &server.read("one.pub")]);
        }
        fs::write(home.join(".ssh/known_hosts"), known).unwrap();
        let block = |name: &str, server: &Server, more: &str| {
            let (address, port) = server.address();
            format!("Host {name}\n  HostName {address}\n  Port {port}\n{more}\n")
        };
        let configuration = block("gate1", &one, "")
            + &block("gate2", &two, "  ProxyJump gate1\n")
            + &block("web1", &last, "  ProxyJump gate2\n")
            + "Host *\n  User root\n  IdentityFile ~/.ssh/id\n  IdentitiesOnly yes\n";
        fs::write(home.join(".ssh/config"), configuration).unwrap();
        planrun.environment("HOME", Some(home.to_str().unwrap()));
        planrun.environment("SSH_AUTH_SOCK", None);
        Some(Self { one, two, last, planrun })
    }

    fn key(&self) -> PathBuf {
        self.one.path("home/.ssh/id")
    }

    /// Protects the key by a passphrase.
    fn lock(&self) {
        self.one.keygen_with(&["-q", "-p", "-P", "", "-N", "open-sesame", "-f"], "home/.ssh/id");
    }

    fn logins(&self) -> [usize; 3] {
        [&self.one, &self.two, &self.last].map(|server| server.logged("Accepted publickey"))
    }
}

/// Returns the fingerprint of a server's key.
fn fingerprint_of(server: &Server) -> String {
    let key = crate::harness::program("ssh-keygen").arg("-lf").arg(server.path("one.pub")).output();
    let shown = String::from_utf8(key.unwrap().stdout).unwrap();
    shown.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_host_behind_two_jump_hosts_is_reached_by_the_configuration_and_one_key_of_the_agent() {
    let Some(mut fleet) = Fleet::start("two_jump_hosts") else {
        return;
    };
    // More keys than a server accepts; the right one is the last.
    let mut keys: Vec<String> = (0..8).map(|number| format!("wrong{number}")).collect();
    for key in &keys {
        fleet.one.keygen(key);
    }
    keys.push("home/.ssh/id".to_owned());
    let agent = Agent::start(&fleet.one, &keys);
    fleet.lock();
    fleet.planrun.environment("SSH_AUTH_SOCK", Some(&agent.socket));
    let planrun = &fleet.planrun;
    let inventory = planrun.file("hosts.yaml", "all: {hosts: {web1: {}}}\n");
    let plan = planrun.file("plan.yaml", two_steps(&fleet.last));

    planrun.run(&["apply", &plan, "-i", &inventory]).exits(6);
    assert!(fleet.last.path("first").exists());
    assert_eq!(fleet.logins(), [1, 1, 1]);
    planrun.run(&["resolve", "last", "web1/ask", "--as", "approve"]);
    // The settings are read again, as keys are.
    fs::remove_file(fleet.key()).unwrap();
    planrun.run(&["resume", "last"]).exits(0);
    assert!(fleet.last.path("second").exists());
    assert_eq!(fleet.logins(), [2, 2, 2]);

    let shown = planrun.run(&["inventory", &inventory, "-l", "web1"]);
    shown.exits(0).says("openssh   HostName 127.0.14.1").says("ProxyJump gate2");
    shown.says("IdentitiesOnly yes").says("home/.ssh/config line 10");
    assert!(!planrun.run(&["inventory", &inventory]).stdout.contains("ProxyJump"));
}

#[test]
fn the_program_ssh_reaches_a_host_behind_two_jump_hosts_with_the_same_promises() {
    let Some(mut fleet) = Fleet::start("by_the_program") else {
        return;
    };
    let agent = Agent::start(&fleet.one, &["home/.ssh/id".to_owned()]);
    fleet.lock();
    fleet.planrun.environment("SSH_AUTH_SOCK", Some(&agent.socket));
    let planrun = &fleet.planrun;
    // `~` is the home of the account to `ssh`, whatever HOME is.
    let home = fleet.one.path("home").display().to_string();
    let file = fleet.one.path("home/.ssh/config");
    let configuration = fs::read_to_string(&file).unwrap().replace("~/", &format!("{home}/"));
    let configuration = format!("{configuration}  UserKnownHostsFile {home}/.ssh/known_hosts\n");
    fs::write(&file, configuration).unwrap();
    let inventory =
        planrun.file("hosts.yaml", "all: {hosts: {web1: {planrun_connection: openssh}}}\n");
    planrun.run(&["ping", "-i", &inventory]).exits(0).says("web1  root");
    let plan = planrun.file("plan.yaml", two_steps(&fleet.last));
    planrun.run(&["apply", &plan, "-i", &inventory]).exits(6);
    assert!(fleet.last.path("first").exists());
    planrun.run(&["resolve", "last", "web1/ask", "--as", "approve"]);
    // A host that is no longer known is sent nothing.
    let known = fleet.one.path("home/.ssh/known_hosts");
    let right = fs::read_to_string(&known).unwrap();
    let port = fleet.last.address().1.to_string();
    let others: String = right.split_inclusive('\n').filter(|line| !line.contains(&port)).collect();
    fs::write(&known, others).unwrap();
    planrun.run(&["resume", "last"]).exits(6).says("Host key verification failed");
    assert!(!fleet.last.path("second").exists());
    fs::write(&known, right).unwrap();
    planrun.run(&["resume", "last"]).exits(0);
    assert!(fleet.last.path("second").exists());
}

#[test]
fn a_resume_goes_nowhere_if_the_configuration_leads_to_another_host() {
    let Some(fleet) = Fleet::start("led_away") else {
        return;
    };
    let planrun = &fleet.planrun;
    let inventory = planrun.file("hosts.yaml", "all: {hosts: {web1: {}}}\n");
    let plan = planrun.file("plan.yaml", two_steps(&fleet.last));
    planrun.run(&["apply", &plan, "-i", &inventory]).exits(6);
    planrun.run(&["resolve", "last", "web1/ask", "--as", "approve"]);
    let file = fleet.one.path("home/.ssh/config");
    let configuration = fs::read_to_string(&file).unwrap();
    let (last, two) = (fleet.last.address().1, fleet.two.address().1);
    fs::write(&file, configuration.replace(&format!("Port {last}"), &format!("Port {two}")))
        .unwrap();
    let resumed = planrun.run(&["resume", "last"]);
    resumed.exits(6).says("quarantined").says("and earlier in this run it showed ssh-ed25519");
    assert!(!fleet.last.path("second").exists());
}

#[test]
fn a_passphrase_is_asked_for_once_at_the_terminal() {
    let Some(fleet) = Fleet::start("passphrase") else {
        return;
    };
    fleet.lock();
    let planrun = &fleet.planrun;
    let inventory = planrun.file("hosts.yaml", "all: {hosts: {web1: {}}}\n");
    let plan = planrun.file("plan.yaml", super::HELLO);
    let without = planrun.run(&["apply", &plan, "-i", &inventory]);
    without.says("is passphrase-protected and not in the agent: run `ssh-add");
    assert_eq!(fleet.logins(), [0, 0, 0]);

    let out = planrun.path("typescript");
    let applied = planrun.type_line(&format!(
        "(while ! grep -q Passphrase {0}; do sleep 0.1; done; echo open-sesame) | \
         script -qfec 'planrun apply {plan} -i {inventory} --yes' {0}",
        out.display()
    ));
    applied.exits(0);
    let shown = String::from_utf8_lossy(&fs::read(out).unwrap()).into_owned();
    assert_eq!(shown.matches("Passphrase for ").count(), 1, "{shown}");
    assert!(!shown.contains("open-sesame"), "{shown}");
    assert_eq!(fleet.logins(), [1, 1, 1]);
    let stored = planrun.disk();
    let has = |bytes: &[u8]| bytes.windows(11).any(|window| window == b"open-sesame");
    assert!(stored.iter().all(|(_, content)| !has(content)));
}

#[test]
fn jump_hosts_are_trusted_one_after_the_other_on_the_way_to_a_host() {
    let Some(fleet) = Fleet::start("trust_jumps") else {
        return;
    };
    let planrun = &fleet.planrun;
    let inventory = planrun.file("hosts.yaml", "all: {hosts: {web1: {}}}\n");
    let known = fleet.one.path("home/.ssh/known_hosts");
    fs::remove_file(&known).unwrap();
    planrun
        .run(&["ping", "-i", &inventory])
        .exits(77)
        .says("jump host gate1: its host key is unknown");
    let mut words = vec!["hosts", "trust", "-i", &inventory];
    let prints: Vec<String> = [&fleet.one, &fleet.two, &fleet.last].map(fingerprint_of).into();
    words.extend(prints.iter().flat_map(|print| ["--expect", print.as_str()]));
    planrun.run(&words).exits(0);
    assert_eq!(fs::read_to_string(&known).unwrap().lines().count(), 3);
    planrun.run(&["ping", "-i", &inventory]).exits(0).says("web1  root");
}

#[test]
fn a_jump_host_that_leads_back_to_itself_is_an_error_at_once() {
    let Some(fleet) = Fleet::start("jump_loop") else {
        return;
    };
    let planrun = &fleet.planrun;
    let inventory = planrun.file("hosts.yaml", "all: {hosts: {gate1: {}, web1: {}, web2: {}}}\n");
    let plan = planrun.file("plan.yaml", super::HELLO);
    let file = fleet.one.path("home/.ssh/config");
    let configuration = fs::read_to_string(&file).unwrap();
    for more in [
        // The commonest mistake: it is for the jump host as well.
        "Host *\n  ProxyJump gate1\n",
        "Host gate1\n  ProxyJump gate2\n",
        "Host gate1\n  ProxyJump web1\n",
    ] {
        fs::write(&file, format!("{configuration}{more}")).unwrap();
        for words in [
            &["ping", "-i", &inventory][..],
            &["hosts", "trust", "-i", &inventory],
            &["apply", &plan, "-i", &inventory, "--yes"],
        ] {
            let ended = planrun.run(words);
            assert_ne!(ended.status, Some(0), "{more} {words:?}");
            ended.says("leads back to a host on the way").says("home/.ssh/config line");
        }
    }
    assert_eq!(fleet.logins(), [0, 0, 0]);
}

#[test]
fn a_key_is_added_to_a_file_of_the_user_or_not_at_all() {
    let Some(fleet) = Fleet::start("trust_files") else {
        return;
    };
    let planrun = &fleet.planrun;
    let inventory = planrun.file("hosts.yaml", "all: {hosts: {gate1: {}}}\n");
    fs::remove_file(fleet.one.path("home/.ssh/known_hosts")).unwrap();
    let file = fleet.one.path("home/.ssh/config");
    let configuration = fs::read_to_string(&file).unwrap();
    let global = fleet.one.path("global");
    let fingerprint = fingerprint_of(&fleet.one);
    let trust = ["hosts", "trust", "-i", &inventory, "--expect", &fingerprint];
    for user in ["none", "/dev/null"] {
        let more = format!(
            "Host *\n  UserKnownHostsFile {user}\n  GlobalKnownHostsFile {}\n",
            global.display()
        );
        fs::write(&file, format!("{configuration}{more}")).unwrap();
        let refused = planrun.run(&trust);
        refused.exits(2).says("add keys to").says("planrun_known_hosts");
        assert!(!global.exists());
    }
    let own = fleet.one.path("own");
    let more = format!("Host *\n  UserKnownHostsFile {}\n", own.display());
    fs::write(&file, format!("{configuration}{more}")).unwrap();
    planrun.run(&trust).exits(0).says(&format!("added 1 key to {}", own.display()));
    planrun.run(&["ping", "-i", &inventory]).exits(0);
    planrun.run(&["ping", "gate1:!gate1", "-i", &inventory]).exits(2).says("no host is left");
}

#[test]
fn an_interrupted_question_leaves_the_terminal_as_it_was() {
    let Some(fleet) = Fleet::start("interrupted_question") else {
        return;
    };
    fleet.lock();
    let planrun = &fleet.planrun;
    let inventory = planrun.file("hosts.yaml", "all: {hosts: {web1: {}}}\n");
    let out = planrun.path("typescript");
    let line = format!("trap : INT; planrun ping -i {inventory}; echo rc $?; stty -a");
    let ended = planrun.type_line(&format!(
        "(while ! grep -q Passphrase {0}; do sleep 0.1; done; printf 'open-\\003'; \
          while ! grep -q 'rc ' {0}; do sleep 0.1; done) | script -qfec \"{1}\" {0}",
        out.display(),
        line.replace('$', "\\$")
    ));
    ended.exits(0);
    let shown = String::from_utf8_lossy(&fs::read(out).unwrap()).into_owned();
    assert!(shown.contains("rc 130"), "{shown}");
    assert!(!shown.contains("-echo ") && !shown.contains("-isig "), "{shown}");
}

#[test]
fn an_interrupted_question_ends_a_run_before_its_first_change() {
    let Some(fleet) = Fleet::start("interrupted_run") else {
        return;
    };
    fleet.lock();
    let planrun = &fleet.planrun;
    let inventory = planrun.file("hosts.yaml", "all: {hosts: {web1: {}}}\n");
    let plan = planrun.file("plan.yaml", two_steps(&fleet.last));
    let out = planrun.path("typescript");
    let line = format!(
        "trap : INT; planrun apply {plan} -i {inventory} --yes; echo rc $?; stty -a; echo over"
    );
    let ended = planrun.type_line(&format!(
        "(while ! grep -q Passphrase {0}; do sleep 0.1; done; printf 'open-\\003'; \
          while ! grep -q '^over' {0}; do sleep 0.1; done) | script -qfec \"{1}\" {0}",
        out.display(),
        line.replace('$', "\\$")
    ));
    ended.exits(0);
    let shown = String::from_utf8_lossy(&fs::read(out).unwrap()).into_owned();
    assert!(shown.contains("planrun resume ") && shown.contains("rc 6"), "{shown}");
    assert!(!shown.contains("-echo ") && !shown.contains("-isig "), "{shown}");
    assert_eq!(fleet.logins(), [0, 0, 0]);
    assert!(!fleet.last.path("first").exists());
    planrun.has_sent_nothing();
}

#[test]
fn what_a_proxy_command_started_ends_with_a_run_that_is_killed() {
    let Some(fleet) = Fleet::start("killed_with_proxy") else {
        return;
    };
    let planrun = &fleet.planrun;
    let (address, port) = fleet.last.address();
    // The second process of it waits for nothing that ends with planrun.
    let mark = format!("9{port}");
    let relay = "exec 3<>/dev/tcp/$0/$1; cat <&3 & exec cat >&3";
    let proxy = format!("sleep {mark} & exec bash -c '{relay}' {address} {port}");
    let file = fleet.one.path("home/.ssh/config");
    let configuration = fs::read_to_string(&file).unwrap();
    let configuration =
        configuration.replace("  ProxyJump gate2", &format!("  ProxyCommand {proxy}"));
    fs::write(&file, configuration).unwrap();
    let inventory = planrun.file("hosts.yaml", "all: {hosts: {web1: {}}}\n");
    let begun = fleet.last.path("begun");
    let plan = planrun.file(
        "plan.yaml",
        format!(
            "version: 1\nname: slow\nhosts: all\nsteps:\n  - shell: touch {0}; while [ -e {0} ]; do sleep 0.1; done\n    \
             idempotent: true\n    rollback: {{none: the test ends here}}\n",
            begun.display()
        ),
    );
    let going = planrun.begin(&["apply", &plan, "-i", &inventory]);
    eventually("the command runs", || begun.exists());
    assert_eq!(processes_of(&mark), 1);
    assert!(going.kill());
    eventually("nothing of the program is left", || processes_of(&mark) == 0);
    fs::remove_file(begun).unwrap();
}

/// Returns how many processes have this word in their command line.
fn processes_of(word: &str) -> usize {
    let lines = fs::read_dir("/proc").unwrap();
    let lines = lines.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|&byte| byte == 0).any(|it| it == word.as_bytes())).count()
}
