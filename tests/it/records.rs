//! What happens to the records of attempts on a host: its home is emptied, or it loses power. Nothing is sent
//! a second time, and nothing that was sent is forgotten.
//!
//! A disk that loses power is a copy of a mounted one, as it was at that moment: without all that was not
//! written yet. Mounting needs root; without it those tests print that they were skipped.

use std::fs;

use crate::harness::{Planrun, eventually};
use crate::store::mounting;

const INVENTORY: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

/// Writes a plan and an inventory, and returns the words that apply it.
fn plan(planrun: &Planrun, steps: &str) -> [String; 4] {
    let folder = planrun.path("state").parent().unwrap().display().to_string();
    let text = format!("version: 1\nname: records\nhosts: all\nsteps:\n{steps}");
    let plan = planrun.file("plan.yaml", text.replace("FOLDER", &folder));
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    ["apply".to_owned(), plan, "-i".to_owned(), inventory]
}

fn lines(planrun: &Planrun) -> String {
    fs::read_to_string(planrun.path("lines")).unwrap_or_default()
}

#[test]
fn a_home_that_is_emptied_while_a_session_is_idle_costs_no_step() {
    let planrun = Planrun::new();
    let words = plan(
        &planrun,
        "  - {id: a, shell: echo a >> FOLDER/lines, on_unknown: ask, rollback: {none: a line}}
  - {id: wait, wait: 3s}
  - {id: b, shell: echo b >> FOLDER/lines, on_unknown: ask, rollback: {none: a line}}
",
    );
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut going = planrun.begin_json(&words);
    going.until_ended("here/a");
    let home = planrun.path("planrun");
    assert!(home.join("attempts").exists());
    eventually("the home is empty", || fs::remove_dir_all(&home).is_ok());
    going.end().exits(0);
    assert_eq!(lines(&planrun), "a\nb\n");
    assert!(planrun.kept("last").questions().is_empty());
}

#[test]
fn a_host_whose_records_are_a_link_that_leads_nowhere_or_no_folder_is_sent_nothing() {
    for kind in ["link", "file", "file of the folder above"] {
        let planrun = Planrun::new();
        let words = plan(
            &planrun,
            "  - {id: a, shell: echo a >> FOLDER/lines, on_unknown: ask, rollback: {none: a line}}\n",
        );
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let records = planrun.path("planrun/attempts");
        fs::create_dir_all(records.parent().unwrap()).unwrap();
        match kind {
            "link" => std::os::unix::fs::symlink("/nowhere/at/all", &records).unwrap(),
            "file" => fs::write(&records, "").unwrap(),
            _ => {
                fs::remove_dir_all(records.parent().unwrap()).unwrap();
                fs::write(records.parent().unwrap(), "").unwrap();
            }
        }
        let ended = planrun.run(&words);
        assert_eq!(lines(&planrun), "", "{kind}: {}", ended.stderr);
        assert_ne!(ended.status, Some(0), "{kind}: {}", ended.stderr);
        ended.says("attempts");
    }
}

#[test]
fn records_may_be_in_a_folder_that_a_link_leads_to() {
    let planrun = Planrun::new();
    let words = plan(
        &planrun,
        "  - {id: a, shell: echo a >> FOLDER/lines, on_unknown: ask, rollback: {none: a line}}\n",
    );
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (records, other) = (planrun.path("planrun/attempts"), planrun.path("elsewhere"));
    fs::create_dir_all(records.parent().unwrap()).unwrap();
    fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(&other, &records).unwrap();
    planrun.run(&words).exits(0);
    assert_eq!(lines(&planrun), "a\n");
    assert!(fs::read_dir(&other).unwrap().count() > 1);
}

/// A step that names its process, and says when the disk is lost.
const STEP: &str = "  - id: a
    shell: |
      echo $$ > FOLDER/command
      echo a >> FOLDER/lines
      PART
    on_unknown: ask
    rollback: {none: a line}
";

/// Runs a plan whose host keeps its records on a disk of its own, up to `until`. Then the controller dies, and
/// after `then` the host loses power and comes back. Returns what a resume says.
fn power_cut(
    planrun: &Planrun,
    test: &str,
    part: &str,
    then: &str,
) -> Option<crate::harness::Ended> {
    let words = plan(planrun, &STEP.replace("PART", part)).join(" ");
    let folder = planrun.path("state").parent().unwrap().display().to_string();
    mounting(
        planrun,
        test,
        &format!(
            "cd {folder}
             truncate -s 32M disk && mkfs.ext4 -q disk && mkdir home back || exit 9
             mount -o loop disk home || exit 9
             export XDG_STATE_HOME={folder}/home
             planrun {words} --yes --output plain & controller=$!
             until [ -e begun ]; do sleep 0.1; done
             kill -9 $controller
             {then}
             until [ -e cut ]; do sleep 0.1; done
             for record in home/planrun/attempts/*; do
                 case ${{record##*/}} in *.*) continue ;; esac
                 read -r user runner rest <$record
                 kill -9 $runner
             done
             kill -9 $(cat command)
             umount -l home
             mount -o loop cut back || exit 9
             export XDG_STATE_HOME={folder}/back
             for record in back/planrun/attempts/*; do
                 case ${{record##*/}} in *.*) continue ;; esac
                 sed -i '1s/ [^ ]*$/ an-earlier-boot/' $record
             done
             planrun resume last --output plain
             echo resume $?"
        ),
    )
}

#[test]
fn an_attempt_is_remembered_if_the_host_loses_power_while_its_command_runs() {
    let planrun = Planrun::new();
    let copy =
        "cp FOLDER/disk FOLDER/copied; mv FOLDER/copied FOLDER/cut; touch FOLDER/begun; sleep 60";
    let test = "an_attempt_is_remembered_if_the_host_loses_power_while_its_command_runs";
    let Some(ended) = power_cut(&planrun, test, copy, ":") else { return };
    ended.says("did it take effect?").says("resume 6");
    assert_eq!(lines(&planrun), "a\n");
}

#[test]
fn an_exit_code_is_remembered_if_the_host_loses_power_a_moment_later() {
    let planrun = Planrun::new();
    let waits = "touch FOLDER/begun; until [ -e FOLDER/go ]; do sleep 0.1; done";
    let copy = "touch go; sleep 3; cp disk copied; mv copied cut";
    let test = "an_exit_code_is_remembered_if_the_host_loses_power_a_moment_later";
    let Some(ended) = power_cut(&planrun, test, waits, copy) else { return };
    ended.says("resume 0");
    assert_eq!(lines(&planrun), "a\n");
    assert!(planrun.kept("last").questions().is_empty());
}
