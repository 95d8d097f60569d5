//! Previews: they are right about the run that follows, they only read, and they say what they do not know.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use async_trait::async_trait;
use planrun::clock::block_on_virtual;
use planrun::event::TaskStatus;
use planrun::inventory::Host;
use planrun::preview::{About, Decision, Preview, Step, preview};
use planrun::run::survey::survey;
use planrun::transport::model::ModelTransport;
use planrun::transport::{Reply, Request, Transport, TransportError};

use crate::harness::{Planrun, Story};
use crate::scene::{Scene, start};
use crate::ssh::server::Server;
use crate::support::text;

/// The shipped plans with their model hosts.
const SHIPPED: [&[&str]; 7] = [
    &["plans/obox-restart.yaml", "-i", "demo"],
    &["plans/dovecot-reload.yaml", "-i", "demo", "--set", "source=README.md"],
    &["plans/postgresql-minor-upgrade.yaml", "-i", "postgresql-demo"],
    &["plans/web-rolling-update.yaml", "-i", "haproxy-demo"],
    &["plans/etcd-reboot.yaml", "-i", "etcd-demo"],
    &["plans/certificate-renewal.yaml", "-i", "certificate-demo"],
    &["plans/kernel-update.yaml", "-i", "kernel-demo"],
];

/// Hosts that are this machine.
const HERE: &str = "web: {hosts: {web1: {planrun_connection: local}}}\n";

#[track_caller]
fn read(planrun: &Planrun, words: &[&str]) -> Preview {
    let ended = planrun.run(&[&["preview"], words, &["--format", "json"]].concat());
    ended.exits(0);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Returns what is decided about a step on a host: of `web1 [a]` too.
fn decided(preview: &Preview, host: &str, step: &str) -> Option<Decision> {
    let all = preview.all_steps();
    let step = all.into_iter().find(|one| one.path == step).unwrap();
    let group = step.groups.iter().find(|group| group.hosts.iter().any(|on| on == host));
    group.and_then(|group| group.decision)
}

/// Compares what a preview said of a step with what the run did.
fn compare(step: &Step, story: &Story, plan: &str, seen: &mut [usize; 4]) {
    for group in &step.groups {
        for host in &group.hosts {
            let (host, item) =
                host.split_once(" [").map_or((host.as_str(), None), |it| (it.0, Some(it.1)));
            if item.is_some() {
                continue;
            }
            let task = format!("{host}/{}", step.path);
            let sent = story.sent_for(&task);
            let Some(decision) = group.decision else { continue };
            let Some(status) = story.status(&task) else { continue };
            seen[decision as usize] += 1;
            match decision {
                Decision::Skipped => assert_eq!(status, TaskStatus::Skipped, "{plan}: {task}"),
                Decision::AlreadyDone => {
                    assert_eq!((status, sent.len()), (TaskStatus::Unchanged, 0), "{plan}: {task}");
                }
                Decision::WouldRun => assert!(!sent.is_empty(), "{plan}: {task} was not sent"),
                Decision::MayRun => {}
            }
            let is_whole =
                |it: &&planrun::preview::Command| it.known_after.is_empty() && it.error.is_none();
            let command = group.command.as_ref().filter(is_whole);
            if let (Some(command), Some(sent)) = (command, sent.first())
                && !command.text.starts_with("upload ")
            {
                assert_eq!(*sent, command.text, "{plan}: {task}");
            }
        }
    }
}

#[test]
fn what_a_preview_says_of_the_shipped_plans_is_what_the_run_does() {
    let planrun = Planrun::new();
    let mut seen = [0; 4];
    for words in SHIPPED {
        let preview = read(&planrun, words);
        let ended = planrun.run_json(&[&["apply"], words].concat());
        assert!(matches!(ended.status, Some(0 | 6)), "{words:?}\n{}", ended.stderr);
        let story = ended.story();
        for step in preview.all_steps() {
            compare(step, &story, words[0], &mut seen);
        }
        // Hosts start in the order that was shown, as far as it is known before the first batch.
        let turns = story.turns();
        let first: Vec<String> =
            preview.batches[0].hosts.iter().map(|host| format!("+{host}")).collect();
        let started: Vec<&String> = turns
            .iter()
            .filter(|turn| !turn.ends_with("setup") && !turn.ends_with("finish"))
            .take(first.len())
            .collect();
        assert_eq!(started, first.iter().collect::<Vec<_>>(), "{words:?}");
    }
    // Skipped, may run, would run: all of them are there.
    assert!(seen[0] > 5 && seen[2] > 5 && seen[3] > 20, "{seen:?}");
}

#[test]
fn the_flagship_is_shown_as_a_person_reads_it() {
    let planrun = Planrun::new();
    let ended = planrun.run(&["preview", "plans/obox-restart.yaml", "-i", "demo"]);
    ended.exits(0);
    assert!(!ended.stdout.contains('\u{1b}'), "no colour in a pipe");
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ended.stdout);
    insta::assert_snapshot!(ended.stdout);
    let same = planrun.run(&["apply", "plans/obox-restart.yaml", "-i", "demo", "--dry-run"]);
    assert_eq!(same.exits(0).stdout, ended.stdout);
    let coloured =
        planrun.run(&["preview", "plans/obox-restart.yaml", "-i", "demo", "--color", "always"]);
    coloured.says("\u{1b}[32mdoveadm service stop lmtp\u{1b}[0m");
    let markdown =
        planrun.run(&["preview", "plans/obox-restart.yaml", "-i", "demo", "--format", "markdown"]);
    let page = &markdown.exits(0).stdout;
    assert!(page.starts_with("# Preview: obox-restart on 3 hosts of "), "{page}");
    assert!(page.contains("\n    doveadm director update 198.51.100.3 0\n"), "{page}");
}

/// A transport that counts, and refuses everything that is not read only.
struct Counting {
    world: ModelTransport,
    looks: RefCell<Vec<String>>,
    logins: RefCell<Vec<String>>,
}

#[async_trait(?Send)]
impl Transport for Counting {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        match request {
            Request::Look(command) => {
                let about = command.host.as_ref().map(ToString::to_string).unwrap_or_default();
                let look = format!("{} {about} {}", host.name, command.display());
                self.looks.borrow_mut().push(look);
            }
            Request::LogIn(user) => {
                let login = format!("{} {}", host.name, user.unwrap_or("-"));
                self.logins.borrow_mut().push(login);
            }
            other => panic!("{other:?}"),
        }
        self.world.handle(host, request).await
    }
}

#[test]
fn a_preview_sends_each_probe_once_and_nothing_that_changes_or_locks_something() {
    let scene = Scene::new(&text("plans/obox-restart.yaml"), &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let counting = Counting { world, looks: RefCell::default(), logins: RefCell::default() };

    let survey = block_on_virtual(&clock, survey(&scene.plan, Some(&counting))).unwrap();

    let (looks, logins) = (counting.looks.into_inner(), counting.logins.into_inner());
    for all in [&looks, &logins] {
        let mut once = all.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), all.len(), "{all:#?}");
    }
    let about = About { path: "p.yaml", inventory: "demo", is_model: true };
    let preview = preview(&scene.plan, &survey, about);
    assert_eq!(preview.probes.len(), looks.len());
    // The probes of the preflight are all that this plan needs: nothing is asked for the steps.
    let preflight = [
        "ring",
        "neighbours",
        "dovecot",
        "services",
        "config",
        "folders",
        "mailboxes",
        "mail_text",
    ];
    assert!(preview.probes.iter().all(|probe| preflight.contains(&&*probe.name)), "{looks:#?}");
    assert_eq!(logins.len(), 4, "{logins:?}");
}

/// Makes two files, the second depends on the first; `DIR` is where.
const FILES: &str = "version: 1
name: files
hosts: web
inputs:
  token: {type: string, sensitive: true}
  word: {type: string, default: hello}
probes:
  first: {run: [test, -e, DIR/first], exit_codes: any, output: discard}
  second: {run: [test, -e, DIR/second], exit_codes: any, output: discard}
  leak: {run: [cat, DIR/leak], parse: text}
preflight: {the directory exists: leak != \"\"}
steps:
  - id: seen
    set: {number: first.exit}
  - id: give
    run: cat
    stdin: '{{ token }}'
    read_only: true
  - id: one
    run: [touch, DIR/first]
    stdin: '{{ word }} to {{ host }}'
    done_when: first.exit == 0
    rollback: {run: [rm, -f, DIR/first], done_when: first.exit == 1}
  - id: two
    shell: echo {{ seen.number }} {{ word }} >DIR/second
    done_when: second.exit == 0
    rollback: {none: a test}
  - id: again
    run: [touch, DIR/first]
    done_when: first.exit == 0
    rollback: {none: a test}
  - id: items
    for_each: [a, b]
    run: [echo, '{{ item }}']
    idempotent: true
    rollback: {none: a test}
";

fn files(planrun: &Planrun) -> (String, String) {
    let at = planrun.path("");
    planrun.file("leak", "the token is a-secret-token");
    let plan = FILES.replace("DIR", at.to_str().unwrap().trim_end_matches('/'));
    (planrun.file("files.yaml", plan), planrun.file("hosts.yaml", HERE))
}

/// Returns what a host remembers: no attempt, only since when it remembers.
fn remembered(at: &Path) -> Vec<String> {
    let entries = fs::read_dir(at).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_preview_of_a_real_host_leaves_nothing_behind_and_shows_no_secret() {
    let mut planrun = Planrun::new();
    planrun.environment("PLANRUN_INPUT_TOKEN", Some("a-secret-token"));
    let (plan, hosts) = files(&planrun);
    let words = [plan.as_str(), "-i", hosts.as_str()];
    for format in ["human", "json", "markdown"] {
        let ended = planrun.run(&[&["preview"], &words[..], &["--format", format]].concat());
        ended.exits(0);
        if format == "json" {
            ended.says("the token is «secret token»");
        }
        assert!(!ended.all().contains("a-secret-token"), "{}", ended.all());
    }
    assert!(!planrun.path("first").exists() && !planrun.path("second").exists());
    assert!(!planrun.path("state").exists(), "a preview stores nothing");
    assert_eq!(remembered(&planrun.path("planrun/attempts")), [".memory"]);
    assert_eq!(fs::read_dir(planrun.locks()).unwrap().count(), 0, "no lock");

    let preview = read(&planrun, &words);
    assert_eq!(decided(&preview, "web1", "one"), Some(Decision::WouldRun));
    assert_eq!(decided(&preview, "web1", "two"), Some(Decision::WouldRun));
    assert_eq!(decided(&preview, "web1", "again"), Some(Decision::MayRun));
    assert_eq!(decided(&preview, "web1 [b]", "items"), Some(Decision::WouldRun));
    let all = preview.all_steps();
    let two = all.iter().find(|step| step.path == "two").unwrap();
    let command = two.groups[0].command.as_ref().unwrap();
    assert_eq!(command.known_after, ["seen"]);
    assert!(command.text.contains("{{ seen.number }}"), "{}", command.text);
}

#[test]
fn what_is_already_done_is_not_run_again() {
    let mut planrun = Planrun::new();
    planrun.environment("PLANRUN_INPUT_TOKEN", Some("a-secret-token"));
    let (plan, hosts) = files(&planrun);
    planrun.file("first", "");
    let preview = read(&planrun, &[&plan, "-i", &hosts]);
    assert_eq!(decided(&preview, "web1", "one"), Some(Decision::AlreadyDone));
    // What a command reads is shown, but not a secret.
    let all = preview.all_steps();
    let stdin = |path: &str| {
        let step = all.iter().find(|step| step.path == path).unwrap();
        step.groups[0].command.as_ref().unwrap().stdin.clone()
    };
    assert_eq!(stdin("give").as_deref(), Some("(a secret)"));
    assert_eq!(stdin("one").as_deref(), Some("hello to web1"));
    assert_eq!(decided(&preview, "web1", "two"), Some(Decision::WouldRun));
    // It is done now, but `two` runs before it: what that changes is not known.
    assert_eq!(decided(&preview, "web1", "again"), Some(Decision::MayRun));
}

#[test]
fn a_preview_says_that_apply_would_be_refused_with_its_exit_code() {
    let mut planrun = Planrun::new();
    planrun.environment("PLANRUN_INPUT_TOKEN", Some("a-secret-token"));
    let (plan, hosts) = files(&planrun);
    planrun.file("leak", "");
    let ended = planrun.run(&["preview", &plan, "-i", &hosts]);
    ended.exits(2).says("1 check does not pass").says("✗ the directory exists");
    ended.says("`planrun apply` would be refused now");

    let gone = "web: {hosts: {web1: {ansible_host: 127.0.12.1, ansible_port: 9, ansible_user: x}}}";
    let hosts = planrun.file("gone.yaml", gone);
    let ended = planrun.run(&["preview", &plan, "-i", &hosts]);
    ended.exits(4).says("! web1: ").says("a host cannot be worked on");
}

#[test]
fn a_preview_over_ssh_only_runs_probes() {
    let Some(server) = Server::start("preview") else { return };
    let mut planrun = Planrun::new();
    planrun.environment("PLANRUN_INPUT_TOKEN", Some("a-secret-token"));
    let (plan, _) = files(&planrun);
    let hosts = planrun.file("hosts.yaml", server.inventory_with_key().replace("all:", "web:"));
    let preview = read(&planrun, &[&plan, "-i", &hosts]);
    assert_eq!(decided(&preview, "web1", "one"), Some(Decision::WouldRun));
    assert_eq!(preview.probes.len(), 3, "{:#?}", preview.probes);
    assert_eq!(server.logged("Accepted publickey"), 1);
    assert!(!planrun.path("first").exists());
    assert_eq!(remembered(&server.path("state/planrun/attempts")), [".memory"]);
    assert_eq!(fs::read_dir(planrun.locks()).unwrap().count(), 0, "no lock");
}

#[test]
fn a_look_shows_what_a_probe_prints_its_value_and_why_a_condition_is_false() {
    let planrun = Planrun::new();
    let words = ["look", "plans/obox-restart.yaml", "ring", "-i", "demo", "--limit", "backend1"];
    let ended = planrun.run(&[&words[..], &["--expr", "backend.users == 0"]].concat());
    ended.exits(0).says("doveadm -f tab director status").says("stdout| mail server ip");
    ended.says("198.51.100.1: {").says("backend1: backend.users == 0 is false");
    ended.says("backend.users on director1 = 42");

    let ended = planrun.run(&[&words[..], &["--expr", "drain_for", "--format", "json"]].concat());
    let value: serde_json::Value = serde_json::from_str(&ended.exits(0).stdout).unwrap();
    let host = &value["hosts"][0];
    assert_eq!(host["expression"]["value"], "15m");
    assert_eq!(host["results"][1]["on"], "director2");
    assert_eq!(host["results"][0]["value"]["198.51.100.1"]["users"], 42);

    for (words, said) in [
        (["rnig", "--expr", "1 == 1"], "did you mean `ring`?"),
        (["ring", "--expr", "bakend.users == 0"], "did you mean `backend`?"),
        (["ring", "--expr", "backend.users =="], "invalid expression"),
    ] {
        let all = [&["look", "plans/obox-restart.yaml"], &words[..], &["-i", "demo"]].concat();
        planrun.run(&all).exits(2).says(said);
    }
    assert!(!planrun.path("state").exists());
}
