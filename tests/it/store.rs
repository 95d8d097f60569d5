//! What happens to a run if its state directory is moved, full, read-only or damaged.
//!
//! Real processes and real file systems. File systems are mounted in their own namespace, which needs root;
//! without it those tests print that they were skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::harness::{Ended, Planrun, eventually};

const INVENTORY: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

/// A plan whose first step waits for the file `go`, then two more; each leaves a line in `lines`.
fn slow(planrun: &Planrun) -> (String, String) {
    let folder = planrun.path("state").parent().unwrap().display().to_string();
    let step = |id: &str, script: &str| {
        format!(
            "  - id: {id}\n    shell: {script}\n    on_unknown: ask\n    rollback: {{none: lines}}\n"
        )
    };
    let text = format!(
        "version: 1\nname: slow\nhosts: all\nsteps:\n{}{}{}",
        step(
            "a",
            &format!("echo a >> {folder}/lines; while ! [ -e {folder}/go ]; do sleep 0.1; done")
        ),
        step("b", &format!("echo b >> {folder}/lines; . {folder}/go")),
        step("c", &format!("echo c >> {folder}/lines")),
    );
    (planrun.file("plan.yaml", text), planrun.file("inventory.yaml", INVENTORY))
}

fn lines(planrun: &Planrun) -> String {
    fs::read_to_string(planrun.path("lines")).unwrap_or_default()
}

/// Gives lines to a shell that may mount; `None`, said aloud, where mounting is not allowed.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
#[track_caller]
pub(crate) fn mounting(planrun: &Planrun, test: &str, lines: &str) -> Option<Ended> {
    let script = planrun.file("mounting.sh", format!("set -u\n{lines}"));
    let can = planrun.type_line("unshare --mount true");
    if can.status != Some(0) {
        eprintln!("skipped: {test} (needs root, to mount)");
        return None;
    }
    Some(planrun.type_line(&format!("unshare --mount sh {script}")))
}

#[test]
fn a_run_whose_store_is_gone_stops_before_the_next_command() {
    type Change = fn(&Path);
    let replaced: Change = |state| {
        fs::copy(state.join("runs.db"), state.join("copy")).unwrap();
        fs::rename(state.join("copy"), state.join("runs.db")).unwrap();
    };
    let changes: [(&str, Change); 6] = [
        ("renamed", |state| fs::rename(state.join("runs.db"), state.join("x")).unwrap()),
        ("deleted", |state| fs::remove_file(state.join("runs.db")).unwrap()),
        ("replaced", replaced),
        ("without its log", |state| fs::remove_file(state.join("runs.db-wal")).unwrap()),
        ("in a folder that was renamed", |state| {
            fs::rename(state, state.with_extension("x")).unwrap();
        }),
        ("in a folder that was deleted", |state| fs::remove_dir_all(state).unwrap()),
    ];
    for (what, change) in changes {
        let planrun = Planrun::new();
        let (plan, inventory) = slow(&planrun);
        let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory]);
        going.until_sends("here/a");
        eventually("the command has begun", || lines(&planrun) == "a\n");
        change(&planrun.path("state"));
        planrun.file("go", "");

        let ended = going.end();
        assert_eq!(ended.status, Some(74), "{what}: {ended:?}");
        ended.says("was deleted, renamed or replaced");
        assert_eq!(lines(&planrun), "a\n", "{what}");
    }
}

#[test]
fn a_run_that_was_put_back_goes_on() {
    let planrun = Planrun::new();
    let (plan, inventory) = slow(&planrun);
    let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory]);
    going.until_sends("here/a");
    eventually("the command has begun", || lines(&planrun) == "a\n");
    let (state, elsewhere) = (planrun.path("state"), planrun.path("elsewhere"));
    fs::rename(&state, &elsewhere).unwrap();
    planrun.file("go", "");
    going.end().exits(74);
    fs::rename(&elsewhere, &state).unwrap();

    // The host has kept how it ended.
    planrun.run(&["resume", "last"]).exits(0);
    assert_eq!(lines(&planrun), "a\nb\nc\n");
}

#[test]
fn a_run_that_has_no_room_is_refused_before_it_begins() {
    let planrun = Planrun::new();
    let (plan, inventory) = slow(&planrun);
    planrun.file("go", "");
    fs::create_dir(planrun.path("small")).unwrap();
    let small = planrun.path("small").display().to_string();
    let Some(ended) = mounting(
        &planrun,
        "a_run_that_has_no_room_is_refused_before_it_begins",
        &format!(
            "mount -t tmpfs -o size=2m,mode=0700 small {small}
             planrun --state-dir {small} apply {plan} -i {inventory} --yes"
        ),
    ) else {
        return;
    };
    ended.exits(74).says("MiB of free space, but this run may need 5 MiB");
    assert_eq!(lines(&planrun), "");
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_store_on_a_file_system_that_a_process_serves_is_refused() {
    let planrun = Planrun::new();
    if planrun.type_line("command -v fuse2fs").status != Some(0) {
        eprintln!(
            "skipped: a_store_on_a_file_system_that_a_process_serves_is_refused (no fuse2fs)"
        );
        return;
    }
    let (plan, inventory) = slow(&planrun);
    let folder = planrun.path("state").parent().unwrap().display().to_string();
    let Some(ended) = mounting(
        &planrun,
        "a_store_on_a_file_system_that_a_process_serves_is_refused",
        &format!(
            "cd {folder} && truncate -s 32M disk && mkfs.ext4 -q disk && mkdir served || exit 9
             fuse2fs -o fakeroot disk served || exit 9
             mkdir -m 700 served/state
             planrun --state-dir {folder}/served/state apply {plan} -i {inventory} --yes
             echo apply $?
             umount served"
        ),
    ) else {
        return;
    };
    ended.says("FUSE").says("apply 74");
    assert_eq!(lines(&planrun), "");
}

#[test]
fn a_disk_that_fills_up_stops_the_run_and_loses_nothing() {
    let planrun = Planrun::new();
    let (plan, inventory) = slow(&planrun);
    fs::create_dir(planrun.path("small")).unwrap();
    let small = planrun.path("small").display().to_string();
    planrun.file("go", format!("dd if=/dev/zero of={small}/filler bs=4096 2>/dev/null || true\n"));
    let Some(ended) = mounting(
        &planrun,
        "a_disk_that_fills_up_stops_the_run_and_loses_nothing",
        &format!(
            "mount -t tmpfs -o size=8m,mode=0700 small {small}
             export PLANRUN_STATE_DIR={small}
             planrun apply {plan} -i {inventory} --yes --output plain; echo apply $?
             planrun runs; echo runs $?
             planrun show last; echo show $?
             rm {small}/filler
             planrun resume last; echo resume $?"
        ),
    ) else {
        return;
    };
    // The host has kept how the command ended.
    for said in ["the disk is full", "apply 74", "runs 0", "show 0", "resume 0"] {
        ended.says(said);
    }
    assert_eq!(lines(&planrun), "a\nb\nc\n");
}

#[test]
fn a_limit_of_file_sizes_stops_the_run_like_a_full_disk() {
    let planrun = Planrun::new();
    let (plan, inventory) = slow(&planrun);
    planrun.file("go", "");
    let apply = format!("planrun apply {plan} -i {inventory} --yes");
    // Units of 512 bytes.
    let ended = planrun.type_line(&format!("ulimit -f 200; {apply}"));
    ended.exits(74).says("cannot write").says("to see what was recorded");
    planrun.run(&["resume", "last"]).exits(0);
    assert_eq!(lines(&planrun), "a\nb\nc\n");

    // A log is no reason to stop.
    let log = planrun.path("log");
    fs::File::create(&log).unwrap().set_len(9000 * 512 - 100).unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).unwrap();
    let fresh = planrun.path("fresh").display().to_string();
    let log = log.display();
    let fresh = format!("mkdir -m 700 {fresh}; PLANRUN_STATE_DIR={fresh} PLANRUN_LOG=trace");
    let ended = planrun.type_line(&format!("ulimit -f 9000; {fresh} {apply} --log {log}"));
    ended.exits(0).says("the log is incomplete");
}

#[test]
fn runs_are_shown_on_a_read_only_file_system() {
    for killed in [false, true] {
        let planrun = Planrun::new();
        let (plan, inventory) = slow(&planrun);
        let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory]);
        going.until_sends("here/a");
        if killed {
            going.kill();
        } else {
            planrun.file("go", "");
            going.end().exits(0);
        }
        let state = planrun.path("state").display().to_string();
        let Some(ended) = mounting(
            &planrun,
            "runs_are_shown_on_a_read_only_file_system",
            &format!(
                "mount --bind {state} {state}
                 mount -o remount,bind,ro {state}
                 touch {state}/x && echo not read-only
                 planrun runs; echo runs $?
                 planrun show last; echo show $?
                 planrun prune --older-than 0s --dry-run; echo prune $?
                 planrun resume last; echo resume $?"
            ),
        ) else {
            return;
        };
        let text = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!text.contains("not read-only"), "{text}");
        ended.says("runs 0").says("show 0").says("echo a >>");
        ended.says(if killed { "interrupted" } else { "succeeded" });
        ended.says("prune 0").says("resume 74").says("read-only");
    }
}

/// Changes the database as a careless hand would.
fn tamper(planrun: &Planrun, statement: &str) {
    let database = rusqlite::Connection::open(planrun.path("state/runs.db")).unwrap();
    let triggers = "DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_removed;";
    database.execute_batch(&format!("{triggers} {statement}")).unwrap();
}

#[test]
fn verify_reads_the_runs_that_have_ended_too() {
    let planrun = Planrun::new();
    let (plan, inventory) = slow(&planrun);
    planrun.file("go", "");
    planrun.run(&["apply", &plan, "-i", &inventory]).exits(0);
    planrun.run(&["apply", &plan, "-i", &inventory]).exits(0);
    planrun.run(&["runs", "--verify"]).exits(0).says("2 runs verified, 0 damaged");
    let newest = planrun.newest();
    let where_it_is = format!("WHERE seq = 4 AND run = '{newest}'");
    tamper(&planrun, &format!("UPDATE events SET payload = '{{}}' {where_it_is}"));

    planrun.run(&["runs"]).exits(0).says("succeeded");
    let verified = planrun.run(&["runs", "--verify"]);
    verified
        .exits(74)
        .says("2 runs verified, 1 damaged")
        .says("event 4: its content or hash was changed");
    let json = planrun.run(&["runs", "--verify", "--format", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json.exits(74).stdout).unwrap();
    let states: Vec<_> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["damaged", "succeeded"]);
    planrun.run(&["show", "last"]).exits(74);
}

#[test]
fn a_damaged_event_hides_no_other() {
    for (statement, said) in [
        (
            "UPDATE events SET payload = '{}' WHERE seq = 4",
            "event 4: its content or hash was changed",
        ),
        (
            "UPDATE events SET hash = x'00' WHERE seq = 4",
            "event 4: its content or hash was changed",
        ),
        ("DELETE FROM events WHERE seq IN (4, 5)", "event 4: it and the 1 after it are missing"),
    ] {
        let planrun = Planrun::new();
        let (plan, inventory) = slow(&planrun);
        let mut going = planrun.begin_json(&["apply", &plan, "-i", &inventory]);
        going.until_sends("here/a");
        going.kill();
        tamper(&planrun, statement);

        let shown = planrun.run(&["show", "last"]);
        shown.exits(74).says(said).says("running").says("here").says("--acknowledge");
        assert_eq!(shown.stdout.matches("damaged at event").count(), 1, "{}", shown.stdout);
        planrun.run(&["runs"]).exits(0).says("damaged").says(said);
        for command in ["resume", "rollback"] {
            let refused = planrun.run(&[command, "last"]);
            refused.exits(74).says("cannot be resumed or rolled back").says("planrun show");
        }
        planrun.run(&["abort", "last", "--acknowledge"]).exits(0);
        planrun.run(&["runs"]).exits(0).says("aborted");
        // Another run is not touched by it.
        planrun.file("go", "");
        planrun.run(&["apply", &plan, "-i", &inventory]).exits(0);
    }
}

#[test]
fn data_that_does_not_arrive_is_an_error() {
    let planrun = Planrun::new();
    let (plan, inventory) = slow(&planrun);
    planrun.file("go", "");
    let apply = format!("planrun apply {plan} -i {inventory} --yes --output json");
    for line in [
        apply.as_str(),
        "planrun show last",
        "planrun show last --format json",
        "planrun runs",
        "planrun schema plan",
        "planrun explain --code no-way-back",
        "planrun --help",
    ] {
        let ended = planrun.type_line(&format!("{line} > /dev/full"));
        ended.exits(74).says("cannot write standard output: No space left on device");
        // A reader that wants no more is no failure.
        let ended = planrun.type_line(&format!("{{ {line}; echo status $? >&2; }} | true"));
        ended.says("status 0");
    }
}
