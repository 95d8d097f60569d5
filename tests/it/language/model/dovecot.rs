//! The sample model, driven by the commands of the sample plans.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{cluster, dovecot, host, plans, start};
use planrun::diagnostic::Diagnostics;
use planrun::document;
use planrun::inventory::{Host, HostName};
use planrun::model::{Act, Answer, ModelError, World};
use planrun::schema;
use planrun::source::Sources;

/// A world and a hand that drives it.
struct Driver {
    world: World,
}

impl Driver {
    fn new() -> Self {
        Self { world: World::new(dovecot(), &cluster(), start()).unwrap() }
    }

    #[track_caller]
    fn act(&mut self, host: &str, act: &Act<'_>, fault: Option<&str>) -> Answer {
        let pending = self.world.begin(&HostName::new(host), &act.clone().into(), fault).unwrap();
        self.wait(pending.takes);
        self.world.finish(&pending).unwrap()
    }

    #[track_caller]
    fn run(&mut self, host: &str, line: &str) -> Answer {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        self.act(host, &Act::run(&argv), None)
    }

    #[track_caller]
    fn exit(&mut self, host: &str, line: &str) -> i32 {
        self.run(host, line).exit
    }

    fn wait(&mut self, time: Duration) {
        let now = self.world.now().checked_add(time).unwrap();
        self.world.advance_to(now).unwrap();
    }

    #[track_caller]
    fn get(&self, host: &str, name: &str) -> Json {
        self.world.get(&HostName::new(host), name).unwrap()
    }

    /// Returns a row of the ring as a director shows it.
    #[track_caller]
    fn ring(&mut self, address: &str) -> Vec<String> {
        let table = self.run("director1", "doveadm -f tab director status").stdout;
        let row = table.lines().find(|line| line.starts_with(address));
        row.unwrap().split('\t').map(str::to_owned).collect()
    }
}

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn the_sample_model_has_no_fault() {
    let model = dovecot();
    assert_eq!(model.name, "dovecot");
    assert_eq!(model.groups().collect::<Vec<_>>(), ["directors", "backends"]);
    assert!(model.faults().contains(&"ring_timeout"));
}

#[test]
fn the_published_schema_accepts_the_sample_model() {
    let schema = schema::json::schema(schema::record("model"), "a model");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = std::fs::read_to_string(plans().join("models/dovecot.yaml")).unwrap();
    let mut sources = Sources::default();
    let id = sources.add("dovecot.yaml", text);
    let node = document::parse(&sources, id, &mut Diagnostics::default()).unwrap();
    let mut model = node.to_json();
    assert!(validator.is_valid(&model));
    model["backends"]["commands"][0]["runs"] = json!("x");
    assert!(!validator.is_valid(&model), "an unknown key is refused");
}

#[test]
fn the_ring_is_shown_as_dovecot_shows_it() {
    let mut cluster = Driver::new();
    let table = cluster.run("director2", "doveadm -f tab director status");
    assert_eq!(
        table.stdout,
        "mail server ip\ttag\tvhosts\tstate\tstate changed\tusers\n\
         198.51.100.1\t\t100\tup\t-\t42\n\
         198.51.100.2\t\t100\tup\t-\t42\n\
         198.51.100.3\t\t50\tup\t-\t42\n"
    );
    let table = cluster.run("director2", "doveadm -f tab director ring status");
    assert_eq!(
        table.stdout,
        "director ip\ttype\tstatus\n192.0.2.1\tright\tsynced\n192.0.2.2\tself\tring synced\n"
    );
}

#[test]
fn a_drained_backend_keeps_only_users_with_a_connection() {
    let mut cluster = Driver::new();
    cluster.wait(15 * MINUTE);
    assert_eq!(cluster.ring("198.51.100.1")[5], "42", "in service nobody expires");
    let answer = cluster.run("director1", "doveadm director update 198.51.100.1 0");
    assert_eq!((answer.exit, answer.stdout.as_str()), (0, ""));
    assert_eq!(cluster.ring("198.51.100.1")[2], "0");
    cluster.wait(5 * MINUTE);
    assert_eq!(cluster.ring("198.51.100.1")[5], "27");
    cluster.wait(10 * MINUTE);
    assert_eq!(cluster.ring("198.51.100.1")[5], "2");
    cluster.wait(600 * MINUTE);
    assert_eq!(cluster.ring("198.51.100.1")[5], "2");
    assert_eq!(cluster.ring("198.51.100.2")[5], "42");
}

#[test]
fn nobody_is_drained_at_an_unknown_address() {
    let mut cluster = Driver::new();
    let answer = cluster.run("director1", "doveadm director update 198.51.100.9 0");
    assert_eq!((answer.exit, answer.stderr.as_str()), (75, "Error: 198.51.100.9: doesn't exist\n"));
    assert_eq!(cluster.exit("director1", "doveadm director down 198.51.100.9"), 68);
}

#[test]
fn users_of_a_stopped_backend_are_locked_out_until_they_are_flushed() {
    let mut cluster = Driver::new();
    cluster.exit("director1", "doveadm director update 198.51.100.1 0");
    cluster.wait(15 * MINUTE);
    assert_eq!(cluster.exit("backend1", "systemctl stop dovecot"), 0);
    assert_eq!(cluster.get("backend1", "lockouts"), 0, "the first try has not failed yet");
    cluster.wait(MINUTE);
    assert_eq!(cluster.get("backend1", "lockouts"), 40, "20 tries of 2 users");
    assert_eq!(cluster.exit("director2", "doveadm director down 198.51.100.1"), 0);
    assert_eq!(cluster.exit("director2", "doveadm director flush 198.51.100.1"), 0);
    assert_eq!(cluster.get("backend1", "users"), 2, "a flush takes a moment");
    cluster.wait(Duration::from_secs(4));
    assert_eq!(cluster.get("backend1", "users"), 0);
    let lockouts = cluster.get("backend1", "lockouts");
    cluster.wait(60 * MINUTE);
    assert_eq!(cluster.get("backend1", "lockouts"), lockouts, "nobody is left to try");
}

#[test]
fn a_flush_of_a_backend_in_service_moves_nobody() {
    let mut cluster = Driver::new();
    assert_eq!(cluster.exit("director1", "doveadm director flush 198.51.100.1"), 0);
    cluster.wait(MINUTE);
    assert_eq!(cluster.get("backend1", "users"), 42);
}

#[test]
fn dovecot_is_stopped_seen_stopped_and_started() {
    let mut cluster = Driver::new();
    assert_eq!(cluster.run("backend1", "systemctl is-active dovecot").stdout, "active\n");
    let services = "doveadm -f tab service status";
    assert_eq!(
        cluster.run("backend1", services).stdout,
        "name\tprocess_avail\tlistening\tdoveadm_stop\nimap-login\t4\tn\tn\nlmtp\t0\ty\tn\n"
    );
    cluster.run("backend1", "doveadm service stop lmtp");
    assert!(cluster.run("backend1", services).stdout.contains("lmtp\t0\tn\ty"));
    cluster.run("backend1", "doveadm reload");
    assert!(cluster.run("backend1", services).stdout.contains("lmtp\t0\ty\tn"));

    assert_eq!(cluster.exit("backend1", "doveadm metacache flushall -i"), 0);
    assert_eq!(cluster.get("backend1", "unsaved"), 0);
    cluster.run("backend1", "systemctl stop dovecot");
    let seen = cluster.run("backend1", "systemctl is-active dovecot");
    assert_eq!((seen.exit, seen.stdout.as_str()), (3, "inactive\n"));
    for line in
        [services, "doveadm service stop lmtp", "doveadm reload", "doveadm metacache flushall -i"]
    {
        let answer = cluster.run("backend1", line);
        assert_eq!(answer.exit, 75, "{line}");
        assert!(!answer.stderr.is_empty(), "{line}");
    }
    assert_eq!(cluster.exit("backend1", "systemctl start dovecot"), 0);
    assert_eq!(cluster.get("backend1", "running"), true);
    assert!(cluster.run("backend1", services).stdout.contains("lmtp\t0\ty\tn"));
}

#[test]
fn the_test_user_reads_mail_only_while_dovecot_runs() {
    let mut cluster = Driver::new();
    let folders = "doveadm -f tab mailbox list -u probe1";
    let messages = "doveadm -f tab mailbox status -u probe1 messages *";
    let text = "doveadm fetch -u probe1 text all";
    assert_eq!(cluster.run("backend1", folders).stdout, "mailbox\nINBOX\nSent\n");
    assert_eq!(cluster.run("backend1", messages).stdout, "mailbox\tmessages\nINBOX\t3\n");
    assert_eq!(cluster.run("backend1", text).stdout.len(), 3 * "text of a mail\n".len());
    cluster.world.set(&HostName::new("backend1"), "mails", json!(0)).unwrap();
    assert!(!cluster.run("backend1", messages).stdout.contains("INBOX"));
    assert_eq!(cluster.run("backend1", text).stdout, "");
    cluster.run("backend1", "systemctl stop dovecot");
    for line in [folders, messages, text] {
        assert_eq!(cluster.exit("backend1", line), 75, "{line}");
    }
}

#[test]
fn the_metacache_is_rescanned_or_set_aside() {
    let mut cluster = Driver::new();
    let find = "find /var/dovecot/vmail -mindepth 1 -maxdepth 1 -not -name .aside";
    assert_eq!(cluster.run("backend1", find).stdout, "INBOX\nArchive\n");
    assert_eq!(cluster.exit("backend1", "doveadm metacache rescan"), 0);
    cluster.act("backend1", &Act::Step("obox-restart/set_aside"), None);
    assert_eq!(cluster.run("backend1", find).stdout, "");
    let tidy = "rm -rf --one-file-system -- /var/dovecot/vmail/.aside";
    assert_eq!(cluster.exit("backend1", tidy), 0);
}

#[test]
fn a_new_configuration_is_kept_tried_and_put_back() {
    let mut cluster = Driver::new();
    let path = "/etc/dovecot/conf.d/99-site.conf";
    let same = format!("cmp -s {path} {path}.before");
    assert_eq!(cluster.exit("backend1", &same), 1);
    cluster.run("backend1", &format!("cp -p -- {path} {path}.before"));
    assert_eq!(cluster.exit("backend1", &same), 0);
    let readers = "doveadm -f tab process status config";
    let before = cluster.run("backend1", readers).stdout;

    cluster.act("backend1", &Act::Upload(Some(path)), None);
    assert_eq!(cluster.exit("backend1", &same), 1);
    assert_eq!(cluster.exit("backend1", "doveconf -n"), 0);
    cluster.act("backend1", &Act::Upload(Some(path)), Some("bad_file"));
    assert_eq!(cluster.exit("backend1", "doveconf -n"), 89);
    assert_eq!(cluster.exit("backend1", "doveadm reload"), 0, "its exit does not tell");
    assert_eq!(cluster.run("backend1", readers).stdout, before);
    cluster.run("backend1", &format!("cp -p -- {path}.before {path}"));
    assert_eq!(cluster.exit("backend1", &same), 0);
    assert_eq!(cluster.exit("backend1", "doveconf -n"), 0);
    assert_eq!(cluster.exit("backend1", "doveadm reload"), 0);
    assert_ne!(cluster.run("backend1", readers).stdout, before);
}

#[test]
fn known_faults_answer_in_place_of_the_cases() {
    let mut cluster = Driver::new();
    let argv: Vec<String> =
        "doveadm director update 198.51.100.1 0".split(' ').map(str::to_owned).collect();
    let answer = cluster.act("director1", &Act::run(&argv), Some("ring_timeout"));
    assert_eq!(answer.exit, 75);
    assert_eq!(cluster.world.now(), start() + Duration::from_secs(30));
    assert_eq!(cluster.get("backend1", "vhosts"), 0, "it took effect all the same");
    let answer =
        cluster.act("backend1", &Act::Step("obox-restart/maintain"), Some("starts_dovecot"));
    assert_eq!(answer.exit, 0);
    let error = cluster
        .world
        .begin(&HostName::new("director1"), &Act::run(&argv).into(), Some("busy"))
        .unwrap_err();
    assert!(error.to_string().contains("`ring_timeout`, `director_down`"), "{error}");
}

#[test]
fn a_command_that_never_ends_changes_nothing() {
    let mut cluster = Driver::new();
    let argv = ["systemctl", "stop", "dovecot"].map(str::to_owned);
    let pending =
        cluster.world.begin(&HostName::new("backend1"), &Act::run(&argv).into(), None).unwrap();
    assert_eq!(pending.takes, Duration::from_secs(8));
    cluster.wait(MINUTE);
    drop(pending);
    assert_eq!(cluster.get("backend1", "dovecot"), "active");
}

#[test]
fn a_command_without_an_entry_is_an_error_that_names_the_nearest() {
    let cluster = Driver::new();
    let argv = ["systemctl", "restart", "dovecot"].map(str::to_owned);
    let error =
        cluster.world.begin(&HostName::new("backend1"), &Act::run(&argv).into(), None).unwrap_err();
    let told = "the model has no entry for `systemctl restart dovecot` on backends; the most similar \
                is `systemctl start dovecot` (model.yaml:";
    assert!(error.to_string().starts_with(told), "{error}");
}

#[test]
fn a_world_goes_on_from_paper_as_if_it_had_never_stopped() {
    let mut whole = Driver::new();
    let mut cut = Driver::new();
    let mut papers = Vec::new();
    for driver in [&mut whole, &mut cut] {
        driver.run("director1", "doveadm director update 198.51.100.1 0");
        papers.push(serde_json::to_string(&driver.world.changes()).unwrap());
        driver.wait(7 * MINUTE);
        driver.run("backend1", "systemctl stop dovecot");
        driver.run("director1", "doveadm director flush 198.51.100.1");
        papers.push(serde_json::to_string(&driver.world.changes()).unwrap());
    }
    let mut again = World::new(dovecot(), &cluster(), start()).unwrap();
    for paper in &papers[2..] {
        assert!(!paper.contains("backend2"), "only changes are kept: {paper}");
        again.restore(serde_json::from_str(paper).unwrap()).unwrap();
    }
    cut.world = again;
    let later = whole.world.now() + Duration::from_secs(100);
    for driver in [&mut whole, &mut cut] {
        driver.world.advance_to(later).unwrap();
    }
    let state = |driver: &Driver| serde_json::to_value(driver.world.snapshot()).unwrap();
    assert_eq!(state(&whole), state(&cut));
    assert_eq!(whole.get("backend1", "users"), 0);
}

#[test]
fn hosts_outside_of_the_groups_and_odd_states_are_told() {
    let made = |host: Host| World::new(dovecot(), &[host], start()).unwrap_err();
    let error = made(host("web1", "web", "192.0.2.9", json!({})));
    assert!(matches!(error, ModelError::WrongGroups(_)));
    assert_eq!(
        error.to_string(),
        "web1 must be in exactly one of the model's groups (directors, backends), but is in none"
    );
    let mut both = host("both", "backends", "192.0.2.9", json!({}));
    both.groups.push("directors".into());
    assert!(made(both).to_string().ends_with("but is in directors, backends"));
    let error = made(host("b", "backends", "192.0.2.9", json!({"vhots": 1})));
    assert!(error.to_string().contains("unknown state `vhots`"), "{error}");
    let error = made(host("b", "backends", "192.0.2.9", json!({"users": 1})));
    assert!(error.to_string().contains("unknown state `users`"), "{error}");
    let error = made(host("b", "backends", "192.0.2.9", json!({"vhosts": "1"})));
    assert!(error.to_string().contains("of type number, not string"), "{error}");
}
