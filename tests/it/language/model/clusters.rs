//! Models of clusters: hosts that read and change each other, and hosts that are down.

use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use planrun::clock::{Clock, block_on_virtual};
use planrun::inventory::{Host, HostName};
use planrun::model::{Act, Answer, Asked, ModelError, World};
use planrun::transport::model::{ModelTransport, saved_now};
use planrun::transport::{AttemptId, Body, Command, Output, Transport, TransportError};
use serde_json::{Value, json};

use super::{host, model_of, start};

fn hosts() -> Vec<Host> {
    let db = |number: usize, state: Value| {
        host(&format!("db{number}"), "db", &format!("192.0.2.{number}"), state)
    };
    let mut hosts = vec![db(1, json!({"role": "primary"})), db(2, json!({})), db(3, json!({}))];
    hosts.push(host("mon1", "mon", "192.0.2.9", json!({})));
    hosts
}

const MODEL: &str = "
version: 1
model: cluster
db:
  state: {power: on, role: replica, jobs: 0, boots: 1}
  reachable: power == 'on'
  derived:
    is_primary: role == 'primary'
    primaries: hosts.db | selectattr('is_primary') | map(attribute='name') | join(',')
    everyone: hosts.db | map(attribute='name') | join(',')
  commands:
    - {run: systemctl reboot, takes: 2s, becomes: {power: off, role: replica}, later: {in: 30s, becomes: {power: on, boots: '{{ boots + 1 }}'}}}
    - {run: work, takes: 60s, becomes: {jobs: '{{ jobs + 1 }}'}}
    - {run: 'systemctl stop osd@<n:int>.service', stdout: 'stopped {{ n }}'}
    - {run: 'curl http://<ip>:9200/<path>', of: {group: db, address: ip}, nobody: {exit: 7}, stdout: '{{ name }} {{ path }}'}
    - {run: sql, stdin: SELECT <*>, stdout: selected}
    - {run: sql, stdin: 'VACUUM;', stdout: cleaned}
    - {run: sql, exit: 1}
  time:
    - every: 5s
      when: power == 'on' and not (hosts.db | selectattr('is_primary') | list)
      becomes: {role: primary}
mon:
  state: {seen: 0}
  commands:
    - run: promote <server>
      of: {group: db, name: server}
      becomes: {role: primary}
      also:
        - {for: db, where: name != server, becomes: {role: replica, jobs: '{{ hosts.db | map(attribute=\"jobs\") | sum }}'}}
        - {for: mon, becomes: {seen: '{{ seen + 1 }}'}}
    - {run: count, of: {group: db}, stdout: '{{ name }} on {{ here.name }}'}
    - {run: members, table: {for: db, where: power == 'on', columns: {member: name, role: role}}}
    - run: health
      json:
        ok: '{{ hosts.db | selectattr(\"power\", \"eq\", \"on\") | list | length > 1 }}'
        members: {for: db, where: power == 'on', item: ['{{ name }}', '{{ boots }}']}
        by_name: {for: db, where: is_primary, key: '{{ name }}', item: {by: '{{ here.name }}'}}
";

fn world() -> World {
    World::new(model_of(MODEL), &hosts(), start()).unwrap()
}

/// Runs a command to its end, without time passing.
fn ask(world: &mut World, on: &str, line: &str, more: (&str, &str)) -> Result<Answer, ModelError> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let (stdin, of) = (Some(more.0), HostName::new(more.1));
    let asked = Asked { act: Act::run(&words), stdin, host: Some(&of) };
    let pending = world.begin(&HostName::new(on), &asked, None)?;
    world.finish(&pending)
}

fn print(world: &mut World, on: &str, line: &str) -> String {
    ask(world, on, line, ("", "db1")).unwrap().stdout.trim_end().to_owned()
}

fn get(world: &World, host: &str, name: &str) -> Value {
    world.get(&HostName::new(host), name).unwrap()
}

fn roles(world: &World) -> [Value; 3] {
    ["db1", "db2", "db3"].map(|host| get(world, host, "role"))
}

fn after(seconds: i64) -> Timestamp {
    start().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

#[test]
fn a_placeholder_is_a_part_of_a_word() {
    let mut world = world();
    assert_eq!(print(&mut world, "db1", "systemctl stop osd@12.service"), "stopped 12");
    let error = ask(&mut world, "db1", "systemctl stop osd@a.service", ("", "db1")).unwrap_err();
    assert!(error.to_string().contains("`systemctl stop osd@<n:int>.service`"), "{error}");
    assert_eq!(print(&mut world, "db1", "curl http://192.0.2.2:9200/_cat/nodes"), "db2 _cat/nodes");
    assert_eq!(ask(&mut world, "db1", "curl http://192.0.2.8:9200/a", ("", "")).unwrap().exit, 7);
    // Each is at least one character.
    ask(&mut world, "db1", "curl http://192.0.2.2:9200/", ("", "db1")).unwrap_err();
}

#[test]
fn a_command_is_chosen_by_its_input() {
    let mut world = world();
    for (input, stdout, exit) in [
        ("SELECT 1;\nSELECT 2;\n", "selected\n", 0),
        ("VACUUM;\n", "cleaned\n", 0),
        ("VACUUM", "", 1),
        ("", "", 1),
    ] {
        let answer = ask(&mut world, "db1", "sql", (input, "db1")).unwrap();
        assert_eq!((answer.stdout.as_str(), answer.exit), (stdout, exit), "{input}");
    }
}

#[test]
fn a_delegated_command_knows_the_host_that_the_step_works_on() {
    let mut world = world();
    let answer = ask(&mut world, "mon1", "count", ("", "db2")).unwrap();
    assert_eq!(answer.stdout, "db2 on mon1\n");
    let error = ask(&mut world, "mon1", "count", ("", "mon1")).unwrap_err();
    assert_eq!(error.to_string(), "mon1 is not a host of db, and `count` has no `nobody`");
}

#[test]
fn a_command_changes_other_hosts_from_the_state_before_it() {
    let mut world = world();
    for _ in 0..2 {
        print(&mut world, "db1", "work");
    }
    print(&mut world, "mon1", "promote db3");
    assert_eq!(roles(&world), ["replica", "replica", "primary"]);
    // The sum was computed before any of them changed.
    assert_eq!(["db1", "db2", "db3"].map(|host| get(&world, host, "jobs")), [2, 2, 0]);
    assert_eq!(get(&world, "mon1", "seen"), 1);
    assert_eq!(get(&world, "db1", "primaries"), "db3");
    let error = ask(&mut world, "mon1", "promote db9", ("", "db1")).unwrap_err();
    assert!(error.to_string().starts_with("`db9` is not a host of db"), "{error}");
}

#[test]
fn texts_are_made_of_the_states_of_all_hosts() {
    let mut world = world();
    world.set(&HostName::new("db2"), "power", "off".into()).unwrap();
    assert_eq!(print(&mut world, "mon1", "members"), "member\trole\ndb1\tprimary\ndb3\treplica");
    let health: Value = serde_json::from_str(&print(&mut world, "mon1", "health")).unwrap();
    let members = json!([["db1", 1], ["db3", 1]]);
    let by_name = json!({"db1": {"by": "mon1"}});
    assert_eq!(health, json!({"ok": true, "members": members, "by_name": by_name}));
}

#[test]
fn an_election_has_one_winner_whatever_ended_the_primary() {
    let mut world = world();
    world.set(&HostName::new("db1"), "power", "off".into()).unwrap();
    world.set(&HostName::new("db1"), "role", "replica".into()).unwrap();
    world.advance_to(after(4)).unwrap();
    assert_eq!(roles(&world), ["replica", "replica", "replica"]);
    // At the same time the first in the order of the inventory comes first.
    world.advance_to(after(60)).unwrap();
    assert_eq!(roles(&world), ["replica", "primary", "replica"]);
}

#[test]
fn derived_values_that_depend_on_themselves_by_other_hosts_are_told() {
    let model = model_of(
        "version: 1\nmodel: m\na:\n  state: {x: 1}\n  derived: {y: 'hosts.a | map(attribute=\"y\") | list | length'}\n",
    );
    let hosts = [host("a1", "a", "192.0.2.1", json!({})), host("a2", "a", "192.0.2.2", json!({}))];
    let world = World::new(model, &hosts, start()).unwrap();
    let error = world.get(&HostName::new("a1"), "y").unwrap_err().to_string();
    assert!(error.contains("depends on itself by `hosts`"), "{error}");
}

struct Bench {
    hosts: Vec<Host>,
    clock: Clock,
    transport: ModelTransport,
}

impl Bench {
    fn new(path: Option<&Path>) -> Self {
        let saved = path.and_then(|path| saved_now(path).unwrap());
        let clock = Clock::virtual_from(saved.unwrap_or(start()));
        let hosts = hosts();
        let (model, file) = (model_of(MODEL), path.map(Path::to_owned));
        let transport = ModelTransport::new(model, &hosts, clock.clone(), file).unwrap();
        Self { hosts, clock, transport }
    }

    fn command(&self, on: usize, line: &str) -> (&Host, Command) {
        let command = Command {
            body: Body::Argv(line.split(' ').map(str::to_owned).collect()),
            stdin: None,
            env: IndexMap::new(),
            secret_env: false,
            dir: None,
            r#become: None,
            timeout: Duration::from_mins(5),
            step: "p/s".into(),
            host: None,
        };
        (&self.hosts[on], command)
    }

    fn attempt(&self, on: usize, line: &str) -> Result<Output, TransportError> {
        let (host, command) = self.command(on, line);
        let id = AttemptId(format!("{line} at {}", self.clock.now()));
        block_on_virtual(&self.clock, self.transport.attempt(host, &id, &command)).unwrap()
    }

    fn sleep(&self, seconds: u64) {
        block_on_virtual(&self.clock, self.clock.sleep(Duration::from_secs(seconds))).unwrap();
    }

    fn get(&self, host: &str, name: &str) -> Value {
        get(&self.transport.world().unwrap(), host, name)
    }
}

#[test]
fn a_reboot_ends_its_connection_and_the_host_comes_back_with_another_boot() {
    let bench = Bench::new(None);
    assert!(matches!(bench.attempt(0, "systemctl reboot"), Err(TransportError::Cut { .. })));
    assert!(matches!(bench.attempt(0, "work"), Err(TransportError::Unreachable { .. })));
    assert_eq!(bench.get("db1", "boots"), 1);
    bench.sleep(30);
    assert_eq!(bench.get("db1", "boots"), 2);
    bench.attempt(0, "work").unwrap();
    assert_eq!(bench.get("db2", "role"), "primary");
}

#[test]
fn a_command_on_a_host_that_goes_down_meanwhile_has_no_effect() {
    let bench = Bench::new(None);
    let (host, work) = bench.command(0, "work");
    let (_, reboot) = bench.command(0, "systemctl reboot");
    let (first, second) = (AttemptId("a".into()), AttemptId("b".into()));
    let both = futures_util::future::join(
        bench.transport.attempt(host, &first, &work),
        bench.transport.attempt(host, &second, &reboot),
    );
    let (worked, _) = block_on_virtual(&bench.clock, both).unwrap();
    // It ends after sixty seconds, when the host has been back for half a minute.
    assert!(matches!(worked, Err(TransportError::Cut { .. })), "{worked:?}");
    assert_eq!(bench.get("db1", "jobs"), 0);
    assert_eq!(bench.get("db1", "boots"), 2);
}

#[test]
fn a_later_process_finds_a_cluster_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world");
    let whole = Bench::new(None);
    let parts = [("systemctl reboot", 0), ("work", 1), ("promote db3", 3), ("work", 2)];
    for (line, on) in parts {
        let bench = Bench::new(Some(&path));
        let (one, other) = (bench.attempt(on, line), whole.attempt(on, line));
        assert_eq!(one.is_ok(), other.is_ok(), "{line}");
        bench.sleep(4);
        whole.sleep(4);
        bench.transport.save().unwrap();
    }
    let last = Bench::new(Some(&path));
    for name in ["role", "jobs", "boots", "power"] {
        for host in ["db1", "db2", "db3"] {
            assert_eq!(last.get(host, name), whole.get(host, name), "{host}.{name}");
        }
    }
    assert_eq!(last.get("db3", "role"), "primary");
}
