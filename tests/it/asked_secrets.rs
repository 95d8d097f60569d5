//! Secrets that are typed when a step needs them.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use async_trait::async_trait;
use planrun::event::{Answer, Event, HostEvent, Question, RunStatus, TaskStatus};
use planrun::inventory::Host;
use planrun::plan::Input;
use planrun::run::Asker;
use planrun::secret::Secret;
use planrun::task::TaskId;
use planrun::transport::model::ModelTransport;
use planrun::transport::{Output, Recovered, Reply, Request, Transport, TransportError};

use crate::harness::{Planrun, eventually};
use crate::items::status_of;
use crate::scene::{Memory, Scene, at, sent, start, trace};

const KEYS: [&str; 2] = ["f1rst'/+é\"x &y", "s3cond-unseal-key"];

const HOSTS: &str =
    "all: {hosts: {one: {planrun_connection: local}, two: {planrun_connection: local}}}\n";

/// Each step keeps what it read, shows it, and what all processes show of themselves.
const PLAN: &str = r#"version: 1
name: unseal
hosts: all
serial: 2
inputs:
  key1: {type: string, sensitive: true, ask: true, pattern: ".{12,}", description: Key of the first person}
  key2: {type: string, sensitive: true, ask: true}
steps:
  - id: first
    shell: |
      cat > {{ host }}-first; cat {{ host }}-first; base64 < {{ host }}-first
      cat /proc/[0-9]*/cmdline > {{ host }}-seen 2>/dev/null || true
    dir: OUT
    stdin: "{{ key1 }}"
    idempotent: true
    rollback: {none: it is a test}
  - id: again
    shell: printf %s "$KEY" > {{ host }}-again; printf %s "$KEY" | od -An -v -tx1 >&2
    dir: OUT
    env: {KEY: "{{ key1 }}"}
    idempotent: true
    rollback: {none: it is a test}
  - id: second
    shell: cat > {{ host }}-second; cat {{ host }}-second
    dir: OUT
    stdin: "{{ key2 }}"
    idempotent: true
    rollback: {none: it is a test}
"#;

/// A plan on two hosts, and a terminal at which keys are typed.
struct Desk {
    planrun: Planrun,
    out: tempfile::TempDir,
    plan: String,
    hosts: String,
}

impl Desk {
    fn new() -> Self {
        let (planrun, out) = (Planrun::new(), tempfile::tempdir().unwrap());
        let plan = PLAN.replace("OUT", &out.path().display().to_string());
        let (plan, hosts) = (planrun.file("plan.yaml", plan), planrun.file("hosts.yaml", HOSTS));
        Self { planrun, out, plan, hosts }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(name)).unwrap_or_default()).into_owned()
    }

    fn state(&self) -> String {
        let runs = self.planrun.runs();
        runs.first().map_or_else(String::new, |run| run["state"].as_str().unwrap().to_owned())
    }

    /// Runs planrun at a terminal, and types each line when it was asked for as often; returns what the terminal
    /// showed.
    fn types(&self, words: &str, lines: &[(&str, usize, &str)]) -> String {
        let (typed, shown) = (self.path("typed"), self.path("shown"));
        let (typed_at, shown_at) = (typed.display(), shown.display());
        let going = self.planrun.begin_line(&format!(
            "mkfifo {typed_at}; exec 3<>{typed_at}; exec script -qfec 'exec planrun {words}' {shown_at} <&3"
        ));
        for (prompt, times, line) in lines {
            eventually("it asks", || self.read("shown").matches(prompt).count() >= *times);
            let mut fifo = fs::File::options().write(true).open(&typed).unwrap();
            fifo.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        going.end();
        fs::remove_file(typed).unwrap();
        let text = self.read("shown");
        fs::remove_file(shown).unwrap();
        text
    }

    /// Holds that no key is in what was stored or shown.
    #[track_caller]
    fn hides(&self, shown: &[&str]) {
        let disk = self.planrun.disk().into_iter();
        let disk = disk.map(|(path, bytes)| (path.display().to_string(), bytes));
        let shown = shown.iter().map(|text| ("shown".to_owned(), text.as_bytes().to_vec()));
        for (place, bytes) in disk.chain(shown) {
            let text: String = String::from_utf8_lossy(&bytes).split_whitespace().collect();
            let encoded = ["ZjFyc3QnLyv", "66 31 72 73 74 27", "f1rst'", "s3cond-un", "czNjb25k"];
            for part in encoded.map(|part| part.replace(' ', "")) {
                assert!(!text.contains(&part), "{part} in {place}:\n{text}");
            }
        }
    }
}

#[test]
fn a_secret_is_asked_for_once_a_run_at_the_step_and_is_nowhere_but_where_it_was_sent() {
    let desk = Desk::new();
    let words = format!("-vvv apply {} -i {} --yes", desk.plan, desk.hosts);
    let (first, second) = ("the secret `key1` (Key of the first person)", "the secret `key2`");
    let shown = desk.types(
        &words,
        &[
            (first, 1, ""),
            (first, 2, "too-short"),
            (first, 3, &format!("\u{1a}{}", KEYS[0])),
            (first, 4, KEYS[0]),
            (second, 1, KEYS[1]),
        ],
    );
    assert_eq!(desk.state(), "succeeded", "{shown}");
    assert_eq!(shown.matches(first).count(), 4, "{shown}");
    assert_eq!(shown.matches(second).count(), 1, "{shown}");
    assert!(shown.contains("it must not be empty"), "{shown}");
    assert!(shown.contains("it must match `.{12,}`"), "{shown}");
    assert!(shown.contains("it must not contain control characters"), "{shown}");
    for host in ["one", "two"] {
        assert_eq!(desk.read(&format!("{host}-first")), KEYS[0]);
        assert_eq!(desk.read(&format!("{host}-again")), KEYS[0]);
        assert_eq!(desk.read(&format!("{host}-second")), KEYS[1]);
        let seen = desk.read(&format!("{host}-seen"));
        assert!(seen.len() > 100 && !seen.contains("f1rst"), "{seen}");
    }
    let json = desk.planrun.run(&["show", "last", "--format", "json"]);
    json.exits(0).says("«secret key1»").says("«secret key2»");
    desk.hides(&[&shown, &json.stdout]);
}

#[test]
fn without_a_terminal_the_run_pauses_and_a_resume_at_one_asks() {
    let desk = Desk::new();
    let applied = desk.planrun.run(&["apply", &desk.plan, "-i", &desk.hosts, "--limit", "one"]);
    applied.exits(6).says("the secret `key1` must be typed at a terminal").says("planrun resume");
    assert!(desk.planrun.kept("last").sent().is_empty());
    let resumed = desk.planrun.run(&["resume", "last"]);
    resumed.exits(6);
    // At the second key the operator leaves. What was done is not done again.
    let shown = desk.types("resume last", &[("`key1`", 1, KEYS[0]), ("`key2`", 1, "\u{3}")]);
    assert_eq!(desk.state(), "paused", "{shown}");
    assert!(desk.read("one-second").is_empty());
    let resumed = desk.types("resume last", &[("`key2`", 1, KEYS[1])]);
    assert_eq!(desk.state(), "succeeded", "{resumed}");
    assert!(!resumed.contains("`key1`"), "{resumed}");
    assert_eq!(desk.planrun.kept("last").sent().len(), 3);
    desk.hides(&[&applied.stdout, &applied.stderr, &shown, &resumed]);
}

#[test]
fn a_secret_with_another_source_is_not_asked_for() {
    let mut desk = Desk::new();
    desk.planrun.environment("PLANRUN_INPUT_KEY1", Some(KEYS[0]));
    desk.planrun.environment("PLANRUN_INPUT_KEY2", Some(KEYS[1]));
    let applied = desk.planrun.run(&["apply", &desk.plan, "-i", &desk.hosts]);
    applied.exits(0);
    assert_eq!(desk.read("two-second"), KEYS[1]);
    desk.hides(&[&applied.stdout, &applied.stderr]);
}

/// Types keys, and counts how often.
struct Typist(Cell<usize>);

#[async_trait(?Send)]
impl Asker for Typist {
    async fn ask(&self, _: &TaskId, _: &Question) -> Option<(Answer, Option<String>)> {
        None
    }

    async fn secret(&self, _: &TaskId, _: &str, _: &Input) -> Option<Secret> {
        self.0.set(self.0.get() + 1);
        Some(Secret::text(KEYS[1]))
    }
}

/// A world whose commands print the key, also to a process that comes later.
struct Printing<'a>(&'a ModelTransport);

#[async_trait(?Send)]
impl Transport for Printing<'_> {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        let prints = |output: Output| Output::new(output.exit, KEYS[1], KEYS[1]);
        let is_probe = matches!(request, Request::Look(_));
        Ok(match self.0.handle(host, request).await? {
            Reply::Ended(output, seen) if !is_probe => Reply::Ended(prints(output), seen),
            Reply::Recovered(Recovered::Ended(output)) => {
                Reply::Recovered(Recovered::Ended(prints(output)))
            }
            other => other,
        })
    }
}

const INVENTORY: &str = "tests/cases/engine/inventory.yaml";

fn asked() -> Scene {
    let text = "version: 1\nname: services\nhosts: m1\nserial: 2\ninputs:\n  key: {type: string, \
                sensitive: true, ask: true}\nprobes:\n  states: {run: svc states, parse: {format: \
                tsv, key: name}}\nsteps:\n  - {id: stop, run: svc stop imap, stdin: '{{ key }}', \
                done_when: 'states.imap.state == \"down\"', rollback: {run: svc start imap, env: \
                {KEY: '{{ key }}'}, done_when: 'states.imap.state == \"up\"'}}\n  - {id: more, \
                run: svc stop lmtp, env: {KEY: '{{ key }}'}, done_when: 'states.lmtp.state == \
                \"down\"', rollback: {none: x}}\n";
    Scene::of(text, INVENTORY, &[], None)
}

#[test]
fn a_crash_at_any_event_asks_again_only_for_what_was_not_done_and_keeps_nothing() {
    let mut events = 0;
    for dies_after in 1.. {
        let (clock, typist) = (start(), Typist(Cell::new(0)));
        let scene = asked();
        let world = scene.world(&clock, vec![]);
        let printing = Printing(&world);
        let dying = Memory { dies_after: Some(dies_after), ..Memory::default() };
        let ended = scene.drive(&clock, &printing, &dying, Some(&typist));
        assert!(typist.0.get() <= 1);
        if let Some(state) = ended {
            assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&dying));
            assert_eq!(typist.0.get(), 1);
            events = dies_after;
            break;
        }
        let journal = Memory { records: dying.records.clone(), ..Memory::default() };
        // Another process: it knows no secret.
        let (scene, typist) = (asked(), Typist(Cell::new(0)));
        let state = scene.drive(&clock, &printing, &journal, Some(&typist)).unwrap();
        assert_eq!(state.status, RunStatus::Succeeded, "{dies_after}\n{}", trace(&journal));
        assert_eq!(status_of(&state, "more"), Some(TaskStatus::Changed));
        let is_sent = sent(&dying).iter().any(|one| one.contains("svc stop lmtp"));
        assert_eq!(typist.0.get(), usize::from(!is_sent), "{dies_after}\n{}", trace(&journal));
        assert_eq!(at(&world, "m1", "stops"), serde_json::json!(["imap", "lmtp"]));
        let kept = serde_json::to_string(&*journal.records.borrow()).unwrap();
        assert!(!kept.contains(KEYS[1]), "{dies_after}\n{kept}");
    }
    assert!(events > 8, "{events}");
}

#[test]
fn a_host_waits_for_a_secret_that_nobody_types_and_fails_nothing() {
    let scene = asked();
    let (clock, journal) = (start(), Memory::default());
    let world = scene.world(&clock, vec![]);
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    let blocked =
        |event: &Event| matches!(event, Event::Host { event: HostEvent::Blocked { .. }, .. });
    assert_eq!(journal.records.borrow().iter().filter(|one| blocked(&one.event)).count(), 1);
    assert!(sent(&journal).is_empty());
    let typist = Typist(Cell::new(0));
    let state = scene.drive(&clock, &world, &journal, Some(&typist)).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
}

#[test]
fn what_is_done_once_before_the_hosts_waits_for_a_secret_too() {
    let text = "version: 1\nname: services\nhosts: m1\ninputs:\n  key: {type: string, sensitive: true, ask: \
                true}\nsetup:\n  - {id: flag, run: svc stop auth, delegate_to: m1, stdin: '{{ key }}', \
                idempotent: true, rollback: {none: x}}\nsteps:\n  - {run: svc stop imap, env: {KEY: '{{ \
                key }}'}, idempotent: true, rollback: {none: x}}\n";
    let scene = Scene::of(text, INVENTORY, &[], None);
    let (clock, journal) = (start(), Memory::default());
    let world = scene.world(&clock, vec![]);
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
    assert!(sent(&journal).is_empty());
    let typist = Typist(Cell::new(0));
    let state = scene.drive(&clock, &world, &journal, Some(&typist)).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!((typist.0.get(), sent(&journal).len()), (1, 2));
}
