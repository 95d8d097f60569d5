//! Notifications: what targets receive, and that a run does not notice them, whatever they do.
//!
//! With the binary. Addresses are those of a small server in the test.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Ended, Planrun, eventually};
use crate::support::http::{Server, refused};

const TOKEN: &str = "S3cr3t'/+é\"x &y";

const ASKING: &str =
    "version: 1\nname: asking\nhosts: all\nsteps: [{id: drain, approve: Go on?}]\n";

const FAILING: &str = "version: 1\nname: failing\nhosts: all\nsteps:\n  - {id: first, run: 'true', idempotent: true, rollback: {run: 'true', idempotent: true}}\n  - {id: boom, run: 'false', read_only: true}\n";

const STUCK: &str = "version: 1\nname: sticking\nhosts: all\nsteps:\n  - {id: first, run: 'true', idempotent: true, rollback: {run: 'false', idempotent: true}}\n  - {id: boom, run: 'false', read_only: true}\n";

const LOCAL: &str = "h1 planrun_connection=local\n";

struct Scene {
    planrun: Planrun,
    hosts: String,
}

impl Scene {
    fn new() -> Self {
        let planrun = Planrun::new();
        let hosts = planrun.file("hosts.ini", LOCAL);
        Self { planrun, hosts }
    }

    fn notify(&self, targets: &str) {
        self.planrun.configure(&format!("notify:\n{targets}"));
    }

    #[track_caller]
    fn apply(&self, plan: &str, more: &[&str]) -> Ended {
        let plan = self.planrun.file("plan.yaml", plan);
        let words = ["apply", &plan, "-i", &self.hosts, "--output", "json"];
        self.planrun.run(&[&words[..], more].concat())
    }
}

/// Returns the kinds of the events of a run, and what they are about.
fn events(ended: &Ended) -> Vec<String> {
    let lines = ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let each = lines.map(|line| {
        let part = |key: &str| line.pointer(key).map(Value::to_string).unwrap_or_default();
        let about = ["/event/event", "/event/host", "/event/task", "/event/status", "/event/why"];
        about.map(part).join(" ")
    });
    each.collect()
}

#[test]
fn a_question_is_posted_with_the_commands_that_answer_it_and_the_end_with_its_exit_code() {
    let scene = Scene::new();
    let server = Server::start(Some("200 OK"));
    scene.notify(&format!("  - webhook: {}/hooks/1?a=b\n", server.address));
    let ended = scene.apply(ASKING, &["--reason", "update", "--label", "ticket=CHG-1"]);
    ended.exits(6);
    let run = scene.planrun.newest();
    let request = &server.received()[0];
    assert_eq!(request.line, "POST /hooks/1?a=b HTTP/1.1");
    assert_eq!(request.headers["content-type"], "application/json");
    let messages = server.messages();
    assert_eq!(server.kinds(), ["question", "end"]);
    let question = &messages[0].1;
    assert_eq!(question["format"], 1);
    assert_eq!(question["run"], run);
    assert_eq!(question["plan"], "asking");
    assert_eq!(question["inventory"], scene.hosts);
    assert_eq!((&question["host"], &question["step"]), (&"h1".into(), &"drain".into()));
    assert_eq!(question["host_state"], "active");
    assert_eq!(question["reason"], "update");
    assert_eq!(question["labels"]["ticket"], "CHG-1");
    assert_eq!(question["started_by"], question["by"]);
    assert_eq!(question["simulated"], false);
    assert_eq!(question["question"]["text"], "Go on?");
    assert_eq!(question["text"], "asking: h1/drain waits for an answer: Go on?");
    assert!(question["at"].as_str().unwrap().ends_with('Z'));
    let end = &messages[1].1;
    assert_eq!((&end["run_state"], &end["exit_code"]), (&"paused".into(), &6.into()));
    // All keys are always present.
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(question), keys(end));

    // The command of the message answers the question, and a resume does not repeat it.
    let answers = question["question"]["answers"].as_array().unwrap();
    let approve = answers.iter().find(|one| one["answer"] == "approve").unwrap();
    let command = approve["command"].as_str().unwrap().replace("TEXT", "seen");
    scene.planrun.type_line(&command).exits(0);
    scene.planrun.run(&["resume", "last"]).exits(0);
    assert_eq!(server.kinds(), ["question", "end", "end"]);
    assert_eq!(server.messages()[2].1["run_state"], "succeeded");
    assert_eq!(server.messages()[2].1["exit_code"], 0);
}

#[test]
fn a_host_that_fails_is_reported_once_and_one_that_is_stuck_as_such() {
    let scene = Scene::new();
    let server = Server::start(Some("204 No Content"));
    let ends = Server::start(Some("200 OK"));
    scene.notify(&format!(
        "  - webhook: {}\n  - {{webhook: '{}/', on: [end, stuck]}}\n",
        server.address, ends.address
    ));
    scene.apply(FAILING, &[]).exits(1);
    assert_eq!(server.kinds(), ["failure", "end"]);
    let failure = &server.messages()[0].1;
    assert_eq!((&failure["host"], &failure["step"]), (&"h1".into(), &"boom".into()));
    assert!(failure["why"].as_str().unwrap().contains("exit code 1"), "{failure}");
    assert_eq!(ends.kinds(), ["end"]);

    scene.apply(STUCK, &[]).exits(5);
    assert_eq!(server.kinds()[2..], ["failure", "stuck", "end"]);
    let stuck = &server.messages()[3].1;
    assert_eq!((&stuck["host_state"], &stuck["host"]), (&"stuck".into(), &"h1".into()));
    assert_eq!(ends.kinds()[1..], ["stuck", "end"]);
}

#[test]
fn a_rehearsal_on_model_hosts_says_so() {
    let scene = Scene::new();
    let server = Server::start(Some("200 OK"));
    scene.notify(&format!("  - webhook: {}\n", server.address));
    let ended = scene.planrun.run_json(&["apply", "plans/kernel-update.yaml", "-i", "kernel-demo"]);
    ended.exits(6);
    let messages = server.messages();
    assert_eq!(messages[0].0, "question");
    assert!(messages.iter().all(|(_, message)| message["simulated"] == true), "{messages:?}");
    assert!(messages[0].1["text"].as_str().unwrap().contains("(model hosts)"));
}

#[test]
fn a_run_is_the_same_whatever_its_targets_do() {
    let scene = Scene::new();
    let without = scene.apply(FAILING, &[]);
    without.exits(1);
    let hanging = Server::start(None);
    let wrong = Server::start(Some("500 Internal Server Error"));
    let elsewhere = Server::start(Some("200 OK"));
    let moved = format!("302 Found\r\nLocation: {}/other", elsewhere.address);
    let moving = Server::start(Some(&moved));
    let child = scene.planrun.path("child");
    scene.notify(&format!(
        "  - {{name: hanging, webhook: '{}', timeout: 1s, on: [end]}}
  - {{name: wrong, webhook: '{}', on: [failure]}}
  - {{name: moving, webhook: '{}', on: [end]}}
  - {{name: closed, webhook: '{}', on: [end]}}
  - {{name: sleeping, command: [sh, -c, 'sleep 1000 & echo $! >{}; wait'], timeout: 1s, on: [end]}}
  - {{name: failing, command: [sh, -c, 'echo the hook is broken >&2; exit 3'], on: [end]}}
  - {{name: flooding, command: [sh, -c, 'yes out & yes err >&2'], timeout: 1s, on: [end]}}
  - {{name: missing, command: [no-such-program-here], on: [end]}}
",
        hanging.address,
        wrong.address,
        moving.address,
        refused(),
        child.display(),
    ));
    let with = scene.apply(FAILING, &[]);
    with.exits(1);
    assert_eq!(events(&with), events(&without));
    for line in [
        "cannot notify hanging: no reply within 1s",
        "cannot notify wrong: HTTP 500 Internal Server Error",
        "cannot notify moving: HTTP 302: redirects are not followed",
        "cannot notify closed: ",
        "cannot notify sleeping: ",
        "cannot notify failing: ",
        "the hook is broken",
        "cannot notify flooding: ",
        "cannot notify missing: ",
    ] {
        let found = with.stderr.lines().filter(|one| one.contains(line)).count();
        assert_eq!(found, 1, "{line}\n{}", with.stderr);
    }
    assert!(with.stderr.contains("Connection refused"), "{}", with.stderr);
    // Their output is not in the output of planrun.
    assert!(with.stderr.len() < 5_000 && !with.stderr.contains("\nout\n"), "{}", with.stderr);
    assert_eq!(elsewhere.received().len(), 0);
    assert_eq!(hanging.kinds(), ["end"]);
    // What a program has started is gone with it.
    let child = fs::read_to_string(child).unwrap();
    let process = std::path::Path::new("/proc").join(child.trim());
    eventually("the child is killed", || !process.exists());
}

#[test]
fn a_command_reads_one_object_and_nothing_else() {
    let scene = Scene::new();
    let file = scene.planrun.path("received");
    let program = scene.planrun.file("hook", format!("#!/bin/sh\ncat >>{}\n", file.display()));
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    scene.notify(&format!("  - command: [{program}]\n"));
    scene.apply(ASKING, &[]).exits(6);
    let received = fs::read_to_string(file).unwrap();
    let lines: Vec<Value> =
        received.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["event"], &lines[1]["event"]), (&"question".into(), &"end".into()));
}

#[test]
fn no_secret_of_a_run_is_in_a_notification() {
    let mut scene = Scene::new();
    let server = Server::start(Some("200 OK"));
    scene.notify(&format!("  - webhook: {}\n", server.address));
    scene.planrun.environment("PLANRUN_INPUT_TOKEN", Some(TOKEN));
    let plan = r#"version: 1
name: leaking
hosts: all
inputs: {token: {type: string, sensitive: true}}
probes: {echoed: {run: cat, stdin: "{{ token }}", parse: text}}
steps:
  - {id: noted, set: {echoed: echoed}}
  - {id: ask, approve: "is {{ noted.echoed }} right?"}
"#;
    let ended = scene.apply(plan, &["--reason", TOKEN, "--label", &format!("token={TOKEN}")]);
    ended.exits(6);
    assert_eq!(server.kinds(), ["question", "end"]);
    let question = &server.messages()[0].1;
    assert_eq!(question["question"]["text"], "is «secret token» right?");
    assert_eq!(question["reason"], "«secret token»");
    for request in server.received() {
        assert!(!request.body.contains("S3cr3t"), "{request:?}");
    }
}

#[test]
fn a_header_and_an_address_may_come_from_a_command_and_are_never_shown() {
    let scene = Scene::new();
    let server = Server::start(Some("403 Forbidden"));
    let address = scene.planrun.file("address", format!("{}/hooks/T0KEN-1\n", server.address));
    let header = scene.planrun.file("header", "T0KEN-2\n");
    scene.notify(&format!(
        "  - name: chat
    webhook: {{secret: [cat, {address}]}}
    headers:
      Authorization: {{prefix: 'Bearer ', secret: [cat, {header}]}}
      X-Plain: T0KEN-3
  - {{name: none, webhook: '{}/T0KEN-4', headers: {{X-Token: {{secret: [cat, /nowhere]}}}}}}
  - {{name: talks, command: [sh, -c, 'sleep 1; cat {header} >&2; false']}}
",
        server.address
    ));
    let ended = scene.apply(ASKING, &[]);
    ended.exits(6).says("cannot notify chat: HTTP 403 Forbidden");
    ended.says("cannot notify none: no value for the header `X-Token`");
    ended.says("failed with 1: «secret notify»");
    let request = &server.received()[0];
    assert_eq!(request.line, "POST /hooks/T0KEN-1 HTTP/1.1");
    assert_eq!(request.headers["authorization"], "Bearer T0KEN-2");
    assert_eq!(request.headers["x-plain"], "T0KEN-3");
    assert_eq!(server.received().len(), 2);
    for ended in [
        ended,
        scene.planrun.run(&["config"]),
        scene.planrun.run(&["config", "--format", "json"]),
        scene.planrun.run(&["config", "--test-notify"]),
        scene.planrun.run(&["show", "last", "--format", "json"]),
    ] {
        assert!(!ended.all().contains("T0KEN"), "{}", ended.all());
    }
}

#[test]
fn targets_can_be_tried_out() {
    let scene = Scene::new();
    scene.planrun.run(&["config", "--test-notify"]).exits(2).says("has no `notify`");
    let server = Server::start(Some("200 OK"));
    scene.notify(&format!("  - {{name: chat, webhook: '{}', on: [stuck]}}\n", server.address));
    scene.planrun.run(&["config", "--test-notify"]).exits(0).says("delivered").says("HTTP 200");
    assert_eq!(server.kinds(), ["test"]);
    scene.planrun.run(&["config"]).exits(0).says("chat");
    scene.notify(&format!(
        "  - {{name: chat, webhook: '{}'}}\n  - {{name: gone, webhook: '{}'}}\n",
        server.address,
        refused()
    ));
    let ended = scene.planrun.run(&["config", "--test-notify", "--format", "json"]);
    let results: Value = serde_json::from_str(&ended.exits(1).stdout).unwrap();
    assert_eq!((&results[0]["delivered"], &results[1]["delivered"]), (&true.into(), &false.into()));
    assert!(results[1]["error"].as_str().unwrap().contains("refused"), "{results}");
}

#[test]
fn a_wrong_target_is_reported_without_what_may_be_a_secret() {
    let scene = Scene::new();
    for (target, code) in [
        ("{webhook: 'ftp://chat/T0KEN'}", "error[wrong-form]"),
        ("{webhook: 'T0KEN'}", "error[wrong-form]"),
        ("{webhook: 'http://chat/T0KEN', timeout: 5m}", "error[out-of-range]"),
        ("{webhook: 'http://chat/T0KEN', on: [begin]}", "error[unknown-word]"),
        ("{webhook: 'http://chat/T0KEN', command: [a]}", "error[several-actions]"),
        ("{command: [a], headers: {A: T0KEN}}", "error[misplaced-key]"),
        ("{webhook: 'http://chat/T0KEN', headers: {'A b': T0KEN}}", "error[wrong-form]"),
        ("{on: [end]}", "error[missing-action]"),
    ] {
        scene.notify(&format!("  - {target}\n"));
        let ended = scene.apply(ASKING, &[]);
        ended.exits(2).says(code).says("config.yaml:2:");
        assert!(!ended.all().contains("T0KEN"), "{}", ended.all());
    }
    assert!(scene.planrun.runs().is_empty());
}

#[test]
fn the_operator_does_not_wait_for_a_notification_that_hangs() {
    let scene = Scene::new();
    let hanging = Server::start(None);
    scene.notify(&format!("  - {{name: slow, webhook: '{}', timeout: 30s}}\n", hanging.address));
    let plan = scene.planrun.file("plan.yaml", ASKING);
    let going = scene.planrun.begin_json(&["apply", &plan, "-i", &scene.hosts]);
    eventually("the first message is under way", || !hanging.received().is_empty());
    // The run is paused by then, or soon; the signal ends the wait, not the run.
    eventually("the run is paused", || scene.planrun.runs()[0]["state"] == "paused");
    // One that arrives before planrun waits is not the last.
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(300));
        going.interrupt();
    }
    let ended = going.end();
    ended.exits(6).says("2 notifications for slow not delivered before planrun ended");
}

#[test]
fn a_terminal_that_closes_does_not_lose_a_notification() {
    let scene = Scene::new();
    let gate = Arc::<AtomicBool>::default();
    let server = Server::gated(Some("200 OK"), &gate);
    scene.notify(&format!("  - {{webhook: '{}', timeout: 30s}}\n", server.address));
    let plan = scene.planrun.file("plan.yaml", ASKING);
    let going = scene.planrun.begin_json(&["apply", &plan, "-i", &scene.hosts]);
    eventually("the first message is under way", || !server.received().is_empty());
    eventually("the run is paused", || scene.planrun.runs()[0]["state"] == "paused");
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(300));
        going.hang_up();
    }
    gate.store(true, Ordering::SeqCst);
    let ended = going.end();
    assert!(!ended.exits(6).all().contains("not delivered"), "{}", ended.all());
    assert_eq!(server.kinds(), ["question", "end"]);
}

#[test]
fn an_error_that_ends_planrun_is_notified_too() {
    let scene = Scene::new();
    let server = Server::start(Some("200 OK"));
    scene.notify(&format!("  - webhook: {}\n", server.address));
    let gate = scene.planrun.path("gate");
    let plan = scene.planrun.file(
        "plan.yaml",
        format!(
            "version: 1\nname: losing\nhosts: all\nsteps:\n  - {{id: gate, shell: 'until test -e {}; do sleep 0.1; done', read_only: true}}\n  - {{run: 'true', read_only: true}}\n",
            gate.display()
        ),
    );
    let mut going = scene.planrun.begin_json(&["apply", &plan, "-i", &scene.hosts]);
    going.until_sends("h1/gate");
    fs::remove_file(scene.planrun.path("state/runs.db")).unwrap();
    fs::write(gate, "").unwrap();
    going.end().exits(74);
    assert_eq!(server.kinds(), ["end"]);
    let end = &server.messages()[0].1;
    assert_eq!((&end["run_state"], &end["exit_code"]), (&"interrupted".into(), &74.into()));
    assert!(end["why"].as_str().is_some_and(|why| !why.is_empty()), "{end}");
}
