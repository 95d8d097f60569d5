//! Mistakes of users: each gets a clear message and the right exit code, and nothing is sent.
//!
//! Host keys and missing programs on real hosts are tested on the cluster.

use crate::harness::{Ended, Planrun};

const OBOX_RESTART: &str = "plans/obox-restart.yaml";

/// A plan that runs on any machine, and would leave a trace.
const SMALL: &str = "
version: 1
name: small
inputs:
  count: {type: int, default: 1}
hosts: all
probes:
  answer: {run: echo 1, parse: int}
preflight:
  the answer is one: answer == 1
steps:
  - id: touch
    run: touch planrun-was-here-{{ count }}
    dir: /tmp
    idempotent: true
    rollback: {none: it harms nobody}
";

const THIS_MACHINE: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

#[test]
fn a_plan_that_is_not_there_is_named() {
    let ended = refused(&Planrun::new(), "plans/no-such.yaml", "demo", &[], 2);
    ended.says("plans/no-such.yaml").says("no such file");
}

#[test]
fn an_inventory_that_is_not_there_is_named() {
    let ended = refused(&Planrun::new(), OBOX_RESTART, "no-such", &[], 2);
    ended.says("no-such");
}

#[test]
fn an_empty_plan_is_refused() {
    plan_is_refused("").says("plan.yaml").says("empty");
}

#[test]
fn a_plan_that_is_not_yaml_is_refused_at_its_line() {
    plan_is_refused("version: 1\nname: [small\n").says("plan.yaml:");
}

#[test]
fn a_plan_of_another_shape_is_refused() {
    plan_is_refused("- backends\n").says("plan.yaml:1:1").says("expected a plan, found a list");
}

#[test]
fn a_playbook_is_called_one() {
    plan_is_refused("- hosts: backends\n  tasks: []\n")
        .says("plan.yaml:1:3")
        .says("an Ansible playbook, not a plan");
}

#[test]
fn a_plan_for_a_newer_version_is_refused() {
    plan_is_refused(&SMALL.replace("version: 1", "version: 2"))
        .says("plan.yaml:2:10")
        .says("version");
}

#[test]
fn an_inventory_without_the_plans_group_is_refused() {
    let planrun = Planrun::new();
    let inventory = planrun.file("inventory.yaml", THIS_MACHINE);
    let ended = refused(&planrun, OBOX_RESTART, &inventory, &[], 2);
    ended.says("backends");
}

#[test]
fn a_group_without_hosts_is_no_success() {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", SMALL.replace("hosts: all", "hosts: workers"));
    let text = "all: {hosts: {here: {planrun_connection: local}}, children: {workers: {}}}\n";
    let inventory = planrun.file("inventory.yaml", text);
    let ended = refused(&planrun, &plan, &inventory, &[], 2);
    ended.says("workers").says("no hosts");
}

#[test]
fn an_input_that_the_plan_does_not_declare_is_refused() {
    let ended = set("cuont=2");
    ended.says("cuont").says("count");
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    let ended = set("count=many");
    ended.says("count").says("many").says("int");
}

#[test]
fn a_value_that_is_not_offered_is_refused_with_those_that_are() {
    let words = ["--set", "remaining_users=perhaps"];
    let ended = refused(&Planrun::new(), OBOX_RESTART, "demo", &words, 2);
    ended.says("perhaps").says("continue");
}

#[test]
fn a_host_name_that_does_not_resolve_is_unreachable() {
    host_is_refused("{ansible_host: no-such-host.invalid}", 4).says("cannot reach here");
}

#[test]
fn a_refused_port_is_unreachable() {
    host_is_refused("{ansible_host: 127.0.0.1, ansible_port: 1}", 4)
        .says("cannot reach here")
        .says("refused");
}

#[test]
fn a_probe_that_prints_something_else_than_expected_is_shown() {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", SMALL.replace("echo 1", "echo one"));
    let inventory = planrun.file("inventory.yaml", THIS_MACHINE);
    let ended = refused(&planrun, &plan, &inventory, &[], 2);
    ended.says("the answer is one").says("found \"one\"");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", SMALL.replace("echo 1", "no-such-program 1"));
    let inventory = planrun.file("inventory.yaml", THIS_MACHINE);
    let ended = refused(&planrun, &plan, &inventory, &[], 2);
    ended.says("no-such-program");
}

#[test]
fn the_same_plan_without_a_fault_is_run() {
    let planrun = Planrun::new();
    let plan = planrun.file(
        "plan.yaml",
        SMALL.replace("touch planrun-was-here-{{ count }}", "true -{{ count }}"),
    );
    let inventory = planrun.file("inventory.yaml", THIS_MACHINE);
    let ended = planrun.run_json(&["apply", &plan, "--inventory", &inventory]);
    ended.exits(0);
    assert_eq!(ended.story().sent(), ["here: true -1"]);
}

#[track_caller]
fn plan_is_refused(text: &str) -> Ended {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", text);
    let inventory = planrun.file("inventory.yaml", THIS_MACHINE);
    refused(&planrun, &plan, &inventory, &[], 2)
}

#[track_caller]
fn host_is_refused(host: &str, status: i32) -> Ended {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", SMALL);
    let inventory = planrun.file("inventory.yaml", format!("all: {{hosts: {{here: {host}}}}}\n"));
    refused(&planrun, &plan, &inventory, &[], status)
}

#[track_caller]
fn set(value: &str) -> Ended {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", SMALL);
    let inventory = planrun.file("inventory.yaml", THIS_MACHINE);
    refused(&planrun, &plan, &inventory, &["--set", value], 2)
}

#[track_caller]
fn refused(planrun: &Planrun, plan: &str, inventory: &str, words: &[&str], status: i32) -> Ended {
    let apply = ["apply", plan, "--inventory", inventory, "--output", "plain"];
    let ended = planrun.run(&[&apply[..], words].concat());
    ended.exits(status);
    planrun.has_sent_nothing();
    ended
}

/// A name of a file may come from others, as by `validate *.yaml`.
#[test]
fn control_characters_of_the_command_line_are_not_printed() {
    const HOSTILE: &str = "\u{1b}]52;c;RVZJTA==\u{7}\u{1b}[2J\u{9b}\u{202e}";
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", SMALL);
    let inventory = planrun.file("inventory.yaml", THIS_MACHINE);
    let file = planrun.file(&format!("{HOSTILE}.yaml"), "version: 1\nhosts: all\nsteps: []\n");
    let (option, set) = (format!("--{HOSTILE}"), format!("{HOSTILE}=1"));
    let mut lines = vec![
        vec!["apply", &option],
        vec![HOSTILE],
        vec!["apply", &plan, "-i", &inventory, "--set", &set],
        vec!["apply", &plan, "-i", &inventory, "--set", HOSTILE],
        vec!["apply", &plan, "-i", HOSTILE],
        vec!["show", HOSTILE],
        vec!["new", "plan", HOSTILE, HOSTILE],
        vec!["explain", "--code", HOSTILE],
    ];
    // JUnit is data: it keeps the name of the file as far as XML can.
    for format in ["human", "short", "json", "github", "sarif"] {
        lines.push(vec!["validate", &file, "--format", format]);
    }
    for line in lines {
        let ended = planrun.run(&line);
        ended.exits(2);
        for text in [&ended.stdout, &ended.stderr] {
            let odd = text.chars().find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
            assert_eq!(odd, None, "{line:?}: {text}");
        }
    }
}
