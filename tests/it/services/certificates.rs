//! A certificate is renewed on real servers: nginx on loopback, OpenSSL, commands on this machine.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use planrun::event::HostStatus;
use tempfile::TempDir;

use super::ran;
use crate::harness::{Planrun, edited};
use crate::support::hex;

/// The plan with less patience where nothing goes wrong slowly.
const LESS_PATIENCE: [(&str, &str); 3] = [
    ("every: 5s\n      stable_for: 30s", "every: 1s\n      stable_for: 2s"),
    ("within: 20s", "within: 3s"),
    ("{attempts: 2, delay: 5s}", "{attempts: 2, delay: 1s}"),
];

const NAME: &str = "www.planrun.test";

/// Some nginx, each with a certificate of its own, and new ones to bring to them.
struct Site {
    folder: TempDir,
    planrun: Planrun,
    ports: Vec<u16>,
}

impl Site {
    /// Starts so many servers; their certificates expire in ten days.
    fn up(servers: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("pr").tempdir_in("/tmp").unwrap();
        // The workers of nginx are of another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let held: Vec<TcpListener> =
            (0..servers).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports = held.iter().map(|one| one.local_addr().unwrap().port()).collect();
        let site = Self { folder, planrun: Planrun::new(), ports };
        for authority in ["root", "stranger"] {
            site.authority(authority);
        }
        site.certificate("old", "root", "10");
        site.certificate("new", "root", "90");
        site.certificate("other", "root", "90");
        site.certificate("strange", "stranger", "90");
        drop(held);
        for number in 0..servers {
            site.start(number);
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn host(&self, number: usize, name: &str) -> String {
        self.at(&format!("www{}/{name}", number + 1))
    }

    fn authority(&self, name: &str) {
        let (key, file) = (self.at(&format!("{name}.key")), self.at(&format!("{name}.pem")));
        let subject = format!("/CN={name} of planrun's tests");
        ran(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "365",
                "-subj",
                &subject,
                "-keyout",
                &key,
                "-out",
                &file,
            ],
        );
    }

    fn certificate(&self, name: &str, authority: &str, days: &str) {
        let [key, request, file] =
            ["key", "csr", "pem"].map(|kind| self.at(&format!("{name}.{kind}")));
        let [by, by_key] = ["pem", "key"].map(|kind| self.at(&format!("{authority}.{kind}")));
        let (subject, names) = (format!("/CN={NAME}"), format!("subjectAltName=DNS:{NAME}"));
        ran(
            "openssl",
            &[
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                &subject,
                "-addext",
                &names,
                "-keyout",
                &key,
                "-out",
                &request,
            ],
        );
        ran(
            "openssl",
            &[
                "x509",
                "-req",
                "-in",
                &request,
                "-copy_extensions",
                "copy",
                "-CA",
                &by,
                "-CAkey",
                &by_key,
                "-days",
                days,
                "-out",
                &file,
            ],
        );
    }

    fn start(&self, number: usize) {
        fs::create_dir(self.host(number, "")).unwrap();
        fs::copy(self.path("old.pem"), self.host(number, "chain.pem")).unwrap();
        fs::copy(self.path("old.key"), self.host(number, "key.pem")).unwrap();
        let conf = format!(
            "pid {dir}nginx.pid;\nerror_log {dir}error.log;\nevents {{}}\nhttp {{\n  access_log off;\n  \
             server {{\n    listen 127.0.0.1:{port} ssl;\n    ssl_certificate {dir}chain.pem;\n    \
             ssl_certificate_key {dir}key.pem;\n  }}\n}}\n",
            dir = self.host(number, ""),
            port = self.ports[number],
        );
        fs::write(self.host(number, "nginx.conf"), conf).unwrap();
        self.nginx(number, &[]);
    }

    fn nginx(&self, number: usize, words: &[&str]) {
        let (conf, log) = (self.host(number, "nginx.conf"), self.host(number, "start.log"));
        ran("nginx", &[&["-c", &conf, "-e", &log], words].concat());
    }

    /// The plan with less patience, and these changes.
    fn plan(&self, changes: &[(&str, &str)]) -> String {
        let text = edited("plans/certificate-renewal.yaml", &[&LESS_PATIENCE, changes].concat());
        self.planrun.file("certificate-renewal.yaml", text)
    }

    /// The words that bring this certificate and key to all servers.
    fn apply(&self, chain: &str, key: &str) -> Vec<String> {
        let mut text = String::from("servers:\n  vars: {planrun_connection: local}\n  hosts:\n");
        for (number, port) in self.ports.iter().enumerate() {
            let dir = self.host(number, "");
            writeln!(
                text,
                "    www{}: {{connect: \"127.0.0.1:{port}\", chain_at: {dir}chain.pem, key_at: {dir}key.pem, \
                 reload_by: \"nginx -c {dir}nginx.conf -e {dir}start.log -s reload\"}}",
                number + 1
            )
            .unwrap();
        }
        let inventory = self.planrun.file("site.yaml", text);
        let mut words = vec!["apply".to_owned(), self.plan(&[]), "--inventory".into(), inventory];
        for value in [
            format!("name={NAME}"),
            format!("roots={}", self.at("root.pem")),
            format!("chain={}", self.at(chain)),
            format!("key={}", self.at(key)),
        ] {
            words.extend(["--set".into(), value]);
        }
        words
    }

    fn serial(file: &str) -> String {
        let done = ran("openssl", &["x509", "-noout", "-serial", "-in", file]);
        String::from_utf8(done.stdout).unwrap()
    }

    /// Returns the serial number of what a server serves.
    fn served(&self, number: usize) -> String {
        let connect = format!("127.0.0.1:{}", self.ports[number]);
        let done = ran("openssl", &["s_client", "-connect", &connect, "-servername", NAME]);
        let file = self.at("served.pem");
        fs::write(&file, done.stdout).unwrap();
        Self::serial(&file)
    }

    #[track_caller]
    fn serves(&self, number: usize, name: &str) {
        let served = self.served(number);
        assert_eq!(served, Self::serial(&self.at(&format!("{name}.pem"))), "{name}");
        for (file, kind) in [("chain.pem", "pem"), ("key.pem", "key")] {
            let there = fs::read(self.host(number, file)).unwrap();
            assert_eq!(there, fs::read(self.path(&format!("{name}.{kind}"))).unwrap(), "{file}");
        }
    }

    /// Holds that no line of a private key is in the state folder, as it is or in hex, which is how
    /// files are kept; the certificate is there, so it was looked for in the right way.
    #[track_caller]
    fn keeps_no_key(&self, name: &str) {
        let mut kept = String::new();
        for (_, bytes) in self.planrun.disk() {
            kept.push_str(&String::from_utf8_lossy(&bytes));
        }
        let is_kept = |file: &str| {
            let text = fs::read_to_string(self.path(file)).unwrap();
            let lines: Vec<String> =
                text.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect();
            assert!(!lines.is_empty());
            lines
                .into_iter()
                .filter(|line| {
                    let hex = hex(line.as_bytes());
                    kept.contains(line.as_str()) || kept.contains(&hex)
                })
                .count()
        };
        assert_eq!(is_kept(&format!("{name}.key")), 0, "lines of the key are kept");
        assert_ne!(is_kept(&format!("{name}.pem")), 0, "nothing was looked at");
    }

    fn master(&self, number: usize) -> String {
        fs::read_to_string(self.host(number, "nginx.pid")).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for number in 0..self.ports.len() {
            // By its id: `nginx -s stop` reads the configuration first, which a test may have broken.
            if let Ok(pid) = fs::read_to_string(self.host(number, "nginx.pid")) {
                let _ended = crate::harness::program("kill").arg(pid.trim()).output();
            }
        }
    }
}

fn words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

#[test]
#[ignore = "needs nginx: tests/services/install"]
fn every_server_comes_to_serve_the_new_certificate_without_a_restart() {
    let site = Site::up(3);
    let masters: Vec<String> = (0..3).map(|number| site.master(number)).collect();
    // The older form of such a key: its last line ends the public key, too, which the plan looks at.
    let key = site.at("new.key");
    ran("openssl", &["ec", "-in", &key, "-out", &key]);

    let ended = site.planrun.run_json(&words(&site.apply("new.pem", "new.key")));

    ended.exits(0);
    for (number, master) in masters.iter().enumerate() {
        site.serves(number, "new");
        assert_eq!(*master, site.master(number));
        let key = fs::metadata(site.host(number, "key.pem")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        assert!(!Path::new(&site.host(number, "key.pem.new")).exists());
    }
    site.keeps_no_key("new");
    let turns = ended.story().turns();
    assert_eq!(turns[..2], ["+www1", "-www1"], "the first is alone: {turns:?}");

    // It is good for long now.
    let again = site.planrun.run(&words(&site.apply("other.pem", "other.key")));
    again.exits(2).says("it expires soon");
    site.serves(0, "new");
}

#[test]
#[ignore = "needs nginx: tests/services/install"]
fn a_key_of_another_certificate_and_an_unknown_authority_are_noticed_before_they_count() {
    let site = Site::up(2);
    for (chain, key, claim) in [
        ("new.pem", "other.key", "the key belongs to the certificate"),
        ("strange.pem", "strange.key", "clients will trust it"),
        ("old.pem", "old.key", "it does not expire soon"),
    ] {
        let ended = site.planrun.run(&words(&site.apply(chain, key)));
        ended.exits(1).says(claim);
        for number in 0..2 {
            site.serves(number, "old");
            assert!(!Path::new(&site.host(number, "chain.pem.new")).exists());
            assert!(!Path::new(&site.host(number, "key.pem.new")).exists());
        }
    }
}

#[test]
#[ignore = "needs nginx: tests/services/install"]
fn a_server_that_does_not_take_it_up_gets_its_old_files_back() {
    let site = Site::up(2);
    // nginx keeps what it has where its configuration is broken, and its exit status is that of the one who told it.
    fs::write(site.path("www1/nginx.conf"), "broken").unwrap();
    let mut apply = site.apply("new.pem", "new.key");
    apply.push("--output".into());
    apply.push("json".into());

    let ended = site.planrun.run(&words(&apply));

    ended.exits(1);
    let story = ended.story();
    assert_eq!(story.host("www1"), Some(HostStatus::RolledBack));
    assert_eq!(story.host("www2"), None);
    site.serves(0, "old");
    site.serves(1, "old");
    site.keeps_no_key("new");
    ran("kill", &[site.master(0).trim()]);
}

#[test]
#[ignore = "needs nginx: tests/services/install"]
fn a_controller_killed_between_certificate_and_key_ends_that_first() {
    let site = Site::up(2);
    let apply = site.apply("new.pem", "new.key");
    let mut going = site.planrun.begin_json(&words(&apply));
    going.until_sends("www1/place_key");
    going.kill();

    let ended = site.planrun.run_json(&["resume", "last"]);

    ended.exits(0);
    site.serves(0, "new");
    site.serves(1, "new");
    let story = site.planrun.kept(&site.planrun.newest());
    assert_eq!(story.sent_for("www1/place").len(), 1);
    assert_eq!(story.host("www1"), Some(HostStatus::Succeeded));
    site.keeps_no_key("new");
}

#[test]
#[ignore = "needs nginx: tests/services/install"]
fn files_that_the_server_has_not_read_are_not_overwritten() {
    let site = Site::up(2);
    fs::copy(site.path("other.pem"), site.host(1, "chain.pem")).unwrap();

    let ended = site.planrun.run(&words(&site.apply("new.pem", "new.key")));

    ended.exits(2).says("the server serves the certificate that is in its file");
    site.planrun.has_sent_nothing();
}
