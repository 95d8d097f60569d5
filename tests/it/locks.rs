//! Two runs of one machine on the same hosts: the second one is refused and reports the first.
//!
//! Hosts with addresses are only locked here, never contacted.

use std::collections::BTreeMap;
use std::fs;

use planrun::diagnostic::Diagnostics;
use planrun::inventory::read::read;
use planrun::resolve::{Inputs, resolve};
use planrun::run::planned::planned;
use planrun::source::Sources;

use crate::harness::{Planrun, eventually};

/// Returns two groups of hosts on this machine, each with locks of its own, and the same machine under two
/// names.
fn inventory(planrun: &Planrun) -> String {
    let here = |name: &str| {
        let dir = planrun.path(&format!("locks-of-{name}"));
        format!("{name}: {{planrun_connection: local, planrun_lock_dir: {}}}", dir.display())
    };
    let text = format!(
        "web: {{hosts: {{{}, {}}}}}
ring: {{hosts: {{{}}}}}
far: {{hosts: {{one: {{ansible_host: Localhost.test}}, other: {{ansible_host: localhost.test}}}}, \
         vars: {{planrun_locks: none}}}}
",
        here("web1"),
        here("web2"),
        here("ring1"),
    );
    planrun.file("inventory.yaml", text)
}

/// A plan whose one step waits for the file `go` and leaves a line in `lines`.
fn plan(planrun: &Planrun, name: &str, head: &str) -> String {
    let folder = planrun.path("state").parent().unwrap().display().to_string();
    let text = format!(
        "version: 1
name: {name}
{head}
steps:
  - id: work
    shell: echo {name} >> {folder}/lines; while ! [ -e {folder}/go ]; do sleep 0.1; done
    on_unknown: ask
    rollback: {{shell: test -e {folder}/mended, idempotent: true}}
  - id: ask
    approve: Go on?
"
    );
    planrun.file(&format!("{name}.yaml"), text)
}

fn lines(planrun: &Planrun) -> String {
    fs::read_to_string(planrun.path("lines")).unwrap_or_default()
}

#[test]
fn a_second_run_on_the_same_host_is_refused_and_names_the_first() {
    let planrun = Planrun::new();
    let inventory = inventory(&planrun);
    let first = plan(&planrun, "first", "hosts: web1");
    let second = plan(&planrun, "second", "hosts: web");
    let mut going = planrun.begin_json(&["apply", &first, "-i", &inventory]);
    going.until_sends("web1/work");
    let run = planrun.newest();

    let refused = planrun.run(&["apply", &second, "-i", &inventory]);
    refused.exits(7).says(&format!("host web1 is locked by run {run} of plan first, running"));
    refused.says(", process ").says("planrun stop ").says(&format!("planrun show {run}"));
    assert_eq!(planrun.newest(), run, "the refused run leaves nothing");
    eventually("the first works", || lines(&planrun) == "first\n");

    // Another host is free, another state directory is another world.
    planrun.file("go", "");
    planrun.run(&["apply", &second, "-i", &inventory, "--limit", "web2"]).exits(6);
    going.end().exits(6);
}

#[test]
fn hosts_stay_locked_while_a_run_is_paused_or_stuck_and_are_free_when_it_ended() {
    let planrun = Planrun::new();
    let inventory = inventory(&planrun);
    let first = plan(&planrun, "first", "hosts: web1");
    let second = plan(&planrun, "second", "hosts: web1");
    planrun.file("go", "");
    planrun.run(&["apply", &first, "-i", &inventory]).exits(6);
    let run = planrun.newest();
    let apply = ["apply", second.as_str(), "-i", inventory.as_str()];

    let refused = planrun.run(&apply);
    // Which commands can continue it depends on the run: `show` lists them.
    refused.exits(7).says("paused").says(&format!("`planrun show {run}`; it lists the commands"));
    assert!(!refused.all().contains("planrun rollback"), "{}", refused.all());
    refused.says(&format!("planrun abort {run} --acknowledge"));
    planrun.run(&["rollback", &run]).exits(5);
    planrun.run(&apply).exits(7).says("stuck");
    planrun.run(&["abort", &run, "--acknowledge"]).exits(0);
    planrun.run(&apply).exits(6);

    // A run that ended needs the host again to be rolled back.
    let newer = planrun.newest();
    planrun.run(&["abort", &newer, "--acknowledge"]).exits(0);
    planrun.run(&["apply", &first, "-i", &inventory]).exits(6);
    let newest = planrun.newest();
    let refused = planrun.run(&["rollback", &newer]);
    refused.exits(7).says(&format!("locked by run {newest}"));
    assert!(planrun.kept(&newer).sent().len() == 1, "nothing is undone");
}

#[test]
fn a_run_whose_process_died_keeps_its_hosts() {
    let planrun = Planrun::new();
    let inventory = inventory(&planrun);
    let first = plan(&planrun, "first", "hosts: web1");
    let mut going = planrun.begin_json(&["apply", &first, "-i", &inventory]);
    going.until_sends("web1/work");
    going.kill();
    planrun.file("go", "");
    planrun
        .run(&["apply", &first, "-i", &inventory])
        .exits(7)
        .says("lists the commands that continue the run");
}

#[test]
fn hosts_that_locks_names_are_locked_and_a_warning_says_how_far() {
    let planrun = Planrun::new();
    let inventory = inventory(&planrun);
    let first = plan(&planrun, "first", "hosts: web1\nlocks: [ring]");
    let second = plan(&planrun, "second", "hosts: web2\nlocks: [ring]");
    let third = plan(&planrun, "third", "hosts: ring1");
    planrun.file("go", "");
    let told = planrun.run(&["apply", &first, "-i", &inventory]);
    assert!(!told.exits(6).stderr.contains("locks-not-enforced"), "{}", told.all());
    for plan in [second, third] {
        planrun.run(&["apply", &plan, "-i", &inventory]).exits(7).says("host ring1 is locked");
    }
}

#[test]
fn hosts_without_locks_are_shared() {
    let planrun = Planrun::new();
    let inventory = inventory(&planrun);
    let first = plan(&planrun, "first", "hosts: web1\nlocks: [one]");
    let second = plan(&planrun, "second", "hosts: web2\nlocks: [one]");
    planrun.file("go", "");
    let told = planrun.run(&["apply", &first, "-i", &inventory]);
    told.exits(6).says("warning[locks-not-enforced]: `locks` is not enforced on one");
    planrun.run(&["apply", &second, "-i", &inventory]).exits(6);
    // The same for the hosts of a run.
    let here = "{planrun_connection: local, planrun_locks: none}";
    let inventory = planrun.file("shared.yaml", format!("web: {{hosts: {{web1: {here}}}}}\n"));
    let third = plan(&planrun, "third", "hosts: web1");
    for _ in 0..2 {
        planrun.run(&["apply", &third, "-i", &inventory]).exits(6);
    }
}

#[test]
fn two_names_of_one_machine_are_one_machine() {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let files = [
        ("plan.yaml", "version: 1\nname: p\nhosts: all\nsteps: [{wait: 1s}]\n"),
        (
            "hosts.yaml",
            "all: {hosts: {one: {ansible_host: Localhost.test}, other: {ansible_host: localhost.test}}}\n",
        ),
    ];
    let planrun = Planrun::new();
    let [plan, hosts] = files.map(|(name, text)| planrun.file(name, text));
    let id = sources.read(plan.as_ref(), &plan).unwrap();
    let plan_of = planrun::plan::read(&sources, id, &mut found).unwrap();
    let inventory = read(hosts.as_ref(), &hosts, &mut sources, &mut found).unwrap();
    let resolved =
        resolve(plan_of, inventory, &Inputs::default(), &mut sources, &mut found).unwrap();
    let text = files[0].1;
    let machines = planned(&resolved, &plan, text, "me@here", BTreeMap::new()).locked_machines();
    assert_eq!(machines.keys().collect::<Vec<_>>(), ["ssh localhost.test 22"]);
}

#[test]
fn runs_on_model_hosts_do_not_meet() {
    let planrun = Planrun::new();
    let demo = ["apply", "plans/obox-restart.yaml", "--inventory", "demo", "--limit", "backend1"];
    let asks = [demo.as_slice(), &["--set", "manual_work=true"]].concat();
    let told = planrun.run(&asks);
    told.exits(6);
    assert!(!told.all().contains("locks-not-enforced"), "{}", told.all());
    planrun.run(&asks).exits(6);
}
