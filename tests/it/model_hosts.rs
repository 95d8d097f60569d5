//! What a run sees of model hosts.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::json;

use crate::language::model::{cluster, dovecot, host, model_of, start};
use planrun::clock::Clock;
use planrun::clock::block_on_virtual;
use planrun::inventory::{Host, HostName};
use planrun::scenario::faults::{FaultSpec, Script, Trigger};
use planrun::transport::model::{FaultKind, ModelTransport, saved_now};
use planrun::transport::{AttemptId, Body, Command, Exit, File, Output, Transport, TransportError};

struct Bench {
    hosts: Vec<Host>,
    clock: Clock,
    transport: ModelTransport,
    script: Rc<Script>,
    attempts: Cell<u32>,
}

impl Bench {
    fn new(faults: Vec<FaultSpec>) -> Self {
        let clock = Clock::virtual_from(start());
        let hosts = cluster();
        let transport = ModelTransport::new(dovecot(), &hosts, clock.clone(), None).unwrap();
        let script = Script::new(faults);
        let transport = transport.with_faults(Rc::<Script>::clone(&script));
        Self { hosts, clock, transport, script, attempts: Cell::new(0) }
    }

    /// A later process, on the same file; its clock begins where the file ends.
    fn saved_in(path: &Path) -> Self {
        let clock = Clock::virtual_from(saved_now(path).unwrap().unwrap_or(start()));
        let hosts = cluster();
        let file = Some(path.to_owned());
        let transport = ModelTransport::new(dovecot(), &hosts, clock.clone(), file).unwrap();
        // A later process counts on.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let attempts = Cell::new(u32::try_from(text.matches("attempt ").count()).unwrap());
        let script = Script::new(Vec::new());
        Self { hosts, clock, transport, script, attempts }
    }

    #[track_caller]
    fn host(&self, name: &str) -> &Host {
        let mut hosts = self.hosts.iter();
        hosts.find(|host| host.name.as_str() == name).unwrap()
    }

    #[track_caller]
    fn attempt(&self, host: &str, command: &Command) -> Result<Output, TransportError> {
        self.attempts.set(self.attempts.get() + 1);
        let id = AttemptId(format!("attempt {}", self.attempts.get()));
        let attempt = self.transport.attempt(self.host(host), &id, command);
        block_on_virtual(&self.clock, attempt).unwrap()
    }

    #[track_caller]
    fn look(&self, host: &str, line: &str) -> Result<Output, TransportError> {
        let command = run("p/look", line);
        block_on_virtual(&self.clock, self.transport.look(self.host(host), &command)).unwrap()
    }

    #[track_caller]
    fn get(&self, host: &str, name: &str) -> serde_json::Value {
        let world = self.transport.world().unwrap();
        world.get(&HostName::new(host), name).unwrap()
    }

    fn seconds(&self) -> u64 {
        self.clock.monotonic().as_secs()
    }
}

fn command(step: &str, body: Body) -> Command {
    Command {
        body,
        stdin: None,
        env: IndexMap::new(),
        secret_env: false,
        dir: None,
        r#become: None,
        timeout: Duration::from_mins(1),
        step: step.into(),
        host: None,
    }
}

fn run(step: &str, line: &str) -> Command {
    let argv = line.split(' ').map(str::to_owned).collect();
    command(step, Body::Argv(argv))
}

fn fault(host: &str, on: Trigger, word: &str, times: Option<u32>) -> FaultSpec {
    FaultSpec { host: Some(HostName::new(host)), on, fault: FaultKind::from_word(word), times }
}

fn step(path: &str) -> Trigger {
    Trigger::Step(path.into())
}

const STOP: &str = "systemctl stop dovecot";

#[test]
fn a_command_takes_its_time_and_a_look_none() {
    let bench = Bench::new(Vec::new());
    let seen = bench.look("backend1", "systemctl is-active dovecot").unwrap();
    assert_eq!(seen, Output::new(Exit::Code(0), "active\n", ""));
    assert_eq!(bench.seconds(), 0);
    let ended = bench.attempt("backend1", &run("obox-restart/stop", STOP)).unwrap();
    assert_eq!(ended.exit, Exit::Code(0));
    assert_eq!(bench.seconds(), 8);
    assert_eq!(bench.get("backend1", "dovecot"), "inactive");
}

#[test]
fn a_command_that_takes_too_long_has_changed_nothing() {
    let bench = Bench::new(Vec::new());
    let mut stop = run("obox-restart/stop", STOP);
    stop.timeout = Duration::from_secs(5);
    let ended = bench.attempt("backend1", &stop).unwrap();
    assert_eq!(ended.exit, Exit::TimedOut);
    assert_eq!(bench.seconds(), 5);
    assert_eq!(bench.get("backend1", "dovecot"), "active");
}

#[test]
fn scripts_are_known_by_their_step_and_files_by_their_path() {
    let bench = Bench::new(Vec::new());
    let script = command("obox-restart/set_aside", Body::Script("cd /x\n".into()));
    bench.attempt("backend1", &script).unwrap();
    assert_eq!(bench.get("backend1", "metacache"), json!([]));
    let upload = Body::Upload(File {
        content: Arc::from(&b"x"[..]),
        secret: false,
        to: "/etc/dovecot/x.conf".into(),
        mode: None,
        owner: None,
    });
    bench.attempt("backend1", &command("dovecot-reload/install", upload)).unwrap();
    assert_eq!(bench.get("backend1", "file"), "new");
    let script = command("obox-restart/other", Body::Script("true".into()));
    let error = bench.attempt("backend1", &script).unwrap_err();
    assert!(matches!(error, TransportError::Impossible { .. }), "{error}");
    assert!(error.to_string().contains("the script of obox-restart/other"), "{error}");
}

#[test]
fn a_refused_command_does_nothing_as_often_as_scripted() {
    let bench = Bench::new(vec![fault("backend1", step("stop"), "refused", Some(2))]);
    let stop = run("obox-restart/stop", STOP);
    assert_eq!(bench.attempt("backend2", &stop).unwrap().exit, Exit::Code(0));
    for _ in 0..2 {
        assert_eq!(bench.attempt("backend1", &stop).unwrap().exit, Exit::Code(1));
        assert_eq!(bench.get("backend1", "dovecot"), "active");
    }
    assert_eq!(bench.attempt("backend1", &stop).unwrap().exit, Exit::Code(0));
    assert!(bench.script.unused().is_empty());
}

#[test]
fn a_cut_leaves_the_host_with_or_without_the_effect() {
    let bench = Bench::new(vec![
        fault("backend1", step("stop"), "cut_before", None),
        fault("backend2", step("stop"), "cut_after", None),
    ]);
    let stop = run("obox-restart/stop", STOP);
    for (host, left) in [("backend1", "active"), ("backend2", "inactive")] {
        let error = bench.attempt(host, &stop).unwrap_err();
        assert!(matches!(error, TransportError::Cut { .. }), "{error}");
        assert_eq!(bench.get(host, "dovecot"), left);
    }
}

#[test]
fn a_hanging_command_is_ended_by_its_timeout() {
    let words = STOP.split(' ').map(str::to_owned).collect();
    let bench = Bench::new(vec![fault("backend1", Trigger::Command(words), "hangs", Some(1))]);
    let ended = bench.attempt("backend1", &run("p/x", STOP)).unwrap();
    assert_eq!((ended.exit, bench.seconds()), (Exit::TimedOut, 60));
    assert_eq!(bench.get("backend1", "dovecot"), "active");
}

#[test]
fn a_host_that_is_gone_stays_gone() {
    let bench = Bench::new(vec![fault("backend1", step("stop"), "host_gone", Some(1))]);
    for _ in 0..2 {
        let error = bench.attempt("backend1", &run("obox-restart/stop", STOP)).unwrap_err();
        assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    }
    let error = bench.look("backend1", "systemctl is-active dovecot").unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    assert!(bench.look("backend2", "systemctl is-active dovecot").is_ok());
}

#[test]
fn a_fault_at_the_host_meant_comes_up_on_the_host_that_runs_the_command() {
    let bench = Bench::new(vec![fault("backend1", step("drain"), "ring_timeout", Some(1))]);
    let drain = |n| run("obox-restart/drain", &format!("doveadm director update 198.51.100.{n} 0"));
    assert_eq!(bench.attempt("director2", &drain(2)).unwrap().exit, Exit::Code(0));
    let ended = bench.attempt("director2", &drain(1)).unwrap();
    assert_eq!((ended.exit, bench.seconds()), (Exit::Code(75), 30));
    assert_eq!(bench.get("backend1", "vhosts"), 0);
    assert_eq!(bench.attempt("director2", &drain(1)).unwrap().exit, Exit::Code(0));
}

#[test]
fn a_fault_of_a_handler_leaves_its_step_alone_and_other_commands_too() {
    let bench = Bench::new(vec![fault("backend1", step("stop.rollback"), "does_not_start", None)]);
    let stop = run("obox-restart/stop", STOP);
    assert_eq!(bench.attempt("backend1", &stop).unwrap().exit, Exit::Code(0));
    let stop = run("obox-restart/stop.rollback/1", STOP);
    assert_eq!(bench.attempt("backend1", &stop).unwrap().exit, Exit::Code(0));
    assert_eq!(bench.script.unused().len(), 1);
    let start = run("obox-restart/stop.rollback/1", "systemctl start dovecot");
    assert_eq!(bench.attempt("backend1", &start).unwrap().exit, Exit::Code(1));
    assert_eq!(bench.get("backend1", "dovecot"), "failed");
}

#[test]
fn a_later_process_finds_the_hosts_as_they_were_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world");
    let first = Bench::saved_in(&path);
    let drain = run("obox-restart/drain", "doveadm director update 198.51.100.1 0");
    first.attempt("director1", &drain).unwrap();
    block_on_virtual(&first.clock, first.clock.sleep(Duration::from_mins(3))).unwrap();
    first.attempt("backend2", &run("obox-restart/stop", STOP)).unwrap();
    let users = first.get("backend1", "users");
    assert_eq!(users, 33, "three minutes of expiry");

    // A process that is killed while it writes leaves a part of a line.
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"now\":");
    std::fs::write(&path, text).unwrap();

    let second = Bench::saved_in(&path);
    assert_eq!(second.clock.now(), first.clock.now());
    assert_eq!(second.get("backend1", "users"), users);
    assert_eq!(second.get("backend1", "vhosts"), 0);
    assert_eq!(second.get("backend2", "dovecot"), "inactive");
    for bench in [&first, &second] {
        block_on_virtual(&bench.clock, bench.clock.sleep(Duration::from_mins(20))).unwrap();
    }
    let state = |bench: &Bench| {
        let world = bench.transport.world().unwrap();
        serde_json::to_value(world.snapshot()).unwrap()
    };
    assert_eq!(state(&first), state(&second));
}

#[test]
fn a_saved_world_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world");
    let _bench = Bench::saved_in(&path);
    let other = model_of("version: 1\nmodel: other\nbackends: {}\n");
    let clock = Clock::virtual_from(start());
    let error = ModelTransport::new(other, [], clock, Some(path)).unwrap_err();
    assert!(error.to_string().contains("has been changed since"), "{error}");
}

#[test]
fn ten_thousand_commands_are_answered_in_order() {
    let text = "version: 1\nmodel: m\nweb:\n  state: {n: 0}\n  commands:\n    \
                - {run: add <k:int>, takes: 1s, becomes: {n: '{{ n + k }}'}, stdout: '{{ n }}'}\n";
    let hosts: Vec<Host> =
        (0..1000).map(|n| host(&format!("w{n}"), "web", &format!("a{n}"), json!({}))).collect();
    let clock = Clock::virtual_from(start());
    let transport = ModelTransport::new(model_of(text), &hosts, clock.clone(), None).unwrap();
    let add = run("p/add", "add 2");
    for host in &hosts {
        for n in 0..10 {
            let id = AttemptId(format!("{} {n}", host.name));
            let ended = block_on_virtual(&clock, transport.attempt(host, &id, &add)).unwrap();
            assert_eq!(ended.unwrap().stdout, format!("{}\n", 2 * n).into_bytes());
        }
    }
    assert_eq!(clock.monotonic(), Duration::from_secs(10_000));
}

/// A model whose answers show what the words of a command became.
const CAPTURES: &str = "version: 1
model: m
a:
  commands:
    - {run: update <ip> <n:int>, stdout: '{{ ip }} {{ n + 1 }}'}
    - {run: echo <*>, stdout: echoed}
    - {run: say 'a b', stdout: said}
    - {run: endless, stdout: \"{{ ('x' * 1000000000) | length }}\"}
";

#[test]
fn words_are_matched_one_by_one_and_endless_work_is_stopped() {
    let (clock, hosts) = (Clock::virtual_from(start()), vec![host("a1", "a", "a1", json!({}))]);
    let model = model_of(CAPTURES);
    let transport = ModelTransport::new(model, &hosts, clock.clone(), None).unwrap();
    let look = |words: &[&str]| {
        let argv = words.iter().map(|&word| word.to_owned()).collect();
        let command = command("p/look", Body::Argv(argv));
        block_on_virtual(&clock, transport.look(&hosts[0], &command)).unwrap()
    };
    for (words, expected) in [
        (&["update", "10.0.0.1", "0"][..], Some("10.0.0.1 1\n")),
        (&["update", "a", "b"], None),
        (&["update"], None),
        (&["echo"], Some("echoed\n")),
        (&["echo", "a", "b c"], Some("echoed\n")),
        (&["say", "a b"], Some("said\n")),
        (&["say", "a", "b"], None),
        (&["endless"], None),
    ] {
        let output = look(words);
        let printed = output.as_ref().ok().map(|output| String::from_utf8_lossy(&output.stdout));
        assert_eq!(printed.as_deref(), expected, "{words:?}: {output:?}");
    }
}
