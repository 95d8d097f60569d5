//! A run and its terminals: answered from another one, closed, and clocks that are set.

use std::fs;
use std::time::Duration;

use planrun::clock::Clock;
use planrun::duration;

use crate::harness::{Going, Planrun, eventually, program};

const INVENTORY: &str =
    "web: {hosts: {web1: {planrun_connection: local}, web2: {planrun_connection: local}}}\n";

/// A plan that asks on each host. On web2 the step before that waits for the file `go`.
fn asking(planrun: &Planrun) -> Vec<String> {
    let folder = planrun.path("state").parent().unwrap().display().to_string();
    let text = format!(
        "version: 1
name: asking
hosts: web
serial: 2
defaults: {{on_unknown: ask, rollback: {{none: lines}}}}
steps:
  - id: slow
    shell: case {{{{ host.name }}}} in web2) while ! [ -e {folder}/go ]; do sleep 0.1; done ;; esac
    on_unknown: ask
    rollback: {{none: it waits}}
  - id: ask
    approve: Go on?
  - id: after
    shell: echo {{{{ host.name }}}} >> {folder}/lines
    on_unknown: ask
    rollback: {{none: lines}}
"
    )
    .replace("defaults: {on_unknown: ask, rollback: {none: lines}}\n", "");
    let plan = planrun.file("asking.yaml", text);
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    ["apply", &plan, "-i", &inventory].map(str::to_owned).to_vec()
}

fn lines(planrun: &Planrun) -> String {
    fs::read_to_string(planrun.path("lines")).unwrap_or_default()
}

/// Begins a command on a terminal of its own, on which nobody types.
fn on_a_terminal(planrun: &Planrun, words: &[&str]) -> Going {
    let words = words.join(" ");
    let typed = planrun.path("typed").display().to_string();
    planrun.begin_line(&format!(
        "mkfifo {typed}; exec 3<>{typed}; exec script -qec 'exec planrun {words}' /dev/null <&3"
    ))
}

fn state(planrun: &Planrun) -> String {
    planrun.runs().first().map_or_else(String::new, |run| run["state"].as_str().unwrap().to_owned())
}

fn waits_for_an_answer(planrun: &Planrun, task: &str) -> bool {
    let wanted = format!("an answer to {task}");
    planrun.runs().first().is_some_and(|run| {
        let waits = run["waits_for"].as_array().unwrap();
        waits.iter().any(|wait| wait.as_str().unwrap().starts_with(&wanted))
    })
}

#[test]
fn an_answer_from_another_terminal_is_taken_up_while_the_run_is_alive() {
    let planrun = Planrun::new();
    let words = asking(&planrun);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let going = planrun.begin_json(&words);
    eventually("web1 asks", || waits_for_an_answer(&planrun, "web1/ask"));
    planrun.run(&["runs"]).says("running").says("--as approve");
    planrun.run(&["show", "last"]).says("waiting for").says("Answer with one of:");

    planrun.run(&["resolve", "last", "--as", "nonsense"]).exits(2);
    planrun.run(&["resolve", "last", "web2/ask", "--as", "approve"]).exits(2);
    let answered = planrun.run(&["resolve", "last", "--as", "approve", "--reason", "seen"]);
    answered.exits(0).says("web1/ask: approve").says("the run continues");
    eventually("web1 goes on", || lines(&planrun) == "web1\n");
    planrun.run(&["resolve", "last", "--as", "approve"]).exits(2).says("no open question");
    planrun.file("go", "");
    going.end().exits(6);
    assert_eq!(lines(&planrun), "web1\n");
}

#[test]
fn a_question_at_a_terminal_can_be_answered_at_another() {
    let planrun = Planrun::new();
    let words = asking(&planrun);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend(["--yes", "--limit", "web1"]);
    let going = on_a_terminal(&planrun, &words);
    eventually("web1 asks", || waits_for_an_answer(&planrun, "web1/ask"));
    planrun.run(&["resolve", "last", "--as", "approve"]).exits(0).says("the run continues");
    eventually("it goes on to its end", || state(&planrun) == "succeeded");
    assert_eq!(lines(&planrun), "web1\n");
    drop(going);
}

#[test]
fn an_answer_to_a_run_whose_process_died_is_kept_for_the_resume() {
    let planrun = Planrun::new();
    let words = asking(&planrun);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let going = planrun.begin_json(&words);
    eventually("web1 asks", || waits_for_an_answer(&planrun, "web1/ask"));
    going.kill();
    planrun.run(&["runs"]).says("interrupted").says("planrun resume");
    planrun.run(&["show", "last"]).says("interrupted").says("planrun resume");
    planrun.run(&["resolve", "last", "--as", "approve"]).exits(0).says("planrun resume");
}

#[test]
fn a_run_goes_on_without_its_terminal_and_pauses_at_a_question() {
    let planrun = Planrun::new();
    let words = asking(&planrun);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend(["--yes", "--limit", "web2"]);
    let going = on_a_terminal(&planrun, &words);
    eventually("web2 works", || {
        planrun.runs().first().is_some_and(|run| run["state"] == "running")
            && !planrun.kept("last").sent().is_empty()
    });
    going.kill();
    eventually("it goes on", || state(&planrun) == "running");
    planrun.file("go", "");
    eventually("it pauses", || state(&planrun) == "paused");
    assert!(waits_for_an_answer(&planrun, "web2/ask"));
}

#[test]
fn a_terminal_that_goes_away_during_a_question_pauses_the_run() {
    let planrun = Planrun::new();
    let words = asking(&planrun);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend(["--yes", "--limit", "web1"]);
    let going = on_a_terminal(&planrun, &words);
    eventually("web1 asks", || waits_for_an_answer(&planrun, "web1/ask"));
    going.kill();
    eventually("it pauses", || state(&planrun) == "paused");
}

/// A library that sets the clock back by a day once a file exists.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, now);
    const char *file = getenv("CLOCK_SET_BACK");
    if (clock == CLOCK_REALTIME && file && access(file, F_OK) == 0) now->tv_sec -= 86400;
    return done;
}
"#;

#[test]
fn a_clock_that_is_set_back_changes_no_duration() {
    let mut planrun = Planrun::new();
    let source = planrun.file("shim.c", SHIM);
    let shim = planrun.path("shim.so").display().to_string();
    let made = program("cc").args(["-shared", "-fPIC", "-o", &shim, &source, "-ldl"]).status();
    assert!(made.unwrap().success());
    let back = planrun.path("back").display().to_string();
    planrun.environment("LD_PRELOAD", Some(&shim));
    planrun.environment("CLOCK_SET_BACK", Some(&back));
    let plan = planrun.file(
        "plan.yaml",
        format!(
            "version: 1
name: back
hosts: web1
steps:
  - id: set
    shell: touch {back}; sleep 1
    on_unknown: ask
    rollback: {{none: a file}}
  - id: ask
    approve: Go on?
"
        ),
    );
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    // The step sleeps for a second, and nothing takes longer than this test.
    let begin = Clock::Real.monotonic();
    let takes_as_long_as_it_took = |text: &str| {
        let took = text.split("took ").nth(1).and_then(|rest| rest.split([',', '\n']).next());
        let took = took.and_then(duration::parse).expect(text);
        let passed = Clock::Real.monotonic().saturating_sub(begin);
        let second = Duration::from_secs(1);
        assert!(took >= second && took <= passed + second, "{passed:?}: {text}");
    };
    let paused = planrun.run(&["apply", &plan, "-i", &inventory]);
    takes_as_long_as_it_took(&paused.exits(6).stdout);
    planrun.run(&["show", "last"]).says("after the start");
    // The next process sees the clock a day back.
    planrun.run(&["resolve", "last", "--as", "approve"]).exits(0);
    takes_as_long_as_it_took(&planrun.run(&["resume", "last"]).exits(0).stdout);
}

#[test]
fn a_suspended_controller_has_observed_nothing_meanwhile() {
    let planrun = Planrun::new();
    let looks = planrun.file("looks", "");
    let plan = planrun.file(
        "plan.yaml",
        format!(
            "version: 1
name: suspended
hosts: web1
probes:
  look: {{shell: echo look >> {looks}; echo up, parse: text}}
steps:
  - wait: {{until: look == \"up\", stable_for: 4s, every: 500ms, timeout: 1m}}
"
        ),
    );
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    let line = format!(
        "planrun apply {plan} -i {inventory} --yes & run=$!
         while ! [ -s {looks} ]; do sleep 0.1; done
         kill -STOP $run; sleep 6; cp {looks} {looks}.before; kill -CONT $run; wait $run"
    );
    planrun.type_line(&line).exits(0);
    let count = |name: &str| fs::read_to_string(planrun.path(name)).unwrap().lines().count();
    let after = count("looks") - count("looks.before");
    assert!(after > 2, "{after}");
}

#[test]
fn old_runs_that_ended_are_removed_and_open_ones_never() {
    let planrun = Planrun::new();
    let words = asking(&planrun);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    planrun.file("go", "");
    planrun.run(&words).exits(6);
    let ended = planrun.newest();
    planrun.run(&["abort", &ended, "--acknowledge"]).exits(0);
    planrun.run(&words).exits(6);
    let open = planrun.newest();

    planrun.run(&["prune"]).exits(0).says("0 runs removed");
    planrun.run(&["prune", "--older-than", "0s", "--dry-run"]).exits(0).says("1 run would be");
    assert_eq!(planrun.runs().len(), 2);
    let pruned = planrun.run(&["prune", "--older-than", "0s"]);
    pruned.exits(0).says(&ended).says("1 run removed");
    assert_eq!(planrun.newest(), open);
    assert_eq!(planrun.runs().len(), 1);
    planrun.run(&["show", &ended]).exits(2).says("no run named");
    planrun.run(&["abort", &open, "--acknowledge"]).exits(0);
    // What is left is as well guarded as before.
    let database = rusqlite::Connection::open(planrun.path("state/runs.db")).unwrap();
    assert!(database.execute_batch("DELETE FROM events").is_err());
    assert!(database.execute_batch("DELETE FROM runs").is_err());
}

#[test]
fn the_model_of_a_run_is_removed_with_it() {
    let planrun = Planrun::new();
    let plan = ["apply", "plans/dovecot-reload.yaml", "-i", "demo", "--set", "source=README.md"];
    planrun.run(&plan).exits(0);
    assert_eq!(fs::read_dir(planrun.path("state/models")).unwrap().count(), 1);
    // The time of model hosts is virtual: this run may end in the future.
    let database = rusqlite::Connection::open(planrun.path("state/runs.db")).unwrap();
    database.execute("UPDATE runs SET ended_at = '2020-01-01T00:00:00Z'", []).unwrap();
    planrun.run(&["prune"]).exits(0).says("1 run removed");
    assert_eq!(fs::read_dir(planrun.path("state/models")).unwrap().count(), 0);
}

#[test]
fn two_stops_are_reported_once_and_not_in_the_line_of_a_prompt() {
    let planrun = Planrun::new();
    let words = asking(&planrun);
    let words: Vec<&str> = [words.iter().map(String::as_str).collect(), vec!["--yes"]].concat();
    let going = on_a_terminal(&planrun, &words);
    eventually("web1 asks", || waits_for_an_answer(&planrun, "web1/ask"));

    let stops = [planrun.begin(&["stop", "last"]), planrun.begin(&["stop", "last"])];
    eventually("both are accepted", || {
        let database = rusqlite::Connection::open(planrun.path("state/runs.db")).unwrap();
        let count = "SELECT count(*) FROM requests WHERE reply IS NOT NULL";
        database.query_row(count, [], |row| row.get(0)).is_ok_and(|number: i64| number == 2)
    });
    planrun.file("go", "");
    for stop in stops {
        stop.end().exits(0).says("asked to pause after its running steps");
    }
    let text = going.end().all().replace('\r', "");

    let lines: Vec<&str> = text.lines().filter(|line| line.contains("pausing after")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    let plain = console::strip_ansi_codes(lines[0]);
    assert!(plain.trim_start().starts_with("pausing after the running steps, as "), "{text}");
}

#[test]
fn a_pipe_gets_all_of_a_run_also_if_errors_go_to_a_terminal() {
    let planrun = Planrun::new();
    let plan =
        planrun.file("plan.yaml", "version: 1\nname: piped\nhosts: web1\nsteps: [{wait: 1s}]\n");
    let inventory = planrun.file("inventory.yaml", INVENTORY);
    let kept = planrun.path("kept").display().to_string();
    let apply = format!("planrun apply {plan} -i {inventory} --yes | tee {kept}");
    let line = format!("TERM=xterm script -qec '{apply}' /dev/null </dev/null");
    let shown = planrun.type_line(&line).exits(0).stdout.replace('\r', "");
    let kept = fs::read_to_string(kept).unwrap();
    for text in ["run 2", "planned", "succeeded: 1 host"] {
        assert!(kept.contains(text), "no {text}: {kept}");
    }
    assert_eq!(shown, kept);
    // A reader that has seen enough does not disturb the run.
    let line = format!("planrun apply {plan} -i {inventory} --yes | head -n 1");
    assert_eq!(planrun.type_line(&line).exits(0).stdout.lines().count(), 1);
    planrun.run(&["show", "last"]).exits(0).says("succeeded");
}
