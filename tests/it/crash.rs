//! A controller is killed while its command runs on this machine: the command continues, and is found
//! again.

use std::time::Duration;

use crate::harness::{Planrun, eventually};

const INVENTORY: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

/// A step that leaves a line in a file each time it runs, and takes a while.
fn slow(planrun: &Planrun, done_when: &str) -> String {
    let text = format!(
        "version: 1
name: slow
hosts: all
inputs:
  file: {{type: path}}
probes:
  lines: {{run: \"cat {{{{ file }}}}\", exit_codes: any, parse: lines}}
steps:
  - id: work
    shell: |
      echo begun >> {{{{ file }}}}
      sleep 4
      echo ended >> {{{{ file }}}}
    {done_when}
    rollback: {{none: lines in a file harm nobody}}
"
    );
    planrun.file("plan.yaml", text)
}

#[test]
fn a_command_that_outlives_its_controller_is_waited_for_and_not_sent_again() {
    let planrun = Planrun::new();
    let plan = slow(&planrun, "done_when: '\"ended\" in lines'");
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    let file = planrun.file("lines", "");
    let set = format!("file={file}");

    let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory, "--set", &set]);
    going.until_sends("here/work");
    eventually("the command has begun", || std::fs::read_to_string(&file).unwrap() == "begun\n");
    going.kill();
    let resumed = planrun.run_json(&["resume", "last"]);

    resumed.exits(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "begun\nended\n");
    let kept = planrun.kept(&planrun.newest());
    assert_eq!(kept.sent().len(), 1);
}

#[test]
fn a_command_whose_end_only_its_host_saw_is_not_asked_about() {
    let planrun = Planrun::new();
    let plan = slow(&planrun, "on_unknown: ask");
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    let file = planrun.file("lines", "");
    let set = format!("file={file}");

    let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory, "--set", &set]);
    going.until_sends("here/work");
    eventually("the command has begun", || std::fs::read_to_string(&file).unwrap() == "begun\n");
    going.kill();
    planrun.run(&["resume", "last"]).exits(0);

    assert_eq!(std::fs::read_to_string(&file).unwrap(), "begun\nended\n");
    assert_eq!(planrun.kept(&planrun.newest()).sent().len(), 1);
}

#[test]
fn a_command_whose_end_nobody_saw_is_asked_about_when_nothing_shows_what_it_did() {
    let planrun = Planrun::new();
    let plan = slow(&planrun, "on_unknown: ask");
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    let file = planrun.file("lines", "");
    let set = format!("file={file}");

    let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory, "--set", &set]);
    going.until_sends("here/work");
    eventually("the command has begun", || std::fs::read_to_string(&file).unwrap() == "begun\n");
    going.kill();
    let ended = || std::fs::read_to_string(&file).unwrap() == "begun\nended\n";
    eventually("the command has ended", ended);
    // The host lost its memory.
    // The runner of the command may still write there.
    let records = planrun.path("planrun/attempts");
    eventually("the records are gone", || std::fs::remove_dir_all(&records).is_ok());
    let resumed = planrun.run(&["resume", "last"]);

    resumed.exits(6);
    resumed.says("did it take effect?");
    let run = planrun.newest();
    planrun.run(&["resolve", &run, "here/work", "--as", "done", "--reason", "seen"]).exits(0);
    planrun.run(&["resume", &run]).exits(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "begun\nended\n");
    assert_eq!(planrun.kept(&run).sent().len(), 1);
    assert_eq!(planrun.kept(&run).waited("here/work"), Vec::<Duration>::new());
}
